// A sign-in as people write it: three requests, with the usual looking around in between.
import { context, expect, metric, step, visit } from "tripline";

export const options = {
  name: "Sign in",
  every: "{{EVERY}}",
  labels: { team: "shop" },
  runbook: "https://wiki.example.com/login",
};

const base = "{{URL}}";

const accounts = [
  { email: "ana@example.test", name: "Ana", plan: "team" },
  { email: "bo@example.test", name: "Bo", plan: "solo" },
  { email: "cy@example.test", name: "Cy", plan: "team" },
];

class Orders {
  #numbers;

  constructor(numbers) {
    this.#numbers = numbers;
  }

  static parse(text) {
    const numbers = text.match(/\d+/g) ?? [];
    return new Orders(numbers.map(Number));
  }

  get count() {
    return this.#numbers.length;
  }

  get latest() {
    return this.#numbers.reduce((latest, number) => Math.max(latest, number), 0);
  }

  *[Symbol.iterator]() {
    yield* this.#numbers;
  }
}

function checksum(text) {
  let sum = 0;
  for (const character of text) {
    sum = (sum * 31 + character.codePointAt(0)) % 65521;
  }
  return sum;
}

function fieldsOf(account) {
  return Object.fromEntries(
    Object.entries({ email: account.email, password: `pw-${checksum(account.email)}` })
      .map(([key, value]) => [key.toLowerCase(), value.trim()])
      .sort(([a], [b]) => a.localeCompare(b)),
  );
}

// Only the greeting itself, so that a page which merely mentions the name does not pass.
const isGreeting = (text, account) => new RegExp(`^Welcome, ${account.name}$`).test(text);

async function openSignIn() {
  const slot = Number(new Date(context.slot));
  const page = await visit(`${base}/login?slot=${slot}`);
  expect(page.status).toBe(200);
  expect(page.text("h1")).toBe("Sign in");
  return page;
}

async function signIn(page, account) {
  const home = await page.form("#login").submit(fieldsOf(account));
  expect(home.status).toBe(200);
  expect(home.url).toContain("/home");
  return home;
}

function inspect(home, account) {
  const greeting = home.text("h1").trim();
  if (!isGreeting(greeting, account)) {
    throw new Error(`unexpected greeting: ${greeting}`);
  }
  const orders = Orders.parse(home.text(".orders"));
  expect(orders.count).toBe(3);
  expect(orders.latest).toBe(1003);
  return JSON.parse(JSON.stringify({ greeting, orders: [...orders] }));
}

export default async function () {
  const account = accounts.find(({ plan }) => plan === "team");
  if (account === undefined) {
    throw new Error("there is no account with the plan `team`");
  }
  const page = await step("open the sign-in page", openSignIn);
  const home = await step("sign in", () => signIn(page, account));
  const found = await step("look around", () => inspect(home, account));
  metric("orders", found.orders.length);
  console.log(`signed in as ${account.name}: ${found.greeting}`);
  expect(found.orders.length).toBe(3);
}
