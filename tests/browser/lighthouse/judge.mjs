// Judges pages as Lighthouse does, on a telephone and on a desk: `./judge URL...` prints a score for each, and
// fails below 95.

import process from "node:process";
import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

const LEAST = 0.95;

const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
const chrome = await launch({ chromePath: process.env.CHROME_PATH, chromeFlags: flags, logLevel: "error" });
const options = { port: chrome.port, onlyCategories: ["performance", "accessibility", "best-practices"], logLevel: "error" };
let isPoor = false;
for (const url of process.argv.slice(2)) {
  for (const [where, config] of [["telephone", undefined], ["desk", desktopConfig]]) {
    const { lhr } = await lighthouse(url, options, config);
    const scores = Object.values(lhr.categories).map(({ title, score }) => `${title} ${Math.round(score * 100)}`);
    console.log(`${new URL(url).pathname} (${where}): ${scores.join(", ")}`);
    for (const { auditRefs, score } of Object.values(lhr.categories)) {
      if (score >= 1) continue;
      isPoor ||= score < LEAST;
      for (const { id } of auditRefs) {
        const audit = lhr.audits[id];
        if (audit.score !== null && audit.score < 0.9) console.log(`  ${id}: ${audit.title} ${audit.displayValue ?? ""}`);
      }
    }
  }
}
await chrome.kill();
process.exit(isPoor ? 1 : 0);
