"use client";
/* eslint-disable */
// The parts of the admin page that show what is: the active database, the targets, the last switches. Written by
// `dbswitch generate page`, which also brings it up to date; do not edit it.

import { remaining, seconds, sentence } from "./database-api"; // {api}

import { useEffect, useRef, useState } from "react";

/** Move the focus here when the element that had it has been removed or disabled. */
export function useLostFocus() {
    const here = useRef(null);
    useEffect(() => {
        const focused = document.activeElement;
        if (!focused || focused === document.body || focused.matches(":disabled"))
            here.current?.focus({ preventScroll: true });
    }, []);
    return here;
}

/** The command marks code with backticks. */
function Text({ children }) {
    return children.split("`").map((part, index) => (index % 2 ? <code key={index}>{part}</code> : part));
}

const SIGNS = { failed: "✕", warn: "!", info: "i" };

export function Notice({ tone, title, problem = { what: "" }, onClose, children }) {
    const heading = useLostFocus();
    const { what, facts = [], why, fix } = problem;
    // What the server said is often what the first sentence says.
    const news = facts.filter((fact) => !what.toLowerCase().includes(fact.toLowerCase().replace(/^message: /, "")));
    return (<section className={`dbs-notice dbs-${tone}`}>
      <span className="dbs-sign" aria-hidden="true">
        {SIGNS[tone]}
      </span>
      <div>
        <h2 ref={onClose && heading} tabIndex={-1}>
          {title}
        </h2>
        {what && what !== title && (<p>
            <Text>{sentence(what)}</Text>
          </p>)}
        {news.length > 0 && (<ul>
            {news.map((fact) => (<li key={fact}>{fact}</li>))}
          </ul>)}
        {why && (<p>
            <Text>{sentence(why)}</Text>
          </p>)}
        {fix && (<p>
            <strong>What to do:</strong> <Text>{sentence(fix)}</Text>
          </p>)}
        {children}
      </div>
      {onClose && (<button type="button" onClick={onClose}>
          Close
        </button>)}
    </section>);
}

/** Whether the app answers from another database than the env files name. */
export const isElsewhere = ({ identity }, active) => Boolean(identity && active?.database && identity.database !== active.database);

function Countdown({ limit }) {
    const [, tick] = useState(0);
    useEffect(() => {
        const timer = setInterval(() => tick((count) => count + 1), 1_000);
        return () => clearInterval(timer);
    }, []);
    return (<span className="dbs-badge" role="timer">
      <Text>{remaining(limit)}</Text>
    </span>);
}

export function Current({ view, active, children }) {
    const heading = useLostFocus();
    const { identity, unreachable } = view;
    const elsewhere = isElsewhere(view, active);
    const name = view.active.target ?? { mixed: "Mixed", partial: "Partly switched", unset: "Not set" }[view.active.kind] ?? "Unknown";
    const facts = identity && [
        ["Server", elsewhere ? null : active?.address],
        ["Database", identity.database],
        ["Access", `${identity.readOnly === "true" ? "read-only" : "read and write"}${identity.inRecovery === "true" ? ", a standby" : ""}`],
        ["PostgreSQL", identity.serverVersion.split(" ")[0]],
    ];
    return (<section className={`dbs-current dbs-is-${active?.protected ? "protected" : active ? "open" : "unknown"}`} aria-labelledby="dbs-now">
      <h2 id="dbs-now" ref={heading} tabIndex={-1}>
        The app is on
      </h2>
      <p className="dbs-name">
        {name} {active?.protected && <span className="dbs-badge dbs-danger-badge">protected: real data</span>}{" "}
        {identity?.readOnly === "true" && <span className="dbs-badge">read-only</span>}{" "}
        {view.active.limit && <Countdown limit={view.active.limit}/>}
      </p>
      {facts ? (<dl>
          {facts.map(([label, value]) => value && (<div key={label}>
              <dt>{label}</dt>
              <dd>{label === "Access" ? value : <code>{value}</code>}</dd>
            </div>))}
        </dl>) : (<p>The app cannot reach its database{unreachable && unreachable !== "unavailable" ? ` (${unreachable})` : ""}.</p>)}
      {view.active.kind === "mixed" && <p>The env files name different databases for different programs. A switch makes them agree.</p>}
      {view.active.kind === "partial" && <p>Some variables are not as this target sets them. A switch sets all of them.</p>}
      {elsewhere && (<p>
          The env files say <code>{active?.database}</code>. Switch to {active?.name} again to bring the app there.
        </p>)}
      {children}
    </section>);
}

export function Migrations({ found: { pending, failed } }) {
    if (pending.length === 0 && failed.length === 0)
        return null;
    const count = (names, what) => names.length > 0 && `${names.length} ${names.length === 1 ? "migration" : "migrations"} ${what} here`;
    const title = [count(pending, "not applied"), count(failed, "failed")].filter(Boolean).join(", ");
    return (<Notice tone="warn" title={`${title}.`}>
      <p>The app may ask for tables or columns that this database does not have.</p>
      <details>
        <summary>Names</summary>
        <ul>
          {[...failed, ...pending].map((name) => (<li key={name}>
              <code>{name}</code>
            </li>))}
        </ul>
      </details>
    </Notice>);
}

export function Targets({ targets, active, again, idle, onChoose, children }) {
    return (<section aria-labelledby="dbs-targets">
      <h2 id="dbs-targets">Switch</h2>
      {targets.length === 0 ? (<p className="dbs-quiet">
          No target is defined yet. In a terminal: <code>dbswitch init</code>
        </p>) : (<>
          <ul className="dbs-targets">
            {targets.map((target) => (<li key={target.name}>
                <span className="dbs-what">
                  <strong>{target.name}</strong>
                  {target.protected && <span className="dbs-badge dbs-danger-badge">protected</span>}
                  {target.database && <code>{[target.address, target.database].filter(Boolean).join("/")}</code>}
                </span>
                {target === active && !again ? (<span className="dbs-badge">active</span>) : (<button type="button" className={target.protected ? "dbs-danger" : ""} disabled={!idle} onClick={() => onChoose(target)}>
                    Switch to {target.name} {target === active && "again"}
                  </button>)}
              </li>))}
          </ul>
          {children}
        </>)}
    </section>);
}

const OUTCOMES = {
    switched: "switched",
    unchanged: "nothing to change",
    refused: "refused",
    busy: "gave up waiting",
    overtaken: "replaced by a newer request",
    failed: "failed, nothing changed",
    rolled_back: "failed, rolled back",
    rollback_failed: "failed, not rolled back",
    interrupted: "interrupted, rolled back",
};

function ago(at) {
    const minutes = Math.floor((Date.now() / 1_000 - at) / 60);
    if (minutes < 1)
        return "just now";
    if (minutes < 60)
        return `${minutes} min ago`;
    return minutes < 1_440 ? `${Math.floor(minutes / 60)} h ago` : new Date(at * 1_000).toLocaleDateString();
}

export function History({ past, targets }) {
    const guarded = new Set(targets.filter((target) => target.protected).map(({ name }) => name));
    const good = ({ outcome }) => outcome === "switched" || outcome === "unchanged";
    return (<section aria-labelledby="dbs-history">
      <h2 id="dbs-history">Last switches</h2>
      {past.length === 0 && <p className="dbs-quiet">None yet.</p>}
      <ol className="dbs-history" hidden={past.length === 0}>
        {past.map((one) => (<li key={one.id}>
            <span>
              {one.from ?? "unknown"} <span role="img" aria-label="to">→</span> <strong className={guarded.has(one.to) ? "dbs-red" : ""}>{one.to}</strong>
            </span>
            <span className="dbs-result">
              {good(one) ? "" : <strong aria-hidden="true">✕ </strong>}
              {OUTCOMES[one.outcome] ?? one.outcome}
              {one.verified === true && ", confirmed"}
              {good(one) && <span className="dbs-quiet"> · {one.mode === "none" ? "files only" : one.mode}</span>}
            </span>
            <time dateTime={new Date(one.at * 1_000).toISOString()} title={new Date(one.at * 1_000).toLocaleString()}>
              {ago(one.at)}
            </time>
            <span className="dbs-time">{seconds(one.seconds)}</span>
          </li>))}
      </ol>
    </section>);
}

export function Confirm({ target, onClose, onConfirm }) {
    const dialog = useRef(null);
    const [typed, setTyped] = useState("");
    const names = [target.name, ...(target.database === null ? [] : [target.database])];
    const ready = names.includes(typed);
    const wrong = !names.some((name) => name.startsWith(typed));
    useEffect(() => {
        const shown = dialog.current;
        if (shown && !shown.open)
            shown.showModal();
    }, []);
    const leave = (event) => {
        event.preventDefault();
        dialog.current?.close(); // gives the focus back
        onClose(); // the `close` event comes later, when the question may have been asked again
    };
    const submit = (event) => {
        event.preventDefault();
        if (!ready)
            return;
        leave(event);
        onConfirm(typed);
    };
    return (<dialog ref={dialog} className="dbs-dialog" aria-labelledby="dbs-confirm" onCancel={leave} onClose={onClose}>
      <form onSubmit={submit}>
        <h2 id="dbs-confirm">Switch to {target.name}?</h2>
        <p>
          <strong>{target.name} is protected.</strong> The app could change real data
          {target.address && (<>
              {" "}
              in <code>{`${target.address}/${target.database}`}</code>
            </>)}
          .
        </p>
        <label htmlFor="dbs-typed">
          Type <code>{target.name}</code> to continue
        </label>
        <input id="dbs-typed" value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" autoCapitalize="off" spellCheck={false} autoFocus aria-invalid={wrong} aria-describedby="dbs-match"/>
        <p id="dbs-match" className={wrong ? "dbs-red" : "dbs-quiet"} aria-live="polite">
          {ready ? "✓ The name matches." : wrong ? "✕ That is not its name." : typed ? "Not complete yet." : "The name of its database works too."}
        </p>
        <div className="dbs-actions">
          <button type="button" onClick={leave}>
            Cancel
          </button>
          <button type="submit" className="dbs-danger dbs-solid" disabled={!ready}>
            Switch to {target.name}
          </button>
        </div>
      </form>
    </dialog>);
}

export function Unlock({ onSubmit, wrong }) {
    return (<form className="dbs-unlock" onSubmit={onSubmit}>
      <h2>This page needs the project&rsquo;s key</h2>
      <p>
        <code>cat .dbswitch/token</code> prints it. Paste it once; this browser keeps it for this address.
      </p>
      <label htmlFor="dbs-key">Key</label>
      <div className="dbs-row">
        <input id="dbs-key" name="token" type="password" required autoFocus autoComplete="off" aria-invalid={wrong} aria-describedby={wrong ? "dbs-wrong" : undefined}/>
        <button type="submit">Continue</button>
      </div>
      {wrong && (<p id="dbs-wrong" className="dbs-red" role="alert">
          That is not the key in .dbswitch/token.
        </p>)}
    </form>);
}
