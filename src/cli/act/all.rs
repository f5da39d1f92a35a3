//! `tripline ack --all`: acknowledges whatever is open and meant, one incident after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use serde::Deserialize;
use serde_json::Value;

use super::{acknowledge, acknowledged, stop};
use crate::app::asking::{Asked, Error};
use crate::cli::args::Chosen;
use crate::cli::exit::Exit;
use crate::cli::look::{Look, Paint, clean, counted, cut, padded};
use crate::cli::run::Stop;
use crate::cli::terminal::{Stream, Terminal};
use crate::domain::Timestamp;

/// An incident as far as it is chosen by, and shown.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Open {
    id: i64,
    subject: String,
    check: Option<String>,
    since: Timestamp,
    cause: Cause,
    acknowledged: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Cause {
    region: String,
    error: String,
}

#[derive(Debug, Deserialize)]
struct Listed {
    incidents: Vec<Open>,
    next_before: Option<i64>,
}

/// What is known of a check.
#[derive(Debug, Deserialize)]
struct Labelled {
    labels: BTreeMap<String, String>,
}

/// Acknowledges those that are `chosen`, after asking whether they are meant where that is not said.
pub(super) async fn ack(
    (chosen, is_sure): (&Chosen, bool),
    body: &Value,
    asked: &Asked,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let mut open = every(asked).await.map_err(stop)?;
    let labels = labels(chosen, &open, asked).await.map_err(stop)?;
    open.retain(|it| it.acknowledged.is_none() && is_meant(it, chosen, &labels));
    open.sort_by_key(|it| it.id);
    let look = terminal.look(Stream::Out);
    let mut out = anstream::stdout();
    if open.is_empty() {
        writeln!(out, "Nothing to acknowledge: no such incident is open without somebody.")?;
        return Ok(Exit::Good);
    }
    if !is_sure && !confirmed(&open, &look)? {
        writeln!(out, "Nothing was acknowledged.")?;
        return Ok(Exit::Good);
    }
    for it in &open {
        let line = match acknowledge(asked, it.id, body).await {
            Ok(done) => {
                format!("{}  {}", acknowledged(it.id, &done), clean(&it.subject))
            }
            // It may be over by now; the others are to be acknowledged all the same.
            Err(Error::Refused(why)) => format!("#{} is not acknowledged: {}", it.id, clean(&why)),
            Err(error) => return Err(stop(error)),
        };
        writeln!(out, "{line}")?;
    }
    Ok(Exit::Good)
}

/// All that are open, by pages.
async fn every(asked: &Asked) -> Result<Vec<Open>, Error> {
    let (mut open, mut before) = (Vec::new(), None);
    loop {
        let next = before.map(|before: i64| before.to_string());
        let mut parameters = vec![("open_only", "true"), ("limit", "500")];
        parameters.extend(next.as_deref().map(|before| ("before", before)));
        let page: Listed = asked.find(&["incidents"], &parameters).await?;
        open.extend(page.incidents);
        before = page.next_before;
        if before.is_none() {
            return Ok(open);
        }
    }
}

/// The labels of the checks that incidents are about, where they matter. A check that is gone has none.
async fn labels(
    chosen: &Chosen,
    open: &[Open],
    asked: &Asked,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, Error> {
    let mut all = BTreeMap::new();
    if chosen.labels.is_empty() {
        return Ok(all);
    }
    let checks: BTreeSet<&String> = open.iter().filter_map(|it| it.check.as_ref()).collect();
    for check in checks {
        match asked.get::<Labelled>(&["checks", check]).await {
            Ok(found) => all.insert(check.clone(), found.labels),
            Err(Error::Refused(_)) => None,
            Err(error) => return Err(error),
        };
    }
    Ok(all)
}

fn is_meant(
    open: &Open,
    chosen: &Chosen,
    labels: &BTreeMap<String, BTreeMap<String, String>>,
) -> bool {
    let Chosen { checks, regions, labels: wanted } = chosen;
    let own = open.check.as_ref().and_then(|check| labels.get(check));
    let is_labelled = |(name, value): &(String, String)| {
        own.is_some_and(|own| own.get(name).is_some_and(|it| it == value))
    };
    (checks.is_empty() || open.check.as_ref().is_some_and(|it| checks.contains(it)))
        && (regions.is_empty() || regions.contains(&open.cause.region))
        && wanted.iter().all(is_labelled)
}

/// Asks whoever sits at the terminal whether these are meant.
fn confirmed(open: &[Open], look: &Look) -> Result<bool, Stop> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        let count = counted(open.len(), "incident");
        let text = format!("{count} would be acknowledged; say that they are meant with `--yes`");
        return Err(Stop::Usage(text));
    }
    let mut out = anstream::stdout();
    write!(out, "{}Acknowledge {}? [y/N] ", listed(open, look), counted(open.len(), "incident"))?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn listed(open: &[Open], look: &Look) -> String {
    let width = open.iter().map(|it| it.subject.len()).max().unwrap_or_default() + 2;
    let mut text = String::new();
    for it in open {
        let number = look.paint(Paint::Strong, &format!("{:>6}", format!("#{}", it.id)));
        let since = it.since.format("%Y-%m-%d %H:%M UTC");
        let subject = padded(&clean(&it.subject), width);
        let error = cut(&clean(&it.cause.error), 60);
        let _ = writeln!(text, "{number}  {subject}since {since}  {error}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(id: i64, check: &str, region: &str) -> Open {
        Open {
            id,
            subject: format!("check:{check}"),
            check: Some(check.to_owned()),
            since: "2026-11-21T03:00:00Z".parse().expect("a time"),
            cause: Cause { region: region.into(), error: "expected\u{1b}[2J 200".into() },
            acknowledged: None,
        }
    }

    #[test]
    fn those_are_meant_that_fit_all_that_is_named() {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let labels = [("login".to_owned(), [label("team", "shop")].into())].into();
        let all = [open(1, "login", "eu"), open(2, "pay", "eu"), open(3, "login", "us")];
        let meant = |checks: &[&str], regions: &[&str], wanted: &[(String, String)]| {
            let words = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
            let chosen =
                Chosen { checks: words(checks), regions: words(regions), labels: wanted.to_vec() };
            let meant = all.iter().filter(|it| is_meant(it, &chosen, &labels));
            meant.map(|it| it.id).collect::<Vec<_>>()
        };
        assert_eq!(meant(&[], &[], &[]), [1, 2, 3]);
        assert_eq!(meant(&["pay", "search"], &[], &[]), [2]);
        assert_eq!(meant(&["login"], &["us"], &[]), [3]);
        assert_eq!(meant(&[], &["eu"], &[label("team", "shop")]), [1]);
        assert_eq!(meant(&[], &[], &[label("team", "shop"), label("tier", "1")]), [0; 0]);
    }

    #[test]
    fn what_is_asked_about_is_shown() {
        insta::assert_snapshot!(
            listed(&[open(7, "login", "eu"), open(12, "shop/pay", "us")], &Look::plain(80)),
            @r"
            #7  check:login     since 2026-11-21 03:00 UTC  expected\u{1b}[2J 200
           #12  check:shop/pay  since 2026-11-21 03:00 UTC  expected\u{1b}[2J 200
        "
        );
    }
}
