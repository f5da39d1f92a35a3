// Every page, light and dark, narrow and wide: no violation of what axe knows of WCAG 2.2 AA and of good
// practice, nothing in the console, and nothing to scroll to the side for. On a wall all of it is large.

import { NARROW, WALL, WIDE, facts, open, overhang, scenario, sure, violations } from "./support.mjs";

const parts = {};
for (const theme of ["light", "dark"]) {
  for (const size of [NARROW, WIDE]) {
    parts[`${theme}, ${size.width} px`] = async (browser) => {
      const page = await open(browser, undefined, { theme, size, quiet: ["Failed to load resource"] });
      const wrong = [];
      for (const [path, status] of facts.pages) {
        const answer = await page.goto(path);
        sure(answer.status() === status, `${path} is answered with ${status}: ${answer.status()}`);
        // What is folded is a part of the page, too.
        await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));
        for (const violation of await violations(page)) wrong.push(`${path}: ${violation}`);
        const over = await overhang(page);
        if (over > 0) wrong.push(`${path}: it is ${over} px wider than the window: ${await widest(page)}`);
      }
      await page.context().close();
      sure(wrong.length === 0, `nothing is wrong with any page\n${wrong.join("\n")}`);
    };
  }
}

parts["on a wall"] = async (browser) => {
  const page = await open(browser, undefined, { size: WALL, quiet: ["Failed to load resource"] });
  const wrong = [];
  for (const [path] of facts.pages) {
    await page.goto(path);
    const [share, letters] = await page.evaluate(() => [
      document.querySelector("main").getBoundingClientRect().width / innerWidth,
      parseFloat(getComputedStyle(document.body).fontSize),
    ]);
    if (share < 0.8) wrong.push(`${path}: it uses ${Math.round(share * 100)} % of the width`);
    if (letters < 20) wrong.push(`${path}: its letters are ${letters} px high`);
    const over = await overhang(page);
    if (over > 0) wrong.push(`${path}: it is ${over} px wider than the window: ${await widest(page)}`);
  }
  await page.context().close();
  sure(wrong.length === 0, `a wall is used\n${wrong.join("\n")}`);
};

/** What reaches furthest to the right. */
const widest = (page) =>
  page.evaluate(() => {
    const beyond = [...document.querySelectorAll("body *")].filter(
      (it) => it.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5,
    );
    return beyond.slice(-3).map((it) => it.outerHTML.slice(0, 120)).join(" | ");
  });

await scenario(parts);
