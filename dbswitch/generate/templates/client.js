/* eslint-disable */
// The Prisma client of this project. It follows the env files: when the database URL in them changes, new queries go to
// the new database and what is still running finishes on the old one. While a database is away, what can safely be
// retried is retried. Written by `dbswitch generate client`, which also brings it up to date; do not edit it. Your own
// `$extends` chain and options belong into the file beside it whose name ends in `.extend`.
import { AsyncLocalStorage } from "node:async_hooks";
import { readFileSync, statSync } from "node:fs";
import * as nodeModule from "node:module"; // webpack replaces calls of a named `createRequire`
import { uptime } from "node:os";
import { dirname, join } from "node:path";
import { compileFunction } from "node:vm";

import { PrismaPg } from "@prisma/adapter-pg"; // {adapter}
import { PrismaClient } from "../generated/prisma/client"; // {client}

const project = {}; // {extend}

const VARIABLE = "DATABASE_URL"; // {variable}
const IDENTITY_SQL = "SELECT current_database()::text AS database"; // {identity}
const adapters = { neon: PrismaPg, other: PrismaPg }; // {adapters}
const hooks = project;
const limits = { budget: 15_000, base: 50, cap: 1_000, ...hooks.retry };

const words = (text) => new Set(text.split(/\s+/));
const REFUSED = words(`P1001 P1002 P2024 P2037 DatabaseNotReachable TooManyConnections ECONNREFUSED ENOTFOUND EAI_AGAIN
  EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN 57P03 53300 08001 08004`);
const LOST = words(`P1008 P1017 ConnectionClosed SocketTimeout ECONNRESET ECONNABORTED EPIPE ETIMEDOUT 57P01 57P02 57P05
  08000 08003 08006 08007`);
const CONFLICT = words("P2034 TransactionWriteConflict 40001 40P01");
const REFUSED_TEXT = /timeout exceeded when trying to connect|due to connection timeout|not queryable|after calling end on the pool|Unable to start a transaction/;
const LOST_TEXT = /Connection terminated|Connection ended unexpectedly|server closed the connection/;
const UNCERTAIN = `[dbswitch] The connection was lost while this write was under way. It may have been applied, and was \
not retried. Check before you repeat it.`;
const uncertain = (cause) => new Error(`${cause.message}\n${UNCERTAIN}`, { cause });
const READ_ONLY = `[dbswitch] Writes fail because this session is read-only (\`dbswitch TARGET --read-only\`, a role or a standby); \
\`dbswitch TARGET --write\` lifts what dbswitch set.`;

function tried(work) {
    try {
        return work();
    }
    catch {
        return undefined;
    } // what cannot be read is not there
}
// Without the comment Turbopack takes every file of the project for one that the server needs.
const inRoot = (name) => join(/* turbopackIgnore: true */ process.cwd(), name);

function codesOf(error, into = new Set(), depth = 0) {
    if (typeof error !== "object" || error === null || depth > 4)
        return into;
    const { code, kind, originalCode, cause, meta } = error;
    for (const found of [code, kind, originalCode])
        if (typeof found === "string")
            into.add(found);
    codesOf(meta?.driverAdapterError, into, depth + 1);
    return codesOf(cause, into, depth + 1);
}

/** Add to Postgres's 25006 why it came and what lifts it; the error stays the one that Prisma made. */
function explainReadOnly(error) {
    if (!codesOf(error).has("25006") || String(error.message).includes(READ_ONLY))
        return;
    for (const key of ["message", "stack"])
        error[key] = `${error[key]}\n${READ_ONLY}`;
}

/**
 * Say what an error of Prisma, of its adapter or of the driver means for a second try. `refused`: no connection was made.
 * `lost`: it broke, perhaps after the statement ran. `conflict`: rolled back whole.
 */
export function classify(error) {
    const codes = [...codesOf(error)];
    const message = error instanceof Error ? error.message : "";
    if (message.includes(UNCERTAIN))
        return "other";
    if (codes.some((code) => REFUSED.has(code)))
        return "refused";
    if (codes.some((code) => LOST.has(code)))
        return "lost";
    if (codes.some((code) => CONFLICT.has(code)))
        return "conflict";
    // Raw queries, pool timeouts and dropped sockets come as plain errors; a message of the server may quote anything.
    if (!codes.every((code) => code === "P2010" || code === "P2028"))
        return "other";
    return REFUSED_TEXT.test(message) ? "refused" : LOST_TEXT.test(message) ? "lost" : "other";
}

const READS = words("findUnique findUniqueOrThrow findFirst findFirstOrThrow findMany count aggregate groupBy");
// Functions that cannot change anything; what is not in this list may write, as nextval() does.
const PURE = words(`count sum avg min max coalesce nullif greatest least lower upper length trim concat substring round abs
  now date_trunc extract to_char to_json to_jsonb json_agg jsonb_agg json_build_object jsonb_build_object array_agg string_agg
  unnest version current_database current_schema current_setting pg_is_in_recovery pg_postmaster_start_time cast exists any all
  in array lateral join union and or not as on from where select over by having values filter using when then else between like`);

/** Tell whether a statement surely changes nothing, so that it may run twice. Doubt means no. */
export function readsOnly(sql) {
    if (/--|\/\*|\$\$|\\/.test(sql))
        return false;
    const bare = sql.replace(/'(?:[^']|'')*'/g, "''").toLowerCase();
    if (!/^\s*select\b/.test(bare) || /;\s*\S/.test(bare))
        return false;
    if (/\b(?:into|insert|update|delete|merge|call)\b/.test(bare.replace(/"[^"]*"/g, "x")))
        return false;
    return [...bare.matchAll(/([^\s(),;=<>+*/|-]+)\s*\(/g)].every(([, name]) => PURE.has(name));
}

/** @next/env writes what it reads into `process.env`; this copy of it gets a `process` of its own. */
function separateEnv(file, env) {
    const module = { exports: {} };
    const own = Object.create(process, { env: { value: { NODE_ENV: process.env.NODE_ENV, ...env } } });
    const text = readFileSync(/* turbopackIgnore: true */ file, "utf8");
    const run = compileFunction(text, ["module", "exports", "require", "process", "__dirname"]);
    run(module, module.exports, nodeModule.createRequire(file), own, dirname(file));
    return module.exports;
}

/** Return a function that tells the URL that Next.js would use; it reads the env files again when one of them changed. */
function createUrlReader() {
    const root = process.cwd();
    const { NODE_ENV } = process.env;
    const mode = NODE_ENV === "production" || NODE_ENV === "test" ? NODE_ENV : "development";
    const paths = [`.env.${mode}.local`, mode === "test" ? [] : ".env.local", `.env.${mode}`, ".env"].flat().map(inRoot);
    // By way of `next`: package managers that do not hoist give the project itself no `@next/env`.
    const next = tried(() => nodeModule.createRequire(inRoot("package.json")).resolve("next/package.json"));
    const file = next && tried(() => nodeModule.createRequire(next).resolve("@next/env"));
    if (!file)
        return () => process.env[VARIABLE];
    const log = { info: () => { }, error: () => { } };
    const read = (env, force = true) => {
        const { parsedEnv, loadedEnvFiles } = env.loadEnvConfig(root, mode !== "production", log, force);
        // Next.js 13 and 14 do not return what they read from the files, only `process.env` as it is now.
        return parsedEnv ?? separateEnv(file, env.initialEnv ?? {}).processEnv(loadedEnvFiles, root, log, true);
    };
    // Never bundled: the copy that Next.js itself loaded is the one that knows which variables were exported.
    const shared = nodeModule.createRequire(file)(file);
    // In a script, what its own `dotenv` read stands in process.env as well, and is no more exported than a file is.
    const launched = tried(() => new Set(readFileSync("/proc/self/environ", "utf8").split("\0"))); // on Linux
    const bound = launched ? {} : read(separateEnv(file, {}));
    const isExported = ([key, value]) => launched ? launched.has(`${key}=${value}`) : bound[key] !== value;
    const exported = shared.initialEnv ?? Object.fromEntries(Object.entries(process.env).filter(isExported));
    const separate = separateEnv(file, exported);
    let [values, seen, lookedAt] = [read(separate), "", -Infinity];
    // A value that neither the environment nor a file explains was set by the program itself.
    const found = process.env[VARIABLE];
    if (exported[VARIABLE] !== undefined || (found && found !== (shared.initialEnv ? read(shared, false) : values)[VARIABLE]))
        return () => found;

    const stat = (path) => tried(() => statSync(path, { throwIfNoEntry: false }));

    return () => {
        if (performance.now() - lookedAt < 5)
            return values[VARIABLE];
        lookedAt = performance.now();
        const age = (time) => Math.abs(Date.now() - time);
        const stats = paths.map(stat);
        // An editor that writes in place empties the file first; for that moment a file below it would win.
        if (stats.some((stat) => stat?.size === 0 && age(stat.mtimeMs) < 100))
            return values[VARIABLE];
        const stamp = stats.map((stat) => stat && [stat.ino, stat.size, stat.mtimeMs, stat.ctimeMs]).join();
        if (stamp === seen)
            return values[VARIABLE];
        // Within one tick of the file system's clock a second change may leave every number as it is.
        seen = stats.some((stat) => stat && age(stat.ctimeMs) < 40) ? "" : stamp;
        const before = values;
        values = read(separate);
        // As the reload of `next dev` does: the variables that belong to a database follow it. What a program set stays.
        for (const key of Object.keys({ ...before, ...values })) {
            if (process.env[key] !== before[key])
                continue;
            if (values[key] === undefined)
                delete process.env[key];
            else
                process.env[key] = values[key];
        }
        return values[VARIABLE];
    };
}

function open(url) {
    const { hostname, port, pathname, searchParams } = new URL(url);
    const schema = searchParams.get("schema") ?? undefined;
    // One connection less than the limit: during a switch the new database gets at least that one.
    const most = Math.max(1, (Number(searchParams.get("connection_limit")) || 10) - 1);
    const patience = Number(searchParams.get("connect_timeout") ?? 5) * 1_000;
    const Adapter = (/\.neon\.(tech|build)$/.test(hostname) ? adapters.neon : adapters.other);
    const config = { connectionString: url, max: most, connectionTimeoutMillis: patience };
    const ready = new Adapter(config, schema === undefined ? {} : { schema }).connect();
    const database = {
        ...{ url, schema, most, patience, ready },
        place: `${hostname.replace(/[[\]]/g, "")}:${port || 5432}${decodeURIComponent(pathname)}`.toLowerCase(),
        name: `Database "${decodeURIComponent(pathname.slice(1))}" on ${hostname}${port && `:${port}`}`,
        adapter: undefined,
        /** The pool of the driver. Without it the connection limit holds for each database alone. */
        pool: undefined,
        /** Operations, statements and transactions that are on it; the last one closes it when another one is current. */
        users: 0,
        /** Statements and transactions that may use a connection, those that wait for one, and the connections there are. */
        busy: 0,
        queue: new Set(),
        open: 0,
        closing: false,
    };
    ready.then((adapter) => {
        database.adapter = adapter;
        database.pool = adapter.underlyingDriver?.();
        database.pool?.on("connect", () => void database.open++);
        database.pool?.on("remove", () => {
            if (--database.open === 0 && database.closing)
                databases.delete(database);
            admit();
        });
    }, () => { });
    databases.add(database);
    return database;
}

/** One operation of a caller. It stays on the database of its first successful statement. */
class Operation {
    name = "query";
    read = false;
    raw = false;
    batch = false;
    begun = performance.now();
    budget = outer()?.budget ?? limits.budget;
    /** When Prisma stops waiting for the beginning of its transaction. */
    startBy = Infinity;
    database;
    /** It must not run again as a whole: it wrote, or its COMMIT was sent. */
    wrote = false;
    /** A transaction of its own, as a nested write has one, lost its connection before its COMMIT. */
    cutOff = false;
    /** Its COMMIT was lost; Prisma may throw another error. */
    uncertain;
    /** Filled with the schema that model queries of this operation's database use. */
    models = outer()?.models;
}
// One for the process: this module is evaluated again after every edit, and once in every bundle.
const kept = (globalThis[Symbol.for("dbswitch.client.v2")] ??= { operations: new AsyncLocalStorage() });
const { operations } = kept;
const begin = (fields) => Object.assign(new Operation(), fields);
const outer = () => operations.getStore();
const statement = (sql) => ({ sql, args: [], argTypes: [] });
const databases = new Set();
let current;
let readUrl;
let lastRetry = -Infinity;
let [limit, limitReadAt] = [undefined, -Infinity];
const boot = tried(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());

/** Wait before the next try, with exponential back-off and full jitter; false if no time is left for it. */
async function again(own, attempt, error, where = "The database") {
    const now = performance.now();
    const delay = Math.random() * Math.min(limits.cap, limits.base * 2 ** (attempt - 1));
    const elapsed = now - own.begun;
    if (elapsed + delay > own.budget || now + delay > own.startBy)
        return false;
    const code = [...codesOf(error)].find((code) => /^[A-Z0-9]{5,}$/.test(code) && code !== "P2010");
    const reason = code ?? String(error?.message).trim().split("\n").at(-1);
    if (now - lastRetry > 5_000)
        console.warn(`[dbswitch] ${where} is not answering (${reason}); retrying for up to ${limits.budget / 1_000} s.`);
    lastRetry = now;
    hooks.onRetry?.({ operation: own.name, attempt, delay, elapsed, reason });
    await new Promise((resolve) => setTimeout(resolve, delay));
    return true;
}

function choose() {
    const url = (readUrl ??= createUrlReader())();
    const usable = url !== undefined && /^postgres(ql)?:\/\//i.test(url) && URL.canParse(url);
    if (current !== undefined && (url === current.url || !usable))
        return current;
    if (!usable)
        throw new Error(`[dbswitch] ${VARIABLE} is not a PostgreSQL URL; looked in the environment and the env files.`);
    current = [...databases].find((one) => one.url === url && !one.closing) ?? open(url);
    for (const one of databases)
        shrink(one);
    return current;
}

/** Refuse a query on a database whose time limit (`dbswitch TARGET --for`) has passed. What has begun goes on. */
function inTime(database) {
    if (performance.now() - limitReadAt > 50) {
        limitReadAt = performance.now();
        limit = tried(() => JSON.parse(readFileSync(inRoot(".dbswitch/time-limit.json"), "utf8")));
    }
    // The earlier of two clocks counts: one may have been set back.
    const over = limit && (Date.now() / 1_000 >= limit.ends || (limit.boot === boot && uptime() >= limit.uptime));
    if (!limit || limit.place !== database.place || !over)
        return database;
    const ways = `\`dbswitch ${limit.back}\` switches back, \`dbswitch extend 15m\` keeps ${limit.target}`;
    throw new Error(`[dbswitch] The time limit of ${limit.target} has passed, so new queries are refused: ${ways}.`);
}

/** How many connections it may use now. Those of all databases together stay within the limit. */
function room(database) {
    if (databases.size === 1)
        return database.most;
    if (database !== current)
        return Math.max(1, Math.min(database.most, database.users));
    let left = database.most + 1;
    for (const one of databases)
        if (one !== database)
            left -= Math.max(one.open, Math.min(one.most, one.users));
    return Math.max(1, Math.min(database.most, left));
}

const turn = (database) => new Promise((resolve, reject) => {
    const go = () => (clearTimeout(timer), database.queue.delete(go), database.busy++, resolve());
    const late = () => (database.queue.delete(go), reject(new Error("timeout exceeded when trying to connect")));
    const timer = setTimeout(late, database.patience);
    database.queue.add(go);
});

const admit = () => databases.forEach((one) => one.queue.forEach((go) => one.busy < room(one) && go()));

/** Close what a database that is no longer current does not need: idle connections, in the end everything. */
function shrink(database) {
    const { pool, users } = database;
    if (database !== current && users === 0)
        void close(database);
    if (database === current || pool === undefined || database.closing)
        return;
    const spare = Math.min(pool.idleCount - pool.waitingCount, pool.totalCount - users);
    for (let taken = 0; taken < spare; taken++)
        pool.connect().then((client) => client.release(true), () => { });
}

async function close(database) {
    if (database.closing)
        return;
    database.closing = true;
    await database.ready.then((adapter) => adapter.dispose()).catch(() => { });
    // Its connections count until they are closed, or long enough if the server does not answer.
    setTimeout(() => (databases.delete(database), admit()), database.open && database.patience).unref();
}

/** Something has ended that used the database (`held`), a connection of it (`busy`), or both. */
function leave(database, held = true, busy = false) {
    if (busy)
        database.busy--;
    if (held)
        database.users--, shrink(database);
    if (databases.size > 1 || database.queue.size > 0)
        admit();
}

/** Run one statement, or (without `sql`) begin a transaction, on the operation's database, again where that is safe. */
async function run(sql, work) {
    const store = operations.getStore();
    const own = store ?? begin({});
    const begins = sql === undefined;
    const write = !begins && !own.read && !readsOnly(sql);
    for (let attempt = 1;; attempt++) {
        // The identity may be asked for at any time: it only tells.
        const database = own.database ?? (own.models ? choose() : inTime(choose()));
        let [held, busy, sent] = [begins || own.database === undefined, false, false];
        let failure;
        if (held)
            database.users++;
        try {
            if (database.busy < room(database))
                database.busy++;
            else
                await turn(database);
            busy = true;
            const adapter = database.adapter ?? (await database.ready);
            // With a connection at hand a write cannot fail for want of one: what fails then may have been applied.
            const { idleCount = 0, waitingCount = 0 } = database.pool ?? {};
            if (write && idleCount <= waitingCount)
                await adapter.queryRaw(statement("SELECT 1"));
            sent = write;
            const result = await work(adapter, database);
            const pinned = held && !begins && store !== undefined && store.database === undefined;
            if (pinned)
                store.database = database;
            own.wrote ||= write;
            if (own.models)
                own.models.schema = database.schema ?? "public";
            if (begins)
                busy = false; // until the transaction ends, as `held`
            held &&= !begins && !pinned;
            return result;
        }
        catch (error) {
            const fault = classify(error);
            if (fault === "lost" && sent)
                throw uncertain(error);
            if (fault !== "refused" && fault !== "lost")
                throw error;
            failure = error;
        }
        finally {
            leave(database, held, busy);
        }
        if (!(await again(own, attempt, failure, database.name)))
            throw failure;
    }
}

/** What Prisma calls for its connections: it gets one adapter for the life of the client, whatever database is behind it. */
async function connect() {
    const first = choose();
    const info = (await first.ready).getConnectionInfo();

    // Prisma writes the schema into its SQL and asks for it once; another target may have another `?schema=`.
    function inSchema(query, database) {
        if (database.schema === first.schema || operations.getStore()?.raw)
            return query;
        const quoted = (name = "public") => `"${name.replaceAll('"', '""')}".`;
        return { ...query, sql: query.sql.split(quoted(first.schema)).join(quoted(database.schema)) };
    }

    async function startTransaction(isolation) {
        const own = operations.getStore() ?? begin({});
        return run(undefined, async (adapter, database) => {
            const transaction = await adapter.startTransaction(isolation);
            if (performance.now() <= own.startBy)
                return attend(transaction, database, own);
            // Prisma has given up waiting for it; 7.1 would never end it.
            await transaction.executeRaw(statement("ROLLBACK")).finally(() => transaction.rollback());
            throw new Error("[dbswitch] The transaction could not begin within its maxWait.");
        });
    }

    function attend(transaction, database, own) {
        let ended = false;
        const end = async (finish) => {
            if (ended)
                return;
            ended = true;
            await finish.call(transaction).finally(() => leave(database, true, true));
        };
        const watch = async (query, work) => {
            try {
                const result = await work.call(transaction, inSchema(query, database));
                own.wrote ||= query.sql === "COMMIT";
                return result;
            }
            catch (error) {
                const fault = classify(error);
                // Prisma 6 never gives back the connection of a transaction whose end failed.
                if (query.sql === "COMMIT" || query.sql === "ROLLBACK")
                    await end(transaction.rollback).catch(() => { });
                if (query.sql === "COMMIT" && fault === "lost")
                    throw (own.uncertain = uncertain(error));
                own.cutOff ||= fault === "refused" || fault === "lost";
                throw error;
            }
        };
        return Object.assign(Object.create(transaction), {
            queryRaw: (query) => watch(query, transaction.queryRaw),
            executeRaw: (query) => watch(query, transaction.executeRaw),
            commit: () => end(transaction.commit),
            rollback: () => end(transaction.rollback),
        });
    }

    return {
        provider: "postgres",
        adapterName: "dbswitch",
        getConnectionInfo: () => info,
        queryRaw: (query) => run(query.sql, (adapter, database) => adapter.queryRaw(inSchema(query, database))),
        executeRaw: (query) => run(query.sql, (adapter, database) => adapter.executeRaw(inSchema(query, database))),
        startTransaction,
        dispose: async () => {
            current = undefined;
            await Promise.all([...databases].map(close));
        },
    };
}

/** Run an operation, again if its own transaction was cut off before the COMMIT: then none of it has happened. */
function attempt(own, work, number = 1) {
    const done = () => void (own.database && leave(own.database), (own.database = undefined));
    const failed = async (error) => {
        done();
        explainReadOnly(error);
        if (own.uncertain)
            throw own.uncertain;
        const undone = own.cutOff && !own.wrote;
        own.cutOff = false;
        if (!undone || !(await again(own, number, error)))
            throw error;
        return attempt(own, work, number + 1);
    };
    return work().then((result) => (done(), result), failed);
}

const maxWait = hooks.options?.transactionOptions?.maxWait ?? limits.budget + 5_000;

class FollowingClient extends PrismaClient {
    $transaction(...input) {
        const startBy = performance.now() + (input[1]?.maxWait ?? maxWait);
        // `wrote`: what the caller does between its statements must not be done twice.
        const own = begin({ name: "$transaction", startBy, batch: Array.isArray(input[0]), wrote: true });
        return operations.run(own, attempt, own, () => super.$transaction(...input));
    }
}

function createClient() {
    const base = new FollowingClient({
        ...hooks.options,
        transactionOptions: { ...hooks.options?.transactionOptions, maxWait },
        adapter: { provider: "postgres", adapterName: "dbswitch", connect },
    });
    const extended = base.$extends({
        query: {
            $allOperations({ model, operation, args, query }) {
                // The operations of a batch are one transaction.
                if (operations.getStore()?.batch)
                    return query(args);
                const name = model ? `${model}.${operation}` : operation;
                const own = begin({ name, raw: !model, read: model !== undefined && READS.has(operation) });
                return operations.run(own, attempt, own, () => query(args));
            },
        },
    });
    // Prisma hides `$on` from extended clients.
    const client = Object.create(extended, { $on: { value: base.$on.bind(base) } });
    return (hooks.extend?.(client) ?? client);
}

export const prisma = (kept.prisma ??= createClient());
export default prisma;
export { prisma as db }; // {names}

/** Ask the database that the next query goes to which server and database it is. Nothing is retried. */
export async function databaseIdentity() {
    const models = { schema: "public" };
    const ask = async () => prisma.$queryRawUnsafe(IDENTITY_SQL);
    const rows = await operations.run(begin({ budget: 0, models }), ask);
    return { ...rows[0], modelSchema: models.schema };
}

/**
 * Run `work` again as long as it fails for want of a connection or because of a write conflict, within the time budget.
 * Only for work that may run twice. A write that may have been applied is not run again.
 */
export async function withRetry(work) {
    const own = begin({ name: "withRetry" });
    for (let attempt = 1;; attempt++)
        try {
            return await operations.run(begin({ budget: 0 }), work);
        }
        catch (error) {
            if (classify(error) === "other" || !(await again(own, attempt, error)))
                throw error;
        }
}

