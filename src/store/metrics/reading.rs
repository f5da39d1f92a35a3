//! Answering questions: from chunks and roll-ups what is closed, from the head what is not.
//!
//! The head follows in the same snapshot in which the chunks are read, so nothing is missed between
//! the two and nothing is seen twice. It is held only to copy what is packed; unpacking comes after.

use std::collections::HashMap;
use std::sync::Arc;

use super::head::{Head, unreadable};
use super::index::Place;
use super::levels::{Level, MINUTE};
use super::points::Points;
use super::rolling::PAIRS;
use super::rollup::{Aspect, Rolled};
use super::shelf::{Shelf, State};
use super::{Bounds, Found, chunk};
use crate::query::{Comparison, Labels, Matcher, Selection, Series};
use crate::store::Error;

/// The label by which a query says which side of a roll-up it wants.
pub const ROLLUP: &str = "__rollup__";
/// Whoever looks for a value looks back this far, so there is a point at least as often.
const GRAIN: i64 = 5 * MINUTE;

/// What a question needs from the head: for each selection its series.
#[derive(Debug)]
pub(in crate::store) struct Question {
    state: State,
    wanted: Vec<Wanted>,
}

/// The series of one selection.
#[derive(Debug)]
struct Wanted {
    after: i64,
    until: i64,
    aspect: Aspect,
    series: Vec<Candidate>,
}

/// A series that may have points of the wanted time.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) id: i64,
    pub(super) labels: Labels,
    /// Packed points that are not closed.
    pub(super) open: Vec<chunk::Chunk>,
}

/// Copies from the head what the selections need.
pub(in crate::store) fn ask(head: &Head, selections: &[Selection]) -> Option<Question> {
    let state = head.state()?;
    let wanted = |selection: &Selection| {
        let (aspect, matchers) = aspect(&selection.matchers);
        let places = head.index.matching(&matchers);
        let span = (selection.after, selection.until);
        let series = places.into_iter().map(|place| candidate(head, place, span)).collect();
        Wanted { after: selection.after, until: selection.until, aspect, series }
    };
    Some(Question { state, wanted: selections.iter().map(wanted).collect() })
}

/// The matchers without the one that says which side of a roll-up is wanted.
fn aspect(matchers: &[Matcher]) -> (Aspect, Vec<Matcher>) {
    let named = |matcher: &Matcher| {
        let is_meant = &*matcher.name == ROLLUP && matcher.comparison == Comparison::Equal;
        is_meant.then(|| Aspect::named(&matcher.value)).flatten()
    };
    let found = matchers.iter().find_map(named);
    let rest = matchers.iter().filter(|matcher| named(matcher).is_none());
    (found.unwrap_or_default(), rest.cloned().collect())
}

/// A series with its packed points of periods within `span`.
pub(super) fn candidate(head: &Head, place: Place, (after, until): (i64, i64)) -> Candidate {
    let known = head.index.at(place);
    let is_wanted = |start: i64| start < until && start + Level::Points.period() > after;
    let open = head.open(place).iter().filter(|open| is_wanted(open.start));
    Candidate {
        id: known.id,
        labels: known.labels.clone(),
        open: open.map(|open| open.chunk.clone()).collect(),
    }
}

/// Reads what the question needs, and no more than `bounds` allow.
pub(in crate::store) async fn answer(
    shelf: &mut dyn Shelf,
    question: Question,
    bounds: Bounds,
) -> Result<Found, Error> {
    let Question { state, wanted } = question;
    let mut left = bounds;
    let mut answers = Vec::with_capacity(wanted.len());
    for one in wanted {
        let Some(series) = gather(shelf, &state, one, &mut left).await? else {
            return Ok(Found::TooMuch(too_much(left, bounds)));
        };
        answers.push(series);
    }
    Ok(Found::Series(answers))
}

/// Which bound is the reason.
fn too_much(left: Bounds, bounds: Bounds) -> String {
    if left.series == 0 {
        let most = bounds.series;
        return format!("the question is about more than {most} series; name more labels");
    }
    let most = bounds.points;
    format!("the question needs more than {most} points; name more labels, or ask for less time")
}

/// The series of one selection, sorted; none when they exceed what is left.
async fn gather(
    shelf: &mut dyn Shelf,
    state: &State,
    wanted: Wanted,
    left: &mut Bounds,
) -> Result<Option<Vec<Arc<Series>>>, Error> {
    let Wanted { after, until, aspect, series } = wanted;
    let periods = stretches(state, after, until).map(|(level, after, until)| {
        usize::try_from((until - after).max(0) / level.period() + 2).unwrap_or(usize::MAX)
    });
    let at_once = (PAIRS / periods.iter().sum::<usize>().clamp(1, PAIRS)).max(1);
    let mut found = Vec::new();
    let mut series = series.into_iter().peekable();
    while series.peek().is_some() {
        let some: Vec<Candidate> = series.by_ref().take(at_once).collect();
        let ids: Vec<i64> = some.iter().map(|one| one.id).collect();
        let mut closed = read(shelf, state, (after, until), aspect, &ids).await?;
        for Candidate { id, labels, open } in some {
            let mut points = closed.remove(&id).unwrap_or_default();
            for chunk in open {
                let all = chunk.points();
                let (times, values) = all.within(after.max(state.closed), until);
                points.times.extend_from_slice(times);
                points.values.extend_from_slice(values);
            }
            if points.is_empty() {
                continue;
            }
            if left.series == 0 || points.len() > left.points {
                return Ok(None);
            }
            left.series -= 1;
            left.points -= points.len();
            let series = Series::new(labels, points.times, points.values);
            let disordered = |error: crate::query::Disorder| Error::Unreadable {
                what: "series",
                reason: error.to_string(),
            };
            found.push(Arc::new(series.map_err(disordered)?));
        }
        tokio::task::yield_now().await;
    }
    found.sort_unstable_by(|one, other| one.labels().cmp(other.labels()));
    Ok(Some(found))
}

/// The level from which each stretch of closed time is read, the earliest first.
fn stretches(state: &State, after: i64, until: i64) -> [(Level, i64, i64); 3] {
    let [points, short, long] = state.forgotten;
    [
        (Level::Long, after.max(long), until.min(short)),
        (Level::Short, after.max(short), until.min(points)),
        (Level::Points, after.max(points), until.min(state.closed)),
    ]
}

/// The closed points of series, by their numbers.
async fn read(
    shelf: &mut dyn Shelf,
    state: &State,
    (after, until): (i64, i64),
    aspect: Aspect,
    series: &[i64],
) -> Result<HashMap<i64, Points>, Error> {
    let mut found: HashMap<i64, Points> = HashMap::new();
    for (level, after, until) in stretches(state, after, until) {
        let starts: Vec<i64> = level.starts(after, until).collect();
        if starts.is_empty() {
            continue;
        }
        let mut rows = shelf.chunks(level, &starts, series).await?;
        rows.sort_unstable_by_key(|row| row.start_at);
        for row in rows {
            let points = match level {
                Level::Points => chunk::unpacked(&row.points),
                Level::Short | Level::Long => {
                    let rolled = Rolled::read(&row.points);
                    rolled.map(|rolled| rolled.seen(aspect, level.span(), GRAIN))
                }
            };
            let points = points.ok_or_else(|| unreadable("chunk"))?;
            let (times, values) = points.within(after, until);
            let all = found.entry(row.series).or_default();
            all.times.extend_from_slice(times);
            all.values.extend_from_slice(values);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_which_side_of_a_rollup_it_wants() {
        let matcher = |name, value| Matcher::new(name, Comparison::Equal, value).expect("good");
        let (wanted, rest) = aspect(&[matcher("x", "1"), matcher(ROLLUP, "max")]);
        assert_eq!((wanted, rest), (Aspect::Greatest, vec![matcher("x", "1")]));
        // No series has such a label, so what nobody knows finds nothing.
        let (wanted, rest) = aspect(&[matcher(ROLLUP, "mode")]);
        assert_eq!((wanted, rest.len()), (Aspect::Average, 1));
    }
}
