/* eslint-disable */
// What the admin route answers, and how the admin page asks it. Written by `dbswitch generate page`, which also brings it
// up to date; do not edit it.

export interface Problem {
  what: string;
  facts?: string[];
  why?: string;
  fix?: string;
}

export interface Identity {
  database: string;
  serverVersion: string;
  inRecovery: string;
  readOnly: string;
}

export interface Target {
  name: string;
  protected: boolean;
  database: string | null;
  address: string | null; // host and port
}

export interface Running {
  target: string;
  since: number;
  id?: string;
}

export interface Past {
  id: string;
  at: number;
  from: string | null;
  to: string;
  outcome: string;
  seconds: number;
  mode: string;
  verified: boolean | null;
}

/** The time limit of the active target: where it goes back to, and when (seconds since the epoch). */
export interface Limit {
  back: string;
  ends: number;
}

export interface Overview {
  active: { kind: string; target: string | null; limit?: Limit | null };
  targets: Target[];
  hot: boolean;
  problem: Problem | null;
  identity: Identity | null;
  unreachable: string | null;
  migrations: { pending: string[]; failed: string[] };
  history: Past[];
  running: Running | null;
}

export interface Event {
  event: string;
  phase?: string;
  state?: string;
  seconds?: number;
  detail?: string;
  reason?: string;
  mode?: string;
  previous?: string | null;
  outcome?: string;
  target?: string;
  verified?: boolean | null;
  error?: Problem | null;
}

export interface Run {
  id: string;
  over: boolean;
  lost: boolean;
  events: Event[];
}

/** The switch that the page follows. */
export interface Job {
  id: string;
  target: string;
  at: number; // ms since the epoch
  cancelled?: string; // the target of the switch that this one replaces
}

export const seconds = (value: number) => `${value < 9.95 ? value.toFixed(1) : Math.round(value)} s`;

/** What is left of a time limit: `24 min left, then back to local`. */
export function remaining({ back, ends }: Limit): string {
  const left = Math.ceil(ends - Date.now() / 1_000);
  if (left <= 0) return `the time limit has passed, \`dbswitch ${back}\` switches back`;
  return `${left >= 100 ? `${Math.round(left / 60)} min` : `${left} s`} left, then back to ${back}`;
}

/** The command says why and what to do in half sentences. */
export const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!:)`]$/.test(text) ? "" : ".");

export interface Answer {
  code: number;
  body: any;
}

/** Ask the route. Undefined: no answer of the route, because the server is down or still starting. */
export async function ask(route: string, token = "", init: RequestInit = {}): Promise<Answer | undefined> {
  try {
    const headers = { ...(init.headers as Record<string, string>), ...(token && { "x-dbswitch-token": token }) };
    const response = await fetch(route, { cache: "no-store", signal: AbortSignal.timeout(20_000), ...init, headers });
    const body = await response.json();
    return body?.dbswitch === 1 ? { code: response.status, body } : undefined;
  } catch {
    return undefined;
  }
}

export function load<T>(key: string, storage: () => Storage): T | undefined {
  try {
    return JSON.parse(storage().getItem(key) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

export function save(key: string, value: unknown, storage: () => Storage): void {
  try {
    if (value === undefined) storage().removeItem(key);
    else storage().setItem(key, JSON.stringify(value));
  } catch {
    // A browser may forbid storage; then nothing is kept over a reload.
  }
}
