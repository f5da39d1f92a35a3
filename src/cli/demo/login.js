import { expect, secret, step, visit } from "tripline";

/** @type {import("tripline").Options} */
export const options = {
  name: "Sign in to the shop",
  every: "3s",
  timeout: "2s",
  runbook: "https://wiki.example.com/shop-login",
};

export default async function () {
  const page = await step("open the sign-in page", async () => {
    const page = await visit("SHOP_URL/login");
    expect(page.status).toBe(200);
    return page;
  });
  const home = await step("sign in", () =>
    page.form("#login").submit({ email: "ana@example.com", password: secret("SHOP_PASSWORD") }));
  await step("see the welcome", () => {
    expect(home.status).toBe(200);
    expect(home.text("h1")).toContain("Welcome, Ana");
  });
}
