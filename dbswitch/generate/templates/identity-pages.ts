import { identity } from "./identity"; // {identity}

// The Pages Router hands over Node's own request and response.
export default async function handler(
  request: { headers: Record<string, string | string[] | undefined> },
  response: { statusCode: number; setHeader(name: string, value: string): unknown; end(text: string): unknown },
): Promise<void> {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === "string") headers.set(name, value);
  }
  const answered = await identity({ headers });
  response.statusCode = answered.status;
  answered.headers.forEach((value, name) => response.setHeader(name, value));
  response.end(await answered.text());
}
