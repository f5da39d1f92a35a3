//! Finds known values in texts, in the spellings in which they travel, and masks them.
//!
//! A value is looked for as it is, URL-encoded, as JSON, JavaScript and HTML write it, and in base64
//! at each of the three places at which it may begin in a longer text (`user:password` of HTTP's
//! basic authentication). A value of fewer than [`ANYWHERE`] characters is masked only where it
//! stands alone, and one of fewer than [`SHORTEST`] never: it would be found in everything.
//!
//! Texts come here shortened, and a value that was cut in two is no longer that value. So what
//! stands before a mark of omission is masked where it is the beginning of a value. All that
//! shortens a text before it comes here must leave that mark.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use aho_corasick::AhoCorasick;
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};

/// What stands in place of a secret.
pub(super) const STARS: &str = "***";

/// The fewest characters with which a value is masked wherever it stands.
const ANYWHERE: usize = 6;

/// The fewest characters with which a value is masked at all.
const SHORTEST: usize = 4;

/// The mark that is left where a text was cut.
const OMISSION: char = '…';

/// The fewest characters of the beginning of a value that are masked before an [`OMISSION`].
const BEGINNING: usize = 4;

/// Masks a fixed set of values.
#[derive(Default)]
pub(super) struct Mask(Kind);

#[derive(Default)]
enum Kind {
    /// There is nothing to mask.
    #[default]
    Nothing,
    /// These patterns.
    Patterns(Patterns),
    /// The patterns could not be compiled. Better no text than one with a secret in it.
    Everything,
}

struct Patterns {
    automaton: AhoCorasick,
    /// For each pattern whether it counts only where it stands alone.
    places: Vec<Place>,
    beginnings: Beginnings,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Anywhere,
    Alone,
}

impl Mask {
    /// A mask for `values`.
    pub(super) fn new<'v>(values: impl IntoIterator<Item = &'v str>) -> Self {
        let mut patterns: BTreeMap<String, Place> = BTreeMap::new();
        for value in values {
            let place = match value.chars().count() {
                ..SHORTEST => continue,
                SHORTEST..ANYWHERE => Place::Alone,
                _ => Place::Anywhere,
            };
            for spelling in spellings(value, place) {
                let known = patterns.entry(spelling).or_insert(place);
                *known = place.min(*known);
            }
        }
        if patterns.is_empty() {
            return Self(Kind::Nothing);
        }
        let places = patterns.values().copied().collect();
        Self(match AhoCorasick::new(patterns.keys()) {
            Ok(automaton) => {
                let beginnings = Beginnings::new(patterns.into_keys());
                Kind::Patterns(Patterns { automaton, places, beginnings })
            }
            Err(_) => Kind::Everything,
        })
    }

    /// `text` with the values in it masked; borrowed when there are none.
    pub(super) fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Patterns { automaton, places, beginnings } = match &self.0 {
            Kind::Nothing => return Cow::Borrowed(text),
            Kind::Everything => return Cow::Owned(STARS.to_owned()),
            Kind::Patterns(patterns) => patterns,
        };
        // Secrets may overlap: one may be the beginning of another.
        let mut found: Vec<(usize, usize)> = automaton
            .find_overlapping_iter(text)
            .filter(|hit| {
                places[hit.pattern().as_usize()] == Place::Anywhere
                    || stands_alone(text, hit.start(), hit.end())
            })
            .map(|hit| (hit.start(), hit.end()))
            .chain(beginnings.cut_in(text))
            .collect();
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_unstable();
        Cow::Owned(replaced(text, &found))
    }
}

/// Values by their beginnings.
pub(super) struct Beginnings {
    sorted: Vec<String>,
    /// The length of the longest value.
    longest: usize,
}

impl Beginnings {
    /// Takes values down.
    pub(super) fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut sorted: Vec<String> = values.into_iter().collect();
        sorted.sort_unstable();
        let longest = sorted.iter().map(String::len).max().unwrap_or(0);
        Self { sorted, longest }
    }

    /// Where in a text the beginning of a value stands before an [`OMISSION`].
    fn cut_in(&self, text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut done = 0;
        for (at, mark) in text.match_indices(OMISSION) {
            let kept = &text[done..at];
            let near = kept.ceil_char_boundary(kept.len().saturating_sub(self.longest));
            // The earliest start is the longest beginning.
            let starts = kept[near..].char_indices().map(|(start, _)| near + start);
            let cut = starts
                .take_while(|&start| kept.len() - start >= BEGINNING)
                .find(|&start| self.any_begins_with(&kept[start..]));
            found.extend(cut.map(|start| (done + start, at)));
            done = at + mark.len();
        }
        found
    }

    fn any_begins_with(&self, part: &str) -> bool {
        let at = self.sorted.partition_point(|value| value.as_str() < part);
        self.sorted.get(at).is_some_and(|value| value.starts_with(part))
    }

    /// `text` with the beginnings before an [`OMISSION`] masked.
    pub(super) fn mask_in(&self, text: String) -> String {
        let found = self.cut_in(&text);
        if found.is_empty() { text } else { replaced(&text, &found) }
    }
}

/// `text` with the ranges, sorted by their start, replaced by stars; ranges that overlap become one.
fn replaced(text: &str, ranges: &[(usize, usize)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for &(start, end) in ranges {
        if start >= done {
            out.push_str(&text[done..start]);
            out.push_str(STARS);
        }
        done = done.max(end);
    }
    out.push_str(&text[done..]);
    out
}

fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let after = text[end..].chars().next();
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(***)")
    }
}

fn spellings(value: &str, place: Place) -> Vec<String> {
    let mut all = vec![value.to_owned(), in_html(value), in_single_quotes(value)];
    let json = in_json(value, char::is_ascii);
    all.push(json.replace('/', "\\/"));
    all.push(json);
    all.push(in_json(value, |_| true));
    for kept in [IN_COMPONENT, IN_RFC_3986, IN_QUERY, IN_PATH] {
        let encoded = percent_encoded(value, kept);
        all.push(encoded.to_lower_hex());
        all.push(encoded.0);
    }
    let form = percent_encoded(value, IN_FORM);
    all.push(form.to_lower_hex().replace("%20", "+"));
    all.push(form.0.replace("%20", "+"));
    if place == Place::Anywhere {
        all.extend(in_base64(value));
        all.extend(in_urls(value));
    }
    all
}

/// As a URL has it whose path or query the value was put into as it is: the parser encodes some
/// characters and changes others.
fn in_urls(value: &str) -> impl Iterator<Item = String> {
    ["http://a/", "http://a/?"].into_iter().filter_map(move |before| {
        let url = url::Url::parse(&format!("{before}{value}")).ok()?;
        let spelled = url.as_str().strip_prefix(before)?;
        // What is left of dots and slashes may be found everywhere.
        (spelled.len() >= value.len()).then(|| spelled.to_owned())
    })
}

/// The part of the base64 text that is the same whatever stands before and after the value, for
/// each of the three places in a group at which the value may begin.
fn in_base64(value: &str) -> Vec<String> {
    let mut cores = Vec::new();
    for lead in 0..3 {
        let bytes = [vec![0; lead], value.as_bytes().to_vec()].concat();
        let (from, to) = ((lead * 8).div_ceil(6), bytes.len() * 8 / 6);
        for encoded in [BASE64_NOPAD.encode(&bytes), BASE64URL_NOPAD.encode(&bytes)] {
            cores.push(encoded[from..to].to_owned());
        }
    }
    cores
}

/// As JSON writes it; characters beyond ASCII as they are if `as_it_is` says so, or as `\u` escapes.
fn in_json(value: &str, as_it_is: impl Fn(&char) -> bool) -> String {
    let mut out = String::new();
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c >= ' ' && as_it_is(&c) => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

/// As JavaScript writes it between single quotes.
fn in_single_quotes(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r")
}

fn in_html(value: &str) -> String {
    let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    value.replace('"', "&quot;").replace('\'', "&#39;")
}

type Kept = fn(u8) -> bool;

/// `encodeURIComponent`.
const IN_COMPONENT: Kept = |b| b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b);
/// RFC 3986, section 2.3.
const IN_RFC_3986: Kept = |b| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
/// The URL standard's form serialiser; its blank is a plus.
const IN_FORM: Kept = |b| b.is_ascii_alphanumeric() || b"*-._".contains(&b);
/// The URL standard's query of a special URL.
const IN_QUERY: Kept = |b| b.is_ascii_graphic() && !b"\"#<>'".contains(&b);
/// The URL standard's path.
const IN_PATH: Kept = |b| b.is_ascii_graphic() && !b"\"#<>?^`{}".contains(&b);

struct Encoded(String);

fn percent_encoded(value: &str, kept: Kept) -> Encoded {
    let mut out = String::new();
    for byte in value.bytes() {
        if kept(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Encoded(out)
}

impl Encoded {
    fn to_lower_hex(&self) -> String {
        let mut after = usize::MAX;
        let lowered = self.0.chars().map(|c| {
            after = if c == '%' { 0 } else { after.saturating_add(1) };
            if after <= 2 { c.to_ascii_lowercase() } else { c }
        });
        lowered.collect()
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, BASE64URL};

    use super::*;

    fn masked(values: &[&str], text: &str) -> String {
        Mask::new(values.iter().copied()).apply(text).into_owned()
    }

    #[test]
    fn every_spelling_is_masked() {
        let secret = "p&ss w/rd'\"\\é?";
        let basic = |before: &str| BASE64.encode(format!("{before}{secret}x").as_bytes());
        let texts = [
            format!("it is {secret}."),
            format!(
                "q={}",
                url::form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>()
            ),
            "q=p%26ss%20w%2frd'%22%5c%c3%a9%3f".to_owned(),
            url::Url::parse(&format!("http://a/{secret}")).expect("a URL").to_string(),
            serde_json::json!({ "a": secret }).to_string(),
            r#"{"a":"p&ss w/rd'\"\\\u00e9?"}"#.to_owned(),
            r#"{"a":"p&ss w\/rd'\"\\\u00e9?"}"#.to_owned(),
            r#"'p&ss w/rd\'"\\é?'"#.to_owned(),
            "<b>p&amp;ss w/rd&#39;&quot;\\é?</b>".to_owned(),
            basic("") + " " + &basic("ana:") + " " + &basic("user:"),
            BASE64URL.encode(format!("x:{secret}").as_bytes()),
        ];
        for text in texts {
            let masked = masked(&[secret], &text);
            assert!(masked.contains(STARS), "{text}: {masked}");
            for trace in ["ss w", "ss+w", "ss%20w", "rd"] {
                assert!(!masked.contains(trace), "{text}: {masked}");
            }
        }
    }

    #[test]
    fn values_that_overlap_leave_nothing() {
        let secrets = ["abcdef", "abcdef-long", "f-long-tail"];
        assert_eq!(masked(&secrets, "x abcdef-long-tail y abcdef"), "x *** y ***");
    }

    #[test]
    fn short_values_are_masked_where_they_stand_alone() {
        assert_eq!(masked(&["4711"], "pin=4711, port 14711 at 4711"), "pin=***, port 14711 at ***");
        assert_eq!(masked(&["abc", ""], "abc"), "abc");
    }

    #[test]
    fn a_text_that_only_looks_cut_is_left_alone() {
        let secrets = ["abcdef-long"];
        for text in ["abcdef", "abc…", "abcdef …", "abcdef-lonely…", "bcdef…", "……"] {
            assert_eq!(masked(&secrets, text), text);
        }
        assert_eq!(masked(&secrets, "x abcdef-l… (9 bytes more)"), "x ***… (9 bytes more)");
    }

    proptest::proptest! {
        #[test]
        fn no_beginning_of_a_value_outlives_a_cut(
            value in "[a-zA-Z0-9 /+?&'\"é-]{6,40}",
            other in "[a-z]{0,20}",
            spelling in 0..20_usize,
            cut in 0..200_usize,
        ) {
            let (before, after) = ("say: ", " and so on");
            let spellings = spellings(&value, Place::Anywhere);
            let spelled = &spellings[spelling % spellings.len()];
            let text = format!("{before}{spelled}{after}");
            let cut = text.floor_char_boundary(cut);
            let shortened = format!("{}… (7 bytes more)", &text[..cut]);
            let masked = masked(&[&value, &other], &shortened);
            let beginning: String = spelled.chars().take(BEGINNING).collect();
            proptest::prop_assert!(
                !masked.contains(&format!("{before}{beginning}")), "{} of {}", masked, text
            );
        }
    }

    #[test]
    fn other_texts_are_not_even_copied() {
        assert!(matches!(Mask::new(["abcdef"]).apply("nothing"), Cow::Borrowed(_)));
        assert_eq!(format!("{:?}", Mask::new(["abcdef"])), "Mask(***)");
    }
}
