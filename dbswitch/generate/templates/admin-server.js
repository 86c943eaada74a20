/* eslint-disable */
// Shared by the admin route, the page and the banner: who may ask, which database the app is on, and which switch runs.
// Written by `dbswitch generate route`, which also brings it up to date; do not edit it.

import { createHash, timingSafeEqual } from "node:crypto";
import { hostname } from "node:os";

import { firstLine, list, lives, parsed, plain, plainProblem, read, SILENT, stamp } from "./command"; // {command}
import { databaseIdentity as ask, prisma } from "../../../../lib/prisma"; // {client}

const MIGRATIONS = "prisma/migrations"; // {migrations}

// One for the process: a module is evaluated again after every edit.
const KEY = Symbol.for("dbswitch.admin.v2");
const kept = (globalThis[KEY] ??= { asked: {} });

/** Seconds on a clock that is never set. */
const clock = () => performance.now() / 1_000;

// --- Who may ask -------------------------------------------------------------------------------------------------------

const LOOPBACK = /^(?:(?:[a-z0-9-]+\.)*localhost|\[::1\]|127(?:\.\d{1,3}){3})$/;

/** Off unless this is development and the host a loopback name, or one of the list in DBSWITCH_ALLOW_HOSTS. */
export function isOpen(headers) {
    const allowed = (process.env.DBSWITCH_ALLOW_HOSTS ?? "").toLowerCase().split(/[\s,]+/);
    const known = (host) => {
        const name = (host ?? "").toLowerCase().replace(/:\d+$/, "");
        return name !== "" && (LOOPBACK.test(name) || allowed.includes(name));
    };
    // A name that resolves to this machine but is not its own would let a page elsewhere ask.
    const hosts = [headers.get("host"), headers.get("x-forwarded-host") ?? headers.get("host")];
    return process.env.NODE_ENV === "development" && hosts.every(known);
}

/** A browser says where a request comes from. `null` is what it says for a sandboxed frame or a local file. */
export function isSameOrigin(headers) {
    const site = headers.get("sec-fetch-site");
    try {
        const { protocol, host } = new URL(headers.get("origin") ?? "");
        return /^https?:$/.test(protocol) && host === headers.get("host")?.toLowerCase() && (site ?? "same-origin") === "same-origin";
    }
    catch {
        return false;
    }
}

/** Whether a browser says that another site asks. A page of this site sends no origin with a GET. */
export function isForeign(headers) {
    const site = headers.get("sec-fetch-site");
    return (headers.has("origin") && !isSameOrigin(headers)) || (site !== null && site !== "same-origin" && site !== "none");
}

/** A page inside a foreign one could be clicked by a user who does not see it. */
export function isFramed(headers) {
    const inside = /^(?:i?frame|embed|object|fencedframe)$/.test(headers.get("sec-fetch-dest") ?? "");
    return inside && headers.get("sec-fetch-site") !== "same-origin";
}

export const readToken = () => read(".dbswitch", "token").trim();

const digest = (text) => createHash("sha256").update(text).digest();

/** Compare with the token that `dbswitch init` wrote. Digests have one length: every comparison takes the same time. */
export function tokenMatches(given) {
    const token = readToken();
    return token !== "" && timingSafeEqual(digest(token), digest(given ?? ""));
}

/** Count a request; return the seconds to wait where there were more than `limit` of its kind in `span` seconds. */
export function tooMany(kind, limit, span) {
    const now = clock();
    const times = (kept.asked[kind] ?? []).filter((at) => now - at < span);
    kept.asked[kind] = times;
    if (times.length >= limit)
        return Math.max(1, Math.ceil(span - (now - times[0])));
    times.push(now);
    return 0;
}

// --- What is told ------------------------------------------------------------------------------------------------------

function plainIdentity(identity) {
    if (!identity?.database)
        return null;
    const { database, serverVersion, inRecovery, readOnly } = identity;
    return { database, serverVersion, inRecovery, readOnly };
}

/** Host and port of a target's database; null where its URLs name several, or a Unix socket. */
function addressOf({ database, places }) {
    const found = (Array.isArray(places) ? places : []).map((place) => /^([\w.:[\]-]+:\d+)\/(.+)$/.exec(String(place)));
    const addresses = found.filter((match) => match?.[2] === database).map((match) => match[1]);
    return addresses.length === 1 ? addresses[0] : null;
}

async function look() {
    const found = await firstLine(["status"], 20_000);
    if (found.event !== "status" || !Array.isArray(found.targets))
        return { kind: "unknown", target: null, readOnly: false, limit: null, targets: [], hot: false, problem: plainProblem(found.error) ?? SILENT };
    return {
        kind: found.active,
        target: found.target,
        readOnly: found.read_only === true,
        limit: found.time_limit ? { back: String(found.time_limit.back), ends: Date.now() / 1_000 + found.time_limit.left } : null,
        targets: found.targets.map((one) => ({
            name: String(one?.name),
            protected: one?.protected !== false,
            database: one?.database ?? null,
            address: addressOf(one),
        })),
        hot: found.hot_client && found.identity_route,
    };
}

/** What `dbswitch status` says; asked again when a file that it reads has changed. */
export function status() {
    const files = [".env", ".env.local", ".env.development", ".env.development.local", "dbswitch.toml", "package.json"];
    const own = list("env").map((name) => stamp("env", name));
    const state = ["lock", "history.jsonl", "time-limit.json"].map((name) => stamp(".dbswitch", name));
    const now = [...files.map((name) => stamp(name)), ...own, ...state].join(" ");
    const before = kept.status;
    if (before && before.stamp === now && clock() - before.at < 600)
        return before.value;
    const value = look();
    kept.status = { stamp: now, at: clock(), value };
    void value.then((found) => {
        if (!found.problem)
            kept.known = found;
        else if (kept.status?.value === value)
            kept.status = undefined;
    });
    return value;
}

/** The target of this name. What was told before is enough to start with: the run looks again and guards for itself. */
export async function find(name, confirmed) {
    const before = kept.known?.targets.find((one) => one.name === name);
    if (before && (confirmed || !before.protected))
        return { target: before };
    const { targets, problem } = await status();
    return { target: targets.find((one) => one.name === name), problem };
}

const within = (work, milliseconds) => Promise.race([
    work,
    new Promise((_, reject) => setTimeout(() => reject(new Error("timeout")), milliseconds).unref()),
]);

/** Say in a short code what failed: the database, or (with the reason) this route, which no waiting can mend. */
function problemOf(error) {
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

/** The identity that the app's own Prisma client sees, or a short code of what went wrong. */
export async function identity() {
    try {
        return { identity: (await within(ask(), 5_000)) };
    }
    catch (error) {
        return problemOf(error);
    }
}

/** Migrations of the project that this database lacks; none where Prisma Migrate was never used on it. */
async function migrations() {
    const raw = (sql) => within(prisma.$queryRawUnsafe(sql), 3_000);
    const folders = list(MIGRATIONS).filter((name) => stamp(MIGRATIONS, name, "migration.sql") !== "");
    try {
        const [{ found }] = (await raw("SELECT to_regclass('_prisma_migrations') IS NOT NULL AS found"));
        if (!found || folders.length === 0)
            return { pending: [], failed: [] };
        const rows = await raw("SELECT migration_name AS name, finished_at IS NOT NULL AS done FROM _prisma_migrations WHERE rolled_back_at IS NULL");
        const done = new Set(rows.filter((row) => row.done).map((row) => row.name));
        const failed = rows.filter((row) => !row.done && !done.has(row.name)).map((row) => row.name);
        return { pending: folders.filter((name) => !done.has(name) && !failed.includes(name)).sort(), failed };
    }
    catch {
        return { pending: [], failed: [] };
    }
}

function history() {
    const lines = read(".dbswitch", "history.jsonl").trim().split("\n").slice(-10).reverse();
    const whole = (one) => Number.isFinite(one?.at) && typeof one.to === "string";
    return lines.map(parsed).filter(whole).map(({ id, at, from, to, outcome, seconds, mode, verified }) => ({
        id, at, from, to, outcome, seconds, mode, verified,
    }));
}

export async function overview() {
    const [now, app] = await Promise.all([status(), identity()]);
    return {
        active: { kind: now.kind, target: now.target, limit: now.limit },
        targets: now.targets,
        hot: now.hot,
        problem: now.problem ?? null,
        identity: "identity" in app ? plainIdentity(app.identity) : null,
        unreachable: "error" in app ? app.error : null,
        migrations: "identity" in app ? await migrations() : { pending: [], failed: [] },
        history: history(),
        running: busy() ?? null,
    };
}

// --- Runs --------------------------------------------------------------------------------------------------------------

const RUN = /^[0-9]{8}T[0-9]{9}Z-[0-9a-f]{8}$/;
// ms without an event and without the lock after which a run counts as dead: before it took the lock, and after
const QUIET = 30_000;
const QUIET_AFTER_LOCK = 5_000;

const runFile = (id) => [".dbswitch", "runs", `${id}.jsonl`];

function event(line) {
    const { event, phase, state, seconds, attempt, next_in, level, code, mode, previous, target, id, outcome, exit, verified, at } = line;
    const texts = Object.fromEntries(["detail", "reason", "text", "server"].filter((name) => line[name]).map((name) => [name, plain(line[name])]));
    const ends = event === "result" ? { identity: plainIdentity(line.identity), error: plainProblem(line.error) ?? null } : {};
    return {
        event, phase, state, seconds, attempt, next_in, level, code, mode, previous, target, id, outcome, exit, verified, at,
        ...texts, ...ends,
    };
}

function wire(id) {
    const text = RUN.test(id) ? read(...runFile(id)) : "";
    return text.slice(0, text.lastIndexOf("\n") + 1).split("\n").map(parsed).filter(Boolean);
}

const isOver = (lines) => lines.some((line) => line.event === "result");

/** The events of a run so far; undefined where there is none of that id. */
export function run(id) {
    const lines = wire(id);
    if (lines.length === 0)
        return undefined;
    const over = isOver(lines);
    return { id, over, lost: !over && isDead(id, lines), events: lines.map(event) };
}

function isDead(id, lines) {
    const [changed] = stamp(...runFile(id)).split(":");
    const held = lines.some(({ phase, state }) => phase === "lock" && state === "done");
    // A clock that was set back puts the last event into the future.
    const quiet = Math.abs(Date.now() - Number(changed));
    return holder() === undefined && quiet > (held ? QUIET_AFTER_LOCK : QUIET);
}

/** Who holds the project's lock (`switch/project_lock.py`). The record counts only as long as its process lives. */
function holder() {
    const record = parsed(read(".dbswitch", "lock"));
    const { pid, started } = record?.process ?? {};
    if (!Number.isInteger(pid) || pid <= 0)
        return undefined;
    if (record.host === hostname() && !lives(pid, started))
        return undefined;
    // A run that was started in a terminal has no file.
    const lines = wire(String(record.run));
    const id = lines.length > 0 && !isOver(lines) ? record.run : undefined;
    return { target: String(record.target), since: Number(record.since), id };
}

/** The switch in progress, also if another program started it. */
export function busy() {
    if (kept.starting)
        return kept.starting;
    const held = holder();
    if (held)
        return held;
    const last = kept.last;
    if (!last?.id)
        return undefined;
    const found = run(last.id);
    return found && !found.over && !found.lost ? last : undefined;
}

/** Start a switch that goes on without this server; return its id as soon as it is known. Only `instead` may be under way. */
export async function start(target, flags, instead) {
    const now = busy();
    if (now && (now.id === undefined || now.id !== instead))
        return { busy: now };
    const mine = { target, since: Date.now() / 1_000 };
    kept.starting = mine; // before anything is waited for: of two requests at once one gets through
    try {
        const line = await firstLine([target, "--detach", ...flags], 20_000);
        if (line.event !== "accepted" || !RUN.test(line.id)) {
            kept.known = undefined; // what was known may be why
            return { problem: plainProblem(line.error) ?? SILENT };
        }
        kept.last = { ...mine, id: line.id };
        return { id: line.id };
    }
    finally {
        kept.starting = undefined;
    }
}

