//! The house stands: arrows point down, the domain is pure, files stay short.

use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the ground up. Parts on one floor do not know each other.
const FLOORS: [&[&str]; 9] = [
    &["domain"],
    &["clock", "failpoint"],
    &["net", "query", "payload", "chart", "password"],
    &["config", "store", "sandbox", "statsd", "notify", "exposition"],
    &["scheduler", "engine", "agent", "link"],
    &["http"],
    &["app"],
    &["cli"],
    &["main"],
];

/// Words that would make the domain impure.
const IMPURE: [&str; 20] = [
    "tokio",
    "sqlx",
    "boa_engine",
    "axum",
    "reqwest",
    "hyper",
    "serde",
    "serde_json",
    "tracing",
    "rand",
    "ring",
    "async",
    "await",
    "Instant",
    "SystemTime",
    "Utc::now",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
];

const LONGEST_FILE: usize = 500;

struct Source {
    path: PathBuf,
    /// The part of the house: the first folder or file name below `src`.
    part: String,
    /// The text up to the unit tests, comments blanked.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let is_test = path.file_name().is_some_and(|name| name == "tests.rs");
            if is_test || path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source file can be read");
            let below = path.strip_prefix(&root).expect("below src");
            let first = below.iter().next().expect("a name").to_string_lossy();
            let part = first.trim_end_matches(".rs").to_owned();
            found.push(Source { code: production_code(&text), part, path });
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// Everything before the first `#[cfg(test)]`, with comments removed.
fn production_code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]").next().unwrap_or_default();
    let without_comment = |line: &str| {
        if line.trim_start().starts_with("//") { String::new() } else { line.to_owned() }
    };
    before_tests.lines().map(without_comment).collect::<Vec<_>>().join("\n")
}

fn floor(part: &str) -> Option<usize> {
    FLOORS.iter().position(|parts| parts.contains(&part))
}

/// The parts that `code` names as `crate::part`, or at depth one of `crate::{part::..., ...}`.
fn parts_named(code: &str) -> Vec<String> {
    let name_at = |text: &str| {
        let name: String =
            text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        name
    };
    let mut names = Vec::new();
    for prefix in ["crate::", "tripline::"] {
        for (at, _) in code.match_indices(prefix) {
            let rest = code[at + prefix.len()..].trim_start();
            match rest.strip_prefix('{') {
                None => names.push(name_at(rest)),
                Some(group) => names.extend(group_names(group, &name_at)),
            }
        }
    }
    names
}

fn group_names(group: &str, name_at: &dyn Fn(&str) -> String) -> Vec<String> {
    let (mut depth, mut start, mut names) = (0usize, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                names.push(name_at(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn there_is_no_way_in_but_by_a_door() {
    let makes_routes = |source: &&Source| {
        source.part == "http"
            && [".route(", ".route_service(", ".nest("].iter().any(|it| source.code.contains(it))
    };
    let found: Vec<PathBuf> =
        sources().iter().filter(makes_routes).map(|source| source.path.clone()).collect();
    let door = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/access/door.rs");
    assert_eq!(found, [door], "a route says what it needs: make it a `Door`");
}

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(own) = floor(&source.part) else {
            if source.part != "lib" {
                wrong.push(format!("{}: no floor is named for it", source.path.display()));
            }
            continue;
        };
        for name in parts_named(&source.code) {
            let below = floor(&name).is_none_or(|other| other < own);
            if !below && name != source.part {
                wrong.push(format!("{} names crate::{name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that do not point down:\n{}", wrong.join("\n"));
}

#[test]
fn the_domain_is_pure() {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.part == "domain") {
        for word in IMPURE {
            let named = source.code.match_indices(word).any(|(at, _)| {
                let before = source.code[..at].chars().next_back();
                let after = source.code[at + word.len()..].chars().next();
                !before.is_some_and(is_word) && !after.is_some_and(is_word)
            });
            if named {
                wrong.push(format!("{} names {word}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "impure words in the domain:\n{}", wrong.join("\n"));
}

#[test]
fn files_stay_short() {
    let long = |source: &Source| source.code.lines().count() > LONGEST_FILE;
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|source| long(source))
        .map(|source| source.path.display().to_string())
        .collect();
    assert!(wrong.is_empty(), "more than {LONGEST_FILE} lines:\n{}", wrong.join("\n"));
}

#[test]
fn what_is_said_to_hold_a_promise_is_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = fs::read_to_string(root.join("docs/operators/faults.md")).expect("it is there");
    let named: Vec<&str> = told.split('`').filter(|it| it.contains("::")).collect();
    assert!(named.len() > 30, "{named:?}");
    for test in named {
        let (modules, name) = test.rsplit_once("::").expect("it has a module");
        let file = root.join("tests/it").join(modules.replace("::", "/"));
        let texts = [file.with_extension("rs"), file.join("mod.rs")].map(fs::read_to_string);
        let text = texts.into_iter().find_map(Result::ok).unwrap_or_default();
        assert!(text.contains(&format!("fn {name}()")), "there is no test `{test}`");
    }
}

#[test]
fn what_is_not_tested_is_said_in_one_way() {
    // Otherwise what looks for it in what the tests say does not find it.
    let word = ["SKIP", "PED"].concat();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")];
    let mut saying = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read_to_string(&path).is_ok_and(|text| text.contains(&word)) {
                saying.push(path);
            }
        }
    }
    let [only] = saying.as_slice() else { panic!("{saying:#?}") };
    assert!(only.ends_with("support/skip.rs"), "{}", only.display());
}

#[test]
fn the_guard_sees_grouped_imports() {
    assert_eq!(
        parts_named("use crate::{clock::Clock, domain::{id, run}, app};"),
        ["clock", "domain", "app"]
    );
    assert_eq!(parts_named("crate::store::Store"), ["store"]);
}
