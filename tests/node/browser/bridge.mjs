// One browser for a test: each line of standard input is {"code": "..."}, run with `page`, `context` and `axe` in reach;
// each line of standard output is what it returned. `shown` holds every different text of <main> since it was last emptied,
// over reloads: what is shown for a moment only is in it. node bridge.mjs NODE_MODULES CHROMIUM
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [modules, executablePath] = process.argv.slice(2);
const require = createRequire(join(modules, "bridge.js"));
const { chromium } = require("playwright-core");
const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;

// Without motion: a spinner in software rendering takes a core for as long as it turns.
// A container's browser runs as root, and its shared memory is small.
const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server"];
const browser = await chromium.launch({ executablePath, headless: true, args });
const shown = [];
let context, page;

const fresh = async () => (page = await context.newPage());

/** Forget everything: another window of a browser that was never used. */
async function renew() {
  await context?.close();
  context = await browser.newContext({ viewport: { width: 960, height: 860 }, deviceScaleFactor: 1, reducedMotion: "reduce" });
  context.setDefaultTimeout(120_000);
  await context.exposeBinding("recordShown", (_source, text) => void shown.push(text));
  await context.addInitScript(() => {
    if (window !== window.top) return;
    let last;
    const record = () => {
      const text = document.querySelector("main")?.innerText;
      if (text !== undefined && text !== last) window.recordShown((last = text));
    };
    new MutationObserver(record).observe(document, { childList: true, subtree: true, characterData: true });
  });
  shown.length = 0;
  await fresh();
}
await renew();

async function axe() {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  return violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ html }) => html.slice(0, 200)) }));
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const { code } = JSON.parse(line);
    answer = { value: (await new AsyncFunction("page", "context", "axe", "fresh", "renew", "shown", code)(page, context, axe, fresh, renew, shown)) ?? null };
  } catch (error) {
    answer = { error: String(error?.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
