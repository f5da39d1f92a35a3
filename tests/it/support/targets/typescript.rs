//! The TypeScript compiler, which is what editors check JavaScript with.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{TempDir, oidc};

/// What the compiler finds wrong in the project folder by its `checks/jsconfig.json`, as
/// `file(line,column): error CODE: message`.
pub(crate) async fn mistakes(folder: &Path) -> Vec<String> {
    told(folder, "checks/jsconfig.json").await
}

/// What it finds wrong in dashboards for Grafana, by the types that Grafana publishes: each has a name
/// and JSON, whose lines are those of `NAME.ts` but for the first.
pub(crate) async fn mistakes_in_dashboards(dashboards: &[(&str, String)]) -> Vec<String> {
    let head = "import type { Dashboard } from \"./dashboard\"; export const it: Dashboard =";
    let files: Vec<(&str, String)> =
        dashboards.iter().map(|(name, json)| (*name, format!("{head}\n{json}"))).collect();
    mistakes_by("dashboard.ts", &files).await
}

/// What it finds wrong in what is sent to Slack, by the types that Slack publishes: each has a name,
/// the type in `slack.ts`, and JSON.
pub(crate) async fn mistakes_in_slack(sent: &[(&str, &str, String)]) -> Vec<String> {
    let mut files: Vec<(&str, String)> = Vec::new();
    for (name, kind, json) in sent {
        let head = format!("import type {{ {kind} }} from \"./slack\"; export const it: {kind} =");
        files.push((name, format!("{head}\n{json}")));
    }
    mistakes_by("slack.ts", &files).await
}

/// What it finds wrong in files that use `types`, a file beside the installed modules.
async fn mistakes_by(types: &str, files: &[(&str, String)]) -> Vec<String> {
    let modules = oidc::node_modules().await;
    let folder = TempDir::new().expect("a temporary folder");
    let put = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a temporary folder can be written");
    };
    let installed = modules.join("node_modules");
    std::os::unix::fs::symlink(installed, folder.path().join("node_modules")).expect("linked");
    fs::copy(modules.join(types), folder.path().join(types)).expect("copied");
    put("tsconfig.json", STRICT);
    for (name, text) in files {
        put(&format!("{name}.ts"), text);
    }
    told(folder.path(), "tsconfig.json").await
}

const STRICT: &str = r#"{
  "compilerOptions": {
    "strict": true,
    "noEmit": true,
    "skipLibCheck": true,
    "module": "esnext",
    "moduleResolution": "bundler",
    "target": "es2022",
    "types": []
  },
  "include": ["*.ts"]
}
"#;

async fn told(folder: &Path, project: &str) -> Vec<String> {
    let modules = oidc::node_modules().await;
    let mut command = Command::new("node");
    command.arg(modules.join("node_modules/typescript/bin/tsc"));
    command.args(["-p", project, "--pretty", "false"]).current_dir(folder);
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
