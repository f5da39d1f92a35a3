//! "Did you mean ...?": the word that somebody probably had in mind.

use std::fmt::Write as _;

/// The candidate that `word` is most likely a slip of, if there is one near enough: letters
/// swapped, dropped, doubled or in another case.
pub(super) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // The distance takes time in the product of the lengths.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let wanted = word.to_lowercase();
    let distance =
        |candidate: &str| strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase());
    // A third of the letters may be wrong, but not the only one.
    let is_near = |distance: usize, candidate: &str| {
        let length = candidate.len().min(word.len());
        distance < length.max(1) && distance <= (length / 3).max(1)
    };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| is_near(*distance, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Help for a word that is not one of `candidates`: the one it is a slip of, or all of them.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(near) = closest(word, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all = listed(candidates);
    (!all.is_empty()).then(|| format!("possible here: {all}"))
}

/// The words in backquotes, with commas; the first dozen of them.
pub(super) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let mut text = String::new();
    let mut words = words.into_iter();
    for (index, word) in words.by_ref().take(SHOWN).enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(text, "{comma}`{word}`").expect("a String takes everything");
    }
    if words.next().is_some() {
        text.push_str(", ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let keys = ["every", "cron", "timezone", "regions", "max_time"];
        let near = |word| closest(word, keys);
        assert_eq!(near("evry"), Some("every"));
        assert_eq!(near("corn"), Some("cron"));
        assert_eq!(near("region"), Some("regions"));
        assert_eq!(near("timeZone"), Some("timezone"));
        assert_eq!(near("maxTime"), Some("max_time"));
        assert_eq!(near("colour"), None);
        assert_eq!(near(""), None);
        assert_eq!(closest("b", ["a"]), None);
        assert_eq!(closest("B", ["b"]), Some("b"));
        assert_eq!(near(&"x".repeat(1_000_000)), None);
    }

    #[test]
    fn without_a_near_word_all_are_named() {
        assert_eq!(
            did_you_mean("x", ["env", "file"]).as_deref(),
            Some("possible here: `env`, `file`")
        );
        assert_eq!(did_you_mean("x", []), None);
    }
}
