mod users;

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::diagnostic::{Document, Severity};
use crate::domain::id::PersonId;
use crate::domain::policy::{Channel, Quorum, Target};
use crate::net::{Proxy, guard};

fn read_text(text: &str) -> (Option<Settings>, Vec<Diagnostic>) {
    let files = Files {
        root: "/project".into(),
        settings: Some(Document::new(FILE, text)),
        modules: Vec::new(),
        diagnostics: Vec::new(),
        edited_at: crate::domain::Timestamp::UNIX_EPOCH,
    };
    let variables = [
        ("TOKEN", "t"),
        ("SID", "AC123"),
        ("HOOK", "https://hooks.slack.com/x"),
        ("PAIR", "ana:p:w"),
        ("KEY", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    read(&files, &Environment::new(variables))
}

fn good(text: &str) -> Settings {
    let (settings, diagnostics) = read_text(text);
    assert_eq!(diagnostics, [], "in {text}");
    settings.expect("settings")
}

/// What the mistakes point at, and their messages.
fn mistakes(text: &str) -> Vec<(String, String)> {
    let (_, mut diagnostics) = read_text(text);
    let is_advice = |it: &Diagnostic| {
        it.message.starts_with("links in messages") || it.message.starts_with("the built-in policy")
    };
    diagnostics.retain(|it| !is_advice(it));
    let told = |it: Diagnostic| {
        assert_eq!(it.severity, Severity::Error, "{it:?}");
        (text[it.span].to_owned(), it.message)
    };
    diagnostics.into_iter().map(told).collect()
}

#[test]
fn it_is_said_who_is_told_when_a_message_does_not_arrive() {
    let people = "[people.ana]\nphone = '+4930123456'\nslack = 'U0123456789'\n";
    let settings = good(&format!(
        "{people}ways = ['slack', 'sms']\n[hub]\nurl = 'https://trip.example.com'\n\
         fallback = ['slack:#ops', 'sms:ana']\n[twilio]\naccount_sid = {{ env = 'SID' }}\n\
         auth_token = {{ env = 'TOKEN' }}\nfrom = '+15005550006'\n\
         callback_url = 'https://hooks.example.com/trip/'\n"
    ));
    let fallback = [Target::Slack("#ops".into()), Target::Sms("ana".into())];
    assert_eq!(settings.fallback, fallback);
    let ana = PersonId::new("ana").expect("a name");
    let ways = settings.people.particulars[&ana].ways.as_deref();
    assert_eq!(ways, Some(&[Channel::Slack, Channel::Sms][..]));
    let url = settings.twilio.expect("it is written").callback_url;
    assert_eq!(url.as_deref(), Some("https://hooks.example.com/trip"));

    let one = |text: &str, at: &str, message: &str| assert_one_mistake(text, at, message);
    one(&format!("{people}ways = []"), "[]", "must not be an empty list");
    one(&format!("{people}ways = ['fax', 'sms']"), "'fax'", "fax");
    one("[hub]\nfallback = ['sms:nobody']", "'sms:nobody'", "no rota, team or person");
}

#[test]
fn what_is_not_said_of_metrics_follows_what_is() {
    let day = Duration::from_hours(24);
    let kept = |text: &str| {
        let metrics = good(text).metrics;
        [metrics.keep, metrics.keep_5m, metrics.keep_1h].map(|kept| kept.as_secs() / day.as_secs())
    };
    assert_eq!(kept(""), [15, 90, 400]);
    assert_eq!(kept("[metrics]\nkeep = '100d'"), [100, 100, 400]);
    assert_eq!(kept("[metrics]\nkeep_5m = '500d'\nresolution = '10s'"), [15, 500, 500]);
}

#[test]
fn an_empty_file_is_a_project() {
    let settings = good("");
    assert_eq!(settings.hub.listen.to_string(), "127.0.0.1:7676");
    assert_eq!((settings.hub.url.as_str(), settings.hub.tls), ("http://127.0.0.1:7676", None));
    assert_eq!(settings.store.place, Place::File("/project/tripline.db".into()));
    assert_eq!(settings.store.retention, Retention::of_runs(Duration::from_hours(24 * 30)));
    assert_eq!((settings.statsd, settings.slack, settings.twilio), (None, None, None));
    assert_eq!(settings.agent.region.as_str(), "local");
    assert_eq!(settings.agent.sandbox, SandboxMode::Require);
    assert_eq!(settings.agent.egress, guard::Policy::default());
    assert_eq!(settings.policies.keys().collect::<Vec<_>>(), ["p2-then-p1"]);
    assert_eq!(settings.defaults.policy.as_deref(), Some("p2-then-p1"));
}

const ALL: &str = r##"
regions = ["us-east-1", "eu-west-1"]

[hub]
listen = "0.0.0.0:80"
open_to_network = true
url = "https://tripline.example.com/base/"

[store]
url = "sqlite:/var/lib/tripline.db"
retention = "90d"

[statsd]
send_to = "[::1]:8125"
prefix = "shop."
tags = "dogstatsd"
listen = "127.0.0.1:8126"
listen_unix = "statsd.sock"
relay_to = "h:8125"
flush = "5s"
max_series = 1000
buckets = [0.5, 2]
labels = { hub = "a" }

[slack]
bot_token = { env = "TOKEN" }
signing_secret = { env = "TOKEN" }
api_url = "http://127.0.0.1:9/api/"
[slack.webhooks]
"#p2" = { env = "HOOK" }

[twilio]
account_sid = { env = "SID" }
auth_token = { env = "TOKEN" }
from = "MG0123456789abcdef0123456789abcdef"

[people.ana]
phone = "+4930123456"
name = "Ana Example"
[people]
bo = {}

[teams]
devops = ["ana"]

[secrets]
LOGIN = { env = "TOKEN" }

[agent]
region = "eu-west-1"
max_runs = 4
sandbox = "degrade"
private_addresses = "refuse"
allow_networks = ["10.1.0.0/16", "fd00:1::/32"]
refuse_networks = ["10.1.7.0/24"]
ports = [80, 8443]
proxy = "http://proxy.example.com:3128"
proxy_credentials = { env = "PAIR" }
no_proxy = ["intra.example.com", ".corp.example.com", "10.0.0.0/8"]

[defaults]
every = "30s"
timeout = "10s"
regions = ["us-east-1"]
policy = "night"

[[policy]]
name = "night"
quorum = "majority"
recover_after = 2
[[policy.tier]]
when = { failures_in_a_row = 3 }
notify = ["sms:ana", "slack:C024BE91L"]

[[check]]
name = "Home"
url = "https://example.com/"
"##;

#[test]
fn a_hub_that_speaks_tls_says_so_in_its_url() {
    let hub = good("[hub]\nagents_listen = '0.0.0.0:7678'\ntls = { certificate = 'cert.pem', key = '/etc/key.pem' }").hub;
    assert_eq!(hub.agents_listen.map(|it| it.port()), Some(7678));
    assert_eq!(hub.url, "https://127.0.0.1:7676");
    let tls = hub.tls.expect("written");
    assert_eq!(tls.certificate.to_str(), Some("/project/cert.pem"));
    assert_eq!(tls.key.to_str(), Some("/etc/key.pem"));
    let missing = mistakes("[hub]\ntls = { certificate = 'cert.pem' }");
    assert_eq!(missing[0].1, "`key` is missing");
}

#[test]
fn links_lead_to_the_url_as_written_wherever_the_hub_listens() {
    let elsewhere = "127.0.0.1:9999".parse().expect("an address");
    let written = good("[hub]\nurl = 'https://tripline.example.com'").hub;
    assert_eq!(written.url_at(elsewhere), "https://tripline.example.com");
    let silent = good("[hub]\nlisten = '127.0.0.1:0'").hub;
    assert_eq!(silent.url_at(elsewhere), "http://127.0.0.1:9999");
}

#[test]
fn all_that_can_be_written_is_read() {
    let settings = good(ALL);
    let guard::Policy { private, allow, refuse, ports } = &settings.agent.egress;
    assert_eq!((private, allow.len(), refuse.len()), (&guard::Private::Refuse, 2, 1));
    assert_eq!(*ports, guard::Ports::Only(vec![80, 8443]));
    assert_eq!(settings.hub.url, "https://tripline.example.com/base");
    assert_eq!(settings.store.place, Place::File("/var/lib/tripline.db".into()));
    let statsd = settings.statsd.expect("a section");
    assert_eq!((statsd.send_to.as_str(), statsd.prefix.as_str()), ("[::1]:8125", "shop"));
    assert_eq!(statsd.tags, StatsdTags::Dogstatsd);
    let listener = settings.statsd_listener.expect("a listener");
    assert_eq!(listener.udp, Some("127.0.0.1:8126".parse().expect("an address")));
    assert_eq!(listener.unix, Some("/project/statsd.sock".into()));
    assert_eq!((listener.flush, listener.max_series), (Duration::from_secs(5), 1000));
    assert_eq!((listener.buckets, listener.relay_to), (vec![0.5, 2.0], Some("h:8125".into())));
    assert_eq!(listener.labels, [("hub".to_owned(), "a".to_owned())]);
    let slack = settings.slack.expect("a section");
    assert!(slack.is_interactive() && slack.app_token.is_none());
    assert_eq!(slack.bot_token.expect("a token").expose(), "t");
    assert_eq!(slack.api_url, "http://127.0.0.1:9/api");
    assert_eq!(slack.webhooks["#p2"].expose(), "https://hooks.slack.com/x");
    let twilio = settings.twilio.expect("a section");
    assert_eq!(twilio.api_url, "https://api.twilio.com");
    assert_eq!(twilio.account_sid.expose(), "AC123");
    assert_eq!(settings.people.roster.people.len(), 2);
    assert_eq!(settings.people.names.len(), 1);
    assert_eq!(settings.secrets["LOGIN"].expose(), "t");
    assert_eq!(settings.agent.max_runs, 4);
    let proxy = "http://proxy.example.com:3128".parse().expect("a URL");
    let direct = ["intra.example.com", ".corp.example.com", "10.0.0.0/8"];
    let direct = direct.map(|text| text.parse().expect("a target")).to_vec();
    let proxy = Proxy::at(&proxy).expect("a proxy").with_direct(direct);
    assert_eq!(settings.agent.proxy, Some(proxy.with_credentials("ana:p:w")));
    let regions: Vec<&str> = settings.regions.iter().map(Region::as_str).collect();
    assert_eq!(regions, ["eu-west-1", "us-east-1"]);
    let night = &settings.policies["night"];
    assert_eq!((night.quorum, night.recover_after), (Quorum::Majority, 2));
    assert_eq!(night.tiers[0].notify[0], Target::Sms("ana".into()));
    let check = settings.drafts[0].check.as_ref().expect("a check");
    assert_eq!((check.policy.as_str(), check.timeout), ("night", Duration::from_secs(10)));
    assert_eq!(check.regions[0].as_str(), "us-east-1");
}

#[test]
fn a_region_that_the_project_does_not_have_is_doubted() {
    let settings =
        good("regions = [\"eu-west-1\", \"us-east-1\"]\n[agent]\nregion = \"eu-west-1\"");
    let doubt = |region| settings.doubt_of_region(&Region::new(region).expect("a region"));
    assert_eq!(doubt("us-east-1"), None);
    let slip = "the project has no region `us-esat-1`; did you mean `us-east-1`?";
    assert_eq!(doubt("us-esat-1").as_deref(), Some(slip));
    let other = "the project has no region `mars`; possible here: `eu-west-1`, `us-east-1`";
    assert_eq!(doubt("mars").as_deref(), Some(other));
}

#[test]
fn regions_may_have_control_targets() {
    let text = "[regions.eu]\ncontrol = ['https://one.example', 'http://10.0.0.1/x']\n\
                [regions.local]\ncontrol = ['https://two.example']\n[regions.us]\n";
    let (settings, diagnostics) = read_text(text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let settings = settings.expect("settings");
    let regions: Vec<&str> = settings.regions.iter().map(Region::as_str).collect();
    assert_eq!(regions, ["local", "eu", "us"]);
    let control = |region: &str| {
        let targets = settings.control.get(&Region::new(region).expect("a good name"));
        targets.map(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let eu = ["https://one.example/", "http://10.0.0.1/x"].map(str::to_owned).to_vec();
    assert_eq!(control("eu"), Some(eu));
    assert_eq!(control("local").map(|it| it.len()), Some(1));
    assert_eq!(control("us"), None);
}

#[test]
fn the_built_in_policy_calls_the_team_there_is() {
    let sms = |teams: &str| {
        let people = "[people]\nana = { phone = '+4930123456' }\n";
        let settings = good(&format!("{people}[teams]\n{teams}"));
        settings.policies["p2-then-p1"].tiers[1].notify.get(1).map(Target::to_string)
    };
    assert_eq!(sms(""), None);
    assert_eq!(sms("ops = ['ana']").as_deref(), Some("sms:ops"));
    assert_eq!(sms("a = ['ana']\ndevops = ['ana']").as_deref(), Some("sms:devops"));
    assert_eq!(sms("a = ['ana']\nb = ['ana']"), None);
}

#[test]
fn the_only_policy_written_is_the_default_one() {
    let policy = |name: &str| {
        format!(
            "[[policy]]\nname = '{name}'\n[[policy.tier]]\nwhen = {{ failures_in_a_row = 1 }}\n\
             notify = ['slack:#a']\n"
        )
    };
    let default = |text: String| good(&text).defaults.policy;
    assert_eq!(default(policy("a")).as_deref(), Some("a"));
    assert_eq!(default(policy("a") + &policy("b")), None);
    assert_eq!(default(policy("a") + &policy("p2-then-p1")).as_deref(), Some("p2-then-p1"));
    let own = good(&policy("p2-then-p1"));
    assert_eq!(own.policies["p2-then-p1"].tiers.len(), 1);
}

const PEOPLE: &str = "[people]\nana = { phone = '+4930123456' }\nbo = {}\n";

#[test]
fn mistakes_are_told_where_they_are() {
    for (text, at, message) in [
        ("[hub]\nlisten = '0.0.0.0:80'", "'0.0.0.0:80'", "is open to other machines"),
        ("[hub]\nlisten = '[::]:80'\nopen_to_network = false", "'[::]:80'", "is open to other"),
        ("[hub]\nlisten = '192.0.2.1:80'", "'192.0.2.1:80'", "is open to other machines"),
        ("[hub]\nlisten = 'localhost'", "'localhost'", "not an IP address with a port"),
        ("[hub]\nurl = 'https://x.org/?a'", "'https://x.org/?a'", "no query"),
        ("hub = 5", "5", "`hub` must be a section, written as `[hub]`, not the number 5"),
        ("[store]\nurl = 'postgres://u:p@h/d'", "'postgres://u:p@h/d'", "secret in plain text"),
        ("[store]\nurl = 'postgres://h/d'", "'postgres://h/d'", "has no user"),
        ("[store]\nurl = 'postgres://u@/d'", "'postgres://u@/d'", "cannot be read"),
        ("[store]\nurl = 'postgres://u@h'", "'postgres://u@h'", "names no database"),
        ("[store]\nurl = 'postgres://u@h/d?a=b'", "'postgres://u@h/d?a=b'", "`a` is no parameter"),
        (
            "[store]\nurl = 'postgres://u@h/d?sslmode=on'",
            "'postgres://u@h/d?sslmode=on'",
            "`sslmode` is one of",
        ),
        ("[store]\nurl = 'mysql://u@h/d'", "'mysql://u@h/d'", "`mysql:` is not supported"),
        ("[store]\npassword = { env = 'TOKEN' }", "password", "a file has none"),
        ("[store]\nurl = 'sqlite:a'\npassword = { env = 'TOKEN' }", "password", "a file has none"),
        ("[store]\nurl = 'tripline.db'", "'tripline.db'", "no store that is supported"),
        ("[store]\nurl = 'sqlite::memory:'", "'sqlite::memory:'", "must be a file"),
        ("[store]\nurl = 'sqlite:a?mode=ro'", "'sqlite:a?mode=ro'", "no path of a file"),
        ("[store]\nretention = '1h'", "'1h'", "out of range"),
        ("[metrics]\nresolution = '7s'", "'7s'", "no multiple of 7s"),
        ("[metrics]\nkeep = '30d'\nkeep_5m = '7d'", "'7d'", "cannot be kept for a shorter time"),
        ("[metrics]\nkeep_5m = '500d'\nkeep_1h = '450d'", "'450d'", "cannot be kept for a shorter"),
        ("[metrics]\nmax_series = 0", "0", "a whole number from 1"),
        ("[metrics]\nkeep_6m = '7d'", "keep_6m", "`keep_6m`"),
        ("[store]\nkeep_passed = '2d'\nkeep_details = '3d'", "'3d'", "longer than the runs"),
        ("[statsd]\nprefix = 'a'", "[statsd]", "`send_to` is missing"),
        ("[statsd]\nsend_to = 'h'", "'h'", "has no port"),
        ("[statsd]\nsend_to = 'h:0'", "'h:0'", "is no port"),
        ("[statsd]\nsend_to = '::1:5'", "'::1:5'", "in brackets: `[::1]:5`"),
        ("[slack]\nbot_token = 'xoxb-1'", "'xoxb-1'", "secret in plain text"),
        ("[slack]\nwebhooks.'p2' = { env = 'HOOK' }", "'p2'", "write `#p2`"),
        (
            "[slack]\nbot_token = { env = 'TOKEN' }\nwebhooks.'#x' = { env = 'TOKEN' }",
            "{ env = 'TOKEN' }",
            "webhook for `#x` is no",
        ),
        ("[secrets]\n'a-b' = { env = 'TOKEN' }", "'a-b'", "the name of a secret"),
        ("[agent]\nmax_runs = 0", "0", "a whole number from 1 to 1024"),
        ("[agent]\nsandbox = 'off'", "'off'", "cannot be `off`"),
        ("[agent]\nallow_networks = ['10/8']", "'10/8'", "is not an IP address"),
        ("[agent]\nrefuse_networks = ['10.0.0.0/33']", "'10.0.0.0/33'", "from 0 to 32"),
        ("[agent]\nports = [0]", "0", "from 1 to 65535"),
        ("[agent]\nproxy = 'proxy:3128'", "'proxy:3128'", "must begin with `http://`"),
        ("[agent]\nproxy = 'https://p.example'", "'https://p.example'", "spoken to without TLS"),
        ("[agent]\nproxy = 'http://p/x'", "'http://p/x'", "must be a host and a port"),
        ("[agent]\nproxy = 'http://u:p@h:1'", "'http://u:p@h:1'", "password in plain text"),
        ("[agent]\nno_proxy = ['a.example']", "no_proxy", "means nothing without `proxy`"),
        ("[agent]\nproxy = 'http://p'\nno_proxy = ['*']", "'*'", "`*` is no host"),
        (
            "[agent]\nproxy = 'http://p'\nproxy_credentials = { env = 'TOKEN' }",
            "{ env = 'TOKEN' }",
            "not of the form `user:password`",
        ),
        ("regions = ['a b']", "'a b'", "not allowed in a name"),
        ("[defaults]\nevery = '10s'\ntimeout = '20s'", "'20s'", "longer than the 10s"),
        ("[defaults]\npolicy = 'none'", "'none'", "no policy `none`"),
        ("[check]\nname = 'x'", "[check]", "must be a list of sections"),
        ("[[rule]]\nname = 'x'", "[[rule]]", "`expr` is missing"),
        ("a = 1\na = 2", "a", "not valid TOML: duplicate key"),
    ] {
        assert_one_mistake(text, at, message);
    }
}

#[test]
fn mistakes_in_people_are_told_where_they_are() {
    for (text, at, message) in [
        ("[people]\nana = { phone = '030 1234' }", "'030 1234'", "no telephone number"),
        ("[people]\nana = { phone = '0049 30/123456' }", "'0049 30/123456'", "as `+4930123456`"),
        ("[people]\n'a b' = {}", "'a b'", "is no name"),
        ("[teams]\nops = ['ana']", "'ana'", "nobody is called `ana`"),
        ("[teams]\nops = []", "[]", "empty list"),
        ("[people]\nops = {}\n[teams]\nops = ['ops']", "ops", "both a team and a person"),
        ("[people]\nana = { slack = '@ana' }", "'@ana'", "no member's id of Slack"),
        ("[people]\nana = { email = 'ana' }", "'ana'", "no e-mail address"),
        ("[people]\nana = { timezone = 'Berlin' }", "'Berlin'", "no time zone `Berlin`"),
    ] {
        assert_one_mistake(text, at, message);
    }
}

fn assert_one_mistake(text: &str, at: &str, message: &str) {
    let found = mistakes(text);
    assert!(found.iter().any(|it| it.0 == at && it.1.contains(message)), "in {text}: {found:?}");
    assert_eq!(found.len(), 1, "in {text}: {found:?}");
}

#[test]
fn mistakes_in_what_is_received_are_told_where_they_are() {
    for (text, at, message) in [
        ("[statsd]\nrelay_to = 'h:1'\nsend_to = 'h:1'", "relay_to", "nothing is received"),
        ("[statsd]\nlisten = '0.0.0.0:1'", "'0.0.0.0:1'", "open to other machines"),
        ("[statsd]\nlisten = 'localhost:1'", "'localhost:1'", "not an IP address"),
        ("[statsd]\nlisten_tcp = '127.0.0.1:1'\nflush = '7s'", "'7s'", "a minute must be"),
        ("[statsd]\nlisten_tcp = '127.0.0.1:1'\nlisten_tpc = 1", "listen_tpc", "unknown key"),
        (
            "[statsd]\nlisten = '[::]:9'\nopen_to_network = true\nrelay_to = 'localhost:9'",
            "'localhost:9'",
            "is this listener itself",
        ),
        (
            "[statsd]\nlisten = '127.0.0.1:9'\nbuckets = [1, 2.5, 2]",
            "2",
            "greater than the one before",
        ),
        ("[statsd]\nlisten = '127.0.0.1:9'\nlabels = { le = 'x' }", "le", "cannot be the name"),
        ("[statsd]\nlisten_unix = 'a'\nlisten_unix_stream = 'a'", "'a'", "has that path already"),
    ] {
        assert_one_mistake(text, at, message);
    }
}

#[test]
fn what_is_gathered_can_be_said() {
    let settings = good("[storm]\nincidents = 3\nsms_within = '1h'\n");
    let expected =
        Bounds { incidents: 3, sms_within: Duration::from_hours(1), ..Bounds::default() };
    assert_eq!((settings.storm, good("").storm), (expected, Bounds::default()));
    for (text, at, message) in [
        ("[storm]\nincidents = 0", "0", "from 1 to 1000"),
        ("[storm]\nsms = 1", "1", "from 2 to 100000"),
        ("[storm]\nwithin = '1ms'", "'1ms'", "out of range"),
        ("[storm]\nsmss = 4", "smss", "unknown key `smss`"),
        ("[storms]\nsms = 4", "storms", "unknown key `storms`"),
    ] {
        assert_one_mistake(text, at, message);
    }
}

#[test]
fn mistakes_in_regions_and_coverage_are_told_where_they_are() {
    for (text, at, message) in [
        ("[coverage]\nbelow = 90", "90", "a share from 0 to 1"),
        ("[coverage]\nbelow = -0.1", "-0.1", "a share from 0 to 1"),
        ("[coverage]\nover = '5m'", "'5m'", "out of range"),
        ("[coverage]\nslots = 0", "0", "from 1 to 1000000"),
        ("regions = 'eu'", "'eu'", "must be a list"),
        ("[regions]\n'a b' = {}", "'a b'", "cannot be a region"),
        ("[regions]\neu = ['us']", "['us']", "must be a section"),
        ("[regions.eu]\ncontrol = []", "[]", "empty list"),
        ("[regions.eu]\ncontrol = 'https://a.example'", "'https://a.example'", "be a list"),
        ("[regions.eu]\ncontrol = ['a.example']", "'a.example'", "is no URL"),
        ("[regions.eu]\ncontrol = ['ftp://a.example']", "'ftp://a.example'", "not `ftp:`"),
        ("[regions.eu]\ncontrols = 1", "controls", "unknown key `controls`"),
        (
            "[regions.eu]\ncontrol = ['http://169.254.169.254']",
            "'http://169.254.169.254'",
            "can never be asked",
        ),
        (
            "[agent]\nprivate_addresses = 'refuse'\n[regions.local]\ncontrol = ['http://10.0.0.1']",
            "'http://10.0.0.1'",
            "can never be asked",
        ),
    ] {
        assert_one_mistake(text, at, message);
    }
}

#[test]
fn mistakes_in_a_policy_are_told_where_they_are() {
    let tier = |notify: &str| {
        format!(
            "{PEOPLE}[[policy]]\nname = 'a'\n[[policy.tier]]\nwhen = {{ failures_in_a_row = 1 }}\n\
             notify = {notify}\n"
        )
    };
    let when = |when: &str| tier("['slack:#a']").replace("failures_in_a_row = 1", when);
    let second = "[[policy.tier]]\nwhen = { failures_in_a_row = 1 }\nnotify = ['slack:#b']\n";
    for (text, message) in [
        (tier("['mail:ana']"), "is no target"),
        (tier("['#p2']"), "is no target"),
        (tier("['slack:p2']"), "write `#p2`"),
        (tier("['slack:#P2']"), "did you mean `#p2`?"),
        (tier("['sms:devops']"), "no rota, team or person"),
        (tier("['sms:bo']"), "no telephone number of `bo`"),
        (tier("[]"), "empty list"),
        (tier("'slack:#p2'"), "must be a list"),
        (tier("['slack:#a']") + second, "more failures in a row than the one before"),
        ("[[policy]]\nname = 'a'".into(), "`tier` is missing"),
        (tier("['slack:#a']").replace("name = 'a'", "quorum = 1"), "`name` is missing"),
        (tier("['slack:#a']").replace("name = 'a'", "name = 'a'\nquorum = 0"), "from 1 to 1000"),
        (tier("['slack:#a']").replace("name = 'a'", "name = 'a'\nquorum = 'most'"), "be `most`"),
        (tier("['slack:#a']").replace("failures_in", "failure_in"), "one condition"),
        (when("failures = 3"), "needs either `of_last` or `within`"),
        (when("failures = 3, of_last = 2"), "cannot be among the last 2 runs"),
        (when("failures_in_a_row = 3, of_last = 5"), "this belongs to `failures`"),
        (when("failures_in_a_row = 3, open_for = '1h'"), "a tier has one condition"),
        (when("open_for = '1h'"), "the first tier must be reached by failures"),
        (
            when("failures_in_a_row = 1").replace("name = 'a'", "name = 'a'\nrepeat_every = '2d'"),
            "out of range",
        ),
        (tier("['slack:#a']") + &tier("['slack:#a']").replace(PEOPLE, ""), "there already"),
    ] {
        let found = mistakes(&text);
        assert!(found.iter().any(|it| it.1.contains(message)), "in {text}: {found:?}");
        assert!(found.len() <= 2, "in {text}: {found:?}");
    }
}

#[test]
fn a_team_that_an_sms_reaches_in_part_is_a_warning() {
    let text = format!(
        "{PEOPLE}[teams]\nops = ['ana', 'bo']\n[[policy]]\nname = 'a'\n[[policy.tier]]\n\
         when = {{ failures_in_a_row = 1 }}\nnotify = ['sms:ops', 'sms:ops']\n"
    );
    let (_, diagnostics) = read_text(&text);
    assert!(diagnostics.iter().all(|it| it.severity == Severity::Warning), "{diagnostics:?}");
    assert!(diagnostics[0].message.contains("does not reach `bo`"), "{diagnostics:?}");
    assert!(diagnostics.last().is_some_and(|it| it.message.contains("named twice")));
}

#[test]
fn where_only_webhooks_are_written_all_channels_need_one() {
    let slack = "[slack]\nwebhooks.'#p2' = { env = 'HOOK' }\n";
    let found = mistakes(slack);
    assert_eq!(
        found,
        [(
            "[slack]".to_owned(),
            "no webhook reaches the Slack channel `#p1`, which the built-in policy names".into()
        )]
    );
    let bot = format!("{slack}bot_token = {{ env = 'TOKEN' }}\n");
    assert!(mistakes(&bot).is_empty());
}

#[test]
fn links_that_lead_nowhere_are_warned_of() {
    let warnings = |text: &str| {
        let (_, diagnostics) = read_text(text);
        diagnostics.into_iter().map(|it| it.message).collect::<Vec<_>>()
    };
    let slack = "[slack]\nbot_token = { env = 'TOKEN' }\n";
    let told =
        "links in messages will begin with http://127.0.0.1:80, which only this machine can open";
    let open = "open_to_network = true\nlisten";
    assert_eq!(warnings(&format!("{slack}[hub]\n{open} = '0.0.0.0:80'"))[0], told);
    assert_eq!(warnings(slack).len(), 1);
    for hub in ["url = 'https://w.example'", "url = 'http://localhost'"] {
        assert!(warnings(&format!("{slack}[hub]\n{hub}")).is_empty(), "{hub}");
    }
    let reachable = warnings(&format!("{slack}[hub]\n{open} = '10.0.0.1:80'"));
    assert!(reachable.iter().all(|it| !it.contains("links")), "{reachable:?}");
    assert!(warnings("[hub]\n").is_empty(), "nothing leaves this machine");
}

#[test]
fn the_built_in_policy_says_whom_it_cannot_reach() {
    let team = "[people.ana]\n[people.bo]\nphone = '+4930123456'\n[teams]\ndevops = ['ana', 'bo']";
    let (_, diagnostics) = read_text(team);
    assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    assert_eq!(diagnostics[0].severity, Severity::Warning);
    let message = &diagnostics[0].message;
    assert!(message.contains("tells `devops` by SMS, which does not reach `ana`"), "{message}");
}

#[test]
fn a_mistake_in_a_policy_is_not_told_again_by_its_checks() {
    let text = "[[policy]]\nname = 'a'\n[[check]]\nname = 'x'\nurl = 'https://x.org'\npolicy = 'a'";
    assert_eq!(mistakes(text).len(), 1);
}

#[test]
fn a_plain_secret_is_in_no_diagnostic() {
    let text = "[slack]\nbot_token = 'hunter2'\nbot_tokn = 1\n[store]\nurl = 'postgres://u:pass@h'\n\
                [agent]\nproxy = 'http://u:hunter2@h'";
    let (_, diagnostics) = read_text(text);
    assert_eq!(diagnostics.len(), 5);
    let shown = format!("{diagnostics:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("pass@"), "{shown}");
    for line in ["'hunter2'\na = ", "\"hunter2\na = 1", "hunter2", "'hunter2' x"] {
        let (settings, diagnostics) = read_text(&format!("[slack]\nbot_token = {line}\n"));
        assert_eq!(settings, None, "{line}");
        assert!(!format!("{diagnostics:?}").contains("hunter2"), "{line}: {diagnostics:?}");
    }
}

#[test]
fn each_kind_of_data_is_kept_as_long_as_it_says() {
    let kept = |text: &str| good(&format!("[store]\n{text}")).store.retention;
    let days = |days: u64| Duration::from_hours(24 * days);
    assert_eq!(kept("retention = '90d'"), Retention::of_runs(days(90)));
    let some = kept("keep_passed = '7d'\nkeep_failed = '400d'");
    let wanted = Retention { passed: days(7), details: days(7), failed: days(400), ..some };
    assert_eq!(some, wanted);
    assert_eq!(some.of_every_run(), days(7));
    // Runs that are kept when nobody knows any more what was expected cannot be accounted for.
    for text in ["keep_uptime = '29d'", "keep_failed = '90d'\nkeep_uptime = '89d'"] {
        let (_, told) = read_text(&format!("[store]\n{text}"));
        assert!(told[0].message.contains("cannot be kept shorter than runs"), "{told:?}");
    }
    let all = kept(
        "retention = '20d'\nkeep_details = '2d'\nkeep_incidents = '700d'\nkeep_uptime = '800d'",
    );
    let wanted = Retention {
        details: days(2),
        passed: days(20),
        failed: days(20),
        incidents: Some(days(700)),
        uptime: days(800),
    };
    assert_eq!(all, wanted);
}

#[test]
fn a_store_named_in_a_command_line_takes_its_password_from_elsewhere() {
    let folder = Path::new("/project");
    let named = |text: &str, password: Option<&str>, own: Option<&Place>| {
        let place = Place::named(text, folder, password.map(Secret::new).as_ref(), own);
        place.map(|place| match place {
            Place::File(path) => path.display().to_string(),
            Place::Postgres { url, .. } => url.expose().to_owned(),
        })
    };
    let good = |text: &str, password| named(text, password, None).expect("a good name");
    assert_eq!(good("sqlite:a.db", None), "/project/a.db");
    assert_eq!(good("sqlite:/b/a.db", Some("x")), "/b/a.db");
    let url = "postgres://ana@db/watch?sslmode=require";
    assert_eq!(good(url, None), url);
    let with = good(url, Some("a@%41"));
    assert_eq!(with, "postgres://ana:a%40%2541@db/watch?sslmode=require");
    let own = Place::named("postgres://ana@db/watch", folder, Some(&Secret::new("own")), None);
    let own = own.expect("a good name");
    let found = named(url, None, Some(&own)).expect("a good name");
    assert_eq!(found, "postgres://ana:own@db/watch?sslmode=require");
    assert_eq!(
        named("postgres://bo@db/watch", None, Some(&own)).as_deref(),
        Ok("postgres://bo@db/watch")
    );
    let refused = named("postgres://ana:hunter2@db/watch", None, None).expect_err("a password");
    assert!(refused.contains("PGPASSWORD") && !refused.contains("hunter2"), "{refused}");
}

#[test]
fn a_store_in_postgresql_keeps_its_password_to_itself() {
    let read = |text: &str| {
        let variables = [
            ("PASSWORD", "hunter2:/@ü"),
            ("DATABASE_URL", "postgres://ana:hunter2@db.example.com:5433/watch?sslmode=require"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let files = Files {
            root: "/project".into(),
            settings: Some(Document::new(FILE, text)),
            modules: Vec::new(),
            diagnostics: Vec::new(),
            edited_at: crate::domain::Timestamp::UNIX_EPOCH,
        };
        let (settings, told) = read(&files, &Environment::new(variables));
        assert!(told.is_empty(), "{told:?}");
        let store = settings.expect("settings").store;
        assert!(!format!("{store:?} {}", store.place).contains("hunter2"));
        let Place::Postgres { url, shown } = store.place else { panic!("a file") };
        (url.expose().to_owned(), shown)
    };
    let (url, shown) =
        read("[store]\nurl = 'postgres://ana@db/watch'\npassword = { env = 'PASSWORD' }");
    assert_eq!(url, "postgres://ana:hunter2%3A%2F%40%C3%BC@db/watch");
    assert_eq!(shown, "postgres://ana@db/watch");
    let (url, shown) = read("[store]\nurl = { env = 'DATABASE_URL' }");
    assert!(url.contains("hunter2") && url.ends_with("sslmode=require"));
    assert_eq!(shown, "postgres://ana@db.example.com:5433/watch");
}

#[test]
fn sending_to_oneself_is_said() {
    for (listen, send_to, is_itself) in [
        ("127.0.0.1:8126", "127.0.0.1:8126", true),
        ("127.0.0.1:8126", "localhost:8126", true),
        ("[::1]:8126", "[::1]:8126", true),
        ("127.0.0.1:8126", "127.0.0.1:8125", false),
        ("127.0.0.1:8126", "statsd.internal:8126", false),
    ] {
        let text = format!("[statsd]\nlisten = '{listen}'\nsend_to = '{send_to}'");
        let (_, diagnostics) = read_text(&text);
        let told = |it: &Diagnostic| it.message == "`send_to` leads to Tripline's own listener";
        let warnings: Vec<_> = diagnostics.iter().filter(|it| told(it)).collect();
        assert_eq!(warnings.len(), usize::from(is_itself), "{text}: {diagnostics:?}");
        assert!(warnings.iter().all(|it| it.severity == Severity::Warning));
    }
}

const ROTA: &str = "[people]
ana = { phone = '+4930123456', slack = 'U0123456789', email = 'ana@example.com' }
bo = { phone = '+4930123457', timezone = 'Asia/Tokyo' }
[teams]
ops = ['ana', 'bo']
[rota.primary]
team = 'ops'
timezone = 'Europe/Berlin'
[[rota.primary.layer]]
people = ['ana', 'bo']
starts = '2026-11-23 09:00'
turn = 'weekly'
[[rota.primary.override]]
person = 'bo'
from = '2026-11-24'
until = '2026-11-25'
";

#[test]
fn a_rota_is_read_with_its_layers_and_overrides() {
    let settings = good(ROTA);
    let rota = &settings.people.roster.rotas["primary"];
    let person = |at: &str| {
        let at = at.parse().expect("a time");
        rota.duty(at).map(|duty| format!("{} by {}", duty.person, duty.by))
    };
    assert_eq!(person("2026-11-23T07:59:59Z"), None);
    assert_eq!(person("2026-11-23T08:00:00Z").as_deref(), Some("ana by layer 1"));
    assert_eq!(person("2026-11-23T23:00:00Z").as_deref(), Some("bo by override"));
    assert_eq!(person("2026-11-24T23:00:00Z").as_deref(), Some("ana by layer 1"));
    let ana = PersonId::new("ana").expect("a good name");
    let known = &settings.people.particulars[&ana];
    assert_eq!(known.slack.as_deref(), Some("U0123456789"));
    assert_eq!(known.email.as_deref(), Some("ana@example.com"));
    let policy = "[[policy]]\nname = 'a'\n[[policy.tier]]\nwhen = { failures_in_a_row = 1 }\n\
                  notify = ['sms:primary']\n";
    good(&format!("{ROTA}{policy}"));
    assert_one_mistake(
        &format!("{ROTA}{}", policy.replace("primary", "primry")),
        "'sms:primry'",
        "`primry` is no rota, team or person",
    );
}

#[test]
fn mistakes_of_a_rota_are_told_where_they_are() {
    let second = "[[rota.primary.override]]\nperson = 'ana'\nfrom = '2026-11-24 12:00'\n\
                  until = '2026-11-26'\n";
    let layer = "[[rota.primary.layer]]\npeople = ['bo']\nstarts = '2026-11-01'\nturn = '1d'\n";
    for (text, at, message) in [
        (ROTA.replace("team = 'ops'", "team = 'opps'"), "'opps'", "there is no team `opps`"),
        (ROTA.replace("team = 'ops'\n", ""), "[rota.primary]", "`team` is missing"),
        (ROTA.replace("['ana', 'bo']\nstarts", "['anna']\nstarts"), "'anna'", "nobody is called"),
        (ROTA.replace("Europe/Berlin", "Europe/Berln"), "'Europe/Berln'", "no time zone"),
        (ROTA.replace("'weekly'", "'weakly'"), "'weakly'", "no length of a turn"),
        (ROTA.replace("'2026-11-23 09:00'", "'Monday'"), "'Monday'", "no date with a time"),
        (ROTA.replace("until = '2026-11-25'", "until = '2026-11-24'"), "'2026-11-24'", "not after"),
        (ROTA.replace("rota.primary", "rota.ops"), "ops", "both a rota and a team"),
        (
            ROTA.replace("turn = 'weekly'", "turn = '2d'\nhandover = 'Mon 09:00'"),
            "'Mon 09:00'",
            "cannot all end on the same day",
        ),
        (
            ROTA.replace("turn = 'weekly'", "turn = '1d'\nhours = 'Mon-Fry 09:00-17:00'"),
            "'Mon-Fry 09:00-17:00'",
            "`Fry` is no day of the week",
        ),
        (format!("{ROTA}{second}"), "[[rota.primary.override]]", "at the same time as another"),
    ] {
        assert_one_mistake(&text, at, message);
    }
    let hidden = format!("{ROTA}{layer}");
    let (_, warnings) = read_text(&hidden);
    assert!(warnings.iter().any(|it| it.message.contains("nobody of this layer is ever on duty")));
}

#[test]
fn a_maintenance_is_once_or_again_and_again() {
    use crate::domain::restraint::Window;
    let settings = good(
        "regions = ['eu', 'us']\n[agent]\nregion = 'eu'\n\
         [[rule]]\nname = 'Many errors'\nexpr = 'errors > 3'\nnotify = 'slack:#p2'\n\
         [[maintenance]]\nname = 'move'\nchecks = ['login']\nfrom = 2026-11-21T04:00:00+01:00\n\
         until = '2026-11-21T05:00:00Z'\n\
         [[maintenance]]\nname = 'backup'\nrules = 'Many errors'\nregions = ['us']\n\
         labels = { team = 'shop' }\ncron = '0 3 * * SUN'\ntimezone = 'Europe/Berlin'\nlasts = '2h'\n",
    );
    let [moved, backup] = settings.maintenance.as_slice() else { panic!("{settings:?}") };
    let at = |text: &str| text.parse::<crate::domain::Timestamp>().expect("a time");
    let (from, until) = (at("2026-11-21T03:00:00Z"), at("2026-11-21T05:00:00Z"));
    assert_eq!(moved.window, Window::Once { from, until });
    assert_eq!(moved.scope.to_string(), "check login");
    assert_eq!(backup.scope.to_string(), "rule Many errors, region us, label team=shop");
    assert_eq!(backup.window.next_after(from), Some(at("2026-11-22T02:00:00Z")));
}

#[test]
fn mistakes_in_a_maintenance_are_told_where_they_are() {
    let one = |rest: &str, at: &str, message: &str| {
        assert_one_mistake(&format!("[[maintenance]]\nname = 'x'\n{rest}"), at, message);
    };
    let from = "from = 2026-11-21T03:00:00Z\n";
    one(&format!("{from}until = 2026-11-21T02:00:00Z"), "2026-11-21T02:00:00Z", "before `from`");
    one(&format!("{from}until = 2026-11-29T03:00:00Z"), "2026-11-29T03:00:00Z", "seven days");
    one(&format!("{from}until = 2026-11-21T04:00:00"), "2026-11-21T04:00:00", "no moment");
    one(&format!("{from}until = 5"), "5", "must be a date with its time, not the number 5");
    one("cron = '0 3 * * *'\nlasts = '8d'", "'8d'", "out of range");
    one(&format!("{from}cron = '0 3 * * *'"), "cron", "either once or again and again");
    let window = "cron = '0 3 * * *'\nlasts = '1h'\n";
    one(&format!("{window}regions = ['mars']"), "'mars'", "there is no region `mars`");
    one(&format!("{window}rules = ['Many']"), "'Many'", "there is no rule `Many`");
    one(&format!("{window}check = ['x']"), "check", "unknown key `check`");
    one("", "[[maintenance]]", "not said when");
}

/// A policy that tells `targets` of the first failure.
fn telling(targets: &str) -> String {
    format!(
        "[[policy]]\nname = 'all'\n[[policy.tier]]\nwhen = {{ failures_in_a_row = 1 }}\n\
         notify = [{targets}]\n"
    )
}

#[test]
fn programs_and_mailboxes_can_be_told() {
    let settings = good(&format!(
        "[hub]\nurl = 'https://t.example.com'\n\
         [email]\nhost = 'smtp.example.com'\nfrom = 'Tripline <t@example.com>'\n\
         [webhook.chat]\nurl = {{ env = 'HOOK' }}\nsecret = {{ env = 'KEY' }}\n\
         headers = {{ X-Team = 'shop', authorization = {{ env = 'TOKEN' }} }}\n\
         template = '{{ \"text\": \"{{{{ title }}}}\" }}'\n\
         [pagerduty.shop]\nrouting_key = {{ env = 'TOKEN' }}\nseverity = 'error'\n\
         [people.ana]\nemail = 'ana@example.com'\n{}",
        telling("'email:ana', 'email:x@example.com', 'webhook:chat', 'pagerduty:shop'")
    ));
    let email = settings.email.as_ref().expect("written");
    assert_eq!((email.port, email.tls), (587, EmailTls::StartTls));
    let chat = &settings.webhooks["chat"];
    assert_eq!(chat.url.expose(), "https://hooks.slack.com/x");
    assert_eq!(chat.headers["x-team"].expose(), "shop");
    assert!(chat.template.is_some() && chat.former_secret.is_none());
    let shop = &settings.pagerduty["shop"];
    assert_eq!((shop.severity, shop.api_url.as_str()), (Some("error"), Pagerduty::API_URL));
    assert!(!format!("{settings:?}").contains("whsec_"));
    let targets: Vec<String> =
        settings.policies["all"].tiers[0].notify.iter().map(Target::to_string).collect();
    let written = ["email:ana", "email:x@example.com", "webhook:chat", "pagerduty:shop"];
    assert_eq!(targets, written);
    let port = |tls: &str| {
        let text = format!(
            "[hub]\nurl = 'https://t.example.com'\n[email]\nhost = 'localhost'\n\
             from = 'a@b.org'\ntls = '{tls}'\n"
        );
        good(&text).email.expect("written").port
    };
    assert_eq!([port("tls"), port("none")], [465, 25]);
}

#[test]
fn mistakes_in_what_tells_programs_and_mailboxes_are_found() {
    let message = |text: &str| {
        let found = mistakes(text);
        assert_eq!(found.len(), 1, "{found:?} in {text}");
        found[0].1.clone()
    };
    let hook = |more: &str| message(&format!("[webhook.a]\nurl = 'https://x.org'\n{more}"));
    assert!(hook("secret = { env = 'TOKEN' }").contains("does not begin with `whsec_`"));
    assert!(hook("secret = 'whsec_x'").contains("plain text"));
    assert!(hook("former_secret = { env = 'KEY' }").contains("without `secret`"));
    assert!(hook("headers = { host = 'x' }").contains("is written by Tripline"));
    assert!(hook("headers = { 'a b' = 'x' }").contains("no name of a header"));
    assert!(hook("template = '{'").contains("not valid JSON"));
    let place = hook("template = '{ \"a\": \"{{ eror }}\" }'");
    assert!(place.contains("at `/a`: undefined value"), "{place}");
    assert!(message("[webhook.a]\nurl = 'ftp://x.org'").contains("`http://` or `https://`"));
    let mail = |more: &str| message(&format!("[email]\nfrom = 'a@b.org'\n{more}"));
    assert!(mail("host = 'a b'").contains("no name or address of a server"));
    let open = "host = 'smtp.x.org'\ntls = 'none'\nusername = 'a'\npassword = { env = 'TOKEN' }";
    assert!(mail(open).contains("without encryption"));
    assert!(mail("host = 'x.org'\npassword = { env = 'TOKEN' }").contains("`username`"));
    assert!(mail("host = 'x.org'\nca = { env = 'TOKEN' }").contains("no certificate"));
    assert!(message("[email]\nhost = 'x.org'\nfrom = 'Ana'").contains("no sender"));
    let target = |target: &str, more: &str| message(&(telling(target) + more));
    let ana = "[people.ana]\nphone = '+4930123456'\n";
    assert!(target("'email:ana'", ana).contains("no address of `ana`"));
    assert!(target("'email:nobody'", "").contains("no rota, team or person"));
    assert!(target("'email:a@@b'", "").contains("cannot be written to"));
    assert!(target("'webhook:chat'", "").contains("there is no `[webhook.chat]`"));
    assert!(target("'pagerduty:shop'", "").contains("there is no `[pagerduty.shop]`"));
    assert!(target("'hook:chat'", "").contains("is no target"));
}

#[test]
fn what_is_meant_is_said_where_a_beginner_errs() {
    let helped = |text: &str| -> Vec<String> {
        let (_, diagnostics) = read_text(text);
        let told = diagnostics.into_iter().filter(Diagnostic::is_error);
        told.map(|it| format!("{}; {}", it.message, it.help.unwrap_or_default())).collect()
    };
    let rule = "[[rule]]\nname = 'a'\nnotify = 'slack:#p2'\nmetric = 'logins'\nwindow = '5m'\n";
    assert_eq!(
        helped(&format!("{rule}kind = 'absnt'\n")),
        ["`kind` cannot be `absnt`; did you mean `absent`?"]
    );
    let change = format!("{rule}kind = 'change'\ncompare_to = 'same time last week'\n");
    assert_eq!(
        helped(&format!("{change}falls_by = '50'\n")),
        ["`falls_by` in quotes is a share, and this has no `%`; write `\"50%\"` for a share, or \
          `50` for so many"]
    );
    let plain = "[[rule]]\nname = 'a'\nnotify = 'slack:#p2'\nexpr = 'up == 0'\nfalls_by = '50%'\n";
    assert_eq!(helped(plain), ["unknown key `falls_by`; this belongs to `kind = \"change\"`"]);
    let url = |url: &str| helped(&format!("[[check]]\nname = 'a'\nurl = '{url}'\n"));
    assert_eq!(
        url("shop.example.com/cart"),
        ["`url` is no URL: it does not begin with `http://` or `https://`; write `https://` (or \
          `http://`) before `shop.example.com`"]
    );
    assert_eq!(
        url("localhost:8080"),
        ["`url` must begin with `http://` or `https://`, not `localhost:`; write `https://` (or \
          `http://`) before `localhost`"]
    );
    assert!(url("ftp://example.com")[0].ends_with("write it in full: `https://example.com/path`"));
    let every = helped("[[check]]\nname = 'a'\nurl = 'https://x.example.com'\nevery = '5 min'\n");
    assert!(
        every[0].starts_with("`every` is no duration: there is a blank in `5 min`"),
        "{every:?}"
    );
    assert_eq!(
        helped("[store]\nurl = '/var/lib/tripline.db'\n"),
        ["`url` names no store that is supported; for a file, write `sqlite:/var/lib/tripline.db`"]
    );
}

#[test]
fn it_is_known_why_no_store_can_be_somewhere() {
    let root = tempfile::tempdir().expect("a folder");
    let obstacle = |path: &str| Place::File(root.path().join(path)).obstacle();
    assert_eq!(obstacle("tripline.db"), None);
    let missing = obstacle("data/tripline.db").expect("no folder");
    assert!(
        missing.starts_with("there is no folder /") && missing.contains("/data; make it"),
        "{missing}"
    );
    std::fs::create_dir(root.path().join("data")).expect("made");
    assert_eq!(obstacle("data/tripline.db"), None);
    let folder = obstacle("data").expect("a folder");
    assert!(folder.contains("is a folder, and the store is a file; write"), "{folder}");
}
