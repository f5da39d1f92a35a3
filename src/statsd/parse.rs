//! The statsd line format, as far as others write it: what is in a line, or why it is refused.
//!
//! Pure, and without a copy: what is read points into the line. Both ways to put several values into
//! one line are read, those of statsd's own daemon (`a:1|c:2|ms`) and of `DogStatsD` (`a:1:2|c`). A
//! line of several values can be refused in part; each part is told. Nothing here knows a series.
//!
//! Sources: <https://github.com/statsd/statsd/blob/master/docs/metric_types.md>,
//! <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>.

/// The longest line that is read, in bytes.
pub(super) const LONGEST_LINE: usize = 8 << 10;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 500;
/// The longest number, in bytes; more digits say nothing more.
const LONGEST_NUMBER: usize = 64;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// How often something happened: `c`, and `m` (a meter).
    Counter,
    /// How often it was taken back: those of a counter that are below zero. No line is of it as such.
    Decrement,
    /// How much the sum of a timer falls by those of its values that are below zero. Neither.
    SumDecrement,
    /// What something is now: `g`.
    Gauge,
    /// How long something took, or how large it was: `ms`, `h` and `d`.
    Timer,
    /// Which different values there were: `s`.
    Set,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item<'l> {
    /// Values of one metric.
    Metric(Metric<'l>),
    /// A text for an event stream; nothing is made of it.
    Event,
    /// The state of a service; nothing is made of it.
    ServiceCheck,
}

/// Values of one metric. The values are not looked at yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric<'l> {
    /// The name as it was sent, without spaces around it.
    pub name: &'l str,
    /// What it is.
    pub kind: Kind,
    /// One value, or several with colons between them.
    values: &'l str,
    /// Which part of what happened was sent: more than 0, at most 1.
    pub rate: f64,
    /// The tags as they were sent: `key:value,key`.
    pub tags: &'l str,
    /// The time of the values in seconds since 1970, where it is said.
    pub timestamp: Option<i64>,
}

/// A value that is a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// The value; finite.
    pub value: f64,
    /// Whether it has a sign, which makes the value of a gauge a difference.
    pub is_signed: bool,
}

impl Number {
    /// The same value, whose sign is nothing but a sign.
    pub(super) fn unsigned(self) -> Self {
        Self { is_signed: false, ..self }
    }
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// Why a line, or a part of it, is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Refusal {
            /// All reasons, in the order of the enumeration.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The reason in one word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

refusals! {
    /// It is not UTF-8.
    NotText = "not_text",
    /// It is too long.
    TooLong = "too_long",
    /// It has no name, or one that is too long or has control characters.
    Name = "name",
    /// The name is one of those that Tripline gives its own series.
    Reserved = "reserved",
    /// It has no value, or one that is no finite number.
    Value = "value",
    /// It has no type, or one that is not known.
    Kind = "type",
    /// The sample rate is not more than 0 and at most 1.
    Rate = "rate",
    /// A tag has no name, a name that is not possible, or there are too many.
    Tags = "tags",
    /// The timestamp is none, lies ahead, or there are too many late values.
    Timestamp = "timestamp",
    /// An event is not whole.
    Event = "event",
    /// A service check is not whole.
    ServiceCheck = "service_check",
    /// A series of this name and these tags is there and of another type.
    Conflict = "conflict",
    /// There would be more series than are allowed.
    SeriesLimit = "series_limit",
    /// The sets of an interval would have more members than are allowed.
    SetLimit = "set_limit",
}

/// Reads one line, without its line break, and hands over what is in it, one after the other.
/// Nothing is in an empty line.
pub fn read<'l>(line: &'l [u8], mut take: impl FnMut(Result<Item<'l>, Refusal>)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return;
    }
    if line.len() > LONGEST_LINE {
        return take(Err(Refusal::TooLong));
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return take(Err(Refusal::NotText));
    };
    if let Some(event) = text.strip_prefix("_e{") {
        return take(event_of(event).ok_or(Refusal::Event));
    }
    if let Some(check) = text.strip_prefix("_sc|") {
        return take(service_check_of(check).ok_or(Refusal::ServiceCheck));
    }
    let Some((name, mut rest)) = text.split_once(':') else {
        return take(Err(Refusal::Value));
    };
    let name = match name_of(name) {
        Ok(name) => name,
        Err(refusal) => return take(Err(refusal)),
    };
    loop {
        let (section, next) = section(name, rest);
        take(section.map(Item::Metric));
        let Some(next) = next else { return };
        rest = next;
    }
}

impl<'l> Metric<'l> {
    /// The same of another kind.
    pub(super) fn as_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The values as numbers.
    pub fn numbers(&self) -> impl Iterator<Item = Result<Number, Refusal>> + use<'l> {
        self.values.split(':').map(number)
    }

    /// The value as a word. Colons belong to it, since a set may have any members.
    pub fn word(&self) -> Result<&'l str, Refusal> {
        let word = self.values.trim_ascii();
        if word.is_empty() { Err(Refusal::Value) } else { Ok(word) }
    }
}

fn name_of(name: &str) -> Result<&str, Refusal> {
    let name = name.trim_ascii();
    let is_wrong = |byte: u8| byte == b'|' || byte == 0x7f || byte < b' ' && byte != b'\t';
    if name.is_empty() || name.len() > LONGEST_NAME || name.bytes().any(is_wrong) {
        return Err(Refusal::Name);
    }
    Ok(name)
}

/// Reads `VALUES|TYPE|FIELD...` and where the next such section begins, if there is one: only a type
/// and a rate can be followed by one.
fn section<'l>(name: &'l str, text: &'l str) -> (Result<Metric<'l>, Refusal>, Option<&'l str>) {
    let Some((values, rest)) = text.split_once('|') else {
        return (Err(Refusal::Kind), None);
    };
    let (word, mut end) = upto(rest, true);
    let mut metric =
        Metric { name, kind: Kind::Counter, values, rate: 1.0, tags: "", timestamp: None };
    let mut refusal = None;
    match kind(word) {
        Some(kind) => metric.kind = kind,
        None => refusal = Some(Refusal::Kind),
    }
    while let End::Field(rest) = end {
        let (field, after) = upto(rest, rest.starts_with('@'));
        end = after;
        if let Err(wrong) = metric.field(field) {
            refusal = refusal.or(Some(wrong));
        }
    }
    let next = match end {
        End::Section(next) => Some(next),
        _ => None,
    };
    (refusal.map_or(Ok(metric), Err), next)
}

/// What follows a part of a section.
enum End<'l> {
    Line,
    Field(&'l str),
    Section(&'l str),
}

/// The text up to the next bar or, where `sections` may follow, colon.
fn upto(text: &str, sections: bool) -> (&str, End<'_>) {
    let end = text.bytes().position(|byte| byte == b'|' || sections && byte == b':');
    let Some(end) = end else { return (text, End::Line) };
    let (part, rest) = (&text[..end], &text[end + 1..]);
    let is_field = text.as_bytes()[end] == b'|';
    (part, if is_field { End::Field(rest) } else { End::Section(rest) })
}

impl<'l> Metric<'l> {
    /// Takes a field. One that is not known says nothing to us, as the format asks for: containers
    /// (`c:`), external data (`e:`), and what later versions add.
    fn field(&mut self, field: &'l str) -> Result<(), Refusal> {
        if let Some(rate) = field.strip_prefix('@') {
            let rate = number(rate).map_err(|_| Refusal::Rate)?.value;
            if rate <= 0.0 || rate > 1.0 {
                return Err(Refusal::Rate);
            }
            self.rate = rate;
        } else if let Some(tags) = field.strip_prefix('#') {
            self.tags = tags;
        } else if let Some(time) = field.strip_prefix('T') {
            let seconds = time.parse::<i64>().ok().filter(|seconds| *seconds > 0);
            self.timestamp = Some(seconds.ok_or(Refusal::Timestamp)?);
        }
        Ok(())
    }
}

fn kind(word: &str) -> Option<Kind> {
    Some(match word.trim_ascii() {
        "c" | "m" => Kind::Counter,
        "g" => Kind::Gauge,
        "ms" | "h" | "d" => Kind::Timer,
        "s" => Kind::Set,
        _ => return None,
    })
}

fn number(text: &str) -> Result<Number, Refusal> {
    let text = text.trim_ascii();
    let is_possible =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    if text.len() > LONGEST_NUMBER || !text.bytes().all(is_possible) {
        return Err(Refusal::Value);
    }
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
    let value = value.ok_or(Refusal::Value)?;
    Ok(Number { value, is_signed: text.starts_with(['+', '-']) })
}

/// `TITLE_LENGTH,TEXT_LENGTH}:TITLE|TEXT|...`, lengths in bytes.
fn event_of(text: &str) -> Option<Item<'static>> {
    let (lengths, rest) = text.split_once("}:")?;
    let (title, body) = lengths.split_once(',')?;
    let (title, body) = (title.parse::<usize>().ok()?, body.parse::<usize>().ok()?);
    let after = rest.get(title..)?.strip_prefix('|')?.get(body..)?;
    (title > 0 && (after.is_empty() || after.starts_with('|'))).then_some(Item::Event)
}

/// `NAME|STATUS|...` with a status from 0 (well) to 3 (unknown).
fn service_check_of(text: &str) -> Option<Item<'static>> {
    let (name, rest) = text.split_once('|')?;
    let (status, _) = rest.split_once('|').unwrap_or((rest, ""));
    let is_whole = !name.trim_ascii().is_empty() && matches!(status, "0" | "1" | "2" | "3");
    is_whole.then_some(Item::ServiceCheck)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// What a line says, in words.
    fn said(line: &str) -> String {
        let mut words = String::new();
        read(line.as_bytes(), |item| {
            if !words.is_empty() {
                words.push_str("; ");
            }
            match item {
                Ok(Item::Metric(it)) => {
                    let _ = write!(words, "{} {:?}", it.name, it.kind);
                    if it.kind == Kind::Set {
                        let _ = write!(words, " {}", it.word().unwrap_or("?"));
                    } else {
                        for number in it.numbers() {
                            match number {
                                Ok(it) if it.is_signed => _ = write!(words, " {:+}", it.value),
                                Ok(it) => _ = write!(words, " {}", it.value),
                                Err(refusal) => _ = write!(words, " !{}", refusal.as_str()),
                            }
                        }
                    }
                    if it.rate < 1.0 {
                        let _ = write!(words, " @{}", it.rate);
                    }
                    if !it.tags.is_empty() {
                        let _ = write!(words, " #{}", it.tags);
                    }
                    if let Some(time) = it.timestamp {
                        let _ = write!(words, " T{time}");
                    }
                }
                Ok(item) => _ = write!(words, "{item:?}"),
                Err(refusal) => _ = write!(words, "!{}", refusal.as_str()),
            }
        });
        words
    }

    #[test]
    fn both_dialects_are_read() {
        for (line, expected) in [
            ("logins:1|c", "logins Counter 1"),
            ("logins:-2.5|c|@0.1\r", "logins Counter -2.5 @0.1"),
            ("meter:3|m", "meter Counter 3"),
            ("queue:+4|g", "queue Gauge +4"),
            ("a:320|ms|@0.5", "a Timer 320 @0.5"),
            ("a:1|h|#env:prod,urgent", "a Timer 1 #env:prod,urgent"),
            ("a:1:2:x|d", "a Timer 1 2 !value"),
            ("users:ana:b|s", "users Set ana:b"),
            // The two ways to several values, and both at once.
            ("a:1|c:2|ms", "a Counter 1; a Timer 2"),
            ("a:1|c|@0.1:2:3|g", "a Counter 1 @0.1; a Gauge 2 3"),
            ("a:1|c|#x:1:2,y:3|c:abc:def|T1656581400", "a Counter 1 #x:1:2,y:3 T1656581400"),
            ("a:1|c|e:it-false|card:low|", "a Counter 1"),
            // One part is wrong, the other is not.
            ("a:1|kv:2|c", "!type; a Counter 2"),
            ("a:1:2|c:oops", "a Counter 1 2; !type"),
            ("", ""),
        ] {
            assert_eq!(said(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_whole_is_refused_with_its_reason() {
        for (line, expected) in [
            ("logins", "!value"),
            (":1|c", "!name"),
            (" \t:1|c", "!name"),
            ("a\u{7}b:1|c", "!name"),
            ("a|b:1|c", "!name"),
            ("a:1", "!type"),
            ("a:1|", "!type"),
            ("a:1|x", "!type"),
            ("a:|c", "a Counter !value"),
            ("a:Infinity|c", "a Counter !value"),
            ("a:NaN|g", "a Gauge !value"),
            ("a:1e400|g", "a Gauge !value"),
            ("a:0x10|c", "a Counter !value"),
            ("a:1|c|@0", "!rate"),
            ("a:1|c|@2", "!rate"),
            ("a:1|c|@-0.1", "!rate"),
            ("a:1|c|@", "!rate"),
            ("a:1|g|Tsoon", "!timestamp"),
            ("_e{5,4}:title|text|#a:b", "Event"),
            ("_e{5,40}:title|text", "!event"),
            ("_e{}:x", "!event"),
            ("_e{99999999999999999999,1}:a|b", "!event"),
            ("_sc|db|2|m:gone", "ServiceCheck"),
            ("_sc|db|9", "!service_check"),
        ] {
            assert_eq!(said(line), expected, "{line}");
        }
        let long = format!("a:1|c|#{}", "x".repeat(LONGEST_LINE));
        assert_eq!(said(&long), "!too_long");
        read(b"a\xff:1|c", |item| assert_eq!(item, Err(Refusal::NotText)));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_all_numbers_are_finite(
            line in prop::collection::vec(prop::sample::select(b"a:|#@c,gmsT_{}e1.+- \xff\n".to_vec()), 0..60)
        ) {
            read(&line, |item| {
                if let Ok(Item::Metric(metric)) = item {
                    assert!(!metric.name.is_empty() && metric.rate > 0.0 && metric.rate <= 1.0);
                    assert!(metric.numbers().flatten().all(|number| number.value.is_finite()));
                }
            });
        }
    }
}
