//! The functions of templates: their names, and what each makes of its arguments.

use std::fmt::Write as _;

use super::number;
use super::render::Value;

/// The functions that there are.
pub(super) const NAMES: [&str; 28] = [
    "and",
    "eq",
    "ge",
    "gt",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "index",
    "le",
    "len",
    "lt",
    "match",
    "ne",
    "not",
    "or",
    "print",
    "printf",
    "println",
    "reReplaceAll",
    "stripDomain",
    "stripPort",
    "title",
    "toLower",
    "toUpper",
    "trimSpace",
    "urlquery",
];

/// Says what is wrong with the name of a function.
pub(super) fn check(name: &str) -> Result<(), String> {
    if NAMES.contains(&name) {
        return Ok(());
    }
    Err(match name {
        "first" | "label" | "value" | "strvalue" | "query" | "sortByLabel" => {
            format!("`{name}` works on the answer of `query`, which is not supported in templates")
        }
        "parseDuration" | "toTime" | "toDuration" | "now" | "args" | "tmpl" | "safeHtml"
        | "pathPrefix" | "tableLink" | "graphLink" | "externalURL" | "js" | "html" | "slice"
        | "call" | "join" => format!("the function `{name}` is not supported in templates"),
        _ => format!("there is no function `{name}` in templates"),
    })
}

type Called = Result<Value, String>;

/// What `name` makes of `arguments`.
pub(super) fn call(name: &str, arguments: &[Value]) -> Called {
    let text = |at: usize| arguments.get(at).map(Value::shown).unwrap_or_default();
    let exactly = |count: usize| {
        let found = arguments.len();
        let wrong = || format!("{name} takes {count} arguments, not {found}");
        if found == count { Ok(()) } else { Err(wrong()) }
    };
    match name {
        "and" | "or" => logic(name == "and", arguments),
        "print" => Ok(Value::Text(printed(arguments))),
        "println" => {
            let words: Vec<String> = arguments.iter().map(Value::shown).collect();
            Ok(Value::Text(words.join(" ") + "\n"))
        }
        "printf" => formatted(arguments),
        "eq" => equal_to_any(arguments),
        "ne" | "lt" | "le" | "gt" | "ge" => {
            exactly(2)?;
            compared(name, &arguments[0], &arguments[1])
        }
        "index" | "match" => {
            exactly(2)?;
            match (name, &arguments[0]) {
                ("match", _) => Ok(Value::Truth(pattern(&text(0))?.is_match(&text(1)))),
                (_, Value::Labels(labels)) => {
                    let key = text(1);
                    let found = labels.iter().find(|(name, _)| *name == key);
                    Ok(Value::Text(found.map(|(_, value)| value.clone()).unwrap_or_default()))
                }
                _ => Err("index works on labels".to_owned()),
            }
        }
        "reReplaceAll" => {
            exactly(3)?;
            let replaced = pattern(&text(0))?.replace_all(&text(2), text(1).as_str()).into_owned();
            Ok(Value::Text(replaced))
        }
        _ => {
            exactly(1)?;
            of_one(name, &arguments[0])
        }
    }
}

fn of_one(name: &str, argument: &Value) -> Called {
    let text = || argument.shown();
    let of_number = |with: fn(f64) -> String| Ok(Value::Text(with(argument.number()?)));
    match name {
        "humanize" => of_number(number::humanize),
        "humanize1024" => of_number(number::humanize_1024),
        "humanizeDuration" => of_number(number::humanize_duration),
        "humanizePercentage" => of_number(number::humanize_percentage),
        "humanizeTimestamp" => Ok(Value::Text(number::humanize_timestamp(argument.number()?)?)),
        "not" => Ok(Value::Truth(!argument.holds())),
        "len" => {
            let length = match argument {
                Value::Labels(labels) => labels.len(),
                Value::Text(text) => text.len(),
                _ => return Err("len works on texts and labels".to_owned()),
            };
            #[expect(clippy::cast_precision_loss, reason = "no text is so long")]
            let length = length as f64;
            Ok(Value::Whole(length))
        }
        "title" => Ok(Value::Text(titled(&text()))),
        "toLower" => Ok(Value::Text(text().to_lowercase())),
        "toUpper" => Ok(Value::Text(text().to_uppercase())),
        "trimSpace" => Ok(Value::Text(text().trim().to_owned())),
        "stripPort" => Ok(Value::Text(split_port(&text()).0.to_owned())),
        "stripDomain" => Ok(Value::Text(without_domain(&text()))),
        "urlquery" => {
            Ok(Value::Text(url::form_urlencoded::byte_serialize(text().as_bytes()).collect()))
        }
        _ => Err(format!("there is no function {name}")),
    }
}

fn pattern(text: &str) -> Result<regex::Regex, String> {
    let whole = regex::RegexBuilder::new(text).size_limit(1 << 20).build();
    whole.map_err(|error| format!("`{text}` is no pattern: {error}"))
}

/// The first argument that decides.
fn logic(all: bool, arguments: &[Value]) -> Called {
    let deciding = arguments.iter().find(|it| it.holds() != all).or_else(|| arguments.last());
    deciding.cloned().ok_or_else(|| "and, or take at least one argument".to_owned())
}

fn equal_to_any(arguments: &[Value]) -> Called {
    let Some((first, others)) = arguments.split_first().filter(|(_, others)| !others.is_empty())
    else {
        return Err("eq takes at least two arguments".to_owned());
    };
    for other in others {
        if compared("eq", first, other)? == Value::Truth(true) {
            return Ok(Value::Truth(true));
        }
    }
    Ok(Value::Truth(false))
}

fn compared(name: &str, left: &Value, right: &Value) -> Called {
    let ordering = match (left, right) {
        (Value::Number(left), Value::Number(right)) | (Value::Whole(left), Value::Whole(right)) => {
            left.partial_cmp(right)
        }
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Truth(left), Value::Truth(right)) => Some(left.cmp(right)),
        _ => return Err("incompatible types for comparison".to_owned()),
    };
    let holds = match name {
        "eq" => ordering.is_some_and(std::cmp::Ordering::is_eq),
        "ne" => !ordering.is_some_and(std::cmp::Ordering::is_eq),
        "lt" => ordering.is_some_and(std::cmp::Ordering::is_lt),
        "le" => ordering.is_some_and(std::cmp::Ordering::is_le),
        "gt" => ordering.is_some_and(std::cmp::Ordering::is_gt),
        _ => ordering.is_some_and(std::cmp::Ordering::is_ge),
    };
    Ok(Value::Truth(holds))
}

/// As Go's `Sprint`: a space between two values of which neither is a text.
fn printed(arguments: &[Value]) -> String {
    let mut text = String::new();
    let mut after_text = true;
    for argument in arguments {
        let is_text = matches!(argument, Value::Text(_));
        if !is_text && !after_text {
            text.push(' ');
        }
        text += &argument.shown();
        after_text = is_text;
    }
    text
}

/// As Go's `strings.Title`: each letter after something that is none.
fn titled(text: &str) -> String {
    let mut before = ' ';
    let mut titled = String::with_capacity(text.len());
    for c in text.chars() {
        if before.is_alphanumeric() || before == '_' || before == '\'' {
            titled.push(c);
        } else {
            titled.extend(c.to_uppercase());
        }
        before = c;
    }
    titled
}

/// A host without its port, and the port.
fn split_port(text: &str) -> (&str, &str) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host.trim_start_matches('[').trim_end_matches(']'), port)
        }
        _ => (text, ""),
    }
}

fn without_domain(text: &str) -> String {
    let (host, port) = split_port(text);
    if host.parse::<core::net::IpAddr>().is_ok() {
        return text.to_owned();
    }
    let first = host.split('.').next().unwrap_or(host);
    if port.is_empty() { first.to_owned() } else { format!("{first}:{port}") }
}

/// `%-08.3f` without its verb.
#[derive(Default)]
struct Format {
    left: bool,
    zeros: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

/// As Go's `Sprintf`, with the verbs `v s d f e g q t x %`.
fn formatted(arguments: &[Value]) -> Called {
    let Some(Value::Text(pattern)) = arguments.first() else {
        return Err("printf takes a text first".to_owned());
    };
    let mut rest = arguments[1..].iter();
    let mut text = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let mut format = Format::default();
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '0' | '+')) {
            match flag {
                '-' => format.left = true,
                '0' => format.zeros = true,
                _ => format.plus = true,
            }
        }
        format.width = digits(&mut chars).unwrap_or(0).min(1000);
        if chars.next_if_eq(&'.').is_some() {
            format.precision = Some(digits(&mut chars).unwrap_or(0).min(100));
        }
        match chars.next() {
            None => text.push_str("%!(NOVERB)"),
            Some('%') => text.push('%'),
            Some(verb) => match rest.next() {
                None => _ = write!(text, "%!{verb}(MISSING)"),
                Some(value) => text += &padded(&verbed(verb, value, &format), &format, value),
            },
        }
    }
    let extra: Vec<String> = rest.map(|it| format!("{}={}", it.go_type(), it.shown())).collect();
    if !extra.is_empty() {
        _ = write!(text, "%!(EXTRA {})", extra.join(", "));
    }
    Ok(Value::Text(text))
}

fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut text = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        text.push(digit);
    }
    text.parse().ok()
}

fn verbed(verb: char, value: &Value, format: &Format) -> String {
    let plus = |text: String| {
        if format.plus && !text.starts_with('-') { format!("+{text}") } else { text }
    };
    match (verb, value) {
        ('v' | 'g', Value::Number(number)) => plus(number::general(*number, format.precision)),
        ('f' | 'F' | 'e', Value::Number(number)) if !number.is_finite() => {
            plus(number::general(*number, None))
        }
        ('f' | 'F', Value::Number(number)) => {
            plus(format!("{:.*}", format.precision.unwrap_or(6), number))
        }
        ('e', Value::Number(number)) => plus(exponential(*number, format.precision.unwrap_or(6))),
        ('d' | 'v', Value::Whole(number)) => plus(format!("{number:.0}")),
        ('x', Value::Whole(number)) => plus(hexadecimal(*number)),
        ('x', Value::Number(number)) if format.precision.is_none() => {
            plus(hexadecimal_fraction(*number))
        }
        ('s' | 'v', Value::Text(text)) => match format.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.clone(),
        },
        ('q', Value::Text(text)) => format!("{text:?}"),
        ('x', Value::Text(text)) => data_encoding::HEXLOWER.encode(text.as_bytes()),
        ('t' | 'v', Value::Truth(_)) | ('v', Value::Labels(_)) => value.shown(),
        _ => format!("%!{verb}({}={})", value.go_type(), value.shown()),
    }
}

/// A whole number as Go writes it with `%x`.
fn hexadecimal(number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a conversion of floats saturates")]
    let whole = number as i64;
    let sign = if whole < 0 { "-" } else { "" };
    format!("{sign}{:x}", whole.unsigned_abs())
}

/// Any number as Go writes it with `%x`: 255 is `0x1.fep+07`.
fn hexadecimal_fraction(number: f64) -> String {
    const FRACTION: u32 = 52;
    if !number.is_finite() {
        return number::general(number, None);
    }
    let (bits, sign) = (number.abs().to_bits(), if number.is_sign_negative() { "-" } else { "" });
    if bits == 0 {
        return format!("{sign}0x0p+00");
    }
    let mut exponent = i64::try_from(bits >> FRACTION).unwrap_or_default() - 1023;
    let mut fraction = bits & ((1 << FRACTION) - 1);
    if exponent == -1023 {
        // Below the least exponent there is no leading one; Go writes one nevertheless.
        let shift = fraction.leading_zeros() + FRACTION - 63;
        fraction = (fraction << shift) & ((1 << FRACTION) - 1);
        exponent = -1022 - i64::from(shift);
    }
    let digits = format!("{fraction:013x}");
    let digits = digits.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    let mark = if exponent < 0 { '-' } else { '+' };
    format!("{sign}0x1{point}{digits}p{mark}{:02}", exponent.abs())
}

fn exponential(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let mark = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{mark}{:02}", exponent.abs())
}

fn padded(text: &str, format: &Format, value: &Value) -> String {
    let missing = format.width.saturating_sub(text.chars().count());
    let is_number = matches!(value, Value::Number(_) | Value::Whole(_));
    match (format.left, format.zeros && is_number) {
        (true, _) => format!("{text}{}", " ".repeat(missing)),
        (false, true) => {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            format!("{sign}{}{digits}", "0".repeat(missing))
        }
        (false, false) => format!("{}{text}", " ".repeat(missing)),
    }
}
