//! The library of the Standard Webhooks specification, which says whether a webhook is genuine.

use std::process::{Command, Stdio};

use super::oidc;

/// What the library says of webhooks, each a secret, the headers and the body: `ok`, or why not.
pub(crate) async fn verdicts(webhooks: &[serde_json::Value]) -> Vec<String> {
    let modules = oidc::node_modules().await;
    let lines: Vec<String> = webhooks.iter().map(ToString::to_string).collect();
    let lines = lines.join("\n") + "\n";
    let asked = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("node");
        command.current_dir(modules).arg("webhooks.mjs");
        let mut node = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("install Node.js 20 or later");
        let mut stdin = node.stdin.take().expect("it is piped");
        std::io::Write::write_all(&mut stdin, lines.as_bytes()).expect("it reads");
        drop(stdin);
        node.wait_with_output().expect("it ends")
    });
    let output = asked.await.expect("it does not panic");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}
