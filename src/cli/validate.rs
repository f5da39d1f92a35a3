//! `tripline validate`: says all that is wrong with a project.
//!
//! How the project is read is for `app`; here is only what is said about it.

use std::io::{self, Write};

use super::diagnostics::{self, Style};
use super::look::counted;
use crate::config::settings::{self, Lack};
use crate::config::{Diagnostic, Project, Severity};
use crate::domain::policy::Channel;

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text(Style),
    /// For programs.
    Json,
}

/// Whether the project can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It can; there may be warnings.
    Good,
    /// It cannot.
    Bad,
}

/// Writes the answer: data to `out`, words about it to `err`. For people the diagnostics are words;
/// as JSON all of it is data.
///
/// # Errors
///
/// When something cannot be written.
pub fn report(
    project: &Result<Project, Vec<Diagnostic>>,
    form: Form,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Verdict> {
    let (diagnostics, verdict) = match project {
        Ok(project) => {
            let warnings = project.warnings.iter().cloned();
            let more = nothing_to_watch(project).into_iter().chain(printed(project));
            (warnings.chain(more).collect(), Verdict::Good)
        }
        Err(diagnostics) => (diagnostics.clone(), Verdict::Bad),
    };
    match form {
        Form::Json => {
            let checks = project.as_ref().map_or_else(|_| Vec::new(), ids);
            let rules = project.as_ref().map_or_else(|_| Vec::new(), rules);
            let policies = project.as_ref().map_or_else(|_| serde_json::json!({}), policies);
            let answer = serde_json::json!({
                "valid": verdict == Verdict::Good,
                "checks": checks,
                "rules": rules,
                "policies": policies,
                "diagnostics": diagnostics::to_json(&diagnostics),
            });
            writeln!(out, "{answer:#}")?;
        }
        Form::Text(style) => {
            if !diagnostics.is_empty() {
                write!(err, "{}", diagnostics::to_text(&diagnostics, style))?;
            }
            if let Ok(project) = project {
                writeln!(out, "{}", summary(project))?;
            }
        }
    }
    Ok(verdict)
}

/// A project without a check or a rule watches nothing, which nobody means for long.
fn nothing_to_watch(project: &Project) -> Option<Diagnostic> {
    let is_empty = project.checks.is_empty()
        && project.disabled.is_empty()
        && project.settings.rules.all.is_empty();
    let mut diagnostic =
        Diagnostic::of_file("tripline.toml", "there is no check: nothing is watched");
    diagnostic.severity = Severity::Warning;
    diagnostic
        .advise("write one in `checks/`, or a `[[check]]` here; `tripline init` makes an example");
    is_empty.then_some(diagnostic)
}

/// The channels by which people are to be told, and are not.
fn printed(project: &Project) -> Vec<Diagnostic> {
    let settings = &project.settings;
    let told = |(channel, lack): (Channel, Lack)| {
        let channel = channel.as_str();
        let message = format!("{channel} is not sent, only printed by `tripline up`: {lack}");
        let mut diagnostic = Diagnostic::of_file(settings::FILE, message);
        diagnostic.severity = Severity::Warning;
        diagnostic.advise(lack.advice());
        diagnostic
    };
    settings.lacking(project.policies_in_use()).into_iter().map(told).collect()
}

fn ids(project: &Project) -> Vec<&str> {
    project.checks.keys().map(crate::domain::id::CheckId::as_str).collect()
}

/// Which policy each check has, and why.
fn policies(project: &Project) -> serde_json::Value {
    let checks = project.checks.values().chain(project.disabled.values());
    let policy = |check: &std::sync::Arc<crate::domain::check::Check>| {
        let because = project.choices.get(&check.id).map(ToString::to_string);
        let chosen = serde_json::json!({ "policy": check.policy, "because": because });
        (check.id.to_string(), chosen)
    };
    checks.map(policy).collect::<serde_json::Map<_, _>>().into()
}

fn rules(project: &Project) -> Vec<&str> {
    project.settings.rules.all.iter().map(|rule| rule.name.as_str()).collect()
}

fn summary(project: &Project) -> String {
    let mut parts = vec![match project.checks.len() {
        0 => "no check".to_owned(),
        count => counted(count, "check"),
    }];
    if !project.disabled.is_empty() {
        parts.push(format!("{} more switched off", project.disabled.len()));
    }
    if !project.settings.rules.all.is_empty() {
        parts.push(counted(project.settings.rules.all.len(), "rule"));
    }
    format!("The project is valid: {}.", parts.join(", "))
}
