//! What a project means for the agents of each region.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::agent::imports::{closure, index};
use crate::config::Project;
use crate::domain::check::{Check, Work};
use crate::domain::id::Region;
use crate::link::publication::{Part, Publication};

/// What each region that a check names is to run: its checks, the modules that their scripts may
/// import, and the secrets that they name.
pub(super) fn publication(project: &Project) -> Publication {
    let mut checks: BTreeMap<&Region, Vec<&Arc<Check>>> = BTreeMap::new();
    for check in project.checks.values() {
        for region in &check.regions {
            checks.entry(region).or_default().push(check);
        }
    }
    Publication::new(
        checks.into_iter().map(|(region, checks)| (region.clone(), part(project, region, &checks))),
    )
}

fn part(project: &Project, region: &Region, checks: &[&Arc<Check>]) -> Part {
    let modules = index(&project.modules);
    let (mut needed, mut named) = (BTreeMap::new(), BTreeSet::new());
    for check in checks {
        named.extend(project.secrets_named_by(check));
        if let Work::Script { entry } = &check.work {
            needed.extend(closure(entry, &modules));
        }
    }
    let control = project.settings.control.get(region);
    let secrets = project.settings.secrets.iter();
    let secrets = secrets.filter(|(name, _)| named.contains(*name));
    Part {
        checks: checks.iter().map(|check| Arc::clone(check)).collect(),
        modules: needed.into_iter().collect(),
        secrets: secrets.map(|(name, value)| (name.clone(), value.expose().to_owned())).collect(),
        control: control.into_iter().flatten().map(ToString::to_string).collect(),
    }
}

/// The regions that checks name and `here` is not one of.
pub(super) fn other_regions(project: &Project, here: &Region) -> BTreeSet<Region> {
    let named = project.checks.values().flat_map(|check| &check.regions);
    named.filter(|region| *region != here).cloned().collect()
}
