//! Hosts on one machine: network namespaces with addresses of their own, joined by a bridge, so
//! that what crosses a network can be cut, in one direction or both.
//!
//! The hosts are numbered from 2; this process is number 1 on the same network. It takes root and
//! iproute2; where one is missing, [`Hosts::raise`] says so where it cannot be overlooked.

use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use super::skip::skipped;

/// So many networks at a time. What is on them mostly waits: a hub, three agents and what they watch
/// take a tenth of a processor.
static NETWORKS: Semaphore = Semaphore::const_new(4);

/// One is made at a time.
static MAKING: Mutex<()> = Mutex::const_new(());

/// What is answered by nobody (RFC 7042: locally administered).
const NOBODY: &str = "02:00:00:00:00:01";

/// A network of hosts; they are gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Hosts {
    number: u8,
    names: Vec<&'static str>,
    _place: SemaphorePermit<'static>,
}

impl Hosts {
    /// Makes the hosts. None, and a line on standard error, where this machine cannot.
    pub(crate) async fn raise(names: &[&'static str]) -> Option<Self> {
        let place = NETWORKS.acquire().await.expect("it is never closed");
        let _making = MAKING.lock().await;
        if let Some(reason) = hindrance() {
            skipped("no hosts to test with", &reason);
            return None;
        }
        sweep();
        let number = (1..=u8::MAX).find(|number| take(*number)).expect("a free network");
        let hosts = Self { number, names: names.to_vec(), _place: place };
        let bridge = hosts.bridge();
        for address in [hosts.outside(), hosts.gate()] {
            ip(&format!("addr add {address}/24 dev {bridge}"));
        }
        ip(&format!("link set {bridge} up"));
        for name in names {
            hosts.add(name);
        }
        Some(hosts)
    }

    fn add(&self, name: &str) {
        let (space, bridge) = (self.space(name), self.bridge());
        let cable = format!("{bridge}{name}");
        ip(&format!("netns add {space}"));
        ip(&format!("link add {cable} type veth peer name eth0 netns {space}"));
        ip(&format!("link set {cable} master {bridge} up"));
        ip(&format!("-n {space} addr add {}/24 dev eth0", self.address(name)));
        ip(&format!("-n {space} link set eth0 up"));
        ip(&format!("-n {space} link set lo up"));
    }

    /// The address of this process on the network.
    pub(crate) fn outside(&self) -> Ipv4Addr {
        self.numbered(1)
    }

    /// A second address of this process, so that ways to it can be cut one by one.
    pub(crate) fn gate(&self) -> Ipv4Addr {
        self.numbered(250)
    }

    /// The address of a host.
    pub(crate) fn address(&self, name: &str) -> Ipv4Addr {
        let at = self.names.iter().position(|it| *it == name);
        let at = at.unwrap_or_else(|| panic!("no host is called {name}"));
        self.numbered(u8::try_from(at + 2).expect("few hosts"))
    }

    /// RFC 2544 keeps 198.18.0.0/15 for test networks.
    fn numbered(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, host)
    }

    /// A host, to be visited.
    pub(crate) fn host(&self, name: &str) -> Host {
        Host(PathBuf::from("/run/netns").join(self.space(name)))
    }

    /// The words that make a command run on a host.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        ["ip", "netns", "exec", &self.space(name)].map(str::to_owned).into()
    }

    /// A command that runs on a host.
    pub(crate) fn command(&self, name: &str, program: &str) -> Command {
        let words = self.words(name);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(program);
        command
    }

    /// Loses, without a word to either, all that `from` sends to `to`.
    pub(crate) fn cut(&self, from: &str, to: Ipv4Addr) {
        let space = self.space(from);
        ip(&format!("-n {space} neigh replace {to} lladdr {NOBODY} dev eth0 nud permanent"));
    }

    /// Ends [`Self::cut`].
    pub(crate) fn mend(&self, from: &str, to: Ipv4Addr) {
        ip(&format!("-n {} neigh del {to} dev eth0", self.space(from)));
    }

    /// Cuts both directions between two hosts.
    pub(crate) fn part(&self, one: &str, other: &str) {
        self.cut(one, self.address(other));
        self.cut(other, self.address(one));
    }

    /// Ends [`Self::part`].
    pub(crate) fn join(&self, one: &str, other: &str) {
        self.mend(one, self.address(other));
        self.mend(other, self.address(one));
    }

    fn bridge(&self) -> String {
        bridge(self.number)
    }

    fn space(&self, name: &str) -> String {
        format!("tripline-{}-{}-{name}", std::process::id(), self.number)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            // A namespace goes when its last process is gone; its cable must not wait for that.
            try_ip(&format!("link del {}{name}", self.bridge()));
            try_ip(&format!("netns del {}", self.space(name)));
        }
        try_ip(&format!("link del {}", self.bridge()));
    }
}

/// One of the hosts: the file of its namespace.
#[derive(Debug, Clone)]
pub(crate) struct Host(PathBuf);

impl Host {
    /// Does `work` on the host. None when it is gone.
    pub(crate) async fn visit<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let file = std::fs::File::open(&self.0).ok()?;
        let (tell, told) = tokio::sync::oneshot::channel();
        // A thread of its own, since it never comes back from there.
        std::thread::spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(file.as_fd(), kind).expect("root may go there");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let _ = tell.send(runtime.expect("a runtime").block_on(work));
        });
        told.await.ok()
    }
}

/// Why there can be no hosts.
fn hindrance() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it takes root to make network namespaces".to_owned());
    }
    if Command::new("ip").arg("-V").output().is_err() {
        return Some("`ip` is missing (Debian: `apt-get install iproute2`)".to_owned());
    }
    let probe = format!("tripline-{}-0-probe", std::process::id());
    if !try_ip(&format!("netns add {probe}")) {
        return Some("this system lets nobody make a network namespace".to_owned());
    }
    try_ip(&format!("netns del {probe}"));
    None
}

/// Removes the hosts of processes that were killed before they could.
fn sweep() {
    let Ok(spaces) = std::fs::read_dir("/run/netns") else { return };
    for space in spaces.flatten() {
        let Ok(space) = space.file_name().into_string() else { continue };
        let mut parts = space.splitn(4, '-');
        let (Some("tripline"), Some(process), Some(number)) =
            (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if !PathBuf::from(format!("/proc/{process}")).exists() {
            try_ip(&format!("netns del {space}"));
            try_ip(&format!("link del tl{number}"));
        }
    }
}

/// Makes the bridge of a network that nobody has; whether it is this process's now.
fn take(number: u8) -> bool {
    // Another process may have made it in between.
    is_free(number) && try_ip(&format!("link add {} type bridge", bridge(number)))
}

fn bridge(number: u8) -> String {
    format!("tl{number}")
}

/// Whether neither a route nor a cable of such a network is there.
fn is_free(number: u8) -> bool {
    let network = format!("198.18.{number}.0/24");
    let routes = Command::new("ip").args(["route", "show", &network]).output();
    let links = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let is_of_it = |name: &str| {
        name.strip_prefix(&format!("tl{number}"))
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    routes.is_ok_and(|it| it.status.success() && it.stdout.is_empty())
        && !links.filter_map(|link| link.file_name().into_string().ok()).any(|it| is_of_it(&it))
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().expect("ip can be started");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

fn try_ip(words: &str) -> bool {
    let output = Command::new("ip").args(words.split(' ')).output();
    output.is_ok_and(|it| it.status.success())
}
