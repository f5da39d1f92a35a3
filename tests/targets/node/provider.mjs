// An OpenID provider for the tests: one public client, PKCE required, login and consent pages.
// Usage: node provider.mjs PORT CLIENT_ID REDIRECT_URI
import Provider from "oidc-provider";

const [port, clientId, redirectUri] = process.argv.slice(2);
if (!port || !clientId || !redirectUri) {
  console.error("usage: node provider.mjs PORT CLIENT_ID REDIRECT_URI");
  process.exit(2);
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: clientId,
      application_type: "native",
      token_endpoint_auth_method: "none",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    },
  ],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  claims: { openid: ["sub"], email: ["email"] },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.test` }),
  }),
});

provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
