// How the admin route starts the command, with a clock of its own.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, mock, test } from "node:test";
import { SILENT, firstLine } from "../lib/command.ts";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
afterEach(() => mock.timers.reset());

/** Make the command a script that begins with `line`, writes the ids of its child and itself to `ids`, and does not end. */
function hang(line: string, ids: string): void {
  const program = join(process.cwd(), `${ids}.sh`);
  writeFileSync(program, `#!/bin/sh\n${line}\nsleep 600 &\necho $! $$ . >${ids}\nwait\n`);
  chmodSync(program, 0o755);
  process.env.DBSWITCH_EXECUTABLE = program;
}

/** Whether the process is there; one that its parent has not waited for is not. */
function lives(pid: string): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((resolve) => setImmediate(resolve));
}

/** Let the time of the command pass; neither it nor what it started may live on. */
async function requireEnded(ids: string): Promise<void> {
  await until(() => existsSync(ids) && readFileSync(ids, "utf8").includes("."));
  const [child, own] = readFileSync(ids, "utf8").split(" ") as [string, string];
  assert.ok(lives(own) && lives(child));
  mock.timers.tick(20_000);
  await until(() => !lives(own) && !lives(child));
}

test("a command that hangs after its line has answered, and does not stay", async () => {
  hang(`echo '{"event":"accepted"}'`, "after");
  assert.deepEqual(await firstLine(["other"], 20_000), { event: "accepted" });
  await requireEnded("after");
});

test("a command that hangs before its line is given up, and does not stay either", async () => {
  hang("", "before");
  const answer = firstLine(["other"], 20_000);
  await requireEnded("before");
  assert.deepEqual(await answer, { event: "result", error: SILENT });
});
