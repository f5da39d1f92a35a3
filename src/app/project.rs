//! Reads a whole project: files, settings, and what each script says about itself.
//!
//! Scripts are evaluated in sealed children, never here. Reading has no effect: whoever asked
//! decides whether the project is used.

use std::path::Path;

use futures::StreamExt;

use super::imports::{Modules, closure};
use crate::config::value::{Entry, Kind, Value};
use crate::config::{self, Diagnostic, Environment, Files, Project, Script};
use crate::domain::run::Failure;
use crate::sandbox::protocol::{
    Description, OptionKind, OptionValue, ScriptError, SecretMention, Source,
};
use crate::sandbox::{self, Pool};

/// How many scripts are evaluated at the same time.
const AT_ONCE: usize = 4;

/// Reads the project in `root`.

///
/// # Errors
///
/// All mistakes at once.
pub async fn read(
    root: &Path,
    environment: &Environment,
    pool: &Pool,
) -> Result<Project, Vec<Diagnostic>> {
    let files = Files::load(root);
    let settings = config::settings::read(&files, environment);
    let entries: Vec<String> = files.entries().map(|entry| entry.path.to_owned()).collect();
    let modules: Modules<'_> =
        files.modules.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let scripts: Vec<Script> = futures::stream::iter(entries)
        .map(|entry| describe(&files, &modules, entry, pool))
        .buffered(AT_ONCE)
        .collect()
        .await;
    Project::assemble(files, settings, &scripts)
}

async fn describe(files: &Files, modules: &Modules<'_>, entry: String, pool: &Pool) -> Script {
    let source = Source { entry: entry.clone(), modules: closure(&entry, modules) };
    let description = match sandbox::describe(pool, source).await {
        Ok(Ok(description)) => Ok(config::Description::from(description)),
        Ok(Err(error)) => Err(refusal(files, &entry, &error)),
        Err(failure) => Err(unable(&entry, &failure)),
    };
    Script { entry, description }
}

fn unable(entry: &str, failure: &Failure) -> Diagnostic {
    let reason = &failure.message;
    Diagnostic::of_file(entry, format!("the script cannot be evaluated: {reason}"))
}

/// The error of a script as a diagnostic that points into the module it names.
fn refusal(files: &Files, entry: &str, error: &ScriptError) -> Diagnostic {
    let place = error.position.as_ref();
    let document = place.and_then(|(file, _, _)| files.module(file));
    match (place, document) {
        (Some((_, line, column)), Some(document)) => {
            let at = offset(&document.text, *line, *column);
            Diagnostic::error(&document, at..at + 1, error.message.clone())
        }
        _ => Diagnostic::of_file(entry, error.message.clone()),
    }
}

/// The byte at a line and column, both from 1; columns count UTF-16 units as engines do, which is
/// taken for characters here: a caret may be off by one after an emoji.
fn offset(text: &str, line: u32, column: u32) -> usize {
    let skipped = usize::try_from(line.saturating_sub(1)).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    let columns = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
    start + rest.chars().take(columns).map(char::len_utf8).sum::<usize>()
}

impl From<Description> for config::Description {
    fn from(description: Description) -> Self {
        Self {
            options: description.options.map(Value::from),
            has_default_function: description.has_default_function,
            mentions: description.secrets.into_iter().map(config::Mention::from).collect(),
        }
    }
}

impl From<SecretMention> for config::Mention {
    fn from(mention: SecretMention) -> Self {
        let (start, end) = mention.span;
        Self { module: mention.module, span: (index(start), index(end)), name: mention.name }
    }
}

impl From<OptionValue> for Value {
    fn from(value: OptionValue) -> Self {
        let kind = match value.kind {
            OptionKind::Null => Kind::Null,
            OptionKind::Boolean(value) => Kind::Boolean(value),
            OptionKind::Number(value) => Kind::number(value),
            OptionKind::Text(text) => Kind::Text(text),
            OptionKind::List(items) => Kind::List(items.into_iter().map(Self::from).collect()),
            OptionKind::Table(entries) => Kind::Table(
                entries
                    .into_iter()
                    .map(|entry| Entry {
                        key: entry.key,
                        span: entry.span.map(range),
                        value: Self::from(entry.value),
                    })
                    .collect(),
            ),
            OptionKind::Other(what) => Kind::Other(what),
        };
        Self::new(kind, value.span.map(range))
    }
}

fn range((start, end): (u32, u32)) -> std::ops::Range<usize> {
    index(start)..index(end)
}

fn index(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
