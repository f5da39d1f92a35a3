// Signs in the way a customer does, looks at the dashboard, and signs out again.
//
// Try it:           tripline run checks/login.js
// Its secret:       LOGIN_PASSWORD, the password of an account made for this check

import { expect, metric, step } from "tripline";
import { APP, signIn } from "./lib/session.js";

/** @type {import("tripline").Options} */
export const options = {
  name: "Sign in to the dashboard",
  every: "30s",
  timeout: "20s",
  policy: "p2-then-p1",
  runbook: "https://wiki.example.com/runbooks/login",
};

export default async function () {
  const home = await signIn();

  await step("see the dashboard", () => {
    expect(home.url).toContain("/dashboard");
    expect(home.text("h1")).toContain("Welcome");
  });

  await step("read the account", async () => {
    // The session cookie goes along by itself.
    const response = await fetch(`${APP}/api/account`);
    expect(response.status).toBe(200);
    const account = await response.json();
    expect(account).toMatchObject({ email: "synthetic@example.com", active: true });
    metric("account_projects", account.projects.length);
  });

  await step("sign out", async () => {
    const page = await home.click("Sign out");
    expect(page.has("#login"), "the sign-in form is back").toBe(true);
  });
}
