//! `[people]` and `[teams]`: who can be told.

use std::collections::{BTreeMap, BTreeSet};

use super::channels::phone;
use crate::config::diagnostic::Span;
use crate::config::reader::{Field, Report, Table, no_hint};
use crate::config::suggestion;
use crate::domain::id::{PersonId, validate_name};
use crate::domain::policy::{Channel, Mailbox, Roster};
use crate::domain::zone::Zone;

/// Who can be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct People {
    /// People with their telephone numbers and e-mail addresses, and teams.
    pub roster: Roster,
    /// What people are called, where that is written.
    pub names: BTreeMap<PersonId, String>,
    /// What else is known of people.
    pub particulars: BTreeMap<PersonId, Particulars>,
}

/// What else is known of a person, where that is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Particulars {
    /// Their id in Slack, such as `U0123456789`.
    pub slack: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// The time zone in which they live.
    pub zone: Option<Zone>,
    /// By which channels they are tried, the first one first; by all there are where it is not written.
    pub ways: Option<Vec<Channel>>,
}

/// What a policy may name. It includes what was written with a mistake, see
/// [`crate::config::settings::Settings`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Addresses {
    /// People, and whether a telephone number is written.
    pub(super) people: BTreeMap<String, bool>,
    /// Teams with their members.
    pub(super) teams: BTreeMap<String, Vec<String>>,
    /// Rotas, with all whom they can name.
    pub(super) rotas: BTreeMap<String, Vec<String>>,
    /// People of whom an e-mail address is written.
    pub(super) emails: BTreeSet<String>,
    /// Webhooks.
    pub(super) webhooks: BTreeSet<String>,
    /// Services of PagerDuty.
    pub(super) pagerduty: BTreeSet<String>,
    /// Where the teams are written.
    pub(super) places: BTreeMap<String, Span>,
    /// The Slack channels that can be reached; `None` for all.
    pub(super) slack: Option<SlackReach>,
}

/// The Slack channels that can be reached where there are webhooks but no bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlackReach {
    /// Where that is written.
    pub(super) section: Span,
    /// The channels.
    pub(super) webhooks: BTreeSet<String>,
}

impl People {
    pub(super) fn read(
        people: Option<&Table<'_>>,
        teams: Option<&Table<'_>>,
        report: &mut Report,
    ) -> (Self, Addresses) {
        let (mut all, mut addresses) = (Self::default(), Addresses::default());
        for field in people.into_iter().flat_map(Table::all) {
            all.read_person(&field, &mut addresses, report);
        }
        for field in teams.into_iter().flat_map(Table::all) {
            all.read_team(&field, &mut addresses, report);
        }
        (all, addresses)
    }

    fn read_person(&mut self, field: &Field<'_>, addresses: &mut Addresses, report: &mut Report) {
        addresses.people.insert(field.name.to_owned(), true);
        let id = PersonId::new(field.name);
        if let Err(error) = &id {
            report.error(&field.key_span, format!("`{}` is no name: {error}", field.name));
        }
        let wanted = format!("a section, written as `[people.{}]`", field.name);
        let Some(mut table) = field.table(&wanted, report) else {
            return;
        };
        let written = table.optional("phone");
        let has_phone = written.is_some();
        addresses.people.insert(field.name.to_owned(), has_phone);
        let number = written.and_then(|it| it.parsed(phone, report));
        let name = table.optional("name").and_then(|it| it.line(100, report));
        let address = table.optional("email");
        addresses.emails.extend(address.as_ref().map(|_| field.name.to_owned()));
        let particulars = Particulars {
            slack: table.optional("slack").and_then(|it| it.parsed(slack_id, report)),
            email: address.and_then(|it| it.parsed(email, report)),
            zone: table.optional("timezone").and_then(|it| zone(&it, report)),
            ways: table.optional("ways").and_then(|it| ways(&it, report)),
        };
        particulars.check_ways(field, has_phone, report);
        table.finish(report, no_hint);
        if let Ok(id) = id {
            let email = particulars.email.clone();
            self.roster.emails.extend(email.map(|it| (id.clone(), it)));
            if particulars != Particulars::default() {
                self.particulars.insert(id.clone(), particulars);
            }
            self.names.extend(name.map(|name| (id.clone(), name.to_owned())));
            self.roster.people.insert(id, number);
        }
    }

    fn read_team(&mut self, field: &Field<'_>, addresses: &mut Addresses, report: &mut Report) {
        if let Err(error) = validate_name(field.name) {
            report.error(&field.key_span, format!("`{}` is no name: {error}", field.name));
        }
        if addresses.people.contains_key(field.name) {
            let message = format!("`{}` is both a team and a person", field.name);
            report
                .error(&field.key_span, message)
                .advise("give one of them another name, so that `sms:` can tell them apart");
        }
        let (mut members, mut written) = (Vec::new(), Vec::new());
        for item in field.list(report).unwrap_or_default() {
            let Some(name) = item.text(report) else { continue };
            let Some((known, _)) = addresses.people.get_key_value(name) else {
                addresses.report_nobody(name, &item.span, report);
                continue;
            };
            if written.contains(known) {
                report.warning(&item.span, format!("`{name}` is in this team twice"));
                continue;
            }
            written.push(known.clone());
            members.extend(PersonId::new(name));
        }
        addresses.places.insert(field.name.to_owned(), field.span.clone());
        addresses.teams.insert(field.name.to_owned(), written);
        self.roster.teams.insert(field.name.to_owned(), members);
    }
}

impl Addresses {
    /// Says that nobody has this name.
    pub(super) fn report_nobody(&self, name: &str, span: &Span, report: &mut Report) {
        let people = self.people.keys().map(String::as_str);
        let help = suggestion::did_you_mean(name, people)
            .unwrap_or_else(|| format!("add a section `[people.{name}]`"));
        report.error(span, format!("nobody is called `{name}` in [people]")).advise(help);
    }

    /// All whom a rota, a team or a person means; where there is none of that name, says so.
    fn meant(&self, name: &str, span: &Span, report: &mut Report) -> Option<Vec<String>> {
        if let Some(members) = self.teams.get(name).or_else(|| self.rotas.get(name)) {
            return Some(members.clone());
        }
        if self.people.contains_key(name) {
            return Some(vec![name.to_owned()]);
        }
        let names = self.rotas.keys().chain(self.teams.keys()).chain(self.people.keys());
        let help = suggestion::did_you_mean(name, names.map(String::as_str))
            .unwrap_or_else(|| format!("add `{name}` to [rota], [teams] or [people]"));
        report.error(span, format!("`{name}` is no rota, team or person")).advise(help);
        None
    }

    /// Checks that e-mail to `name` reaches somebody.
    pub(super) fn check_email(&self, name: &str, span: &Span, report: &mut Report) {
        if Mailbox::is_address(name) {
            if let Err(why) = email(name) {
                report.error(span, format!("`{name}` cannot be written to: {why}"));
            }
            return;
        }
        let Some(members) = self.meant(name, span, report) else { return };
        let missing: Vec<&String> =
            members.iter().filter(|person| !self.emails.contains(*person)).collect();
        if missing.is_empty() {
            return;
        }
        let who = suggestion::listed(missing.iter().map(|it| it.as_str()));
        let help = "add `email = \"...\"` in [people]";
        if missing.len() == members.len() {
            let message = format!("no e-mail can reach `{name}`: no address of {who}");
            report.error(span, message).advise(help);
        } else {
            let message = format!("e-mail to `{name}` does not reach {who}: no address");
            report.warning(span, message).advise(help);
        }
    }

    /// Checks that there is a webhook or service `name`, by the section that it is written in.
    pub(super) fn check_section(&self, key: &str, name: &str, span: &Span, report: &mut Report) {
        let known = if key == "webhook" { &self.webhooks } else { &self.pagerduty };
        if known.contains(name) {
            return;
        }
        let help = suggestion::closest(name, known.iter().map(String::as_str)).map_or_else(
            || format!("write a section `[{key}.{name}]`"),
            |near| format!("did you mean `{key}:{near}`?"),
        );
        report.error(span, format!("there is no `[{key}.{name}]`")).advise(help);
    }

    /// Checks that an SMS to `name` reaches somebody.
    pub(super) fn check_sms(&self, name: &str, span: &Span, report: &mut Report) {
        let phoneless = |person: &&String| self.people.get(*person) == Some(&false);
        let Some(members) = self.meant(name, span, report) else { return };
        let missing: Vec<&String> = members.iter().filter(phoneless).collect();
        if missing.is_empty() {
            return;
        }
        let who = suggestion::listed(missing.iter().map(|it| it.as_str()));
        let help = "add `phone = \"+...\"` in [people]";
        if missing.len() == members.len() {
            let message = format!("no SMS can reach `{name}`: no telephone number of {who}");
            report.error(span, message).advise(help);
        } else {
            let message = format!("an SMS to `{name}` does not reach {who}: no telephone number");
            report.warning(span, message).advise(help);
        }
    }

    /// Warns of those whom the built-in policy cannot reach by SMS, where their team is written.
    pub(super) fn check_team_on_call(&self, team: &str, report: &mut Report) {
        let (Some(members), Some(span)) = (self.teams.get(team), self.places.get(team)) else {
            return;
        };
        let phoneless = |person: &&String| self.people.get(*person) == Some(&false);
        let missing: Vec<&str> = members.iter().filter(phoneless).map(String::as_str).collect();
        if !missing.is_empty() {
            let who = suggestion::listed(missing);
            let message = format!(
                "the built-in policy tells `{team}` by SMS, which does not reach {who}: no telephone \
                 number"
            );
            report.warning(span, message).advise("add `phone = \"+...\"` in [people]");
        }
    }

    /// Checks that a message to a Slack channel has a way.
    pub(super) fn check_slack(&self, channel: &str, span: &Span, report: &mut Report) {
        let Some(reach) = self.slack.as_ref().filter(|it| !it.webhooks.contains(channel)) else {
            return;
        };
        let near = suggestion::closest(channel, reach.webhooks.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean `slack:{near}`?"),
            None => format!("add `\"{channel}\"` to [slack.webhooks], or a `bot_token`"),
        };
        report
            .error(span, format!("no webhook reaches the Slack channel `{channel}`"))
            .advise(help);
    }
}

impl Particulars {
    /// Warns of ways that lead nowhere.
    fn check_ways(&self, field: &Field<'_>, has_phone: bool, report: &mut Report) {
        for way in self.ways.iter().flatten() {
            let (is_there, key) = match way {
                Channel::Slack => (self.slack.is_some(), "slack = \"U...\""),
                Channel::Email => (self.email.is_some(), "email = \"...\""),
                _ => (has_phone, "phone = \"+...\""),
            };
            if !is_there {
                let (name, way) = (field.name, way.as_str());
                let message = format!("`{name}` cannot be told by `{way}`, which `ways` names");
                report.warning(&field.key_span, message).advise(format!("add `{key}`"));
            }
        }
    }
}

/// The channels by which a person is tried, in order.
fn ways(field: &Field<'_>, report: &mut Report) -> Option<Vec<Channel>> {
    let words = Channel::OUT_TO_PEOPLE.map(|channel| (channel.as_str(), channel));
    let mut ways = Vec::new();
    for item in field.list(report)? {
        let Some(way) = item.word(&words, report) else { continue };
        if ways.contains(&way) {
            report.warning(&item.span, format!("`{}` is named twice", way.as_str()));
            continue;
        }
        ways.push(way);
    }
    (!ways.is_empty()).then_some(ways)
}

/// A time zone of the IANA database.
pub(super) fn zone(field: &Field<'_>, report: &mut Report) -> Option<Zone> {
    let name = field.text(report)?;
    if let Ok(zone) = name.parse() {
        return Some(zone);
    }
    let near = suggestion::closest(name, Zone::names());
    let help = near.map_or("write it like `Europe/Berlin` or `UTC`".to_owned(), |near| {
        format!("did you mean `{near}`?")
    });
    report.error(&field.span, format!("there is no time zone `{name}`")).advise(help);
    None
}

/// A member's id: <https://docs.slack.dev/reference/objects/user-object>.
fn slack_id(text: &str) -> Result<String, &'static str> {
    let is_id = text.strip_prefix(['U', 'W']).is_some_and(|rest| {
        (4..=30).contains(&rest.len())
            && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    });
    is_id.then(|| text.to_owned()).ok_or(
        "it is no member's id of Slack, such as `U0123456789`; a profile shows it under `Copy member ID`",
    )
}

/// What mail can be addressed to; whether it arrives, only mail can tell.
fn email(text: &str) -> Result<String, &'static str> {
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control()) && text.len() <= 254;
    let is_good = is_plain && text.parse::<lettre::Address>().is_ok();
    is_good.then(|| text.to_owned()).ok_or("it is no e-mail address, such as `ana@example.com`")
}
