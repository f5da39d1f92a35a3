//! Opens connections: resolve, judge, connect, secure, each phase timed.
//!
//! The guard is asked about each address right before it is dialled, and the dialled address is
//! the one that the resolver gave, so a second look-up cannot smuggle in another. Behind a proxy
//! there is no address to ask about but one that the URL holds.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rustix::io::Errno;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::fickle::Fickle;
use super::guard::{Policy, Refusal};
use super::proxy::{self, Proxy};
use super::seen::{Phase, Seen};
use super::stream::Stream;
use super::tls;

/// How long one address is tried alone before the next is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// How many addresses of a name are tried at most.
const MOST_ADDRESSES: usize = 8;

/// Opens connections under one policy.
#[derive(Debug, Clone, Default)]
pub struct Dialer {
    policy: Policy,
    names: Names,
    trust: Option<Arc<ClientConfig>>,
    proxy: Option<Arc<Proxy>>,
}

/// Who knows the addresses of names.
#[derive(Debug, Clone, Default)]
pub enum Names {
    /// The machine's resolver. `localhost` and names below it are loopback without asking
    /// (RFC 6761, section 6.3).
    #[default]
    System,
    /// This table (names in lower case); other names have no address.
    Fixed(BTreeMap<String, Vec<IpAddr>>),
    /// A resolver that says something else at each look-up.
    Fickle(Arc<Fickle>),
}

/// Why there is no connection.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The guard forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The URL names no host.
    #[error("the URL has no host")]
    NoHost,
    /// The name has no address.
    #[error("no address found for {0}")]
    NoAddress(String),
    /// The resolver could not tell.
    #[error("resolving {name} failed: {reason}")]
    Resolve {
        /// The name.
        name: String,
        /// What the resolver said.
        reason: String,
    },
    /// No address could be reached; says why for each that was tried.
    #[error("{0}")]
    Connect(String),
    /// The handshake failed, or TLS could not be set up.
    #[error("{0}")]
    Tls(String),
    /// This machine lacks what a connection takes: descriptors, memory, ports, the certificates of
    /// authorities.
    #[error("{0}")]
    Ours(String),
    /// The proxy is not there, or does not do what it was asked.
    #[error("the proxy {proxy} {refusal}")]
    Proxy {
        /// Its host and port.
        proxy: String,
        /// What it did instead.
        refusal: proxy::Refusal,
    },
}

impl Error {
    /// Whether it is this side's doing, and says nothing about the target.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Ours(_) => true,
            Self::Proxy { refusal, .. } => refusal.is_ours(),
            _ => false,
        }
    }

    /// What `proxy` did instead of what it was asked.
    pub(super) fn by(proxy: &Proxy, refusal: proxy::Refusal) -> Self {
        Self::Proxy { proxy: proxy.to_string(), refusal }
    }
}

impl Dialer {
    /// A dialer with the machine's resolver and the authorities that it trusts.
    pub fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// The same with another source of addresses.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// The same with another TLS configuration, made by [`tls::trusting`].
    #[must_use]
    pub fn with_trust(self, trust: Arc<ClientConfig>) -> Self {
        Self { trust: Some(trust), ..self }
    }

    /// The same, with all but some requests going through a proxy.
    #[must_use]
    pub fn with_proxy(self, proxy: Proxy) -> Self {
        Self { proxy: Some(Arc::new(proxy)), ..self }
    }

    /// The proxy through which requests to `url` go.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<&Proxy> {
        let host = url.host()?;
        self.proxy.as_deref().filter(|proxy| proxy.covers(&host))
    }

    /// Opens a connection to the server of `url`, or to the proxy that is to pass on requests
    /// without TLS, and notes in `seen` how far it came.
    pub(super) async fn dial(&self, url: &Url, seen: &mut Seen) -> Result<Stream, Error> {
        let host = url.host().ok_or(Error::NoHost)?;
        let port = url.port_or_known_default().ok_or(Error::NoHost)?;
        let name = url.host_str().ok_or(Error::NoHost)?;
        self.policy.judge_target(url.scheme(), name, port)?;
        let is_secure = url.scheme() == "https";
        let tcp = if let Some(proxy) = self.proxy_for(url) {
            if let Some(address) = written_address(&host) {
                self.policy.judge_address(address)?;
            }
            seen.enter(Phase::Connecting);
            let target = is_secure.then(|| format!("{name}:{port}"));
            seen.at_proxy = true;
            let reached = self.reach(proxy, target.as_deref(), seen).await;
            reached.map_err(|refusal| Error::by(proxy, refusal))?
        } else {
            let addresses = match &host {
                Host::Domain(name) => {
                    seen.enter(Phase::Resolving);
                    self.names.resolve(name).await?
                }
                written => written_address(written).into_iter().collect(),
            };
            let addresses = self.allowed(addresses, port)?;
            seen.enter(Phase::Connecting);
            connect(&addresses, &mut seen.remote).await?
        };
        // Small requests must not wait for an acknowledgement; without it they are only slower.
        let _ = tcp.set_nodelay(true);
        if !is_secure {
            return Ok(Stream::Plain(tcp));
        }
        seen.enter(Phase::Securing);
        self.secure(tcp, host, name).await
    }

    /// Opens a connection to the proxy, and a way through it to `target` where there is one. The
    /// guard is not asked about the proxy, which is the operator's.
    async fn reach(
        &self,
        proxy: &Proxy,
        target: Option<&str>,
        seen: &mut Seen,
    ) -> Result<TcpStream, proxy::Refusal> {
        let unreachable = |error: Error| proxy::Refusal::Unreachable(error.to_string());
        let (host, port) = proxy.place();
        let addresses = match &host {
            Host::Domain(name) => self.names.resolve(name).await.map_err(unreachable)?,
            written => written_address(written).into_iter().collect(),
        };
        let addresses = addresses.into_iter().take(MOST_ADDRESSES);
        let addresses: Vec<_> = addresses.map(|address| SocketAddr::new(address, port)).collect();
        let mut tcp = connect(&addresses, &mut seen.remote).await.map_err(unreachable)?;
        seen.at_proxy = false;
        if let Some(target) = target {
            proxy.tunnel(&mut tcp, target).await?;
        }
        Ok(tcp)
    }

    /// The addresses that may be dialled, at most [`MOST_ADDRESSES`]; the first refusal when none.
    fn allowed(&self, addresses: Vec<IpAddr>, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let mut refusal = None;
        let mut allowed = Vec::with_capacity(addresses.len().min(MOST_ADDRESSES));
        for address in addresses {
            match self.policy.judge_address(address) {
                Ok(()) => allowed.push(SocketAddr::new(address, port)),
                Err(reason) => refusal = refusal.or(Some(reason)),
            }
        }
        match refusal {
            Some(reason) if allowed.is_empty() => Err(reason.into()),
            _ => {
                allowed.truncate(MOST_ADDRESSES);
                Ok(allowed)
            }
        }
    }

    async fn secure(&self, tcp: TcpStream, host: Host<&str>, name: &str) -> Result<Stream, Error> {
        let server = match host {
            Host::Ipv4(address) => ServerName::IpAddress(IpAddr::V4(address).into()),
            Host::Ipv6(address) => ServerName::IpAddress(IpAddr::V6(address).into()),
            Host::Domain(name) => ServerName::try_from(name.to_owned())
                .map_err(|_| Error::Tls(format!("`{name}` cannot stand in a certificate")))?,
        };
        let trust = match &self.trust {
            Some(trust) => Arc::clone(trust),
            None => tls::platform().map_err(|error| Error::Ours(format!("failed to {error}")))?,
        };
        let stream = TlsConnector::from(trust)
            .connect(server, tcp)
            .await
            .map_err(|error| Error::Tls(tls::explain(&error, name)))?;
        Ok(Stream::Secure(Box::new(stream)))
    }
}

impl Names {
    /// The addresses of `name`, the families taking turns; never empty.
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        let bare = name.trim_end_matches('.');
        let addresses = match self {
            Self::Fixed(table) => table.get(bare).cloned().unwrap_or_default(),
            Self::Fickle(fickle) => fickle.look_up(),
            Self::System if is_localhost(bare) => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Self::System => match tokio::net::lookup_host((name, 0)).await {
                Ok(found) => in_turns(found.map(|address| address.ip())),
                Err(error) => return Err(explain_resolver(name, &error)),
            },
        };
        if addresses.is_empty() {
            return Err(Error::NoAddress(name.to_owned()));
        }
        Ok(addresses)
    }
}

/// The address that stands in the place of a name.
fn written_address(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        Host::Domain(_) => None,
    }
}

pub(super) fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Orders addresses so that the families take turns, beginning with that of the first
/// (RFC 8305, section 4).
fn in_turns(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let (mut first, mut second): (Vec<IpAddr>, Vec<IpAddr>) = (Vec::new(), Vec::new());
    for address in addresses {
        let leads = first.first().is_none_or(|lead| lead.is_ipv4() == address.is_ipv4());
        let family = if leads { &mut first } else { &mut second };
        if !family.contains(&address) {
            family.push(address);
        }
    }
    let mut turns = Vec::with_capacity(first.len() + second.len());
    let mut second = second.into_iter();
    for address in first {
        turns.push(address);
        turns.extend(second.next());
    }
    turns.extend(second);
    turns
}

/// The resolver's errors have no codes of their own in the standard library.
fn explain_resolver(name: &str, error: &io::Error) -> Error {
    let reason = error.to_string();
    let unknown = ["not known", "No address", "nodename nor servname"];
    if unknown.iter().any(|words| reason.contains(words)) {
        return Error::NoAddress(name.to_owned());
    }
    // Without a descriptor the resolver says only that it failed for now.
    let own = lack(error).or_else(|| TcpSocket::new_v4().err().as_ref().and_then(lack));
    if let Some(lack) = own {
        return Error::Ours(format!("resolving {name} failed: {lack}"));
    }
    let reason = reason.trim_start_matches("failed to lookup address information: ").to_owned();
    Error::Resolve { name: name.to_owned(), reason }
}

/// Opens a connection to the first of `addresses` that answers, and notes which one it was, or
/// which was tried last.
async fn connect(
    addresses: &[SocketAddr],
    remote: &mut Option<SocketAddr>,
) -> Result<TcpStream, Error> {
    if let [address] = addresses {
        *remote = Some(*address);
        let connected = TcpStream::connect(address).await;
        return connected.map_err(|error| unconnected(&[(*address, error)]));
    }
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    let mut waiting = addresses.iter().copied();
    let mut attempts = FuturesUnordered::new();
    loop {
        if let Some(address) = waiting.next() {
            *remote = Some(address);
            attempts.push(async move { (address, TcpStream::connect(address).await) });
        } else if attempts.is_empty() {
            return Err(unconnected(&failures));
        }
        tokio::select! {
            Some((address, connected)) = attempts.next() => match connected {
                Ok(stream) => {
                    *remote = Some(address);
                    return Ok(stream);
                }
                Err(error) => failures.push((address, error)),
            },
            () = tokio::time::sleep(HEAD_START), if waiting.len() > 0 => {}
        }
    }
}

/// What it means that no address could be connected to.
fn unconnected(failures: &[(SocketAddr, io::Error)]) -> Error {
    let words = failures.iter().map(|(address, error)| explain_connect(*address, error));
    let words = words.collect::<Vec<_>>().join("; ");
    let no_port = |error: &io::Error| error.kind() == io::ErrorKind::AddrNotAvailable;
    // An address that was not tried for want of something might have answered. That there is no
    // address of ours to call from may concern one family alone, and another has had its answer.
    let ours = failures.iter().any(|(_, error)| lack(error).is_some())
        || failures.iter().all(|(_, error)| no_port(error));
    if ours && !failures.is_empty() { Error::Ours(words) } else { Error::Connect(words) }
}

/// What this machine or this process has run out of.
fn lack(error: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(error)? {
        Errno::MFILE => Some("this process has too many files open; raise its limit"),
        Errno::NFILE => Some("this machine has too many files open"),
        Errno::NOMEM => Some("this machine has no memory left"),
        Errno::NOBUFS => Some("this machine has no buffers left"),
        _ => None,
    }
}

fn explain_connect(address: SocketAddr, error: &io::Error) -> String {
    if let Some(lack) = lack(error) {
        return format!("connecting to {address} failed: {lack}");
    }
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            format!("connecting to {address} failed: no local address or port is left for it")
        }
        io::ErrorKind::ConnectionRefused => format!("connection refused by {address}"),
        io::ErrorKind::ConnectionReset => format!("connection reset by {address}"),
        io::ErrorKind::HostUnreachable => format!("no route to host {}", address.ip()),
        io::ErrorKind::NetworkUnreachable => format!("no route to the network of {}", address.ip()),
        io::ErrorKind::TimedOut => format!("{address} does not answer"),
        _ => format!("connecting to {address} failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn families_take_turns() {
        let found = addresses(&["::1", "::2", "::2", "1.1.1.1", "::3", "2.2.2.2", "3.3.3.3"]);
        let turns = addresses(&["::1", "1.1.1.1", "::2", "2.2.2.2", "::3", "3.3.3.3"]);
        assert_eq!(in_turns(found.into_iter()), turns);
    }

    #[test]
    fn what_this_machine_lacks_is_not_the_targets_failure() {
        let address: SocketAddr = "192.0.2.1:443".parse().expect("an address");
        let failed = |errors: &[Errno]| {
            let failures = errors.iter().map(|errno| (address, io::Error::from(*errno)));
            unconnected(&failures.collect::<Vec<_>>())
        };
        for lacking in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS] {
            assert!(failed(&[lacking]).is_ours(), "{lacking}");
            assert!(failed(&[Errno::CONNREFUSED, lacking]).is_ours(), "{lacking}");
        }
        assert!(failed(&[Errno::ADDRNOTAVAIL]).is_ours());
        for theirs in [Errno::CONNREFUSED, Errno::TIMEDOUT, Errno::HOSTUNREACH] {
            assert!(!failed(&[theirs]).is_ours(), "{theirs}");
            assert!(!failed(&[theirs, Errno::ADDRNOTAVAIL]).is_ours(), "{theirs}");
        }
        let words = failed(&[Errno::MFILE]).to_string();
        let expected = "connecting to 192.0.2.1:443 failed: this process has too many files open; \
            raise its limit";
        assert_eq!(words, expected);
    }

    #[test]
    fn a_name_with_one_good_address_is_dialled_there_only() {
        let dialer = Dialer::new(Policy::strict());
        let mixed = addresses(&["10.0.0.1", "93.184.216.34", "169.254.169.254"]);
        let allowed = dialer.allowed(mixed, 80).expect("one is public");
        assert_eq!(allowed, [SocketAddr::from(([93, 184, 216, 34], 80))]);
        let bad = dialer.allowed(addresses(&["169.254.169.254", "10.0.0.1"]), 80);
        assert!(matches!(bad, Err(Error::Refused(Refusal::Metadata(_)))));
    }
}
