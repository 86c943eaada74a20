// One transaction every 20 ms: a write with a key of its own. Prints a JSON line for each: key, begin and end in ms, error.
// `load.ts NAME generated|classic`: the client that dbswitch generates, or the singleton of Prisma's own documentation.
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "../generated/prisma/client.ts";

const [name, kind] = process.argv.slice(2);

async function client(): Promise<PrismaClient> {
  if (kind === "generated") return (await import("../lib/prisma.ts")).prisma as unknown as PrismaClient;
  const kept = globalThis as { prisma?: PrismaClient };
  const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL!, max: 5 });
  // Prisma 7.1 never ends a transaction that began after it had given up waiting (maxWait, 2 s), as on a busy machine.
  const transactionOptions = { maxWait: 100_000, timeout: 100_000 };
  kept.prisma ??= new PrismaClient({ adapter, transactionOptions });
  return kept.prisma;
}

async function main() {
  const prisma = await client();
  let number = 0;
  const pending = new Set<Promise<void>>();
  async function once() {
    const key = `${name}-${number++}`;
    const begin = Date.now();
    let error = "";
    try {
      await prisma.$transaction([
        prisma.note.create({ data: { key, body: "" } }),
        prisma.note.findUniqueOrThrow({ where: { key: "where" } }),
      ]);
    } catch (thrown) {
      error = String((thrown as Error).message).trim().slice(-200);
    }
    console.log(JSON.stringify({ key, begin, end: Date.now(), error }));
  }
  const timer = setInterval(() => {
    const one = once();
    pending.add(one);
    void one.finally(() => pending.delete(one));
  }, 20);
  process.on("SIGTERM", () => {
    clearInterval(timer);
    void Promise.all(pending).then(() => process.exit(0));
  });
}
void main();
