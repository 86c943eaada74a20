"use client";
/* eslint-disable */
// One switch on the admin page: its steps while it runs, and how it ended. Written by `dbswitch generate page`, which also
// brings it up to date; do not edit it.

import { seconds } from "./database-api"; // {api}
import type { Event, Job, Problem, Run } from "./database-api"; // {api}
import { Notice, useLostFocus } from "./database-view"; // {view}

import { useRef } from "react";

const PATIENCE = 120_000; // ms without the server after which that is called a failure

const LABELS: Record<string, string> = {
  lock: "Wait for other switches",
  recover: "Look for unfinished work",
  observe: "Look at the env files and the server",
  plan: "Decide what to do",
  guard: "Check the confirmation",
  probe: "Ask the new database",
  baseline: "Ask the app where it is now",
  stop: "Stop the server",
  ports: "Wait until its port is free",
  unlock: "Remove its lock",
  write: "Change the env files",
  reprobe: "Ask the new database again",
  start: "Start the server",
  answer: "Wait for its first answer",
  verify: "Ask the app which database it is on",
  rollback: "Put everything back",
  gap: "Restart the server on the new database",
};
const COMING: Record<string, string[]> = {
  hot: ["probe", "write", "verify"],
  restart: ["probe", "stop", "write", "reprobe", "start", "answer", "verify"],
};
// Before these are over nothing is stopped or changed.
const HARMLESS = ["lock", "recover", "observe", "plan", "guard", "probe", "baseline"];

export interface Step {
  phase: string;
  state: string;
  seconds: number;
  note: string;
}

export function stepsOf(events: Event[], away: boolean): Step[] {
  const found = new Map<string, Step>();
  let mode = "";
  for (const { event, phase = "", state = "", seconds: took = 0, detail = "", reason = "", mode: planned = "" } of events) {
    if (event === "plan") mode = planned;
    if (event === "phase") {
      if (state === "skipped") found.delete(phase);
      else found.set(phase, { phase, state, seconds: took, note: phase === "answer" && state === "done" ? "" : detail });
    }
    const step = event === "waiting" ? found.get(phase) : undefined;
    if (step) step.note = reason;
  }
  // What takes no time when it goes well is shown only when it does not.
  for (const phase of ["lock", "recover", "plan", "guard", "baseline", "ports", "unlock"]) {
    const step = found.get(phase);
    if (step?.state === "done" && (!["lock", "baseline"].includes(phase) || step.seconds < 0.1)) found.delete(phase);
  }
  const list = [...found.values()];
  if (found.has("rollback")) return list;
  if (away && mode === "restart" && found.get("verify") === undefined) {
    // The server can only be down after the new database has answered. What follows is seen when it is back.
    const before = list.filter(({ phase }) => HARMLESS.includes(phase));
    const gap = { phase: "gap", state: "started", seconds: 0, note: "The server is not answering at the moment. The switch continues even if you close this page." };
    return [...before.map((step) => (step.state === "done" ? step : { ...step, state: "done", note: "" })), gap, { phase: "verify", state: "coming", seconds: 0, note: "" }];
  }
  const coming = (COMING[mode] ?? []).filter((phase) => !found.has(phase));
  return [...list, ...coming.map((phase) => ({ phase, state: "coming", seconds: 0, note: "" }))];
}

const stepUnderWay = (list: Step[]) => [...list].reverse().find(({ state }) => state === "started");

/** What a screen reader is told while a switch runs. */
export const progressOf = (list: Step[], job: Job) => `Switching to ${job.target}: ${LABELS[stepUnderWay(list)?.phase ?? ""] ?? "starting"}.`;

const SIGNS: Record<string, [string, string]> = {
  done: ["✓", "done"],
  failed: ["✕", "failed"],
  started: ["", "running"],
  coming: ["", "pending"],
};

export function Steps({ list, since = 0 }: { list: Step[]; since?: number }) {
  const time = ({ state, seconds: took }: Step) => {
    if (state === "started" && since) return seconds((Date.now() - since) / 1_000);
    return took && state !== "coming" ? seconds(took) : "";
  };
  return (
    <ol className="dbs-steps">
      {list.map((step) => (
        <li key={step.phase} className={`dbs-step-${step.state}`} aria-current={step.state === "started" ? "step" : undefined}>
          <span className="dbs-sign" aria-hidden="true">
            {SIGNS[step.state]?.[0]}
          </span>
          <span className="dbs-label">
            {LABELS[step.phase] ?? step.phase}
            <span className="dbs-hidden"> ({SIGNS[step.state]?.[1]})</span>
            {step.note && step.state !== "coming" && <small>{step.note}</small>}
          </span>
          <span className="dbs-time">{time(step)}</span>
        </li>
      ))}
    </ol>
  );
}

interface Followed {
  job: Job;
  list: Step[];
  restored: boolean; // nothing of it was read from the server yet, after the page was loaded
  away: number | undefined;
  onCancel: (() => void) | undefined;
}

export function Progress({ job, list, restored, away, onCancel }: Followed) {
  const heading = useLostFocus<HTMLHeadingElement>();
  const phase = stepUnderWay(list)?.phase ?? "";
  const began = useRef({ phase: "", at: 0 });
  if (began.current.phase !== phase) began.current = { phase, at: phase === "gap" && away ? away : Date.now() };
  const harmless = HARMLESS.includes(phase);
  const waiting = restored ? "Asking the server for the progress of the switch …" : job.cancelled ? "Waiting for it to stop …" : "Starting dbswitch …";
  return (
    <section className="dbs-progress" aria-labelledby="dbs-progress">
      <div className="dbs-head">
        <h2 id="dbs-progress" ref={heading} tabIndex={-1}>
          {job.cancelled ? `Cancelling the switch to ${job.cancelled}` : `Switching to ${job.target}`}
        </h2>
        <span className="dbs-time">{seconds(Math.max(0, Date.now() - job.at) / 1_000)}</span>
      </div>
      {list.length > 0 && <Steps list={list} since={began.current.at} />}
      {list.length === 0 && <p className="dbs-quiet">{waiting}</p>}
      {away !== undefined && phase !== "gap" && <p className="dbs-quiet">The server does not answer at the moment. The page keeps asking.</p>}
      {away !== undefined && Date.now() - away > PATIENCE && (
        <Notice
          tone="failed"
          title="The server has not come back."
          problem={{ what: "", fix: "run `dbswitch status` in a terminal. It says what the state is and which command finishes the switch" }}
        />
      )}
      {onCancel && harmless && away === undefined && (
        <div className="dbs-row dbs-cancel">
          <p className="dbs-quiet">Nothing has been changed yet.</p>
          <button type="button" onClick={onCancel}>
            Cancel
          </button>
        </div>
      )}
    </section>
  );
}

export interface Verdict {
  tone: "good" | "warn" | "failed";
  title: string;
  problem?: Problem;
}

const FAILURES: Record<string, string> = {
  refused: "refused, nothing was changed",
  busy: "another switch is running",
  overtaken: "a newer request came first",
  failed: "nothing was changed",
  rolled_back: "everything was put back",
  rollback_failed: "and not everything could be put back",
  interrupted: "interrupted, everything was put back",
};

/** How the switch ended; undefined while it runs. */
export function verdictOf(job: Job, run: Run | undefined): Verdict | undefined {
  const result = run?.events.find(({ event }) => event === "result");
  if (!result && !run?.lost) return undefined;
  if (!result) {
    const why = "its process was killed, or the machine was switched off";
    const fix = "run `dbswitch status` in a terminal. It says which command finishes what was left";
    return { tone: "failed", title: `The switch to ${job.target} ended without a result.`, problem: { what: "", why, fix } };
  }
  const { outcome = "", verified, error, target = job.target, mode, seconds: took = 0 } = result;
  if (outcome !== "switched" && outcome !== "unchanged")
    return { tone: "failed", title: `Not switched to ${target}: ${FAILURES[outcome] ?? outcome}.`, problem: error ?? undefined };
  const how = `${mode === "hot" || mode === "restart" ? `${mode}, ` : ""}${seconds(took)}`;
  const on = outcome === "unchanged" ? `Already on ${target}` : `Switched to ${target}`;
  if (job.cancelled) {
    const rest = outcome === "unchanged" ? "Nothing was changed" : `Switched back to ${target}`;
    return { tone: "good", title: `The switch to ${job.cancelled} was cancelled. ${rest}.` };
  }
  if (verified) return { tone: "good", title: `${on}, confirmed by the app (${how}).` };
  const what = verified === false ? "The app answers from another database." : "The app could not be asked which database it is on.";
  return { tone: "warn", title: `${on}, not confirmed.`, problem: { what, fix: verified === false ? "switch again, which restarts the server" : undefined } };
}
