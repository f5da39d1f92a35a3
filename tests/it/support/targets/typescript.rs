//! The TypeScript compiler, which is what editors check JavaScript with.

use std::path::Path;
use std::process::Command;

use super::oidc;

/// What the compiler finds wrong in the project folder by its `checks/jsconfig.json`, as
/// `file(line,column): error CODE: message`.
pub(crate) async fn mistakes(folder: &Path) -> Vec<String> {
    let modules = oidc::node_modules().await;
    let mut command = Command::new("node");
    command.arg(modules.join("node_modules/typescript/bin/tsc"));
    command.args(["-p", "checks/jsconfig.json", "--pretty", "false"]).current_dir(folder);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("the task was not aborted")
        .expect("node can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines();
    let mistakes: Vec<String> =
        lines.filter(|line| line.contains(": error TS")).map(str::to_owned).collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), mistakes.is_empty(), "{text}{stderr}");
    mistakes
}
