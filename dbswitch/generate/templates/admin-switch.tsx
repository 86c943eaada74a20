"use client";
/* eslint-disable */
// The screen of the admin page. It asks the admin route, follows a switch through the restart of the server that serves
// it, and ends with what the app itself answered. Written by `dbswitch generate page`, which also brings it up to date;
// do not edit it.

import { ask, load, save } from "./database-api"; // {api}
import type { Job, Overview, Problem, Run, Running, Target } from "./database-api"; // {api}
import { Progress, progressOf, Steps, stepsOf, verdictOf } from "./database-run"; // {run}
import { style } from "./database-style"; // {style}
import { Confirm, Current, History, isElsewhere, Migrations, Notice, Targets, Unlock } from "./database-view"; // {view}

import { type FormEvent, useCallback, useEffect, useRef, useState } from "react";

const POLL = 300; // ms between two requests for the events of a switch
const IDLE = 15_000; // ms between two requests otherwise
const REMEMBERED = 600_000; // ms for which a reload of the page comes back to the last switch

const UNANSWERED: Problem = {
  what: "The server did not answer.",
  why: "It is not known whether the switch was started. If it was, the page shows it as soon as the server answers",
  fix: "see the server's log, and run `dbswitch status` in a terminal",
};
const CLOSED = "The route refuses this page.";

/** What a reload of the page continues with. */
interface Kept {
  job: Job;
  run?: Run;
  view?: Overview;
}

export function DatabaseSwitch({ route, token: given }: { route: string; token: string }) {
  const key = `dbswitch:${route}`;
  const [token, setToken] = useState<string>(); // not known before the browser's storage was read
  const [locked, setLocked] = useState(false);
  const [wrong, setWrong] = useState(false);
  const [view, setView] = useState<Overview>();
  const [fresh, setFresh] = useState(false); // the view is an answer of the server, and not kept over a reload
  const [away, setAway] = useState<number>();
  const [job, setJob] = useState<Job>();
  const [told, setRun] = useState<Run>();
  const [refusal, setRefusal] = useState<Problem>();
  const [confirming, setConfirming] = useState<Target>();
  const [restart, setRestart] = useState(false);
  const [sending, setSending] = useState(false);
  const [, tick] = useState(0);
  const run = told?.id === job?.id ? told : undefined;
  const verdict = job && verdictOf(job, run);
  const following = job !== undefined && !verdict;
  const elsewhere = !following && Boolean(view?.running);
  const over = useRef<string>(undefined); // the run whose end is shown
  const restored = useRef<string>(undefined); // the run that a reload came back to
  const linked = useRef<string>(undefined); // the key of a link; React's StrictMode runs the effect below twice

  useEffect(() => {
    // `#token=` is never sent to a server, unlike a query.
    const found = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
    if (found) history.replaceState(null, "", location.pathname + location.search);
    linked.current = found ?? linked.current;
    setToken(linked.current ?? (given || (load<string>(key, () => localStorage) ?? "")));
    const kept = load<Kept>(key, () => sessionStorage);
    if (!kept?.job || Date.now() - kept.job.at > REMEMBERED) return;
    restored.current = kept.job.id;
    setJob(kept.job);
    setRun(kept.run);
    setView(kept.view);
  }, [given, key]);

  useEffect(() => {
    if (token !== undefined) save(key, job && { job, run, view }, () => sessionStorage);
  }, [key, token, job, run, view]);

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
      save(key, given ? undefined : now, () => localStorage);
      setView(found.body);
      setFresh(true);
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

  /** Start a switch; `instead` is the one that it replaces. */
  async function send(target: string, { confirm, instead }: { confirm?: string; instead?: Job } = {}) {
    setConfirming(undefined);
    setSending(true);
    setRefusal(undefined);
    // The env files name the active target already: only a restart can bring the app there.
    const again = target === view?.active.target;
    const mode = !instead && (restart || again) ? "restart" : undefined;
    const found = await ask(route, token, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ target, confirm, mode, instead: instead?.id }),
    });
    setSending(false);
    const running: Running | undefined = found?.body.running;
    if (found?.code === 202) setJob({ id: found.body.id, target, at: Date.now(), cancelled: instead?.target });
    else if (found?.code === 401) setLocked(true);
    else if (found?.code === 409 && running?.id) setJob({ id: running.id, target: running.target, at: Date.now() });
    else if (found) setRefusal({ what: `The switch was not ${instead ? "cancelled" : "started"}.`, ...found.body });
    else {
      setRefusal(UNANSWERED);
      void look();
    }
  }

  async function unlock(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const typed = String(new FormData(form).get("token") ?? "").trim();
    setWrong(false);
    const fits = await look(typed);
    if (fits) setToken(typed);
    else {
      setWrong(fits === false); // without an answer the key may be right
      form.querySelector("input")?.focus();
    }
  }

  const active = (fresh && view?.targets.find(({ name }) => name === view.active.target)) || undefined;
  const steps = stepsOf(run?.events ?? [], following && away !== undefined);
  // A newer request for the database that the app is on replaces the one under way, and finds nothing to change.
  const previous = run?.events.find(({ event }) => event === "plan")?.previous ?? view?.active.target;
  const cancel = job && previous && previous !== job.target && !job.cancelled && !sending ? () => void send(previous, { instead: job }) : undefined;
  const announced = following ? progressOf(steps, job) : fresh && verdict ? verdict.title : "";
  const details = (
    <details>
      <summary>Steps</summary>
      <Steps list={steps.filter(({ state }) => state !== "coming")} />
    </details>
  );

  function body() {
    if (locked) return <Unlock onSubmit={unlock} wrong={wrong} />;
    if (!view && !following) {
      if (!away || Date.now() - away < 4_000) return <p className="dbs-quiet">Asking the app which database it is on …</p>;
      const fix = "run `dbswitch status` in a terminal. It says what is wrong";
      return <Notice tone="warn" title="The server does not answer." problem={{ what: "The page keeps asking.", fix }} />;
    }
    return (
      <>
        {refusal && <Notice tone="failed" title={refusal.what} problem={refusal} />}
        {following && <Progress job={job} list={steps} restored={restored.current === job.id} away={away} onCancel={cancel} />}
        {verdict?.tone === "failed" && (
          <Notice tone="failed" title={verdict.title} problem={verdict.problem} onClose={() => setJob(undefined)}>
            {steps.length > 0 && details}
          </Notice>
        )}
        {view && !following && !fresh && (
          <section className="dbs-current">
            <h2>The app is on</h2>
            <p className="dbs-quiet">Asking the app which database it is on …</p>
          </section>
        )}
        {view && !following && fresh && (
          <>
            {view.running && <Notice tone="info" title={`dbswitch ${view.running.target} is running.`} problem={{ what: "It was started in a terminal. The page shows its result." }} />}
            {view.problem && view.problem.what !== refusal?.what && <Notice tone="failed" title={view.problem.what} problem={view.problem} />}
            <Current view={view} active={active}>
              {verdict && verdict.tone !== "failed" && job.target === active?.name && (
                <div className={`dbs-verdict dbs-${verdict.tone}`}>
                  <p>
                    <span aria-hidden="true">{verdict.tone === "good" ? "✓" : "!"}</span> {verdict.title} {verdict.problem?.what}
                    {verdict.problem?.fix && ` What to do: ${verdict.problem.fix}.`}
                  </p>
                  {details}
                </div>
              )}
            </Current>
            <Migrations found={view.migrations} />
          </>
        )}
        {view && (
          <>
            <Targets
              targets={view.targets}
              active={following ? undefined : active}
              again={isElsewhere(view, active) || verdict?.tone === "warn"}
              idle={fresh && !following && !sending && !view.running}
              onChoose={(target) => (target.protected ? setConfirming(target) : void send(target.name))}
            >
              {view.hot && !following && active?.protected && <p className="dbs-option">Leaving {active.name} restarts the server, so that no connection to it stays open.</p>}
              {view.hot && !following && !active?.protected && (
                <label className="dbs-option">
                  <input type="checkbox" checked={restart} onChange={(event) => setRestart(event.target.checked)} />
                  Restart the server (slower; normally not needed)
                </label>
              )}
            </Targets>
            <History past={view.history} targets={view.targets} />
          </>
        )}
      </>
    );
  }

  return (
    <main className="dbs">
      <style dangerouslySetInnerHTML={{ __html: style }} />
      <header>
        <p className="dbs-quiet">Development only</p>
        <h1>Database</h1>
      </header>
      <p className="dbs-hidden" role="status">
        {announced}
      </p>
      {body()}
      {confirming && <Confirm target={confirming} onClose={() => setConfirming(undefined)} onConfirm={(confirm) => void send(confirming.name, { confirm })} />}
    </main>
  );
}
