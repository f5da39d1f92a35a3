// A check is a file in checks/. Its id is its path, so this one is `example`.
//
//   tripline test example    runs it here and now, and shows each step
//   tripline up              runs it on schedule, and tells people when it fails
//
// To make it yours, change the address and what is expected. It passes when the function ends, and
// fails when something in it throws, as expect() does.

import { expect, step } from "tripline";
import { open } from "./lib/page.js";

/** @type {import("tripline").Options} */
export const options = {
  name: "Example page",
  every: "1m", // or cron: "*/5 8-18 * * MON-FRI", timezone: "Europe/Berlin"
  timeout: "20s",
};

export default async function () {
  const page = await step("open the page", () => open("https://example.com/"));

  await step("read the heading", () => {
    expect(page.text("h1")).toContain("Example");
  });

  // A form is filled in and sent like this, with the password from [secrets] in tripline.toml:
  //
  //   const home = await step("sign in", async () => {
  //     const login = page.form("#login");
  //     const home = await login.submit({ email: "me@example.com", password: secret("LOGIN_PASSWORD") });
  //     expect(home.status).toBe(200);
  //     return home;
  //   });
  //
  //   await step("see the dashboard", () => {
  //     expect(home.text("h1")).toContain("Welcome");
  //   });
  //
  // A failure names the step it happened in, so let every expect() stand in one.
}
