//! The commands that end by themselves, as whoever types them meets them.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::support::provider::Answer;
use crate::support::providers::{ANA, Providers};
use crate::support::tripline::Project;

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_goes_the_way_of_the_real_ones() {
    let providers = Providers::start().await;
    let project = providers.told_by(Project::new());
    let (code, printed, said) = project.run(&["tell", "slack:#p2", "sms:ana"]).await;
    assert_eq!(code, Some(0), "{printed}{said}");
    assert!(printed.contains("→ slack:#p2 was told  ("), "{printed}");
    assert!(printed.contains("→ sms:ana was told  ("), "{printed}");
    for to in ["#p2", ANA] {
        let messages = providers.arrived(to);
        assert_eq!(messages.len(), 1);
        assert!(messages[0].text.contains("TEST from Tripline"), "{}", messages[0].text);
    }

    providers.twilio.answer_all(Answer::Status(401));
    let (code, printed, _) = project.run(&["tell", "--all"]).await;
    assert_eq!(code, Some(5), "{printed}");
    assert!(printed.contains("→ slack:#p1 was told"), "{printed}");
    assert!(printed.contains("✗ sms:bo NOT TOLD: credentials refused"), "{printed}");

    let (code, _, said) = project.run(&["tell", "sms:nobody"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("nobody is reached by `sms:nobody`"), "{said}");
    assert!(said.contains("slack:#p1, slack:#p2, sms:devops"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_without_credentials_tells_nobody() {
    let (code, printed, _) = Project::new().run(&["tell", "slack:#p2"]).await;
    assert_eq!(code, Some(5));
    assert!(printed.contains("NOT TOLD: its channel is not set up in tripline.toml"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_counted_once_and_told_to_machines_as_json() {
    let project = Project::new().toml("[[check]]\nname = 'x'\n");
    let (code, printed, said) = project.run(&["up"]).await;
    assert_eq!((code, printed.as_str()), (Some(3), ""), "{said}");
    assert_eq!(said.matches("1 error").count(), 1, "{said}");

    let (code, printed, said) = project.run(&["--log-format", "json", "up"]).await;
    assert_eq!((code, said.as_str()), (Some(3), ""), "{printed}");
    let line: serde_json::Value = serde_json::from_str(&printed).expect("one JSON object");
    assert_eq!(line["log.level"], "error");
    assert_eq!(line["tripline.reason"], "`url` is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_log_level_is_refused() {
    let (code, _, said) = Project::new().run(&["--log-level", "bogus", "validate"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("`bogus`") && said.contains("`warn`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_without_a_check_is_warned_of() {
    let (code, printed, said) = Project::new().run(&["validate"]).await;
    assert_eq!((code, printed.trim_end()), (Some(0), "The project is valid: no check."));
    assert!(said.contains("there is no check: nothing is watched"), "{said}");
}

/// `demo` and its reader, which goes away after the first line.
#[tokio::test(flavor = "multi_thread")]
async fn a_demonstration_without_an_audience_ends() {
    let ended = tokio::task::spawn_blocking(|| {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_tripline"))
            .arg("demo")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let mut output = BufReader::new(demo.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it says something");
        drop(output);
        demo.wait().expect("it ends")
    });
    let ended = tokio::time::timeout(std::time::Duration::from_mins(1), ended).await;
    assert!(ended.expect("it ends").expect("no panic").success());
}
