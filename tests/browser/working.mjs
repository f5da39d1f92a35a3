// What somebody does who works with the pages: filters, runs a check, walks by keys alone, or does all of it
// without JavaScript.

import { answerWith, facts, live, open, place, same, scenario, sure, until } from "./support.mjs";

const rows = (page) => page.locator("table.checks tbody th a");

/** Has a check run by a press at `place` until the run comes to its own end: one that meets a slot gives way to it. */
async function runNow(page, place, whatCame) {
  let said;
  do {
    await page.goto(place);
    await page.getByRole("button", { name: "Run now" }).click();
    said = await whatCame();
  } while (said.includes("it was cut off because the scheduled run came due"));
}

await scenario({
  "a filter stands in the address": async (browser) => {
    const page = await open(browser, "/");
    same((await rows(page).allTextContents()).length, facts.checks, "checks without a filter");
    await page.getByRole("searchbox").fill("sign in");
    await page.getByLabel("State").selectOption("down");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.waitForURL("**/?q=sign+in&*state=down");
    same(await rows(page).allTextContents(), ["Sign in to the shop"], "checks that are listed");
    // It never passed, and that is known before its slots are accounted for.
    same(await page.locator("table.checks .uptime .share").textContent(), "0 %", "its uptime");
    const address = page.url();
    const other = await open(browser);
    await other.goto(address);
    same(await rows(other).allTextContents(), ["Sign in to the shop"], "who is sent the address sees");
    same(await other.getByRole("searchbox").inputValue(), "sign in", "the field says");
    await page.getByRole("link", { name: "Show all" }).click();
    await page.waitForURL((url) => url.search === "");
    same((await rows(page).allTextContents()).length, facts.checks, "checks without a filter again");
    await page.goBack();
    same(page.url(), address, "the way back");
    await page.context().close();
    await other.context().close();
  },

  "a check runs now": async (browser) => {
    const page = await open(browser);
    const leg = page.locator(".errand.new > ul > li");
    await runNow(page, "/checks/front", async () => {
      await page.waitForURL("**/checks/front?asked=*");
      const ended = leg.filter({ has: page.getByRole("link") });
      await ended.waitFor();
      return ended.textContent();
    });
    await leg.getByText("passed").waitFor();
    await leg.getByRole("link").click();
    await page.getByText("counts for nothing").waitFor();
    sure(await page.locator("h1 .mark.up").isVisible(), "the run by hand passed");
    await page.context().close();
  },

  "what a run does is seen while it goes on": async (browser) => {
    const page = await open(browser, "/checks/nightly");
    await page.getByRole("button", { name: "Run now" }).click();
    await page.waitForURL("**/checks/nightly?asked=*");
    await page.evaluate(() => (globalThis.since = "asked"));
    const output = page.getByRole("log", { name: "What it does" });
    await output.getByText("counting the orders of yesterday").waitFor();
    same(await output.locator(".verdict").count(), 0, "verdicts while it goes on");
    await answerWith(facts.gate, 200);
    const verdict = output.locator(".verdict");
    await verdict.waitFor();
    sure((await verdict.textContent()).includes("503"), "the verdict says why");
    same(await page.evaluate(() => globalThis.since), "asked", "the page stayed open");
    await verdict.getByRole("link").click();
    await page.getByText("What they carried").waitFor();
    await page.context().close();
  },

  "with the keyboard alone": async (browser) => {
    const page = await open(browser, "/");
    await live(page);
    const focused = () => page.evaluate(() => document.activeElement.textContent);
    await page.keyboard.press("/");
    await page.keyboard.type("shop");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/?q=shop*");
    const listed = await page.locator("main :is(tbody th, .incidents .what) > a").allTextContents();
    await page.keyboard.press("j");
    same(await focused(), listed[0], "the first that is listed");
    await page.keyboard.press("j");
    same(await focused(), listed[1], "the next");
    await page.keyboard.press("k");
    same(await focused(), listed[0], "the one before");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "hidden" });
    await page.keyboard.press("Enter");
    await page.waitForURL("**/incidents/*");
    await page.keyboard.press("a");
    await page.keyboard.press("Enter");
    await page.getByText("Acknowledged. Nobody else is called").waitFor();
    await page.getByRole("button", { name: "Acknowledge anew" }).waitFor();
    // Everything that can be used is reached by Tab, and shows where it is.
    await page.goto("/");
    await page.keyboard.press("Tab");
    same(await focused(), "Skip to the content", "what Tab reaches first");
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    same(outline, "solid", "what has the focus is drawn so");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    sure(await page.evaluate(() => document.activeElement.closest("main") !== null), "the skip link skips the navigation");
    await page.context().close();
  },

  "without JavaScript": async (browser) => {
    const page = await open(browser, "/", { scripts: false });
    await page.getByRole("searchbox").fill("shop");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.waitForURL("**/?q=shop*");
    for (const name of ["Incidents", "Regions", "Rules", "On-call", "Deliveries", "Overview"]) {
      await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name, exact: true }).click();
      await page.getByRole("heading", { level: 1 }).waitFor();
    }
    await page.goto("/deliveries");
    await page.locator("table.messages").getByText("shown, not sent").first().waitFor();
    same(await page.locator("table.messages").getByText("accepted").count(), 0, "messages that are said to have been taken");
    await page.goto("/");
    sure((await page.locator("time").first().textContent()).trim() !== "", "times are said by the server");
    await page.locator(".incidents .what a", { hasText: "Sign in to the shop" }).click();
    await page.waitForURL("**/incidents/*");
    const incident = page.url();
    await page.getByText("Note…").click();
    await page.getByLabel("What you say").fill("looking at it");
    await page.getByRole("button", { name: "Add the note" }).click();
    await page.getByText("Noted.").waitFor();
    sure(await page.locator("#trail").getByText("looking at it").isVisible(), "the trail has the note");
    await page.getByText("Silence…").click();
    await page.locator("#silence").getByLabel("Why").fill("deploy");
    await page.getByRole("button", { name: "Silence", exact: true }).click();
    await page.getByText("Silenced.").waitFor();
    const leg = page.locator("#by-hand .errand").first().locator("> ul > li");
    await runNow(page, incident, async () => {
      await page.getByText("Agents were asked").waitFor();
      return until("what came of it", async () => {
        await page.goto(incident);
        return (await leg.getByRole("link").isVisible()) && leg.textContent();
      });
    });
    await leg.getByText("failed").waitFor();
    await page.goto("/incidents");
    const silences = page.locator("section", { hasText: "Silences" });
    same(await silences.getByRole("button", { name: /End/ }).first().isVisible(), false, "a silence that ends by one press");
    await silences.locator("summary", { hasText: "End…" }).first().click();
    await silences.getByRole("button", { name: "End the silence" }).first().click();
    await page.getByText("The silence is over.").waitFor();
    await page.goto("/rules");
    await page.getByLabel(/PromQL/).fill("tripline_check_up");
    await page.getByRole("button", { name: "Try" }).click();
    await page.locator("#tried table").waitFor();
    await page.context().close();
  },

  "a page that cannot be had says so, and asks again": async (browser) => {
    // What the browser says of answers that are none is a line of the console.
    const page = await open(browser, "/", { quiet: ["Failed to load resource", "ERR_"] });
    await live(page);
    await page.evaluate(() => (globalThis.since = "the beginning"));
    const says = (text) => page.locator("#liveness", { hasText: text }).waitFor();
    const home = (url) => url.pathname === "/";
    await page.route(home, (route) => route.fulfill({ status: 500, body: "no" }));
    await says("not up to date: the hub answers with 500");
    await page.unroute(home);
    await page.route(home, (route) => route.abort());
    await says("not up to date: the hub does not answer");
    await page.unroute(home);
    await says(/^live$/);
    same(await page.evaluate(() => globalThis.since), "the beginning", "the page stayed open");
    let missing = 1;
    await page.route(home, (route) => (missing-- > 0 ? route.fulfill({ status: 404, body: "no" }) : route.continue()));
    await page.waitForFunction(() => globalThis.since === undefined);
    await live(page);
    await page.context().close();
  },

  "nothing has to happen for a page to be asked for again": async (browser) => {
    const page = await open(browser);
    await page.clock.install();
    // Nobody says that anything has changed.
    await page.route("**/events", (route) => route.fulfill({ contentType: "text/event-stream", body: "retry: 600000\n\n" }));
    await page.goto("/incidents");
    let asked = 0;
    page.on("request", (request) => (asked += new URL(request.url()).pathname === "/incidents"));
    await page.clock.runFor(1_000);
    const before = asked;
    await until("the page is asked for again", async () => {
      await page.clock.runFor(31_000);
      return asked > before + 1;
    });
    await page.context().close();
  },

  "a chart is read by keys while the page is kept up to date": async (browser) => {
    const page = await open(browser, "/checks/front");
    await live(page);
    const chart = page.locator("#charts svg.chart:visible").first();
    await chart.waitFor();
    await chart.focus();
    await page.keyboard.press("Home");
    const tip = page.locator(".chart-tip");
    await tip.waitFor();
    const said = await tip.textContent();
    await page.evaluate(() => {
      document.querySelector("#charts").dataset.old = "yes";
    });
    await page.locator("#charts:not([data-old])").waitFor();
    const [focused, shown] = await page.evaluate(() => [
      document.activeElement.matches("#charts svg.chart"),
      document.querySelector(".chart-tip").textContent,
    ]);
    sure(focused, "the focus is still on a chart");
    same(shown, said, "what is pointed at");
    same(await tip.isVisible(), true, "that it is shown");
    await page.context().close();
  },

  "lists of all kinds are walked through by keys": async (browser) => {
    const page = await open(browser);
    for (const [path, wanted] of [["/deliveries", /^\/incidents\//], ["/regions", /^\/\?region=/]]) {
      await page.goto(path);
      await page.keyboard.press("j");
      const href = await page.evaluate(() => document.activeElement.getAttribute("href"));
      sure(wanted.test(href), `j on ${path} leads to ${href}`);
    }
    await page.context().close();
  },

  "charts and lists have one zone and one clock": async (browser) => {
    const page = await open(browser, "/checks/front");
    await live(page);
    await page.getByText("The axes are in Europe/Berlin.").waitFor();
    const chart = page.locator("#charts svg.chart:visible").first();
    await chart.focus();
    await page.keyboard.press("End");
    const said = await page.locator(".chart-tip").textContent();
    const at = await page.evaluate(() => {
      const { at, from } = document.querySelector(".chart-here").dataset;
      return at ?? from;
    });
    const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "Europe/Berlin" }).format(new Date(at));
    sure(said.startsWith(clock), `${said} begins with ${clock}`);
    await page.context().close();
  },

  "times are in the viewer's zone, with the whole of it to read": async (browser) => {
    const page = await open(browser, "/incidents/1");
    await live(page);
    const since = page.locator(".headline time[data-form=moment]").first();
    const [said, full, at] = [await since.textContent(), await since.getAttribute("title"), await since.getAttribute("datetime")];
    const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "Europe/Berlin" }).format(new Date(at));
    sure(said.includes(clock), `${said} is ${clock} in Berlin`);
    sure(/20\d\d/.test(full), `${full} has the year`);
    await page.context().close();
  },
});
