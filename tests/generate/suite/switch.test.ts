import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { uptime } from "node:os";
import { afterEach, beforeEach, mock, test } from "node:test";
import { databaseIdentity, prisma } from "../lib/prisma.ts";
import { LOCAL, PROD, ask, bind, nameOf, to, until, withParameters } from "./support.ts";

const where = async () => (await prisma.note.findUniqueOrThrow({ where: { key: "where" } })).body;
const sessions = (url: string) => async () =>
  Number((await ask(url, "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"))[0].n);

beforeEach(() => to(LOCAL));
afterEach(() => {
  mock.timers.reset();
  rmSync(".env.local", { force: true });
});

test("each query after the rename comes from the new database", async () => {
  for (let round = 0; round < 20; round++) {
    const url = round % 2 ? LOCAL : PROD;
    to(url);
    assert.equal(await where(), nameOf(url));
    assert.equal((await databaseIdentity()).database, nameOf(url));
  }
});

test("an interactive transaction ends where it began, while others are on the new database", async () => {
  const key = `tx ${Math.random()}`;
  await prisma.$transaction(async (tx) => {
    await tx.note.create({ data: { key, body: "" } });
    to(PROD);
    assert.equal(await where(), nameOf(PROD));
    assert.equal((await tx.note.findUniqueOrThrow({ where: { key: "where" } })).body, nameOf(LOCAL));
  });
  assert.equal((await ask(LOCAL, `SELECT * FROM "Note" WHERE key = '${key}'`)).length, 1);
  assert.equal((await ask(PROD, `SELECT * FROM "Note" WHERE key = '${key}'`)).length, 0);
  await until(async () => (await sessions(LOCAL)()) === 0);
});

test("an operation of several statements has all its rows from one database", async () => {
  let turn = 0;
  const switching = setInterval(() => to(turn++ % 2 ? LOCAL : PROD), 7);
  let count = 0;
  while (count < 60 || turn < 60) {
    const notes = await Promise.all(
      [1, 2, 3].map(() => prisma.note.findUniqueOrThrow({ where: { key: "where" }, include: { author: true } })),
    );
    for (const note of notes) assert.equal(note.author?.name, note.body), count++;
  }
  clearInterval(switching);
});

test("promises made before the switch run as one batch after it", async () => {
  const batch = [prisma.note.findUniqueOrThrow({ where: { key: "where" } }), prisma.author.findFirstOrThrow()] as const;
  to(PROD);
  const [note, author] = await prisma.$transaction([...batch]);
  assert.equal((note as { body: string }).body, nameOf(PROD));
  assert.equal((author as { name: string }).name, nameOf(PROD));
});

test("a model kept in a variable follows as well, and so does $on", async () => {
  const { note } = prisma;
  to(PROD);
  assert.equal((await note.findUniqueOrThrow({ where: { key: "where" } })).body, nameOf(PROD));
  assert.equal(typeof (prisma as { $on?: unknown }).$on, "function");
});

test("many switches leave no connection and no listener behind", async () => {
  await where();
  for (let round = 0; round < 24; round++) {
    to(round % 2 ? LOCAL : PROD);
    await Promise.all([where(), where(), where()]);
  }
  assert.equal(await where(), nameOf(LOCAL));
  await until(async () => (await sessions(PROD)()) === 0);
  assert.ok((await sessions(LOCAL)()) <= 9);
  assert.ok(process.listenerCount("exit") < 10);
});

test("old and new connections together stay within connection_limit", async () => {
  const slow = (url: string) => withParameters(url, "connection_limit=4");
  to(slow(LOCAL));
  const busy = Array.from({ length: 6 }, () => prisma.$queryRaw`SELECT pg_sleep(0.4)::text`);
  const old = Promise.all(busy);
  let most = await until(async () => {
    const open = await sessions(LOCAL)();
    return open >= 3 ? open : undefined;
  });
  to(slow(PROD));
  const fresh = Promise.all(Array.from({ length: 8 }, () => prisma.$queryRaw`SELECT pg_sleep(0.1)::text`));
  let running = true;
  void Promise.all([old, fresh]).finally(() => (running = false));
  // The new one first: what it has of the old one's connections is gone there by then, however slow the asking is.
  while (running) most = Math.max(most, (await sessions(PROD)()) + (await sessions(LOCAL)()));
  await Promise.all([old, fresh]);
  assert.ok(most <= 4, `${most} at once`);
});

test("?schema= is obeyed, also where the targets differ in it", async () => {
  await ask(PROD, `DROP SCHEMA IF EXISTS other CASCADE; CREATE SCHEMA other;
    CREATE TABLE other."Author" (LIKE public."Author" INCLUDING ALL); CREATE TABLE other."Note" (LIKE public."Note" INCLUDING ALL);
    INSERT INTO other."Note" (key, body) VALUES ('where', 'the other schema')`);
  assert.equal(await where(), nameOf(LOCAL));
  to(withParameters(PROD, "schema=other"));
  assert.equal(await where(), "the other schema");
  const inside = await prisma.$transaction(async (tx) => [
    (await tx.note.findUniqueOrThrow({ where: { key: "where" } })).body,
    (await tx.$queryRaw<{ body: string }[]>`SELECT body FROM "public"."Note" WHERE key = 'where'`)[0]!.body,
  ]);
  assert.deepEqual(inside, ["the other schema", nameOf(PROD)]);
});

test("the files count in the order of Next.js, with its $ expansion", async () => {
  bind({ DATABASE_URL: PROD }, ".env.local");
  assert.equal(await where(), nameOf(PROD));
  const at = LOCAL.lastIndexOf("/");
  writeFileSync(".env.local", `BASE=${LOCAL.slice(0, at)}\nDATABASE_URL=\${BASE}${LOCAL.slice(at)}\n`);
  assert.equal(await until(async () => (await where()) === nameOf(LOCAL)), true);
  rmSync(".env.local");
  to(PROD);
  assert.equal(await where(), nameOf(PROD));
});

test("a half-written file moves nothing", async () => {
  bind({ DATABASE_URL: PROD }, ".env.local");
  assert.equal(await where(), nameOf(PROD));
  writeFileSync(".env.local", "");
  mock.timers.enable({ apis: ["Date"], now: statSync(".env.local").mtimeMs }); // an empty file counts after a moment
  assert.equal(await where(), nameOf(PROD));
  mock.timers.reset();
  writeFileSync(".env.local", 'DATABASE_URL="postgre');
  assert.equal(await where(), nameOf(PROD));
  writeFileSync(".env.local", "DATABASE_URL=\n");
  assert.equal(await where(), nameOf(PROD));
  writeFileSync(".env.local", `DATABASE_URL="${LOCAL}"`);
  assert.equal(await until(async () => (await where()) === nameOf(LOCAL)), true);
});

test("a file that stays empty counts as empty in the end", async () => {
  bind({ DATABASE_URL: PROD }, ".env.local");
  assert.equal(await where(), nameOf(PROD));
  writeFileSync(".env.local", "");
  assert.equal(await until(async () => (await where()) === nameOf(LOCAL)), true);
});

test("process.env shows what the file said only where it had shown it before", async () => {
  bind({ DATABASE_URL: LOCAL, COMPANION: "old", OWN: "file" });
  await where();
  process.env.COMPANION = "old";
  process.env.OWN = "set by the program";
  bind({ DATABASE_URL: PROD, COMPANION: "new", OWN: "other", ADDED: "1" });
  await where();
  assert.equal(process.env.COMPANION, "new");
  assert.equal(process.env.OWN, "set by the program");
  assert.equal(process.env.ADDED, "1");
  assert.equal(process.env.__NEXT_PROCESSED_ENV, undefined);
  to(LOCAL);
  await where();
  assert.equal(process.env.ADDED, undefined);
});

test("past the time limit of its database new queries are refused and what has begun is finished", async () => {
  const { hostname, port, pathname } = new URL(PROD);
  const place = `${hostname}:${port}${pathname}`;
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const now = Date.now() / 1_000;
  const limited = async (changes: object) => {
    const limit = { target: "prod", back: "local", place, ends: now + 600, boot, uptime: uptime() + 600, ...changes };
    mkdirSync(".dbswitch", { recursive: true });
    writeFileSync(".dbswitch/time-limit.json", JSON.stringify(limit));
    await new Promise((resolve) => setTimeout(resolve, 60));
  };
  const refused = /time limit of prod has passed, so new queries are refused: `dbswitch local` switches back, `dbswitch extend 15m` keeps prod/;
  try {
    to(PROD);
    await limited({});
    assert.equal(await where(), nameOf(PROD));
    await prisma.$transaction(async (tx) => {
      await limited({ ends: now - 1 });
      await tx.note.findFirst();
      await assert.rejects(where, refused);
    });
    await assert.rejects(prisma.$queryRaw`SELECT 1`, refused);
    await assert.rejects(prisma.$transaction([prisma.note.findFirst()]), refused);
    await assert.rejects(prisma.$transaction(async (tx) => tx.note.findFirst()), refused);
    assert.equal((await databaseIdentity()).database, nameOf(PROD)); // it only tells
    await limited({ ends: now + 900, uptime: uptime() - 1 }); // the clock was set back
    await assert.rejects(where, refused);
    await limited({ ends: now + 900, uptime: uptime() - 1, boot: "another" }); // a reboot
    assert.equal(await where(), nameOf(PROD));
    await limited({ ends: now - 1, place: "another:5432/x" });
    assert.equal(await where(), nameOf(PROD));
    await limited({ ends: now - 1 });
    to(LOCAL);
    assert.equal(await where(), nameOf(LOCAL));
    writeFileSync(".dbswitch/time-limit.json", "null");
    to(PROD);
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(await where(), nameOf(PROD));
  } finally {
    rmSync(".dbswitch", { recursive: true, force: true });
  }
});

test("after $disconnect the next query connects again, to where the files say", async () => {
  await where();
  await prisma.$disconnect();
  await until(async () => (await sessions(LOCAL)()) === 0);
  to(PROD);
  assert.equal(await where(), nameOf(PROD));
  await prisma.$disconnect();
});
