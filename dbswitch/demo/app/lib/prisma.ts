import { PrismaPg } from "@prisma/adapter-pg";

import { PrismaClient } from "@/generated/prisma/client";

// One client for the process, as the Prisma documentation recommends: a module is evaluated again after every edit,
// and each evaluation would open connections of its own.
const kept = globalThis as unknown as { prisma?: PrismaClient };

export const prisma =
  kept.prisma ??
  new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }) });

if (process.env.NODE_ENV !== "production") kept.prisma = prisma;
