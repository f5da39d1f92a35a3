use std::net::IpAddr;

use url::{Host, Url};

use super::*;

/// What the guard says of a URL with an address in it, as the dialer asks it.
fn judge(policy: &Policy, url: &str) -> Result<(), Refusal> {
    let url = Url::parse(url).expect("a URL");
    let host = url.host().expect("a host");
    let port = url.port_or_known_default().unwrap_or(0);
    policy.judge_target(url.scheme(), &host.to_string(), port)?;
    match host {
        Host::Ipv4(address) => policy.judge_address(IpAddr::V4(address)),
        Host::Ipv6(address) => policy.judge_address(IpAddr::V6(address)),
        Host::Domain(_) => Ok(()),
    }
}

/// Spellings of the address 169.254.169.254 and other metadata services.
const METADATA: [&str; 27] = [
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.169.254./",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://169.16689662/",
    "http://１６９.２５４.１６９.２５４/",
    "http://169。254。169。254/",
    "http://example.com:x@169.254.169.254/",
    "http://example.com%40@169.254.169.254/",
    "http://169.254.169.254:80#@example.com/",
    "http:\\\\169.254.169.254\\",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::169.254.169.254]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1::169.254.169.254]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:a9fe:a9fe::1]/",
    "http://[2001:0:808:808:0:0:5601:5601]/",
    "http://[fe80::5efe:169.254.169.254]/",
    "http://[fd00:ec2::254]/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://METADATA.google.internal./",
    "http://100.100.100.200/",
];

#[test]
fn metadata_is_refused_by_every_policy_in_every_spelling() {
    let generous = Policy {
        allow: vec!["0.0.0.0/0".parse().expect("a network"), "::/0".parse().expect("a network")],
        ..Policy::strict()
    };
    for policy in [Policy::default(), Policy::strict(), generous] {
        for url in METADATA {
            let judgement = judge(&policy, url);
            assert!(matches!(judgement, Err(Refusal::Metadata(_))), "{url}: {judgement:?}");
        }
    }
}

/// Addresses that the strict policy refuses and the default one allows.
const PRIVATE: [&str; 24] = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://2130706433/",
    "http://127.0.0.1./",
    "http://10.1.2.3:8080/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://169.254.1.1/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    "http://[::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:0:10.0.0.1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1:0:0:f7f7:f7f7]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[2001:db8::1]/",
];

#[test]
fn private_addresses_are_a_matter_of_policy() {
    for url in PRIVATE {
        assert_eq!(judge(&Policy::default(), url), Ok(()), "{url}");
        let strict = judge(&Policy::strict(), url);
        assert!(matches!(strict, Err(Refusal::Private { .. })), "{url}: {strict:?}");
    }
    for url in ["http://93.184.216.34/", "https://[2606:4700::1111]/", "http://172.32.0.1/"] {
        assert_eq!(judge(&Policy::strict(), url), Ok(()), "{url}");
    }
}

#[test]
fn some_addresses_have_no_server() {
    for url in [
        "http://0/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[ff02::1]/",
        "http://[::ffff:0.0.0.0]/",
        "http://0.1.2.3/",
    ] {
        let judgement = judge(&Policy::default(), url);
        assert!(matches!(judgement, Err(Refusal::NoServer(_))), "{url}: {judgement:?}");
    }
}

#[test]
fn networks_are_opened_and_closed_by_the_policy() {
    let open =
        Policy { allow: vec!["10.20.0.0/16".parse().expect("a network")], ..Policy::strict() };
    assert_eq!(judge(&open, "http://10.20.30.40/"), Ok(()));
    assert_eq!(judge(&open, "http://[::ffff:10.20.30.40]/"), Ok(()));
    assert!(judge(&open, "http://10.21.0.1/").is_err());
    let closed =
        Policy { refuse: vec!["10.0.0.0/8".parse().expect("a network")], ..Policy::default() };
    let refusal = judge(&closed, "http://10.0.0.1/").expect_err("closed");
    assert_eq!(
        refusal.to_string(),
        "10.0.0.1 is refused: 10.0.0.0/8 is closed by the agent's configuration"
    );
}

#[test]
fn only_http_and_its_ports() {
    let policy = Policy::default();
    for url in ["ftp://example.com/", "ws://example.com/"] {
        assert!(matches!(judge(&policy, url), Err(Refusal::Scheme(_))), "{url}");
    }
    for url in ["http://example.com:25/", "http://example.com:6379/", "http://example.com:0/"] {
        assert!(matches!(judge(&policy, url), Err(Refusal::OtherProtocol(_))), "{url}");
    }
    let narrow = Policy { ports: Ports::Only(vec![443]), ..Policy::default() };
    assert_eq!(judge(&narrow, "https://example.com/"), Ok(()));
    assert_eq!(judge(&narrow, "http://example.com/"), Err(Refusal::Port(80)));
}

#[test]
fn networks_are_written_with_their_bits() {
    let network = |text: &str| text.parse::<Network>();
    assert_eq!(network("10.0.0.0/8").map(|n| n.to_string()), Ok("10.0.0.0/8".to_owned()));
    assert_eq!(network("fd00::1").map(|n| n.to_string()), Ok("fd00::1/128".to_owned()));
    assert_eq!(network("10.0.0.0/33"), Err(NetworkError::Prefix("33".to_owned(), 32)));
    assert_eq!(network("ten/8"), Err(NetworkError::Address("ten".to_owned())));
    assert!(network("0.0.0.0/0").is_ok_and(|all| all.contains(IpAddr::from([9, 9, 9, 9]))));
    assert!(network("::/0").is_ok_and(|all| !all.contains(IpAddr::from([9, 9, 9, 9]))));
}
