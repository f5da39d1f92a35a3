//! What drives a browser: Playwright and axe, by npm. The browser itself is the system's.

use std::path::PathBuf;

use super::install::installed;
use super::oidc::install;

/// The folder with `node_modules/`.
pub(crate) async fn browser_modules() -> PathBuf {
    let pinned = &[
        ("package.json", include_str!("../../../browser/package.json")),
        ("package-lock.json", include_str!("../../../browser/package-lock.json")),
    ];
    installed("browser", pinned, install).await
}
