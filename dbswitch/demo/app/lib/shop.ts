import { prisma } from "@/lib/prisma";

export async function readShop() {
  const [{ database }] = await prisma.$queryRaw<[{ database: string }]>`SELECT current_database()::text AS database`;
  const shop = await prisma.shop.findFirst({ orderBy: { id: "asc" } });
  const items = await prisma.item.findMany({
    where: { shopId: shop?.id ?? 0 },
    orderBy: { id: "asc" },
    select: { name: true, cents: true },
  });
  return { database, shop: shop?.name ?? null, items };
}
