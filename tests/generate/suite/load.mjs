// Sends requests at a steady rate until standard input ends, half of them writes, and prints what became of each:
// node load.mjs BASE_URL REQUESTS_PER_SECOND PREFIX
import { Agent, request } from "node:http";

const [base, rate, prefix] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 500 });
const results = [];
const open = new Set();

function send(number) {
  const write = number % 2 === 1;
  const key = `${prefix}-${number}`;
  const result = { write, key, from: Date.now(), until: 0, status: 0, database: null, error: null };
  const start = performance.now();
  const done = new Promise((resolve) => {
    const finish = (status, text) => {
      result.until = Date.now();
      result.milliseconds = performance.now() - start;
      result.status = status;
      try {
        Object.assign(result, JSON.parse(text));
      } catch {
        result.error = text.slice(0, 300);
      }
      resolve();
    };
    const sent = request(`${base}/api/load?key=${key}`, { agent, method: write ? "POST" : "GET" }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part)).on("end", () => finish(response.statusCode, text));
    });
    sent.on("error", (error) => finish(0, String(error)));
    sent.end();
  }).then(() => open.delete(done));
  open.add(done);
  results.push(result);
}

let number = 0;
const start = performance.now();
const timer = setInterval(() => {
  // A late timer is caught up with, so that the rate holds on a busy machine.
  while (number < ((performance.now() - start) / 1_000) * Number(rate)) send(number++);
}, 5);
process.stdin.resume().on("end", async () => {
  clearInterval(timer);
  const seconds = (performance.now() - start) / 1_000;
  await Promise.all(open);
  agent.destroy();
  process.stdout.write(JSON.stringify({ results, seconds }));
});
