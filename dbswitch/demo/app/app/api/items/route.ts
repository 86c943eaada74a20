import { readShop } from "@/lib/shop";

export const dynamic = "force-dynamic";

export async function GET() {
  return Response.json({ ...(await readShop()), bucket: process.env.BLOB_BUCKET ?? null });
}
