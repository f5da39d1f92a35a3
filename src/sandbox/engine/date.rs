//! `Date` for texts in other forms than ISO 8601, such as HTTP headers and people write them.
//!
//! The standard leaves these forms to the engine, and this one knows few of them; here are those
//! that node knows. Times without a zone are UTC, as everywhere in a script.

use boa_engine::object::FunctionObjectBuilder;
use boa_engine::object::builtins::JsFunction;
use boa_engine::{
    Context, JsArgs, JsObject, JsResult, JsString, JsValue, NativeFunction, js_string,
};
use chrono::{Duration, NaiveDate};

use super::native;

/// Puts a `Date` that knows more forms in place of the engine's.
pub(super) fn install(context: &mut Context) {
    let global = context.global_object();
    let own = context.intrinsics().constructors().date().constructor();
    let prototype = context.intrinsics().constructors().date().prototype();
    let Some(parse) = native::data_property(&own, js_string!("parse")) else { return };
    let Some(parse) = parse.as_function() else { return };
    let captures = (own.clone(), parse.clone());
    let construct = NativeFunction::from_copy_closure_with_captures(construct, captures);
    let date: JsObject = FunctionObjectBuilder::new(context.realm(), construct)
        .name("Date")
        .length(7)
        .constructor(true)
        .build()
        .into();
    let fixed = boa_engine::property::PropertyDescriptor::builder().value(prototype.clone());
    date.insert_property(
        js_string!("prototype"),
        fixed.writable(false).enumerable(false).configurable(false).build(),
    );
    for name in ["now", "UTC"] {
        if let Some(function) = native::data_property(&own, JsString::from(name)) {
            native::define(&date, name, function);
        }
    }
    let parse = NativeFunction::from_copy_closure_with_captures(
        |_, args, parse, context| {
            let text = args.get_or_undefined(0).to_string(context)?;
            Ok(time_of(&text, parse, context)?.into())
        },
        parse,
    );
    let parse = FunctionObjectBuilder::new(context.realm(), parse).name("parse").length(1).build();
    native::define(&date, "parse", parse);
    native::define(&prototype, "constructor", date.clone());
    native::define(&global, "Date", date);
}

/// `new Date(..)`, or `Date(..)` when there is no new target.
fn construct(
    new: &JsValue,
    args: &[JsValue],
    (own, parse): &(JsObject, JsFunction),
    context: &mut Context,
) -> JsResult<JsValue> {
    let Some(target) = new.as_object() else {
        return own.call(&JsValue::undefined(), args, context);
    };
    let text = match args {
        [only] => only.as_string(),
        _ => None,
    };
    let made = match text {
        Some(text) => {
            let time = time_of(&text, parse, context)?;
            own.construct(&[time.into()], Some(&target), context)?
        }
        None => own.construct(args, Some(&target), context)?,
    };
    Ok(made.into())
}

fn time_of(text: &JsString, parse: &JsFunction, context: &mut Context) -> JsResult<f64> {
    let known = parse.call(&JsValue::undefined(), &[text.clone().into()], context)?;
    let known = known.as_number().filter(|time| !time.is_nan());
    Ok(known.or_else(|| read(&text.to_std_string_lossy())).unwrap_or(f64::NAN))
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Zones by name (RFC 5322, section 4.3), in hours from UTC.
const ZONES: [(&str, i64); 12] = [
    ("z", 0),
    ("ut", 0),
    ("utc", 0),
    ("gmt", 0),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
];

/// What has been read of a date so far.
#[derive(Default)]
struct Found {
    /// The numbers of the date and how many digits each has.
    numbers: Vec<(i64, usize)>,
    /// From 1.
    month: Option<i64>,
    /// Hours, minutes, seconds, milliseconds.
    time: Option<[i64; 4]>,
    /// From UTC, in minutes.
    offset: i64,
    afternoon: Option<bool>,
}

/// The time of a text in milliseconds since 1970; `None` when it is no date.
#[expect(clippy::cast_precision_loss, reason = "dates are far within what a float holds exactly")]
fn read(text: &str) -> Option<f64> {
    let mut found = Found::default();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '0'..='9' => found.number(rest)?,
            'a'..='z' | 'A'..='Z' => found.word(rest)?,
            '+' | '-' if found.time.is_some() => found.zone(rest)?,
            '(' => rest.split_once(')')?.1,
            ' ' | '\t' | ',' | '.' | '/' | '-' => &rest[1..],
            _ => return None,
        };
    }
    found.millis().map(|millis| millis as f64)
}

/// A run of digits, and what follows it.
fn digits(text: &str) -> Option<(i64, usize, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, end, &text[end..]))
}

impl Found {
    /// A number, or a time of day.
    fn number<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let (first, length, mut rest) = digits(text)?;
        if !rest.starts_with(':') || self.time.is_some() {
            self.numbers.push((first, length));
            return Some(rest);
        }
        let mut time = [first, 0, 0, 0];
        for part in &mut time[1..3] {
            let Some(after) = rest.strip_prefix(':') else { break };
            let (number, _, after) = digits(after)?;
            (*part, rest) = (number, after);
        }
        if let Some(after) = rest.strip_prefix('.') {
            let (_, length, behind) = digits(after)?;
            let thousandths: String = after[..length].chars().chain("00".chars()).take(3).collect();
            time[3] = thousandths.parse().ok()?;
            rest = behind;
        }
        self.time = Some(time);
        Some(rest)
    }

    fn word<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
        let word = text[..end].to_ascii_lowercase();
        let short = word.get(..3).unwrap_or(&word);
        if let Some(month) = MONTHS.iter().position(|month| *month == short) {
            self.month = i64::try_from(month + 1).ok();
        } else if let "am" | "pm" = word.as_str() {
            self.afternoon = Some(word == "pm");
        } else if let Some((_, hours)) = ZONES.iter().find(|(zone, _)| *zone == word) {
            self.offset = hours * 60;
        } else if !WEEKDAYS.contains(&short) && word != "t" {
            return None;
        }
        Some(&text[end..])
    }

    /// `+0200` or `-03:30`.
    fn zone<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let (number, length, rest) = digits(&text[1..])?;
        let (hours, minutes, rest) = match (length, rest.strip_prefix(':')) {
            (1 | 2, Some(after)) => {
                let (minutes, _, rest) = digits(after)?;
                (number, minutes, rest)
            }
            (1 | 2, None) => (number, 0, rest),
            (4, None) => (number / 100, number % 100, rest),
            _ => return None,
        };
        self.offset = sign * (hours * 60 + minutes);
        (hours < 24 && minutes < 60).then_some(rest)
    }

    fn millis(&self) -> Option<i64> {
        let (year, month, day) = match (self.month, self.numbers.as_slice()) {
            (Some(month), [(year, 3..), (day, _)] | [(day, _), (year, _)]) => (year, month, day),
            (None, [(year, 3..), (month, _), (day, _)] | [(month, _), (day, _), (year, _)]) => {
                (year, *month, day)
            }
            _ => return None,
        };
        let is_short = self.numbers.iter().all(|(_, length)| *length < 3);
        let century = match (is_short, *year) {
            (true, 0..50) => 2000,
            (true, 50..100) => 1900,
            _ => 0,
        };
        let [mut hours, minutes, seconds, millis] = self.time.unwrap_or_default();
        if let Some(afternoon) = self.afternoon {
            hours = Some(hours).filter(|hours| (1..=12).contains(hours))? % 12;
            hours += if afternoon { 12 } else { 0 };
        }
        if hours > 23 || minutes > 59 || seconds > 59 || !(1..=31).contains(day) {
            return None;
        }
        let year = i32::try_from(year + century).ok()?;
        let first = NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, 1)?;
        let minutes = ((day - 1) * 24 + hours) * 60 + minutes - self.offset;
        let since = Duration::milliseconds((minutes * 60 + seconds) * 1000 + millis);
        let moment = first.and_hms_opt(0, 0, 0)?.checked_add_signed(since)?;
        Some(moment.and_utc().timestamp_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::engine::tests::{nothing, run};

    #[test]
    fn dates_are_read_as_node_reads_them() {
        let cases = [
            ("Jan 2, 2026", "2026-01-02T00:00:00Z"),
            ("2 January 2026", "2026-01-02T00:00:00Z"),
            ("2026/01/02", "2026-01-02T00:00:00Z"),
            ("1/2/2026", "2026-01-02T00:00:00Z"),
            ("1/2/26 3:04 PM", "2026-01-02T15:04:00Z"),
            ("2026-01-02 03:04:05.6", "2026-01-02T03:04:05.600Z"),
            ("Fri, 02 Jan 2026 03:04:05 GMT", "2026-01-02T03:04:05Z"),
            ("Fri Jan 02 2026 03:04:05 GMT+0200 (Somewhere)", "2026-01-02T01:04:05Z"),
            ("Fri, 02 Jan 2026 03:04:05 -03:30", "2026-01-02T06:34:05Z"),
            ("Friday, 02-Jan-26 03:04:05 PST", "2026-01-02T11:04:05Z"),
            ("2026/02/31", "2026-03-03T00:00:00Z"),
        ];
        for (text, expected) in cases {
            let expected = chrono::DateTime::parse_from_rfc3339(expected).expect("a time");
            assert_eq!(
                read(text).map(|time| time.to_string()),
                Some(expected.timestamp_millis().to_string()),
                "{text}"
            );
        }
        for text in [
            "",
            "hello",
            "Jan",
            "13/1/2026",
            "1/2",
            "2026/01/02 25:00",
            "0:0:0",
            "99999999999999999999",
            "1/1/99999999",
            "Jan 1 2026 1:1 +99:00",
            "1/2/2026 13:00 PM",
            "12/31/262142 23:59 -2300",
            "é 1/2/2026",
            "1:",
            "(",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_still_a_date() {
        let said = run(
            "const d = new Date('Jan 2, 2026');
            class Day extends Date { get x() { return 1; } }
            const day = new Day('2026/01/02');
            console.log(d, Date.parse('2026/01/02') === d.getTime(), day.getTime() === d.getTime(), day.x);
            console.log(d instanceof Date, d.constructor === Date, new Date('x').getTime(), Date.parse('2026-01-02'));
            console.log(new Date(5).getTime(), new Date(2026, 0, 2).getTime() === d.getTime(), typeof Date(), new Date(d).getTime() === d.getTime());
            console.log(Date.UTC(1970, 0), Date.now() > 0, Date.name, Date.length, Object.keys(Date), structuredClone(d).getTime() === d.getTime());",
            nothing,
        );
        assert_eq!(
            said.passed(),
            [
                "2026-01-02T00:00:00.000Z true true 1",
                "true true NaN 1767312000000",
                "5 true string true",
                "0 true Date 7 [] true",
            ]
        );
    }
}
