/* eslint-disable */
// Look at the databases of this project and switch between them, in development and from this machine only.
//   GET                the active database, the targets, the last switches, what is under way
//   GET ?id=RUN        the events of one switch, also of one that restarted this very server
//   GET ?identity=1    which database the app's own Prisma client is on: how dbswitch verifies a switch
//   GET ?banner=1      the names that the banner shows
//   POST               {"target": "prod", "confirm": "prod"}: start a switch; 202 with the id of its run. With
//                      "instead": RUN it replaces the switch that is under way
// Written by `dbswitch generate route`, which also brings it up to date; do not edit it. Who may ask is decided in the
// file `authorize` beside it, and that one is yours.

import { authorize } from "./authorize"; // {authorize}
import { find, identity, isForeign, isOpen, isSameOrigin, overview, run, start, status, tokenMatches, tooMany } from "./server"; // {server}

const TARGET = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
const NAME = /^[A-Za-z0-9_.-]{1,63}$/;
const LONGEST = 2_048; // bytes of a body
const SLOWEST = 5_000; // ms for a body to arrive

function answer(code, body, headers = {}) {
    return Response.json({ dbswitch: 1, ...body }, { status: code, headers: { "cache-control": "no-store", "x-content-type-options": "nosniff", ...headers } });
}

/** The body as JSON; nothing where it is none, is longer than any we take, or does not come. */
async function read(request) {
    const reader = request.body?.getReader();
    // Its length may not be declared (chunks), so it is counted.
    let late = false;
    const timer = setTimeout(() => {
        late = true; // what is there so far may look whole
        void reader?.cancel().catch(() => undefined);
    }, SLOWEST);
    try {
        const decoder = new TextDecoder("utf-8", { fatal: true });
        let text = "";
        let length = 0;
        for (;;) {
            const { done, value } = (await reader?.read()) ?? { done: true };
            if (done)
                return late ? undefined : JSON.parse(text + decoder.decode());
            length += value.length;
            if (length > LONGEST)
                return undefined;
            text += decoder.decode(value, { stream: true });
        }
    }
    catch {
        return undefined;
    }
    finally {
        clearTimeout(timer);
        void reader?.cancel().catch(() => undefined);
    }
}

const wait = (seconds) => answer(429, { error: "too many requests", what: `Too many requests. Wait ${seconds} s.` }, { "retry-after": String(seconds) });

/** Return the refusal, or nothing where the sender may go on. Only failures are counted: a guess costs, work does not. */
async function refused(request) {
    let allowed = false;
    try {
        allowed = await authorize(request);
    }
    catch {
        // A sign-in that throws has not allowed anything.
    }
    if (allowed)
        return undefined;
    const seconds = tooMany("refused", 30, 60);
    return seconds ? wait(seconds) : answer(401, { error: "unauthorized" });
}

export async function GET(request) {
    const { headers } = request;
    if (!isOpen(headers))
        return answer(404, { error: "not found" });
    const asked = new URL(request.url).searchParams;
    if (asked.has("identity")) {
        if (!tokenMatches(headers.get("x-dbswitch-token")))
            return answer(401, { error: "unauthorized" });
        const found = await identity();
        return answer("identity" in found ? 200 : 503, found);
    }
    if (asked.has("banner")) {
        if (isForeign(headers))
            return answer(403, { error: "wrong origin" });
        const { target, targets, readOnly, limit } = await status();
        const active = targets.find(({ name }) => name === target);
        return answer(200, { target, protected: active?.protected ?? false, database: active?.database ?? null, readOnly, limit });
    }
    const refusal = await refused(request);
    if (refusal)
        return refusal;
    if (!asked.has("id"))
        return answer(200, await overview());
    const found = run(asked.get("id") ?? "");
    return found ? answer(200, found) : answer(404, { error: "unknown run" });
}

export async function POST(request) {
    const { headers } = request;
    if (!isOpen(headers))
        return answer(404, { error: "not found" });
    if (!isSameOrigin(headers))
        return answer(403, { error: "wrong origin" });
    if (!/^application\/json\s*(?:;|$)/i.test(headers.get("content-type") ?? ""))
        return answer(415, { error: "not json" });
    const refusal = await refused(request);
    if (refusal)
        return refusal;
    const seconds = tooMany("post", 10, 10);
    if (seconds)
        return wait(seconds);

    const { target, confirm, mode, instead } = ((await read(request)) ?? {});
    const fits = typeof target === "string" &&
        (confirm === undefined || (typeof confirm === "string" && NAME.test(confirm))) &&
        (instead === undefined || typeof instead === "string") &&
        (mode === undefined || mode === "restart" || mode === "hot");
    if (!fits)
        return answer(400, { error: "malformed body" });

    // To go back to the database that the app is still on needs no confirmation; the run decides whether it is that one.
    const unasked = confirm !== undefined || instead !== undefined;
    const { target: known, problem } = TARGET.test(target) ? await find(target, unasked) : {};
    if (problem)
        return answer(503, { error: "dbswitch", ...problem });
    if (!known)
        return answer(404, { error: "unknown target", what: "There is no target with this name." });
    if (known.protected && !unasked)
        return answer(428, { error: "not confirmed", what: `${known.name} is protected: its name, or that of its database, has to be typed.` });

    const flags = [...(confirm === undefined ? [] : [`--confirm=${confirm}`]), ...(mode === undefined ? [] : [`--${mode}`])];
    const started = await start(known.name, flags, instead);
    if ("busy" in started)
        return answer(409, { error: "busy", what: `dbswitch ${started.busy.target} is under way.`, running: started.busy });
    if ("problem" in started)
        return answer(503, { error: "dbswitch", ...started.problem });
    return answer(202, { id: started.id, target: known.name });
}

const other = (request) => isOpen(request.headers)
    ? answer(405, { error: "method not allowed" }, { allow: "GET, HEAD, POST" })
    : answer(404, { error: "not found" });
// Next.js would answer these itself, outside of development too.
export { other as DELETE, other as OPTIONS, other as PATCH, other as PUT };

