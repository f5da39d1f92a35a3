//! `[hub]`: the process that stores, decides and notifies.

use std::net::{Ipv4Addr, SocketAddr};

use crate::config::reader::{Report, Table, no_hint};

/// The process that stores, decides and notifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// Where it can be reached over HTTP.
    pub listen: SocketAddr,
    /// Where people reach it; links begin with this. Without a slash at the end.
    pub url: String,
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

    pub(super) fn read(section: Option<Table<'_>>, report: &mut Report) -> Self {
        let (mut listen, mut url) = (None, None);
        if let Some(mut table) = section {
            let field = table.optional("listen");
            listen = field.and_then(|it| it.parsed(address, report));
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
            table.finish(report, no_hint);
        }
        let listen = listen.unwrap_or(Self::LISTEN);
        Self { listen, url: url.unwrap_or_else(|| format!("http://{}", reachable(listen))) }
    }
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
