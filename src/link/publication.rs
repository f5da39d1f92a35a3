//! What the hub has to say to the agents of each region, made ready once for all who ask.
//!
//! A snapshot: it is replaced as a whole when the project changes.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};

use super::protocol::{Assignments, CheckMessage, Item, Module};
use crate::domain::check::Check;
use crate::domain::id::{CheckId, Region};
use crate::domain::schedule::Schedule;

/// What one region is to run.
#[derive(Default)]
pub struct Part {
    /// Its checks.
    pub checks: Vec<Arc<Check>>,
    /// The modules of their scripts, as path and text.
    pub modules: Vec<(String, String)>,
    /// The values of the secrets that they name.
    pub secrets: BTreeMap<String, String>,
    /// Where its agents ask before a failure counts.
    pub control: Vec<String>,
}

/// What all regions are to run.
#[derive(Debug, Default)]
pub struct Publication {
    regions: HashMap<Region, Arc<Published>>,
}

/// What one region is to run, ready to be sent.
pub struct Published {
    /// Changes whenever anything here does.
    pub revision: String,
    /// [`Assignments`] as JSON.
    pub body: Bytes,
    modules: HashMap<String, Bytes>,
    /// The hash of each module by its path.
    paths: HashMap<String, String>,
    checks: HashMap<CheckId, Arc<Check>>,
}

impl Publication {
    /// Makes it ready.
    pub fn new(parts: impl IntoIterator<Item = (Region, Part)>) -> Self {
        let publish = |(region, part): (Region, Part)| {
            let published = Arc::new(Published::new(&region, part));
            (region, published)
        };
        Self { regions: parts.into_iter().map(publish).collect() }
    }

    /// Whether `region` has anything to run.
    pub fn has_checks_in(&self, region: &Region) -> bool {
        self.regions.get(region).is_some_and(|published| !published.checks.is_empty())
    }

    /// What `region` is to run; nothing where the project does not name it.
    pub fn of(&self, region: &Region) -> Arc<Published> {
        let nothing = || Arc::new(Published::new(region, Part::default()));
        self.regions.get(region).map_or_else(nothing, Arc::clone)
    }
}

impl Published {
    fn new(region: &Region, part: Part) -> Self {
        let Part { mut checks, modules, secrets, control } = part;
        checks.sort_by(|a, b| a.id.cmp(&b.id));
        let message = |check: &Arc<Check>| Item::new(&CheckMessage::from(check.as_ref()));
        let written = checks.iter().map(message).collect::<Result<Vec<_>, _>>();
        let mut listed = Vec::new();
        let (mut texts, mut paths) = (HashMap::new(), HashMap::new());
        for (path, text) in modules {
            let sha256 = hash_of(text.as_bytes());
            texts.insert(sha256.clone(), Bytes::from(text));
            paths.insert(path.clone(), sha256.clone());
            listed.push(Module { path, sha256 });
        }
        listed.sort();
        let mut assignments = Assignments {
            revision: String::new(),
            region: region.to_string(),
            checks: written.expect("a check has text keys"),
            modules: listed,
            secrets: BTreeMap::new(),
            control,
        };
        let json = |it: &Assignments| serde_json::to_vec(it).expect("assignments have text keys");
        // The first half may be shown: it says nothing of the secrets.
        let shown = &hash_of(&json(&assignments))[..16];
        assignments.secrets = secrets;
        let whole = &hash_of(&json(&assignments))[..32];
        assignments.revision = format!("{shown}-{whole}");
        // It is kept, and a text that grew has room for half as much again.
        let mut body = json(&assignments);
        body.shrink_to_fit();
        Self {
            body: Bytes::from(body),
            revision: assignments.revision,
            modules: texts,
            paths,
            checks: checks.into_iter().map(|check| (check.id.clone(), check)).collect(),
        }
    }

    /// The text of the module with this hash, if one of the region's scripts needs it.
    pub fn module(&self, sha256: &str) -> Option<Bytes> {
        self.modules.get(sha256).cloned()
    }

    /// The text of the module at this path of the project, if one of the region's scripts needs it.
    pub fn module_at(&self, path: &str) -> Option<Bytes> {
        self.module(self.paths.get(path)?)
    }

    /// When the region runs this check, if it does.
    pub fn schedule_of(&self, check: &CheckId) -> Option<&Schedule> {
        self.checks.get(check).map(|check| &check.schedule)
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = Assignments::shown_revision(&self.revision);
        f.debug_struct("Published").field("revision", &shown).finish_non_exhaustive()
    }
}

/// The SHA-256 of a module's text, in hexadecimal.
pub fn hash_of(text: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, text).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region() -> Region {
        Region::new("eu").expect("a good name")
    }

    fn part(secret: &str, module: &str) -> Part {
        Part {
            checks: Vec::new(),
            modules: vec![("checks/a.js".into(), module.into())],
            secrets: [("PASSWORD".to_owned(), secret.to_owned())].into(),
            control: Vec::new(),
        }
    }

    #[test]
    fn the_revision_changes_with_everything_and_shows_nothing_of_a_secret() {
        let of = |secret, module| Published::new(&region(), part(secret, module)).revision;
        let one = of("a", "x");
        assert_eq!(one, of("a", "x"));
        assert_ne!(one, of("b", "x"));
        assert_ne!(one, of("a", "y"));
        let with_control = Part { control: vec!["https://one.example/".into()], ..part("a", "x") };
        assert_ne!(one, Published::new(&region(), with_control).revision);
        let shown = |text: &str| Assignments::shown_revision(text).to_owned();
        assert_eq!(shown(&one), shown(&of("b", "x")));
        assert_ne!(shown(&one), shown(&of("a", "y")));
    }

    #[test]
    fn a_module_is_found_by_its_hash_and_a_region_without_checks_has_none() {
        let publication = Publication::new([(region(), part("a", "export default 1"))]);
        let hash = hash_of(b"export default 1");
        let here = publication.of(&region());
        assert_eq!(here.module(&hash).as_deref(), Some(b"export default 1".as_slice()));
        let elsewhere = publication.of(&Region::new("us").expect("a good name"));
        assert_eq!(elsewhere.module(&hash), None);
        let us = Region::new("us").expect("a good name");
        assert!(!publication.has_checks_in(&us), "nothing was given it to run");
        assert!(!Publication::new([(us.clone(), Part::default())]).has_checks_in(&us));
    }
}
