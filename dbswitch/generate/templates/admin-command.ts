/* eslint-disable */
// The dbswitch command as the admin route starts it, the project's files, and what may be told of either. Written by
// `dbswitch generate route`, which also brings it up to date; do not edit it.

import { spawn } from "node:child_process";
import { accessSync, constants, readdirSync, readFileSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

export interface Problem {
  what: string;
  facts?: string[];
  why?: string;
  fix?: string;
}

function place(...names: string[]): string {
  const root = process.cwd();
  // Without the comment Turbopack takes every file of the project for one that the server needs.
  return join(/* turbopackIgnore: true */ root, ...names);
}

export function read(...names: string[]): string {
  try {
    return readFileSync(/* turbopackIgnore: true */ place(...names), "utf8");
  } catch {
    return "";
  }
}

export function parsed(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function stamp(...names: string[]): string {
  try {
    const { mtimeMs, size } = statSync(/* turbopackIgnore: true */ place(...names));
    return `${mtimeMs}:${size}`;
  } catch {
    return "";
  }
}

export function list(...names: string[]): string[] {
  try {
    return readdirSync(/* turbopackIgnore: true */ place(...names));
  } catch {
    return [];
  }
}

// --- The command -------------------------------------------------------------------------------------------------------

const NOT_FOUND: Problem = {
  what: "The dbswitch command was not found.",
  why: "The server was started without it, and it is neither in node_modules/.bin nor on the PATH.",
  fix: "Install it (pipx install dbswitch), then start the server with: dbswitch dev",
};

/** The program and its first arguments: what started this server, else the project's own, else the machine's. */
function executable(): string[] | undefined {
  const named = process.env.DBSWITCH_EXECUTABLE ?? "";
  const listed = named.startsWith("[") ? parsed(named) : [named];
  const fits = Array.isArray(listed) && listed.every((word) => typeof word === "string" && word !== "");
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
  const candidates = [
    ...(fits ? [listed as string[]] : []),
    [place("node_modules", ".bin", "dbswitch")],
    ...folders.map((folder) => [join(/* turbopackIgnore: true */ folder, "dbswitch")]),
  ];
  return candidates.find(([program]) => {
    try {
      accessSync(/* turbopackIgnore: true */ program!, constants.X_OK);
      return isAbsolute(program!) && statSync(/* turbopackIgnore: true */ program!).isFile();
    } catch {
      return false;
    }
  });
}

// What Next.js put into its own process would look like the user's own choice to the program that is started.
function environment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, DBSWITCH_ORIGIN: "page" };
  const bound = [".env", ".env.local", ".env.development", ".env.development.local"].flatMap((name) =>
    [...read(name).matchAll(/^\s*(?:export\s+)?([\w.-]+)\s*[=:]/gm)].map((match) => match[1]!),
  );
  const needed = new Set(["PATH", "HOME", "USER", "LANG", "TMPDIR"]);
  for (const name of Object.keys(env))
    if (
      (bound.includes(name) && !needed.has(name)) ||
      /^(?:__NEXT|NEXT_|npm_|DBSWITCH_SERVER$|NODE_ENV$|NODE_OPTIONS$|PORT$|TURBOPACK$|RUST_MIN_STACK$)/.test(name)
    )
      delete env[name];
  return env;
}

export const SILENT: Problem = { what: "dbswitch gave no answer.", fix: "Run in a terminal: dbswitch doctor" };
const LONGEST_LINE = 1_000_000; // characters

/** Start dbswitch with a fixed list of arguments, no shell, in a session of its own; return its first line. */
export function firstLine(words: string[], patience: number): Promise<any> {
  const [program, ...first] = executable() ?? [];
  if (program === undefined) return Promise.resolve({ event: "result", error: NOT_FOUND });
  return new Promise((resolve) => {
    let out = "";
    const child = spawn(/* turbopackIgnore: true */ program, [...first, ...words, "--json"], {
      cwd: process.cwd(),
      env: environment(),
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    const end = (found: any) => {
      out = "";
      child.stdout.removeAllListeners("data").resume();
      resolve(typeof found?.event === "string" ? found : { event: "result", error: SILENT });
    };
    // One that hangs may be a script around the program: its whole group ends. A run has left the group.
    const kill = () => {
      end(undefined);
      try {
        if (child.exitCode === null && child.signalCode === null && child.pid) process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has just ended.
      }
    };
    const timer = setTimeout(kill, patience);
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text: string) => {
      out += text;
      if (out.includes("\n")) end(parsed(out.slice(0, out.indexOf("\n"))));
      else if (out.length > LONGEST_LINE) kill();
    });
    child.on("error", () => end({ event: "result", error: NOT_FOUND }));
    child.on("close", () => {
      clearTimeout(timer);
      end(parsed(out));
    });
  });
}

// --- What is told ------------------------------------------------------------------------------------------------------

/** Take addresses and absolute paths out of a text: no answer carries them. */
export function plain(text: unknown): string {
  return String(text ?? "")
    .replaceAll(process.cwd(), "the project")
    .replace(/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'`,;)]+/gi, (address) => {
      if (/^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?\/?$/.test(address)) return "this server";
      const database = /^postgres(?:ql)?:\/\/[^/?#]*\/([A-Za-z0-9_.-]+)/i.exec(address)?.[1];
      return database ? `database ${database}` : "(an address)";
    })
    .replace(/(^|[\s"'`(=:,[])~?\/[^\s"'`(),;:\]]+/g, "$1(a path)");
}

export function plainProblem(error: any): Problem | undefined {
  if (!error) return undefined;
  const facts = Array.isArray(error.facts) ? error.facts.map(plain) : [];
  return { what: plain(error.what), facts, why: plain(error.why), fix: plain(error.fix) };
}

/** Whether the process lives and is the one that was started then. */
export function lives(pid: number, started: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  if (process.platform !== "linux") return true;
  try {
    const text = readFileSync(/* turbopackIgnore: true */ `/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const boot = readFileSync(/* turbopackIgnore: true */ "/proc/sys/kernel/random/boot_id", "utf8").trim();
    return fields[0] !== "Z" && `${boot}:${fields[19]}` === started;
  } catch {
    return false;
  }
}
