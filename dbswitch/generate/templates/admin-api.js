
export const seconds = (value) => `${value < 9.95 ? value.toFixed(1) : Math.round(value)} s`;

/** What is left of a time limit: `24 min left, then back to local`. */
export function remaining({ back, ends }) {
    const left = Math.ceil(ends - Date.now() / 1_000);
    if (left <= 0)
        return `the time limit has passed, \`dbswitch ${back}\` switches back`;
    return `${left >= 100 ? `${Math.round(left / 60)} min` : `${left} s`} left, then back to ${back}`;
}

/** The command says why and what to do in half sentences. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!:)`]$/.test(text) ? "" : ".");

/** Ask the route. Undefined: no answer of the route, because the server is down or still starting. */
export async function ask(route, token = "", init = {}) {
    try {
        const headers = { ...init.headers, ...(token && { "x-dbswitch-token": token }) };
        const response = await fetch(route, { cache: "no-store", signal: AbortSignal.timeout(20_000), ...init, headers });
        const body = await response.json();
        return body?.dbswitch === 1 ? { code: response.status, body } : undefined;
    }
    catch {
        return undefined;
    }
}

export function load(key, storage) {
    try {
        return JSON.parse(storage().getItem(key) ?? "null") ?? undefined;
    }
    catch {
        return undefined;
    }
}

export function save(key, value, storage) {
    try {
        if (value === undefined)
            storage().removeItem(key);
        else
            storage().setItem(key, JSON.stringify(value));
    }
    catch {
        // A browser may forbid storage; then nothing is kept over a reload.
    }
}

