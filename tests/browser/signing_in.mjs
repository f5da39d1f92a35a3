// Signing in: a wrong password, the right one, and what a viewer sees; what was asked for is where they end.

import { NARROW, WIDE, facts, open, overhang, place, same, scenario, sure, violations } from "./support.mjs";

async function fill(page, name, password) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

await scenario({
  "a wrong password, then the right one": async (browser) => {
    // The answer to a wrong password says so in its status, of which browsers write a line.
    const page = await open(browser, "/incidents?state=open", { quiet: ["401"] });
    same(new URL(page.url()).pathname, "/sign-in", "who is not known");
    await fill(page, facts.operator, "not the password");
    await page.getByRole("alert").waitFor();
    same(await page.getByLabel("Name").inputValue(), facts.operator, "the name that was given");
    await fill(page, facts.operator, facts.password);
    await page.waitForURL("**/incidents?state=open");
    await page.goto("/checks/shop");
    await page.getByRole("button", { name: "Run now" }).waitFor();
    sure(await page.getByText("who may act").isVisible(), "the foot says what an operator may");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/sign-in**");
    await page.goto("/");
    same(new URL(page.url()).pathname, "/sign-in", "who has signed out");
    await page.context().close();
  },

  "nothing is wrong with the form, nor with what stands at the foot of whoever signed in": async (browser) => {
    for (const [theme, size] of [["light", NARROW], ["dark", NARROW], ["light", WIDE], ["dark", WIDE]]) {
      const page = await open(browser, "/", { theme, size, quiet: ["401"] });
      const judged = async (where) => {
        const wrong = await violations(page);
        sure(wrong.length === 0, `${where}, ${theme}, ${size.width} px\n${wrong.join("\n")}`);
        same(await overhang(page), 0, `${where}, ${size.width} px: it fits`);
      };
      await judged("the form");
      await fill(page, facts.viewer, "not the password");
      await page.getByRole("alert").waitFor();
      await judged("the form after a wrong password");
      await fill(page, facts.viewer, facts.password);
      await page.getByText("who may look").waitFor();
      await page.keyboard.press("?");
      await page.getByRole("dialog").waitFor();
      await judged("the keys");
      await page.context().close();
    }
  },

  "a viewer sees everything and can press nothing": async (browser) => {
    const page = await open(browser, "/", { quiet: ["401"] });
    await fill(page, facts.viewer, facts.password);
    await page.getByText("who may look").waitFor();
    same(place(page), "/", "where a viewer is led");
    for (const path of ["/", "/checks/shop", "/incidents", "/incidents/1"]) {
      await page.goto(path);
      await page.getByRole("heading", { level: 1 }).waitFor();
      const forms = await page.locator("form[method=post]").evaluateAll((all) => all.map((it) => it.getAttribute("action")));
      same(forms, ["/sign-out"], `forms on ${path}`);
      same(await page.locator("main button:not([type=submit])").count(), 0, `buttons on ${path}`);
    }
    await page.context().close();
  },
});
