// Files in checks/lib/ are no checks; checks import them.
import { expect, visit } from "tripline";

/**
 * Opens a page as a visitor would, and fails when it does not answer with 200.
 *
 * @param {string} url
 */
export async function open(url) {
  const page = await visit(url);
  expect(page.status).toBe(200);
  return page;
}
