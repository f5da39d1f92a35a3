//! Answering questions: from chunks and roll-ups what is closed, from the head what is not.
//!
//! The head follows in the same snapshot in which the chunks are read, so nothing is missed between
//! the two and nothing is seen twice. It is held only to copy what is packed; unpacking comes after.

use std::collections::HashMap;
use std::sync::Arc;

use super::aside::aside;
use super::backing::{Backing, ChunkRow, State};
use super::head::{Head, Open, unreadable};
use super::levels::{Level, MINUTE};
use super::points::Points;
use super::rolling::PAIRS;
use super::rollup::{Aspect, Rolled};
use super::{Bounds, Found, chunk};
use crate::query::{Comparison, Labels, Matcher, Selection, Series};
use crate::store::Error;

/// The label by which a query says which side of a roll-up it wants.
pub const ROLLUP: &str = "__rollup__";
/// Whoever looks for a value looks back this far, so there is a point at least as often.
const GRAIN: i64 = 5 * MINUTE;

/// A question with what the head knows of its answer.
#[derive(Debug)]
pub(in crate::store) struct Question {
    /// None in a store without metrics.
    state: Option<State>,
    wanted: Vec<Wanted>,
    /// Whether the head alone knows of too much already, and what.
    too_much: Option<String>,
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
struct Candidate {
    id: i64,
    labels: Labels,
    /// Its periods that are not closed, packed.
    open: Vec<Open>,
}

/// Copies from the head what the selections need, as far as `bounds` allow.
pub(in crate::store) fn ask(head: &Head, selections: &[Selection], bounds: Bounds) -> Question {
    let mut question = Question { state: head.state(), wanted: Vec::new(), too_much: None };
    let mut left = bounds;
    for selection in selections {
        let (aspect, matchers) = aspect(&selection.matchers);
        let Selection { after, until, .. } = *selection;
        let places = head.index.matching(&matchers);
        let mut series = Vec::with_capacity(places.len());
        for place in places {
            let known = head.index.at(place);
            let open: Vec<Open> = head.open_within(place, (after, until)).cloned().collect();
            // What is only partly of that time is counted when it is unpacked.
            let whole = open.iter().filter(|it| it.is_within(after, until)).map(Open::len).sum();
            if whole > 0 && !take(&mut left, whole) {
                question.too_much = Some(too_much(left, bounds));
                return question;
            }
            series.push(Candidate { id: known.id, labels: known.labels.clone(), open });
        }
        question.wanted.push(Wanted { after, until, aspect, series });
    }
    question
}

/// Takes a series of so many points from what is left; whether there was enough.
fn take(left: &mut Bounds, points: usize) -> bool {
    if left.series == 0 || points > left.points {
        return false;
    }
    left.series -= 1;
    left.points -= points;
    true
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

/// Reads what the question needs, and no more than `bounds` allow.
pub(in crate::store) async fn answer(
    backing: &mut dyn Backing,
    question: Question,
    bounds: Bounds,
) -> Result<Found, Error> {
    let Question { state, wanted, too_much: known } = question;
    if let Some(why) = known {
        return Ok(Found::TooMuch(why));
    }
    let mut answers = vec![Vec::new(); wanted.len()];
    let Some(state) = state else { return Ok(Found::Series(answers)) };
    let mut left = bounds;
    for (answer, one) in answers.iter_mut().zip(wanted) {
        let Some(series) = gather(backing, &state, one, &mut left).await? else {
            return Ok(Found::TooMuch(too_much(left, bounds)));
        };
        *answer = series;
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
    backing: &mut dyn Backing,
    state: &State,
    wanted: Wanted,
    left: &mut Bounds,
) -> Result<Option<Vec<Arc<Series>>>, Error> {
    let Wanted { after, until, aspect, series } = wanted;
    let periods = stretches(state, after, until).map(|(level, after, until)| {
        usize::try_from((until - after).max(0) / level.period() + 2).unwrap_or(usize::MAX)
    });
    let at_once = (PAIRS / periods.iter().sum::<usize>().clamp(1, PAIRS)).max(1);
    let (mut found, many) = (Vec::new(), series.len());
    let mut series = series.into_iter().peekable();
    while series.peek().is_some() {
        let some: Vec<Candidate> = series.by_ref().take(at_once).collect();
        let ids: Vec<i64> = some.iter().map(|one| one.id).collect();
        let closed = read(backing, state, (after, until), &ids).await?;
        let many = some.len() + closed.iter().map(|part| part.rows.len()).sum::<usize>();
        let most = *left;
        let unpacking = move || unpacked(closed, some, (aspect, after, until), most);
        let (some, rest) = aside(many, unpacking).await??;
        *left = rest;
        let Some(some) = some else { return Ok(None) };
        found.extend(some);
    }
    let sorting = move || {
        found.sort_unstable_by(|one, other| one.labels().cmp(other.labels()));
        found
    };
    Ok(Some(aside(many, sorting).await?))
}

/// Some series; none where they were too much.
type Unpacked = Option<Vec<Arc<Series>>>;

/// Unpacks the points of some series, and says what is left then; no series when they exceed that.
fn unpacked(
    closed: Vec<Part>,
    some: Vec<Candidate>,
    (aspect, after, until): (Aspect, i64, i64),
    mut left: Bounds,
) -> Result<(Unpacked, Bounds), Error> {
    let mut known: HashMap<i64, Points> = HashMap::new();
    for Part { level, after, until, rows } in closed {
        for row in rows {
            let points = match level {
                Level::Points => chunk::unpacked(&row.points),
                Level::Short | Level::Long => {
                    let rolled = Rolled::read(&row.points);
                    rolled.map(|rolled| rolled.seen(aspect, level.span(), GRAIN))
                }
            };
            let points = points.ok_or_else(|| unreadable("chunk"))?;
            known.entry(row.series).or_default().add_within(&points, after, until);
        }
    }
    let mut found = Vec::with_capacity(some.len());
    for Candidate { id, labels, open } in some {
        let mut points = known.remove(&id).unwrap_or_default();
        for open in open {
            points.add_within(&open.points(), after, until);
        }
        if points.is_empty() {
            continue;
        }
        if !take(&mut left, points.len()) {
            return Ok((None, left));
        }
        let series = Series::new(labels, points.times, points.values);
        let disordered = |error: crate::query::Disorder| Error::Unreadable {
            what: "series",
            reason: error.to_string(),
        };
        found.push(Arc::new(series.map_err(disordered)?));
    }
    Ok((Some(found), left))
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

/// Rows of one level and the time for which they count, the earliest first.
struct Part {
    level: Level,
    after: i64,
    until: i64,
    rows: Vec<ChunkRow>,
}

/// Reads the closed points of series.
async fn read(
    backing: &mut dyn Backing,
    state: &State,
    (after, until): (i64, i64),
    series: &[i64],
) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    for (level, after, until) in stretches(state, after, until) {
        let starts: Vec<i64> = level.starts(after, until).collect();
        if starts.is_empty() {
            continue;
        }
        let mut rows = backing.chunks(level, &starts, series).await?;
        rows.sort_unstable_by_key(|row| row.start_at);
        parts.push(Part { level, after, until, rows });
    }
    Ok(parts)
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
