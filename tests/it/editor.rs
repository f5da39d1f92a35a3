//! Editors understand a project: what is right is not underlined, and typos are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tripline::cli::init;

use crate::support::targets::mistakes;

const EVERYTHING: &str = include_str!("../targets/editor/everything.js");
const TYPOS: &str = include_str!("../targets/editor/typos.js");

/// What `tripline init` lays out, with the checks that are shipped beside it.
fn project() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    init::lay(folder.path()).expect("laid");
    for from in ["checks", "checks/lib"] {
        for file in files(from, "js") {
            let name = file.file_name().expect("a file has a name");
            fs::copy(&file, folder.path().join(from).join(name)).expect("copied");
        }
    }
    folder
}

/// The files of a folder of the repository.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    paths.filter(|path| path.extension().is_some_and(|it| it == extension)).collect()
}

fn write(project: &TempDir, name: &str, text: &str) {
    fs::write(project.path().join("checks").join(name), text).expect("written");
}

#[tokio::test]
async fn what_is_shipped_and_documented_has_no_mistakes() {
    let project = project();
    write(&project, "everything.js", EVERYTHING);
    write(&project, "lib/users.json", "[{ \"name\": \"Ana\" }]");
    let mut pages = files("docs", "md");
    pages.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let mut examples = 0;
    for page in pages {
        let text = fs::read_to_string(&page).expect("the page can be read");
        for block in text.split("```js\n").skip(1) {
            examples += 1;
            let block = block.split("```").next().unwrap_or_default();
            let page = page.file_stem().unwrap_or_default().to_string_lossy();
            write(&project, &format!("{page}-{examples}.js"), block);
        }
    }
    assert!(examples >= 2, "the examples were not found");
    let found = mistakes(project.path()).await;
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn typos_are_told_where_they_are() {
    let project = project();
    write(&project, "typos.js", TYPOS);
    let found = mistakes(project.path()).await;
    let line = |mistake: &String| -> Option<usize> {
        mistake.strip_prefix("checks/typos.js(")?.split(',').next()?.parse().ok()
    };
    let told: BTreeSet<usize> = found.iter().filter_map(line).collect();
    assert!(found.iter().all(|mistake| line(mistake).is_some()), "{found:#?}");
    let numbered = TYPOS.lines().zip(1..);
    let wrong = numbered.filter(|(text, _)| text.ends_with("// wrong")).map(|(_, line)| line);
    assert_eq!(told, wrong.collect(), "{found:#?}");
    for (part, hint) in [
        ("'visti'", "Did you mean 'visit'?"),
        ("'evry'", "Did you mean to write 'every'?"),
        ("'toBee'", "Did you mean 'toBe'?"),
    ] {
        let mut told = found.iter().filter(|mistake| mistake.contains(part));
        assert!(told.any(|mistake| mistake.contains(hint)), "{part}: {found:#?}");
    }
}
