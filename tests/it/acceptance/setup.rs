//! The project of a scenario: its checks, and the tables besides.

use chrono::TimeDelta;
use tripline::domain::Timestamp;
use tripline::domain::id::{CheckId, Region};
use tripline::domain::schedule::{Cron, Schedule};

/// A check that agents of the harness run.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) id: String,
    pub(super) regions: Vec<String>,
    /// When it runs, as a line of cron: the same moments in all regions.
    pub(super) cron: String,
    /// Further keys.
    pub(super) more: String,
    /// Whether it is to be run.
    pub(super) enabled: bool,
    /// The step in which it fails.
    pub(super) step: Option<String>,
}

impl Watched {
    /// A check that runs each minute in `eu`.
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            regions: vec!["eu".into()],
            cron: "* * * * *".into(),
            more: String::new(),
            enabled: true,
            step: None,
        }
    }

    /// Runs in these regions.
    pub(super) fn regions(mut self, regions: &[&str]) -> Self {
        self.regions = regions.iter().map(|region| (*region).to_owned()).collect();
        self
    }

    /// Runs each so many minutes; a divisor of 60.
    pub(super) fn every(mut self, minutes: u32) -> Self {
        self.cron = if minutes == 60 { "0 * * * *".into() } else { format!("*/{minutes} * * * *") };
        self
    }

    /// With further keys.
    pub(super) fn with(mut self, more: &str) -> Self {
        self.more.push_str(more);
        self.more.push('\n');
        self
    }

    /// Fails in this step.
    pub(super) fn step(mut self, step: &str) -> Self {
        self.step = Some(step.into());
        self
    }

    /// The first slot after a moment.
    pub(super) fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let schedule = Schedule::Cron(Box::new(Cron::parse(&self.cron, "UTC").expect("a line")));
        let id = CheckId::new(&self.id).expect("a name");
        let region = Region::new("eu").expect("a name");
        schedule.next_after(moment, &id, &region).filter(|_| self.enabled)
    }

    /// Whether it runs at a moment.
    pub(super) fn is_due(&self, moment: Timestamp) -> bool {
        self.next_after(moment - TimeDelta::milliseconds(1)) == Some(moment)
    }

    fn toml(&self) -> String {
        let regions: Vec<String> = self.regions.iter().map(|it| format!("\"{it}\"")).collect();
        format!(
            "[[check]]\nid = \"{id}\"\nurl = \"http://127.0.0.1:9/\"\ncron = \"{}\"\n\
             regions = [{}]\nenabled = {}\n{}{name}\n",
            self.cron,
            regions.join(", "),
            self.enabled,
            self.more,
            id = self.id,
            name = if self.more.contains("name =") {
                String::new()
            } else {
                format!("name = \"{}\"\n", self.id)
            },
        )
    }
}

/// A project.
#[derive(Debug, Clone, Default)]
pub(super) struct Setup {
    pub(super) checks: Vec<Watched>,
    pub(super) tables: String,
    /// Whether time passes in small steps at each of which the daemon looks at everything.
    pub(super) closely: bool,
    /// Whether people can click on buttons and answer SMS.
    pub(super) answers: bool,
}

impl Setup {
    /// The check of this id.
    pub(super) fn check(&mut self, id: &str) -> &mut Watched {
        self.checks.iter_mut().find(|it| it.id == id).expect("a check of the project")
    }

    /// Takes a check out.
    pub(super) fn remove(&mut self, id: &str) {
        self.checks.retain(|it| it.id != id);
    }

    /// Replaces the one place of the tables where `old` stands.
    pub(super) fn replace(&mut self, old: &str, new: &str) {
        assert_eq!(self.tables.matches(old).count(), 1, "`{old}` in:\n{}", self.tables);
        self.tables = self.tables.replace(old, new);
    }

    /// Whether the daemon is to look at more than what comes to it.
    pub(super) fn is_looked_at(&self) -> bool {
        self.closely || self.has_rules()
    }

    /// Whether there are any rules.
    pub(super) fn has_rules(&self) -> bool {
        self.tables.contains("[[rule]]")
    }

    /// The regions of all checks.
    pub(super) fn regions(&self) -> Vec<String> {
        let mut regions: Vec<String> =
            self.checks.iter().flat_map(|it| it.regions.iter().cloned()).collect();
        regions.sort();
        regions.dedup();
        regions
    }

    pub(super) fn toml(&self) -> String {
        let checks: String = self.checks.iter().map(Watched::toml).collect();
        format!("{}\n{checks}", self.tables)
    }
}
