//! Which modules a script may import, found without parsing it.
//!
//! Every text in quotation marks that begins with `./` or `../` and names a module of the project
//! counts as an import, wherever it stands. That may find too many, which costs a few bytes in a
//! job, and misses only imports whose name is put together at run time; those are refused when they
//! happen, with a clear error.

use std::collections::{BTreeMap, BTreeSet};

/// The modules of a project by path.
pub(super) type Modules<'m> = BTreeMap<&'m str, &'m str>;

/// `entry` and everything that it may import, directly or not, as path and text, in order of path.
pub(super) fn closure(entry: &str, modules: &Modules<'_>) -> Vec<(String, String)> {
    let mut found = BTreeSet::new();
    let mut open = vec![entry.to_owned()];
    while let Some(path) = open.pop() {
        let Some(text) = modules.get(path.as_str()) else { continue };
        if found.insert(path.clone()) {
            open.extend(quoted(text).filter_map(|import| resolve(&path, import)));
        }
    }
    let pair = |path: String| {
        let text = modules.get(path.as_str()).map(|text| (*text).to_owned());
        text.map(|text| (path, text))
    };
    found.into_iter().filter_map(pair).collect()
}

/// Texts that begin like a relative path, up to the quotation mark they began with.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(['"', '\'', '`']).filter_map(|(at, mark)| {
        let rest = &text[at + 1..];
        let is_relative = rest.starts_with("./") || rest.starts_with("../");
        let end = is_relative.then(|| rest.find([mark.chars().next()?, '\n']))?;
        rest.get(..end?)
    })
}

/// The path of `import` as written in the module at `from`; `None` above the project folder.
fn resolve(from: &str, import: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in import.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_followed_and_the_rest_left_out() {
        let modules: Modules = [
            ("checks/a.js", "import x from './lib/b.js'; await import(\"../data/c.json\")"),
            ("checks/lib/b.js", "import '../a.js'; // './d.js'\nimport \"tripline\""),
            ("checks/lib/d.js", ""),
            ("checks/lib/e.js", ""),
            ("data/c.json", "{}"),
        ]
        .into();
        let paths = |entry: &str| {
            closure(entry, &modules).into_iter().map(|(path, _)| path).collect::<Vec<_>>()
        };
        let all = ["checks/a.js", "checks/lib/b.js", "checks/lib/d.js", "data/c.json"];
        assert_eq!(paths("checks/a.js"), all);
        assert_eq!(paths("checks/lib/e.js"), ["checks/lib/e.js"]);
        assert!(paths("checks/none.js").is_empty());
    }

    #[test]
    fn nothing_is_above_the_project() {
        assert_eq!(resolve("checks/a.js", "../../etc/passwd"), None);
        assert_eq!(resolve("checks/a.js", "./b/../c.js").as_deref(), Some("checks/c.js"));
    }
}
