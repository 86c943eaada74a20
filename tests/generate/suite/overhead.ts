// Prints the cost of a simple query in microseconds, plain and through the generated client, taking turns.
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "../generated/prisma/client.ts";
import { prisma } from "../lib/prisma.ts";

async function main() {
  const plain = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.LOCAL!, max: 9 }) });
  const clients = { plain, following: prisma as unknown as PrismaClient };
  const taken: Record<keyof typeof clients, number[]> = { plain: [], following: [] };
  const cpu: typeof taken = { plain: [], following: [] };
  const rounds = Number(process.argv[2] ?? 200);
  for (let round = -50; round < rounds; round++)
    for (const name of round % 2 ? (["plain", "following"] as const) : (["following", "plain"] as const)) {
      const start = performance.now();
      const spent = process.cpuUsage();
      for (let turn = 0; turn < 10; turn++) await clients[name].note.findUnique({ where: { id: 1 } });
      const { user, system } = process.cpuUsage(spent);
      if (round >= 0) cpu[name].push((user + system) / 10);
      if (round >= 0) taken[name].push(((performance.now() - start) * 1_000) / 10);
    }
  // The first quartile: what else runs on the machine only ever adds.
  const quartile = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 2]!;
  const both = ({ plain, following }: typeof taken) => ({ plain: quartile(plain), following: quartile(following) });
  console.log(JSON.stringify({ ...both(taken), cpu: both(cpu) }));
  await Promise.all(Object.values(clients).map((client) => client.$disconnect()));
}
void main();
