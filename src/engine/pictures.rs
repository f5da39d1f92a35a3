//! Pictures beside messages: how long the runs of a check took, or the expression of a rule with its threshold,
//! in the thread of an incident's first message.
//!
//! It is work beside the work: a message that was accepted is not held up, repeated or undone by anything that
//! becomes of its picture, and none of this is known to the lanes that tell people. A picture is tried a few
//! times and then left; of an incident that is over by then there is none.
//!
//! Must not: tell anybody anything that is in no message.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::TimeDelta;
use chrono_tz::Tz;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::drawing::{self, Drawing, Grid};
use super::queries::{Queries, Refusal};
use super::rules::RuleSet;
use crate::chart::{self, Frame, Heading, Line, Lines, Mark, Shade, Theme, Unit};
use crate::clock::{Clock, Halt};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::subject::Subject;
use crate::notify::{Picture, Shown, Transport};
use crate::store::pictures::{Pictures, Unillustrated};
use crate::store::{Error, IncidentRecord, Store};

/// Results become points a moment after they are stored, and the last ones are the point of the picture.
const SETTLE: Duration = Duration::from_secs(3);
/// One looks at least so often: somebody may have died before.
const PAUSE: Duration = Duration::from_mins(1);
/// What was told longer ago has no picture any more.
const LATELY: TimeDelta = TimeDelta::minutes(3);
/// So many are taken in hand at once.
const AT_ONCE: u32 = 8;
/// So often one picture is tried.
const ATTEMPTS: u32 = 3;
/// The pauses between attempts, unless something longer is asked for, and the longest that is heeded.
const AGAIN: Duration = Duration::from_secs(5);
/// See [`AGAIN`].
const LONGEST_AGAIN: Duration = Duration::from_mins(1);
/// How long an expression may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How wide the drawing is, and how many points a unit of it has: read on a telephone, on which a message is
/// as wide as the drawing, and sharp there.
const WIDTH: u16 = 400;
const DENSITY: u16 = 3;
/// A drawing has about so many points of each series.
const POINTS: i64 = 240;

/// Draws pictures and has them shown.
pub struct Illustrator {
    /// Which messages have none.
    pub store: Arc<dyn Pictures>,
    /// What they tell of.
    pub incidents: Arc<dyn Store>,
    /// Where expressions are asked.
    pub queries: Queries,
    /// Which rules there are.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// Which checks there are.
    pub checks: Arc<ArcSwap<Vec<Arc<Check>>>>,
    /// Who shows them.
    pub transport: Arc<dyn Transport>,
    /// When.
    pub clock: Arc<dyn Clock>,
    /// Woken when a message was accepted.
    pub sent: Arc<Notify>,
    /// What is in the way, as it was said last.
    pub obstacle: Mutex<Option<String>>,
}

impl std::fmt::Debug for Illustrator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Illustrator").finish_non_exhaustive()
    }
}

impl Illustrator {
    /// Goes on until `halt` is asked for.
    pub async fn run(self, halt: Halt) {
        while !halt.is_asked() {
            tokio::select! {
                () = halt.asked() => break,
                () = self.sent.notified() => {}
                () = sleep(PAUSE) => {}
            }
            let round = async {
                sleep(SETTLE).await;
                if let Err(error) = self.tick(self.clock.now()).await {
                    tracing::debug!(%error, "there are no pictures beside messages now");
                }
            };
            tokio::select! {
                () = halt.asked() => break,
                () = round => {}
            }
        }
    }

    /// Has a picture shown beside each message that wants one at `now`.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; what was taken in hand by then has none.
    pub async fn tick(&self, now: Timestamp) -> Result<(), Error> {
        for message in self.store.claim_pictures(now - LATELY, AT_ONCE, now).await? {
            self.illustrate(&message, now).await?;
        }
        Ok(())
    }

    async fn illustrate(&self, message: &Unillustrated, now: Timestamp) -> Result<(), Error> {
        let Some(history) = self.incidents.incident(message.incident).await? else {
            return Ok(());
        };
        match self.drawn(&history.record, now).await {
            Ok(Some(picture)) => self.show(message, &picture).await,
            Ok(None) => {}
            Err(error) => {
                let incident = message.incident.0;
                tracing::debug!(incident, %error, "nothing could be drawn");
            }
        }
        Ok(())
    }

    /// The picture of an incident; none where there is nothing to be drawn, or it is over.
    async fn drawn(
        &self,
        record: &IncidentRecord,
        now: Timestamp,
    ) -> Result<Option<Picture>, Refusal> {
        if record.incident.resolved_at.is_some() {
            return Ok(None);
        }
        let opened = record.incident.opened_at.timestamp_millis();
        let chart = match &record.subject {
            Subject::Check(id) => {
                let check = self.checks.load().iter().find(|it| it.id == *id).cloned();
                let Some(check) = check else { return Ok(None) };
                self.durations(&check, opened, now).await?
            }
            Subject::Rule(name) => {
                let rules = self.rules.load_full();
                let rule = rules.rules.iter().find(|it| it.rule.name == *name);
                let Some(rule) = rule.map(|it| &it.rule) else { return Ok(None) };
                let grid = grid(TimeDelta::hours(1), now);
                let drawing = drawing::of_rule(&self.queries, rule, grid, PATIENCE).await?;
                chart_of(drawing, (rule.name.as_str().to_owned(), Unit::Number), grid, opened)
            }
            _ => return Ok(None),
        };
        if chart.lines.iter().all(|line| line.points.is_empty()) {
            return Ok(None);
        }
        painted(chart).await
    }

    /// How long the runs of a check took, by region.
    async fn durations(
        &self,
        check: &Check,
        opened: i64,
        now: Timestamp,
    ) -> Result<Lines, Refusal> {
        let sixty = check.schedule.interval(now).saturating_mul(60);
        let sixty = TimeDelta::from_std(sixty).unwrap_or(TimeDelta::days(1));
        let grid = grid(sixty.clamp(TimeDelta::hours(1), TimeDelta::days(1)), now);
        // A name needs no escaping.
        let text =
            format!("max by (region) (tripline_check_duration_seconds{{check=\"{}\"}})", check.id);
        let mut drawing = drawing::of_text(&self.queries, &text, grid, PATIENCE).await?;
        for line in &mut drawing.lines {
            line.name = line.name.trim_start_matches("region=").to_owned();
        }
        let span = (opened, grid.end);
        drawing.shades.push(Shade { span, name: "down".to_owned() });
        let title = format!("{}: how long runs took", check.name);
        Ok(chart_of(drawing, (title, Unit::Seconds), grid, opened))
    }

    async fn show(&self, message: &Unillustrated, picture: &Picture) {
        for attempt in 1..=ATTEMPTS {
            let (reason, pause) = match self.transport.show(&message.receipt, picture).await {
                Shown::Done => return *self.obstacle() = None,
                Shown::Never { reason } => return self.say(reason),
                Shown::Later { reason, after } => {
                    (reason, after.unwrap_or(AGAIN * attempt).min(LONGEST_AGAIN))
                }
            };
            if attempt == ATTEMPTS {
                return self.say(reason);
            }
            sleep(pause).await;
        }
    }

    /// Says what is in the way, once for as long as it is the same.
    fn say(&self, reason: String) {
        let mut said = self.obstacle();
        if said.as_ref() != Some(&reason) {
            tracing::warn!(
                event.action = "picture-not-shown",
                reason,
                "a message has no picture; the message itself was sent, and nobody waits for this"
            );
            *said = Some(reason);
        }
    }

    fn obstacle(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.obstacle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn grid(length: TimeDelta, now: Timestamp) -> Grid {
    let (length, end) = (length.num_milliseconds(), now.timestamp_millis());
    Grid { start: end - length, end, step: (length / POINTS).max(5_000) }
}

/// From when on something is drawn: what begins later than the grid has no empty place before it, but for a
/// little.
fn first_of(lines: &[Line], grid: Grid) -> i64 {
    const LEAST: i64 = 10 * 60 * 1_000;
    let first = lines.iter().filter_map(|line| line.points.first()).map(|(at, _)| *at).min();
    first.map_or(grid.start, |first| first.min(grid.end - LEAST).max(grid.start))
}

fn chart_of(
    Drawing { lines, threshold, shades }: Drawing,
    (title, unit): (String, Unit),
    grid: Grid,
    opened: i64,
) -> Lines {
    let span = (first_of(&lines, grid), grid.end);
    let mark = Mark { at: opened, name: "incident opened".to_owned() };
    let is_within = (span.0..=span.1).contains(&opened);
    Lines {
        frame: Frame { title, heading: Heading::Drawn, span, zone: Tz::UTC },
        unit,
        lines,
        gap: grid.step * 2,
        threshold,
        shades,
        marks: is_within.then_some(mark).into_iter().collect(),
    }
}

/// On paper of its own, so that it reads alike in light and in dark surroundings.
async fn painted(chart: Lines) -> Result<Option<Picture>, Refusal> {
    let title = chart.frame.title.clone();
    let painting = move || chart::png(&chart.svg(WIDTH), Theme::Light, WIDTH * DENSITY);
    match tokio::task::spawn_blocking(painting).await.map_err(|_| Refusal::Broken)? {
        Ok(png) => {
            let words = format!("A chart of the last hour or more: {title}");
            Ok(Some(Picture { name: "tripline.png".to_owned(), title, words, png }))
        }
        Err(error) => {
            tracing::debug!(%error, "a chart could not be made a picture");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_lately_has_no_empty_place_before_it() {
        let grid = Grid { start: 0, end: 3_600_000, step: 15_000 };
        let line =
            |first| Line { name: String::new(), points: vec![(first, 1.0), (3_590_000, 2.0)] };
        assert_eq!(first_of(&[line(3_500_000)], grid), 3_000_000);
        assert_eq!(first_of(&[line(3_500_000), line(600_000)], grid), 600_000);
        assert_eq!(first_of(&[line(-7)], grid), 0);
        assert_eq!(first_of(&[], grid), 0);
    }
}
