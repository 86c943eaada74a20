import { readShop } from "@/lib/shop";

export const dynamic = "force-dynamic";

export default async function Page() {
  const { database, shop, items } = await readShop();
  return (
    <main>
      <h1>{shop ?? "No shop yet"}</h1>
      <p>
        from the database <code>{database}</code>
      </p>
      <ul>
        {items.map((item) => (
          <li key={item.name}>{`${item.name} ${(item.cents / 100).toFixed(2)}`}</li>
        ))}
      </ul>
    </main>
  );
}
