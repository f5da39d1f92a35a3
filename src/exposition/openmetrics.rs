//! OpenMetrics text, line by line.
//!
//! Source: <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>, with
//! the names in quotes of Prometheus 3. More lenient where that costs nothing: empty lines and
//! comments are passed over.

use super::bounds::fault;
use super::cursor::Cursor;
use super::{LATEST, Mistake, Sample};
use crate::query::{Labels, METRIC_NAME, Measure};

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 1 << 20;
/// The types that a metric may have.
const TYPES: [(&str, Type); 8] = [
    ("counter", Type::Counter),
    ("gauge", Type::Gauge),
    ("histogram", Type::Histogram),
    ("gaugehistogram", Type::GaugeHistogram),
    ("summary", Type::Summary),
    ("info", Type::Info),
    ("stateset", Type::Gauge),
    ("unknown", Type::Unknown),
];

/// The type of a metric.
#[derive(Debug, Clone, Copy)]
enum Type {
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    Unknown,
}

impl Type {
    /// What a series measures that is called like the metric, with this behind it.
    fn measure(self, suffix: &str) -> Option<Measure> {
        use Measure::{Counter, Gauge};
        Some(match (self, suffix) {
            (Self::Counter, "" | "_total")
            | (Self::Histogram, "_bucket" | "_count" | "_sum")
            | (Self::Summary, "_count" | "_sum") => Counter,
            (Self::Counter | Self::Histogram | Self::Summary, "_created")
            | (Self::Gauge | Self::Summary, "")
            | (Self::Info, "" | "_info")
            | (Self::GaugeHistogram, "_bucket" | "_gcount" | "_gsum") => Gauge,
            _ => return None,
        })
    }
}

/// Reads a text line by line. A type that is said counts until another is.
#[derive(Debug, Default)]
pub struct Reader {
    lines: u64,
    is_ended: bool,
    exemplars: u64,
    /// The metric of which a type was said last, and that.
    family: Option<(String, Type)>,
}

impl Reader {
    /// Reads the next line, with or without its line break; a value, if there is one in it.
    pub fn line(&mut self, line: &str) -> Result<Option<Sample>, Mistake> {
        self.lines += 1;
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut cursor = Cursor::new(line, self.lines);
        if line.len() > LONGEST_LINE {
            return Err(cursor.mistake(format!("the line is longer than {LONGEST_LINE} bytes")));
        }
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        if self.is_ended {
            return Err(cursor.mistake("there is something after `# EOF`"));
        }
        if line.starts_with('#') {
            self.is_ended = line == "# EOF";
            if let Some(family) = metadata(&mut cursor)? {
                self.family = Some(family);
            }
            return Ok(None);
        }
        let sample = self.sample(&mut cursor)?;
        Ok(Some(sample))
    }

    /// Ends the text.
    ///
    /// # Errors
    ///
    /// When it does not end with `# EOF`: it was cut off.
    pub fn finish(&self) -> Result<(), Mistake> {
        if self.is_ended {
            return Ok(());
        }
        let message = "the text ends without `# EOF`; it was cut off, or that line is missing";
        Err(Cursor::new("", self.lines + 1).mistake(message))
    }

    /// How many exemplars were passed over.
    pub fn exemplars(&self) -> u64 {
        self.exemplars
    }

    /// How many lines were read.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    fn sample(&mut self, cursor: &mut Cursor<'_>) -> Result<Sample, Mistake> {
        let start = *cursor;
        let name = cursor.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(start.mistake("a metric's name begins with a letter, `_` or `:`"));
        }
        let mut pairs = Vec::new();
        if !name.is_empty() {
            pairs.push((METRIC_NAME.to_owned(), name.to_owned()));
        }
        if cursor.takes('{') {
            labels(cursor, &mut pairs, Named::By(!name.is_empty()))?;
        }
        if !pairs.iter().any(|(name, _)| name == METRIC_NAME) {
            let message = "a line begins with the name of a metric, such as `logins_total 3`";
            return Err(start.mistake(message));
        }
        separated(cursor, "a value")?;
        let value = number(cursor, "value")?;
        let mut at = None;
        cursor.spaces();
        if cursor.peek().is_some_and(|c| c != '#') {
            at = Some(timestamp(cursor)?);
            cursor.spaces();
        }
        if cursor.takes('#') {
            exemplar(cursor)?;
            self.exemplars += 1;
        }
        if !cursor.is_at_end() {
            return Err(cursor.mistake("a line ends after its value and its timestamp"));
        }
        let labels: Labels = pairs.into_iter().collect();
        if let Some(fault) = fault(&labels) {
            return Err(start.mistake(fault));
        }
        let measure = self.family.as_ref().and_then(|(family, kind)| {
            kind.measure(labels.metric_name().strip_prefix(family.as_str())?)
        });
        Ok(Sample { labels, measure, at, value })
    }
}

/// Whether a metric's name may stand between the braces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    /// It may, unless it stands before them.
    By(bool),
    /// There is no metric: an exemplar.
    Nothing,
}

/// Reads what follows an opening brace, with the closing one.
fn labels(
    cursor: &mut Cursor<'_>,
    pairs: &mut Vec<(String, String)>,
    named: Named,
) -> Result<(), Mistake> {
    cursor.spaces();
    while !cursor.takes('}') {
        let start = *cursor;
        let is_quoted = cursor.peek() == Some('"');
        let name = if is_quoted {
            text(cursor)?
        } else {
            let name = cursor.all(|c| c.is_ascii_alphanumeric() || c == '_');
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(start.mistake("a label is written like `name=\"value\"`"));
            }
            name.to_owned()
        };
        cursor.spaces();
        let (name, value) = if cursor.takes('=') {
            cursor.spaces();
            if name.is_empty() || name.starts_with("__") {
                return Err(start.mistake(format!("`{name}` cannot be the name of a label")));
            }
            (name, text(cursor)?)
        } else if is_quoted && named == Named::By(false) && !name.is_empty() {
            (METRIC_NAME.to_owned(), name)
        } else {
            return Err(cursor.mistake("`=` and the label's value are missing"));
        };
        if pairs.iter().any(|(earlier, _)| *earlier == name) {
            return Err(start.mistake(format!("`{name}` stands there twice")));
        }
        pairs.push((name, value));
        cursor.spaces();
        if !cursor.takes(',') && cursor.peek() != Some('}') {
            return Err(cursor.mistake("after a label comes `,` or `}`"));
        }
        cursor.spaces();
    }
    Ok(())
}

/// A text in quotes, in which `\`, `"` and line breaks are escaped.
fn text(cursor: &mut Cursor<'_>) -> Result<String, Mistake> {
    let start = *cursor;
    if !cursor.takes('"') {
        return Err(start.mistake("a text stands in double quotes"));
    }
    let mut text = String::new();
    loop {
        match cursor.step() {
            Some('"') => return Ok(text),
            Some('\\') => match cursor.step() {
                Some('n') => text.push('\n'),
                Some(c @ ('\\' | '"')) => text.push(c),
                // As the format says, what is no escape is itself.
                Some(c) => text.extend(['\\', c]),
                None => break,
            },
            Some(c) => text.push(c),
            None => break,
        }
    }
    Err(start.mistake("the text that begins here has no closing quote"))
}

fn separated(cursor: &mut Cursor<'_>, before: &str) -> Result<(), Mistake> {
    if cursor.all(|c| c == ' ' || c == '\t').is_empty() {
        return Err(cursor.mistake(format!("a space and {before} are missing")));
    }
    Ok(())
}

fn word<'l>(cursor: &mut Cursor<'l>) -> &'l str {
    cursor.all(|c| !matches!(c, ' ' | '\t'))
}

fn number(cursor: &mut Cursor<'_>, what: &str) -> Result<f64, Mistake> {
    let start = *cursor;
    let word = word(cursor);
    let is_digits = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let name = word.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let is_named = matches!(name.as_str(), "inf" | "infinity" | "nan");
    let number = if is_named || word.chars().all(is_digits) { word.parse().ok() } else { None };
    number.ok_or_else(|| match word {
        "" => start.mistake(format!("a {what} is missing")),
        word => start.mistake(format!("`{}` is no {what}", short(word))),
    })
}

/// Seconds since 1970, as milliseconds.
fn timestamp(cursor: &mut Cursor<'_>) -> Result<i64, Mistake> {
    let start = *cursor;
    let millis = (number(cursor, "timestamp")? * 1000.0).round();
    #[expect(clippy::cast_precision_loss, reason = "the bound is far below 2^52")]
    if millis.is_nan() || millis.abs() > LATEST as f64 {
        let message = "the timestamp is out of range; it is in seconds since 1970";
        return Err(start.mistake(message));
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the bound")]
    Ok(millis as i64)
}

/// `{trace_id="..."} VALUE [TIMESTAMP]`: it must be right and is not kept.
fn exemplar(cursor: &mut Cursor<'_>) -> Result<(), Mistake> {
    cursor.spaces();
    if !cursor.takes('{') {
        return Err(cursor.mistake("an exemplar begins with its labels in braces"));
    }
    labels(cursor, &mut Vec::new(), Named::Nothing)?;
    separated(cursor, "the value of the exemplar")?;
    number(cursor, "value")?;
    cursor.spaces();
    if !cursor.is_at_end() {
        timestamp(cursor)?;
        cursor.spaces();
    }
    Ok(())
}

/// A line that begins with `#`: the metric of which it says the type, and that. Other words are
/// comments.
fn metadata(cursor: &mut Cursor<'_>) -> Result<Option<(String, Type)>, Mistake> {
    let mut words = cursor.rest().splitn(4, ' ');
    if (words.next(), words.next()) != (Some("#"), Some("TYPE")) {
        return Ok(None);
    }
    let (Some(name), Some(kind)) = (words.next().filter(|it| !it.is_empty()), words.next()) else {
        return Err(cursor.mistake("it is written like `# TYPE logins counter`"));
    };
    if let Some((_, known)) = TYPES.iter().find(|(word, _)| *word == kind) {
        let bare = name.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(name);
        return Ok(Some((bare.to_owned(), *known)));
    }
    let types = TYPES.map(|(word, _)| word).join(", ");
    let (name, kind) = (short(name), short(kind));
    Err(cursor.mistake(format!("`{kind}` is no type for {name}; there are {types}")))
}

fn short(word: &str) -> String {
    match word.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &word[..end]),
        None => word.to_owned(),
    }
}

/// Reads a whole text.
///
/// # Errors
///
/// The first mistake.
#[cfg(test)]
fn read(text: &str) -> Result<Vec<Sample>, Mistake> {
    let mut reader = Reader::default();
    let lines = text.lines().filter_map(|line| reader.line(line).transpose());
    let samples = lines.collect::<Result<_, _>>()?;
    reader.finish()?;
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        match read(&format!("{line}\n# EOF\n")) {
            Ok(samples) => samples
                .iter()
                .map(|it| format!("{} {} {:?}", it.labels, it.value, it.at))
                .collect::<Vec<_>>()
                .join("; "),
            Err(mistake) => mistake.to_string(),
        }
    }

    #[test]
    fn lines_are_series_with_values() {
        for (line, expected) in [
            ("logins_total 3", r#"{__name__="logins_total"} 3 None"#),
            ("a{} -1.5e3 1520879607.789", r#"{__name__="a"} -1500 Some(1520879607789)"#),
            (
                r#"a_bucket{le="0.5",path="C:\\\"x\n"} 2 1 # {trace_id="k"} 0.3 1.5"#,
                r#"{__name__="a_bucket", le="0.5", path="C:\\\"x\n"} 2 Some(1000)"#,
            ),
            (
                r#"{"shop.logins","my.tag"="x",} +Inf"#,
                r#"{__name__="shop.logins", my.tag="x"} inf None"#,
            ),
            ("a NaN -1", r#"{__name__="a"} NaN Some(-1000)"#),
            ("# TYPE a histogram\n# HELP a What it is.\n# a comment\n", ""),
        ] {
            assert_eq!(said(line), expected, "{line}");
        }
        let mut reader = Reader::default();
        reader.line("a 1 # {} 1").expect("it is right");
        assert_eq!(reader.exemplars(), 1);
    }

    #[test]
    fn types_say_what_series_measure() {
        let text = "# TYPE logins counter\nlogins_total 1\nlogins_created 1\nother 1\n\
                    # TYPE size_total gauge\nsize_total 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n\
                    h_sum 1\n# TYPE x unknown\nx_total 1\n# TYPE \"a.b\" counter\n{\"a.b\"} 1\n# EOF\n";
        let read = read(text).expect("it is right");
        let said = read.iter().map(|it| it.measure.map_or("-", Measure::as_str));
        let expected = ["counter", "gauge", "-", "gauge", "counter", "counter", "-", "counter"];
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_mistake_has_its_place() {
        for (line, expected) in [
            ("a", "line 1, column 2: a space and a value are missing"),
            ("a ", "line 1, column 3: a value is missing"),
            ("a 1x", "line 1, column 3: `1x` is no value"),
            ("a 1 2026-11-21", "line 1, column 5: `2026-11-21` is no timestamp"),
            (
                "a 1 1520879607789",
                "line 1, column 5: the timestamp is out of range; it is in seconds since 1970",
            ),
            ("a 1 2 3", "line 1, column 7: a line ends after its value and its timestamp"),
            (
                "b 1\nä 1",
                "line 2, column 1: a line begins with the name of a metric, such as `logins_total 3`",
            ),
            ("1a 1", "line 1, column 1: a metric's name begins with a letter, `_` or `:`"),
            (r#"a{b="x" 1"#, "line 1, column 9: after a label comes `,` or `}`"),
            (r#"a{ü="x"} 1"#, "line 1, column 3: a label is written like `name=\"value\"`"),
            (r#"a{b="x",b="y"} 1"#, "line 1, column 9: `b` stands there twice"),
            (r#"a{__name__="x"} 1"#, "line 1, column 3: `__name__` cannot be the name of a label"),
            (r#"a{"b"} 1"#, "line 1, column 6: `=` and the label's value are missing"),
            (r#"a{b="ü} 1"#, "line 1, column 5: the text that begins here has no closing quote"),
            ("a 1 # b", "line 1, column 7: an exemplar begins with its labels in braces"),
            (
                "# TYPE a foo",
                "line 1, column 1: `foo` is no type for a; there are counter, gauge, histogram, gaugehistogram, summary, info, stateset, unknown",
            ),
            (
                "b 1\n tripline_check_up 1",
                "line 2, column 1: a line begins with the name of a metric, such as `logins_total 3`",
            ),
            (
                "b 1\ntripline_check_up 1",
                "line 2, column 1: `tripline_check_up` begins with `tripline_`, as only the names of \
                 Tripline's own series do; give it another",
            ),
            ("# EOF\na 1", "line 2, column 1: there is something after `# EOF`"),
        ] {
            assert_eq!(said(line), expected, "{line}");
        }
        let cut_off = read("a 1\n").expect_err("it has no end");
        assert_eq!((cut_off.line, cut_off.column), (2, 1));
    }
}
