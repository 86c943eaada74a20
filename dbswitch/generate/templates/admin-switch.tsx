"use client";
/* eslint-disable */
// The screen of the admin page. It asks the admin route, follows a switch through the restart of the server that serves
// it, and ends with what the app itself answered. Written by `dbswitch generate page`, which also brings it up to date;
// do not edit it.

import { style } from "./database-style"; // {style}

import { type FormEvent, type ReactNode, useCallback, useEffect, useRef, useState } from "react";

interface Problem {
  what: string;
  facts?: string[];
  why?: string;
  fix?: string;
}

interface Identity {
  database: string;
  serverVersion: string;
  inRecovery: string;
  readOnly: string;
}

interface Target {
  name: string;
  protected: boolean;
  database: string | null;
}

interface Running {
  target: string;
  since: number;
  id?: string;
}

interface Past {
  id: string;
  at: number;
  from: string | null;
  to: string;
  outcome: string;
  seconds: number;
  mode: string;
  verified: boolean | null;
}

interface Overview {
  active: { kind: string; target: string | null };
  targets: Target[];
  hot: boolean;
  problem: Problem | null;
  identity: Identity | null;
  unreachable: string | null;
  migrations: { pending: string[]; failed: string[] };
  history: Past[];
  running: Running | null;
}

interface Event {
  event: string;
  phase?: string;
  state?: string;
  seconds?: number;
  detail?: string;
  reason?: string;
  attempt?: number;
  text?: string;
  level?: string;
  mode?: string;
  outcome?: string;
  target?: string;
  verified?: boolean | null;
  identity?: Identity | null;
  error?: Problem | null;
}

interface Run {
  id: string;
  over: boolean;
  lost: boolean;
  events: Event[];
}

interface Job {
  id: string;
  target: string;
  at: number; // ms since the epoch
}

const POLL = 300; // ms between two looks at a switch
const IDLE = 15_000; // ms between two looks otherwise
const PATIENCE = 120_000; // ms without the server after which that is called a failure
const REMEMBERED = 600_000; // ms for which a reload of the page comes back to the last switch

const LABELS: Record<string, string> = {
  lock: "Wait for other switches",
  recover: "Look for unfinished work",
  observe: "Look at the env files and the server",
  plan: "Decide what to do",
  guard: "Check the confirmation",
  probe: "Ask the new database",
  stop: "Stop the server",
  ports: "Wait until its port is free",
  unlock: "Remove its lock",
  write: "Change the env files",
  reprobe: "Ask the new database again",
  start: "Start the server",
  answer: "Wait for its first answer",
  verify: "Ask the app which database it is on",
  rollback: "Put everything back",
};
const COMING: Record<string, string[]> = {
  hot: ["probe", "write", "verify"],
  restart: ["probe", "stop", "ports", "unlock", "write", "reprobe", "start", "answer", "verify"],
};
const OUTCOMES: Record<string, string> = {
  switched: "switched",
  unchanged: "nothing to change",
  refused: "refused",
  busy: "gave up waiting",
  overtaken: "overtaken by a newer request",
  failed: "failed, nothing changed",
  rolled_back: "failed, rolled back",
  rollback_failed: "failed, and not rolled back",
  interrupted: "interrupted, rolled back",
};
const AWAY =
  "That is part of the restart: the switch goes on without it, and without this page. The steps are shown when the server is back.";

const UNANSWERED: Problem = {
  what: "The server did not answer.",
  why: "Whether the switch was started is not known. If it was, the page shows it as soon as the server answers",
  fix: "Look at the server's log, and run in a terminal: dbswitch status",
};
const CLOSED = "The route does not answer this page.";

const seconds = (value: number) => `${value < 9.95 ? value.toFixed(1) : Math.round(value)} s`;

/** The command says why and what to do in half sentences. */
const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!:)`]$/.test(text) ? "" : ".");

function ago(at: number): string {
  const minutes = Math.floor((Date.now() / 1_000 - at) / 60);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 1_440 ? `${Math.floor(minutes / 60)} h ago` : new Date(at * 1_000).toLocaleDateString();
}

interface Answer {
  code: number;
  body: any;
}

/** Ask the route; nothing where no route answers: the server is away, or its new self is not ready yet. */
async function ask(route: string, token = "", init: RequestInit = {}): Promise<Answer | undefined> {
  try {
    const headers = { ...(init.headers as Record<string, string>), ...(token && { "x-dbswitch-token": token }) };
    const response = await fetch(route, { cache: "no-store", signal: AbortSignal.timeout(20_000), ...init, headers });
    const body = await response.json();
    return body?.dbswitch === 1 ? { code: response.status, body } : undefined;
  } catch {
    return undefined;
  }
}

function remembered<T>(key: string, where: () => Storage): T | undefined {
  try {
    return JSON.parse(where().getItem(key) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

function remember(key: string, value: unknown, where: () => Storage): void {
  try {
    if (value === undefined) where().removeItem(key);
    else where().setItem(key, JSON.stringify(value));
  } catch {
    // A browser may forbid it; then a reload forgets.
  }
}

export function DatabaseSwitch({ route, token: given }: { route: string; token: string }) {
  const key = `dbswitch:${route}`;
  const [token, setToken] = useState<string>(); // not known before the browser has been asked
  const [locked, setLocked] = useState(false);
  const [wrong, setWrong] = useState(false);
  const [view, setView] = useState<Overview>();
  const [away, setAway] = useState<number>();
  const [job, setJob] = useState<Job>();
  const [told, setRun] = useState<Run>();
  const [refusal, setRefusal] = useState<Problem>();
  const [confirming, setConfirming] = useState<Target>();
  const [restart, setRestart] = useState(false);
  const [sending, setSending] = useState(false);
  const [, tick] = useState(0);
  const run = told?.id === job?.id ? told : undefined;
  const result = run?.events.find(({ event }) => event === "result");
  const lost = run?.lost === true;
  const following = job !== undefined && result === undefined && !lost;
  const elsewhere = !following && Boolean(view?.running);
  const over = useRef<string>(undefined); // the run whose end is shown

  useEffect(() => {
    // `#token=` is never sent to a server, unlike a query.
    const linked = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
    if (linked) history.replaceState(null, "", location.pathname + location.search);
    setToken(linked ?? (given || (remembered<string>(key, () => localStorage) ?? "")));
    const last = remembered<Job>(key, () => sessionStorage);
    if (last && Date.now() - last.at < REMEMBERED) setJob(last);
  }, [given, key]);

  const look = useCallback(
    async (now = token) => {
      if (now === undefined) return;
      const found = await ask(route, now);
      if (!found) return setAway((since) => since ?? Date.now());
      setAway(undefined);
      if (found.code === 401) {
        setLocked(true);
        return false;
      }
      if (found.code !== 200) return setRefusal({ what: CLOSED, why: found.body.what });
      setLocked(false);
      setRefusal((own) => (own?.what === CLOSED ? undefined : own));
      remember(key, given ? undefined : now, () => localStorage);
      setView(found.body);
      const running: Running | null = found.body.running;
      if (running?.id) {
        const { id, target, since } = running;
        setJob((own) => (own && own.id !== over.current ? own : { id, target, at: since * 1_000 }));
      }
      return true;
    },
    [route, token, key, given],
  );

  useEffect(() => {
    void look();
    const timer = setInterval(() => !document.hidden && void look(), following ? IDLE * 4 : away ? 1_000 : elsewhere ? 2_000 : IDLE);
    const back = () => !document.hidden && void look();
    document.addEventListener("visibilitychange", back);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", back);
    };
  }, [look, following, elsewhere, away === undefined]);

  useEffect(() => {
    if (!job || token === undefined) return;
    remember(key, job, () => sessionStorage);
    setRefusal(undefined);
    let timer: ReturnType<typeof setTimeout>;
    let ended = false;
    const follow = async () => {
      const found = await ask(`${route}?id=${encodeURIComponent(job.id)}`, token);
      if (ended) return;
      setAway((since) => (found ? undefined : (since ?? Date.now())));
      if (found?.code === 404) return setJob(undefined);
      if (found?.code === 401) setLocked(true);
      if (found?.code === 200) {
        const ends = found.body.over || found.body.lost;
        // The end is shown together with what it led to.
        if (ends) await look();
        if (ended) return;
        setRun(found.body);
        if (ends) {
          over.current = job.id;
          if (typeof BroadcastChannel === "undefined") return;
          const channel = new BroadcastChannel("dbswitch");
          channel.postMessage(job.id);
          return channel.close();
        }
      }
      timer = setTimeout(follow, found?.code === 401 || found?.code === 429 ? IDLE : POLL);
    };
    void follow();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [job?.id, route, token, key]);

  useEffect(() => {
    if (!following && away === undefined) return;
    const timer = setInterval(() => tick((count) => count + 1), 200);
    return () => clearInterval(timer);
  }, [following, away === undefined]);

  async function send(target: Target, confirm?: string) {
    setConfirming(undefined);
    setSending(true);
    setRefusal(undefined);
    const found = await ask(route, token, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ target: target.name, confirm, mode: restart ? "restart" : undefined }),
    });
    setSending(false);
    const running: Running | undefined = found?.body.running;
    if (found?.code === 202) begin({ id: found.body.id, target: target.name, at: Date.now() });
    else if (found?.code === 401) setLocked(true);
    else if (found?.code === 409 && running?.id) begin({ id: running.id, target: running.target, at: Date.now() });
    else if (found) setRefusal({ what: "The switch was not started.", ...found.body });
    else {
      setRefusal(UNANSWERED);
      void look();
    }
  }

  function begin(next: Job) {
    setRun(undefined);
    setJob(next);
  }

  function dismiss() {
    remember(key, undefined, () => sessionStorage);
    setJob(undefined);
    setRun(undefined);
  }

  async function unlock(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const typed = String(new FormData(event.currentTarget).get("token") ?? "").trim();
    setWrong(false);
    const fits = await look(typed);
    if (fits) setToken(typed);
    else setWrong(fits === false); // no answer says nothing about the key
  }

  const idle = !following && !sending && !view?.running;
  const active = view?.targets.find(({ name }) => name === view.active.target);
  return (
    <main className="dbs">
      <style dangerouslySetInnerHTML={{ __html: style }} />
      <header>
        <p className="dbs-eyebrow">Development only</p>
        <h1>Database</h1>
      </header>
      {locked ? (
        <Unlock onSubmit={unlock} wrong={wrong} />
      ) : !view && !job ? (
        away && Date.now() - away > 4_000 ? (
          <Message tone="warn" title="The server does not answer.">
            The page keeps asking. In a terminal, <code>dbswitch status</code> says what is wrong.
          </Message>
        ) : (
          <p className="dbs-quiet" role="status">Asking the app which database it is on …</p>
        )
      ) : (
        <>
          {refusal && <Trouble problem={refusal} title={refusal.what} />}
          {job && following && <Progress job={job} run={run} away={away} />}
          {job && run && (result || lost) && <Ending job={job} result={result} list={steps(run.events)} onDismiss={dismiss} />}
          {view && !following && (
            <>
              {!job && view.running && (
                <Message tone="info" title={`dbswitch ${view.running.target} is under way.`}>
                  It was started elsewhere. The page shows where it ended.
                </Message>
              )}
              {view.problem && <Trouble problem={view.problem} title={view.problem.what} />}
              <Current view={view} active={active} />
              <Migrations found={view.migrations} />
            </>
          )}
          {view && (
            <section aria-labelledby="dbs-targets">
              <h2 id="dbs-targets">Switch</h2>
              {view.targets.length === 0 && <p className="dbs-quiet">No database is named yet. In a terminal: <code>dbswitch init</code></p>}
              <ul className="dbs-targets">
                {view.targets.map((target) => (
                  <li key={target.name} className={target.protected ? "dbs-guarded" : undefined}>
                    <span className="dbs-what">
                      <strong>{target.name}</strong>
                      {target.protected && <Badge tone="danger">protected</Badge>}
                      {target.database && <code>{target.database}</code>}
                    </span>
                    {target === active && !following ? (
                      <Badge tone="good">active</Badge>
                    ) : (
                      <button
                        type="button"
                        className={target.protected ? "dbs-danger" : "dbs-plain"}
                        disabled={!idle}
                        onClick={() => (target.protected ? setConfirming(target) : void send(target))}
                      >
                        Switch to {target.name}
                      </button>
                    )}
                  </li>
                ))}
              </ul>
              {view.hot && (
                <label className="dbs-option">
                  <input type="checkbox" checked={restart} disabled={!idle} onChange={(event) => setRestart(event.target.checked)} />
                  Restart the server, rather than let the running app follow
                </label>
              )}
            </section>
          )}
          {view && <History past={view.history} targets={view.targets} />}
        </>
      )}
      {confirming && <Confirm target={confirming} onClose={() => setConfirming(undefined)} onConfirm={(typed) => void send(confirming, typed)} />}
    </main>
  );
}

/** What had the focus is gone or cannot be used any more: go on here, so that a keyboard or a screen reader does not start over. */
function useFocusLeft<T extends HTMLElement>() {
  const here = useRef<T>(null);
  useEffect(() => {
    const focused = document.activeElement;
    if (!focused || focused === document.body || focused.matches(":disabled")) here.current?.focus({ preventScroll: true });
  }, []);
  return here;
}

function Badge({ tone, children }: { tone: "danger" | "good" | "warn"; children: ReactNode }) {
  return <span className={`dbs-badge dbs-${tone}-badge`}>{children}</span>;
}

interface Said {
  title: string;
  action?: ReactNode;
  children?: ReactNode;
}

function Message({ tone, title, action, children }: Said & { tone: "good" | "warn" | "bad" | "info" }) {
  return (
    <div className={`dbs-message dbs-${tone}`} role={tone === "bad" ? "alert" : "status"}>
      <div>
        <p className="dbs-title">{title}</p>
        {children}
      </div>
      {action}
    </div>
  );
}

function Trouble({ problem, title, action, children }: Said & { problem: Problem }) {
  return (
    <Message tone="bad" title={title} action={action}>
      {problem.what && problem.what !== title && <p>{sentence(problem.what)}</p>}
      {problem.facts && problem.facts.length > 0 && (
        <ul>
          {problem.facts.map((fact) => (
            <li key={fact}>{fact}</li>
          ))}
        </ul>
      )}
      {problem.why && <p>{sentence(problem.why)}</p>}
      {problem.fix && (
        <p>
          <strong>What to do:</strong> {sentence(problem.fix)}
        </p>
      )}
      {children}
    </Message>
  );
}

function Current({ view, active }: { view: Overview; active: Target | undefined }) {
  const { identity, unreachable } = view;
  const elsewhere = identity && active?.database && identity.database !== active.database;
  const name = view.active.target ?? (view.active.kind === "mixed" ? "Mixed" : "Unknown");
  const tone = active?.protected ? "dbs-current dbs-is-protected" : active ? "dbs-current dbs-is-open" : "dbs-current dbs-is-unknown";
  return (
    <section className={tone} aria-labelledby="dbs-now">
      <h2 id="dbs-now">The app is on</h2>
      <p className="dbs-name">
        {name}
        {active?.protected && <Badge tone="danger">protected: real data</Badge>}
      </p>
      {identity ? (
        <dl>
          <div>
            <dt>Database</dt>
            <dd>
              <code>{identity.database}</code>
            </dd>
          </div>
          <div>
            <dt>Server</dt>
            <dd>PostgreSQL {identity.serverVersion}</dd>
          </div>
          <div>
            <dt>Access</dt>
            <dd>
              {identity.readOnly === "true" ? "read only" : "read and write"}
              {identity.inRecovery === "true" && ", a standby"}
            </dd>
          </div>
        </dl>
      ) : (
        <p>The app cannot reach its database{unreachable && unreachable !== "unavailable" ? ` (${unreachable})` : ""}.</p>
      )}
      {view.active.kind === "mixed" && <p>The env files name different databases for different programs. Switching puts that right.</p>}
      {elsewhere && (
        <p>
          The env files say <code>{active.database}</code>. Switch to {active.name} once more to bring the app there.
        </p>
      )}
    </section>
  );
}

function Migrations({ found: { pending, failed } }: { found: Overview["migrations"] }) {
  if (pending.length === 0 && failed.length === 0) return null;
  const count = (names: string[]) => `${names.length} ${names.length === 1 ? "migration" : "migrations"}`;
  const title = [pending.length > 0 && `${count(pending)} not applied here`, failed.length > 0 && `${count(failed)} failed here`];
  return (
    <Message tone="warn" title={`${title.filter(Boolean).join(", ")}.`}>
      <details>
        <summary>Names</summary>
        <ul>
          {[...failed, ...pending].map((name) => (
            <li key={name}>
              <code>{name}</code>
            </li>
          ))}
        </ul>
      </details>
      <p>The app may ask for tables or columns that this database does not have.</p>
    </Message>
  );
}

interface Step {
  phase: string;
  state: string;
  seconds: number;
  note: string;
}

function steps(events: Event[]): Step[] {
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
  // What takes no time when it goes well is told only when it does not.
  const short = ({ phase, seconds: took }: Step) => phase !== "lock" || took < 0.1;
  for (const phase of ["lock", "recover", "plan", "guard", "ports", "unlock"]) {
    const step = found.get(phase);
    if (step?.state === "done" && short(step)) found.delete(phase);
  }
  if (!found.has("rollback"))
    for (const phase of COMING[mode] ?? []) {
      const quick = phase === "ports" || phase === "unlock";
      if (!found.has(phase) && !quick) found.set(phase, { phase, state: "coming", seconds: 0, note: "" });
    }
  return [...found.values()];
}

const SIGNS: Record<string, [string, string]> = {
  done: ["✓", "done"],
  failed: ["✕", "failed"],
  started: ["", "running"],
  coming: ["", "to come"],
};

function Steps({ list, since, away }: { list: Step[]; since: number; away: boolean }) {
  return (
    <ol className="dbs-steps">
      {list.map(({ phase, state, seconds: took, note }) => (
        <li key={phase} className={`dbs-step-${state}`}>
          <span className="dbs-sign" aria-hidden="true">
            {SIGNS[state]?.[0]}
          </span>
          <span className="dbs-label">
            {LABELS[phase] ?? phase}
            <span className="dbs-hidden"> ({SIGNS[state]?.[1]})</span>
            {away && state === "started" ? <small>the last step seen</small> : note && state !== "coming" && <small>{note}</small>}
          </span>
          <span className="dbs-time">
            {state === "done" || state === "failed" ? seconds(took) : state === "started" && !away ? seconds((Date.now() - since) / 1_000) : ""}
          </span>
        </li>
      ))}
    </ol>
  );
}

function Progress({ job, run, away }: { job: Job; run: Run | undefined; away: number | undefined }) {
  const heading = useFocusLeft<HTMLHeadingElement>();
  const list = steps(run?.events ?? []);
  const current = [...list].reverse().find(({ state }) => state === "started");
  const began = useRef<{ phase: string; at: number }>({ phase: "", at: 0 });
  if (current && began.current.phase !== current.phase) began.current = { phase: current.phase, at: Date.now() };
  const gone = away !== undefined && Date.now() - away > PATIENCE;
  const plan = run?.events.some(({ event, mode }) => event === "plan" && mode === "restart");
  return (
    <section className="dbs-progress" aria-labelledby="dbs-progress">
      <div className="dbs-head">
        <h2 id="dbs-progress" ref={heading} tabIndex={-1}>Switching to {job.target}</h2>
        <span className="dbs-time">{seconds(Math.max(0, Date.now() - job.at) / 1_000)}</span>
      </div>
      <p className="dbs-hidden" role="status">
        {away !== undefined ? "The server is being restarted." : current ? LABELS[current.phase] : "Starting"}
      </p>
      {list.length > 0 ? <Steps list={list} since={began.current.at} away={away !== undefined} /> : <p className="dbs-quiet">Starting dbswitch …</p>}
      {gone ? (
        <Message tone="bad" title="The server has not come back.">
          <p>
            <strong>What to do:</strong> run <code>dbswitch status</code> in a terminal. It says where things stand and finishes what was left.
          </p>
        </Message>
      ) : away !== undefined ? (
        <p className="dbs-gap">
          <strong>The server is away</strong> for {seconds((Date.now() - away) / 1_000)}. {AWAY}
        </p>
      ) : (
        plan && <p className="dbs-quiet">The server will be away for a few seconds. The switch goes on without it, and without this page.</p>
      )}
    </section>
  );
}

interface Ended {
  job: Job;
  result: Event | undefined;
  list: Step[];
  onDismiss: () => void;
}

function Ending({ job, result, list, onDismiss }: Ended) {
  const button = useFocusLeft<HTMLButtonElement>();
  const close = (
    <button ref={button} type="button" className="dbs-plain" onClick={onDismiss}>
      Close
    </button>
  );
  const told = (
    <details>
      <summary>Steps</summary>
      <Steps list={list.filter(({ state }) => state !== "coming")} since={0} away={false} />
    </details>
  );
  if (!result) {
    const problem = {
      what: "",
      why: "Its process was ended from outside, or the machine was.",
      fix: "Run in a terminal: dbswitch status. It finishes what was left.",
    };
    return <Trouble title={`The switch to ${job.target} ended without a word.`} problem={problem} action={close} />;
  }
  const { outcome = "", verified, identity, error, target = job.target } = result;
  if (outcome !== "switched" && outcome !== "unchanged") {
    const title = `Not on ${target}: ${OUTCOMES[outcome] ?? outcome}.`;
    return (
      <Trouble title={title} problem={error ?? { what: "" }} action={close}>
        {told}
      </Trouble>
    );
  }
  if (verified)
    return (
      <Message tone="good" title={`Verified on ${target}.`} action={close}>
        <p>The app itself answers from {identity ? `${identity.database} (PostgreSQL ${identity.serverVersion})` : target}.</p>
        {told}
      </Message>
    );
  return (
    <Message tone="warn" title={outcome === "unchanged" ? `Already on ${target}, not verified.` : `Switched to ${target}, not verified.`} action={close}>
      <p>{verified === false ? "The app answers from another database. Switch again with a restart." : "The app could not be asked which database it is on."}</p>
      {told}
    </Message>
  );
}

function History({ past, targets }: { past: Past[]; targets: Target[] }) {
  const guarded = new Set(targets.filter((target) => target.protected).map(({ name }) => name));
  const good = (one: Past) => one.outcome === "switched" || one.outcome === "unchanged";
  return (
    <section aria-labelledby="dbs-history">
      <h2 id="dbs-history">Last switches</h2>
      {past.length === 0 ? (
        <p className="dbs-quiet">Nothing was switched here yet.</p>
      ) : (
        <div className="dbs-scroll" role="region" aria-label="Table of the last switches" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Switch</th>
                <th scope="col">Result</th>
                <th scope="col">How</th>
                <th scope="col" className="dbs-number">Time</th>
              </tr>
            </thead>
            <tbody>
              {past.map((one) => (
                <tr key={one.id}>
                  <td>
                    <time dateTime={new Date(one.at * 1_000).toISOString()} title={new Date(one.at * 1_000).toLocaleString()}>
                      {ago(one.at)}
                    </time>
                  </td>
                  <td>
                    {one.from ?? "?"} <span aria-label="to">→</span> <strong className={guarded.has(one.to) ? "dbs-red" : undefined}>{one.to}</strong>
                  </td>
                  <td className={good(one) ? undefined : "dbs-red"}>
                    {OUTCOMES[one.outcome] ?? one.outcome}
                    {one.verified === true && ", verified"}
                  </td>
                  <td>{one.mode === "none" ? "files only" : one.mode}</td>
                  <td className="dbs-number">{seconds(one.seconds)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Confirm({ target, onClose, onConfirm }: { target: Target; onClose: () => void; onConfirm: (typed: string) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState("");
  const ready = target.database === null ? typed !== "" : typed === target.database;
  useEffect(() => {
    const shown = dialog.current;
    if (shown && !shown.open) shown.showModal();
  }, []);
  return (
    <dialog ref={dialog} className="dbs-dialog" aria-labelledby="dbs-confirm" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!ready) return;
          dialog.current?.close(); // gives the focus back
          onConfirm(typed);
        }}
      >
        <h2 id="dbs-confirm">Switch to {target.name}?</h2>
        <p>
          <strong>{target.name} is protected.</strong> A development app on it can change or delete real data.
        </p>
        <label htmlFor="dbs-typed">
          {target.database ? (
            <>
              Type the name of its database, <code>{target.database}</code>, to go on
            </>
          ) : (
            "Type the name of its database to go on"
          )}
        </label>
        <input id="dbs-typed" value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" autoCapitalize="off" spellCheck={false} autoFocus />
        <div className="dbs-actions">
          <button type="button" className="dbs-plain" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" className="dbs-danger dbs-solid" disabled={!ready}>
            Switch to {target.name}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function Unlock({ onSubmit, wrong }: { onSubmit: (event: FormEvent<HTMLFormElement>) => void; wrong: boolean }) {
  return (
    <form className="dbs-unlock" onSubmit={onSubmit}>
      <h2>This page needs the project&rsquo;s key</h2>
      <p>
        <code>dbswitch init</code> wrote it to <code>.dbswitch/token</code>. This browser keeps it for this address.
      </p>
      <label htmlFor="dbs-key">Key</label>
      <div className="dbs-row">
        <input id="dbs-key" name="token" type="password" required autoComplete="off" aria-invalid={wrong} aria-describedby={wrong ? "dbs-wrong" : undefined} />
        <button type="submit" className="dbs-plain">
          Continue
        </button>
      </div>
      {wrong && (
        <p id="dbs-wrong" className="dbs-red" role="alert">
          That is not the key in .dbswitch/token.
        </p>
      )}
    </form>
  );
}
