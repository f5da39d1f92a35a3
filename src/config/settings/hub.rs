//! `[hub]`: the process that stores, decides and notifies.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::reader::{Field, Report, Table, no_hint};

/// The process that stores, decides and notifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// Where it can be reached over HTTP.
    pub listen: SocketAddr,
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

    pub(super) fn read(section: Option<Table<'_>>, root: &Path, report: &mut Report) -> Self {
        let (mut listen, mut agents_listen, mut url, mut tls) = (None, None, None, None);
        if let Some(mut table) = section {
            let field = table.optional("listen");
            listen = field.and_then(|it| it.parsed(address, report));
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
            tls = table.optional("tls").and_then(|it| read_tls(&it, root, report));
            table.finish(report, no_hint);
        }
        let listen = listen.unwrap_or(Self::LISTEN);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = url.unwrap_or_else(|| format!("{scheme}://{}", reachable(listen)));
        Self { listen, url, agents_listen, tls }
    }
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
