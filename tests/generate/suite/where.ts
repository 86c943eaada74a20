// Prints where the client is, then again for each line on standard input.
import { prisma } from "../lib/prisma.ts";

async function main() {
  const say = async () => console.log((await prisma.note.findUniqueOrThrow({ where: { key: "where" } })).body);
  await say();
  for await (const _ of process.stdin) await say();
  await prisma.$disconnect();
}
void main();
