// A check is a file in checks/; its id is its path, so this one is `example`.
// Run it with `tripline test example`. To make it yours, change the URL and what is expected.
import { expect, step } from "tripline";
import { open } from "./lib/page.js";

/** @type {import("tripline").Options} */
export const options = {
  name: "Example page",
  every: "1m", // or cron: "*/5 * * * *", timezone: "Europe/Berlin"
  timeout: "20s",
};

export default async function () {
  const page = await step("open the page", () => open("https://example.com/"));
  expect(page.text("h1")).toContain("Example");
}
