import * as exported from "../../../../lib/prisma"; // {client}

const MISSING = "lib/prisma.ts exports no Prisma client"; // {missing}

// The client among the exports of that file, or among the properties of an object that it exports,
// recognised by its interface, not by its name.
function clientIn(found) {
    const isClient = (one) => typeof one?.$queryRawUnsafe === "function";
    const all = (found ?? {});
    const exports = [all.prisma, all.db, all.default, ...Object.values(all)];
    const inside = exports.flatMap((one) => (one !== null && typeof one === "object" ? Object.values(one) : []));
    const client = [...exports, ...inside].find(isClient);
    if (client === undefined)
        throw new TypeError(MISSING);
    return client;
}

const prisma = { $queryRawUnsafe: (sql) => clientIn(exported).$queryRawUnsafe(sql) };

