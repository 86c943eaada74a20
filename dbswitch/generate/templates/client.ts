/* eslint-disable */
// The Prisma client of this project. It follows the env files: when the database URL in them changes, new queries go to
// the new database and what is still running finishes on the old one. While a database is away, what can safely be
// retried is retried. Written by `dbswitch generate client`, which also brings it up to date; do not edit it. Your own
// `$extends` chain and options belong into the file beside it whose name ends in `.extend`.

import { AsyncLocalStorage } from "node:async_hooks";
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { PrismaPg as Adapter } from "@prisma/adapter-pg"; // {adapter}
import { type Prisma, PrismaClient } from "../generated/prisma/client"; // {client}

const project = {}; // {extend}

const VARIABLE = "DATABASE_URL"; // {variable}
const IDENTITY_SQL = "SELECT current_database()::text AS database"; // {identity}

type Connected = Awaited<ReturnType<InstanceType<typeof Adapter>["connect"]>>;
type Transaction = Awaited<ReturnType<Connected["startTransaction"]>>;
type Statement = Parameters<Connected["queryRaw"]>[0];
type Values = Record<string, string | undefined>;

/** What a retry tells its listener. Times in milliseconds. */
export interface Retry {
  operation: string;
  attempt: number;
  delay: number;
  elapsed: number;
  reason: string;
}

/** How long a query may wait for its database (`budget`), and the exponential back-off in between. Milliseconds. */
export interface RetryLimits {
  budget: number;
  base: number;
  cap: number;
}

/** What the `.extend` file may export. */
export interface Hooks {
  extend?: (client: PrismaClient) => unknown;
  options?: Partial<Omit<Prisma.PrismaClientOptions, "adapter" | "accelerateUrl">>;
  retry?: Partial<RetryLimits>;
  onRetry?: (retry: Retry) => void;
}

export interface DatabaseIdentity {
  database: string;
  databaseOid: string;
  startedAt: string;
  systemIdentifier: string | null;
  serverVersion: string;
  inRecovery: string;
  readOnly: string;
  schema: string;
  role: string;
  modelSchema: string;
}

type Extended = typeof project extends { extend: (client: any) => infer E } ? E : PrismaClient;

const hooks: Hooks = project;
const limits: RetryLimits = { budget: 15_000, base: 50, cap: 1_000, ...hooks.retry };

// --- What went wrong ---------------------------------------------------------------------------------------------------

/** `refused`: no connection was made. `lost`: it broke, perhaps after the statement ran. `conflict`: rolled back whole. */
export type Fault = "refused" | "lost" | "conflict" | "other";

const REFUSED = new Set(
  (
    "P1001 P1002 P2024 P2037 DatabaseNotReachable TooManyConnections ECONNREFUSED ENOTFOUND EAI_AGAIN EHOSTUNREACH " +
    "EHOSTDOWN ENETUNREACH ENETDOWN 57P03 53300 08001 08004"
  ).split(" "),
);
const LOST = new Set(
  (
    "P1008 P1017 ConnectionClosed SocketTimeout ECONNRESET ECONNABORTED EPIPE ETIMEDOUT 57P01 57P02 57P05 08000 08003 " +
    "08006 08007"
  ).split(" "),
);
const CONFLICT = new Set(["P2034", "TransactionWriteConflict", "40001", "40P01"]);
const REFUSED_TEXT =
  /timeout exceeded when trying to connect|due to connection timeout|not queryable|after calling end on the pool/;
const LOST_TEXT = /Connection terminated|Connection ended unexpectedly|server closed the connection/;

function codesOf(error: unknown, into = new Set<string>(), depth = 0): Set<string> {
  if (typeof error !== "object" || error === null || depth > 4) return into;
  const { code, kind, originalCode, cause, meta } = error as Record<string, any>;
  for (const found of [code, kind, originalCode]) if (typeof found === "string") into.add(found);
  codesOf(meta?.driverAdapterError, into, depth + 1);
  return codesOf(cause, into, depth + 1);
}

/** Say what an error of Prisma, of its adapter or of the driver means for a second try. */
export function classify(error: unknown): Fault {
  const codes = codesOf(error);
  const any = (set: Set<string>) => [...codes].some((code) => set.has(code));
  if (any(REFUSED)) return "refused";
  if (any(LOST)) return "lost";
  if (any(CONFLICT)) return "conflict";
  // Raw queries, pool timeouts and dropped sockets come as plain errors; a message of the server may quote anything.
  const plain = [...codes].every((code) => code === "P2010" || code === "P2028");
  const text = plain && error instanceof Error ? error.message : "";
  if (REFUSED_TEXT.test(text) || text.includes("Unable to start a transaction")) return "refused";
  return LOST_TEXT.test(text) ? "lost" : "other";
}

function reasonOf(error: unknown): string {
  const codes = [...codesOf(error)].filter((code) => /^[A-Z0-9]{5,}$/.test(code) && code !== "P2010");
  const lines = error instanceof Error ? error.message.trim().split("\n") : [];
  return codes[0] ?? lines[lines.length - 1] ?? "unknown";
}

const READS = new Set(
  "findUnique findUniqueOrThrow findFirst findFirstOrThrow findMany count aggregate groupBy".split(" "),
);
// Functions that cannot change anything; what is not in this list may write, as nextval() does.
const PURE = new Set(
  (
    "count sum avg min max coalesce nullif greatest least lower upper length trim concat substring round abs now date_trunc " +
    "extract to_char to_json to_jsonb json_agg jsonb_agg json_build_object jsonb_build_object array_agg string_agg unnest " +
    "version current_database current_schema current_setting pg_is_in_recovery pg_postmaster_start_time cast exists any all in " +
    "array lateral join union and or not as on from where select over by having values filter using when then else between like"
  ).split(" "),
);

/** Tell whether a statement surely changes nothing, so that it may run twice. Doubt means no. */
export function readsOnly(sql: string): boolean {
  if (/--|\/\*|\$\$|\\/.test(sql)) return false;
  const bare = sql.replace(/'(?:[^']|'')*'/g, "''").toLowerCase();
  if (!/^\s*select\b/.test(bare) || /;\s*\S|\b(?:into|insert|update|delete|merge|call)\b/.test(bare.replace(/"[^"]*"/g, "x")))
    return false;
  for (const [, name] of bare.matchAll(/([^\s(),;=<>+*/|-]+)\s*\(/g)) if (!PURE.has(name!)) return false;
  return true;
}

// --- Which database ----------------------------------------------------------------------------------------------------

interface NextEnv {
  initialEnv: Values | undefined;
  loadEnvConfig(dir: string, dev: boolean, log: object): { parsedEnv: Values | undefined };
  processEnv(files: object[], dir: string, log: object, force: boolean): [Values, Values?];
}

function nextEnv(root: string): NextEnv | undefined {
  try {
    // By way of `next`: package managers that do not hoist give the project itself no `@next/env`. And never bundled:
    // the copy that Next.js itself loaded is the one that knows which variables were exported.
    const next = createRequire(join(/* turbopackIgnore: true */ root, "package.json")).resolve("next/package.json");
    return createRequire(next)("@next/env") as NextEnv;
  } catch {
    return undefined;
  }
}

function launchEnvironment(): Set<string> | undefined {
  try {
    return new Set(readFileSync("/proc/self/environ", "utf8").split("\0"));
  } catch {
    return undefined;
  }
}

/** What is remembered of an env file: inode, size, time of its content and of its entry. */
type Seen = readonly [number, number, number, number];
/** The files are looked at at most every so many milliseconds. */
const LOOK = 5;
const NOTHING: Seen = [0, -1, 0, 0];
const quiet = { info: () => {}, error: () => {} };

/** The URL that Next.js would use, looked up again whenever an env file changed. */
function createLookout() {
  const root = process.cwd();
  const production = process.env.NODE_ENV === "production";
  const mode = production ? "production" : process.env.NODE_ENV === "test" ? "test" : "development";
  const names = [`.env.${mode}.local`, ".env.local", `.env.${mode}`, ".env"].filter(
    (name) => mode !== "test" || name !== ".env.local",
  );
  // Without the comment Turbopack takes every file of the project for one that the server needs.
  const paths = names.map((name) => join(/* turbopackIgnore: true */ root, name));
  const env = nextEnv(root);
  let exported: Values = {};
  let values: Values = {};
  let seen = paths.map(() => NOTHING);
  let unsettledUntil = 0;
  let read = "";
  let emptiedAt = 0;
  let lookedAt = -Infinity;

  function filesSay(): Values {
    const files = names.flatMap((path, at) => {
      try {
        return [{ path, contents: readFileSync(paths[at]!, "utf8"), env: {} }];
      } catch {
        return [];
      }
    });
    // @next/env writes what it reads into process.env and expands `$` from there: lend it the exported variables only.
    const text = JSON.stringify(files);
    if (text === read) return values;
    read = text;
    const saved = { ...process.env };
    const become = (wanted: Values) => {
      for (const key of Object.keys(process.env)) if (!(key in wanted)) delete process.env[key];
      for (const key of Object.keys(wanted)) if (process.env[key] !== wanted[key]) process.env[key] = wanted[key];
    };
    try {
      become(exported);
      return { ...env!.processEnv(files, root, quiet, true)[1] };
    } finally {
      become(saved);
    }
  }

  let fixed = process.env[VARIABLE];
  if (env !== undefined) {
    const loaded = env.initialEnv && env.loadEnvConfig(root, !production, quiet).parsedEnv;
    exported = exportedVariables(env.initialEnv);
    read = "";
    look();
    values = filesSay();
    // A value that neither the environment nor a file explains was set by the program itself.
    if (exported[VARIABLE] === undefined && (!fixed || fixed === (loaded ?? values)[VARIABLE])) fixed = undefined;
  }

  function exportedVariables(known: Values | undefined): Values {
    if (known !== undefined) return { ...known };
    // A script: what its own `dotenv` read stands in process.env as well, and is no more exported than a file is.
    const launched = launchEnvironment();
    const bound = launched === undefined ? filesSay() : {};
    const isExported = ([key, value]: [string, string | undefined]) =>
      launched === undefined ? bound[key] !== value : launched.has(`${key}=${value}`);
    return Object.fromEntries(Object.entries(process.env).filter(isExported));
  }

  /** Compare the files with the last look; `emptied` and `settled` say what to think of a change. */
  function look(): { changed: boolean; emptied: boolean; settled: boolean } {
    let changed = false;
    let emptied = false;
    let newest = 0;
    for (let at = 0; at < paths.length; at++) {
      let [inode, size, modified, renamed] = NOTHING;
      try {
        const stat = statSync(paths[at]!, { throwIfNoEntry: false });
        if (stat?.isFile() || stat?.isFIFO()) ({ ino: inode, size, mtimeMs: modified, ctimeMs: renamed } = stat);
      } catch {
        // A folder on the way that may not be entered: as good as no file.
      }
      const last = seen[at]!;
      if (last[0] === inode && last[1] === size && last[2] === modified && last[3] === renamed) continue;
      changed = true;
      // An editor that writes in place empties the file first; for that moment a file below it would win.
      if (size === 0 && last[1] > 0) emptied = true;
      else seen[at] = [inode, size, modified, renamed];
      newest = Math.max(newest, modified, renamed);
    }
    return { changed, emptied, settled: Math.abs(Date.now() - newest) > 40 };
  }

  return function url(): string | undefined {
    if (fixed !== undefined || env === undefined) return fixed;
    const now = performance.now();
    if (now - lookedAt < LOOK) return values[VARIABLE];
    lookedAt = now;
    const { changed, emptied, settled } = look();
    if (!changed && now > unsettledUntil) return values[VARIABLE];
    if (emptied) {
      emptiedAt ||= now;
      if (now - emptiedAt < 100) return values[VARIABLE];
      seen = seen.map(() => NOTHING);
    }
    emptiedAt = 0;
    // Within one tick of the file system's clock a second change may leave every number as it is.
    if (changed && !settled) unsettledUntil = now + 40;
    const before = values;
    values = filesSay();
    // As the reload of `next dev` does: the variables that belong to a database follow it. What a program set stays.
    for (const key of new Set([...Object.keys(before), ...Object.keys(values)])) {
      if (before[key] === values[key] || process.env[key] !== before[key]) continue;
      if (values[key] === undefined) delete process.env[key];
      else process.env[key] = values[key];
    }
    return values[VARIABLE];
  };
}

// --- The way to it -----------------------------------------------------------------------------------------------------

interface Pool {
  options: { max: number; connectionTimeoutMillis?: number | undefined };
  totalCount: number;
  idleCount: number;
  waitingCount: number;
  connect(callback?: (...args: any[]) => void): Promise<{ release(destroy: boolean): void }> | undefined;
  on(event: "connect" | "remove", listener: () => void): void;
}

/** One database, its adapter, and how many operations, statements and transactions are on it. */
interface Lane {
  url: string;
  name: string;
  schema: string | undefined;
  limit: number;
  ready: Promise<Connected>;
  adapter: Connected | undefined;
  pool: Pool | undefined;
  open: number;
  users: number;
}

/** One operation of a caller. It stays on the database of its first successful statement. */
interface Operation {
  name: string;
  read: boolean;
  raw: boolean;
  begun: number;
  patience: number;
  startBy: number;
  lane: Lane | undefined;
  /** It wrote outside a transaction, or its transaction was committed: it must not run again as a whole. */
  wrote: boolean;
  /** A transaction of its own, as a nested write has one, lost its connection before its COMMIT. */
  cutOff: boolean;
  uncertain: boolean;
  /** Filled with the schema that model queries of this operation's database use. */
  models: { schema: string } | undefined;
}

const UNCERTAIN =
  "\n[dbswitch] The connection was lost while this write was under way. It may have been applied or not, and was not run " +
  "a second time. Look before you repeat it.";

const operations = new AsyncLocalStorage<Operation>();

function operation(change: Partial<Operation>): Operation {
  const outer = operations.getStore();
  return {
    name: "query",
    read: false,
    raw: false,
    begun: performance.now(),
    patience: outer?.patience ?? limits.budget,
    startBy: Infinity,
    lane: undefined,
    wrote: false,
    cutOff: false,
    uncertain: false,
    models: outer?.models,
    ...change,
  };
}

function explain(error: unknown): unknown {
  if (error instanceof Error && !error.message.includes(UNCERTAIN)) error.message += UNCERTAIN;
  return error;
}

let lastRetry = -Infinity;

function announce(retry: Retry, where: string): void {
  const now = performance.now();
  if (now - lastRetry > 5_000)
    console.warn(`[dbswitch] ${where} is not answering (${retry.reason}); retrying for up to ${limits.budget / 1_000} s.`);
  lastRetry = now;
  try {
    hooks.onRetry?.(retry);
  } catch (error) {
    console.error("[dbswitch] onRetry failed:", error);
  }
}

/** Wait before the next try, with exponential back-off and full jitter; false where there is no time left for it. */
async function again(own: Operation, attempt: number, error: unknown, where: string, by = Infinity): Promise<boolean> {
  const now = performance.now();
  const delay = Math.random() * Math.min(limits.cap, limits.base * 2 ** (attempt - 1));
  const elapsed = now - own.begun;
  if (elapsed + delay > own.patience || now + delay > by) return false;
  announce({ operation: own.name, attempt, delay, elapsed, reason: reasonOf(error) }, where);
  await new Promise((resolve) => setTimeout(resolve, delay));
  return true;
}

function createLanes() {
  const lookout = createLookout();
  const lanes = new Map<string, Lane>(); // those that take new queries, by URL
  const connected = new Set<Lane>(); // those and the ones still closing
  let current: Lane | undefined;
  // What runs between the call of the adapter and its call of the pool is synchronous: so the pool knows whose it is.
  let boarding: { aboard: boolean } | undefined;

  function open(url: string): Lane {
    const { hostname, port, pathname, searchParams } = new URL(url);
    const limit = Number(searchParams.get("connection_limit")) || 10;
    const seconds = Number(searchParams.get("connect_timeout") ?? 5);
    const schema = searchParams.get("schema") ?? undefined;
    const ready = new Adapter(
      { connectionString: url, max: Math.max(1, limit - 1), connectionTimeoutMillis: seconds * 1_000 },
      schema === undefined ? {} : { schema },
    ).connect();
    const name = `Database "${decodeURIComponent(pathname.slice(1))}" on ${hostname}${port && `:${port}`}`;
    const lane: Lane = { url, name, schema, limit, ready, adapter: undefined, pool: undefined, open: 0, users: 0 };
    connected.add(lane);
    ready.then((adapter) => board(lane, adapter)).catch(() => {});
    return lane;
  }

  function board(lane: Lane, adapter: Connected): void {
    lane.adapter = adapter;
    const pool = (adapter as { underlyingDriver?(): unknown }).underlyingDriver?.() as Pool | undefined;
    if (typeof pool?.options?.max !== "number" || typeof pool.on !== "function") return;
    lane.pool = pool;
    pool.on("connect", () => void lane.open++);
    pool.on("remove", () => {
      lane.open--;
      share();
    });
    const ask = pool.connect.bind(pool);
    const patience = pool.options.connectionTimeoutMillis;
    const connect = (callback?: (...args: any[]) => void) => {
      // pg-pool starts a timer even for a connection that lies ready: one percent of a simple query.
      if (pool.idleCount > pool.waitingCount) pool.options.connectionTimeoutMillis = 0;
      try {
        return ask(callback);
      } finally {
        pool.options.connectionTimeoutMillis = patience;
      }
    };
    pool.connect = (callback) => {
      const trip = boarding;
      boarding = undefined;
      if (callback === undefined || trip === undefined) return connect(callback);
      trip.aboard = false;
      return connect((error, ...rest) => {
        trip.aboard = !error;
        callback(error, ...rest);
      });
    };
    share();
  }

  // Old and new connections together stay within the limit: the new database gets what the old one has given back, and
  // at least the one connection that no pool takes in quiet times.
  function share(): void {
    if (!current?.pool) return;
    let used = 0;
    for (const lane of connected) if (lane !== current) used += Math.max(lane.open, lane.pool?.totalCount ?? 0);
    current.pool.options.max = Math.max(1, Math.min(current.limit - 1, current.limit - used));
  }

  function choose(): Lane {
    const url = lookout();
    if (current !== undefined && (url === current.url || !usable(url))) return current;
    if (!usable(url))
      throw new Error(`[dbswitch] ${VARIABLE} is not a PostgreSQL URL; looked in the environment and the env files.`);
    const old = current;
    current = lanes.get(url) ?? open(url);
    lanes.set(url, current);
    if (old !== undefined) retire(old);
    share();
    return current;
  }

  function usable(url: string | undefined): url is string {
    return url !== undefined && /^postgres(ql)?:\/\//i.test(url) && URL.canParse(url);
  }

  function retire(lane: Lane): void {
    if (lane.users === 0) return void close(lane);
    const pool = lane.pool;
    if (pool === undefined) return;
    const idle = pool.idleCount;
    pool.options.max = Math.max(1, pool.totalCount - idle);
    for (let taken = 0; taken < idle; taken++)
      pool.connect()?.then((client) => client.release(true)).catch(() => {});
  }

  function leave(lane: Lane): void {
    lane.users--;
    if (lane.users === 0 && lane !== current) void close(lane);
  }

  async function close(lane: Lane): Promise<void> {
    if (lanes.get(lane.url) === lane) lanes.delete(lane.url);
    try {
      await (await lane.ready).dispose();
    } catch {
      // Nobody is left on it to be told.
    }
    connected.delete(lane);
    share();
  }

  async function closeAll(): Promise<void> {
    current = undefined;
    await Promise.all([...lanes.values()].map(close));
  }

  /** Run one statement, or the beginning of a transaction, on the operation's database, again where that is safe. */
  async function run<T>(sql: string, begin: boolean, work: (adapter: Connected, lane: Lane) => Promise<T>): Promise<T> {
    const store = operations.getStore();
    const own = store ?? operation({});
    for (let attempt = 1; ; attempt++) {
      const lane = own.lane ?? choose();
      const trip = { aboard: true };
      let failure: unknown;
      lane.users++;
      try {
        const adapter = lane.adapter ?? (await lane.ready);
        boarding = trip;
        const working = work(adapter, lane);
        boarding = undefined;
        const result = await working;
        if (store !== undefined && store.lane === undefined && !begin) {
          store.lane = lane;
          lane.users++;
        }
        if (own.models) own.models.schema = lane.schema ?? "public";
        own.wrote ||= !begin && !own.read && !readsOnly(sql);
        return result;
      } catch (error) {
        const fault = classify(error);
        if (fault !== "refused" && fault !== "lost") throw error;
        if (fault === "lost" && trip.aboard && !begin && !own.read && !readsOnly(sql)) {
          own.uncertain = true;
          throw error;
        }
        failure = error;
      } finally {
        leave(lane);
      }
      if (!(await again(own, attempt, failure, lane.name, begin ? own.startBy : Infinity))) throw failure;
    }
  }

  return { run, choose, leave, closeAll };
}

/** The adapter that Prisma sees: one for the life of the client, whatever database is behind it. */
function createAdapter(lanes: ReturnType<typeof createLanes>) {
  const { provider, adapterName } = new Adapter({ connectionString: "postgresql://127.0.0.1" });
  return { provider, adapterName, connect };

  async function connect(): Promise<Connected> {
    const first = lanes.choose();
    const info = (await first.ready).getConnectionInfo?.();
    const startTransaction = (isolation?: Parameters<Connected["startTransaction"]>[0]) =>
      lanes.run("BEGIN", true, async (adapter, lane) => {
        const transaction = await adapter.startTransaction(isolation);
        const own = operations.getStore();
        // Prisma has given up waiting for it and would never end it.
        if (own && performance.now() > own.startBy) {
          await transaction.executeRaw({ sql: "ROLLBACK", args: [], argTypes: [] }).finally(() => transaction.rollback());
          throw new Error("[dbswitch] The transaction could not begin within its maxWait.");
        }
        return attend(transaction, lane, own);
      });
    return {
      provider,
      adapterName,
      getConnectionInfo: () => info,
      queryRaw: (query: Statement) =>
        lanes.run(query.sql, false, (adapter, lane) => adapter.queryRaw(inSchema(query, lane))),
      executeRaw: (query: Statement) =>
        lanes.run(query.sql, false, (adapter, lane) => adapter.executeRaw(inSchema(query, lane))),
      executeScript: (script: string) => lanes.run(script, false, (adapter) => adapter.executeScript(script)),
      startTransaction,
      dispose: lanes.closeAll,
    } as unknown as Connected;

    // Prisma writes the schema into its SQL and asks for it once; another target may have another `?schema=`.
    function inSchema(query: Statement, lane: Lane): Statement {
      if (lane.schema === first.schema || operations.getStore()?.raw) return query;
      const quoted = (name = "public") => `"${name.replaceAll('"', '""')}".`;
      return { ...query, sql: query.sql.split(quoted(first.schema)).join(quoted(lane.schema)) };
    }

    function attend(transaction: Transaction, lane: Lane, own: Operation | undefined): Transaction {
      const { queryRaw, executeRaw, commit, rollback } = transaction;
      let left = false;
      const end = async (finish: () => Promise<void>) => {
        if (left) return;
        left = true;
        try {
          await finish.call(transaction);
        } finally {
          lanes.leave(lane);
        }
      };
      lane.users++;
      const watch = async <T>(query: Statement, work: (query: Statement) => Promise<T>): Promise<T> => {
        const commit = query.sql === "COMMIT";
        if (own && commit) own.wrote = true;
        try {
          return await work.call(transaction, inSchema(query, lane));
        } catch (error) {
          const fault = classify(error);
          if (own && commit && fault === "lost") own.uncertain = true;
          else if (own && (fault === "refused" || fault === "lost")) own.cutOff = true;
          // Prisma 6 never gives back the connection of a transaction whose end failed.
          if (commit || query.sql === "ROLLBACK") setTimeout(() => void end(rollback).catch(() => {}), 1_000).unref();
          // A COMMIT without a connection to send it on: the server rolls back.
          if (own && commit && fault === "refused") own.wrote = false;
          throw error;
        }
      };
      transaction.queryRaw = (query) => watch(query, queryRaw);
      transaction.executeRaw = (query) => watch(query, executeRaw);
      transaction.commit = () => end(commit);
      transaction.rollback = () => end(rollback);
      return transaction;
    }
  }
}

// --- What the project uses ---------------------------------------------------------------------------------------------

/** The part of Prisma's own description of an operation that matters here. */
interface Request {
  model?: string;
  action: string;
  transaction?: unknown;
}

function createClient() {
  const lanes = createLanes();
  const maxWait = hooks.options?.transactionOptions?.maxWait ?? limits.budget + 5_000;

  class FollowingClient extends PrismaClient {
    override $transaction(...input: any[]): any {
      const startBy = performance.now() + (input[1]?.maxWait ?? maxWait);
      const own = operation({ name: "$transaction", startBy });
      return operations.run(own, async () => {
        try {
          return await (super.$transaction as (...input: any[]) => Promise<unknown>)(...input);
        } catch (error) {
          throw own.uncertain ? explain(error) : error;
        }
      });
    }
  }

  // All operations go through this method of Prisma's own. The public way, a query extension, copies all arguments, costs
  // several times as much and takes $on away. Should a later Prisma lack it, single statements still follow and retry.
  type Inner = { _request?: (request: Request) => Promise<unknown> };
  const request = (PrismaClient.prototype as unknown as Inner)._request;
  if (request !== undefined)
    Object.defineProperty(FollowingClient.prototype, "_request", {
      value(this: PrismaClient, asked: Request) {
        const { model, action, transaction } = asked;
        const own = operation({
          name: model ? `${model}.${action}` : action,
          read: model !== undefined && READS.has(action),
          raw: model === undefined,
          // A batch begins its transaction in the name of its first operation.
          startBy: (transaction === undefined ? undefined : operations.getStore()?.startBy) ?? Infinity,
        });
        return operations.run(own, attend, own, transaction !== undefined, () => request.call(this, asked));
      },
    });

  async function attend(own: Operation, inside: boolean, work: () => Promise<unknown>): Promise<unknown> {
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          return await work();
        } catch (error) {
          if (own.uncertain && !inside) throw explain(error);
          // A write in several statements is one transaction: cut off before its COMMIT it has not happened.
          // Prisma may have put another error in front of the one that says so.
          const undone = own.cutOff && !own.wrote;
          own.cutOff = false;
          if (!undone || !(await again(own, attempt, error, "The database"))) throw error;
          if (own.lane) lanes.leave(own.lane);
          own.lane = undefined;
        }
      }
    } finally {
      if (own.lane) lanes.leave(own.lane);
    }
  }

  const client: PrismaClient = new FollowingClient({
    ...hooks.options,
    transactionOptions: { ...hooks.options?.transactionOptions, maxWait },
    adapter: createAdapter(lanes),
  } as unknown as ConstructorParameters<typeof PrismaClient>[0]);
  return (hooks.extend?.(client) ?? client) as Extended;
}

const KEY = Symbol.for("dbswitch.client.v1");
const kept = globalThis as { [KEY]?: Extended };

/** One for the process: a module is evaluated again after every edit. */
export const prisma: Extended = (kept[KEY] ??= createClient());

export default prisma;
export { prisma as db }; // {names}

/** Ask the database that the next query goes to which server and database it is. Nothing is retried. */
export async function databaseIdentity(): Promise<DatabaseIdentity> {
  const ask = prisma as unknown as PrismaClient;
  const models = { schema: "public" };
  const own = operation({ patience: 0, models });
  const rows = await operations.run(own, () => ask.$queryRawUnsafe<DatabaseIdentity[]>(IDENTITY_SQL).then((found) => found));
  return { ...rows[0]!, modelSchema: models.schema };
}

/**
 * Run `work` again as long as it fails for want of a connection or because of a write conflict, within the time budget.
 * Only for work that may run twice: a whole transaction is safe but for a connection lost during its COMMIT.
 */
export async function withRetry<T>(work: () => Promise<T>): Promise<T> {
  const own = operation({ name: "withRetry" });
  for (let attempt = 1; ; attempt++) {
    try {
      return await operations.run({ ...own, patience: 0 }, work);
    } catch (error) {
      if (classify(error) === "other" || !(await again(own, attempt, error, "The database"))) throw error;
    }
  }
}
