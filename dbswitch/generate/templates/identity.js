/* eslint-disable */
// Tells dbswitch, and nobody else, which database this app is on. Written by `dbswitch generate route --identity-only`,
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

export async function GET(request) {
    const { headers } = request;
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
        const { code, meta } = error;
        const cause = meta?.driverAdapterError?.cause;
        const found = [cause?.originalCode, cause?.kind === "DatabaseNotReachable" ? "P1001" : undefined, code];
        const known = found.find((one) => typeof one === "string" && /^[0-9A-Z]{5}$/.test(one));
        return answer(503, { error: known ?? "unavailable" });
    }
}

