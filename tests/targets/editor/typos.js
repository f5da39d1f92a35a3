// Each line that ends with `wrong` has a mistake that editors must find, and no other line has one.

import { expect, step, visit } from "tripline";
import { visti } from "tripline"; // wrong
import { expct } from "triplin"; // wrong

/** @type {import("tripline").Options} */
export const options = {
  name: "Typos",
  timeout: 20, // wrong
  regions: "eu-west-1", // wrong
  labels: { team: 7 }, // wrong
  enabled: "no", // wrong
};

/** @type {import("tripline").Options} */
export const request = {
  url: "https://example.com/",
  method: "FETCH", // wrong
  headers: { accept: 1 }, // wrong
  body: () => "", // wrong
  expect: {
    status: "2xxx", // wrong
    body: { contain: "a" }, // wrong
    json: { a: undefined }, // wrong
  },
};

// An unknown name is told once the values of the names that are known are right.

/** @type {import("tripline").Options} */
export const misspelt = {
  evry: "30s", // wrong
};

/** @type {import("tripline").Options} */
export const unknown = {
  url: "https://example.com/",
  expect: { latency: "1s" }, // wrong
};

export default async function () {
  const page = await step("open", () => visit("https://example.com/", { methd: "GET" })); // wrong
  expect(page.titel).toBe("Example"); // wrong
  expect(page.status).toBee(200); // wrong
  expect(1).not.toBeLessThan("2"); // wrong
  page.attr("a", "href").length; // wrong
  await page.form("#login").submit({ email: () => "" }); // wrong
  await page.click(); // wrong
  step("no function"); // wrong
  const response = await fetch("https://example.com/", { body: { a: 1 } }); // wrong
  response.jsn(); // wrong
  document.title; // wrong
  process.env.HOME; // wrong
  require("fs"); // wrong
}
