//! Reads a whole project: files, settings, and what each script says about itself.
//!
//! Scripts are evaluated in sealed children, never here. Reading has no effect: whoever asked
//! decides whether the project is used.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::assignments::pool_options;
use crate::agent::imports::{Index, closure, index as by_path};
use crate::config::settings::{Place, SandboxMode};
use crate::config::value::{Entry, Kind, Value};
use crate::config::{self, Diagnostic, Environment, Files, Project, Script, Settings, Severity};
use crate::domain::run::Failure;
use crate::sandbox::protocol::{
    Description, OptionEntry, OptionKind, OptionValue, ScriptError, SecretMention, Source,
};
use crate::sandbox::{Describer, Options, Pool, Seal};

/// How many scripts are evaluated at the same time.
const AT_ONCE: usize = 4;

/// A project whose files and settings were read, and whose scripts were not looked at yet.
#[derive(Debug)]
pub struct Reading {
    files: Files,
    settings: (Option<Settings>, Vec<Diagnostic>),
}

impl Reading {
    /// Reads the files of the project in `root`, and its settings.
    pub fn begin(root: &Path, environment: &Environment) -> Self {
        let files = Files::load(root);
        let settings = config::settings::read(&files, environment);
        Self { files, settings }
    }

    /// The same with the settings of another file, which diagnostics call `shown`, in place of its
    /// `tripline.toml`.
    pub fn edited(root: &Path, (file, shown): (&Path, &str), environment: &Environment) -> Self {
        let files = Files::load(root).with_settings_of(file, shown);
        let settings = config::settings::read(&files, environment);
        Self { files, settings }
    }

    /// Leaves out scripts but those that `wanted` accepts, by id and path, and what they import. The
    /// ids of those that are left out.
    pub fn retain(&mut self, wanted: impl Fn(&str, &str) -> bool) -> Vec<String> {
        let (mut needed, mut left_out) = (BTreeSet::new(), Vec::new());
        let modules = by_path(&self.files.modules);
        for entry in self.files.entries() {
            if wanted(entry.id.as_str(), entry.path) {
                needed.extend(closure(entry.path, &modules).into_iter().map(|(path, _)| path));
            } else {
                left_out.push(entry.id.as_str().to_owned());
            }
        }
        self.files.modules.retain(|(path, _)| needed.contains(path));
        self.files.diagnostics.retain(|it| it.file == config::settings::FILE);
        left_out
    }

    /// Where the store is.
    ///
    /// # Errors
    ///
    /// The mistakes of the settings, where they do not say.
    pub fn place(&self) -> Result<&Place, Vec<Diagnostic>> {
        let (settings, diagnostics) = &self.settings;
        let is_error = |it: &Diagnostic| it.severity == Severity::Error;
        match settings {
            Some(settings) if !diagnostics.iter().any(is_error) => Ok(&settings.store.place),
            _ => Err(self.files.diagnostics.iter().chain(diagnostics).cloned().collect()),
        }
    }

    /// How long every run is kept; no time where the settings cannot be read.
    pub fn retention(&self) -> Duration {
        let settings = self.settings.0.as_ref();
        settings.map_or(Duration::ZERO, |settings| settings.store.retention.of_every_run())
    }

    /// How many series an expression may be about; as many as usual where the settings cannot be read.
    pub fn most_series(&self) -> usize {
        let settings = self.settings.0.as_ref().map(|it| it.metrics);
        settings.unwrap_or_default().most_series()
    }

    /// The settings alone; no script is looked at.
    ///
    /// # Errors
    ///
    /// All mistakes in `tripline.toml` at once.
    pub fn settings(self) -> Result<Settings, Vec<Diagnostic>> {
        let (settings, diagnostics) = self.settings;
        match settings {
            Some(settings) if !diagnostics.iter().any(Diagnostic::is_error) => Ok(settings),
            _ => Err([self.files.diagnostics, diagnostics].concat()),
        }
    }

    /// The settings as far as they can be made out, and whether there are mistakes in them: for those who
    /// only ask the daemon that runs, which goes by what it read before.
    ///
    /// # Errors
    ///
    /// All mistakes, where nothing can be made out.
    pub fn settings_in_spite(self) -> Result<(Settings, bool), Vec<Diagnostic>> {
        let (settings, diagnostics) = self.settings;
        match settings {
            Some(settings) => Ok((settings, diagnostics.iter().any(Diagnostic::is_error))),
            None => Err([self.files.diagnostics, diagnostics].concat()),
        }
    }

    /// How the pool should be in which the scripts are evaluated, and later run.
    pub fn pool_options(&self) -> Options {
        match &self.settings.0 {
            Some(settings) => pool_options(&settings.agent),
            None => Options::new(seal(SandboxMode::Require)),
        }
    }

    /// Evaluates the scripts and puts the project together.
    ///
    /// # Errors
    ///
    /// All mistakes at once.
    pub async fn finish(self, pool: &Pool) -> Result<Project, Vec<Diagnostic>> {
        let Self { files, settings } = self;
        let modules = by_path(&files.modules);
        let entries: Vec<String> = files.entries().map(|entry| entry.path.to_owned()).collect();
        let scripts = describe_all(&files, &modules, &entries, pool).await;
        drop(modules);
        Project::assemble(files, settings, &scripts)
    }
}

/// The sandbox's word for a setting of the project.
pub(super) fn seal(mode: SandboxMode) -> Seal {
    match mode {
        SandboxMode::Require => Seal::Require,
        SandboxMode::Degrade => Seal::Degrade,
    }
}

/// Describes all entries, some at the same time; in their order.
async fn describe_all(
    files: &Files,
    modules: &Index<'_>,
    entries: &[String],
    pool: &Pool,
) -> Vec<Script> {
    let next = AtomicUsize::new(0);
    let describe_some = async || {
        let mut describer = Describer::new(pool);
        let mut scripts = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = entries.get(index) else { return scripts };
            let script = describe(files, modules, entry.clone(), &mut describer).await;
            scripts.push((index, script));
        }
    };
    let described = futures::future::join_all((0..AT_ONCE).map(|_| describe_some())).await;
    let mut described: Vec<_> = described.into_iter().flatten().collect();
    described.sort_unstable_by_key(|(index, _)| *index);
    described.into_iter().map(|(_, script)| script).collect()
}

async fn describe(
    files: &Files,
    modules: &Index<'_>,
    entry: String,
    describer: &mut Describer<'_>,
) -> Script {
    let source = Source { entry: entry.clone(), modules: closure(&entry, modules) };
    let description = match describer.describe(source).await {
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
    let message = error.message.clone();
    let place = error.position.as_ref();
    let found = place.and_then(|(file, line, column)| Some((files.module(file)?, *line, *column)));
    match found {
        Some((document, line, column)) => {
            Diagnostic::at_position(&document, index(line), index(column), message)
        }
        None => Diagnostic::of_file(entry, message),
    }
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
            OptionKind::Table(entries) => {
                Kind::Table(entries.into_iter().map(Entry::from).collect())
            }
            OptionKind::Other(what) => Kind::Other(what),
        };
        Self::new(kind, value.span.map(range))
    }
}

impl From<OptionEntry> for Entry {
    fn from(entry: OptionEntry) -> Self {
        Self { key: entry.key, span: entry.span.map(range), value: entry.value.into() }
    }
}

fn range((start, end): (u32, u32)) -> std::ops::Range<usize> {
    index(start)..index(end)
}

fn index(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
