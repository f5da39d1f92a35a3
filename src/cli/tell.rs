//! `tripline tell`: sends a test message, so that credentials are proven before they are needed.

use std::collections::BTreeSet;
use std::io::Write;

use super::args::{Global, Tell};
use super::exit::Exit;
use super::look::{Look, Paint, clean};
use super::run::{self, Stop};
use super::terminal::{Stream, Terminal};
use super::up::with_causes;
use crate::app::channels::rehearse;
use crate::app::project::Reading;
use crate::clock::{self, Clock as _};
use crate::config::Project;
use crate::domain::Timestamp;
use crate::domain::notification::Attempt;
use crate::domain::policy::{Recipient, Target};

/// Runs the command.
pub(super) async fn run(wanted: &Tell, global: &Global, terminal: &Terminal) -> Result<Exit, Stop> {
    let root = run::root(global, terminal)?;
    let environment = run::environment(global, terminal)?;
    let reading = Reading::begin(&root, &environment);
    let pool = run::pool(&reading)?;
    let project = run::project(reading, &pool, global, terminal).await?;
    let recipients = recipients(wanted, &project, clock::System.now())?;
    let look = terminal.look(Stream::Out);
    let mut out = anstream::stdout();
    let mut all_told = true;
    for recipient in recipients {
        let attempt = rehearse(&project.settings, &recipient, clock::System.now()).await;
        let attempt = attempt.map_err(|error| Stop::Broken(with_causes(&error)))?;
        all_told &= matches!(attempt, Some(Attempt::Accepted { .. }));
        writeln!(out, "{}", look.folded(&line(&recipient, attempt.as_ref(), &look), INDENT))?;
    }
    Ok(if all_told { Exit::Good } else { Exit::NotTold })
}

/// Where the text of a line begins, after its sign.
const INDENT: usize = 2;

/// What came of one attempt.
fn line(recipient: &Recipient, attempt: Option<&Attempt>, look: &Look) -> String {
    let recipient = clean(&recipient.to_string());
    let (sign, paint, said) = match attempt {
        Some(Attempt::Accepted { receipt }) => {
            let receipt = look.paint(Paint::Faint, &format!("({})", clean(receipt)));
            (look.sign("→", ">"), Paint::Accent, format!("was told  {receipt}"))
        }
        Some(
            Attempt::Retry { reason, .. } | Attempt::GiveUp { reason } | Attempt::Broken { reason },
        ) => (look.sign("✗", "x"), Paint::Bad, format!("NOT TOLD: {}", clean(reason))),
        Some(Attempt::Ambiguous { reason }) => {
            (look.sign("…", "~"), Paint::Unsure, format!("may have been told: {}", clean(reason)))
        }
        None => {
            let why = "its channel is not set up in tripline.toml".to_owned();
            (look.sign("✗", "x"), Paint::Bad, format!("NOT TOLD: {why}"))
        }
    };
    format!("{} {recipient} {said}", look.paint(paint, sign))
}

/// Whom the command line means, each once.
fn recipients(
    wanted: &Tell,
    project: &Project,
    now: Timestamp,
) -> Result<BTreeSet<Recipient>, Stop> {
    let known = targets(project);
    let roster = &project.settings.people.roster;
    let listed = || known.iter().map(Target::to_string).collect::<Vec<_>>().join(", ");
    if wanted.all {
        return Ok(known.iter().flat_map(|target| roster.called(target, now)).collect());
    }
    if wanted.targets.is_empty() {
        let all = listed();
        return Err(Stop::Usage(format!("name whom to tell, or --all; the policies name {all}")));
    }
    let mut recipients = BTreeSet::new();
    for text in &wanted.targets {
        let found = target(text).map(|target| roster.called(&target, now)).unwrap_or_default();
        if found.is_empty() {
            let all = listed();
            return Err(Stop::Usage(format!(
                "nobody is reached by `{text}`; write slack:#channel, webhook:name, pagerduty:name, or \
                 sms: or email: and a rota, team or person; the policies name {all}"
            )));
        }
        recipients.extend(found);
    }
    Ok(recipients)
}

/// Whom the policies of the checks tell; of all policies where there is no check yet.
fn targets(project: &Project) -> BTreeSet<Target> {
    let is_used = |name: &str| {
        project.checks.is_empty() || project.checks.values().any(|check| check.policy == name)
    };
    let policies = project.settings.policies.iter().filter(|(name, _)| is_used(name));
    let tiers = policies.flat_map(|(_, policy)| &policy.tiers);
    tiers.flat_map(|tier| tier.notify.iter().cloned()).collect()
}

fn target(text: &str) -> Option<Target> {
    match text.split_once(':') {
        Some(("slack", channel)) if !channel.is_empty() => Some(Target::Slack(channel.to_owned())),
        Some(("sms", name)) => Some(Target::Sms(name.to_owned())),
        Some(("email", name)) if !name.is_empty() => Some(Target::Email(name.to_owned())),
        Some(("webhook", name)) if !name.is_empty() => Some(Target::Webhook(name.to_owned())),
        Some(("pagerduty", name)) if !name.is_empty() => Some(Target::Pagerduty(name.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::PersonId;

    #[test]
    fn what_came_of_it_is_one_line() {
        let look = Look::plain(80);
        let say = |attempt: Option<Attempt>| {
            line(&Recipient::Slack("#p2".into()), attempt.as_ref(), &look)
        };
        let accepted = say(Some(Attempt::Accepted { receipt: "C1/17".into() }));
        assert_eq!(accepted, "→ slack:#p2 was told  (C1/17)");
        let refused = say(Some(Attempt::GiveUp { reason: "no\u{1b}".into() }));
        assert_eq!(refused, "✗ slack:#p2 NOT TOLD: no\\u{1b}");
        assert!(say(None).ends_with("its channel is not set up in tripline.toml"));
        let unsure = Some(Attempt::Ambiguous { reason: "timed out".into() });
        let ana = Recipient::Sms(PersonId::new("ana").expect("a good name"));
        let line = line(&ana, unsure.as_ref(), &look);
        assert_eq!(line, "… sms:ana may have been told: timed out");
    }

    #[test]
    fn targets_are_written_as_in_policies() {
        assert_eq!(target("slack:#p2"), Some(Target::Slack("#p2".into())));
        assert_eq!(target("sms:devops"), Some(Target::Sms("devops".into())));
        assert_eq!(target("email:a@b.org"), Some(Target::Email("a@b.org".into())));
        assert_eq!(target("webhook:chat"), Some(Target::Webhook("chat".into())));
        assert_eq!(target("pagerduty:shop"), Some(Target::Pagerduty("shop".into())));
        assert_eq!([target("#p2"), target("slack:"), target("mail:x")], [None, None, None]);
    }
}
