//! `tripline test`: runs checks once, here and now, and shows what happened.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::args::{Global, Test};
use super::exit::Exit;
use super::report::{self, Tested};
use super::run::{self, Stop};
use super::terminal::{Stream, Terminal};
use crate::app::project::Reading;
use crate::app::trial::Trial;
use crate::clock;
use crate::config::Project;
use crate::domain::check::{Check, Work};
use crate::domain::id::Region;
use crate::domain::run::{Outcome, Report};

/// Runs the command.
pub(super) async fn run(wanted: &Test, global: &Global, terminal: &Terminal) -> Result<Exit, Stop> {
    let root = run::root(global, terminal)?;
    let environment = run::environment(global, terminal)?;
    let mut reading = Reading::begin(&root, &environment);
    let names: Vec<String> =
        wanted.checks.iter().map(|name| named(name, &root, terminal)).collect();
    if !names.is_empty() {
        reading.retain(|id, path| names.iter().any(|name| name == id || name == path));
    }
    let pool = run::pool(&reading)?;
    let project = run::project(reading, &pool, global, terminal).await?;
    let region = match &wanted.region {
        Some(name) => Some(known_region(name, &project)?),
        None => None,
    };
    let checks = chosen(&names, &project)?;
    let trial = Trial::new(&project, pool, Arc::new(clock::System));
    let look = terminal.look(Stream::Out);
    let mut out = anstream::stdout();
    let mut reports: Vec<(&Check, Report)> = Vec::new();
    for check in checks {
        let report = trial.run(check, region.as_ref()).await;
        if !wanted.json {
            let text = report::render(&Tested { check, report: &report }, &look);
            writeln!(out, "{text}")?;
        }
        reports.push((check, report));
    }
    let tested: Vec<Tested<'_>> =
        reports.iter().map(|(check, report)| Tested { check, report }).collect();
    if let Some(file) = &wanted.junit {
        write_junit(&terminal.folder.join(file), &tested)?;
    }
    if wanted.json {
        let text = report::to_json(&tested).map_err(|error| Stop::Broken(error.to_string()))?;
        writeln!(out, "{text}")?;
    } else {
        write!(out, "{}", report::summary(&tested, &look))?;
    }
    let good = reports.iter().all(|(_, report)| report.outcome() == Outcome::Passed);
    Ok(if good { Exit::Good } else { Exit::CheckFailed })
}

/// A check's id, or the path of its script from the project folder.
fn named(name: &str, root: &Path, terminal: &Terminal) -> String {
    let path = terminal.absolute(Path::new(name));
    let below = path.strip_prefix(root).ok().filter(|_| path.is_file());
    below.and_then(Path::to_str).unwrap_or(name).to_owned()
}

fn known_region(name: &str, project: &Project) -> Result<Region, Stop> {
    let regions = &project.settings.regions;
    let known = regions.iter().find(|region| region.as_str() == name);
    known.cloned().ok_or_else(|| {
        let all: Vec<&str> = regions.iter().map(Region::as_str).collect();
        Stop::Usage(format!("there is no region `{name}`; there is: {}", all.join(", ")))
    })
}

/// The checks to run, disabled ones only when they are named.
fn chosen<'p>(names: &[String], project: &'p Project) -> Result<Vec<&'p Check>, Stop> {
    if names.is_empty() {
        let all: Vec<&Check> = project.checks.values().map(Arc::as_ref).collect();
        return if all.is_empty() {
            Err(Stop::Usage("the project has no checks; write one in checks/".into()))
        } else {
            Ok(all)
        };
    }
    let all = || project.checks.values().chain(project.disabled.values()).map(Arc::as_ref);
    let find = |name: &String| {
        all().find(|check| goes_by(check, name)).ok_or_else(|| {
            let known: Vec<&str> = all().map(|check| check.id.as_str()).collect();
            Stop::Usage(format!("there is no check `{name}`; there is: {}", known.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

fn goes_by(check: &Check, name: &str) -> bool {
    let by_path = matches!(&check.work, Work::Script { entry } if entry == name);
    check.id.as_str() == name || by_path
}

fn write_junit(path: &Path, tested: &[Tested<'_>]) -> Result<(), Stop> {
    let failed =
        |reason: String| Stop::Broken(format!("failed to write {}: {reason}", path.display()));
    let text = report::to_junit(tested).map_err(|error| failed(error.to_string()))?;
    std::fs::write(path, text).map_err(|error| failed(error.to_string()))
}
