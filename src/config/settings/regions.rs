//! `regions`: where checks may run, and what is always reached from there.
//!
//! A list of names, or a table of sections: `[regions.eu-west-1]`.

use std::collections::BTreeMap;

use url::{Host, Url};

use super::agent::Agent;
use crate::config::reader::{Field, Report, no_hint};
use crate::config::value::Kind;
use crate::domain::id::Region;
use crate::net::guard::Policy;

/// Where checks may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Regions {
    /// The agent's own first.
    pub(super) all: Vec<Region>,
    /// The control targets of those that have any.
    pub(super) control: BTreeMap<Region, Vec<Url>>,
}

impl Regions {
    pub(super) fn read(field: Option<&Field<'_>>, agent: &Agent, report: &mut Report) -> Self {
        let mut regions = Self { all: vec![agent.region.clone()], control: BTreeMap::new() };
        match field.map(|field| (field, field.kind())) {
            None => {}
            Some((field, Kind::Table(_))) => regions.read_sections(field, agent, report),
            Some((field, Kind::List(_))) => {
                for item in field.list(report).unwrap_or_default() {
                    let region = item.parsed(Region::new, report);
                    regions.add(region);
                }
            }
            Some((field, _)) => {
                field
                    .unfit("a list in square brackets", report)
                    .advise("or a section for each region, such as `[regions.eu-west-1]`");
            }
        }
        regions
    }

    fn add(&mut self, region: Option<Region>) {
        self.all.extend(region.filter(|it| !self.all.contains(it)));
    }

    fn read_sections(&mut self, field: &Field<'_>, agent: &Agent, report: &mut Report) {
        let Some(sections) = field.table("a table of regions", report) else { return };
        for section in sections.all() {
            let region = match Region::new(section.name) {
                Ok(region) => Some(region),
                Err(error) => {
                    let message = format!("this cannot be a region: {error}");
                    report.error(&section.key_span, message);
                    None
                }
            };
            let form = "a section, such as `[regions.eu-west-1]`";
            let Some(mut table) = section.table(form, report) else { continue };
            let policy = region.as_ref().filter(|it| **it == agent.region).map(|_| &agent.egress);
            let items = table.optional("control").and_then(|it| it.list(report));
            let items = items.unwrap_or_default();
            let targets: Vec<Url> =
                items.iter().filter_map(|item| target(item, policy, report)).collect();
            table.finish(report, no_hint);
            if let Some(region) = &region
                && !targets.is_empty()
            {
                self.control.insert(region.clone(), targets);
            }
            self.add(region);
        }
    }
}

/// A control target. What is known of the `policy` of its region's agent must allow it.
fn target(item: &Field<'_>, policy: Option<&Policy>, report: &mut Report) -> Option<Url> {
    let url = item.web_url(report)?;
    let strangers = Policy::default();
    let (policy, name) = (policy.unwrap_or(&strangers), url.host_str().unwrap_or_default());
    let port = url.port_or_known_default().unwrap_or_default();
    let judged = policy.judge_target(url.scheme(), name, port).and_then(|()| match url.host() {
        Some(Host::Ipv4(address)) => policy.judge_address(address.into()),
        Some(Host::Ipv6(address)) => policy.judge_address(address.into()),
        _ => Ok(()),
    });
    if let Err(refusal) = judged {
        let message = format!("this control target can never be asked: {refusal}");
        report.error(&item.span, message).advise("name a place that checks may reach");
        return None;
    }
    Some(url)
}
