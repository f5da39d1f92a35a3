use proptest::prelude::*;

use super::*;
use crate::config::secret::Environment;
use crate::config::settings;
use crate::config::value::{Entry, Kind};

fn files(text: &str, modules: &[(&str, &str)]) -> Files {
    Files {
        root: "/project".into(),
        settings: Some(Document::new(settings::FILE, text)),
        modules: modules.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect(),
        diagnostics: Vec::new(),
        edited_at: crate::domain::Timestamp::UNIX_EPOCH,
    }
}

fn assemble(files: Files, scripts: &[Script]) -> Result<Project, Vec<Diagnostic>> {
    let environment = Environment::new([("TOKEN".to_owned(), "t".to_owned())]);
    let reading = settings::read(&files, &environment);
    Project::assemble(files, reading, scripts)
}

fn text(text: &str) -> Value {
    Value::new(Kind::Text(text.into()), None)
}

fn described(entry: &str, options: &[(&str, Value)]) -> Script {
    let entry_of = |(key, value): &(&str, Value)| Entry {
        key: (*key).into(),
        span: None,
        value: value.clone(),
    };
    let options = Value::new(Kind::Table(options.iter().map(entry_of).collect()), None);
    let description =
        Description { options: Some(options), has_default_function: true, mentions: Vec::new() };
    Script { entry: entry.into(), description: Ok(description) }
}

fn told(result: Result<Project, Vec<Diagnostic>>) -> Vec<String> {
    let diagnostics = result.expect_err("mistakes");
    diagnostics.iter().map(|it| format!("{}: {}", it.file, it.message)).collect()
}

const LOGIN: (&str, &str) = ("checks/login.js", "export default () => secret('TOKEN');");
const HOME: &str = "[[check]]\nid = 'home'\nurl = 'https://x.org'\n";

#[test]
fn scripts_and_plain_checks_are_one_project() {
    let off = Value::new(Kind::Boolean(false), None);
    let project = assemble(
        files(HOME, &[("checks/a.js", "x"), ("checks/lib/b.js", "x"), LOGIN]),
        &[described("checks/a.js", &[("enabled", off)]), described("checks/login.js", &[])],
    );
    let project = project.expect("a project");
    let ids: Vec<&str> = project.checks.keys().map(CheckId::as_str).collect();
    assert_eq!(ids, ["home", "login"]);
    assert_eq!(project.disabled.len(), 1);
    assert_eq!(project.modules.len(), 3);
    assert_eq!(project.warnings, []);
}

#[test]
fn a_quorum_that_is_out_of_reach_is_told() {
    const POLICY: &str = "[[policy]]\nname = 'two'\nquorum = 2\n\
        [[policy.tier]]\nwhen = { failures_in_a_row = 1 }\nnotify = ['slack:#p2']\n";
    let regions = "regions = ['eu', 'us']\n[agent]\nregion = 'eu'\n";
    let settings = format!("{regions}{POLICY}{HOME}");
    let both = Value::new(Kind::List(vec![text("eu"), text("us")]), None);
    let project = assemble(files(&settings, &[LOGIN]), &[described(LOGIN.0, &[("regions", both)])]);
    let warnings = project.expect("a project").warnings;
    let words: Vec<&str> = warnings.iter().map(|it| it.message.as_str()).collect();
    // Not of the script, which runs in both.
    let expected = "the policy `two` wants 2 regions to agree, but this check runs in 1 region";
    assert_eq!(words, [expected]);
    let never = assemble(files(&format!("{POLICY}{HOME}"), &[]), &[]);
    assert_eq!(told(never)[0], "tripline.toml: so many regions can never agree: there is 1 region");
}

#[test]
fn a_policy_is_for_checks_with_its_labels_that_name_none() {
    let policy = |name: &str, labels: &str| {
        let tier = "[[policy.tier]]\nwhen = { failures_in_a_row = 1 }\nnotify = ['slack:#p2']\n";
        format!("[[policy]]\nname = '{name}'\n{labels}\n{tier}")
    };
    let check =
        |id: &str, rest: &str| format!("[[check]]\nid = '{id}'\nurl = 'https://x.org'\n{rest}\n");
    let text = [
        policy("eu-shop", "for = { team = 'shop', area = 'eu' }"),
        policy("shop", "for = { team = 'shop' }"),
        check("a", "labels = { team = 'shop', area = 'eu', more = 'x' }"),
        check("b", "labels = { team = 'shop', area = 'us' }"),
        check("c", "labels = { team = 'pay' }"),
        check("d", "policy = 'p2-then-p1'\nlabels = { team = 'shop' }"),
    ];
    let project = assemble(files(&text.concat(), &[]), &[]).expect("a project");
    let chosen: Vec<(&str, String)> = project
        .checks
        .values()
        .map(|check| (check.policy.as_str(), project.choices[&check.id].to_string()))
        .collect();
    let default = "the check names none, and no policy is for its labels".to_owned();
    assert_eq!(
        chosen,
        [
            ("eu-shop", "it is for area=eu, team=shop".to_owned()),
            ("shop", "it is for team=shop".to_owned()),
            ("p2-then-p1", default),
            ("p2-then-p1", "the check names it".to_owned()),
        ]
    );
    let shadowed = policy("shop", "for = { team = 'shop' }")
        + &policy("eu", "for = { team = 'shop', area = 'eu' }")
        + &policy("none", "for = {}");
    assert_eq!(
        told(assemble(files(&shadowed, &[]), &[])),
        [
            "tripline.toml: no check ever has this policy: `shop` is for all of these",
            "tripline.toml: `for` must name a label",
        ]
    );
}

#[test]
fn a_maintenance_names_checks_that_are_there() {
    let window = "cron = '0 3 * * *'\nlasts = '1h'\n";
    let of = |checks: &str| {
        let text = format!("{HOME}[[maintenance]]\nname = 'x'\nchecks = {checks}\n{window}");
        assemble(files(&text, &[LOGIN]), &[described(LOGIN.0, &[])])
    };
    assert_eq!(of("['home', 'login']").expect("a project").settings.maintenance.len(), 1);
    let mistakes = of("['home', 'logn']").expect_err("a mistake");
    let [mistake] = mistakes.as_slice() else { panic!("{mistakes:?}") };
    assert_eq!(mistake.message, "there is no check `logn`");
    assert_eq!(mistake.help.as_deref(), Some("did you mean `login`?"));
    assert_eq!(&mistake.source[mistake.span.clone()], "'logn'");
}

#[test]
fn mistakes_of_all_files_are_told_at_once() {
    let mut library = described("checks/b.js", &[("evry", text("1m")), ("policy", text("x"))]);
    if let Ok(description) = &mut library.description {
        description.has_default_function = false;
    }
    let wrong = Diagnostic::of_file("checks/a.js", "SyntaxError");
    let result = assemble(
        files("[hubb]\n", &[("checks/a.js", "x"), ("checks/b.js", "x"), ("checks/c.js", "x")]),
        &[Script { entry: "checks/a.js".into(), description: Err(wrong) }, library],
    );
    assert_eq!(
        told(result),
        [
            "tripline.toml: unknown key `hubb`",
            "checks/a.js: SyntaxError",
            "checks/b.js: the module exports no default function",
            "checks/b.js: there is no policy `x`",
            "checks/b.js: unknown key `evry`",
            "checks/c.js: the script was not evaluated",
        ]
    );
}

#[test]
fn a_broken_tripline_toml_does_not_hide_mistakes_of_scripts() {
    let script = described("checks/login.js", &[("every", text("x")), ("policy", text("any"))]);
    let told = told(assemble(files("a = \n", &[LOGIN]), &[script]));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("tripline.toml: not valid TOML"), "{told:?}");
    assert!(told[1].starts_with("checks/login.js: `every` is no duration"), "{told:?}");
}

#[test]
fn two_checks_cannot_have_one_id() {
    let twice = format!("{HOME}{HOME}[[check]]\nid = 'login'\nurl = 'https://x.org'\n");
    let result = assemble(files(&twice, &[LOGIN]), &[described("checks/login.js", &[])]);
    let diagnostics = result.expect_err("mistakes");
    let messages: Vec<&str> = diagnostics.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(
        messages,
        ["there is another check with the id `home`", "there is another check with the id `login`"]
    );
    assert_eq!((diagnostics[0].position(), diagnostics[0].related.len()), ((5, 6), 1));
    assert_eq!(diagnostics[1].file, "checks/login.js");
    let help = diagnostics[1].help.as_deref().unwrap_or_default();
    assert!(help.contains("tripline.toml:8:6"), "{help}");
}

#[test]
fn secrets_that_scripts_name_are_declared() {
    let mention =
        |module: &str, name: &str, span| Mention { module: module.into(), span, name: name.into() };
    let mut script = described("checks/login.js", &[]);
    if let Ok(description) = &mut script.description {
        description.mentions = vec![
            mention("checks/login.js", "TOKEN", (32, 37)),
            mention("checks/lib/b.js", "TOKN", (3, 7)),
            mention("checks/lib/b.js", "TOKN", (3, 7)),
            mention("checks/gone.js", "OTHER", (usize::MAX, 0)),
        ];
    }
    let modules = [("checks/lib/b.js", "s('TOKN')"), LOGIN];
    let settings = "[secrets]\nTOKEN = { env = 'TOKEN' }\n";
    let diagnostics = assemble(files(settings, &modules), &[script]).expect_err("mistakes");
    assert_eq!(diagnostics.len(), 2, "{diagnostics:?}");
    assert_eq!(diagnostics[0].message, "there is no secret `OTHER`");
    assert_eq!(diagnostics[1].help.as_deref(), Some("did you mean `TOKEN`?"));
    assert_eq!(&diagnostics[1].source[diagnostics[1].span.clone()], "TOKN");
}

/// Text that looks like a `tripline.toml` more often than chance would have it.
fn toml_like() -> impl Strategy<Value = String> {
    const KEYS: &str = "hub listen url store password retention keep_passed keep_details statsd send_to prefix listen_tcp relay_to flush buckets slack bot_token \
        webhooks twilio from people ana phone teams secrets agent region regions defaults every \
        timeout policy policy.tier tier when failures_in_a_row notify quorum check name id cron \
        timezone headers body expect expect.json status labels env email host port tls username \
        password ca webhook.a secret former_secret template pagerduty.b routing_key severity \"#a\"";
    const VALUES: &str = "true|[]|{}|'30s'|'1d'|'* * * * *'|'0 0 31 2 *'|'slack:#p2'|'sms:ana'|\
        'ana'|'local'|'https://x.org'|'sqlite:a'|'postgres://u@h/d'|{ env = 'TOKEN' }|{ file = '/' }|['ana']|\
        ['slack:#a']|'2xx'|{ failures_in_a_row = 1 }|'${secret.TOKEN}'|'${secret'|1979-05-27|\
        '+4930123456'|'email:ana'|'email:a@b.org'|'webhook:a'|'pagerduty:b'|'a@b.org'|'none'|'{ \"a\": \"{{ b }}\" }'|\"é\\u0000\"";
    let key = prop::sample::select(KEYS.split_whitespace().collect::<Vec<_>>());
    let value = prop_oneof![
        "[ -~]{0,12}",
        any::<i64>().prop_map(|it| it.to_string()),
        any::<f64>().prop_map(|it| format!("{it:?}").to_lowercase()),
        prop::sample::select(VALUES.split('|').collect::<Vec<_>>()).prop_map(str::to_owned),
        "\\PC{0,6}".prop_map(|it| format!("\"{it}\"")),
    ];
    let line = prop_oneof![
        1 => key.clone().prop_map(|key| format!("[{key}]")),
        1 => key.clone().prop_map(|key| format!("[[{key}]]")),
        4 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => "\\PC{0,20}".prop_map(|it| it),
    ];
    prop::collection::vec(line, 0..24).prop_map(|lines| lines.join("\n"))
}

fn check_spans(result: Result<Project, Vec<Diagnostic>>) {
    for diagnostic in result.map_or_else(|it| it, |it| it.warnings) {
        assert!(diagnostic.source.get(diagnostic.span.clone()).is_some(), "{diagnostic:?}");
        for label in &diagnostic.related {
            assert!(diagnostic.source.get(label.span.clone()).is_some(), "{diagnostic:?}");
        }
        assert!(diagnostic.position() >= (1, 1));
    }
}

proptest! {
    #[test]
    fn no_settings_panic(text in toml_like()) {
        check_spans(assemble(files(&text, &[]), &[]));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        check_spans(assemble(files(&text, &[]), &[]));
    }

    #[test]
    fn no_options_panic(
        key in prop::sample::select(vec!["every", "cron", "name", "labels", "timeout", "regions"]),
        value in "\\PC{0,12}",
        number in any::<f64>(),
        start in any::<usize>(),
        end in any::<usize>(),
    ) {
        for kind in [Kind::Text(value), Kind::number(number), Kind::Other("a function".into())] {
            let value = Value::new(kind, Some(start..end));
            let listed = Value::new(Kind::List(vec![value.clone()]), Some(end..start));
            let script = |value| described("checks/login.js", &[(key, value)]);
            check_spans(assemble(files("", &[LOGIN]), &[script(value)]));
            check_spans(assemble(files("", &[LOGIN]), &[script(listed)]));
        }
    }
}

#[test]
fn labels_of_a_group_that_fit_no_check_are_warned_of() {
    let warnings = |group: &str| {
        let labelled =
            "[[check]]\nid = 'home'\nurl = 'https://x.org'\nlabels = { team = 'shop' }\n";
        let project = assemble(files(&format!("{labelled}[health.front]\n{group}\n"), &[]), &[]);
        let warnings = project.expect("a project").warnings;
        let told = warnings.iter().map(|it| {
            let place = it.source[it.span.clone()].to_owned();
            (place, it.message.clone(), it.help.clone().unwrap_or_default())
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(warnings("labels = { team = 'shop' }"), []);
    assert_eq!(warnings("checks = ['home']"), []);
    let [(place, message, help)] = &warnings("labels = { team = 'shpo' }")[..] else {
        panic!("one warning");
    };
    assert_eq!(place, "{ team = 'shpo' }");
    assert_eq!(message, "no check has the labels of the group `front`: team = \"shpo\"");
    assert_eq!(help, "did you mean `team = \"shop\"`?");
    let both = warnings("checks = ['home']\nlabels = { team = 'shop', tier = 'gold' }");
    assert!(both[0].2.starts_with("give checks these `labels`"), "{both:?}");
}
