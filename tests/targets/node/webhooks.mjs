// Verifies webhooks by the library of the Standard Webhooks specification: lines of JSON with a secret,
// headers and a body; answers a line each, `ok` or what is wrong.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

createInterface({ input: process.stdin }).on("line", (line) => {
  const { secret, headers, body } = JSON.parse(line);
  try {
    new Webhook(secret).verify(body, headers);
    console.log("ok");
  } catch (error) {
    console.log(error.message);
  }
});
