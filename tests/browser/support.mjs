// What all scenarios share: one browser, pages that fail the scenario when their console complains, and
// waiting for conditions. `TRIPLINE_MODULES` is the folder where the packages are installed, the first
// argument is what the test that started the scenario knows, as JSON.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import process from "node:process";

const require = createRequire(`${process.env.TRIPLINE_MODULES}/package.json`);
const { chromium } = require("playwright-core");

/** What the test knows: `url` of the daemon, and whatever the scenario needs. */
export const facts = JSON.parse(process.argv[2]);

const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What axe finds on a page, in words. */
export async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate((tags) => globalThis.axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), TAGS);
  return found.violations.flatMap((rule) =>
    rule.nodes.map((node) => `${rule.id}: ${node.target.join(" ")}: ${node.html.slice(0, 160)}\n    ${node.failureSummary.replaceAll("\n", "\n    ")}`),
  );
}

/** Sizes of a window. */
export const WIDE = { width: 1440, height: 900 };
export const NARROW = { width: 320, height: 640 };
export const WALL = { width: 3840, height: 2160 };
export const TELEPHONE = { width: 390, height: 844 };

/** How long something may take on a busy machine. */
const PATIENCE = 30_000;

/** What was said in consoles and must not have been. */
const complaints = [];

/** Opens the browser, goes through `parts` one after the other, and ends the process. */
export async function scenario(parts) {
  const browser = await chromium.launch({
    executablePath: process.env.TRIPLINE_CHROMIUM,
    // Whoever may do everything, as in a container, has no sandbox of the browser's.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
  let failed = false;
  for (const [name, part] of Object.entries(parts)) {
    const began = performance.now();
    try {
      await part(browser);
      if (complaints.length > 0) throw new Error(`the console says:\n${complaints.join("\n")}`);
      console.log(`${name}: passed after ${Math.round(performance.now() - began)} ms`);
    } catch (error) {
      failed = true;
      console.log(`${name}: FAILED: ${error.stack ?? error}`);
    }
    complaints.length = 0;
  }
  await browser.close();
  process.exit(failed ? 1 : 0);
}

/** A page of its own, with nothing of others: a window of a size, dark or light, with scripts or without. */
export async function open(browser, path, { size = WIDE, theme = "light", scripts = true, quiet = [], touch = false } = {}) {
  const context = await browser.newContext({
    baseURL: facts.url,
    viewport: size,
    hasTouch: touch,
    colorScheme: theme,
    javaScriptEnabled: scripts,
    reducedMotion: "reduce",
    timezoneId: "Europe/Berlin",
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  // An answer that says 404 is itself a line of the console: a page that is expected to be one says so.
  const complain = (text) => quiet.some((it) => text.includes(it)) || complaints.push(`${page.url()}: ${text}`);
  page.on("console", (line) => ["error", "warning"].includes(line.type()) && complain(line.text()));
  page.on("pageerror", (error) => complain(`${error}`));
  if (path) await page.goto(path);
  return page;
}

/** Fails unless `holds`. */
export function sure(holds, what) {
  if (!holds) throw new Error(`not so: ${what}`);
}

/** Fails unless both are the same. */
export function same(actual, expected, what) {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${what}: ${one}, and not ${other}`);
}

/** Looks until `look` yields something, and returns that. */
export async function until(what, look) {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${PATIENCE} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Waits until the page is kept up to date. */
export const live = (page) => page.locator("#liveness[data-state=on]").waitFor();

/** The path and the query of where a page is. */
export const place = (page) => page.url().slice(facts.url.length);

/** What stands in the way of somebody with a narrow window: how far a page can be scrolled to the side. */
export const overhang = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Has the site that is watched answer with `status`. */
export async function answerWith(site, status) {
  const answer = await fetch(site, { method: "PUT", body: `${status}` });
  sure(answer.ok, `the site answers with ${status} from now on`);
}

/** Asks the API. */
export async function ask(path) {
  const answer = await fetch(`${facts.url}${path}`);
  sure(answer.ok, `${path} is answered: ${answer.status}`);
  return answer.json();
}
