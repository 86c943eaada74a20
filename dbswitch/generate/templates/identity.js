/* eslint-disable */
// Tells only dbswitch which database this app is on. Written by `dbswitch generate route --identity-only`,
// which also brings it up to date; do not edit it.

import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { databaseIdentity } from "../../../../lib/prisma"; // {client}

const digest = (text) => createHash("sha256").update(text).digest();

function tokenFile() {
    const root = process.cwd();
    // Without the comment Turbopack would put the token among the files that a build carries along.
    return join(/* turbopackIgnore: true */ root, ".dbswitch", "token");
}

function tokenMatches(given) {
    let token = "";
    try {
        token = readFileSync(/* turbopackIgnore: true */ tokenFile(), "utf8").trim();
    }
    catch {
        // No token, no answer.
    }
    // Digests have one length: the comparison takes the same time whatever was given.
    return token !== "" && timingSafeEqual(digest(token), digest(given ?? ""));
}

function isLoopback(host) {
    const name = (host ?? "").replace(/:\d+$/, "").toLowerCase();
    return name === "localhost" || name.endsWith(".localhost") || name === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function answer(status, body) {
    return Response.json({ dbswitch: 1, ...body }, { status, headers: { "cache-control": "no-store" } });
}

/** Say in a short code what failed: the database, or (with the reason) this route, which no waiting can mend. */
function problem(error) {
    const { name, code, message, meta } = error;
    const cause = meta?.driverAdapterError?.cause;
    const found = [cause?.originalCode, cause?.kind === "DatabaseNotReachable" ? "P1001" : undefined, code];
    const known = found.find((one) => typeof one === "string" && /^[0-9A-Z]{5}$/.test(one));
    if (typeof known === "string")
        return { error: known };
    const text = String(message);
    const ofTheProgram = /^(?:Type|Reference|Syntax)Error$/.test(String(name)) && !text.includes("fetch failed");
    const missing = /^(?:ERR_)?MODULE_NOT_FOUND$/.test(String(code)) || /^PrismaClient(?:Validation|ConstructorValidation)Error$/.test(String(name));
    if (!ofTheProgram && !missing)
        return { error: "unavailable" };
    // The message of a SyntaxError or of Prisma may quote a value; that of the others names code.
    const tells = /^(?:Type|Reference)Error$/.test(String(name));
    return { error: "cannot ask", reason: tells ? `${name}: ${text.slice(0, 200)}` : String(code ?? name) };
}

async function identity({ headers }) {
    // A name that resolves to this machine but is not its own would let a page elsewhere ask.
    const hosts = [headers.get("host"), headers.get("x-forwarded-host") ?? headers.get("host")];
    if (process.env.NODE_ENV !== "development" || !hosts.every(isLoopback))
        return answer(404, { error: "not found" });
    if (!tokenMatches(headers.get("x-dbswitch-token")))
        return answer(401, { error: "unauthorized" });
    try {
        return answer(200, { identity: await databaseIdentity() });
    }
    catch (error) {
        return answer(503, problem(error));
    }
}

export { identity as GET }; // {get}

