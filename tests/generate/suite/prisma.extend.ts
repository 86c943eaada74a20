// The hooks of the project under test; the Python side puts this beside the client.
import type { PrismaClient } from "../generated/prisma/client";
import type { Hooks, Retry } from "./prisma.ts";

export const retries: Retry[] = [];
export const onRetry = (retry: Retry) => void retries.push(retry);
export const retry = { budget: 3_000 };
export const options = { log: [{ emit: "event", level: "query" }] } satisfies Hooks["options"];

export function extend(client: PrismaClient) {
  return client.$extends({
    result: { note: { shout: { needs: { body: true }, compute: (note) => note.body.toUpperCase() } } },
    model: { note: { whereIs: async () => "a method of the project's own" } },
  });
}
