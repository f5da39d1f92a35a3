//! Secrets: where their values come from, and how texts mention them.
//!
//! A value never appears in a message, in `Debug` or in a diagnostic's source. The files of the
//! project hold references only; a value written in them is refused and kept out of what is shown.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Span};
use super::reader::{Field, Report, no_hint};
use super::suggestion;
use super::value::Kind;

/// The largest file that a secret may stand in, in bytes.
const LARGEST_FILE: u64 = 64 << 10;

/// A value that must not be seen.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: Arc<str>,
    /// Why there is none, where it is empty.
    missing: Option<Arc<str>>,
}

impl Secret {
    /// Takes a value into keeping.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self { value: value.into(), missing: None }
    }

    /// What stands for a value that is not there.
    fn absent(why: &str) -> Self {
        Self { value: "".into(), missing: Some(why.into()) }
    }

    /// Why there is no value, in a project that is only looked at.
    pub fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The environment variables, and what to make of those that are not there.
#[derive(Clone, Default)]
pub struct Environment {
    /// The variables.
    pub variables: BTreeMap<String, String>,
    /// What it means that a variable or file which a secret refers to is missing.
    pub missing_secrets: MissingSecrets,
}

impl Environment {
    /// The variables of a process that needs all its secrets.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            missing_secrets: MissingSecrets::default(),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("missing_secrets", &self.missing_secrets)
            .finish()
    }
}

/// What it means that a variable or file which a secret refers to is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingSecrets {
    /// An error.
    #[default]
    Refuse,
    /// A warning, and the secret is empty: for validating where the secrets are not at hand. A
    /// project read this way must not be run.
    Warn,
}

/// Where references are looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) root: &'a Path,
    pub(super) environment: &'a Environment,
}

const FORM: &str = "write `{ env = \"NAME\" }` or `{ file = \"path\" }`";

impl Sources<'_> {
    /// Reads a reference and looks it up.
    pub(super) fn secret(self, field: &Field<'_>, report: &mut Report) -> Option<Secret> {
        if let Kind::Text(_) = field.kind() {
            report.conceal(&field.span);
            let message = format!("`{}` holds a secret in plain text", field.name);
            report.error(&field.span, message).advise(format!("refer to it instead: {FORM}"));
            return None;
        }
        let mut table = field.table("a reference to a secret", report)?;
        let (env, file) = (table.optional("env"), table.optional("file"));
        table.finish(report, no_hint);
        match (env, file) {
            (Some(env), None) => self.variable(&env, report),
            (None, Some(file)) => self.file(&file, report),
            (Some(_), Some(file)) => {
                report.error(&file.key_span, "a secret has one source, not two").advise(FORM);
                None
            }
            (None, None) => {
                let message = format!("`{}` names no source", field.name);
                report.error(&field.span, message).advise(FORM);
                None
            }
        }
    }

    fn variable(self, field: &Field<'_>, report: &mut Report) -> Option<Secret> {
        let name = field.filled_text(report)?;
        let why = match self.environment.variables.get(name) {
            Some(value) if !value.is_empty() => return Some(Secret::new(value.as_str())),
            Some(_) => "is empty",
            None => "is not set",
        };
        let names = self.environment.variables.keys().map(String::as_str);
        let help = match suggestion::closest(name, names.filter(|it| *it != name)) {
            Some(near) => format!("did you mean `{near}`, which is set?"),
            None => "set it for the process that runs tripline, or in a file for --env-file".into(),
        };
        let message = format!("the environment variable `{name}` {why}");
        self.missing(&field.span, message, help, report)
    }

    fn file(self, field: &Field<'_>, report: &mut Report) -> Option<Secret> {
        let written = field.filled_text(report)?;
        let path = self.root.join(written);
        match read_secret(&path) {
            Ok(value) => Some(Secret::new(value)),
            Err(error) => {
                let message = format!("no secret can be read from the file `{written}`: {error}");
                let help = format!("tripline looks for it at {}", path.display());
                self.missing(&field.span, message, help, report)
            }
        }
    }

    fn missing(
        self,
        span: &Span,
        message: String,
        help: String,
        report: &mut Report,
    ) -> Option<Secret> {
        let absent = Secret::absent(&message);
        let note: &mut Diagnostic = match self.environment.missing_secrets {
            MissingSecrets::Refuse => report.error(span, message),
            MissingSecrets::Warn => report.warning(span, message),
        };
        note.advise(help);
        matches!(self.environment.missing_secrets, MissingSecrets::Warn).then_some(absent)
    }
}

/// The text of a file without the line break at its end.
fn read_secret(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    // Looked at first, because opening a pipe waits for somebody to write into it.
    if !fs::metadata(path).map_err(|error| error.to_string())?.is_file() {
        return Err("it is no ordinary file".into());
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    let size = file.take(LARGEST_FILE + 1).read_to_string(&mut text);
    let size = size.map_err(|error| error.to_string())?;
    if size as u64 > LARGEST_FILE {
        return Err(format!("it has more than {} KiB", LARGEST_FILE >> 10));
    }
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() { Err("it is empty".into()) } else { Ok(value.to_owned()) }
}

/// Whether `name` can be the name of a secret: a letter or `_`, then letters, digits and `_`.
pub(super) fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A part of a text in which secrets may be mentioned as `${secret.NAME}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'t> {
    /// Text that stands for itself.
    Plain(&'t str),
    /// The name of a secret.
    Mention(&'t str),
    /// Something that begins like a mention and is none, such as `${secret.}`.
    Broken(&'t str),
}

/// Splits a text into its parts, in order; nothing is left out.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    const OPENING: &str = "${secret";
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(OPENING) {
        let (before, mention) = rest.split_at(at);
        if !before.is_empty() {
            parts.push(Part::Plain(before));
        }
        let end = mention.find('}').map_or(mention.len(), |at| at + 1);
        let (mention, after) = mention.split_at(end);
        let name = mention[OPENING.len()..].strip_prefix('.').and_then(|it| it.strip_suffix('}'));
        parts.push(match name.filter(|name| is_name(name)) {
            Some(name) => Part::Mention(name),
            None => Part::Broken(mention),
        });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Plain(rest));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diagnostic::Document;
    use crate::config::value::parse_toml;

    fn look_up(reference: &str, missing_secrets: MissingSecrets) -> (Option<Secret>, Vec<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("good"), "from file\r\n").expect("written");
        std::fs::write(folder.path().join("empty"), "\n").expect("written");
        std::fs::write(folder.path().join("binary"), [0xff, 0xfe]).expect("written");
        std::fs::write(folder.path().join("large"), "x".repeat(70_000)).expect("written");
        let variables = [("TOKEN", "from env"), ("EMPTY", "")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Environment { missing_secrets, ..Environment::new(variables) };
        let sources = Sources { root: folder.path(), environment: &environment };
        let text = format!("token = {reference}");
        let tree = parse_toml(&text).expect("good TOML");
        let mut report = Report::new(Document::new("t.toml", text.as_str()));
        let mut table = Field::root("file", &tree).table("a table", &mut report).expect("one");
        let field = table.optional("token").expect("written");
        let secret = sources.secret(&field, &mut report);
        let diagnostics = report.finish();
        assert!(!format!("{diagnostics:?}").contains("hunter2"));
        (secret, diagnostics.into_iter().map(|it| it.message).collect())
    }

    #[test]
    fn references_are_looked_up() {
        let value = |reference| {
            let (secret, messages) = look_up(reference, MissingSecrets::Refuse);
            assert!(messages.is_empty(), "{messages:?}");
            secret.expect("a secret").expose().to_owned()
        };
        assert_eq!(value("{ env = 'TOKEN' }"), "from env");
        assert_eq!(value("{ file = 'good' }"), "from file");
    }

    #[test]
    fn what_cannot_be_looked_up_is_told() {
        let message = |reference| {
            let (secret, messages) = look_up(reference, MissingSecrets::Refuse);
            assert_eq!(secret, None);
            messages.join("; ")
        };
        assert!(message("{ env = 'TOKN' }").contains("`TOKN` is not set"));
        assert!(message("{ env = 'EMPTY' }").contains("is empty"));
        assert!(message("{ file = 'none' }").contains("`none`"));
        assert!(message("{ file = 'empty' }").contains("it is empty"));
        assert!(message("{ file = 'binary' }").contains("UTF-8"));
        assert!(message("{ file = 'large' }").contains("64 KiB"));
        assert!(message("{ file = '.' }").contains("`.`"));
        assert!(message("{ env = 'TOKEN', file = 'good' }").contains("one source"));
        assert!(message("{}").contains("no source"));
        assert!(message("{ evn = 'TOKEN' }").contains("unknown key"));
        assert!(message("'hunter2'").contains("plain text"));
        assert!(message("5").contains("must be a reference"));
    }

    #[test]
    fn where_secrets_are_not_at_hand_their_absence_is_a_warning() {
        let (secret, messages) = look_up("{ env = 'TOKN' }", MissingSecrets::Warn);
        let secret = secret.expect("one that is empty");
        assert_eq!((secret.expose(), messages.len()), ("", 1));
        assert_eq!(secret.missing(), Some("the environment variable `TOKN` is not set"));
    }

    #[test]
    fn a_secret_does_not_show() {
        let environment = Environment::new([("A".to_owned(), "hunter2".to_owned())]);
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(***)");
        assert!(!format!("{environment:?}").contains("hunter2"));
    }

    #[test]
    fn mentions_are_found() {
        use Part::{Broken, Mention, Plain};
        assert_eq!(
            parts("Bearer ${secret.API_KEY}!${x}"),
            [Plain("Bearer "), Mention("API_KEY"), Plain("!${x}")]
        );
        assert_eq!(parts("${secret.}"), [Broken("${secret.}")]);
        assert_eq!(parts("${secrets.A} b"), [Broken("${secrets.A}"), Plain(" b")]);
        assert_eq!(parts("${secret.A"), [Broken("${secret.A")]);
        assert_eq!(parts(""), []);
    }

    proptest::proptest! {
        #[test]
        fn parts_are_the_whole_text(text in r"(\$\{secret|\.|A|\}|é| ){0,12}") {
            let whole: String = parts(&text).into_iter().map(|part| match part {
                Part::Plain(text) | Part::Broken(text) => text.to_owned(),
                Part::Mention(name) => format!("${{secret.{name}}}"),
            }).collect();
            proptest::prop_assert_eq!(whole, text);
        }
    }
}
