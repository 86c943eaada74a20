"use client";
/* eslint-disable */
// Says at the top of every page, in development only, which database the app is on. In the root layout's <body>:
//   <DatabaseBanner />
// Written by `dbswitch generate page`, which also brings it up to date; do not edit it.

import { useEffect, useState } from "react";

const ROUTE = "/api/admin/database"; // {route}
const PAGE = "/admin/configuration"; // {page}
const EVERY = 30_000; // ms; and whenever somebody comes back to the page

interface Shown {
  target: string | null;
  protected: boolean;
  database: string | null;
}

export function DatabaseBanner() {
  return process.env.NODE_ENV === "development" ? <Banner /> : null;
}

function Banner() {
  const [shown, setShown] = useState<Shown>();
  const [away, setAway] = useState(false);
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

  if (!shown) return null;
  const colour = away ? "#595959" : shown.protected ? "#b42318" : shown.target ? "#1f6f43" : "#7a4d00";
  const name = shown.target ?? "an unknown database";
  return (
    <aside
      aria-label="Database of this app"
      style={{
        display: "flex", flexWrap: "wrap", gap: "0 .6em", alignItems: "baseline", padding: ".35rem 1rem",
        background: colour, color: "#fff", font: "500 13px/1.5 system-ui, sans-serif",
      }}
    >
      {away ? <span>The server is away; it was on</span> : <span>Database</span>}
      <strong style={{ fontWeight: 700 }}>{name}</strong>
      {shown.database && shown.database !== shown.target && <code style={{ fontSize: "12px", opacity: 1 }}>{shown.database}</code>}
      {shown.protected && <span style={{ textTransform: "uppercase", letterSpacing: ".06em", fontSize: "11px" }}>protected</span>}
      <a href={base + PAGE} style={{ marginLeft: "auto", color: "#fff", textDecoration: "underline" }}>
        Switch
      </a>
    </aside>
  );
}
