//! `[slack]` and `[twilio]`: how people are reached.
//!
//! Neither section is needed: what cannot be sent is kept and shown.

use std::collections::{BTreeMap, BTreeSet};

use super::people::SlackReach;
use crate::config::reader::{Field, Report, Table, no_hint, web_url};
use crate::config::secret::{Secret, Sources};

/// How Slack is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slack {
    /// The token of a bot, which reaches every channel it was invited to.
    pub bot_token: Option<Secret>,
    /// The token by which clicks come over a connection that this side opens (Socket Mode).
    pub app_token: Option<Secret>,
    /// What Slack signs requests with, where it brings clicks by requests.
    pub signing_secret: Option<Secret>,
    /// Where the API is, without a slash at the end.
    pub api_url: String,
    /// Incoming webhooks by Slack channel; one of these goes before the bot.
    pub webhooks: BTreeMap<String, Secret>,
}

impl Slack {
    /// Where the API is when nothing is written.
    pub const API_URL: &str = "https://slack.com/api";

    /// Also tells which Slack channels can be reached; `None` when that is all.
    pub(super) fn read(
        mut table: Table<'_>,
        sources: Sources<'_>,
        report: &mut Report,
    ) -> (Self, Option<SlackReach>) {
        let token = table.optional("bot_token");
        let bot_token = token.as_ref().and_then(|it| sources.secret(it, report));
        let app_token =
            interactive(table.optional("app_token"), bot_token.is_some(), (sources, report));
        let signing_secret =
            interactive(table.optional("signing_secret"), bot_token.is_some(), (sources, report));
        let api_url = table.optional("api_url").and_then(|it| api_url(&it, report));
        let section = table.optional("webhooks");
        let section = section.and_then(|it| it.table("a section `[slack.webhooks]`", report));
        let (mut webhooks, mut names) = (BTreeMap::new(), BTreeSet::new());
        for field in section.iter().flat_map(Table::all) {
            names.insert(field.name.to_owned());
            let secret = webhook(&field, sources, report);
            webhooks.extend(secret.map(|it| (field.name.to_owned(), it)));
        }
        let reach = SlackReach { section: table.span.clone(), webhooks: names };
        // A key that is no channel is told already, and what was meant by it is not known.
        let is_limited = token.is_none() && !reach.webhooks.is_empty();
        let is_known = reach.webhooks.iter().all(|name| slack_channel(name).is_ok());
        let reach = (is_limited && is_known).then_some(reach);
        table.finish(report, no_hint);
        let api_url = api_url.unwrap_or_else(|| Self::API_URL.into());
        (Self { bot_token, app_token, signing_secret, api_url, webhooks }, reach)
    }

    /// Whether clicks on buttons can come.
    pub fn is_interactive(&self) -> bool {
        self.bot_token.is_some() && (self.app_token.is_some() || self.signing_secret.is_some())
    }
}

/// A credential by which clicks come; without a bot there are no buttons to click.
fn interactive(
    field: Option<Field<'_>>,
    has_bot: bool,
    (sources, report): (Sources<'_>, &mut Report),
) -> Option<Secret> {
    let field = field?;
    if !has_bot {
        let message = format!("`{}` does nothing without `bot_token`", field.name);
        report.warning(&field.span, message).advise("only messages of a bot have buttons");
    }
    sources.secret(&field, report)
}

fn webhook(field: &Field<'_>, sources: Sources<'_>, report: &mut Report) -> Option<Secret> {
    if let Err(message) = slack_channel(field.name) {
        report.error(&field.key_span, message);
    }
    let secret = sources.secret(field, report)?;
    if !secret.expose().is_empty()
        && let Err((why, _)) = web_url(secret.expose())
    {
        let message = format!("the value of the webhook for `{}` {why}", field.name);
        report
            .error(&field.span, message)
            .advise("it looks like `https://hooks.slack.com/services/T.../B.../...`");
        return None;
    }
    Some(secret)
}

/// Whether `text` names a Slack channel: `#name` or an id such as `C024BE91L`.
pub(super) fn slack_channel(text: &str) -> Result<(), String> {
    const LONGEST: usize = 80;
    let is_id = text.len() >= 8
        && text.starts_with(['C', 'D', 'G', 'U'])
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if is_id {
        return Ok(());
    }
    let Some(name) = text.strip_prefix('#') else {
        return Err(format!("`{text}` is no Slack channel; write `#{text}` or the channel's id"));
    };
    if name.chars().any(char::is_uppercase) {
        let lower = name.to_lowercase();
        return Err(format!("Slack channels are in lower case; did you mean `#{lower}`?"));
    }
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let length = name.chars().count();
    if !(1..=LONGEST).contains(&length) || !name.chars().all(allowed) {
        return Err(format!(
            "`{text}` is no Slack channel; a name has 1 to {LONGEST} letters, digits, `-` and `_`"
        ));
    }
    Ok(())
}

/// How SMS are sent by Twilio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twilio {
    /// The account.
    pub account_sid: Secret,
    /// Its token.
    pub auth_token: Secret,
    /// The number (E.164) or messaging service (`MG...`) that messages come from.
    pub from: String,
    /// Where the API is, without a slash at the end.
    pub api_url: String,
    /// Where Twilio reaches the hub, to tell how messages fare and what people answer; without a slash at
    /// the end. Where it is not written, nothing is taken from Twilio.
    pub callback_url: Option<String>,
}

impl Twilio {
    /// Where the API is when nothing is written.
    pub const API_URL: &str = "https://api.twilio.com";

    pub(super) fn read(
        mut table: Table<'_>,
        sources: Sources<'_>,
        report: &mut Report,
    ) -> Option<Self> {
        let help = "it stands in Twilio's console; write `{ env = \"TWILIO_ACCOUNT_SID\" }`";
        let account_sid = table.required("account_sid", help, report);
        let account_sid = account_sid.and_then(|it| account(&it, sources, report));
        let help = "it stands in Twilio's console; write `{ env = \"TWILIO_AUTH_TOKEN\" }`";
        let auth_token = table.required("auth_token", help, report);
        let auth_token = auth_token.and_then(|it| sources.secret(&it, report));
        let help = "the number that messages come from, such as `\"+15005550006\"`";
        let from = table.required("from", help, report);
        let from = from.and_then(|it| it.parsed(sender, report));
        let url = table.optional("api_url").and_then(|it| api_url(&it, report));
        let callback = table.optional("callback_url").and_then(|it| callback_url(&it, report));
        table.finish(report, no_hint);
        Some(Self {
            account_sid: account_sid?,
            auth_token: auth_token?,
            from: from?,
            api_url: url.unwrap_or_else(|| Self::API_URL.into()),
            callback_url: callback,
        })
    }
}

/// Where Twilio reaches the hub. It signs what it calls, so this is to be exactly what it is told.
fn callback_url(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let url = field.web_url(report)?;
    if url.query().is_some() || url.fragment().is_some() {
        let message = "`callback_url` must have no query and no fragment";
        report.error(&field.span, message).advise("leave out all from `?` or `#` on");
        return None;
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// The account stands in the path of requests, so it must be what it should be.
fn account(field: &Field<'_>, sources: Sources<'_>, report: &mut Report) -> Option<Secret> {
    let secret = sources.secret(field, report)?;
    let value = secret.expose();
    let is_sid = value.starts_with("AC") && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !value.is_empty() && !is_sid {
        report
            .error(&field.span, "the value of `account_sid` is no account SID of Twilio")
            .advise("an account SID is `AC` and 32 hexadecimal digits");
        return None;
    }
    Some(secret)
}

fn sender(text: &str) -> Result<String, String> {
    let is_service = text.len() == 34
        && text.starts_with("MG")
        && text[2..].bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_service { Ok(text.to_owned()) } else { phone(text) }
}

/// Checks a telephone number as in E.164: `+`, a country code, at most 15 digits.
pub(super) fn phone(text: &str) -> Result<String, String> {
    let is_number = |text: &str| {
        let digits = text.strip_prefix('+').unwrap_or_default();
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    };
    if is_number(text) {
        return Ok(text.to_owned());
    }
    let bare: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let plus = match bare.strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None => bare,
    };
    if is_number(&plus) {
        return Err(format!("it must be written as `{plus}`"));
    }
    Err("it is no telephone number with its country code, such as `+4930123456`".into())
}

/// An API's base URL without a slash at the end. Credentials go there, so they should go unseen.
pub(super) fn api_url(field: &Field<'_>, report: &mut Report) -> Option<String> {
    let url = field.web_url(report)?;
    let is_near = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "http" && !is_near {
        report
            .warning(&field.span, "credentials will be sent to this URL without encryption")
            .advise("use `https://`");
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}
