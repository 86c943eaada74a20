// Compiled, never run: the project's own extensions are part of the type.
import { prisma } from "../lib/prisma.ts";

export async function extended(): Promise<string> {
  const note = await prisma.note.findFirstOrThrow();
  // @ts-expect-error not a number
  const wrong: number = note.shout;
  return note.shout + (await prisma.note.whereIs()) + wrong;
}
