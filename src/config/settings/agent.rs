//! `[agent]`: the process that runs checks, and how far it trusts them.

use crate::config::reader::{Field, Report, Table, no_hint};
use crate::config::secret::Sources;
use crate::domain::id::Region;
use crate::net::Proxy;
use crate::net::guard::{Network, Policy, Ports, Private};
use crate::net::proxy::Direct;

/// The process that runs checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The region it serves.
    pub region: Region,
    /// How many runs it makes at the same time.
    pub max_runs: u32,
    /// What to do when a layer of the sandbox is missing.
    pub sandbox: SandboxMode,
    /// Where checks may connect to.
    pub egress: Policy,
    /// The proxy through which checks reach the internet, if there is one.
    pub proxy: Option<Proxy>,
}

/// What to do when this system lacks a layer of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxMode {
    /// Run no script.
    Require,
    /// Run scripts with the layers there are, and say so loudly.
    Degrade,
}

impl Agent {
    /// How many runs at the same time when nothing is written.
    pub const MAX_RUNS: u32 = 64;

    pub(super) fn read(
        section: Option<Table<'_>>,
        sources: Sources<'_>,
        report: &mut Report,
    ) -> Self {
        let mut proxy = None;
        let (mut region, mut max_runs, mut sandbox) = (None, None, None);
        let mut egress = Policy::default();
        if let Some(mut table) = section {
            region = table.optional("region").and_then(|it| it.parsed(Region::new, report));
            max_runs = table.optional("max_runs").and_then(|it| it.integer(1..=1024, report));
            let words = [("require", SandboxMode::Require), ("degrade", SandboxMode::Degrade)];
            sandbox = table.optional("sandbox").and_then(|it| it.word(&words, report));
            egress = read_egress(&mut table, report);
            proxy = read_proxy(&mut table, sources, report);
            table.finish(report, no_hint);
        }
        Self {
            region: region.unwrap_or_else(local),
            max_runs: max_runs.unwrap_or(Self::MAX_RUNS),
            sandbox: sandbox.unwrap_or(SandboxMode::Require),
            egress,
            proxy,
        }
    }
}

/// `private_addresses`, what is open and closed besides, and the ports.
fn read_egress(table: &mut Table<'_>, report: &mut Report) -> Policy {
    let words = [("allow", Private::Allow), ("refuse", Private::Refuse)];
    let private = table.optional("private_addresses").and_then(|it| it.word(&words, report));
    let [allow, refuse] = ["allow_networks", "refuse_networks"].map(|key| {
        let items = table.optional(key).and_then(|it| it.list(report)).unwrap_or_default();
        items.iter().filter_map(|it| it.parsed(str::parse::<Network>, report)).collect()
    });
    let ports = table.optional("ports").and_then(|it| it.list(report));
    let ports = ports.map(|items| {
        let port = |it: &Field<'_>| {
            it.integer(1..=u16::MAX.into(), report).and_then(|port| port.try_into().ok())
        };
        Ports::Only(items.iter().filter_map(port).collect())
    });
    Policy { private: private.unwrap_or_default(), allow, refuse, ports: ports.unwrap_or_default() }
}

/// `proxy`, and the keys that mean nothing without it.
fn read_proxy(table: &mut Table<'_>, sources: Sources<'_>, report: &mut Report) -> Option<Proxy> {
    let address = table.optional("proxy");
    let login = table.optional("proxy_credentials");
    let past = table.optional("no_proxy");
    if address.is_none() {
        for field in [&login, &past].into_iter().flatten() {
            let message = format!("`{}` means nothing without `proxy`", field.name);
            report.error(&field.key_span, message);
        }
    }
    let proxy = address.and_then(|it| proxy_at(&it, report));
    let credentials = login.and_then(|it| credentials(&it, sources, report));
    let items = past.and_then(|it| it.list(report)).unwrap_or_default();
    let direct = items.iter().filter_map(|it| it.parsed(str::parse::<Direct>, report)).collect();
    let proxy = proxy?.with_direct(direct);
    Some(match credentials {
        Some(credentials) => proxy.with_credentials(&credentials),
        None => proxy,
    })
}

fn proxy_at(field: &Field<'_>, report: &mut Report) -> Option<Proxy> {
    const HELP: &str =
        "write `proxy_credentials = { env = \"NAME\" }`; its value is `user:password`";
    let text = field.filled_text(report)?;
    if text.contains('@') {
        report.conceal(&field.span);
        let message = "`proxy` holds a user or a password in plain text";
        report.error(&field.span, message).advise(HELP);
        return None;
    }
    let parsed = url::Url::parse(text).map_err(|error| format!("`proxy` is no URL: {error}"));
    let proxy = parsed.and_then(|url| Proxy::at(&url).map_err(|error| format!("`proxy`: {error}")));
    match proxy {
        Ok(proxy) => Some(proxy),
        Err(message) => {
            let help = "such as `http://proxy.example.com:3128`";
            report.error(&field.span, message).advise(help);
            None
        }
    }
}

/// `user:password`; empty where the secret is not at hand.
fn credentials(field: &Field<'_>, sources: Sources<'_>, report: &mut Report) -> Option<String> {
    let secret = sources.secret(field, report)?;
    let value = secret.expose();
    let is_pair = value.split_once(':').is_some_and(|(user, _)| !user.is_empty());
    if !value.is_empty() && (!is_pair || value.contains(char::is_control)) {
        let message = "the value of `proxy_credentials` is not of the form `user:password`";
        report.error(&field.span, message);
        return None;
    }
    (!value.is_empty()).then(|| value.to_owned())
}

/// The region when nothing is written.
fn local() -> Region {
    Region::new("local").expect("letters only")
}
