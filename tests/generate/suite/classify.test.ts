import assert from "node:assert/strict";
import { test } from "node:test";
import { classify, readsOnly } from "../lib/prisma.ts";

const of = (fields: object, message = "") => Object.assign(new Error(message), fields);
const driver = (cause: object) => of({ name: "DriverAdapterError", cause });
const raw = (cause: object, message = "") => of({ code: "P2010", meta: { driverAdapterError: { cause } } }, message);

const cases: [string, unknown, string][] = [
  ["refused, model query", of({ code: "P1001" }), "refused"],
  ["refused, raw query", raw({ kind: "DatabaseNotReachable" }), "refused"],
  ["refused on both addresses of localhost", Object.assign(new AggregateError([]), { code: "ECONNREFUSED" }), "refused"],
  ["starting up, without a code of Prisma", driver({ kind: "postgres", code: "57P03", originalCode: "57P03" }), "refused"],
  ["too many connections", of({ code: "P2037" }), "refused"],
  ["too many connections, raw", raw({ kind: "TooManyConnections", originalCode: "53300" }), "refused"],
  ["pool wait", new Error("timeout exceeded when trying to connect"), "refused"],
  ["connect timeout", new Error("Connection terminated due to connection timeout"), "refused"],
  ["pool of a database that was left", new Error("Cannot use a pool after calling end on the pool"), "refused"],
  ["backend terminated", of({ code: "P2039", meta: { driverAdapterError: { cause: { originalCode: "57P01" } } } }), "lost"],
  ["backend terminated, raw", raw({ kind: "postgres", code: "57P01", originalCode: "57P01" }), "lost"],
  ["dropped socket", new Error("Connection terminated unexpectedly"), "lost"],
  ["dropped socket, in Prisma's words", new Error("\nInvalid `x` invocation:\n\nConnection terminated unexpectedly"), "lost"],
  ["reset", driver({ kind: "ConnectionClosed" }), "lost"],
  ["write conflict", of({ code: "P2034" }), "conflict"],
  ["deadlock, raw", raw({ kind: "postgres", originalCode: "40P01" }), "conflict"],
  ["transaction that could not begin", of({ code: "P2028" }, "Unable to start a transaction in the given time."), "refused"],
  ["wrong password", of({ code: "P1000" }), "other"],
  ["wrong password, raw", raw({ kind: "AuthenticationFailed", originalCode: "28P01" }), "other"],
  ["missing database", raw({ kind: "DatabaseDoesNotExist", originalCode: "3D000" }), "other"],
  ["unique constraint that quotes a dropped socket", of({ code: "P2002" }, "Connection terminated unexpectedly"), "other"],
  ["error of the server that quotes one", raw({ kind: "postgres", originalCode: "P0001" }, "Connection terminated"), "other"],
  ["read-only session", of({ code: "P2039", meta: { driverAdapterError: { cause: { originalCode: "25006" } } } }), "other"],
  ["TLS not offered", of({ code: "P1011" }), "other"],
  ["nothing at all", undefined, "other"],
  ["a cause that goes round", Object.assign(new Error("x"), { cause: {} }), "other"],
];
for (const [name, error, wanted] of cases) test(`${name} is ${wanted}`, () => assert.equal(classify(error), wanted));

const reads = [
  "SELECT 1",
  "select now(), count(*) from \"Note\" where key in ('a', 'it''s; DELETE')",
  'SELECT "public"."Note"."id" FROM "public"."Note" WHERE ("public"."Note"."id" = $1 AND 1=1) LIMIT $2 OFFSET $3',
  "SELECT coalesce(sum(id), 0) FROM (SELECT id FROM \"update\") x;",
];
const mayWrite = [
  'INSERT INTO "Note" VALUES (1)',
  "SELECT nextval('s')",
  "SELECT my_function()",
  "SELECT my.count(1)",
  "SELECT é()",
  'SELECT "count"(1)',
  "WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x",
  "SELECT 1; DELETE FROM t",
  "SELECT * INTO t2 FROM t",
  "SELECT 1 -- '\n; DELETE FROM t",
  "SELECT E'\\'' || f() || ''",
  "SELECT $$ ' $$ || f()",
  "CALL p()",
  "",
];
for (const sql of reads) test(`may run twice: ${sql}`, () => assert.ok(readsOnly(sql)));
for (const sql of mayWrite) test(`may not run twice: ${sql}`, () => assert.ok(!readsOnly(sql)));
