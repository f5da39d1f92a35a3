// An incident from its beginning to its end, on pages that stay open, and taken care of on a telephone.

import { TELEPHONE, answerWith, facts, live, open, overhang, same, scenario, sure } from "./support.mjs";

await scenario({
  "from open to resolved without a reload, acknowledged on a telephone": async (browser) => {
    const wall = await open(browser, "/");
    await live(wall);
    await wall.getByText("No open incidents").waitFor();
    // What is gone after a reload.
    await wall.evaluate(() => (globalThis.since = "the beginning"));
    await answerWith(facts.site, 503);
    const card = wall.locator(".incidents .incident").first();
    await card.waitFor();
    sure(await wall.locator(".checks .mark.down").first().isVisible(), "the check is down in the list");
    same(await wall.title(), "1 open incident · Tripline", "the title of the tab");

    const telephone = await open(browser, "/", { size: TELEPHONE, touch: true });
    await telephone.locator(".incidents .what a").first().tap();
    await telephone.waitForURL("**/incidents/*");
    await live(telephone);
    await telephone.evaluate(() => (globalThis.since = "the incident"));
    same(await overhang(telephone), 0, "what is beyond the telephone's window");
    const button = telephone.getByRole("button", { name: "Acknowledge" });
    const box = await button.boundingBox();
    sure(box.y + box.height <= TELEPHONE.height, `the button is seen without scrolling: it ends at ${box.y + box.height}`);
    sure(box.height >= 24 && box.width >= 24, "the button can be hit with a finger");
    await button.tap();
    await telephone.getByText("Acknowledged. Nobody else is called").waitFor();
    await telephone.evaluate(() => (globalThis.since = "the acknowledgement"));
    await live(telephone);
    await card.getByText("acknowledged by somebody").waitFor();

    await answerWith(facts.site, 200);
    await telephone.locator(".headline.resolved").waitFor();
    await telephone.locator("#trail li.better").first().waitFor();
    await telephone.getByRole("button", { name: "Acknowledge" }).waitFor({ state: "detached" });
    same(await telephone.evaluate(() => globalThis.since), "the acknowledgement", "the telephone's page stayed open");
    await wall.getByText("No open incidents").waitFor();
    await wall.locator(".checks .mark.up").first().waitFor();
    same(await wall.title(), "Overview · Tripline", "the title of the tab then");
    same(await wall.evaluate(() => globalThis.since), "the beginning", "the page on the wall stayed open");
    await telephone.context().close();
    await wall.context().close();
  },

  "what somebody does on a page stays while it is kept up to date": async (browser) => {
    const page = await open(browser, "/");
    await live(page);
    await answerWith(facts.site, 503);
    await page.locator(".incidents .what a").first().click();
    await page.waitForURL("**/incidents/*");
    await live(page);
    await page.getByText("Note…").click();
    await page.getByLabel("What you say").fill("half a sen");
    const row = page.locator("#regions tbody tr");
    const before = await row.textContent();
    await page.waitForFunction((before) => document.querySelector("#regions tbody tr").textContent !== before, before);
    await page.locator("#regions td", { hasText: "failed" }).waitFor();
    await answerWith(facts.site, 200);
    await page.locator(".headline.resolved").waitFor();
    same(await page.getByLabel("What you say").inputValue(), "half a sen", "what was written");
    await page.context().close();
  },
});
