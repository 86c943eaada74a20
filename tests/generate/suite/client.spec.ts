import { expect, test } from "vitest";
import { prisma } from "../lib/prisma";

test("the client works in vitest", async () => {
  const note = await prisma.note.findUniqueOrThrow({ where: { key: "where" } });
  expect(note.body).toBe(new URL(process.env.LOCAL!).pathname.slice(1));
  await prisma.$disconnect();
});
