import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { databaseIdentity, prisma, withRetry } from "../lib/prisma.ts";
import { retries } from "../lib/prisma.extend.ts";
import { FaultProxy, LOCAL, ask, naysayer, nameOf, to, until } from "./support.ts";

let proxy: FaultProxy;
let warnings: string[] = [];
const warn = console.warn;
const rows = async (key: string) => (await ask(LOCAL, `SELECT * FROM "Note" WHERE key LIKE '${key}%'`)).length;
const fresh = () => `k${Math.random()}`;
const where = () => prisma.note.findUniqueOrThrow({ where: { key: "where" } });

before(async () => {
  proxy = await FaultProxy.before(LOCAL);
  console.warn = (line: string) => void warnings.push(line);
});
after(async () => {
  console.warn = warn;
  await prisma.$disconnect();
  proxy.close();
});
beforeEach(async () => {
  to(proxy.url);
  await where();
  warnings = [];
  retries.length = 0;
});
afterEach(() => {
  proxy.refusing = false;
  proxy.cut = undefined;
});

/** Take the database away until so many connections were refused; return when the client knows that its own are gone. */
async function away(refusals: number): Promise<void> {
  proxy.refusing = true;
  const accepted = proxy.accepted;
  proxy.drop();
  // A round trip through the event loop's poll phase: what the kernel knows of closed sockets is known here then.
  await ask(LOCAL, "SELECT 1");
  assert.equal(proxy.accepted, accepted);
  void until(() => proxy.accepted >= accepted + refusals).then(() => (proxy.refusing = false));
}

// The first one: the line is missing where another was written less than five seconds ago.
test("many waiting queries make one line in the log", async () => {
  await away(20); // more than there are connections, so that each of them is tried again
  const key = fresh();
  await Promise.all(Array.from({ length: 20 }, (_, n) => prisma.note.create({ data: { key: `${key}${n}`, body: "" } })));
  assert.equal(await rows(key), 20);
  assert.ok(retries.length > 1);
  assert.equal(warnings.length, 1, warnings.join("\n"));
  assert.match(warnings[0]!, /is not answering/);
  assert.ok(!warnings[0]!.includes(new URL(LOCAL).password));
});

test("a read that loses its connection is run again", async () => {
  proxy.cut = { text: '"Note"', when: "before", times: 2 };
  assert.equal((await where()).body, nameOf(LOCAL));
  assert.equal(proxy.seen, 3);
  assert.deepEqual(retries.map((retry) => [retry.operation, retry.attempt]), [["Note.findUniqueOrThrow", 1], ["Note.findUniqueOrThrow", 2]]);
});

test("a raw SELECT is run again, a raw function call is not", async () => {
  proxy.cut = { text: "SELECT", when: "after", times: 1 };
  assert.equal((await prisma.$queryRaw<{ n: number }[]>`SELECT count(*)::int AS n FROM "Note"`)[0]!.n > 0, true);
  proxy.cut = { text: "SELECT", when: "after", times: 1 };
  await assert.rejects(prisma.$queryRaw`SELECT nextval('"Note_id_seq"')::int`, /may have been applied/);
});

for (const when of ["before", "after"] as const)
  test(`a write cut ${when} the server had it is not run twice, and its error says so`, async () => {
    const key = fresh();
    proxy.seen = 0;
    proxy.cut = { text: "INSERT", when, times: 1 };
    await assert.rejects(prisma.note.create({ data: { key, body: "" } }), /may have been applied, and was not retried/);
    assert.equal(proxy.seen, 1);
    assert.equal(await rows(key), when === "before" ? 0 : 1);
    assert.equal(retries.length, 0);
  });

test("a nested write cut off before its COMMIT is run again as a whole", async () => {
  const key = fresh();
  proxy.seen = 0;
  proxy.cut = { text: "INSERT", when: "after", times: 2 };
  const author = await prisma.author.create({ data: { name: key, notes: { create: [{ key, body: "" }] } }, include: { notes: true } });
  assert.equal(author.notes.length, 1);
  assert.equal(await rows(key), 1);
  assert.equal((await ask(LOCAL, `SELECT * FROM "Author" WHERE name = '${key}'`)).length, 1);
  assert.equal(proxy.seen, 4);
});

test("a nested write cut off in its COMMIT is not, and its error says so", async () => {
  const key = fresh();
  proxy.cut = { text: "COMMIT", when: "after", times: 1 };
  const writing = prisma.author.create({ data: { name: key, notes: { create: [{ key, body: "" }] } } });
  await assert.rejects(writing, /may have been applied, and was not retried/);
  assert.equal(await rows(key), 1);
});

test("a write that never got a connection is run, once", async () => {
  await away(2);
  const key = fresh();
  await prisma.note.create({ data: { key, body: "" } });
  assert.equal(await rows(key), 1);
  assert.ok(retries.length > 0);
});

test("inside a transaction nothing is run again, and none of it stays", async () => {
  const key = fresh();
  let runs = 0;
  const work = prisma.$transaction(async (tx) => {
    runs++;
    await tx.note.create({ data: { key, body: "" } });
    proxy.drop();
    await tx.note.findMany();
  });
  await assert.rejects(work);
  assert.equal(runs, 1);
  assert.equal(await rows(key), 0);
});

test("a transaction waits for its beginning", async () => {
  await away(2);
  const key = fresh();
  await prisma.$transaction(async (tx) => void (await tx.note.create({ data: { key, body: "" } })));
  await away(2);
  await prisma.$transaction([prisma.note.create({ data: { key: `${key}b`, body: "" } }), prisma.note.count()]);
  assert.equal(await rows(key), 2);
});

test("a transaction that Prisma no longer waits for keeps no connection", async () => {
  const open = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
  proxy.drop();
  proxy.delay = 250; // several round trips until BEGIN is through
  await assert.rejects(prisma.$transaction(async (tx) => tx.note.count(), { maxWait: 300 }), { code: "P2028" });
  await until(async () => (await ask(LOCAL, open)).length === 1);
  proxy.delay = 0;
  await until(async () => (await ask(LOCAL, open)).length === 0, 30);
});

test("a COMMIT whose answer is lost says that it may have been applied", async () => {
  const key = fresh();
  proxy.cut = { text: "COMMIT", when: "after", times: 1 };
  await assert.rejects(
    prisma.$transaction(async (tx) => void (await tx.note.create({ data: { key, body: "" } }))),
    /may have been applied/,
  );
  assert.equal(await rows(key), 1);
});

test("withRetry runs the whole work again", async () => {
  proxy.cut = { text: "INSERT", when: "before", times: 2 };
  const key = fresh();
  let runs = 0;
  await withRetry(async () => {
    runs++;
    await prisma.$transaction(async (tx) => void (await tx.note.create({ data: { key, body: "" } })));
  });
  assert.equal(runs, 3);
  assert.equal(await rows(key), 1);
});

test("what waits when the env changes goes to the new database", async () => {
  proxy.refusing = true;
  proxy.drop();
  const reading = where();
  setTimeout(() => to(LOCAL), 200);
  assert.equal((await reading).body, nameOf(LOCAL));
});

test("constraints, wrong passwords and missing databases fail at once", async () => {
  await assert.rejects(prisma.note.create({ data: { key: "where", body: "" } }), { code: "P2002" });
  const wrong = new URL(LOCAL);
  wrong.password = "wrong";
  to(wrong.href);
  await assert.rejects(where(), { code: "P1000" });
  to(`${LOCAL}_missing`);
  await assert.rejects(where(), { code: "P1003" });
  assert.equal(retries.length, 0);
});

test("the budget ends the waiting with the error of Prisma", async () => {
  proxy.refusing = true;
  proxy.drop();
  await assert.rejects(where());
  assert.ok(retries.length > 1);
  for (const { elapsed, delay } of retries) assert.ok(elapsed + delay <= 3_000, `${elapsed} ms and ${delay} ms`);
});

for (const [code, message] of [["57P03", "the database system is starting up"], ["53300", "sorry, too many clients already"]] as const)
  test(`${code} (${message}) is waited out, by a write as well`, async () => {
    const server = await naysayer(code, message);
    const { hostname } = new URL(LOCAL);
    const place = new URL(LOCAL);
    place.host = `${hostname}:${server.port}`;
    to(place.href);
    const key = fresh();
    const moved = until(() => server.asked() >= 2).then(() => to(proxy.url));
    await prisma.note.create({ data: { key, body: "" } });
    await moved;
    server.close();
    assert.equal(retries[0]!.reason, code);
    assert.equal(await rows(key), 1);
  });

test("the identity is not waited for", async () => {
  proxy.refusing = true;
  proxy.drop();
  await assert.rejects(databaseIdentity());
  assert.equal(retries.length, 0);
});
