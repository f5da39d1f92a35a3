//! Reads a tree of values, collects every mistake, and goes on.
//!
//! A reader never stops at the first mistake: each read that fails leaves a diagnostic in the
//! [`Report`] and answers `None`, so that one look shows all there is to mend. `None` without a
//! diagnostic means only that nothing was written.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostic::{Diagnostic, Document, Span, masked};
use super::value::{Entry, Kind, Value};
use super::{duration, suggestion};

/// The mistakes found in one file so far.
#[derive(Debug)]
pub struct Report {
    document: Document,
    diagnostics: Vec<Diagnostic>,
    confidential: Vec<Span>,
}

impl Report {
    /// An empty report on a file.
    pub fn new(document: Document) -> Self {
        Self { document, diagnostics: Vec::new(), confidential: Vec::new() }
    }

    /// The file.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// A table in words and with an example as it is written in this file, for
    /// [`Field::table`]: `a table of texts: { team = "shop" }`.
    pub fn table_like(&self, of: &str, key: &str, value: &str) -> String {
        let extension = std::path::Path::new(&self.document.path).extension();
        let is_script = extension.is_some_and(|it| it == "js");
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_bare = |c: char| is_word(c) || c == '-' && !is_script;
        let key = if key.chars().all(is_bare) { key.to_owned() } else { format!("\"{key}\"") };
        let equals = if is_script { ":" } else { " =" };
        let space = if of.is_empty() { "" } else { " " };
        format!("a table{space}{of}: `{{ {key}{equals} {value} }}`")
    }

    /// Notes an error.
    pub fn error(&mut self, span: &Span, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = Diagnostic::error(&self.document, span.clone(), message);
        self.diagnostics.push_mut(diagnostic)
    }

    /// Notes a warning.
    pub fn warning(&mut self, span: &Span, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = Diagnostic::warning(&self.document, span.clone(), message);
        self.diagnostics.push_mut(diagnostic)
    }

    /// Keeps the text at `span` out of every diagnostic of this file.
    pub fn conceal(&mut self, span: &Span) {
        self.confidential.push(span.clone());
    }

    /// Keeps out what another report on the same file keeps out.
    pub fn conceal_as_in(&mut self, other: Self) {
        self.confidential.extend(other.confidential);
    }

    /// All that was noted, in the order of the file.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        if !self.confidential.is_empty() {
            let source = masked(&self.document.text, &self.confidential);
            for diagnostic in &mut self.diagnostics {
                diagnostic.source = source.clone();
            }
        }
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
        self.diagnostics
    }
}

/// A value under a key or in a list, with the place to point at.
#[derive(Debug, Clone)]
pub struct Field<'v> {
    /// What it is called in messages: the key.
    pub name: &'v str,
    /// Where the key stands; for an item of a list, where the item stands.
    pub key_span: Span,
    /// Where the value stands.
    pub span: Span,
    value: &'v Value,
    is_required: bool,
}

/// A table that is being read. Keys that nobody asked for are mistakes, see [`Table::finish`].
#[derive(Debug)]
pub struct Table<'v> {
    entries: &'v [Entry],
    /// Where the table stands.
    pub span: Span,
    asked: Vec<&'static str>,
}

impl<'v> Table<'v> {
    /// The value under `key`, if one is written.
    pub fn optional(&mut self, key: &'static str) -> Option<Field<'v>> {
        self.asked.push(key);
        self.written(key)
    }

    /// The value under `key`; when none is written, that is a mistake which `help` mends.
    pub fn required(
        &mut self,
        key: &'static str,
        help: &str,
        report: &mut Report,
    ) -> Option<Field<'v>> {
        let field = self.optional(key);
        if field.is_none() {
            report.error(&self.span, format!("`{key}` is missing")).advise(help);
        }
        field.map(|field| Field { is_required: true, ..field })
    }

    /// The value under `key`, if one is written; it is not asked for by that.
    pub fn written(&self, key: &str) -> Option<Field<'v>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Field::of(entry, &self.span)).filter(|field| field.value.kind != Kind::Null)
    }

    /// All values, for a table whose keys are free.
    pub fn all(&self) -> impl Iterator<Item = Field<'v>> + use<'v> {
        let span = self.span.clone();
        let entries = self.entries;
        entries
            .iter()
            .map(move |entry| Field::of(entry, &span))
            .filter(|field| field.value.kind != Kind::Null)
    }

    /// Which of the keys that were asked for was probably meant by `key`.
    fn meant(&self, key: &str) -> Option<String> {
        let is_written = |key: &str| self.entries.iter().any(|entry| entry.key == key);
        let asked = self.asked.iter().copied();
        match suggestion::closest(key, asked.clone()) {
            Some(near) if is_written(near) => {
                Some(format!("did you mean `{near}`, which is there already?"))
            }
            Some(near) => Some(format!("did you mean `{near}`?")),
            None => suggestion::did_you_mean(key, asked.filter(|key| !is_written(key))),
        }
    }

    /// Notes each key that was not asked for. `hint` may know better than the spelling what was
    /// meant.
    pub fn finish(self, report: &mut Report, hint: impl Fn(&str) -> Option<String>) {
        for entry in self.entries {
            if self.asked.contains(&entry.key.as_str()) {
                continue;
            }
            let span = entry.span.as_ref().unwrap_or(&self.span);
            let help = hint(&entry.key).or_else(|| self.meant(&entry.key));
            report.error(span, format!("unknown key `{}`", shown(&entry.key))).help = help;
        }
    }
}

/// For [`Table::finish`]: no hint.
pub fn no_hint(_key: &str) -> Option<String> {
    None
}

/// Text from a file, short enough for a message.
fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

impl<'v> Field<'v> {
    /// The root of a tree.
    pub fn root(name: &'v str, value: &'v Value) -> Self {
        let span = value.span.clone().unwrap_or(0..0);
        Self { name, key_span: span.clone(), span, value, is_required: true }
    }

    fn of(entry: &'v Entry, around: &Span) -> Self {
        let key_span = entry.span.as_ref().or(entry.value.span.as_ref()).unwrap_or(around).clone();
        let span = entry.value.span.clone().unwrap_or_else(|| key_span.clone());
        Self { name: &entry.key, key_span, span, value: &entry.value, is_required: false }
    }

    /// What kind of value it is.
    pub fn kind(&self) -> &'v Kind {
        &self.value.kind
    }

    /// Notes that the value is not `wanted`: a noun phrase such as `a text`.
    pub fn unfit<'r>(&self, wanted: &str, report: &'r mut Report) -> &'r mut Diagnostic {
        let found = self.kind().in_words();
        report.error(&self.span, format!("`{}` must be {wanted}, not {found}", shown(self.name)))
    }

    /// A text.
    pub fn text(&self, report: &mut Report) -> Option<&'v str> {
        if let Kind::Text(text) = self.kind() {
            return Some(text);
        }
        self.unfit("a text in quotes", report);
        None
    }

    /// A text with something in it.
    pub fn filled_text(&self, report: &mut Report) -> Option<&'v str> {
        let text = self.text(report)?;
        if text.trim().is_empty() {
            report.error(&self.span, format!("`{}` must not be empty", shown(self.name)));
            return None;
        }
        Some(text)
    }

    /// One line of text for people, of at most `longest` characters.
    pub fn line(&self, longest: usize, report: &mut Report) -> Option<&'v str> {
        let text = self.filled_text(report)?;
        if text.chars().any(char::is_control) {
            report
                .error(&self.span, format!("`{}` must be one line of plain text", self.name))
                .advise("leave out line breaks and control characters");
            return None;
        }
        let length = text.chars().count();
        if length > longest {
            let message = format!("`{}` has {length} characters", self.name);
            report.error(&self.span, message).advise(format!("at most {longest} are possible"));
            return None;
        }
        Some(text)
    }

    /// `true` or `false`.
    pub fn boolean(&self, report: &mut Report) -> Option<bool> {
        if let Kind::Boolean(value) = self.kind() {
            return Some(*value);
        }
        self.unfit("`true` or `false`", report);
        None
    }

    /// A whole number within `range`.
    pub fn integer(&self, range: RangeInclusive<u32>, report: &mut Report) -> Option<u32> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        if let Kind::Integer(value) = self.kind()
            && let Ok(value) = u32::try_from(*value)
            && range.contains(&value)
        {
            return Some(value);
        }
        self.unfit(&wanted, report);
        None
    }

    /// A duration within `range`.
    pub fn duration(
        &self,
        range: RangeInclusive<Duration>,
        report: &mut Report,
    ) -> Option<Duration> {
        const FORM: &str = "write it like `30s`, `1m30s`, `500ms`, `12h` or `30d`";
        let Kind::Text(text) = self.kind() else {
            let help = match self.kind() {
                Kind::Integer(number @ 0..) => format!("with its unit: `\"{number}s\"`"),
                _ => FORM.to_owned(),
            };
            self.unfit("a duration", report).advise(help);
            return None;
        };
        let value = match duration::parse(text) {
            Ok(value) => value,
            Err(error) => {
                let message = format!("`{}` is no duration: {error}", shown(self.name));
                report.error(&self.span, message).advise(FORM);
                return None;
            }
        };
        if !range.contains(&value) {
            let [first, last] = [range.start(), range.end()].map(|it| duration::format(*it));
            let message = format!("`{}` of {} is out of range", self.name, duration::format(value));
            report.error(&self.span, message).advise(format!("possible are {first} to {last}"));
            return None;
        }
        Some(value)
    }

    /// The items of a list that has at least one.
    pub fn list(&self, report: &mut Report) -> Option<Vec<Field<'v>>> {
        let Kind::List(items) = self.kind() else {
            self.unfit("a list in square brackets", report);
            return None;
        };
        if items.is_empty() {
            report
                .error(&self.span, format!("`{}` must not be an empty list", shown(self.name)))
                .advise(if self.is_required {
                    "name at least one"
                } else {
                    "name at least one, or leave the key out"
                });
            return None;
        }
        Some(self.items(items))
    }

    /// The items of a list, or the value itself as the only one.
    pub fn one_or_more(&self, report: &mut Report) -> Option<Vec<Field<'v>>> {
        match self.kind() {
            Kind::List(_) => self.list(report),
            _ => Some(vec![self.clone()]),
        }
    }

    fn items(&self, items: &'v [Value]) -> Vec<Field<'v>> {
        let item = |value: &'v Value| {
            let span = value.span.clone().unwrap_or_else(|| self.span.clone());
            Field { name: self.name, key_span: span.clone(), span, value, is_required: true }
        };
        items.iter().map(item).collect()
    }

    /// A table. `wanted` says in messages what it must be: `a table [hub]`.
    pub fn table(&self, wanted: &str, report: &mut Report) -> Option<Table<'v>> {
        if let Kind::Table(entries) = self.kind() {
            return Some(Table { entries, span: self.span.clone(), asked: Vec::new() });
        }
        self.unfit(wanted, report);
        None
    }

    /// One of a few words.
    pub fn word<T: Copy>(&self, words: &[(&'static str, T)], report: &mut Report) -> Option<T> {
        let names = words.iter().map(|(name, _)| *name);
        let Kind::Text(text) = self.kind() else {
            self.unfit(&format!("one of {}", suggestion::listed(names)), report);
            return None;
        };
        let found = words.iter().find(|(name, _)| name == text);
        if found.is_none() {
            let message = format!("`{}` cannot be `{}`", shown(self.name), shown(text));
            report.error(&self.span, message).help = suggestion::did_you_mean(text, names);
        }
        found.map(|(_, value)| *value)
    }

    /// A text that `parse` understands; its error becomes the message.
    pub fn parsed<T, E: Display>(
        &self,
        parse: impl Fn(&str) -> Result<T, E>,
        report: &mut Report,
    ) -> Option<T> {
        match parse(self.text(report)?) {
            Ok(value) => Some(value),
            Err(error) => {
                let message = format!("`{}` is wrong: {error}", shown(self.name));
                report.error(&self.span, message);
                None
            }
        }
    }

    /// An absolute `http` or `https` URL with a host and without a password.
    pub fn web_url(&self, report: &mut Report) -> Option<url::Url> {
        let text = self.filled_text(report)?;
        match web_url(text) {
            Ok(url) => Some(url),
            Err((message, help)) => {
                let message = format!("`{}` {message}", self.name);
                report.error(&self.span, message).advise(url_help(text, help));
                None
            }
        }
    }
}

/// How to mend a URL: `help`, or what is missing before its host. Its path may hold a secret.
pub(super) fn url_help(text: &str, help: &str) -> String {
    match bare_host(text) {
        Some(host) => format!("write `https://` (or `http://`) before `{host}`"),
        None => help.to_owned(),
    }
}

/// The host of what is a URL but for its beginning: `example.com/path`, `localhost:8080`.
fn bare_host(text: &str) -> Option<String> {
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let url = url::Url::parse(&format!("https://{text}")).ok()?;
    let is_bare = begins_well && !text.contains("://") && url.username().is_empty();
    let host = url.host_str().filter(|host| host.contains('.') || *host == "localhost")?;
    is_bare.then(|| host.to_owned())
}

/// Parses an absolute `http` or `https` URL, or says what is wrong and what to do; neither of the
/// two repeats the URL, which may hold a secret.
pub(super) fn web_url(text: &str) -> Result<url::Url, (String, &'static str)> {
    const FORM: &str = "write it in full: `https://example.com/path`";
    let url = url::Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => {
            ("is no URL: it does not begin with `http://` or `https://`".to_owned(), FORM)
        }
        error => (format!("is no URL: {error}"), FORM),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        let message = format!("must begin with `http://` or `https://`, not `{}:`", url.scheme());
        return Err((message, FORM));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let message = "must not hold a user name or password".into();
        return Err((message, "send an `authorization` header with a `${secret.NAME}` instead"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::parse_toml;

    fn messages(text: &str, read: impl Fn(&mut Table<'_>, &mut Report)) -> Vec<String> {
        let tree = parse_toml(text).expect("good TOML");
        let mut report = Report::new(Document::new("t.toml", text));
        let mut table = Field::root("file", &tree).table("a table", &mut report).expect("one");
        read(&mut table, &mut report);
        table.finish(&mut report, no_hint);
        let told = |it: Diagnostic| match it.help {
            Some(help) => format!("{}; {help}", it.message),
            None => it.message,
        };
        report.finish().into_iter().map(told).collect()
    }

    #[test]
    fn every_mistake_is_told_and_reading_goes_on() {
        let text = "a = 5\nb = '30'\nc = []\nd = 'ye'\ne = 99\nf = 'x'\nevery = '2m'\ntimeot = 1\ng = []\n";
        let found = messages(text, |table, report| {
            table.optional("a").and_then(|it| it.duration(Duration::ZERO..=Duration::MAX, report));
            table.optional("b").and_then(|it| it.duration(Duration::ZERO..=Duration::MAX, report));
            table.optional("c").and_then(|it| it.list(report));
            table.optional("d").and_then(|it| it.word(&[("yes", true), ("no", false)], report));
            table.optional("e").and_then(|it| it.integer(1..=9, report));
            table.optional("f").and_then(|it| it.boolean(report));
            let range = Duration::from_secs(1)..=Duration::from_secs(90);
            table.optional("every").and_then(|it| it.duration(range, report));
            table.optional("timeout");
            table.required("name", "give it one", report);
            table.required("g", "name some", report).and_then(|it| it.list(report));
        });
        assert_eq!(
            found,
            [
                "`name` is missing; give it one",
                "`a` must be a duration, not the number 5; with its unit: `\"5s\"`",
                "`b` is no duration: `30` has no unit; write it like `30s`, `1m30s`, `500ms`, \
                 `12h` or `30d`",
                "`c` must not be an empty list; name at least one, or leave the key out",
                "`d` cannot be `ye`; did you mean `yes`?",
                "`e` must be a whole number from 1 to 9, not the number 99",
                "`f` must be `true` or `false`, not a text",
                "`every` of 2m is out of range; possible are 1s to 1m30s",
                "unknown key `timeot`; did you mean `timeout`?",
                "`g` must not be an empty list; name at least one",
            ]
        );
    }

    #[test]
    fn urls_are_absolute_and_hold_no_password() {
        let wrong = |text: &str| web_url(text).expect_err("a mistake").0;
        assert!(web_url("https://example.com").is_ok());
        assert!(wrong("example.com").contains("no URL"));
        assert!(wrong("ftp://example.com").contains("ftp"));
        assert!(wrong("http://").contains("no URL"));
        assert!(wrong("https://ana:pass@example.com").contains("password"));
    }

    #[test]
    fn null_counts_as_not_written() {
        let entry = Entry { key: "a".into(), span: None, value: Value::new(Kind::Null, None) };
        let tree = Value::new(Kind::Table(vec![entry]), None);
        let mut report = Report::new(Document::new("a.js", "x"));
        let mut table = Field::root("options", &tree).table("a table", &mut report).expect("one");
        assert!(table.optional("a").is_none());
        assert!(report.finish().is_empty());
    }

    #[test]
    fn what_is_concealed_is_in_no_diagnostic() {
        let mut report = Report::new(Document::new("t.toml", "a = 'hunter2'\nb = 1"));
        report.error(&(14..15), "something else");
        report.conceal(&(4..13));
        assert!(!format!("{:?}", report.finish()).contains("hunter2"));
    }
}
