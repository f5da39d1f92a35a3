//! On-call: who is on duty now and in the next two weeks, and what is wrong with that.

use axum::extract::{RawQuery, State};
use chrono::{NaiveTime, TimeDelta};
use chrono_tz::Tz;
use maud::{Markup, PreEscaped, html};

use super::layout::{Frame, Section};
use super::{Page, controls, wording};
use crate::chart::{self, Duty, Heading, Millis, Timeline};
use crate::domain::id::PersonId;
use crate::domain::policy::Roster;
use crate::domain::rota::{FORESEEN, Finding, Rota, Shift, findings};
use crate::domain::zone::Zone;
use crate::domain::{Timestamp, after};
use crate::http::Api;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;

/// Where it is.
pub(super) const PATH: &str = "/on-call";

/// So far ahead is shown.
const SHOWN: TimeDelta = TimeDelta::days(14);

/// So many times are listed of one finding.
const SPANS: usize = 5;

/// So many shifts of a rota are listed.
const SHIFTS: usize = 100;

/// All rotas.
pub(super) async fn page(
    State(api): State<Api>,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let (rulebook, now) = (api.acts.judge.current(), frame.now);
    let roster = rulebook.roster();
    let found = findings(roster, rulebook.policies(), (now, after(now, FORESEEN)));
    let content = html! {
        h1 { "On-call" }
        div #rotas data-live {
            @for (at, rota) in roster.rotas.values().enumerate() { (shown(rota, at, now)) }
            @if roster.rotas.is_empty() { (nothing()) }
        }
        @if !roster.rotas.is_empty() || !found.is_empty() {
            section aria-labelledby="findings-title" {
                h2 #findings-title { "What is wrong in the next 30 days" }
                (wrong(&found, roster))
            }
        }
    };
    Ok(frame.page(Section::OnCall, "On-call", &content))
}

fn nothing() -> Markup {
    controls::nothing(
        "There is no rota.",
        &html! {
            "Who is told is always the same. Write " code { "[rota.NAME]" } " in tripline.toml to have people \
             take turns, and name it in a policy like " code { "sms:NAME" } "."
        },
    )
}

fn shown(rota: &Rota, at: usize, now: Timestamp) -> Markup {
    let zone = rota.zone();
    let today = zone.wall_clock(now).date();
    let midnight = |date: chrono::NaiveDate| zone.instant_of(date.and_time(NaiveTime::MIN));
    let begin = midnight(today);
    let until = today.checked_add_signed(SHOWN).map_or(begin + SHOWN, midnight);
    let shifts = rota.shifts(begin, until);
    let title = format!("rota-{at}");
    html! {
        section aria-labelledby=(title) {
            h2 id=(title) { (rota.name) }
            p { (on_duty(rota, now)) }
            (PreEscaped(calendar(rota, &shifts, (begin, until), now)))
            details id={ "shifts-" (at) } {
                summary { (wording::count(shifts.len(), "shift")) " in words" }
                (listed(&shifts, rota, now))
            }
        }
    }
}

/// Who it is now, and until when.
fn on_duty(rota: &Rota, now: Timestamp) -> Markup {
    let next = rota.next_change(now);
    html! {
        @match rota.duty(now) {
            Some(duty) => {
                span.mark.up { strong { (duty.person) } " is on duty" }
                " (" (duty.by) ")"
            }
            None => {
                span.mark.down { "Nobody is on duty" }
                "; all of " (rota.team) " are told"
            }
        }
        @if let Some(next) = next {
            " until " (wall_time(rota.zone(), next)) span.quiet { " (" (rota.zone()) ")" }
        }
        "."
    }
}

fn calendar(
    rota: &Rota,
    shifts: &[Shift],
    (begin, until): (Timestamp, Timestamp),
    now: Timestamp,
) -> String {
    let span = |shift: &Shift| (shift.from.timestamp_millis(), shift.until.timestamp_millis());
    let whose = |person: &PersonId| -> Vec<(Millis, Millis)> {
        let own = |it: &&Shift| it.duty.as_ref().is_some_and(|duty| duty.person == *person);
        shifts.iter().filter(own).map(span).collect()
    };
    let rows = rota.people().into_iter();
    let timeline = Timeline {
        frame: chart::Frame {
            title: format!("Who is on duty of {}", rota.name),
            heading: Heading::Spoken,
            span: (begin.timestamp_millis(), until.timestamp_millis()),
            zone: rota.zone().name().parse().unwrap_or(Tz::UTC),
        },
        rows: rows.map(|it| Duty { name: it.to_string(), spans: whose(it) }).collect(),
        holes: shifts.iter().filter(|it| it.duty.is_none()).map(span).collect(),
        now: Some(now.timestamp_millis()),
    };
    chart::fluid(|width| timeline.svg(width))
}

fn listed(shifts: &[Shift], rota: &Rota, now: Timestamp) -> Markup {
    let zone = rota.zone();
    let to_come = shifts.iter().filter(|shift| shift.until > now);
    html! {
        table.cards {
            caption { "Times in " (zone) }
            thead {
                tr {
                    th scope="col" { "Who" }
                    th scope="col" { "From" }
                    th scope="col" { "Until" }
                    th scope="col" { "By" }
                }
            }
            tbody {
                @for shift in to_come.take(SHIFTS) {
                    tr {
                        th scope="row" {
                            @match &shift.duty {
                                Some(duty) => (duty.person),
                                None => span.mark.down { "nobody" },
                            }
                        }
                        td data-label="From" { (wall_time(zone, shift.from)) }
                        td data-label="Until" { (wall_time(zone, shift.until)) }
                        td data-label="By" {
                            @match &shift.duty {
                                Some(duty) => (duty.by),
                                None => { "all of " (rota.team) " are told" }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn wrong(found: &[Finding], roster: &Roster) -> Markup {
    if found.is_empty() {
        return html! {
            p.calm { span.mark.up { "No gaps" } ": somebody is on duty at any time, and can be reached." }
        };
    }
    html! {
        ul.findings {
            @for finding in found {
                @let (spans, zone) = (finding.spans(), finding.zone(roster));
                li {
                    span.mark.down { (finding.in_words()) }
                    @if !spans.is_empty() {
                        ul {
                            @for (from, until) in spans.iter().take(SPANS) {
                                li {
                                    (wall_time(zone, *from)) " until " (wall_time(zone, *until))
                                    span.quiet { " (" (zone) ")" }
                                }
                            }
                            @if spans.len() > SPANS { li.quiet { "and " (spans.len() - SPANS) " more" } }
                        }
                    }
                }
            }
        }
    }
}

/// What the clocks of a zone show. The reader's own would say another day of a rota that hands over at
/// midnight, so no script rewrites it.
fn wall_time(zone: Zone, at: Timestamp) -> Markup {
    let exact = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let title = at.format("%A, %-d %B %Y %H:%M UTC").to_string();
    let text = zone.wall_clock(at).format("%a %-d %b %H:%M").to_string();
    html! { time datetime=(exact) title=(title) { (text) } }
}
