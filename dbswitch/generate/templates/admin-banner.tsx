"use client";
/* eslint-disable */
// Says at the top of every page, in development only, which database the app is on. In the root layout's <body>:
//   <DatabaseBanner />
// Written by `dbswitch generate page`, which also brings it up to date; do not edit it.

import { useEffect, useLayoutEffect, useRef, useState } from "react";

const ROUTE = "/api/admin/database"; // {route}
const PAGE = "/admin/configuration"; // {page}
const EVERY = 30_000; // ms; and when the page becomes visible again

interface Shown {
  target: string | null;
  protected: boolean;
  database: string | null;
  readOnly: boolean;
  limit?: { back: string; ends: number } | null; // seconds since the epoch
}

const SMALL = { textTransform: "uppercase", letterSpacing: ".06em", fontSize: "11px" } as const;

export function DatabaseBanner() {
  return process.env.NODE_ENV === "development" ? <Banner /> : null;
}

function Banner() {
  const [shown, setShown] = useState<Shown>();
  const [away, setAway] = useState(false);
  const [margin, setMargin] = useState("0");
  const here = useRef<HTMLElement>(null);
  const base = process.env.__NEXT_ROUTER_BASEPATH ?? "";

  useEffect(() => {
    let ended = false;
    const look = async () => {
      if (document.hidden) return;
      try {
        const response = await fetch(`${base}${ROUTE}?banner=1`, { cache: "no-store" });
        const body = await response.json();
        if (ended) return;
        setShown(body.dbswitch === 1 && response.ok ? body : undefined);
        setAway(false);
      } catch {
        if (!ended) setAway(true);
      }
    };
    void look();
    const timer = setInterval(look, EVERY);
    // The admin page says when a switch has ended.
    const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("dbswitch");
    channel?.addEventListener("message", look);
    document.addEventListener("visibilitychange", look);
    window.addEventListener("focus", look);
    return () => {
      ended = true;
      clearInterval(timer);
      channel?.close();
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("focus", look);
    };
  }, [base]);

  // The body's own margin and padding stay as they are; the banner reaches over them to the window's edges.
  const visible = shown !== undefined;
  const limit = shown?.limit;
  const [, tick] = useState(0);
  useEffect(() => {
    if (!limit) return;
    const timer = setInterval(() => tick((count) => count + 1), 1_000);
    return () => clearInterval(timer);
  }, [limit]);
  useLayoutEffect(() => {
    if (here.current?.parentElement !== document.body) return;
    const fit = () => {
      const css = getComputedStyle(document.body);
      const out = (side: "Top" | "Right" | "Left") => `calc(-1 * (${css[`margin${side}`]} + ${css[`padding${side}`]}))`;
      const above = parseFloat(css.marginTop) + parseFloat(css.paddingTop);
      const first = here.current!.getBoundingClientRect().top + scrollY <= above;
      setMargin(`${first ? out("Top") : "0"} ${out("Right")} 0 ${out("Left")}`);
    };
    const observer = new ResizeObserver(fit); // another page may set another margin
    observer.observe(document.body);
    return () => observer.disconnect();
  }, [visible]);

  if (!shown) return null;
  const colour = away ? "#595959" : shown.protected ? "#b42318" : shown.target ? "#1f6f43" : "#7a4d00";
  const name = shown.target ?? "an unknown database";
  const left = limit ? Math.ceil(limit.ends - Date.now() / 1_000) : 0;
  return (
    <aside
      ref={here}
      aria-label="Database of this app"
      style={{
        display: "flex", flexWrap: "wrap", gap: "0 .6em", alignItems: "center", padding: "0 1rem", margin, boxSizing: "border-box",
        minHeight: 44, background: colour, color: "#fff", font: "500 13px/1.5 system-ui, sans-serif",
      }}
    >
      {away ? <span>The server is not answering; it was on</span> : <span>Database</span>}
      <strong style={{ fontWeight: 700 }}>{name}</strong>
      {shown.database && shown.database !== shown.target && <code style={{ fontSize: "12px", opacity: 1 }}>{shown.database}</code>}
      {shown.protected && <span style={SMALL}>protected</span>}
      {shown.readOnly && <span style={SMALL}>read-only</span>}
      {limit && <span role="timer">{left > 0 ? `${left >= 100 ? `${Math.round(left / 60)} min` : `${left} s`} left, then back to ${limit.back}` : `Time limit has passed: dbswitch ${limit.back}`}</span>}
      <a href={base + PAGE} style={{ marginLeft: "auto", minWidth: 44, lineHeight: "44px", textAlign: "right", color: "#fff", textDecoration: "underline" }}>
        Switch
      </a>
    </aside>
  );
}
