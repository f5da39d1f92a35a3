//! `[hub]`: the process that stores, decides and notifies.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::reader::{Field, Report, Table, no_hint};

/// The process that stores, decides and notifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// Where it can be reached over HTTP.
    pub listen: SocketAddr,
    /// Whether it may listen where other machines reach it though there are no users, with nobody asked
    /// who they are.
    pub open_to_network: bool,
    /// Whether, where there are no users, whoever reaches it over the network may acknowledge, resolve
    /// and silence, and not those of its own machine alone.
    pub open_to_acts: bool,
    /// Where people reach it; links begin with this. Without a slash at the end.
    pub url: String,
    /// Where agents of other regions, and nobody else, can reach it besides; for a network that
    /// must not see the API.
    pub agents_listen: Option<SocketAddr>,
    /// What it proves itself with, where it speaks TLS itself.
    pub tls: Option<HubTls>,
}

/// The files of a certificate and its key, in PEM; absolute when the project folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubTls {
    /// The chain of certificates, the hub's own first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Hub {
    /// Where it listens when nothing is written: this machine only.
    pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7676);

    /// Whether links that begin with [`Self::url`] lead nowhere but to the machine that they are opened
    /// on.
    pub(super) fn is_only_here(&self) -> bool {
        let url = url::Url::parse(&self.url).ok();
        url.is_some_and(|url| match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        })
    }

    /// Where people reach it when it really listens at `address`: as written, or there.
    pub fn url_at(&self, address: SocketAddr) -> String {
        let has_tls = self.tls.is_some();
        if self.url == url_of(self.listen, has_tls) {
            url_of(address, has_tls)
        } else {
            self.url.clone()
        }
    }

    /// Where this machine reaches it when it listens as written.
    pub fn local_url(&self) -> String {
        url_of(self.listen, self.tls.is_some())
    }

    /// Also hands out who is told when nobody else can be, which is read once people are known.
    pub(super) fn read<'v>(
        section: Option<Table<'v>>,
        (root, has_users): (&Path, bool),
        report: &mut Report,
    ) -> (Self, Option<Field<'v>>) {
        let (mut listen, mut agents_listen, mut url, mut tls) = (None, None, None, None);
        let (mut open, mut open_to_acts) = (false, false);
        let mut fallback = None;
        if let Some(mut table) = section {
            let field = table.optional("listen");
            open = opened(table.optional("open_to_network"), has_users, report);
            open_to_acts = opened(table.optional("open_to_acts"), has_users, report);
            listen = field.as_ref().and_then(|it| it.parsed(address, report));
            if let (Some(field), Some(listen)) = (&field, listen)
                && !open
                && !has_users
                && is_open(listen)
            {
                let message = format!("`{listen}` is open to other machines");
                report.error(&field.span, message).advise(
                    "whoever reaches it would read all runs and incidents, without signing in: have \
                     people sign in with `[[user]]`, listen on `127.0.0.1` behind a proxy that knows \
                     who is asking, or allow it with `open_to_network = true`",
                );
            }
            let field = table.optional("agents_listen");
            agents_listen = field.and_then(|it| it.parsed(address, report));
            let field = table.optional("url");
            url = field.and_then(|field| {
                let url = field.web_url(report)?;
                if url.query().is_some() || url.fragment().is_some() {
                    let message = "`url` must have no query and no fragment";
                    report.error(&field.span, message).advise("leave out all from `?` or `#` on");
                    return None;
                }
                Some(url.as_str().trim_end_matches('/').to_owned())
            });
            fallback = table.optional("fallback");
            tls = table.optional("tls").and_then(|it| read_tls(&it, root, report));
            table.finish(report, no_hint);
        }
        let listen = listen.unwrap_or(Self::LISTEN);
        let url = url.unwrap_or_else(|| url_of(listen, tls.is_some()));
        (Self { listen, open_to_network: open, open_to_acts, url, agents_listen, tls }, fallback)
    }
}

/// Whether something is allowed to people of whom nobody knows who they are. Where there are users it
/// cannot be meant.
fn opened(field: Option<Field<'_>>, has_users: bool, report: &mut Report) -> bool {
    let Some(field) = field else { return false };
    let is_open = field.boolean(report) == Some(true);
    if is_open && has_users {
        let message = format!(
            "`{}` lets people in without asking who they are, and there are users",
            field.name
        );
        report.error(&field.key_span, message).advise(
            "leave it out: who signs in sees, and operators act; or take out all `[[user]]`",
        );
    }
    is_open
}

fn read_tls(field: &Field<'_>, root: &Path, report: &mut Report) -> Option<HubTls> {
    const FORM: &str = "`{ certificate = \"cert.pem\", key = \"key.pem\" }`";
    let mut table = field.table(FORM, report)?;
    let mut file = |key: &'static str, report: &mut Report| {
        let field = table.required(key, &format!("write {FORM}"), report)?;
        Some(root.join(field.filled_text(report)?))
    };
    let (certificate, key) = (file("certificate", report), file("key", report));
    table.finish(report, no_hint);
    Some(HubTls { certificate: certificate?, key: key? })
}

/// Whether other machines may reach what listens at `listen`.
pub fn is_open(listen: SocketAddr) -> bool {
    !listen.ip().to_canonical().is_loopback()
}

/// Where what listens at `listen` is reached from this machine.
fn url_of(listen: SocketAddr, has_tls: bool) -> String {
    let scheme = if has_tls { "https" } else { "http" };
    format!("{scheme}://{}", reachable(listen))
}

/// The address under which this machine reaches what listens at `listen`.
fn reachable(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port()))
    } else {
        listen
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let error = "it is not an IP address with a port, such as `127.0.0.1:7676` or `[::]:7676`";
    text.parse().map_err(|_| error.into())
}
