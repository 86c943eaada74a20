import "dotenv/config";

import { defineConfig } from "prisma/config";

export default defineConfig({
  schema: "prisma/schema.prisma",
  migrations: { path: "prisma/migrations" },
  // Not `env("DATABASE_URL")`: that one throws when the variable is missing, and `prisma generate` needs no database.
  datasource: { url: process.env.DATABASE_URL ?? "" },
});
