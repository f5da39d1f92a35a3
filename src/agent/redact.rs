//! Takes what is nobody's business out of heads and bodies: values whose names say that they are secret,
//! whoever made them. Values of the project's own secrets are masked besides, by name or not.
//!
//! Bodies come here cut, so they are read as text and not parsed: what is open at the end is taken to go on
//! there. Pure.

use std::borrow::Cow;

use super::mask::STARS;

/// What stands in names of secrets, without `_`, `-` and the like.
const SECRET: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "authorization",
    "session",
    "signature",
    "csrf",
];
/// Whole names of secrets, too short to be looked for within others.
const SHORT: [&str; 8] = ["otp", "totp", "pin", "cvv", "cvc", "ssn", "jwt", "auth"];
/// The name by which OAuth calls what is exchanged for a token. In JSON it mostly is the number of an error.
const CODE: &str = "code";

/// Whether what is called `name` is secret.
pub(super) fn is_secret(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    SHORT.contains(&&*plain) || SECRET.iter().any(|part| plain.contains(part))
}

/// The value of a header without what is secret.
pub(super) fn header<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    match name {
        "authorization" | "proxy-authorization" => match value.split_once(' ') {
            Some((scheme, _)) => format!("{scheme} {STARS}").into(),
            None => STARS.into(),
        },
        "cookie" => pairs(value, ';', |_| true).into(),
        "set-cookie" => match value.split_once(';') {
            Some((cookie, attributes)) => {
                format!("{};{attributes}", pairs(cookie, ';', |_| true)).into()
            }
            None => pairs(value, ';', |_| true).into(),
        },
        "location" | "referer" | "content-location" | "refresh" => url(value),
        _ if is_secret(name) => STARS.into(),
        _ => Cow::Borrowed(value),
    }
}

/// A URL without what its query and fragment say that is secret.
pub(super) fn url(url: &str) -> Cow<'_, str> {
    let Some(at) = url.find(['?', '#']) else { return Cow::Borrowed(url) };
    let (place, rest) = url.split_at(at);
    let mut out = place.to_owned();
    for part in rest.split_inclusive(['?', '#', '&']) {
        let (pair, end) = match part.char_indices().next_back() {
            Some((at, last)) if matches!(last, '?' | '#' | '&') => part.split_at(at),
            _ => (part, ""),
        };
        out.push_str(&one_pair(pair, is_secret_field));
        out.push_str(end);
    }
    Cow::Owned(out)
}

/// The beginning of a body without what is secret; `kind` is its media type.
pub(super) fn body(kind: &str, text: &str) -> String {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/x-www-form-urlencoded" {
        return pairs(text, '&', is_secret_field);
    }
    if essence == "multipart/form-data" {
        return multipart(text);
    }
    // Whatever it is called: what looks like JSON is taken for it, in pages as well.
    inputs(&json(text))
}

fn is_secret_field(name: &str) -> bool {
    let plain = percent_encoding(name);
    plain.eq_ignore_ascii_case(CODE) || is_secret(&plain)
}

fn percent_encoding(name: &str) -> String {
    let pair = format!("{name}=");
    url::form_urlencoded::parse(pair.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

/// `a=1;b=2` with the values of those that are `secret` replaced.
fn pairs(text: &str, between: char, secret: impl Fn(&str) -> bool) -> String {
    let parts = text.split(between).map(|pair| one_pair(pair, &secret));
    parts.collect::<Vec<_>>().join(&between.to_string())
}

fn one_pair(pair: &str, secret: impl Fn(&str) -> bool) -> String {
    match pair.split_once('=') {
        Some((name, value)) if !value.is_empty() && secret(name.trim()) => {
            format!("{name}={STARS}")
        }
        _ => pair.to_owned(),
    }
}

/// A body of parts, each with a head that names it.
fn multipart(text: &str) -> String {
    let part = |part: &str| -> String {
        let Some((head, content)) = part.split_once("\r\n\r\n") else { return part.to_owned() };
        let name = head.split("name=\"").nth(1).and_then(|rest| rest.split('"').next());
        match name {
            Some(name) if is_secret_field(name) => {
                let end = if content.ends_with("\r\n") { "\r\n" } else { "" };
                format!("{head}\r\n\r\n{STARS}{end}")
            }
            _ => part.to_owned(),
        }
    };
    // A boundary begins a line with two dashes.
    let mut parts = text.split("\r\n--");
    let first = parts.next().map(part).unwrap_or_default();
    parts.fold(first, |out, next| format!("{out}\r\n--{}", part(next)))
}

/// JSON, or text in which some stands, with the values of secret keys replaced.
fn json(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('"') {
        let key_end = at + string_end(&rest[at..]);
        let key = &rest[at..key_end];
        out.push_str(&rest[..key_end]);
        rest = &rest[key_end..];
        let after = rest.trim_start();
        let Some(value) = after.strip_prefix(':').map(str::trim_start) else { continue };
        if !is_secret(key.trim_matches('"')) || value.is_empty() {
            continue;
        }
        out.push_str(&rest[..rest.len() - value.len()]);
        let end = value_end(value);
        match &value[..end] {
            // They say nothing, and that they are there is worth knowing.
            nothing @ ("null" | "\"\"" | "true" | "false") => out.push_str(nothing),
            _ => {
                out.push('"');
                out.push_str(STARS);
                out.push('"');
            }
        }
        rest = &value[end..];
    }
    out.push_str(rest);
    out
}

/// Where the text in quotation marks ends with which `text` begins, its last mark included.
fn string_end(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Where the value of JSON ends with which `text` begins.
fn value_end(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' => {
                at += string_end(&text[at..]);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            '{' | '[' => depth += 1,
            '}' | ']' if depth == 0 => return at,
            '}' | ']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            ',' if depth == 0 => return at,
            c if depth == 0 && c.is_whitespace() => return at,
            _ => {}
        }
        at += c.len_utf8();
    }
    text.len()
}

/// The fields of a page's forms, with the values of secret ones replaced.
fn inputs(text: &str) -> String {
    let mut pieces = text.split("<input");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |mut out, piece| {
        let end = piece.find('>').unwrap_or(piece.len());
        let (tag, rest) = piece.split_at(end);
        out.push_str("<input");
        match attribute(tag, "name").map(|range| &tag[range]).filter(|name| is_secret(name)) {
            Some(_) => match attribute(tag, "value") {
                Some(value) => {
                    out.push_str(&tag[..value.start]);
                    out.push_str(STARS);
                    out.push_str(&tag[value.end..]);
                }
                None => out.push_str(tag),
            },
            None => out.push_str(tag),
        }
        out.push_str(rest);
        out
    })
}

/// Where the value of an attribute stands in a tag.
fn attribute(tag: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let mention = format!("{name}=");
    let at = tag.match_indices(&mention).find(|(at, _)| {
        tag[..*at].ends_with(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
    });
    let start = at?.0 + mention.len();
    let rest = &tag[start..];
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    Some(match quote {
        Some(quote) => {
            let length = rest[1..].find(quote).unwrap_or(rest.len() - 1);
            start + 1..start + 1 + length
        }
        None => {
            let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
            start..start + length
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_say_who_without_what_proves_it() {
        for (name, value, shown) in [
            ("authorization", "Bearer abc.def", "Bearer ***"),
            ("authorization", "abc", "***"),
            ("cookie", "sid=abc; theme=dark", "sid=***; theme=***"),
            ("set-cookie", "sid=abc; Path=/; HttpOnly", "sid=***; Path=/; HttpOnly"),
            ("set-cookie", "sid=abc", "sid=***"),
            ("x-api-key", "abc", "***"),
            ("x-csrf-token", "abc", "***"),
            ("content-type", "text/html", "text/html"),
            (
                "location",
                "/in?code=abc&state=1#access_token=x",
                "/in?code=***&state=1#access_token=***",
            ),
            ("location", "/login", "/login"),
        ] {
            assert_eq!(header(name, value), shown, "{name}: {value}");
        }
    }

    #[test]
    fn bodies_lose_what_their_names_call_secret() {
        let form = "application/x-www-form-urlencoded";
        let json = "application/json; charset=utf-8";
        for (kind, text, shown) in [
            (form, "email=a%40b&pass%77ord=abc&x=1", "email=a%40b&pass%77ord=***&x=1"),
            (form, "code=abc&empty_token=", "code=***&empty_token="),
            (form, "password=abc de…", "password=***"),
            (
                json,
                r#"{"user":"a","accessToken" : "x\"y","n":1}"#,
                r#"{"user":"a","accessToken" : "***","n":1}"#,
            ),
            (json, r#"{"secrets":{"a":["}",1]},"b":2}"#, r#"{"secrets":"***","b":2}"#),
            (
                json,
                r#"{"pin":1234,"shipping":5,"code":401}"#,
                r#"{"pin":"***","shipping":5,"code":401}"#,
            ),
            (json, r#"{"token":null,"password":""}"#, r#"{"token":null,"password":""}"#),
            (json, r#"{"password":"abc…"#, r#"{"password":"***""#),
            (json, r#"{"password":{"a":"b…"#, r#"{"password":"***""#),
            (json, r#"{"password"…"#, r#"{"password"…"#),
            (
                "text/plain",
                r#"saved {"api_key": "k", "a": "b"}"#,
                r#"saved {"api_key": "***", "a": "b"}"#,
            ),
            (
                "text/html",
                "<input type=hidden name=\"csrf_token\" value='abc'><input name=email value=\"a\">",
                "<input type=hidden name=\"csrf_token\" value='***'><input name=email value=\"a\">",
            ),
            (
                "multipart/form-data; boundary=x",
                "--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nabc\r\n--x\r\n\
                 Content-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--",
                "--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n***\r\n--x\r\n\
                 Content-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--",
            ),
        ] {
            assert_eq!(body(kind, text), shown, "{kind}: {text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(kind in 0..4_usize, text in "[\\x00-\\x7fé…\"{}:=&<]{0,60}") {
            let kinds = ["application/json", "application/x-www-form-urlencoded",
                "multipart/form-data", "text/html"];
            let _ = body(kinds[kind], &text);
            let _ = url(&text);
        }

        #[test]
        fn a_secret_value_never_stays(value in "[a-z]{8}", cut in 0..80_usize) {
            let text = format!("{{\"a\": [1, {{\"password\": \"{value}\", \"b\": 2}}]}}");
            let cut = &text[..cut.min(text.len())];
            let shown = body("application/json", cut);
            prop_assert!(!shown.contains(&value[..4]), "{shown}");
        }
    }
}
