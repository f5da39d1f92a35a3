use std::time::Duration;

use super::*;
use crate::config::diagnostic::Diagnostic;
use crate::config::value::{Entry, Kind, parse_toml};
use crate::domain::check::{RequestSpec, StatusRange, TextExpectation};

fn known() -> Known {
    Known {
        policies: ["p2-then-p1".to_owned(), "night".to_owned()].into(),
        written_policies: ["night".to_owned()].into(),
        by_labels: Vec::new(),
        regions: ["local", "eu-west-1"].map(|it| Region::new(it).expect("a name")).into(),
        secrets: ["TOKEN".to_owned()].into(),
    }
}

/// Reads `text` as the options of a `[[check]]`.
fn plain(text: &str) -> (Option<Draft>, Vec<Diagnostic>) {
    let tree = parse_toml(text).expect("good TOML");
    let mut report = Report::new(Document::new("tripline.toml", text));
    let table = Field::root("check", &tree).table("a table", &mut report).expect("a table");
    let (known, defaults) = (known(), Defaults::without_settings());
    let draft = read_plain(table, &Surroundings::new(&defaults, Some(&known)), &mut report);
    (draft, report.finish())
}

fn good(text: &str) -> Check {
    let (draft, diagnostics) = plain(text);
    assert_eq!(diagnostics, [], "in {text}");
    draft.expect("a draft").check.expect("a check")
}

fn request(text: &str) -> RequestSpec {
    match good(&format!("name = 'x'\nurl = 'https://example.com/'\n{text}")).work {
        Work::Request(request) => *request,
        Work::Script { .. } => panic!("a script"),
    }
}

/// The only mistake: what it points at and its message.
fn mistake(text: &str) -> (String, String) {
    let text = format!("name = 'x'\nurl = 'https://example.com/'\n{text}");
    let (_, diagnostics) = plain(&text);
    assert_eq!(diagnostics.len(), 1, "in {text}: {diagnostics:?}");
    (text[diagnostics[0].span.clone()].to_owned(), diagnostics[0].message.clone())
}

#[test]
fn what_only_looks_like_a_mention_is_warned_of() {
    for text in ["headers = { a = 'x ${env.HOST}' }", "body = '{\"a\": \"${HOST}\"}'"] {
        let (place, message) = mistake(text);
        assert!(message.contains("HOST}` is sent as it stands"), "{place}: {message}");
    }
    let (_, diagnostics) = plain("name = 'x'\nurl = 'https://x.example/${env.X}'");
    assert!(diagnostics.iter().all(|it| !it.is_error()), "{diagnostics:?}");
    assert_eq!(diagnostics.len(), 1);
    request("body = 'costs $5 {or} ${} ${ a } $x'");
}

#[test]
fn what_is_not_written_has_a_default() {
    let check = good("name = 'Home page (EU)'\nurl = 'https://example.com'");
    assert_eq!(check.id.as_str(), "home-page-eu");
    assert_eq!(check.name, "Home page (EU)");
    assert_eq!(check.timeout, Duration::from_secs(30));
    assert_eq!(check.regions[0].as_str(), "local");
    assert_eq!(check.policy, "p2-then-p1");
    let Schedule::Every(interval) = check.schedule else { panic!("no interval") };
    assert_eq!(interval.duration(), Duration::from_mins(1));
    assert_eq!(good("id = 'a/b'\nurl = 'https://example.com'").name, "a/b");
}

#[test]
fn a_default_timeout_leaves_room_before_the_next_run() {
    let timeout =
        |options: &str| good(&format!("name = 'x'\nurl = 'https://x.org'\n{options}")).timeout;
    for (options, millis) in [
        ("every = '1s'", 900),
        ("every = '5s'", 4_500),
        ("every = '30s'", 29_000),
        ("every = '31s'", 30_000),
        ("cron = '* * * * *'", 30_000),
        ("every = '5s'\ntimeout = '5s'", 5_000),
    ] {
        assert_eq!(timeout(options), Duration::from_millis(millis), "{options}");
    }
    let (at, message) = mistake("every = '5s'\ntimeout = '6s'");
    assert_eq!(
        (at.as_str(), message.as_str()),
        ("'6s'", "a timeout of 6s is longer than the 5s between two runs")
    );
    let (_, message) = mistake("cron = '0,2 3 * * *'\ntimeout = '3m'");
    assert_eq!(message, "a timeout of 3m is longer than the 2m between two runs");
    assert_eq!(
        good("name = 'x'\nurl = 'https://x.org'\ncron = '@daily'\ntimeout = '10m'").timeout,
        Duration::from_mins(10)
    );
}

#[test]
fn mistakes_are_told_where_they_are() {
    for (text, at, message) in [
        ("cron = '0 25 * * *'", "25", "the hour field `25` is wrong"),
        ("cron = '7 7 77 * *'", "77", "the day of month field `77` is wrong"),
        ("cron = '* * * * * *'", "'* * * * * *'", "this one has 6"),
        ("cron = '@daily'\ntimezone = 'Europe/Berln'", "'Europe/Berln'", "no time zone"),
        ("timezone = 'UTC'", "timezone", "with `cron` only"),
        ("every = '1m'\ncron = '@daily'", "cron", "either `every` or `cron`"),
        ("every = '100ms'", "'100ms'", "out of range"),
        ("regions = ['eu-wst-1']", "'eu-wst-1'", "no region `eu-wst-1`"),
        ("regions = []", "[]", "empty list"),
        ("policy = 'nigth'", "'nigth'", "no policy `nigth`"),
        ("runbook = 'wiki/page'", "'wiki/page'", "no URL"),
        ("labels = { 'a b' = 'x' }", "'a b'", "name of a label"),
        ("labels = { a = 1 }", "1", "must be a text"),
        ("interval = '1m'", "interval", "unknown key"),
        ("method = 'FETCH'", "'FETCH'", "cannot be `FETCH`"),
        ("headers = { 'a b' = 'x' }", "'a b'", "name of a header"),
        ("headers = { a = \"x\\ny\" }", "\"x\\ny\"", "one line"),
        ("headers = { a = '${secret.TOKN}' }", "'${secret.TOKN}'", "no secret `TOKN`"),
        ("body = '${secret.}'", "'${secret.}'", "mentions no secret"),
        ("body = 5", "5", "must be a text, or a table"),
        ("body = { at = 2026-01-01 }", "{ at = 2026-01-01 }", "cannot be sent as JSON"),
        ("expect = { status = 99 }", "99", "a status from 100"),
        ("expect = { status = ['2xx', '6xx'] }", "'6xx'", "a status from 100"),
        ("expect = { status = '299-200' }", "'299-200'", "a status from 100"),
        ("expect = { body = { matches = '(' } }", "'('", "no regular expression: unclosed group"),
        ("expect = { body = {} }", "{}", "expects nothing"),
        ("expect = { body = '' }", "''", "must not be empty"),
        ("expect = { json = { a = inf } }", "{ a = inf }", "cannot be compared"),
        ("expect = { max_time = '31s' }", "'31s'", "longer than the timeout of 30s"),
        ("expect = { latency = '1s' }", "latency", "unknown key"),
    ] {
        let found = mistake(text);
        assert_eq!(found.0, at, "in {text}: {found:?}");
        assert!(found.1.contains(message), "in {text}: {found:?}");
    }
}

#[test]
fn a_wrong_zone_does_not_hide_a_wrong_line() {
    let text = "name = 'x'\nurl = 'https://x.org'\ncron = '61 * * * *'\ntimezone = 'Mars'";
    assert_eq!(plain(text).1.len(), 2);
}

#[test]
fn two_schedules_hide_no_mistake_of_either() {
    let text = "name = 'x'\nurl = 'https://x.org'\nevery = 'soon'\ncron = '*/70 * * * *'\n\
                timezone = 'Berlin'";
    let messages: Vec<String> = plain(text).1.into_iter().map(|it| it.message).collect();
    assert_eq!(messages.len(), 4, "{messages:#?}");
    for part in ["`soon`", "not both", "`*/70`", "time zone `Berlin`"] {
        assert!(messages.iter().any(|it| it.contains(part)), "{part}: {messages:#?}");
    }
}

#[test]
fn a_url_may_mention_secrets_but_hold_none() {
    let url = |url: &str| plain(&format!("name = 'x'\nurl = '{url}'")).1;
    assert_eq!(url("https://example.com/${secret.TOKEN}/x"), []);
    assert_eq!(url("https://${secret.TOKEN}.example.com/"), []);
    assert_eq!(url("https://example.com/${secret.OTHER}").len(), 1);
    assert_eq!(url("ftp://example.com/").len(), 1);
    assert_eq!(url("https://ana:pass@example.com/").len(), 1);
    assert_eq!(url("").len(), 1);
}

#[test]
fn a_literal_credential_in_a_header_is_warned_of_and_not_shown() {
    let text = "name = 'x'\nurl = 'https://x.org'\nheaders = { Authorization = 'Bearer hunter2' }";
    let (draft, diagnostics) = plain(text);
    assert!(draft.expect("a draft").check.is_some());
    assert_eq!(diagnostics.len(), 1);
    assert!(!format!("{diagnostics:?}").contains("hunter2"));
}

#[test]
fn a_request_is_read_with_all_that_belongs_to_it() {
    let request = request(
        "method = 'PUT'
         headers = { X-B = '1', X-A = 'Bearer ${secret.TOKEN}' }
         body = { user = { name = 'ana', roles = [1, 2.5, true] } }
         [expect]
         status = [204, '3xx', '400-404']
         body = ['yes', { lacks = 'no', matches = ['a+', 'b'] }]
         json = { user.roles.0 = 'admin', 'a.b' = { c = {} }, '' = [] }
         header = { Content-Type = 'json', x = ['a', { lacks = 'b' }] }
         max_time = '2s'",
    );
    assert_eq!(request.method, "PUT");
    let headers: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["X-B", "X-A", "content-type"]);
    assert_eq!(request.body.as_deref(), Some(r#"{"user":{"name":"ana","roles":[1,2.5,true]}}"#));
    let expect = request.expect;
    let range = |first, last| StatusRange { first, last };
    assert_eq!(expect.status, [range(204, 204), range(300, 399), range(400, 404)]);
    let contains = |text: &str| TextExpectation::Contains(text.into());
    let lacks = |text: &str| TextExpectation::Lacks(text.into());
    let matches = |text: &str| TextExpectation::Matches(text.into());
    assert_eq!(expect.body, [contains("yes"), lacks("no"), matches("a+"), matches("b")]);
    let json: Vec<String> =
        expect.json.iter().map(|it| format!("{} = {}", it.path, it.equals)).collect();
    assert_eq!(json, ["user.roles.0 = \"admin\"", "a.b.c = {}", " = []"]);
    let header = |name: &str, text| (name.to_owned(), text);
    assert_eq!(
        expect.header,
        [
            header("content-type", contains("json")),
            header("x", contains("a")),
            header("x", lacks("b"))
        ]
    );
    assert_eq!(expect.max_time, Some(Duration::from_secs(2)));
}

#[test]
fn a_body_makes_the_request_a_post() {
    assert_eq!(request("").method, "GET");
    let text = request("body = 'a=1'");
    assert_eq!((text.method.as_str(), text.headers.len()), ("POST", 0));
    let json = request("body = [1]\nheaders = { CONTENT-TYPE = 'application/vnd.x+json' }");
    assert_eq!((json.method.as_str(), json.headers.len()), ("POST", 1));
}

#[test]
fn a_check_needs_a_name_or_an_id() {
    let (draft, diagnostics) = plain("url = 'https://x.org'");
    assert!(draft.is_none());
    assert!(diagnostics[0].message.contains("needs a `name` or an `id`"));
    let (draft, diagnostics) = plain("name = '登录'\nurl = 'https://x.org'");
    assert!(draft.is_none());
    assert!(diagnostics[0].message.contains("no id can be made"));
    assert!(plain("name = '登录'\nid = 'login'\nurl = 'https://x.org'").1.is_empty());
}

#[test]
fn several_policies_without_an_obvious_one_must_be_named() {
    let known = known();
    let defaults = Defaults { policy: None, ..Defaults::without_settings() };
    let surroundings = Surroundings::new(&defaults, Some(&known));
    let mut report = Report::new(Document::new("checks/a.js", "x"));
    let id = CheckId::new("a").expect("a name");
    let module = Module { id, options: None, has_default_function: true };
    assert!(read_script(module, &surroundings, &mut report).check.is_none());
    assert!(report.finish()[0].message.contains("which policy"));
}

fn value(kind: Kind) -> Value {
    Value::new(kind, None)
}

/// Reads `options` of a module `checks/shop/pay.js` in which each key and value has a place: the
/// nth key is at `n * 4`, its value at `n * 4 + 2`.
fn module(entries: &[(&str, Kind)], has_default_function: bool) -> (Draft, Vec<Diagnostic>) {
    let entry = |(at, (key, kind)): (usize, &(&str, Kind))| Entry {
        key: (*key).to_owned(),
        span: Some(at * 4..at * 4 + 1),
        value: Value::new(kind.clone(), Some(at * 4 + 2..at * 4 + 3)),
    };
    let entries = entries.iter().enumerate().map(entry).collect();
    let tree = Value::new(Kind::Table(entries), Some(0..100));
    read_tree(&tree, has_default_function)
}

fn read_tree(options: &Value, has_default_function: bool) -> (Draft, Vec<Diagnostic>) {
    let mut report = Report::new(Document::new("checks/shop/pay.js", "x".repeat(100)));
    let (known, defaults) = (known(), Defaults::without_settings());
    let surroundings = Surroundings::new(&defaults, Some(&known));
    let id = CheckId::new("shop/pay").expect("a name");
    let module = Module { id, options: Some(options), has_default_function };
    let draft = read_script(module, &surroundings, &mut report);
    (draft, report.finish())
}

fn told(diagnostics: &[Diagnostic]) -> Vec<String> {
    let told = |it: &Diagnostic| {
        format!("{}: {}; {}", it.span.start, it.message, it.help.as_deref().unwrap_or_default())
    };
    diagnostics.iter().map(told).collect()
}

#[test]
fn a_script_has_the_same_options_without_the_request() {
    let (draft, diagnostics) = module(
        &[
            ("name", Kind::Text("Pay".into())),
            ("every", Kind::Text("30s".into())),
            ("enabled", Kind::Boolean(false)),
            ("runbook", Kind::Null),
        ],
        true,
    );
    assert_eq!(diagnostics, []);
    assert!(!draft.enabled);
    let check = draft.check.expect("a check");
    assert_eq!(check.work, Work::Script { entry: "checks/shop/pay.js".into() });
    let (_, diagnostics) = module(
        &[
            ("id", Kind::Text("x".into())),
            ("expect", Kind::Text("x".into())),
            ("every", Kind::Other("a function".into())),
        ],
        true,
    );
    let told = told(&diagnostics);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("0: ") && told[0].contains("this one is `shop/pay`"), "{told:?}");
    assert!(told[1].starts_with("4: unknown key `expect`; `expect` goes with a `url`"), "{told:?}");
    assert!(told[2].starts_with("10: `every` must be a duration, not a function"), "{told:?}");
}

#[test]
fn a_place_that_is_not_known_is_that_of_the_options() {
    let entry = Entry { key: "evry".into(), span: None, value: Value::new(Kind::Null, None) };
    let every = Entry { key: "every".into(), ..entry.clone() };
    let every = Entry { value: Value::new(Kind::Integer(5), None), ..every };
    let tree = |span| Value::new(Kind::Table(vec![entry.clone(), every.clone()]), span);
    for (span, at) in [(Some(21..23), 21..23), (None, 0..0)] {
        let (_, diagnostics) = read_tree(&tree(span), true);
        assert_eq!(diagnostics.len(), 2, "{diagnostics:?}");
        assert!(diagnostics.iter().all(|it| it.span == at), "{diagnostics:?}");
    }
}

#[test]
fn a_module_with_a_url_is_a_request() {
    let key = |key: &str, kind| Entry { key: key.into(), span: None, value: value(kind) };
    let text = |text: &str| Kind::Text(text.into());
    let header = Kind::Table(vec![key("x-key", text("${secret.TOKEN}"))]);
    let body = Kind::Table(vec![key("item", Kind::number(7.0))]);
    let expect = Kind::Table(vec![key("status", Kind::number(201.0))]);
    let url = ("url", text("https://example.com/orders"));
    let options = [url.clone(), ("headers", header), ("body", body), ("expect", expect)];
    let (draft, diagnostics) = module(&options, false);
    assert_eq!(diagnostics, []);
    let check = draft.check.expect("a check");
    assert_eq!((check.id.as_str(), check.name.as_str()), ("shop/pay", "shop/pay"));
    let Work::Request(request) = check.work else { panic!("a script") };
    assert_eq!((request.method.as_str(), &*request.url), ("POST", "https://example.com/orders"));
    assert_eq!(request.body.as_deref(), Some(r#"{"item":7}"#));
    assert_eq!(request.expect.status, [StatusRange { first: 201, last: 201 }]);

    let secret = ("headers", Kind::Table(vec![key("x-key", text("${secret.TOKN}"))]));
    let (draft, diagnostics) = module(&[url, secret], false);
    assert!(draft.check.is_none());
    assert_eq!(told(&diagnostics), ["6: there is no secret `TOKN`; did you mean `TOKEN`?"]);
}

#[test]
fn a_module_is_either_a_script_or_a_request() {
    let url = ("url", Kind::Text("https://example.com/".into()));
    let wrong = ("expect", Kind::Text("200".into()));
    let (_, diagnostics) = module(&[url, wrong], true);
    let both = told(&diagnostics);
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both[0].starts_with("0: a check has either a `url` or a default function"), "{both:?}");
    assert!(both[0].contains("choose one"), "{both:?}");
    assert_eq!(both[1], "6: `expect` must be a table: `{ status: 200 }`, not a text; ");

    let (draft, diagnostics) = module(&[], false);
    assert!(draft.check.is_none());
    let neither = told(&diagnostics);
    assert_eq!(neither.len(), 1, "{neither:?}");
    assert!(neither[0].contains("exports no default function"), "{neither:?}");
    assert!(neither[0].contains("a `url`"), "{neither:?}");

    // Who writes what belongs to a request means one.
    let (_, diagnostics) = module(&[("method", Kind::Text("HEAD".into()))], false);
    let missing = told(&diagnostics);
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(missing[0].starts_with("0: `url` is missing; "), "{missing:?}");
}

#[test]
fn without_settings_every_name_is_taken_as_known() {
    let defaults = Defaults::without_settings();
    let surroundings = Surroundings::new(&defaults, None);
    let text = "policy = 'any'\nregions = ['any']";
    let tree = parse_toml(text).expect("good TOML");
    let mut report = Report::new(Document::new("checks/a.js", text));
    let id = CheckId::new("a").expect("a name");
    let module = Module { id, options: Some(&tree), has_default_function: true };
    assert!(read_script(module, &surroundings, &mut report).check.is_some());
    assert_eq!(report.finish(), []);
}
