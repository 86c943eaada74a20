// What the suites share: the two databases, the env files, and things that stand between the client and its database.
import { renameSync, writeFileSync } from "node:fs";
import { createServer, connect, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";

export const LOCAL = process.env.LOCAL!;
export const PROD = process.env.PROD!;
export const nameOf = (url: string) => new URL(url).pathname.slice(1);

/** Replace an env file as dbswitch does: written beside it, then renamed. */
export function bind(lines: Record<string, string>, file = ".env"): void {
  const text = Object.entries(lines).map(([key, value]) => `${key}="${value}"\n`).join("");
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
  // The client looks at most every 5 ms.
  for (const from = performance.now(); performance.now() - from < 6; );
}
export const to = (url: string) => bind({ DATABASE_URL: url });
export const withParameters = (url: string, parameters: string) => `${url}${url.includes("?") ? "&" : "?"}${parameters}`;

/** Ask a database without Prisma and without the client under test. */
export async function ask(url: string, sql: string): Promise<any[]> {
  const { Client } = createRequire(createRequire(import.meta.url).resolve("@prisma/adapter-pg"))("pg");
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

export async function until<T>(look: () => Promise<T> | T, seconds = 60): Promise<NonNullable<T>> {
  const end = performance.now() + seconds * 1_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`nothing after ${seconds} s: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A proxy in front of a database that can refuse, or cut a connection when a certain statement passes. */
export class FaultProxy {
  refusing = false;
  /** How long what the client sends is held back, in milliseconds. */
  delay = 0;
  /** Cut when the client sends this: before the server gets it, or after the server has answered it. */
  cut: { text: string; when: "before" | "after"; times: number } | undefined;
  seen = 0;
  accepted = 0;
  private sockets = new Set<Socket>();
  private constructor(private server: Server, readonly url: string) {}

  static async before(url: string): Promise<FaultProxy> {
    const { hostname, port } = new URL(url);
    let proxy: FaultProxy;
    const server = createServer((client) => proxy.pass(client, connect(Number(port), hostname)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const place = new URL(url);
    place.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    return (proxy = new FaultProxy(server, place.href));
  }

  private pass(client: Socket, server: Socket): void {
    this.accepted++;
    if (this.refusing) return void (client.destroy(), server.destroy());
    const end = () => (client.destroy(), server.destroy());
    let ending = false;
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on("error", end).on("close", () => (end(), this.sockets.delete(socket)));
    }
    client.on("data", (part) => {
      const cut = this.cut;
      if (cut && part.includes(cut.text)) {
        this.seen++;
        if (cut.times-- > 0) {
          if (cut.when === "before") return end();
          ending = true;
        }
      }
      if (this.delay) setTimeout(() => server.write(part), this.delay);
      else server.write(part);
    });
    server.on("data", (part) => (ending ? end() : client.write(part)));
  }

  drop(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.drop();
    this.server.close();
  }
}

/** Something that speaks just enough of the protocol to say no, as a server in start-up does. */
export async function naysayer(code: string, message: string): Promise<{ port: number; close(): void; asked: () => number }> {
  let asked = 0;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      asked++;
      const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
      const head = Buffer.from([0x45, 0, 0, 0, 0]);
      head.writeUInt32BE(fields.length + 4, 1);
      socket.end(Buffer.concat([head, fields]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, close: () => void server.close(), asked: () => asked };
}
