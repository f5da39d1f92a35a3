//! The API of the real binary, judged by its own description: whatever is asked, the answer is one that is
//! described, and none says that the server failed.

use std::time::Duration;

use crate::support::process::Process;
use crate::support::site::Site;
use crate::support::targets::schemathesis;
use crate::support::tripline::Project;
use crate::support::wait::{until, until_true};

const PATIENCE: Duration = Duration::from_mins(5);

/// So many requests are made up for each operation, besides those at the edges of what is described.
const EXAMPLES: &str = "8";

/// What is looked at in each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_is_answered_as_described() {
    let site = Site::start().await;
    site.answer(503);
    let check = format!(
        "[[check]]\nid = \"shop\"\nurl = \"{}\"\nevery = \"2s\"\ntimeout = \"2s\"\n",
        site.url()
    );
    let rule = "[[rule]]\nname = \"checks fail\"\nexpr = \"tripline_check_up == 0\"\n\
        notify = [\"slack:#p2\"]\n";
    let daemon = Project::new().toml(&check).toml(rule).up().await;
    until_true("an incident is open", PATIENCE, async || !daemon.incidents().await.is_empty())
        .await;
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let mut command = schemathesis().await;
    command.current_dir(folder.path()).env("NO_PROXY", "127.0.0.1").args([
        "run",
        &format!("{}/api/v1/openapi.json", daemon.url()),
        "--checks",
        CHECKS,
        "--phases=examples,coverage,fuzzing",
        "--max-examples",
        EXAMPLES,
        "--seed=1",
        "--continue-on-failure",
        "--generation-database=none",
        "--warnings=off",
        "--no-color",
    ]);
    let log = folder.path().join("schemathesis.log");
    let mut judge = Process::start("schemathesis", &mut command, log);
    let ended = until("schemathesis ends", PATIENCE, async || judge.ended()).await;
    assert!(ended.success(), "{}", judge.log());
}
