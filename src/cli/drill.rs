//! `tripline drill`: asks the daemon whether messages would arrive where people are told, or has it drill
//! that.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::act::{asked, stop, understood};
use super::args::{Drill, Global};
use super::exit::Exit;
use super::look::{Look, Paint, clean, moment};
use super::run::Stop;
use super::terminal::{Stream, Terminal};
use crate::app::asking::Asked;
use crate::clock::Stopwatch;
use crate::domain::Timestamp;

/// How often the daemon is asked what came of a drill.
const PAUSE: Duration = Duration::from_millis(500);

/// What the daemon says of paths.
#[derive(Debug, Deserialize)]
struct Paths {
    schedule: Option<Schedule>,
    paths: Vec<PathState>,
}

#[derive(Debug, Deserialize)]
struct Schedule {
    next_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct PathState {
    path: String,
    standing: String,
    reason: Option<String>,
    proof: Option<Proof>,
    drill: Option<Trial>,
}

#[derive(Debug, Deserialize)]
struct Proof {
    at: Timestamp,
    evidence: String,
    receipt: String,
}

#[derive(Debug, Deserialize)]
struct Trial {
    incident: i64,
    state: String,
}

/// A round that began.
#[derive(Debug, Deserialize)]
struct Begun {
    incident: i64,
}

impl PathState {
    fn is_in(&self, round: i64) -> bool {
        self.drill.as_ref().is_some_and(|drill| drill.incident == round)
    }

    /// Whether it is still to be seen what comes of its drill, however the path stands by what was before.
    fn is_under_way(&self) -> bool {
        let is_settled = matches!(self.standing.as_str(), "proven" | "failed");
        match self.drill.as_ref().map(|it| it.state.as_str()) {
            Some("owed") => true,
            Some("sent") => !is_settled,
            _ => false,
        }
    }
}

pub(super) async fn drill(
    wanted: &Drill,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let daemon = asked(wanted.hub.as_ref(), global, terminal)?;
    let mut round = None;
    if wanted.now {
        let body = json!({ "paths": wanted.paths });
        let begun: Begun = daemon.post(&["drills"], &body).await.map_err(stop)?;
        round = Some(begun.incident);
    }
    let said = await_end(&daemon, round, wanted.wait).await?;
    let mut paths: Paths = understood(&said)?;
    if let Some(unknown) =
        wanted.paths.iter().find(|name| !paths.paths.iter().any(|it| it.path == **name))
    {
        return Err(Stop::Usage(format!("there is no path `{}`", clean(unknown))));
    }
    paths.paths.retain(|it| wanted.paths.is_empty() || wanted.paths.contains(&it.path));
    let left_out = left_out(&mut paths.paths, round);
    for it in &left_out {
        let path = clean(&it.path);
        writeln!(
            anstream::stderr(),
            "not drilled: {path}, to which a drill is on its way already"
        )?;
    }
    if wanted.json {
        writeln!(anstream::stdout(), "{said:#}")?;
    } else {
        let text = listed(&paths, &terminal.look(Stream::Out));
        anstream::stdout().write_all(text.as_bytes())?;
    }
    let arrived = |it: &PathState| it.standing == "proven";
    let is_good = round.is_none() || (left_out.is_empty() && paths.paths.iter().all(arrived));
    Ok(if is_good { Exit::Good } else { Exit::NotTold })
}

/// Takes out those that are not in the round, and could be.
fn left_out(paths: &mut Vec<PathState>, round: Option<i64>) -> Vec<PathState> {
    let is_left_out = |it: &PathState, round| it.standing != "printed" && !it.is_in(round);
    paths.extract_if(.., |it| round.is_some_and(|round| is_left_out(it, round))).collect()
}

/// What the daemon says of all paths, once nothing of `round` is on its way or the time is over.
async fn await_end(daemon: &Asked, round: Option<i64>, wait: Duration) -> Result<Value, Stop> {
    let waited = Stopwatch::start();
    loop {
        let said: Value = daemon.get(&["drills"]).await.map_err(stop)?;
        let paths = Paths::deserialize(&said).map(|it| it.paths).unwrap_or_default();
        let is_under_way =
            |it: &PathState| round.is_some_and(|round| it.is_in(round)) && it.is_under_way();
        if !paths.iter().any(is_under_way) || waited.elapsed() >= wait {
            return Ok(said);
        }
        sleep(PAUSE).await;
    }
}

fn listed(paths: &Paths, look: &Look) -> String {
    if paths.paths.is_empty() {
        return "There is no path: nobody is told by a channel that is set up.\n".to_owned();
    }
    let mut text = String::new();
    let width = paths.paths.iter().map(|it| it.path.chars().count()).max().unwrap_or(0);
    for it in &paths.paths {
        let (word, paint) = match it.standing.as_str() {
            "proven" => ("proven", Paint::Good),
            "waiting" => ("waiting", Paint::Unsure),
            "untried" => ("untried", Paint::Faint),
            "printed" => ("NOT sent", Paint::Bad),
            other => (other, Paint::Bad),
        };
        let word = look.paint(paint, &format!("{:<8}", clean(word)));
        let _ = writeln!(text, "{word}  {:<width$}  {}", clean(&it.path), proof(it));
        if let Some(reason) = &it.reason {
            let _ = writeln!(text, "          {}", look.paint(Paint::Faint, &clean(reason)));
        }
    }
    let next = paths.schedule.as_ref().and_then(|it| it.next_at);
    let next = next.map(|at| format!("The next drill is on {} UTC.", at.format("%Y-%m-%d %H:%M")));
    let nothing = "Nothing is drilled by itself; `[drill]` in tripline.toml says when.".to_owned();
    let _ = writeln!(text, "{}", look.paint(Paint::Faint, &next.unwrap_or(nothing)));
    look.folded(&text, 10)
}

/// When something last arrived, and by what that is known.
fn proof(path: &PathState) -> String {
    match &path.proof {
        Some(Proof { at, evidence, receipt }) => {
            let at = moment(*at);
            format!("{} {at} ({})", clean(evidence), clean(receipt))
        }
        None => "nothing is known to have arrived".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_says_when_and_by_what_it_is_proven() {
        let said = json!({
            "schedule": { "cron": "0 10 * * 1", "next_at": "2026-11-30T10:00:00.000Z" },
            "paths": [
                {
                    "path": "slack:#p1", "standing": "proven", "reason": null, "drill": null,
                    "proof": {
                        "at": "2026-11-23T10:00:01.250Z", "evidence": "accepted",
                        "receipt": "C1/17",
                    },
                },
                {
                    "path": "slack:#p2", "standing": "printed", "proof": null, "drill": null,
                    "reason": "messages are only printed where the hub runs: there is no `[slack]`",
                },
                {
                    "path": "sms:ana", "standing": "failed", "proof": null,
                    "reason": "the drill of 2026-11-23 10:00 UTC did not arrive: 30003\u{1b}[2J",
                    "drill": { "incident": 7, "state": "sent" },
                },
            ],
        });
        let paths = Paths::deserialize(&said).expect("as the API has it");
        insta::assert_snapshot!(listed(&paths, &Look::plain(80)), @r"
        proven    slack:#p1  accepted 2026-11-23 10:00:01 UTC (C1/17)
        NOT sent  slack:#p2  nothing is known to have arrived
                  messages are only printed where the hub runs: there is no `[slack]`
        failed    sms:ana    nothing is known to have arrived
                  the drill of 2026-11-23 10:00 UTC did not arrive: 30003\u{1b}[2J
        The next drill is on 2026-11-30 10:00 UTC.
        ");
        assert!(paths.paths[2].is_in(7) && !paths.paths[0].is_in(7));
    }

    fn path(standing: &str, incident: i64, state: &str) -> PathState {
        PathState {
            path: "sms:ana".into(),
            standing: standing.into(),
            reason: None,
            proof: None,
            drill: Some(Trial { incident, state: state.into() }),
        }
    }

    #[test]
    fn a_drill_is_waited_for_however_its_path_stood_before() {
        assert!(path("unproven", 7, "owed").is_under_way());
        assert!(path("unproven", 7, "sent").is_under_way(), "it may be delivered yet");
        assert!(path("broken", 7, "owed").is_under_way());
        assert!(!path("proven", 7, "sent").is_under_way());
        assert!(!path("failed", 7, "given_up").is_under_way());
    }

    #[test]
    fn what_a_round_leaves_out_is_not_passed_over() {
        let mut paths = vec![path("waiting", 6, "owed"), path("proven", 7, "sent")];
        assert_eq!(left_out(&mut paths, None).len(), 0);
        assert_eq!(left_out(&mut paths, Some(7)).len(), 1);
        assert!(paths[0].is_in(7));
        let mut paths = vec![PathState { drill: None, ..path("printed", 7, "sent") }];
        assert!(
            left_out(&mut paths, Some(7)).is_empty(),
            "it is shown, and does not count as told"
        );
    }
}
