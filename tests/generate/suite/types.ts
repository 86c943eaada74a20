// Compiled, never run: the exported client has the project's own type.
import { prisma, type Hooks } from "../lib/prisma.ts";

export async function plain(): Promise<string> {
  const note = await prisma.note.findUniqueOrThrow({ where: { key: "where" }, include: { author: true } });
  // @ts-expect-error there is no such field
  void note.nothing;
  // @ts-expect-error there is no such model
  void prisma.nothing;
  return note.body + (note.author?.role === "ADMIN" ? "!" : "");
}

// @ts-expect-error a number of milliseconds
export const wrong: Hooks = { retry: { budget: "3 s" } };
