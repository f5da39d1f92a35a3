//! A project put together: settings and checks that fit each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::check::{self, Choice, Defaults, Draft, Surroundings};
use super::diagnostic::{Diagnostic, Document, Span};
use super::files::Files;
use super::reader::Report;
use super::secret::{self, Part};
use super::settings::{self, Settings};
use super::suggestion;
use super::value::Value;
use crate::domain::Timestamp;
use crate::domain::check::{Check, Work};
use crate::domain::id::CheckId;
use crate::domain::policy::{Policy, Quorum};

/// A project without mistakes.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// The project folder.
    pub root: PathBuf,
    /// What `tripline.toml` says.
    pub settings: Settings,
    /// The checks that are to run, by id.
    pub checks: BTreeMap<CheckId, Arc<Check>>,
    /// The checks that are switched off by `enabled`, by id.
    pub disabled: BTreeMap<CheckId, Arc<Check>>,
    /// How each check, running or not, came by its policy.
    pub choices: BTreeMap<CheckId, Choice>,
    /// All modules: path relative to the project folder, and text.
    pub modules: Vec<(String, String)>,
    /// What looks like a mistake.
    pub warnings: Vec<Diagnostic>,
    /// When a file of it was last changed.
    pub edited_at: Timestamp,
    /// The secrets that each script and the modules that it imports name, by the script's path.
    pub(super) named: BTreeMap<String, BTreeSet<String>>,
}

/// What the evaluation of a script's module brought to light.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The path of the module, as in [`Files::entries`].
    pub entry: String,
    /// What it says about itself, or why it cannot be evaluated.
    pub description: Result<Description, Diagnostic>,
}

/// What a module says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The exported `options`.
    pub options: Option<Value>,
    /// Whether the default export is a function.
    pub has_default_function: bool,
    /// Where it and the modules that it imports name secrets.
    pub mentions: Vec<Mention>,
}

/// A place where a module names a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    /// The module.
    pub module: String,
    /// Where in it the name starts and ends, in bytes.
    pub span: (usize, usize),
    /// The secret's name.
    pub name: String,
}

impl Project {
    /// The policies that a check names, and the one that tells of what is about no check.
    pub fn policies_in_use(&self) -> impl Iterator<Item = &Policy> {
        let default = self.settings.default_policy();
        let is_used = move |name: &str| {
            name == default || self.checks.values().any(|check| check.policy == name)
        };
        self.settings.policies.values().filter(move |policy| is_used(&policy.name))
    }

    /// Puts a project together from its files, what [`settings::read`] made of them, and
    /// the scripts as they were evaluated.
    ///
    /// # Errors
    ///
    /// All mistakes and warnings, file by file, when there is at least one mistake.
    pub fn assemble(
        files: Files,
        (settings, diagnostics): (Option<Settings>, Vec<Diagnostic>),
        scripts: &[Script],
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut found = [files.diagnostics.clone(), diagnostics].concat();
        let fallback = Defaults::without_settings();
        let surroundings = match &settings {
            Some(settings) => Surroundings::new(&settings.defaults, Some(&settings.known)),
            None => Surroundings::new(&fallback, None),
        };
        let mut drafts = settings.as_ref().map_or_else(Vec::new, |it| it.drafts.clone());
        drafts.extend(read_scripts(&files, scripts, &surroundings, &mut found));
        check_mentions(&files, scripts, &surroundings, &mut found);
        check_duplicates(&drafts, &mut found);
        check_quorums(&drafts, settings.as_ref(), &mut found);
        check_named(&files, &drafts, settings.as_ref(), &mut found);
        check_groups(&files, &drafts, settings.as_ref(), &mut found);
        let place = |it: &Diagnostic| (it.file != settings::FILE, it.file.clone(), it.span.start);
        found.sort_by_cached_key(place);
        let (Some(settings), false) = (settings, found.iter().any(Diagnostic::is_error)) else {
            return Err(found);
        };
        let (mut checks, mut disabled) = (BTreeMap::new(), BTreeMap::new());
        let mut choices = BTreeMap::new();
        for draft in drafts {
            choices.insert(draft.id.clone(), draft.choice);
            let place = if draft.enabled { &mut checks } else { &mut disabled };
            place.extend(draft.check.map(|check| (draft.id, Arc::new(check))));
        }
        let Files { root, modules, edited_at, .. } = files;
        let named = scripts.iter().map(|it| (it.entry.clone(), names(it))).collect();
        Ok(Self {
            root,
            settings,
            checks,
            disabled,
            choices,
            modules,
            warnings: found,
            edited_at,
            named,
        })
    }

    /// The names of the secrets that `check` names, and no others. A script that computes the name
    /// of a secret names none by it.
    pub fn secrets_named_by(&self, check: &Check) -> BTreeSet<String> {
        match &check.work {
            Work::Script { entry } => self.named.get(entry).cloned().unwrap_or_default(),
            Work::Request(spec) => {
                let headers = spec.headers.iter().map(|(_, value)| value);
                let texts = headers.chain([&spec.url]).chain(&spec.body);
                let parts = texts.flat_map(|text| secret::parts(text));
                let name = |part| match part {
                    Part::Mention(name) => Some(name.to_owned()),
                    Part::Plain(_) | Part::Broken(_) => None,
                };
                parts.filter_map(name).collect()
            }
        }
    }
}

fn names(script: &Script) -> BTreeSet<String> {
    let described = script.description.iter();
    described.flat_map(|it| &it.mentions).map(|mention| mention.name.clone()).collect()
}

fn read_scripts(
    files: &Files,
    scripts: &[Script],
    surroundings: &Surroundings<'_>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for entry in files.entries() {
        let (Some(script), Some(document)) =
            (scripts.iter().find(|it| it.entry == entry.path), files.module(entry.path))
        else {
            found.push(Diagnostic::of_file(entry.path, "the script was not evaluated"));
            continue;
        };
        let description = match &script.description {
            Ok(description) => description,
            Err(diagnostic) => {
                found.push(diagnostic.clone());
                continue;
            }
        };
        let mut report = Report::new(document);
        let module = check::Module {
            id: entry.id,
            options: description.options.as_ref(),
            has_default_function: description.has_default_function,
        };
        drafts.push(check::read_script(module, surroundings, &mut report));
        found.extend(report.finish());
    }
    drafts
}

/// Checks that each secret which a module names is declared; a library that several scripts import
/// is looked at once.
fn check_mentions(
    files: &Files,
    scripts: &[Script],
    surroundings: &Surroundings<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let described = scripts.iter().filter_map(|script| script.description.as_ref().ok());
    let mentions: BTreeSet<&Mention> = described.flat_map(|it| &it.mentions).collect();
    let mut report: Option<Report> = None;
    for mention in mentions {
        if report.as_ref().is_none_or(|report| report.document().path != mention.module) {
            let text = files.module(&mention.module);
            let document = text.unwrap_or_else(|| Document::new(mention.module.as_str(), ""));
            found.extend(
                report.replace(Report::new(document)).map(Report::finish).unwrap_or_default(),
            );
        }
        let span: Span = mention.span.0..mention.span.1;
        if let Some(report) = &mut report {
            let _: Option<()> = surroundings.secret(&mention.name, &span, report);
        }
    }
    found.extend(report.map(Report::finish).unwrap_or_default());
}

fn check_duplicates(drafts: &[Draft], found: &mut Vec<Diagnostic>) {
    let mut first: BTreeMap<&CheckId, &Draft> = BTreeMap::new();
    for draft in drafts {
        let Some(other) = first.get(&draft.id) else {
            first.insert(&draft.id, draft);
            continue;
        };
        let message = format!("there is another check with the id `{}`", draft.id);
        let diagnostic = Diagnostic::error(&draft.document, draft.span.clone(), message);
        let mut diagnostic = concealed_as(found, diagnostic);
        if other.document.path == draft.document.path {
            diagnostic.relate(other.span.clone(), "the other one");
            diagnostic.advise("give one of them an `id` of its own");
        } else {
            let place = Diagnostic::error(&other.document, other.span.clone(), "");
            let (line, column) = place.position();
            let path = &other.document.path;
            diagnostic.advise(format!(
                "the other one is at {path}:{line}:{column}; give it another `id`, or rename this file"
            ));
        }
        found.push(diagnostic);
    }
}

/// Where something in the file is confidential, there is a diagnostic that conceals it.
fn concealed_as(found: &[Diagnostic], mut diagnostic: Diagnostic) -> Diagnostic {
    if let Some(shown) = found.iter().find(|it| it.file == diagnostic.file) {
        diagnostic.source = shown.source.clone();
    }
    diagnostic
}

/// Warns where a policy wants more regions to agree than its check has.
fn check_quorums(drafts: &[Draft], settings: Option<&Settings>, found: &mut Vec<Diagnostic>) {
    let Some(settings) = settings else { return };
    for draft in drafts.iter().filter(|draft| draft.enabled) {
        let Some(check) = &draft.check else { continue };
        let Some(policy) = settings.policies.get(&check.policy) else { continue };
        let regions = check.regions.len();
        let Quorum::Count(wanted) = policy.quorum else { continue };
        if !policy.quorum.exceeds(regions) {
            continue;
        }
        let plural = if regions == 1 { "" } else { "s" };
        let message = format!(
            "the policy `{}` wants {wanted} regions to agree, but this check runs in {regions} \
             region{plural}",
            policy.name,
        );
        let diagnostic = Diagnostic::warning(&draft.document, draft.span.clone(), message);
        let mut diagnostic = concealed_as(found, diagnostic);
        diagnostic.advise(if regions == 1 {
            "this one alone decides; let it run in more `regions`, or give it another `policy`"
        } else {
            "all of them count as enough; let it run in more `regions`, or give it another `policy`"
        });
        found.push(diagnostic);
    }
}

/// Checks that whatever a maintenance or a group names is there.
fn check_named(
    files: &Files,
    drafts: &[Draft],
    settings: Option<&Settings>,
    found: &mut Vec<Diagnostic>,
) {
    let (Some(settings), Some(document)) = (settings, &files.settings) else { return };
    // A script that cannot be evaluated is there, whatever it says of itself.
    let entries: BTreeSet<CheckId> = files.entries().map(|entry| entry.id).collect();
    let known = || drafts.iter().map(|draft| &draft.id).chain(&entries);
    for (check, span) in &settings.mentions {
        if known().any(|id| id == check) {
            continue;
        }
        let message = format!("there is no check `{check}`");
        let mut diagnostic = Diagnostic::error(document, span.clone(), message);
        diagnostic.help = suggestion::did_you_mean(check.as_str(), known().map(CheckId::as_str));
        found.push(concealed_as(found, diagnostic));
    }
}

/// Warns where the labels of a group fit no check: whoever asks for it hears that nothing is well.
fn check_groups(
    files: &Files,
    drafts: &[Draft],
    settings: Option<&Settings>,
    found: &mut Vec<Diagnostic>,
) {
    let (Some(settings), Some(document)) = (settings, &files.settings) else { return };
    // A check with a mistake might have them.
    let checks: Option<Vec<&Check>> = drafts.iter().map(|draft| draft.check.as_ref()).collect();
    let Some(checks) = checks.filter(|_| !found.iter().any(Diagnostic::is_error)) else { return };
    for group in &settings.groups {
        let Some(span) = settings.label_places.get(&group.name) else { continue };
        let fits = |check: &&Check| {
            group.labels.iter().all(|it| check.labels.get_key_value(it.0) == Some(it))
        };
        if group.labels.is_empty() || checks.iter().any(fits) {
            continue;
        }
        let labels: Vec<String> =
            group.labels.iter().map(|(name, value)| format!("{name} = \"{value}\"")).collect();
        let message =
            format!("no check has the labels of the group `{}`: {}", group.name, labels.join(", "));
        let diagnostic = Diagnostic::warning(document, span.clone(), message);
        let mut diagnostic = concealed_as(found, diagnostic);
        let known: BTreeSet<String> = checks
            .iter()
            .flat_map(|check| &check.labels)
            .map(|(name, value)| format!("{name} = \"{value}\""))
            .collect();
        let near = labels
            .iter()
            .filter(|label| !known.contains(*label))
            .find_map(|label| suggestion::closest(label, known.iter().map(String::as_str)));
        diagnostic.advise(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "give checks these `labels`, or name the checks of the group in `checks`".into()
            }
        });
        found.push(diagnostic);
    }
}

#[cfg(test)]
mod tests;
