//! All that `tripline.toml` says, as validated values.
//!
//! Each section has its file here, with its struct, its defaults and its reader. What a section
//! means for another part (a transport, the store) is for `app`; nothing here opens or connects.

mod agent;
mod channels;
mod coverage;
mod drill;
mod email;
mod health;
mod heartbeat;
mod hub;
mod lacking;
mod maintenance;
mod metrics;
mod people;
mod policy;
mod regions;
mod rotas;
mod rules;
mod statsd;
mod statsd_listener;
mod store;
mod storm;
mod users;
mod webhooks;

use std::collections::BTreeMap;

pub use agent::{Agent, SandboxMode};
pub use channels::{Slack, Twilio};
pub use email::{Email, EmailTls};
pub use heartbeat::Heartbeat;
pub use hub::{Hub, HubTls, is_open};
pub use lacking::Lack;
pub use metrics::Metrics;
pub use people::{Particulars, People};
pub use rules::Rules;
pub use statsd::{Statsd, StatsdTags};
pub use statsd_listener::{SignedGauges, StatsdListener};
pub use store::{Place, Retention, Store};
pub use users::{TOKEN_HASH_PREFIX, TokenHash, User};
pub use webhooks::{Pagerduty, Webhook};

use self::regions::Regions;

use super::check::{self, Defaults, Draft, Known, Surroundings};
use super::diagnostic::Diagnostic;
use super::files::Files;
use super::reader::{Field, Report, Table};
use super::secret::{Environment, Secret, Sources, is_name};
use super::suggestion::did_you_mean;
use super::value::{Entry, Kind, Value, parse_toml};
use crate::domain::blindness::shortfall::Rule;
use crate::domain::drill::Plan;
use crate::domain::group::Group;
use crate::domain::id::Region;
use crate::domain::policy::{Policy, Target};
use crate::domain::restraint::Maintenance;
use crate::domain::storm::Bounds;

/// The name of the file.
pub const FILE: &str = "tripline.toml";

/// All that `tripline.toml` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The process that stores, decides and notifies.
    pub hub: Hub,
    /// Who may sign in; where there is nobody, nobody is asked who they are.
    pub users: Vec<User>,
    /// Where everything is kept.
    pub store: Store,
    /// How points of metrics are kept.
    pub metrics: Metrics,
    /// Where measurements are sent, if anywhere.
    pub statsd: Option<Statsd>,
    /// Where metrics of others are received, if anywhere.
    pub statsd_listener: Option<StatsdListener>,
    /// How Slack is reached, if it is.
    pub slack: Option<Slack>,
    /// How SMS are sent, if they are.
    pub twilio: Option<Twilio>,
    /// How e-mail is sent, if it is.
    pub email: Option<Email>,
    /// Webhooks by name.
    pub webhooks: BTreeMap<String, Webhook>,
    /// Services of PagerDuty by name.
    pub pagerduty: BTreeMap<String, Pagerduty>,
    /// Who can be told.
    pub people: People,
    /// Who is told when nobody else can be.
    pub fallback: Vec<Target>,
    /// What scripts may ask for by `secret("NAME")`.
    pub secrets: BTreeMap<String, Secret>,
    /// The process that runs checks.
    pub agent: Agent,
    /// The regions that checks may name, the agent's own first.
    pub regions: Vec<Region>,
    /// Where an agent of a region asks before a failure counts, where that is written.
    pub control: BTreeMap<Region, Vec<url::Url>>,
    /// When too little is known of a region.
    pub coverage: Rule,
    /// How many incidents are told one by one, and how many SMS a person is sent.
    pub storm: Bounds,
    /// When paths are drilled, if they are.
    pub drill: Option<Plan>,
    /// Who is told that everything works, if anybody is.
    pub heartbeat: Option<Heartbeat>,
    /// What applies to checks that do not say.
    pub defaults: Defaults,
    /// All policies by name; never empty, since one is built in.
    pub policies: BTreeMap<String, Policy>,
    /// What is told of series.
    pub rules: Rules,
    /// Planned times in which nobody is told.
    pub maintenance: Vec<Maintenance>,
    /// Groups of checks that answer for something.
    pub groups: Vec<Group>,
    /// Where the labels of groups stand.
    pub(super) label_places: health::LabelPlaces,
    /// The checks that maintenances and groups name, with the places.
    pub(super) mentions: Vec<maintenance::Mention>,
    /// The `[[check]]` entries.
    pub(super) drafts: Vec<Draft>,
    /// What checks may refer to. It includes what was written with a mistake, so that the mistake
    /// is told once and not again by each check that refers to it.
    pub(super) known: Known,
}

impl Settings {
    /// What is to be said where somebody names a region that the project does not have.
    pub fn doubt_of_region(&self, region: &Region) -> Option<String> {
        if self.regions.contains(region) {
            return None;
        }
        let known = self.regions.iter().map(Region::as_str);
        let hint = did_you_mean(region.as_str(), known);
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        Some(format!("the project has no region `{region}`{hint}"))
    }

    /// The policy of all that names none.
    pub fn default_policy(&self) -> &str {
        self.defaults.policy.as_deref().unwrap_or(Policy::DEFAULT_NAME)
    }

    /// Whether messages leave as they do under `other`.
    pub fn has_channels_of(&self, other: &Self) -> bool {
        let Self { slack, twilio, email, webhooks, pagerduty, .. } = self;
        (slack, twilio, email) == (&other.slack, &other.twilio, &other.email)
            && (webhooks, pagerduty) == (&other.webhooks, &other.pagerduty)
    }
}

/// Reads the settings of a project.
///
/// All mistakes are told. There are settings even then, with defaults in place of what is wrong, so
/// that the checks can be read and their mistakes be told too; settings with an error among their
/// diagnostics are for nothing else. There are none when `tripline.toml` cannot be read or parsed.
pub fn read(files: &Files, environment: &Environment) -> (Option<Settings>, Vec<Diagnostic>) {
    let Some(document) = &files.settings else {
        return (None, Vec::new());
    };
    let mut report = Report::new(document.clone());
    let sources = Sources { root: &files.root, environment };
    let tree = match parse_toml(&document.text) {
        Ok(tree) => tree,
        Err(broken) => {
            for mistake in broken.mistakes {
                report.error(&mistake.span, format!("not valid TOML: {}", mistake.message));
            }
            conceal_secrets(&broken.recovered, sources, &mut report);
            return (None, report.finish());
        }
    };
    let root = Field::root(FILE, &tree).table("a table", &mut report);
    let settings = root.map(|mut root| {
        let settings = read_sections(&mut root, sources, &mut report);
        root.finish(&mut report, section_hint);
        settings
    });
    (settings, report.finish())
}

/// Keeps the secrets that a file with a broken syntax holds in plain text out of its report, as far
/// as they can be made out.
fn conceal_secrets(recovered: &Value, sources: Sources<'_>, report: &mut Report) {
    let mut guesses = Report::new(report.document().clone());
    if let Some(mut root) = Field::root(FILE, recovered).table("a table", &mut guesses) {
        let _: Settings = read_sections(&mut root, sources, &mut guesses);
    }
    report.conceal_as_in(guesses);
}

fn section_hint(key: &str) -> Option<String> {
    match key {
        "alert" | "alerts" => Some("a rule is written as `[[rule]]`".into()),
        "maintenances" | "window" | "windows" => {
            Some("a planned time is written as `[[maintenance]]`".into())
        }
        "policies" => Some("a policy is written as `[[policy]]`".into()),
        "rotas" | "oncall" | "on_call" => Some("a rota is written as `[rota.NAME]`".into()),
        "storms" | "digest" => Some("what is gathered is written as `[storm]`".into()),
        "users" | "account" | "accounts" => Some("a user is written as `[[user]]`".into()),
        "checks" => Some("a check is written as `[[check]]`".into()),
        "webhooks" => Some("a webhook is written as `[webhook.NAME]`".into()),
        "drills" => Some("did you mean `[drill]`?".into()),
        "heartbeats" | "deadman" | "dead_man" => Some("did you mean `[heartbeat]`?".into()),
        "group" | "groups" => Some("a group is written as `[health.NAME]`".into()),
        "mail" | "smtp" => Some("did you mean `[email]`?".into()),
        _ => None,
    }
}

fn read_sections(root: &mut Table<'_>, sources: Sources<'_>, report: &mut Report) -> Settings {
    let mut known = Known::default();
    let (users, hub, fallback) = read_hub(root, sources, report);
    let store = Store::read(section(root, "store", report), sources, report);
    let metrics = Metrics::read(section(root, "metrics", report), report);
    let (statsd, statsd_listener) = read_statsd(root, sources, report);
    let slack = section(root, "slack", report).map(|it| Slack::read(it, sources, report));
    let twilio = section(root, "twilio", report).and_then(|it| Twilio::read(it, sources, report));
    let email = section(root, "email", report).and_then(|it| Email::read(it, sources, report));
    let (webhooks, pagerduty) = read_programs(root, sources, report);
    let agent = Agent::read(section(root, "agent", report), sources, report);
    let (people, mut addresses) = read_people(root, report);
    addresses.webhooks = webhooks.keys().cloned().collect();
    addresses.pagerduty = pagerduty.keys().cloned().collect();
    addresses.slack = slack.as_ref().and_then(|(_, reach)| reach.clone());
    let fallback = policy::read_targets(fallback.as_ref(), &addresses, report);
    let secrets = read_secrets(root, sources, &mut known, report);
    let Regions { all: regions, control } =
        Regions::read(root.optional("regions").as_ref(), &agent, report);
    known.regions.extend(regions.iter().cloned());
    let coverage = coverage::read(section(root, "coverage", report), report);
    let drill = drill::read(section(root, "drill", report), report);
    let heartbeat = Heartbeat::read(section(root, "heartbeat", report), sources, report);
    let written = root.optional("policy");
    let policies = policy::read(written.as_ref(), &addresses, &people, &mut known, report);
    let defaults = section(root, "defaults", report);
    let defaults = Defaults::read(defaults, &agent.region, &known, report);
    let around = rules::Around {
        addresses: &addresses,
        policies: &policies,
        known: &known.policies,
        default_policy: defaults.policy.as_deref(),
    };
    let rules = Rules::read(root, &around, report);
    let written = root.optional("maintenance");
    let around = (&Surroundings::new(&defaults, Some(&known)), &rules);
    let (maintenance, mut mentions) = maintenance::read(written.as_ref(), around, report);
    let (groups, places) = health::read(section(root, "health", report), &mut mentions, report);
    let drafts = read_drafts(root, &Surroundings::new(&defaults, Some(&known)), report);
    Settings {
        hub,
        users,
        store,
        metrics,
        statsd,
        statsd_listener,
        slack: slack.map(|(slack, _)| slack),
        twilio,
        email,
        webhooks: written_well(webhooks),
        pagerduty: written_well(pagerduty),
        people,
        fallback,
        secrets,
        agent,
        regions,
        control,
        coverage,
        storm: storm::read(section(root, "storm", report), report),
        drill,
        heartbeat,
        defaults,
        policies,
        rules,
        maintenance,
        groups,
        label_places: places,
        mentions,
        drafts,
        known,
    }
}

/// Who may come in, the hub, and who is told when nobody else can be.
fn read_hub<'v>(
    root: &mut Table<'v>,
    sources: Sources<'_>,
    report: &mut Report,
) -> (Vec<User>, Hub, Option<Field<'v>>) {
    let users = users::read(root.optional("user").as_ref(), sources, report);
    let around = (sources.root, users.has_any);
    let (hub, fallback) = Hub::read(section(root, "hub", report), around, report);
    warn_of_links(root, &hub, report);
    (users.all, hub, fallback)
}

fn read_statsd(
    root: &mut Table<'_>,
    sources: Sources<'_>,
    report: &mut Report,
) -> (Option<Statsd>, Option<StatsdListener>) {
    let statsd = section(root, "statsd", report);
    statsd.map(|it| Statsd::read(it, sources.root, report)).unwrap_or_default()
}

fn read_people(root: &mut Table<'_>, report: &mut Report) -> (People, people::Addresses) {
    let (people, teams) = (section(root, "people", report), section(root, "teams", report));
    let (mut people, mut addresses) = People::read(people.as_ref(), teams.as_ref(), report);
    let written = section(root, "rota", report);
    rotas::read(written.as_ref(), &mut people, &mut addresses, report);
    (people, addresses)
}

fn read_drafts(
    root: &mut Table<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Vec<Draft> {
    let Some(checks) = root.optional("check") else { return Vec::new() };
    let checks = tables("check", &checks, report).into_iter();
    checks.filter_map(|it| check::read_plain(it, surroundings, report)).collect()
}

/// Programs that are told; `None` for those with a mistake.
type Programs = (BTreeMap<String, Option<Webhook>>, BTreeMap<String, Option<Pagerduty>>);

fn read_programs(root: &mut Table<'_>, sources: Sources<'_>, report: &mut Report) -> Programs {
    let written = section(root, "webhook", report);
    let webhooks = Webhook::read_all(written.as_ref(), sources, report);
    let written = section(root, "pagerduty", report);
    (webhooks, Pagerduty::read_all(written.as_ref(), sources, report))
}

/// Those without a mistake.
fn written_well<T>(all: BTreeMap<String, Option<T>>) -> BTreeMap<String, T> {
    all.into_iter().filter_map(|(name, one)| Some((name, one?))).collect()
}

/// Warns when messages leave this machine with links that lead back to whatever machine they are
/// opened on, unless that is written.
fn warn_of_links(root: &Table<'_>, hub: &Hub, report: &mut Report) {
    let has_url = |entry: &Entry| entry.key == "url";
    let is_written = root.written("hub").is_some_and(
        |hub| matches!(hub.kind(), Kind::Table(entries) if entries.iter().any(has_url)),
    );
    let Some(channel) = ["slack", "twilio", "email", "webhook", "pagerduty"]
        .into_iter()
        .find_map(|key| root.written(key))
    else {
        return;
    };
    if !is_written && hub.is_only_here() {
        let message = format!(
            "links in messages will begin with {}, which only this machine can open",
            hub.url
        );
        report
            .warning(&channel.key_span, message)
            .advise("write where people reach Tripline: `url = \"https://...\"` in [hub]");
    }
}

/// The table under a key of the root.
fn section<'v>(root: &mut Table<'v>, key: &'static str, report: &mut Report) -> Option<Table<'v>> {
    root.optional(key)?.table(&format!("a section, written as `[{key}]`"), report)
}

/// The tables written as `[[key]]`.
fn tables<'v>(key: &str, field: &Field<'v>, report: &mut Report) -> Vec<Table<'v>> {
    let wanted = format!("a list of sections, each written as `[[{key}]]`");
    if !matches!(field.kind(), Kind::List(_)) {
        field.unfit(&wanted, report).advise("with two brackets on each side");
        return Vec::new();
    }
    let items = field.list(report).unwrap_or_default();
    items.iter().filter_map(|item| item.table(&wanted, report)).collect()
}

fn read_secrets(
    root: &mut Table<'_>,
    sources: Sources<'_>,
    known: &mut Known,
    report: &mut Report,
) -> BTreeMap<String, Secret> {
    let mut secrets = BTreeMap::new();
    let section = section(root, "secrets", report);
    for field in section.iter().flat_map(Table::all) {
        if !is_name(field.name) {
            let message = format!("`{}` cannot be the name of a secret", field.name);
            report
                .error(&field.key_span, message)
                .advise("use letters, digits and `_`, such as `LOGIN_PASSWORD`");
        }
        known.secrets.insert(field.name.to_owned());
        if let Some(secret) = sources.secret(&field, report) {
            secrets.insert(field.name.to_owned(), secret);
        }
    }
    secrets
}

#[cfg(test)]
mod tests;
