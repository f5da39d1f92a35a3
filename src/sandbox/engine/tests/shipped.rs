//! The checks that are shipped and the examples of the guide run against an application that has
//! what they ask for.

use std::fmt::Write;

use super::{Said, answer, modules, nothing, run_files, served};
use crate::sandbox::protocol::{Answer, Ending, FetchRequest, FromChild, Question, ToChild};

const LOGIN: &str = include_str!("../../../../checks/login.js");
const SESSION: &str = include_str!("../../../../checks/lib/session.js");
const TYPES: &str = include_str!("../../../../checks/tripline.d.ts");
const GUIDE: &str = include_str!("../../../../docs/scripts.md");

const SIGN_IN: &str = "<title>Sign in</title><nav><a href=/help>Help</a></nav><h1>Sign in</h1>\
    <form id=login method=post action=/session><input type=hidden name=csrf value=t>\
    <input name=email><input name=password type=password>\
    <input type=checkbox name=remember value=yes checked><button>Sign in</button></form>";
const DASHBOARD: &str = "<title>Dashboard</title><h1>Welcome, Ann</h1><a href=/logout>Sign out</a>";

/// `app.example.com`.
fn app(question: &Question) -> Option<Answer> {
    let Question::Fetch(FetchRequest { url, .. }) = question else {
        return match question {
            Question::Secret(_) => Some(Answer::Text(Ok("a password".to_owned()))),
            other => nothing(other),
        };
    };
    let path = url.strip_prefix("https://app.example.com").unwrap_or_default();
    let html = |url: &str, page| Some(answer(200, url, "text/html", page));
    let json = |status, text| Some(answer(status, url, "application/json", text));
    match path.split('?').next().unwrap_or_default() {
        "/login" | "/logout" => html(url, SIGN_IN),
        "/session" => html("https://app.example.com/dashboard", DASHBOARD),
        "/api/account" => json(
            200,
            "{\"email\": \"synthetic@example.com\", \"active\": true, \"projects\": [1, 2],
              \"projectsUrl\": \"https://app.example.com/api/list\",
              \"invoicesUrl\": \"https://app.example.com/api/list\"}",
        ),
        "/api/projects" => json(201, "{}"),
        "/api/list" | "/oauth/token" => json(200, "[]"),
        "/old" => json(302, ""),
        _ => nothing(question),
    }
}

/// An example of the guide, with the files that its examples import.
fn beside(text: &str) -> [(&str, &str); 3] {
    let users = "[{ \"name\": \"Ana\" }]";
    [
        ("checks/example.js", text),
        ("checks/lib/session.js", SESSION),
        ("checks/lib/users.json", users),
    ]
}

fn run_script(text: &str) -> Said {
    run_files(&beside(text), app)
}

#[test]
fn the_shipped_check_runs_and_is_described() {
    let files = [("checks/login.js", LOGIN), ("checks/lib/session.js", SESSION)];
    run_files(&files, app).passed();
    let said = served(ToChild::Describe(modules(&files)), nothing);
    let Some(FromChild::Described(Ok(description))) = said.messages.last() else {
        panic!("{said:?}");
    };
    assert!(description.has_default_function && description.options.is_some());
    assert_eq!(description.secrets[0].name, "LOGIN_PASSWORD");
    assert_eq!(description.secrets[0].module, "checks/lib/session.js");
}

#[test]
fn the_examples_of_the_guide_do_what_it_says() {
    let blocks: Vec<&str> =
        GUIDE.split("```js\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 9, "the examples were not found");
    for block in blocks {
        if block.contains("export default") {
            let said = run_script(block);
            assert_eq!(said.ending(), &Ending::Finished, "{block}");
        }
        let source = modules(&beside(block));
        let said = served(ToChild::Describe(source), nothing);
        let described = matches!(said.messages.last(), Some(FromChild::Described(Ok(_))));
        assert!(described, "{block}: {said:?}");
    }
}

/// The names that follow `before` in the type declarations, at the start of a line.
fn declared(before: &str) -> Vec<&'static str> {
    let names = TYPES.lines().filter_map(|line| line.strip_prefix(before));
    let end = |c: char| !c.is_alphanumeric();
    names.filter_map(|rest| rest.split(end).next()).collect()
}

#[test]
fn what_is_declared_exists() {
    let exports = [declared("  export function "), declared("  export const ")].concat();
    let globals = [declared("declare function "), declared("declare var ")].concat();
    assert!(exports.len() == 9 && globals.len() > 20, "{exports:?} {globals:?}");
    let body = format!(
        "const missing = [];
        for (const name of {exports:?}) if (!(name in t)) missing.push(name);
        for (const name of {globals:?}) if (globalThis[name] === undefined) missing.push(name);
        console.log(missing, Object.keys(t).length);"
    );
    let said = super::run(&body, nothing);
    assert_eq!(said.passed(), ["[] 9"]);
}

#[test]
fn the_methods_that_are_declared_exist() {
    // Interface by interface: an expression that gives an instance.
    let instances = [
        ("Headers", "new Headers()"),
        ("Request", "new Request('https://a.test')"),
        ("Response", "new Response()"),
        ("Body", "new Response()"),
        ("URL", "new URL('https://a.test')"),
        ("URLSearchParams", "new URLSearchParams()"),
        ("Blob", "new Blob()"),
        ("File", "new File([], 'a')"),
        ("FormData", "new FormData()"),
        ("Event", "new Event('a')"),
        ("EventTarget", "new EventTarget()"),
        ("AbortSignal", "new AbortController().signal"),
        ("AbortController", "new AbortController()"),
        ("DOMException", "new DOMException()"),
        ("TextEncoder", "new TextEncoder()"),
        ("TextDecoder", "new TextDecoder()"),
        ("Page", "await t.visit('https://app.example.com/login')"),
        ("Form", "(await t.visit('https://app.example.com/login')).form()"),
        ("Expectation<R>", "judged"),
    ];
    let mut body = "const missing = [];\n\
                    const judged = expect(1);\n\
                    judged.toBe(1);\n"
        .to_owned();
    for (interface, instance) in instances {
        let start = TYPES.find(&format!("interface {interface} ")).expect(interface);
        let block = TYPES[start..].split('}').next().unwrap_or_default();
        for line in block.lines().skip(1) {
            let line = line.trim().trim_start_matches("readonly ");
            let name: String = line.chars().take_while(|c| c.is_alphanumeric()).collect();
            let after = line.get(name.len()..).unwrap_or_default();
            // `resolves` and `rejects` are looked at by the test of expectations.
            if !name.is_empty() && after.starts_with(['(', ':', '?']) {
                let _ = writeln!(
                    body,
                    "if (!('{name}' in {instance})) missing.push('{interface}.{name}');"
                );
            }
        }
    }
    body += "console.log(missing);";
    assert_eq!(super::run(&body, app).passed(), ["[]"]);
}
