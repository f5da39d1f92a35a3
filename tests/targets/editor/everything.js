// Uses all of the script API once; editors must find nothing wrong with it.

import {
  context, expect, metric, pkce, secret, sleep, step, totp, visit,
} from "tripline";
import { APP, signIn } from "./lib/session.js";

/** @type {import("tripline").Options} */
const shared = { regions: ["eu-west-1"], labels: { team: "shop" } };

/** @type {import("tripline").Options} */
export const options = {
  ...shared,
  name: "Everything",
  cron: "*/5 8-18 * * MON-FRI",
  timezone: "Europe/Berlin",
  timeout: "20s",
  policy: "p2-then-p1",
  runbook: "https://wiki.example.com/everything",
  enabled: true,
};

/** @type {import("tripline").Options} */
export const orders = {
  every: "30s",
  url: "https://api.example.com/orders",
  method: "POST",
  headers: { authorization: "Bearer ${secret.API_KEY}" },
  body: { item: 7, dry_run: true, notes: ["a", null], deep: { more: 1.5 } },
  expect: {
    status: [201, "2xx", "200-204", "404"],
    body: ["order", { lacks: "error", matches: ["order-[0-9]+"] }],
    json: { "order.state": "accepted", items: [{ id: 7 }], gone: null },
    header: { "content-type": "json", "x-cache": { contains: ["HIT", "MISS"] } },
    max_time: "2s",
  },
};

/** @type {import("tripline").Options} */
export const text = { url: "https://example.com/", body: "a=1", expect: { status: 200, body: "ok" } };

export default async function () {
  const count = await step("count", () => 2);
  expect(count.toFixed(1)).toBe("2.0");
  const home = await step("sign in", () => signIn("ana@example.com"));
  expect(home.text()).toContain("Welcome");
  await pages();
  await requests();
  await urls();
  await expectations();
  await bytes();
  await timing();
  helpers(1);
  console.log(APP, context.check, context.region, context.slot, context.run);
}

async function pages() {
  const page = await visit(new URL("/login", "https://app.example.com"), {
    headers: { "accept-language": "de" },
    credentials: "omit",
  });
  expect([page.status, page.ok, page.url, page.title]).toHaveLength(4);
  expect(page.body).toBe(page.html);
  expect(page.headers.get("content-type")).toMatch(/html/);
  const texts = page.texts("li").map((item) => item.trim());
  const method = page.attr("#login", "method") ?? "get";
  const hrefs = page.links().map(({ text, href }) => `${text}: ${href}`);
  const form = page.form();
  form.fields.remember = true;
  form.fields.roles = ["admin", "user"];
  form.fields.age = 7;
  form.fields.nothing = null;
  console.log(form.method, form.action, page.has(".error"), texts, method, hrefs);
  await page.form("#login").submit();
  await form.submit({ email: "ana", password: secret("LOGIN_PASSWORD"), code: totp("SEED") });
  await form.submit({}, { button: "Save" });
  await form.submit({}, { button: null });
  const next = await page.click("Next");
  return next.title;
}

async function requests() {
  const { verifier, challenge, method } = pkce();
  const form = new FormData();
  form.append("file", new Blob(["a", new Uint8Array(2)], { type: "text/plain" }), "a.txt");
  form.set("challenge", challenge);
  for (const [name, value] of form) console.log(name, typeof value === "string" ? value : value.size);
  const request = new Request("https://app.example.com/", {
    method: "POST", body: form, redirect: "manual", credentials: "same-origin",
  });
  const response = await fetch(request.clone(), { signal: AbortSignal.timeout(1000) });
  if (!response.ok) throw new Error(`${response.status} ${response.statusText} ${response.url}`);
  expect((await response.clone().json()).name).toBe("ana");
  expect((await response.formData()).get("a")).toBeNull();
  await fetch("https://app.example.com/token", {
    method: "POST",
    headers: [["accept", "application/json"]],
    body: new URLSearchParams({ verifier, method, n: 1 }),
  });
  const made = Response.json({ a: 1 }, { status: 201, headers: new Headers({ a: "b" }) });
  console.log(made.type, made.redirected, made.bodyUsed, Response.error().status);
  made.headers.append("set-cookie", "a=1");
  made.headers.getSetCookie().forEach((cookie) => console.log(cookie));
  for (const [name, value] of made.headers) console.log(name, value);
  const controller = new AbortController();
  controller.signal.addEventListener("abort", (event) => console.log(event.type), { once: true });
  const any = AbortSignal.any([controller.signal, AbortSignal.abort("over")]);
  controller.abort();
  try {
    any.throwIfAborted();
  } catch (error) {
    console.warn(error.message, new DOMException("no", "AbortError").code);
  }
}

async function urls() {
  const url = new URL("https://app.example.com/a?b=1#c");
  url.searchParams.set("b", "2");
  url.pathname = "/d";
  const params = new URLSearchParams(url.search);
  params.sort();
  for (const [name, value] of params) console.log(name, value, params.getAll(name), params.size);
  expect(URL.canParse("/x", url)).toBe(true);
  expect(URL.parse("nonsense")?.href).toBeUndefined();
}

async function expectations() {
  const user = { name: "Ana", roles: ["admin"], age: 41 };
  expect(user.name, "the name").not.toBe("Bo");
  expect(user).toEqual({ ...user });
  expect(user).toStrictEqual(user);
  expect(user).toMatchObject({ roles: ["admin"] });
  expect(user.roles).toContain("admin");
  expect([{ a: 1 }]).toContainEqual({ a: 1 });
  expect(user.name).toMatch("An");
  expect(user.age).toBeTruthy();
  expect(0).toBeFalsy();
  expect(null).toBeNull();
  expect(undefined).toBeUndefined();
  expect(user).toBeDefined();
  expect(Number.NaN).toBeNaN();
  expect(1).toBeLessThan(2);
  expect(1).toBeLessThanOrEqual(1);
  expect(2n).toBeGreaterThan(1n);
  expect(2).toBeGreaterThanOrEqual(2);
  expect(0.1 + 0.2).toBeCloseTo(0.3, 5);
  expect(user.roles).toHaveLength(1);
  expect(user).toHaveProperty("roles[0]", "admin");
  expect(user).toHaveProperty(["roles", 0]);
  expect(new Error("x")).toBeInstanceOf(Error);
  expect(() => JSON.parse("{")).toThrow(SyntaxError);
  expect(() => user).not.toThrow();
  await expect(Promise.resolve(1)).resolves.toBe(1);
  await expect(Promise.reject(new Error("no"))).rejects.toThrow(/no/);
}

async function bytes() {
  const data = new TextEncoder().encode("Grüße");
  console.log(new TextDecoder("utf-8", { fatal: true }).decode(data), btoa("a"), atob("YQ=="));
  const raw = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", data, { name: "HMAC", hash: "SHA-256" }, false, [
    "sign", "verify",
  ]);
  const tag = await crypto.subtle.sign("HMAC", key, data);
  expect(await crypto.subtle.verify("HMAC", key, tag, data)).toBe(true);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  console.log(digest.length, raw.name, crypto.randomUUID(), crypto.getRandomValues(new Uint8Array(4)));
  console.log(structuredClone({ a: [1] }).a[0]);
}

async function timing() {
  const before = performance.now();
  const timer = setTimeout((name) => console.debug(name), 10, "late");
  clearTimeout(timer);
  clearInterval(setInterval(() => {}, 1000));
  queueMicrotask(() => console.info("soon"));
  await sleep(10);
  metric("waited", performance.now() - before, { where: "here", attempt: 1 });
  metric("plain", 1);
  console.group("times");
  console.table([{ a: 1 }]);
  console.time("a");
  console.timeEnd("a");
  console.count();
  console.assert(true, "fine");
  console.dir({});
  console.trace();
  console.error("%s", "x");
  console.groupEnd();
}

// Parameters need no types.
function helpers(value) {
  return value + 1;
}
