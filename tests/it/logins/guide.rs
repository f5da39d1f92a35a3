//! The five minutes of docs/operators/metrics.md, block by block as they stand there.
//!
//! What differs is what must: ports, where Slack is, and how long things take.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{PATIENCE, told};
use crate::support::port;
use crate::support::process::Process;
use crate::support::slack::{FakeSlack, TOKEN};
use crate::support::targets::Application;
use crate::support::wait::until_true;

const PAGE: &str = include_str!("../../../docs/operators/metrics.md");

/// The blocks of the guide, with their languages, in order.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let begin = "## From logins counted to a message in Slack, in five minutes\n";
    let (_, rest) = PAGE.split_once(begin).expect("the guide is on the page");
    let guide = rest.split("\n## ").next().unwrap_or(rest);
    let fenced = guide.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').expect("a language and a text")).collect()
}

/// Where a reader of the guide sits: a folder, a shell, and what is different for the test.
struct Reader {
    home: TempDir,
    /// The folder the shell is in.
    folder: PathBuf,
    listen: String,
    statsd: u16,
    slack: String,
}

impl Reader {
    fn new(slack: &FakeSlack) -> Self {
        let home = TempDir::new().expect("a temporary folder");
        let (folder, statsd) = (home.path().to_owned(), port::free());
        let listen = format!("127.0.0.1:{}", port::free());
        Self { home, folder, listen, statsd, slack: slack.api_url() }
    }

    /// The same text with the port of the test.
    fn here(&self, text: &str) -> String {
        text.replace("8126", &self.statsd.to_string())
    }

    /// The settings with a fake Slack, and times that are seconds where the guide has minutes.
    fn settings(&self, text: &str) -> String {
        let slack = format!("[slack]\napi_url = \"{}\"", self.slack);
        let text = self.here(text).replace("[slack]", &slack);
        let text = text.replace("[statsd]", "[statsd]\nflush = \"1s\"");
        let text = text.replace("\"5m\"", "\"10s\"").replace("\"2m\"", "\"5s\"");
        let quick = "[rules]\nevery = \"5s\"\nsettle = \"2s\"\n";
        format!("[hub]\nlisten = \"{}\"\n{text}{quick}", self.listen)
    }

    fn shell(&self, text: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_tripline"));
        let folder = program.parent().expect("a program is in a folder");
        let text = format!("PATH='{}':\"$PATH\"\n{text}", folder.display());
        let mut command = Command::new("sh");
        command.args(["-e", "-c", &text]).current_dir(&self.folder);
        command.env("SLACK_BOT_TOKEN", TOKEN).env("NO_PROXY", "127.0.0.1").env("NO_COLOR", "1");
        command
    }

    /// Runs a block to its end, stays in the folder that it leads to, and tells what it printed.
    async fn run(&mut self, text: &str) -> String {
        let place = self.home.path().join("place");
        let mut command = self.shell(&format!("{text}\npwd > {}", place.display()));
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.expect("not aborted").expect("a shell can be started");
        let [out, err] = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{text}\n{out}{err}");
        self.folder = fs::read_to_string(place).expect("written").trim().into();
        out
    }

    fn write_settings(&self, text: &str) {
        fs::write(self.folder.join("tripline.toml"), self.settings(text)).expect("written");
    }

    async fn until_both_count(&mut self) {
        until_true("both applications count", PATIENCE, async || {
            let asked = "tripline query --json 'sum(rate(logins_total[10s])) * 60'";
            let answered = self.run(asked).await;
            a_minute(&answered).is_some_and(|it| (100.0..140.0).contains(&it))
        })
        .await;
    }

    fn start(&self, text: &str) -> Process {
        Process::start("tripline up", &mut self.shell(text), self.home.path().join("daemon.log"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_minutes_lead_to_a_message() {
    let slack = FakeSlack::slack().await;
    let mut reader = Reader::new(&slack);
    let (mut daemon, mut texts, mut applications) = (None, Vec::new(), Vec::new());
    let mut read = Vec::new();
    for (language, text) in blocks() {
        read.push(language);
        match language {
            "toml" => reader.write_settings(text),
            "python" | "javascript" => texts.push((language, reader.here(text))),
            "sh" => {
                if let Some(before) = text.strip_suffix("tripline up\n") {
                    reader.run(before).await;
                    daemon = Some(reader.start("exec tripline up"));
                    applications = start(&texts).await;
                    reader.until_both_count().await;
                } else {
                    let printed = reader.run(text).await;
                    let is_list = text.contains("rule list");
                    assert!(!is_list || printed.contains("logins collapse"), "{printed}");
                }
            }
            "text" => {
                assert!(slack.accepted().is_empty(), "{:#?}", slack.accepted());
                applications.clear();
                let message = told(&slack, "#p2", 1).await;
                assert!(bare(&message).starts_with(&bare(text)), "{message}\n{text}");
                assert!(message.contains("usual at this hour 118, falling since"), "{message}");
            }
            other => panic!("the test does not know what to do with {other}"),
        }
    }
    read.dedup();
    assert_eq!(read, ["sh", "toml", "python", "javascript", "sh", "text"]);
    let mut daemon = daemon.expect("it was started");
    assert!(daemon.stop(PATIENCE).await.success(), "{}", daemon.log());
}

/// What a message says up to the time in it, without its numbers.
fn bare(message: &str) -> String {
    let words = message.split(" UTC").next().unwrap_or_default().split_whitespace();
    let is_number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    words.filter(|word| !is_number(word)).collect::<Vec<_>>().join(" ")
}

/// The number that an expression without labels came to.
fn a_minute(json: &str) -> Option<f64> {
    let answer: serde_json::Value = serde_json::from_str(json).ok()?;
    let value = &answer["result"][0]["value"][1];
    value.as_str()?.parse().ok()
}

/// The applications of the guide, each counting a half of 118 sign-ins a minute.
async fn start(applications: &[(&str, String)]) -> Vec<Application> {
    let mut started = Vec::new();
    for (language, text) in applications {
        started.push(if *language == "python" {
            let again = "\n\nimport time\nwhile True:\n    signed_in()\n    time.sleep(60 / 59)\n";
            Application::of_python(&format!("{text}{again}")).await
        } else {
            let again = "\nsetInterval(signedIn, 60000 / 59);\n";
            Application::of_node(&format!("{text}{again}")).await
        });
    }
    started
}
