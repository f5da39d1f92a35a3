// Takes the pictures: see make-pages.

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const { chromium } = createRequire(`${process.env.TRIPLINE_MODULES}/package.json`)("playwright-core");
const [folder, ...wanted] = process.argv.slice(2);
const is = (name) => wanted.length === 0 || wanted.some((it) => name.startsWith(it));

const WIDE = { width: 1200, height: 800 };
const TELEPHONE = { width: 390, height: 844 };
const CHECKS = 1000;

const browser = await chromium.launch({
  executablePath: process.env.TRIPLINE_CHROMIUM,
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts the program, and ends it when `use` is done. */
async function withTripline(words, cwd, url, use) {
  const program = spawn(process.env.TRIPLINE_PROGRAM, words, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  const stop = () => program.kill("SIGTERM");
  process.once("exit", stop);
  try {
    await until("it answers", async () => (await fetch(`${url}/healthz`).catch(() => undefined)) !== undefined);
    await use((path) => fetch(`${url}${path}`).then((it) => it.json()));
  } finally {
    stop();
    await new Promise((resolve) => program.once("exit", resolve));
  }
}

async function until(what, look, patience = 400_000) {
  for (let left = patience; left > 0; left -= 250) {
    const found = await look();
    if (found) return found;
    await sleep(250);
  }
  throw new Error(`${what}: not within ${patience} ms`);
}

/** One picture: the whole page where no size is given, else what a window shows. */
async function take(name, address, { theme = "light", size, prepare } = {}) {
  if (!is(name)) return;
  const context = await browser.newContext({
    viewport: size ?? WIDE,
    deviceScaleFactor: size === TELEPHONE ? 2 : 1.5,
    colorScheme: theme,
    reducedMotion: "reduce",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
  });
  const page = await context.newPage();
  await page.goto(address);
  await page.locator("#liveness[data-state=on]").waitFor();
  await prepare?.(page);
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: !size });
  await context.close();
  console.log(name);
}

async function both(name, address, options = {}) {
  for (const theme of ["light", "dark"]) await take(`${name}-${theme}`, address, { ...options, theme });
}

async function ofTheDemo() {
  const listen = "127.0.0.1:17676";
  const url = `http://${listen}`;
  const words = ["demo", "--no-open", "--listen", listen, "--break-after", "4m", "--mend-after", "75s"];
  await withTripline(words, folder, url, async (ask) => {
    const incident = async () => (await ask("/api/v1/incidents")).incidents.find((it) => it.check === "login");
    await until("all checks ran", async () => (await ask("/api/v1/checks")).checks.every((it) => it.status === "up"));
    await sleep(200_000);
    await take("1-green", url);
    const opened = await until("an incident", incident);
    await take("2-p2", url);
    await until("p1", async () => (await incident()).tiers.includes(2));
    await take("3-p1", `${url}/incidents/${opened.id}`, { size: TELEPHONE });
    await until("an acknowledgement", async () => (await incident()).acknowledged);
    await sleep(6_000);
    await both("overview", url);
    await both("incident", `${url}/incidents/${opened.id}`, { size: TELEPHONE });
    await take("4-acknowledged", `${url}/incidents/${opened.id}`);
    await both("check", `${url}/checks/login`, { size: { width: 1200, height: 1250 } });
    const run = (await ask("/api/v1/runs?check=profile&outcome=failed&limit=1")).runs[0];
    await take("run-failed", `${url}/runs/${run.id}`);
    await take("regions", `${url}/regions`);
    await take("rules", `${url}/rules?try=avg%20by%20(check)%20(tripline_check_duration_seconds)`);
    await take("rule", `${url}/rules/sign-ins%20take%20long`);
    await take("on-call", `${url}/on-call`);
    await take("incidents", `${url}/incidents`);
    await take("deliveries", `${url}/deliveries`);
    await take("keys", url, { size: WIDE, prepare: (page) => page.keyboard.press("?") });
    // The demo ends a little later.
    await until("the end", async () => (await ask("/api/v1/checks")).checks.every((it) => it.status === "up"));
    await take("5-recovered", url);
    const passed = (await ask("/api/v1/runs?check=login&outcome=passed&limit=1")).runs[0];
    await take("run", `${url}/runs/${passed.id}`);
  });
}

/** A project of many checks, of which some fail. */
async function ofMany() {
  const server = createServer((request, response) => {
    response.statusCode = request.url.startsWith("/broken") ? 503 : 200;
    setTimeout(() => response.end("<h1>Welcome</h1>"), 5 + (Number(request.url.slice(-2)) || 0) / 4);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const site = `http://127.0.0.1:${server.address().port}`;
  const project = mkdtempSync(join(tmpdir(), "tripline-many-"));
  mkdirSync(join(project, "checks"));
  const teams = ["shop", "search", "accounts", "payments", "mail"];
  const places = ["front page", "sign-in", "search", "cart", "profile"];
  const checks = Array.from({ length: CHECKS }, (_, at) => {
    const [team, place, number] = [teams[at % 5], places[Math.floor(at / 5) % 5], String(at).padStart(4, "0")];
    const path = at % 83 === 7 ? `/broken/${number}` : `/${number}`;
    return `[[check]]\nid = "${team}/${number}"\nname = "${team} ${number} ${place}"\nurl = "${site}${path}"\nlabels = { team = "${team}" }`;
  });
  const listen = "127.0.0.1:17677";
  const settings = `[hub]\nlisten = "${listen}"\n[agent]\nregion = "eu-west-1"\n[defaults]\nevery = "20s"\ntimeout = "5s"\n`;
  writeFileSync(join(project, "tripline.toml"), settings + checks.join("\n"));
  await withTripline(["up"], project, `http://${listen}`, async (ask) => {
    await until("all checks ran", async () => (await ask("/api/v1/checks?limit=500")).checks.every((it) => it.status !== "never_run"));
    await sleep(120_000);
    await both("many", `http://${listen}/`, { size: { width: 1440, height: 1000 } });
    await take("many-telephone", `http://${listen}/`, { size: TELEPHONE });
  });
  server.close();
  rmSync(project, { recursive: true });
}

if (["many"].some((it) => is(it) || wanted.some((name) => name.startsWith(it)))) await ofMany();
if (wanted.length === 0 || wanted.some((it) => !it.startsWith("many"))) await ofTheDemo();
await browser.close();
