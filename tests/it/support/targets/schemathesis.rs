//! Schemathesis, which makes requests of an OpenAPI description and judges the answers by it.

use std::path::PathBuf;
use std::process::Command;

use super::clients::into_venv;
use super::install::installed;

/// The command.
pub(crate) async fn schemathesis() -> Command {
    let pinned =
        &[("requirements.txt", include_str!("../../../targets/schemathesis/requirements.txt"))];
    let folder: PathBuf = installed("schemathesis", pinned, into_venv).await;
    let mut command = Command::new(folder.join("venv/bin/python"));
    command.args(["-m", "schemathesis.cli"]);
    command
}
