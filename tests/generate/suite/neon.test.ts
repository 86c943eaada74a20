// Neon's adapter against a real Postgres: Neon's driver speaks through a WebSocket, which a small proxy takes to TCP.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { connect, type AddressInfo, type Socket } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { neonConfig } from "@neondatabase/serverless";
import { databaseIdentity, prisma } from "../lib/prisma.ts";
import { LOCAL, PROD, ask, nameOf, to, until, withParameters } from "./support.ts";

const WebSocket = createRequire(import.meta.url)("ws");
const NEON = Object.assign(new URL(PROD), { host: "ep-quiet-test-a1b2c3.eu-central-1.aws.neon.tech:5432" }).href;
const where = async () => (await prisma.note.findUniqueOrThrow({ where: { key: "where" } })).body;
const sockets = new Set<Socket>();
const asked: string[] = [];
let server: any;

before(async () => {
  server = new WebSocket.WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (client: any, request: { url: string }) => {
    asked.push(new URL(request.url, "ws://proxy").searchParams.get("address")!);
    const { hostname, port } = new URL(PROD);
    const socket = connect(Number(port), hostname);
    sockets.add(socket);
    socket.on("data", (part) => client.send(part));
    socket.on("error", () => {}).on("close", () => (sockets.delete(socket), client.close()));
    client.on("message", (part: Buffer) => socket.write(part)).on("close", () => socket.destroy());
  });
  await new Promise((resolve) => server.on("listening", resolve));
  const { port } = server.address() as AddressInfo;
  neonConfig.webSocketConstructor = WebSocket;
  neonConfig.wsProxy = (host, wanted) => `127.0.0.1:${port}/?address=${host}:${wanted}`;
  neonConfig.useSecureWebSocket = false;
  neonConfig.pipelineConnect = false;
});
beforeEach(() => to(LOCAL));
after(async () => {
  await prisma.$disconnect();
  server.close();
});

test("the client goes from a local URL to a Neon one and back, each through its own driver", async () => {
  for (let round = 0; round < 6; round++) {
    const before = asked.length;
    to(LOCAL);
    assert.equal(await where(), nameOf(LOCAL));
    assert.equal(asked.length, before);
    to(NEON);
    assert.equal(await where(), nameOf(PROD));
    assert.equal((await databaseIdentity()).database, nameOf(PROD));
    assert.ok(asked.length > before);
  }
  assert.deepEqual([...new Set(asked)], [new URL(NEON).host.replace(/^(.*neon\.tech)$/, "$1:5432")]);
});

test("a transaction that began on a local database ends there while others are on Neon's, and the other way round", async () => {
  for (const [from, there] of [[LOCAL, NEON], [NEON, LOCAL]] as const) {
    to(from);
    const key = `neon ${Math.random()}`;
    await prisma.$transaction(async (tx) => {
      await tx.note.create({ data: { key, body: "" } });
      to(there);
      assert.equal(await where(), nameOf(there));
    });
    const rows = (url: string) => ask(url, `SELECT 1 FROM "Note" WHERE key = '${key}'`);
    assert.equal((await rows(from === NEON ? PROD : LOCAL)).length, 1);
    assert.equal((await rows(from === NEON ? LOCAL : PROD)).length, 0);
  }
});

test("a read that loses its WebSocket is run again, a write is not", async () => {
  to(NEON);
  await where();
  for (const socket of sockets) socket.destroy();
  assert.equal(await where(), nameOf(PROD));
  const key = `neon ${Math.random()}`;
  const writing = prisma.$executeRawUnsafe(`INSERT INTO "Note" (key, body) SELECT '${key}', '' FROM pg_sleep(600)`);
  const refused = assert.rejects(writing, /may have been applied, and was not retried/);
  const sleeping = "FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()";
  await until(async () => (await ask(PROD, `SELECT 1 ${sleeping}`)).length);
  for (const socket of sockets) socket.destroy();
  await refused;
  await ask(PROD, `SELECT pg_terminate_backend(pid) ${sleeping}`); // it does not notice by itself
  await until(async () => (await ask(PROD, `SELECT 1 ${sleeping}`)).length === 0);
});

test("?schema= and connection_limit hold for Neon's adapter", async () => {
  await ask(PROD, `DROP SCHEMA IF EXISTS "neon" CASCADE; CREATE SCHEMA "neon";
    CREATE TABLE "neon"."Note" (LIKE public."Note" INCLUDING ALL);
    INSERT INTO "neon"."Note" (key, body) VALUES ('where', 'the other schema')`);
  to(withParameters(NEON, "schema=neon&connection_limit=3"));
  assert.equal(await where(), "the other schema");
  await Promise.all(Array.from({ length: 8 }, () => prisma.$queryRaw`SELECT pg_sleep(0.05)::text`));
  const open = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
  assert.ok((await ask(PROD, open)).length <= 2);
});
