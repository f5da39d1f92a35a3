import { expect, secret, step, visit } from "tripline";

/** @type {import("tripline").Options} */
export const options = { name: "Profile API", every: "5s", timeout: "2s" };

export default async function () {
  await step("sign in", async () => {
    const page = await visit("SHOP_URL/login");
    expect(page.status).toBe(200);
    await page.form("#login").submit({ email: "ana@example.com", password: secret("SHOP_PASSWORD") });
  });
  const profile = await step("read the profile", async () => {
    const response = await fetch("SHOP_URL/api/profile");
    expect(response.status).toBe(200);
    return response.json();
  });
  await step("see whose it is", () => expect(profile.name).toContain("Ana"));
}
