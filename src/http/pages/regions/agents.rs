//! The agents of a region as rows.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::http::dto::{Agent, AgentState};
use crate::http::pages::wording;
use crate::link::protocol::SKEW_WARNING;
use crate::store::agents::AgentRecord;

/// The names of those among which the checks of their region are divided: they live, know what to run,
/// and keep their schedule.
pub(super) fn at_work<'a>(agents: &[&'a AgentRecord], now: Timestamp) -> Vec<&'a str> {
    let works = |agent: &&&AgentRecord| {
        agent.is_heard(now) && !agent.is_stalled() && agent.presence.revision.is_some()
    };
    agents.iter().filter(works).map(|agent| agent.presence.name.as_str()).collect()
}

/// All of them; `shares` says how many checks each has.
pub(super) fn table(
    agents: &[&AgentRecord],
    shares: &BTreeMap<&str, usize>,
    (version, now): (&str, Timestamp),
) -> Markup {
    html! {
        table.cards {
            caption.unseen { "Agents" }
            thead {
                tr {
                    th scope="col" { "Agent" }
                    th scope="col" { "State" }
                    th scope="col" { "Last heard" }
                    th scope="col" title="Of the region's checks" { "Checks" }
                    th scope="col" title="How far its schedule is behind" { "Lag" }
                    th scope="col" title="How far its clock is from the hub's" { "Clock" }
                    th scope="col" title="Reports that wait to be sent" { "Spool" }
                    th scope="col" { "Version" }
                }
            }
            tbody {
                @for agent in agents {
                    @let share = shares.get(agent.presence.name.as_str()).copied().unwrap_or_default();
                    (row(agent, share, (version, now)))
                }
            }
        }
    }
}

fn row(record: &AgentRecord, share: usize, (version, now): (&str, Timestamp)) -> Markup {
    let agent = Agent::new(record, now);
    html! {
        tr {
            th scope="row" { (agent.name) }
            td data-label="State" { (state(record, &agent, now)) }
            td data-label="Last heard" { (wording::ago(record.last_seen, now)) }
            td data-label="Checks" { (share) }
            td data-label="Lag" { (wording::length(record.presence.lag())) }
            td data-label="Clock" { (clock(record.presence.skew_us)) }
            td data-label="Spool" { (spool(&agent)) }
            td data-label="Version" {
                (agent.version)
                @if agent.version != version { span.quiet { " (hub: " (version) ")" } }
            }
        }
    }
}

fn state(record: &AgentRecord, agent: &Agent, now: Timestamp) -> Markup {
    html! {
        @match (agent.state, agent.stalled) {
            (AgentState::Live, _) => span.mark.up { "live" },
            (AgentState::Left, _) => {
                span.mark.never { "stopped" } " "
                @if let Some(at) = record.left_at { span.quiet { (wording::ago(at, now)) } }
            }
            (AgentState::Lost, true) if record.is_heard(now) => {
                span.mark.down { "behind its schedule" }
                span.quiet { " and runs nothing" }
            }
            (AgentState::Lost, _) => {
                span.mark.down { "lost" } " "
                span.quiet { "for " (wording::lasting(record.last_seen, now)) }
            }
        }
    }
}

/// How far its clock is ahead or behind; what makes results hard to compare stands out.
fn clock(skew_us: i64) -> Markup {
    let skew = std::time::Duration::from_micros(skew_us.unsigned_abs());
    let side = if skew_us < 0 { "behind" } else { "ahead" };
    let text = match skew.as_millis() {
        0 => "on time".to_owned(),
        _ => format!("{} {side}", wording::length(skew)),
    };
    html! {
        @if skew > SKEW_WARNING {
            span.mark.down title="Set the clock of that machine by NTP" { (text) }
        } @else { (text) }
    }
}

fn spool(agent: &Agent) -> Markup {
    let spool = &agent.spool;
    let reports = usize::try_from(spool.reports).unwrap_or(usize::MAX);
    html! {
        @if reports == 0 { "empty" } @else {
            (wording::count(reports, "report")) ", " (wording::bytes(spool.bytes))
        }
        @if spool.lost > 0 { span.mark.down { (spool.lost) " lost for want of room" } }
        @if spool.thinned > 0 {
            span.quiet title="Reports of passed runs that were dropped for want of room" {
                " " (spool.thinned) " thinned out"
            }
        }
    }
}
