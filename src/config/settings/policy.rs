//! `[[policy]]`: who is told, and at which stage.

use std::collections::BTreeMap;
use std::time::Duration;

use super::channels::slack_channel;
use super::people::{Addresses, People};
use super::tables;
use crate::config::check::{self, Known};
use crate::config::diagnostic::Span;
use crate::config::reader::{Field, Report, Table, no_hint};
use crate::config::suggestion;
use crate::config::value::Kind;
use crate::domain::id::validate_name;
use crate::domain::incident::acting;
use crate::domain::policy::{Condition, Mailbox, Policy, Quorum, Target, Tier};

/// The built-in policy and those written; one written under its name takes its place.
pub(super) fn read(
    written: Option<&Field<'_>>,
    addresses: &Addresses,
    people: &People,
    known: &mut Known,
    report: &mut Report,
) -> BTreeMap<String, Policy> {
    let built_in = Policy::built_in(team_on_call(people));
    let mut places: BTreeMap<String, Span> = BTreeMap::new();
    let mut policies = BTreeMap::from([(built_in.name.clone(), built_in.clone())]);
    for mut table in written.map(|it| tables("policy", it, report)).unwrap_or_default() {
        let name = table.required("name", "checks refer to it by its name", report);
        let name = name.and_then(|it| Some((it.text(report)?, it)));
        let labels = table.optional("for").map(|it| read_labels(&it, known, report));
        let policy = read_policy(table, addresses, known, report);
        let Some((name, field)) = name else { continue };
        if let Err(error) = validate_name(name) {
            report.error(&field.span, format!("`{name}` is no name: {error}"));
        }
        if let Some(first) = places.get(name) {
            let message = format!("a policy called `{name}` is there already");
            report.error(&field.span, message).relate(first.clone(), "here");
            continue;
        }
        places.insert(name.to_owned(), field.span);
        if let Some(labels) = labels {
            known.by_labels.push((name.to_owned(), labels.unwrap_or_default()));
        }
        if let Some(policy) = policy {
            policies.insert(name.to_owned(), Policy { name: name.to_owned(), ..policy });
        }
    }
    known.written_policies = places.keys().cloned().collect();
    known.policies = places.into_keys().chain(policies.keys().cloned()).collect();
    if known.general_policies().is_empty() {
        check_built_in(&built_in, addresses, report);
        if let Some(team) = team_on_call(people) {
            addresses.check_team_on_call(team, report);
        }
    }
    // One with a mistake is for no check.
    known.by_labels.retain(|(_, labels)| !labels.is_empty());
    policies
}

/// The labels of the checks that a policy is for.
fn read_labels(
    field: &Field<'_>,
    known: &Known,
    report: &mut Report,
) -> Option<BTreeMap<String, String>> {
    let labels = check::read_labels(field, report)?;
    if labels.is_empty() {
        report
            .error(&field.span, "`for` must name a label")
            .advise("write `for = { team = \"shop\" }`, or leave it out");
        return None;
    }
    let covers = |(_, earlier): &&(String, BTreeMap<String, String>)| {
        !earlier.is_empty() && earlier.iter().all(|(name, value)| labels.get(name) == Some(value))
    };
    if let Some((earlier, _)) = known.by_labels.iter().find(covers) {
        let message = format!("no check ever has this policy: `{earlier}` is for all of these");
        report.error(&field.span, message).advise("write the policy with more labels first");
        return None;
    }
    Some(labels)
}

/// Checks that the built-in policy reaches its Slack channels.
fn check_built_in(policy: &Policy, addresses: &Addresses, report: &mut Report) {
    let Some(reach) = &addresses.slack else { return };
    let targets = policy.tiers.iter().flat_map(|tier| &tier.notify);
    let channels = targets.filter_map(|target| match target {
        Target::Slack(channel) => Some(channel.as_str()),
        Target::Sms(_) | Target::Email(_) | Target::Webhook(_) | Target::Pagerduty(_) => None,
    });
    let missing: Vec<&str> = channels.filter(|it| !reach.webhooks.contains(*it)).collect();
    if missing.is_empty() {
        return;
    }
    let plural = if missing.len() == 1 { "" } else { "s" };
    let missing = suggestion::listed(missing);
    let message = format!(
        "no webhook reaches the Slack channel{plural} {missing}, which the built-in policy names"
    );
    report
        .error(&reach.section, message)
        .advise("add to [slack.webhooks], or write a `[[policy]]` with channels that are there");
}

/// The team that the built-in policy calls: `devops`, or else the only one.
fn team_on_call(people: &People) -> Option<&str> {
    let teams = &people.roster.teams;
    let devops = teams.get_key_value("devops").map(|(name, _)| name);
    let only = teams.keys().next().filter(|_| teams.len() == 1);
    devops.or(only).map(String::as_str)
}

/// All but the name.
fn read_policy(
    mut table: Table<'_>,
    addresses: &Addresses,
    known: &Known,
    report: &mut Report,
) -> Option<Policy> {
    let quorum = match table.optional("quorum") {
        Some(field) => read_quorum(&field, known, report),
        None => Some(Quorum::Count(1)),
    };
    let recover_after = match table.optional("recover_after") {
        Some(field) => field.integer(1..=1000, report),
        None => Some(1),
    };
    let length = |field: Option<Field<'_>>, report: &mut Report| match field {
        Some(field) => field.duration(Duration::ZERO..=LONGEST, report).map(Some),
        None => Some(None),
    };
    let reopen_within = length(table.optional("reopen_within"), report);
    let repeat_every = match table.optional("repeat_every") {
        Some(field) => field.duration(SHORTEST..=LONGEST, report).map(Some),
        None => Some(None),
    };
    let acknowledged_for = match table.optional("acknowledged_for") {
        Some(field) => field.duration(SHORTEST..=acting::LONGEST, report).map(Some),
        None => Some(None),
    };
    let help = "say who is told: `[[policy.tier]]` with `when` and `notify`";
    let field = table.required("tier", help, report);
    table.finish(report, no_hint);
    let mut tiers: Vec<Tier> = Vec::new();
    let mut before: Option<(u32, Span)> = None;
    let mut first = true;
    for tier in tables("policy.tier", &field?, report) {
        let Some((tier, span)) = read_tier(tier, addresses, report) else { continue };
        if std::mem::take(&mut first) && !tier.when.is_of_results() {
            report
                .error(&span, "the first tier must be reached by failures, or none ever is")
                .advise("write `when = { failures_in_a_row = 1 }`");
        }
        if let Condition::FailuresInARow(wanted) = tier.when {
            if let Some((failures, place)) = &before
                && wanted <= *failures
            {
                report
                    .error(&span, "a tier must need more failures in a row than the one before it")
                    .advise("write the mildest tier first")
                    .relate(place.clone(), "the one before");
            }
            before = Some((wanted, span));
        }
        tiers.push(tier);
    }
    Some(Policy {
        quorum: quorum?,
        recover_after: recover_after?,
        reopen_within: reopen_within?.unwrap_or(Policy::REOPEN_WITHIN),
        repeat_every: repeat_every?,
        acknowledged_for: acknowledged_for?.unwrap_or(Policy::ACKNOWLEDGED_FOR),
        ..Policy::of("", tiers)
    })
}

/// The longest time in a policy.
const LONGEST: Duration = Duration::from_hours(24);
/// The shortest after which something is done again.
const SHORTEST: Duration = Duration::from_secs(1);

fn read_quorum(field: &Field<'_>, known: &Known, report: &mut Report) -> Option<Quorum> {
    if let Kind::Integer(_) = field.kind() {
        let wanted = field.integer(1..=1000, report).map(Quorum::Count)?;
        let regions = known.regions.len();
        if wanted.exceeds(regions) {
            let are = if regions == 1 { "is 1 region" } else { &format!("are {regions} regions") };
            let message = format!("so many regions can never agree: there {are}");
            report
                .error(&field.span, message)
                .advise("name all in `regions = [...]` at the top, or write `quorum = \"all\"`");
        }
        return Some(wanted);
    }
    if let Kind::Text(_) = field.kind() {
        return field.word(&[("majority", Quorum::Majority), ("all", Quorum::All)], report);
    }
    field.unfit("a number of regions, `\"majority\"` or `\"all\"`", report);
    None
}

fn read_tier(
    mut table: Table<'_>,
    addresses: &Addresses,
    report: &mut Report,
) -> Option<(Tier, Span)> {
    let when = table.required("when", WHEN, report);
    let notify = table.required("notify", "write `notify = [\"slack:#p2\"]`", report);
    table.finish(report, no_hint);
    let when = when.and_then(|field| {
        let span = field.span.clone();
        Some((read_condition(&field, report)?, span))
    });
    let mut targets: Vec<Target> = Vec::new();
    for item in notify.and_then(|it| it.list(report)).unwrap_or_default() {
        let Some(target) = read_target(&item, addresses, report) else { continue };
        if targets.contains(&target) {
            report.warning(&item.span, format!("`{target}` is named twice in this tier"));
            continue;
        }
        targets.push(target);
    }
    let (when, span) = when?;
    Some((Tier { when, notify: targets }, span))
}

const WHEN: &str = "write `when = { failures_in_a_row = 2 }`";

/// What reaches a tier: one condition.
fn read_condition(field: &Field<'_>, report: &mut Report) -> Option<Condition> {
    let mut table = field.table("a table with one condition", report)?;
    let in_a_row = table.optional("failures_in_a_row");
    let failures = table.optional("failures");
    let of_last = table.optional("of_last");
    let within = table.optional("within");
    let unacknowledged = table.optional("unacknowledged_for");
    let open = table.optional("open_for");
    table.finish(report, no_hint);
    let named: Vec<&Field<'_>> =
        [&in_a_row, &failures, &unacknowledged, &open].into_iter().flatten().collect();
    if named.len() != 1 {
        let message = "a tier has one condition: `failures_in_a_row`, `failures` with `of_last` or \
                       `within`, `unacknowledged_for` or `open_for`";
        report.error(&field.span, message).advise(WHEN);
        return None;
    }
    if failures.is_none()
        && let Some(stray) = of_last.as_ref().or(within.as_ref())
    {
        report
            .error(&stray.key_span, "this belongs to `failures`")
            .advise("write `when = { failures = 3, of_last = 5 }`");
        return None;
    }
    if let Some(field) = in_a_row {
        return field.integer(1..=10_000, report).map(Condition::FailuresInARow);
    }
    if let Some(field) = unacknowledged {
        return field.duration(SHORTEST..=LONGEST, report).map(Condition::UnacknowledgedFor);
    }
    if let Some(field) = open {
        return field.duration(SHORTEST..=LONGEST, report).map(Condition::OpenFor);
    }
    let field = failures?;
    let count: u32 = field.integer(1..=Condition::MOST_FAILURES, report)?;
    match (of_last, within) {
        (Some(of_last), None) => {
            let answers: u32 = of_last.integer(1..=1000, report)?;
            if answers < count {
                let message = format!("{count} failures cannot be among the last {answers} runs");
                report.error(&of_last.span, message);
                return None;
            }
            Some(Condition::FailuresOfLast { failures: count, of_last: answers })
        }
        (None, Some(within)) => {
            let within = within.duration(SHORTEST..=LONGEST, report)?;
            Some(Condition::FailuresWithin { failures: count, within })
        }
        _ => {
            report
                .error(&field.span, "`failures` needs either `of_last` or `within`")
                .advise("write `when = { failures = 3, within = \"10m\" }`");
            None
        }
    }
}

/// A list of targets, each once.
pub(super) fn read_targets(
    field: Option<&Field<'_>>,
    addresses: &Addresses,
    report: &mut Report,
) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for item in field.and_then(|it| it.list(report)).unwrap_or_default() {
        let Some(target) = read_target(&item, addresses, report) else { continue };
        if targets.contains(&target) {
            report.warning(&item.span, format!("`{target}` is named twice"));
            continue;
        }
        targets.push(target);
    }
    targets
}

pub(super) fn read_target(
    field: &Field<'_>,
    addresses: &Addresses,
    report: &mut Report,
) -> Option<Target> {
    let text = field.filled_text(report)?;
    match text.split_once(':') {
        Some(("slack", channel)) => match slack_channel(channel) {
            Ok(()) => {
                addresses.check_slack(channel, &field.span, report);
                Some(Target::Slack(channel.to_owned()))
            }
            Err(message) => {
                report.error(&field.span, message);
                None
            }
        },
        Some(("sms", name)) => {
            addresses.check_sms(name, &field.span, report);
            Some(Target::Sms(name.to_owned()))
        }
        Some(("email", name)) => {
            addresses.check_email(name, &field.span, report);
            Some(Target::Email(name.to_owned()))
        }
        Some(("webhook", name)) => {
            addresses.check_section("webhook", name, &field.span, report);
            Some(Target::Webhook(name.to_owned()))
        }
        Some(("pagerduty", name)) => {
            addresses.check_section("pagerduty", name, &field.span, report);
            Some(Target::Pagerduty(name.to_owned()))
        }
        _ => {
            let message = format!("`{text}` is no target");
            let help = target_meant(text, addresses);
            report.error(&field.span, message).advise(help);
            None
        }
    }
}

/// What was probably meant by a target without a known channel.
fn target_meant(text: &str, addresses: &Addresses) -> String {
    const FORM: &str = "a target is `slack:#channel`, `sms:` or `email:` and a rota, team or person, \
                        `email:` and an address, `webhook:name` or `pagerduty:name`";
    let channel = text.split_once(':');
    if let Some((channel, rest)) = channel
        && let Some(near) =
            suggestion::closest(channel, ["slack", "sms", "email", "webhook", "pagerduty"])
    {
        return format!("did you mean `{near}:{rest}`?");
    }
    if text.starts_with('#') {
        return format!("did you mean `slack:{text}`?");
    }
    if Mailbox::is_address(text) && channel.is_none() {
        return format!("did you mean `email:{text}`?");
    }
    let Addresses { people, teams, rotas, .. } = addresses;
    if rotas.contains_key(text) || teams.contains_key(text) || people.contains_key(text) {
        return format!("did you mean `sms:{text}`?");
    }
    FORM.into()
}
