//! Signing in through an `OpenID` provider: authorization code with PKCE.

use crate::support::site::Site;
use crate::support::targets::{CLIENT, oidc_provider};
use crate::support::tripline::Project;

/// Signs in, exchanges the code, reads the claims, and tries the code again.
fn script(provider: &str, redirect_uri: &str) -> String {
    format!(
        r#"
import {{ expect, pkce, secret, step, visit }} from "tripline";

export const options = {{ name: "Sign in with OpenID", every: "60s", timeout: "30s" }};

const provider = "{provider}";
const client_id = "{CLIENT}";
const redirect_uri = "{redirect_uri}";

const token = (fields) => fetch(`${{provider}}/token`, {{
  method: "POST",
  body: new URLSearchParams({{ client_id, ...fields }}),
}});

export default async function () {{
  const {{ verifier, challenge, method }} = pkce();
  const state = "state-of-this-run";

  const login = await step("be sent to the sign-in page", () => {{
    const url = new URL(`${{provider}}/auth`);
    url.search = new URLSearchParams({{
      client_id, redirect_uri, state,
      response_type: "code",
      scope: "openid email offline_access",
      prompt: "consent",
      code_challenge: challenge,
      code_challenge_method: method,
    }});
    return visit(url);
  }});
  expect(login.text("h1")).toBe("Sign-in");

  const consent = await step("sign in", () =>
    login.form("form").submit({{ login: "ana", password: secret("PASSWORD") }}));
  expect(consent.text("h1")).toBe("Authorize");

  const back = await step("consent", () => consent.form("form").submit());
  expect(back.url.startsWith(redirect_uri)).toBe(true);
  const answer = new URL(back.url).searchParams;
  expect(answer.get("state")).toBe(state);
  const exchange = {{
    grant_type: "authorization_code", redirect_uri,
    code: answer.get("code"), code_verifier: verifier,
  }};

  const tokens = await step("exchange the code", async () => {{
    const response = await token(exchange);
    expect(response.status).toBe(200);
    return response.json();
  }});

  await step("read the claims", async () => {{
    const response = await fetch(`${{provider}}/me`, {{
      headers: {{ authorization: `Bearer ${{tokens.access_token}}` }},
    }});
    const claims = await response.json();
    expect(claims.sub).toBe("ana");
    expect(claims.email).toBe("ana@example.test");
  }});

  await step("refresh", async () => {{
    const refreshed = await token({{
      grant_type: "refresh_token", refresh_token: tokens.refresh_token,
    }});
    expect(refreshed.status).toBe(200);
  }});

  await step("use the code again", async () => {{
    const response = await token(exchange);
    expect(response.status).toBe(400);
    expect((await response.json()).error).toBe("invalid_grant");
  }});
}}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_signs_in_with_a_code_and_pkce() {
    let application = Site::start().await;
    let redirect_uri = format!("{}/callback", application.url());
    let provider = oidc_provider(&redirect_uri).await;
    let run = Project::new()
        .toml("[secrets]\nPASSWORD = { env = \"PASSWORD\" }")
        .env("PASSWORD", "any-will-do")
        .script("openid.js", &script(&provider.url(), &redirect_uri))
        .test_one()
        .await;
    assert_eq!(run.outcome, "passed", "{run:#?}");
    assert_eq!(run.steps.len(), 7, "{run:#?}");
    let visits = application.visits();
    assert_eq!(visits.len(), 1, "{visits:#?}");
    assert!(visits[0].starts_with("/callback?code="), "{visits:#?}");
}
