//! The options of a check, for scripts and for `[[check]]` alike.
//!
//! Both are read from a tree of values, so both have the same keys, the same rules and the same
//! messages. Where the tree comes from is not asked here: no script is evaluated and no file read.

mod defaults;
mod expect;
mod json;
mod request;
mod schedule;

use std::collections::BTreeMap;
use std::time::Duration;

pub use defaults::{Choice, Defaults};
pub(super) use defaults::{Known, Surroundings};
pub(super) use schedule::read_cron;

use super::diagnostic::{Document, Span};
use super::reader::{Field, Report, Table};
use super::secret::{Part, parts};
use super::value::Value;
use crate::domain::check::{Check, Work};
use crate::domain::exchange::Bodies;
use crate::domain::id::{CheckId, Region};
use crate::domain::schedule::Schedule;

/// A check as far as it could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The id.
    pub id: CheckId,
    /// Whether it is to run.
    pub enabled: bool,
    /// How it came by its policy.
    pub choice: Choice,
    /// The check; `None` when a mistake leaves it without something that it needs.
    pub check: Option<Check>,
    /// The file it stands in.
    pub(super) document: Document,
    /// Where in the file its id stands.
    pub(super) span: Span,
}

/// The longest name of a check, in characters.
const LONGEST_NAME: usize = 120;

/// A module in `checks/`, as far as its evaluation tells.
#[derive(Debug, Clone)]
pub(super) struct Module<'v> {
    /// The id that its path makes.
    pub(super) id: CheckId,
    /// The options that it exports; `None` when it exports none.
    pub(super) options: Option<&'v Value>,
    /// Whether its default export is a function.
    pub(super) has_default_function: bool,
}

/// Reads the options that a module exports: a script when it has a default function, one request
/// when its options have a `url`. `report` is about the module's file.
pub(super) fn read_script(
    module: Module<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Draft {
    let nothing = Value::new(super::value::Kind::Table(Vec::new()), Some(0..0));
    let field = Field::root("options", module.options.unwrap_or(&nothing));
    let (id, span) = (module.id, field.span.clone());
    let mut draft = Draft {
        id,
        enabled: true,
        choice: Choice::Default,
        check: None,
        document: report.document().clone(),
        span,
    };
    let Some(mut table) = field.table("a table: `{ name: \"...\", every: \"1m\" }`", report) else {
        return draft;
    };
    let name = table.optional("name");
    let name = match name {
        Some(field) => field.line(LONGEST_NAME, report),
        None => Some(draft.id.as_str()),
    };
    let way = way(&table, module.has_default_function, report);
    let common = Common::read(&mut table, surroundings, report);
    let work = match way {
        Some(Way::Request) => request::read(&mut table, common.timeout, surroundings, report)
            .map(|request| Work::Request(Box::new(request))),
        Some(Way::Function) => Some(Work::Script { entry: draft.document.path.clone() }),
        None => None,
    };
    table.finish(report, |key| script_hint(key, draft.id.as_str()));
    draft.enabled = common.enabled;
    draft.choice = common.choice.clone();
    let whole = name.zip(work);
    draft.check = whole.and_then(|(name, work)| common.check(draft.id.clone(), name, work));
    draft
}

/// What a module makes its check of.
enum Way {
    /// Its default function.
    Function,
    /// The request in its options.
    Request,
}

/// Which way a module takes; a mistake when it is both or neither.
fn way(table: &Table<'_>, has_default_function: bool, report: &mut Report) -> Option<Way> {
    let request = request::KEYS.map(|key| table.written(key)).into_iter().flatten().next();
    let url = table.written("url");
    match (has_default_function, url, request) {
        (true, None, _) => Some(Way::Function),
        (true, Some(url), _) => {
            report
                .error(&url.key_span, "a check has either a `url` or a default function, not both")
                .advise(
                    "choose one: leave `url` out and make the request in the function, or leave \
                     the function out and say in `expect` what must be true of the answer",
                );
            // Its other mistakes are told too.
            Some(Way::Request)
        }
        // What is missing then is the `url`.
        (false, _, Some(_)) => Some(Way::Request),
        (false, _, None) => {
            report.error(&(0..0), "the module exports no default function").advise(
                "write `export default async function () { ... }`, or give `options` a `url` that \
                 is to be requested, or move the file to checks/lib/",
            );
            None
        }
    }
}

/// Reads one `[[check]]`. `None` when it has no id.
pub(super) fn read_plain(
    mut table: Table<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<Draft> {
    let name_field = table.optional("name");
    let name = name_field.as_ref().and_then(|it| it.line(LONGEST_NAME, report));
    let id = read_id(&mut table, name_field.as_ref(), name, report);
    let common = Common::read(&mut table, surroundings, report);
    let timeout = common.timeout;
    let request = request::read(&mut table, timeout, surroundings, report);
    table.finish(report, option_hint);
    let (id, span) = id?;
    let name = if name_field.is_some() { name } else { Some(id.as_str()) };
    let (enabled, choice) = (common.enabled, common.choice.clone());
    let check = name.zip(request);
    let check = check.and_then(|(name, request)| {
        common.check(id.clone(), name, Work::Request(Box::new(request)))
    });
    Some(Draft { enabled, choice, check, document: report.document().clone(), span, id })
}

/// The id as written, or else made of the name.
fn read_id(
    table: &mut Table<'_>,
    name_field: Option<&Field<'_>>,
    name: Option<&str>,
    report: &mut Report,
) -> Option<(CheckId, Span)> {
    if let Some(field) = table.optional("id") {
        return Some((field.parsed(CheckId::new, report)?, field.span));
    }
    let Some(field) = name_field else {
        report
            .error(&table.span, "a check needs a `name` or an `id`")
            .advise("add `name = \"...\"`; the id is made of it");
        return None;
    };
    let id = CheckId::new(&slug(name?)).ok();
    if id.is_none() {
        report
            .error(&field.span, "no id can be made of this name")
            .advise("add an `id` of letters, digits, `.`, `_`, `-` and `/`");
    }
    Some((id?, field.span.clone()))
}

/// `name` in lower case with `-` in place of all that is no ASCII letter or digit.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// Where the recipient finds what to do, if that is written.
struct Runbook(Option<String>);

/// The options that all checks have; `None` for what has a mistake.
struct Common {
    schedule: Option<Schedule>,
    regions: Option<Vec<Region>>,
    timeout: Option<Duration>,
    policy: Option<String>,
    choice: Choice,
    runbook: Option<Runbook>,
    labels: Option<BTreeMap<String, String>>,
    bodies: Bodies,
    enabled: bool,
}

impl Common {
    fn read(table: &mut Table<'_>, surroundings: &Surroundings<'_>, report: &mut Report) -> Self {
        let timing = schedule::read(table, surroundings.defaults, report);
        let regions = match table.optional("regions") {
            Some(field) => surroundings.regions(&field, report),
            None => Some(surroundings.defaults.regions.clone()),
        };
        let runbook = match table.optional("runbook") {
            Some(field) => field.web_url(report).map(|url| Runbook(Some(url.to_string()))),
            None => Some(Runbook(None)),
        };
        let labels = match table.optional("labels") {
            Some(field) => read_labels(&field, report),
            None => Some(BTreeMap::new()),
        };
        let (policy, choice) = if let Some(field) = table.optional("policy") {
            (surroundings.policy(&field, report), Choice::Named)
        } else {
            let nothing = BTreeMap::new();
            let labels = labels.as_ref().unwrap_or(&nothing);
            surroundings.chosen_policy(labels, &table.span, report)
        };
        let enabled = table.optional("enabled").and_then(|it| it.boolean(report)).unwrap_or(true);
        let (schedule, timeout) = (timing.schedule, timing.timeout);
        let bodies = defaults::bodies(table, report).unwrap_or(surroundings.defaults.bodies);
        Self { schedule, regions, timeout, policy, choice, runbook, labels, bodies, enabled }
    }

    fn check(self, id: CheckId, name: &str, work: Work) -> Option<Check> {
        Some(Check {
            id,
            name: name.to_owned(),
            schedule: self.schedule?,
            regions: self.regions?,
            timeout: self.timeout?,
            policy: self.policy?,
            runbook: self.runbook?.0,
            labels: self.labels?,
            bodies: self.bodies,
            work,
        })
    }
}

/// Labels become labels of series, so their names follow the rules for these.
pub(super) fn read_labels(
    field: &Field<'_>,
    report: &mut Report,
) -> Option<BTreeMap<String, String>> {
    /// In characters.
    const LONGEST_VALUE: usize = 200;
    let table = field.table(&report.table_like("of texts", "team", "\"shop\""), report)?;
    let mut labels = Some(BTreeMap::new());
    for field in table.all() {
        if !super::secret::is_name(field.name) {
            report
                .error(&field.key_span, format!("`{}` cannot be the name of a label", field.name))
                .advise("use letters, digits and `_`");
            labels = None;
        }
        match field.line(LONGEST_VALUE, report) {
            Some(value) => {
                labels.as_mut().map(|it| it.insert(field.name.to_owned(), value.to_owned()));
            }
            None => labels = None,
        }
    }
    labels
}

/// Words that people know from elsewhere, and what they are called here.
fn option_hint(key: &str) -> Option<String> {
    let meant = match key.to_ascii_lowercase().as_str() {
        "interval" | "frequency" | "period" => "every",
        "schedule" => "cron",
        "tz" | "zone" | "time_zone" => "timezone",
        "locations" => "regions",
        "tags" => "labels",
        "disabled" | "muted" | "active" => "enabled",
        "docs" | "playbook" => "runbook",
        "title" => "name",
        _ => return None,
    };
    Some(format!("did you mean `{meant}`?"))
}

fn script_hint(key: &str, id: &str) -> Option<String> {
    match key {
        "id" => Some(format!("the id of a script is its path: this one is `{id}`")),
        "method" | "headers" | "body" | "expect" => Some(format!(
            "`{key}` goes with a `url` in place of the default function; this module has the \
             function, which makes its requests itself"
        )),
        _ => option_hint(key),
    }
}

/// Checks that each secret which `text` mentions is declared.
fn check_mentions(
    text: &str,
    span: &Span,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<()> {
    let mut result = Some(());
    for part in parts(text) {
        match part {
            Part::Plain(text) => {
                if let Some(placeholder) = placeholder(text) {
                    let message = format!("`{placeholder}` is sent as it stands");
                    report.warning(span, message).advise(
                        "declare the value in [secrets] and write `${secret.NAME}` here; nothing else is \
                         filled in",
                    );
                }
            }
            Part::Mention(name) => {
                result = surroundings.secret(name, span, report).and(result);
            }
            Part::Broken(text) => {
                report
                    .error(span, format!("`{}` mentions no secret", text.escape_debug()))
                    .advise("write `${secret.NAME}`");
                result = None;
            }
        }
    }
    result
}

/// The first `${name}` in a text, which looks as if it were to be filled in.
fn placeholder(text: &str) -> Option<&str> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
    };
    text.match_indices("${").find_map(|(at, _)| {
        let length = text[at..].find('}')?;
        is_name(&text[at + 2..at + length]).then(|| &text[at..=at + length])
    })
}

#[cfg(test)]
mod tests;
