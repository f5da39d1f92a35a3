//! Which series there are, and which of them a question means.
//!
//! Series have numbers in the store and places here. For each label and value there is a list of the
//! places that have it, in their order; names and values are kept once. Knows no points.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use hashbrown::HashTable;

use super::rollup::Kind;
use crate::query::{Comparison, Labels, METRIC_NAME, Matcher};

/// The place of a series in the index.
pub(super) type Place = u32;

/// A series as the index knows it.
#[derive(Debug)]
pub(super) struct Known {
    /// Its number in the store.
    pub(super) id: i64,
    pub(super) labels: Labels,
    /// What it measures.
    pub(super) kind: Kind,
    /// No point of it in a chunk is later; as it is stored, as far as this hub has heard.
    pub(super) seen_until: i64,
}

/// All series.
#[derive(Debug, Default)]
pub(super) struct Index {
    known: Vec<Known>,
    /// By the numbers in the store, which are not kept twice.
    by_id: HashTable<Place>,
    /// By the labels, which are not either.
    by_labels: HashTable<Place>,
    by_value: BTreeMap<Arc<str>, HashMap<Arc<str>, Vec<Place>>>,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The series at a place.
    pub(super) fn at(&self, place: Place) -> &Known {
        &self.known[index(place)]
    }

    /// The same, to note how far it was seen.
    pub(super) fn note_seen(&mut self, place: Place, until: i64) {
        let known = &mut self.known[index(place)];
        known.seen_until = known.seen_until.max(until);
    }

    /// The place of the series of this number.
    pub(super) fn place(&self, id: i64) -> Option<Place> {
        self.by_id.find(of_id(id), |place| self.at(*place).id == id).copied()
    }

    /// The place of the series with these labels.
    pub(super) fn find(&self, labels: &Labels) -> Option<Place> {
        let is_meant = |place: &Place| self.at(*place).labels == *labels;
        self.by_labels.find(labels.fingerprint(), is_meant).copied()
    }

    /// Adds a series; one that is there already stays as it is.
    pub(super) fn add(
        &mut self,
        id: i64,
        labels: &Labels,
        (kind, seen_until): (Kind, i64),
    ) -> Place {
        if let Some(place) = self.place(id) {
            return place;
        }
        let place = Place::try_from(self.known.len()).expect("series are bounded below that");
        let labels = self.shared(labels);
        for label in &labels {
            let values = self.by_value.entry(Arc::clone(&label.name)).or_default();
            values.entry(Arc::clone(&label.value)).or_default().push(place);
        }
        let print = labels.fingerprint();
        self.known.push(Known { id, labels, kind, seen_until });
        let Self { known, by_id, by_labels, .. } = self;
        let at = |place: &Place| &known[index(*place)];
        by_id.insert_unique(of_id(id), place, |place| of_id(at(place).id));
        by_labels.insert_unique(print, place, |place| at(place).labels.fingerprint());
        place
    }

    /// What each metric is, by its name: as was said of its first series, or as its name looks.
    pub(super) fn kinds(&self) -> BTreeMap<String, Kind> {
        let names = self.by_value.get(METRIC_NAME).into_iter().flatten();
        let kind = |(name, places): (&Arc<str>, &Vec<Place>)| {
            Some((name.to_string(), self.at(*places.first()?).kind))
        };
        names.filter_map(kind).collect()
    }

    /// The labels with names and values that are known already in their place.
    fn shared(&self, labels: &Labels) -> Labels {
        let same = |label: &crate::query::Label| {
            let Some((name, values)) = self.by_value.get_key_value(&*label.name) else {
                return (Arc::clone(&label.name), Arc::clone(&label.value));
            };
            let value = values.get_key_value(&*label.value).map_or(&label.value, |it| it.0);
            (Arc::clone(name), Arc::clone(value))
        };
        labels.iter().map(same).collect()
    }

    /// The places of the series that satisfy all matchers, in their order.
    pub(super) fn matching(&self, matchers: &[Matcher]) -> Vec<Place> {
        // A series may lack a label that may be empty, so the lists do not say.
        let (listed, rest): (Vec<&Matcher>, Vec<&Matcher>) =
            matchers.iter().partition(|matcher| !matcher.matches(""));
        let (exact, listed): (Vec<&Matcher>, Vec<&Matcher>) =
            listed.into_iter().partition(|matcher| matcher.comparison == Comparison::Equal);
        let mut lists: Vec<&[Place]> = Vec::with_capacity(exact.len());
        for matcher in exact {
            let list = self.by_value.get(&*matcher.name).and_then(|it| it.get(&*matcher.value));
            let Some(list) = list else { return Vec::new() };
            lists.push(list);
        }
        lists.sort_unstable_by_key(|list| list.len());
        let mut found: Option<Vec<Place>> = lists.first().map(|list| list.to_vec());
        for list in lists.iter().skip(1) {
            found = found.map(|found| common(found, list));
        }
        for matcher in listed {
            found = Some(match found {
                Some(found) => self.filtered(found, matcher),
                None => self.having(matcher),
            });
        }
        let all = || (0..self.known.len()).filter_map(|place| Place::try_from(place).ok());
        let found = found.unwrap_or_else(|| all().collect());
        rest.into_iter().fold(found, |found, matcher| self.filtered(found, matcher))
    }

    /// The places of series with a value that the matcher accepts.
    fn having(&self, matcher: &Matcher) -> Vec<Place> {
        let values = self.by_value.get(&*matcher.name).into_iter().flatten();
        let accepted = values.filter(|(value, _)| matcher.matches(value));
        let mut found: Vec<Place> = accepted.flat_map(|(_, list)| list).copied().collect();
        found.sort_unstable();
        found
    }

    /// Those of `found` that the matcher selects. Each value is looked at once, or each series,
    /// whichever are fewer.
    fn filtered(&self, mut found: Vec<Place>, matcher: &Matcher) -> Vec<Place> {
        let values = self.by_value.get(&*matcher.name);
        if values.map_or(0, HashMap::len) < found.len() {
            let accepted: HashSet<&str> = values
                .into_iter()
                .flatten()
                .map(|(value, _)| &**value)
                .filter(|value| matcher.matches(value))
                .collect();
            let takes_none = matcher.matches("");
            found.retain(|place| match self.at(*place).labels.value(&matcher.name) {
                "" => takes_none,
                value => accepted.contains(value),
            });
        } else {
            found.retain(|place| matcher.selects(&self.at(*place).labels));
        }
        found
    }
}

/// What a table finds a number in the store by: numbers that follow each other must not look alike.
fn of_id(id: i64) -> u64 {
    id.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

/// Those that are in both lists, which are in order.
fn common(mut found: Vec<Place>, list: &[Place]) -> Vec<Place> {
    found.retain(|place| list.binary_search(place).is_ok());
    found
}

fn index(place: Place) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels() -> impl Strategy<Value = Labels> {
        let value = || prop::sample::select(vec!["", "a", "b", "ab", "c"]);
        (value(), value(), value())
            .prop_map(|(x, y, z)| [("x", x), ("y", y), ("z", z)].into_iter().collect())
    }

    fn matcher() -> impl Strategy<Value = Matcher> {
        use Comparison::{Equal, Matches, MatchesNot, NotEqual};
        let name = prop::sample::select(vec!["x", "y", "z", "other"]);
        let comparison = prop::sample::select(vec![Equal, NotEqual, Matches, MatchesNot]);
        let value = prop::sample::select(vec!["", "a", "b", "a.*", ".+", "a|c", "d"]);
        (name, comparison, value)
            .prop_map(|(name, how, value)| Matcher::new(name, how, value).expect("a pattern"))
    }

    proptest! {
        #[test]
        fn the_lists_say_what_the_matchers_say(
            all in prop::collection::hash_set(labels(), 0..40),
            matchers in prop::collection::vec(matcher(), 0..4),
        ) {
            let mut index = Index::default();
            for (id, labels) in (10..).zip(&all) {
                prop_assert!(index.find(labels).is_none());
                index.add(id, labels, (Kind::Gauge, 0));
                prop_assert_eq!(index.find(labels), index.place(id));
            }
            let found = index.matching(&matchers);
            let selects = |labels: &Labels| matchers.iter().all(|it| it.selects(labels));
            let places = 0..Place::try_from(index.len()).expect("few");
            let wanted: Vec<Place> =
                places.filter(|place| selects(&index.at(*place).labels)).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
