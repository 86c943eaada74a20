import * as exported from "../../../../lib/prisma"; // {client}

const MISSING = "lib/prisma.ts exports no Prisma client"; // {missing}

type OwnClient = { $queryRawUnsafe(sql: string): Promise<unknown> };

// The client among the exports of that file, or among the properties of an object that it exports,
// recognised by its interface, not by its name.
function clientIn(found: unknown): OwnClient {
  const isClient = (one: any): one is OwnClient => typeof one?.$queryRawUnsafe === "function";
  const all = (found ?? {}) as Record<string, unknown>;
  const exports = [all.prisma, all.db, all.default, ...Object.values(all)];
  const inside = exports.flatMap((one) => (one !== null && typeof one === "object" ? Object.values(one) : []));
  const client = [...exports, ...inside].find(isClient);
  if (client === undefined) throw new TypeError(MISSING);
  return client;
}

const prisma = { $queryRawUnsafe: (sql: string) => clientIn(exported).$queryRawUnsafe(sql) };
