//! `tripline run-now CHECK`: has the daemon run a check at once, by the agents of its regions, and says
//! what comes of it, as it comes.
//!
//! Must not: run anything here; that is `tripline test`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::act::{asked, said_by, stop, understood};
use super::args::{Global, RunNow};
use super::exit::Exit;
use super::look::{Look, Paint, clean};
use super::run::Stop;
use super::terminal::{Stream, Terminal};

/// How often the daemon is asked what has come of it.
const PAUSE: Duration = Duration::from_millis(250);

/// What the daemon says of an errand.
#[derive(Debug, Deserialize)]
struct Errand {
    id: String,
    is_over: bool,
    legs: Vec<Leg>,
}

/// What it says of one region.
#[derive(Debug, Deserialize)]
struct Leg {
    region: String,
    stage: String,
    summary: String,
    run: String,
    outcome: Option<String>,
}

impl Leg {
    fn is_over(&self) -> bool {
        !matches!(self.stage.as_str(), "asked" | "taken")
    }

    fn has_passed(&self) -> bool {
        self.outcome.as_deref() == Some("passed")
    }

    fn line(&self, look: &Look) -> String {
        let paint = match self.outcome.as_deref() {
            Some("passed") => Paint::Good,
            Some("failed") => Paint::Bad,
            _ => Paint::Unsure,
        };
        let mut line = format!(
            "{}  {}",
            look.paint(Paint::Strong, &clean(&self.region)),
            look.paint(paint, &clean(&self.summary))
        );
        if self.stage == "ended" {
            let run = format!("  run {}", clean(&self.run));
            line.push_str(&look.paint(Paint::Faint, &run));
        }
        line
    }
}

pub(super) async fn run(
    wanted: &RunNow,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let asked = asked(wanted.acting.hub.as_ref(), global, terminal)?;
    let mut body = said_by(&wanted.acting, None, terminal);
    body["region"] = json!(wanted.region);
    let mut errand: Value =
        asked.post(&["checks", &wanted.check, "errands"], &body).await.map_err(stop)?;
    let look = terminal.look(Stream::Out);
    let mut told = BTreeSet::new();
    loop {
        let seen: Errand = understood(&errand)?;
        for leg in seen.legs.iter().filter(|leg| leg.is_over()) {
            if told.insert(leg.region.clone()) && !wanted.json {
                writeln!(anstream::stdout(), "{}", leg.line(&look))?;
            }
        }
        if seen.is_over {
            if wanted.json {
                writeln!(anstream::stdout(), "{errand:#}")?;
            }
            let all_passed = seen.legs.iter().all(Leg::has_passed);
            return Ok(if all_passed { Exit::Good } else { Exit::CheckFailed });
        }
        tokio::time::sleep(PAUSE).await;
        errand = asked.get(&["errands", &seen.id]).await.map_err(stop)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_a_line() {
        let leg = |stage: &str, summary: &str, outcome: Option<&str>| Leg {
            region: "eu\u{1b}[2J".into(),
            stage: stage.into(),
            summary: summary.into(),
            run: "0199".into(),
            outcome: outcome.map(ToOwned::to_owned),
        };
        let look = Look::plain(80);
        let passed = leg("ended", "passed in 312 ms", Some("passed"));
        assert_eq!(passed.line(&look), "eu\\u{1b}[2J  passed in 312 ms  run 0199");
        assert!(passed.is_over() && passed.has_passed());
        let untaken = leg("untaken", "not run, no agent took it within 30 s", None);
        assert_eq!(untaken.line(&look), "eu\\u{1b}[2J  not run, no agent took it within 30 s");
        assert!(untaken.is_over() && !untaken.has_passed());
        assert!(!leg("taken", "the agent one is running it", None).is_over());
    }
}
