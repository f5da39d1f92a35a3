//! An `OpenID` provider: authorization code with PKCE, a login page and a consent page.
//!
//! `GET /auth` leads over redirects to a form (`prompt=login` hidden; `login`, `password`), then to
//! a second one (`prompt=consent` hidden), then to the redirect URI with `code` and `state`: seven
//! hops with cookies that are scoped by path. A code that is used twice is answered 400.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::install::{installed, run};
use super::{Target, TempDir};

/// The one client; it is public and must use PKCE.
pub(crate) const CLIENT: &str = "tripline";

/// Starts a provider that sends its users to `redirect_uri`.
pub(crate) async fn oidc_provider(redirect_uri: &str) -> Target {
    let modules = node_modules().await;
    let folder = TempDir::new().expect("a temporary folder");
    Target::start("oidc-provider", folder, "/.well-known/openid-configuration", |port, folder| {
        let mut command = Command::new("node");
        command.current_dir(folder.path()).arg(modules.join("provider.mjs")).args([
            &port.to_string(),
            CLIENT,
            redirect_uri,
        ]);
        command
    })
    .await
}

/// The folder with everything that comes by npm.
pub(super) async fn node_modules() -> PathBuf {
    let pinned = &[
        ("package.json", include_str!("../../../targets/node/package.json")),
        ("package-lock.json", include_str!("../../../targets/node/package-lock.json")),
        ("provider.mjs", include_str!("../../../targets/node/provider.mjs")),
        ("hot-shots.mjs", include_str!("../../../targets/node/hot-shots.mjs")),
        ("counting.mjs", include_str!("../../../targets/node/counting.mjs")),
        ("dashboard.ts", include_str!("../../../targets/node/dashboard.ts")),
        ("webhooks.mjs", include_str!("../../../targets/node/webhooks.mjs")),
        ("slack.ts", include_str!("../../../targets/node/slack.ts")),
    ];
    installed("node", pinned, install).await
}

/// Installs what `package-lock.json` of a folder pins.
pub(super) fn install(folder: &Path) {
    run(Command::new("node").arg("--version"), "install Node.js 20 or later");
    let mut command = Command::new("npm");
    let quietly = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    run(command.args(quietly).current_dir(folder), "install npm");
}
