// What several checks share stands in checks/lib/; a file in there is no check of its own.

import { expect, visit } from "tripline";

/**
 * Opens a page as a visitor would, and fails when it is not answered with 200.
 *
 * @param {string} url
 */
export async function open(url) {
  const page = await visit(url);
  expect(page.status, `the status of ${url}`).toBe(200);
  return page;
}
