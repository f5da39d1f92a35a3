//! The egress guard: which addresses may be dialled.
//!
//! A pure judgement over the scheme, the name, the address and the port; it is asked about the
//! address that is about to be dialled, after the name was resolved. It must not resolve, dial or
//! parse URLs itself: the dialer hands it the very values that it will use.
//!
//! Source of the refused classes: IANA special-purpose address registries (RFC 6890); of the
//! refused ports: the Fetch standard, "port blocking".

mod disguise;
mod network;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use network::{Network, NetworkError};

/// What a process may dial.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// What to do with addresses that are not of the public internet.
    pub private: Private,
    /// Networks that may be dialled although they are private. Metadata services stay refused.
    pub allow: Vec<Network>,
    /// Networks that are refused although they would be allowed.
    pub refuse: Vec<Network>,
    /// The ports that may be dialled.
    pub ports: Ports,
}

/// What to do with loopback, private, shared and link-local addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Private {
    /// They are dialled: the agent watches its own machine and network.
    #[default]
    Allow,
    /// They are refused: scripts come from people who must not see the agent's network.
    Refuse,
}

/// The ports that may be dialled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ports {
    /// All but those on which other protocols are spoken, as in browsers.
    #[default]
    Usual,
    /// These only.
    Only(Vec<u16>),
}

/// Why an address, a port or a name is not dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A cloud's metadata service hands out credentials to whoever asks.
    #[error("{0} is refused: it is a metadata service of a cloud")]
    Metadata(String),
    /// Nothing listens there that a check could mean.
    #[error("{0} is refused: it is not the address of a server")]
    NoServer(IpAddr),
    /// The policy keeps private addresses out.
    #[error("{address} is refused: it is a {class} address, and this agent dials public ones only")]
    Private {
        /// The address as it would have been dialled.
        address: IpAddr,
        /// What sort of address it is.
        class: &'static str,
    },
    /// The policy names the network.
    #[error("{address} is refused: {network} is closed by the agent's configuration")]
    Closed {
        /// The address as it would have been dialled.
        address: IpAddr,
        /// The network.
        network: Network,
    },
    /// Another protocol is spoken on the port.
    #[error("port {0} is refused: HTTP is not spoken there")]
    OtherProtocol(u16),
    /// The port is not among those of the policy.
    #[error("port {0} is refused: it is not among the ports of the agent's configuration")]
    Port(u16),
    /// The scheme is not one of HTTP.
    #[error("`{0}:` is refused: only http and https are dialled")]
    Scheme(String),
}

/// Names under which metadata services are reached.
const METADATA_NAMES: [&str; 4] =
    ["metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"];

/// Metadata and credential services: AWS, GCP, Azure, Oracle (169.254.169.254), ECS tasks and EKS
/// pods (169.254.170.2, .23), Tencent (169.254.0.23), Scaleway, Alibaba, Azure's host, Oracle's
/// classic cloud.
const METADATA_V4: [Ipv4Addr; 8] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The same over IPv6: AWS, EKS pods, GCP, Scaleway, `OpenStack`.
const METADATA_V6: [Ipv6Addr; 5] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

/// The Fetch standard's bad ports, and those of Redis, memcached and the line protocols of
/// Elasticsearch's kin, where a request line is taken for a command.
const OTHER_PROTOCOLS: [u16; 85] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
    103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
    512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
    995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080, 11211, 0,
];

impl Policy {
    /// A policy for agents whose scripts are written by strangers: public addresses only.
    pub fn strict() -> Self {
        Self { private: Private::Refuse, ..Self::default() }
    }

    /// Judges what is known before a name is resolved.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when the scheme is not `http` or `https`, when the name is one of a metadata
    /// service, or when the port is refused.
    pub fn judge_target(&self, scheme: &str, name: &str, port: u16) -> Result<(), Refusal> {
        if !matches!(scheme, "http" | "https") {
            return Err(Refusal::Scheme(scheme.to_owned()));
        }
        let name = name.trim_end_matches('.');
        if METADATA_NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(Refusal::Metadata(name.to_ascii_lowercase()));
        }
        match &self.ports {
            Ports::Usual if OTHER_PROTOCOLS.contains(&port) => Err(Refusal::OtherProtocol(port)),
            Ports::Only(ports) if !ports.contains(&port) => Err(Refusal::Port(port)),
            Ports::Usual | Ports::Only(_) => Ok(()),
        }
    }

    /// Judges the address that is about to be dialled, and every address that is hidden in it.
    ///
    /// # Errors
    ///
    /// [`Refusal`] with the reason.
    pub fn judge_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let disguised = disguise::addresses_within(address);
        // What is hidden is judged first, so that a refusal names the graver reason.
        let mut faces = disguised.into_iter().flatten().chain(std::iter::once(address));
        faces.try_for_each(|face| self.judge_face(face, address))
    }

    /// Judges `face`, which is `dialled` itself or an address hidden in it.
    fn judge_face(&self, face: IpAddr, dialled: IpAddr) -> Result<(), Refusal> {
        let class = Class::of(face);
        match class {
            Class::Metadata => return Err(Refusal::Metadata(dialled.to_string())),
            Class::NoServer => return Err(Refusal::NoServer(dialled)),
            Class::Public | Class::Private(_) => {}
        }
        if let Some(network) = self.refuse.iter().find(|network| network.contains(face)) {
            return Err(Refusal::Closed { address: dialled, network: *network });
        }
        match (class, self.private) {
            (Class::Private(class), Private::Refuse) if !self.allows(face) => {
                Err(Refusal::Private { address: dialled, class })
            }
            _ => Ok(()),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(address))
    }
}

/// What sort of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Public,
    Private(&'static str),
    NoServer,
    Metadata,
}

impl Class {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        if METADATA_V4.contains(&address) {
            return Self::Metadata;
        }
        match address.octets() {
            [0 | 224..=255, ..] => Self::NoServer,
            [127, ..] => Self::Private("loopback"),
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private("private"),
            [100, 64..=127, ..] => Self::Private("carrier's shared"),
            [169, 254, ..] => Self::Private("link-local"),
            [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Self::Private("reserved"),
            [198, 18..=19, ..] => Self::Private("benchmarking"),
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if METADATA_V6.contains(&address) {
            return Self::Metadata;
        }
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0] | [0xff00..=0xffff, ..] => Self::NoServer,
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Private("loopback"),
            [0xfc00..=0xfdff, ..] => Self::Private("private"),
            [0xfe80..=0xfebf, ..] => Self::Private("link-local"),
            [0xfec0..=0xfeff, ..] => Self::Private("site-local"),
            [0x64, 0xff9b, 1, ..]
            | [0x100, 0, 0, 0, ..]
            | [0x2001, 0xdb8, ..]
            | [0x3fff, 0..=0xfff, ..] => Self::Private("reserved"),
            _ => Self::Public,
        }
    }
}

#[cfg(test)]
mod tests;
