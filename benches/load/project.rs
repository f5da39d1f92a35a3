//! Generated projects.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// The region of the agent.
pub(crate) const REGION: &str = "load";

/// A project folder being written.
#[derive(Debug)]
pub(crate) struct Project {
    folder: TempDir,
    regions: Vec<String>,
    settings: String,
}

impl Project {
    /// A project without checks that sends metrics to `statsd_port` of 127.0.0.1.
    pub(crate) fn new(statsd_port: u16) -> Result<Self> {
        let folder = TempDir::new().context("failed to make a temporary folder")?;
        fs::create_dir(folder.path().join("checks"))?;
        let settings = format!("[statsd]\nsend_to = \"127.0.0.1:{statsd_port}\"\n");
        Ok(Self { folder, regions: Vec::new(), settings })
    }

    /// Has the checks run in these regions and not in the daemon's own.
    pub(crate) fn run_in(&mut self, regions: &[&str]) {
        self.regions = regions.iter().map(ToString::to_string).collect();
    }

    /// Keeps the store at this URL.
    pub(crate) fn store(&mut self, url: &str) {
        self.settings(&format!("[store]\nurl = \"{url}\"\n"));
    }

    /// Adds tables to `tripline.toml`.
    pub(crate) fn settings(&mut self, text: &str) {
        self.settings.push_str(text);
    }

    /// Adds a check that is one request.
    pub(crate) fn url_check(&mut self, name: &str, url: &str, every: &str, more: &str) {
        // Writing to a text cannot fail.
        let _ = write!(
            self.settings,
            "[[check]]\nname = \"{name}\"\nurl = \"{url}\"\nevery = \"{every}\"\n{more}\n"
        );
    }

    /// Adds a check that is a script.
    pub(crate) fn script(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path().join("checks").join(format!("{name}.js"));
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))
    }

    /// Writes `tripline.toml`, all at once, as careful editors do.
    pub(crate) fn write(&self) -> Result<()> {
        let Self { settings, regions, .. } = self;
        let elsewhere = match regions.as_slice() {
            [] => String::new(),
            regions => format!("regions = {regions:?}\n[defaults]\nregions = {regions:?}\n"),
        };
        let text = format!("{elsewhere}[agent]\nregion = \"{REGION}\"\n{settings}");
        let (path, new) = (self.path().join("tripline.toml"), self.path().join("new.toml"));
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, &path));
        written.with_context(|| format!("failed to write {}", path.display()))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A sign-in of a hundred lines with three requests.
pub(crate) fn login_script(url: &str, every: &str) -> String {
    include_str!("login.js").replace("{{URL}}", url).replace("{{EVERY}}", every)
}

/// A script of one request.
pub(crate) fn short_script(name: &str, url: &str, every: &str) -> String {
    format!(
        "import {{ expect }} from \"tripline\";\n\
         export const options = {{ every: \"{every}\" }};\n\
         export default async function () {{\n  \
           const answer = await fetch(\"{url}/{name}\");\n  \
           expect(answer.status).toBe(200);\n\
         }}\n"
    )
}
