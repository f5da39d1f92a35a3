//! Which modules a script may import, so that a child is not handed the whole project.
//!
//! The text is not parsed, which would be the business of a child, but searched for quoted relative
//! paths: rather one module too many than one too few. A script that imports by a computed name is
//! given all modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::assignments::Modules;

/// The modules of a project by path.
pub type Index<'m> = BTreeMap<&'m str, &'m str>;

/// Puts the modules of a project in order of path.
pub fn index(modules: &Modules) -> Index<'_> {
    modules.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
}

/// The module `entry` and those that it may import, directly or by way of others, in order of path.
pub fn closure(entry: &str, modules: &Index<'_>) -> Modules {
    let owned = |(path, text): (&&str, &&str)| ((*path).to_owned(), (*text).to_owned());
    let mut found = BTreeSet::new();
    let mut waiting = vec![entry.to_owned()];
    while let Some(path) = waiting.pop() {
        let Some((path, text)) = modules.get_key_value(path.as_str()) else { continue };
        if !found.insert(*path) {
            continue;
        }
        // JSON imports nothing.
        if Path::new(path).extension().is_some_and(|extension| extension == "json") {
            continue;
        }
        if imports_by_computed_name(text) {
            return modules.iter().map(owned).collect();
        }
        waiting.extend(quoted_paths(text).filter_map(|quoted| resolved(path, quoted)).flat_map(
            // The second is what the author may have meant, for the engine to point at.
            |path| [format!("{path}.js"), path],
        ));
    }
    modules.iter().filter(|(path, _)| found.contains(**path)).map(owned).collect()
}

/// Whether there is an `import(` that is not followed by a plain quoted text.
fn imports_by_computed_name(text: &str) -> bool {
    text.match_indices("import").any(|(at, word)| {
        let rest = text[at + word.len()..].trim_start();
        match rest.strip_prefix('(') {
            Some(argument) => !argument.trim_start().starts_with(['"', '\'']),
            // A comment may stand between the two.
            None => rest.starts_with("/*") || rest.starts_with("//"),
        }
    })
}

/// The texts in quotes that begin like a relative path.
fn quoted_paths(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(['"', '\'', '`']).filter_map(|(at, quote)| {
        let inner = &text[at + quote.len()..];
        if !inner.starts_with("./") && !inner.starts_with("../") {
            return None;
        }
        let path = inner.split(quote).next()?;
        (!path.contains('\n')).then_some(path)
    })
}

/// The path that `relative` names in the module `importer`; `None` outside the project.
fn resolved(importer: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = importer.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(entry: &str) -> Vec<String> {
        let modules = [
            ("checks/login.js", "import { a } from \"./lib/a.js\";\nimport '../shared/b.js'"),
            ("checks/lib/a.js", "export * from './c.js'; import './a.js'; import \"tripline\";"),
            ("checks/lib/c.js", "// nothing: import { x } from \"./missing.js\""),
            ("shared/b.js", "const later = () => import('../checks/lib/d')"),
            ("checks/lib/d.js", ""),
            ("checks/lone.js", "fetch(\"./x\"); import.meta.url; important();"),
            ("checks/computed.js", "await import(`./lib/${name}.js`)"),
            ("checks/hidden.js", "await import/**/(name)"),
            ("checks/escape.js", "import '../../etc/passwd'"),
            ("checks/data.js", "import d from './lib/d.json' with { type: 'json' }"),
            ("checks/lib/d.json", "{\"./a.js\": \"import(x)\"}"),
        ];
        let modules: Modules =
            modules.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        closure(entry, &index(&modules)).into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn a_script_is_given_what_it_imports() {
        let expected = [
            "checks/lib/a.js",
            "checks/lib/c.js",
            "checks/lib/d.js",
            "checks/login.js",
            "shared/b.js",
        ];
        assert_eq!(given("checks/login.js"), expected);
        assert_eq!(given("checks/data.js"), ["checks/data.js", "checks/lib/d.json"]);
        assert_eq!(given("checks/lone.js"), ["checks/lone.js"]);
        assert_eq!(given("checks/escape.js"), ["checks/escape.js"]);
        assert_eq!(given("checks/none.js"), Vec::<String>::new());
    }

    #[test]
    fn a_script_that_computes_names_is_given_everything() {
        assert_eq!(given("checks/computed.js").len(), 11);
        assert_eq!(given("checks/hidden.js").len(), 11);
    }
}
