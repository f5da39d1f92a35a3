//! `[email]`: how e-mail is sent.
//!
//! Without the section, e-mail is kept and shown.

use crate::config::reader::{Field, Report, Table};
use crate::config::secret::{Secret, Sources};

/// How e-mail is sent by SMTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the way there is encrypted.
    pub tls: EmailTls,
    /// Who sends, where the server wants to know.
    pub username: Option<String>,
    /// Their password.
    pub password: Option<Secret>,
    /// Whom messages come from: an address, or a name and an address in angle brackets.
    pub from: String,
    /// A certificate to trust besides the machine's, in PEM.
    pub ca: Option<Secret>,
}

/// Whether the way to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmailTls {
    /// After `STARTTLS`, without which nothing is sent.
    #[default]
    StartTls,
    /// From the first byte.
    Implicit,
    /// Not at all.
    None,
}

impl EmailTls {
    /// The port that servers have for it (RFC 8314).
    fn port(self) -> u32 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

impl Email {
    pub(super) fn read(
        mut table: Table<'_>,
        sources: Sources<'_>,
        report: &mut Report,
    ) -> Option<Self> {
        let host = table.required("host", "the name of the mail server", report);
        let host = host.and_then(|it| it.parsed(host_name, report));
        let words = [
            ("starttls", EmailTls::StartTls),
            ("tls", EmailTls::Implicit),
            ("none", EmailTls::None),
        ];
        let tls = table.optional("tls");
        let encryption =
            tls.as_ref().map_or(Some(EmailTls::default()), |it| it.word(&words, report));
        let port = table.optional("port");
        let port = port.map_or(encryption.map(EmailTls::port), |it| it.integer(1..=65_535, report));
        let username = table.optional("username");
        let username = username.and_then(|it| it.line(LONGEST_NAME, report)).map(str::to_owned);
        let password = table.optional("password");
        if let Some(field) = password.as_ref().filter(|_| username.is_none()) {
            let message = "a `password` without a `username`";
            report.error(&field.key_span, message).advise("name who sends: `username = \"...\"`");
        }
        if let (Some(host), Some(EmailTls::None), Some(tls)) = (&host, encryption, &tls) {
            check_plain(host, password.as_ref(), tls, report);
        }
        let password = password.and_then(|it| sources.secret(&it, report));
        let help = "whom messages come from, such as `\"Tripline <tripline@example.com>\"`";
        let from = table.required("from", help, report);
        let from = from.and_then(|it| it.parsed(sender, report));
        let ca = table.optional("ca").and_then(|it| authority(&it, sources, report));
        table.finish(report, hint);
        Some(Self {
            host: host?,
            port: u16::try_from(port?).ok()?,
            tls: encryption?,
            username,
            password,
            from: from?,
            ca,
        })
    }
}

/// The longest name of a user.
const LONGEST_NAME: usize = 320;

fn hint(key: &str) -> Option<String> {
    match key {
        "smtp" | "url" | "server" => Some("write `host` and, if it is another, `port`".into()),
        "user" | "login" => Some("did you mean `username`?".into()),
        "encryption" | "security" => Some("did you mean `tls`?".into()),
        _ => None,
    }
}

fn host_name(text: &str) -> Result<String, &'static str> {
    let name = url::Host::parse(text)
        .map_err(|_| "it is no name or address of a server, such as `smtp.example.com`")?;
    // IPv6 goes without the brackets that URLs need.
    Ok(match name {
        url::Host::Domain(name) => name,
        url::Host::Ipv4(address) => address.to_string(),
        url::Host::Ipv6(address) => address.to_string(),
    })
}

fn sender(text: &str) -> Result<String, &'static str> {
    let is_line = !text.chars().any(char::is_control);
    let mailbox = text.parse::<lettre::message::Mailbox>().ok().filter(|_| is_line);
    mailbox
        .map(|_| text.to_owned())
        .ok_or("it is no sender, such as `Tripline <tripline@example.com>`")
}

/// Says what goes unencrypted.
fn check_plain(host: &str, password: Option<&Field<'_>>, tls: &Field<'_>, report: &mut Report) {
    let is_near = host == "localhost"
        || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    if is_near {
        return;
    }
    if password.is_some() {
        report
            .error(&tls.span, format!("the password would go to {host} without encryption"))
            .advise("write `tls = \"starttls\"` or `tls = \"tls\"`");
        return;
    }
    report
        .warning(&tls.span, format!("messages go to {host} without encryption"))
        .advise("write `tls = \"starttls\"`, if the server knows it");
}

fn authority(field: &Field<'_>, sources: Sources<'_>, report: &mut Report) -> Option<Secret> {
    let pem = sources.secret(field, report)?;
    let is_pem = pem.expose().contains("-----BEGIN CERTIFICATE-----");
    if !pem.expose().is_empty() && !is_pem {
        report
            .error(&field.span, "the value of `ca` is no certificate in PEM")
            .advise("it begins with `-----BEGIN CERTIFICATE-----`");
        return None;
    }
    Some(pem)
}
