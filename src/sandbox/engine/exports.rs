//! Names that a module is asked for and does not export: where that is written, and what was meant.
//!
//! The engine says only that there is no such export. This looks for the place in the texts of the
//! modules; it decides nothing, and where it finds nothing the engine's words stand.

use boa_engine::{Context, JsError, JsNativeError};

use super::host::{Host, Position};
use super::modules::{BUILT_IN, refusal, resolve};
use super::scan::{Kind, Token, line_and_column, tokens, unquoted};
use super::{api, errors};

/// How the engine begins its message.
const UNEXPORTED: &str = "could not find export `";

/// A name that is imported, or exported anew, from another module.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    name: String,
    at: usize,
    specifier: String,
}

/// The error of linking modules, with the place and the name that was probably meant.
pub(super) fn explain(error: JsError, context: &mut Context) -> JsError {
    let Ok(value) = error.clone().into_opaque(context) else { return error };
    let message = errors::message(&value);
    let Some(name) = message.split_once(UNEXPORTED).and_then(|(_, rest)| rest.split_once('`'))
    else {
        return error;
    };
    match place_of(name.0, context) {
        Some((why, position)) => refusal(JsNativeError::syntax(), &why, Some(position), context),
        None => error,
    }
}

/// Where a name is asked for that is not exported, and why that is wrong.
fn place_of(name: &str, context: &Context) -> Option<(String, Position)> {
    let host = Host::of(context);
    let sources = host.sources.borrow();
    sources.iter().find_map(|(importer, text)| {
        let asked = asked(text).into_iter().filter(|asked| asked.name == name);
        asked.into_iter().find_map(|asked| {
            let exported = if asked.specifier == BUILT_IN {
                api::names().map(str::to_owned).collect()
            } else {
                let exists = |path: &str| sources.iter().any(|(other, _)| other == path);
                let path = resolve(importer, &asked.specifier, exists).ok()?;
                exported(&sources.iter().find(|(other, _)| *other == path)?.1)?
            };
            let (line, column) = line_and_column(text, asked.at);
            let why = why(name, &asked.specifier, &exported);
            (!exported.iter().any(|other| other == name))
                .then(|| (why, (importer.clone(), line, column)))
        })
    })
}

fn why(name: &str, specifier: &str, exported: &[String]) -> String {
    let near = exported.iter().map(|other| (strsim::damerau_levenshtein(name, other), other));
    let near = near.min().filter(|(distance, _)| *distance <= (name.chars().count() / 3).max(1));
    let hint = match near {
        Some((_, near)) => format!("; did you mean \"{near}\"?"),
        None if exported.is_empty() => "; it exports nothing".to_owned(),
        None => format!("; it exports {}", exported.join(", ")),
    };
    match name {
        "default" => format!("\"{specifier}\" has no default export{hint}"),
        name => format!("\"{specifier}\" does not export \"{name}\"{hint}"),
    }
}

/// All names that a text asks other modules for.
fn asked(text: &str) -> Vec<Asked> {
    let tokens = tokens(text);
    let word = |token: &Token| &text[token.range.clone()];
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.kind != Kind::Word || !matches!(word(token), "import" | "export") {
            continue;
        }
        let mut names = Vec::new();
        let (mut fresh, mut in_braces) = (true, false);
        let clause = &tokens[at + 1..];
        for (index, part) in clause.iter().enumerate() {
            match part.kind {
                Kind::Word if word(part) == "from" && !fresh_name(clause, index) => {
                    if let Some(spec) = clause.get(index + 1).filter(|it| it.kind == Kind::Text) {
                        let specifier = unquoted(word(spec));
                        found.extend(names.drain(..).map(|(name, at)| Asked {
                            name,
                            at,
                            specifier: specifier.clone(),
                        }));
                    }
                    break;
                }
                Kind::Word if fresh => {
                    let is_default = word(token) == "import" && !in_braces;
                    let name = if is_default { "default" } else { word(part) };
                    names.push((name.to_owned(), part.range.start));
                    fresh = false;
                }
                // The clause before it was none.
                Kind::Word if matches!(word(part), "import" | "export") && !in_braces => break,
                // What follows is the name here.
                Kind::Word => {}
                Kind::Sign('{') => (fresh, in_braces) = (true, true),
                Kind::Sign(',') => fresh = true,
                Kind::Sign('}' | '*') => fresh = false,
                _ => break,
            }
        }
    }
    found
}

/// Whether the word is a name in braces rather than the keyword before the specifier.
fn fresh_name(clause: &[Token], index: usize) -> bool {
    clause.get(index + 1).is_none_or(|next| next.kind != Kind::Text)
}

/// The names that a text exports; `None` when it exports all of another module.
fn exported(text: &str) -> Option<Vec<String>> {
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map(|token| &text[token.range.clone()]);
    let mut names = Vec::new();
    for at in 0..tokens.len() {
        if tokens[at].kind != Kind::Word || word(at) != Some("export") {
            continue;
        }
        match word(at + 1) {
            Some("*") => return None,
            Some("default") => names.push("default".to_owned()),
            Some("{") => {
                let inside = tokens[at + 2..].iter().take_while(|it| !is_brace(it));
                let inside: Vec<&Token> = inside.collect();
                let mut last = None;
                for token in inside {
                    if token.kind == Kind::Word {
                        last = Some(text[token.range.clone()].to_owned());
                    } else {
                        names.extend(last.take());
                    }
                }
                names.extend(last);
            }
            Some("async") => names.extend(declared(&tokens, text, at + 3)),
            Some(_) => names.extend(declared(&tokens, text, at + 2)),
            None => {}
        }
    }
    Some(names)
}

fn is_brace(token: &Token) -> bool {
    matches!(token.kind, Kind::Sign('{' | '}'))
}

/// The name at or, behind the `*` of a generator, after a place.
fn declared(tokens: &[Token], text: &str, at: usize) -> Option<String> {
    let name = tokens.get(at..)?.iter().find(|token| token.kind != Kind::Sign('*'))?;
    (name.kind == Kind::Word).then(|| text[name.range.clone()].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let show = |asked: Asked| format!("{} of {} at {}", asked.name, asked.specifier, asked.at);
        asked(text).into_iter().map(show).collect()
    }

    #[test]
    fn what_is_asked_for_is_found() {
        assert_eq!(
            names("import { step as s, from, expct } from \"tripline\";"),
            ["step of tripline at 9", "from of tripline at 20", "expct of tripline at 26"]
        );
        assert_eq!(
            names("import shop, { a } from './a.js'"),
            ["default of ./a.js at 7", "a of ./a.js at 15"]
        );
        assert_eq!(names("export { a as b } from './a.js'"), ["a of ./a.js at 9"]);
        for none in
            ["import * as all from './a.js'", "import './a.js'", "export { a };", "import('./a')"]
        {
            assert!(names(none).is_empty(), "{none}: {:?}", names(none));
        }
    }

    #[test]
    fn what_is_exported_is_found() {
        let text = "export const a = 1; export async function b() {} export function* c() {}\n\
                    export { x as d, e }; export default class {}";
        assert_eq!(
            exported(text).expect("nothing of others"),
            ["a", "b", "c", "d", "e", "default"]
        );
        assert_eq!(exported("export * from './b.js'"), None);
    }

    #[test]
    fn what_was_meant_is_told() {
        let exported = ["step", "expect"].map(str::to_owned);
        let near = "\"tripline\" does not export \"expct\"; did you mean \"expect\"?";
        assert_eq!(why("expct", "tripline", &exported), near);
        let far = "\"tripline\" does not export \"foo\"; it exports step, expect";
        assert_eq!(why("foo", "tripline", &exported), far);
        let none = "\"./a.js\" has no default export; it exports nothing";
        assert_eq!(why("default", "./a.js", &[]), none);
    }
}
