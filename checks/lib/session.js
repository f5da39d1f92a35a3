// What several checks share: how one signs in to the application.
//
// A file in checks/lib is no check of its own; checks import it by its relative path.

import { expect, secret, step, visit } from "tripline";

/** Where the application lives. Put your own address here. */
export const APP = "https://app.example.com";

/**
 * Signs in through the form that people use, and gives back the page behind it.
 *
 * Cookies are kept for the whole run, so every later `visit` and `fetch` is signed in as well.
 */
export async function signIn(email = "synthetic@example.com") {
  const page = await step("open the sign-in page", async () => {
    const page = await visit(`${APP}/login`);
    expect(page.status, "the sign-in page").toBe(200);
    return page;
  });

  return step("sign in", async () => {
    // Hidden fields, such as a CSRF token, are filled in as they stand on the page.
    const home = await page
      .form("#login")
      .submit({ email, password: secret("LOGIN_PASSWORD") });

    // A wrong password often answers 200 with a message; show that message rather than a riddle.
    if (home.has(".error")) {
      throw new Error(`the application refused the sign-in: ${home.text(".error")}`);
    }
    expect(home.status, "the page after signing in").toBe(200);
    return home;
  });
}
