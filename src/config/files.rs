//! The files of a project, read into memory at once.
//!
//! What is used later is what was read here: a file that changes afterwards changes nothing until
//! the project is read again. Nothing outside the project folder is read.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Document, Severity};
use super::settings;
use crate::domain::Timestamp;
use crate::domain::id::CheckId;

/// The largest script and the largest file of JSON that scripts import, in bytes.
pub const LARGEST_SCRIPT: u64 = 256 << 10;
/// The largest `tripline.toml`, in bytes.
const LARGEST_SETTINGS: u64 = 1 << 20;
/// The folder of scripts.
const CHECKS: &str = "checks";
/// The folder of modules that scripts import.
const LIBRARIES: &str = "checks/lib/";
/// More than this many modules are not read.
const MOST_MODULES: usize = 5_000;
/// Deeper folders are not looked into.
const DEEPEST: usize = 16;

/// The files of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The project folder.
    pub root: PathBuf,
    /// `tripline.toml`; `None` when it cannot be read, and then a diagnostic says why.
    pub settings: Option<Document>,
    /// All modules, libraries and JSON included: path relative to the project folder with forward slashes,
    /// and text. In the order of the paths.
    pub modules: Vec<(String, String)>,
    /// What could not be read.
    pub diagnostics: Vec<Diagnostic>,
    /// When a file or folder of it was last changed, as the file system says.
    pub edited_at: Timestamp,
}

/// There is no project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no tripline.toml in {} or a folder above it", .from.display())]
pub struct NoProject {
    /// Where it was looked for.
    pub from: PathBuf,
}

/// The project folder: `from`, or the first folder above it, that holds a `tripline.toml`.
///
/// # Errors
///
/// [`NoProject`] when there is none. A relative `from` is looked for in its own parts only, so
/// callers bring an absolute one.
pub fn find_root(from: &Path) -> Result<PathBuf, NoProject> {
    let folder = from.ancestors().find(|folder| folder.join(settings::FILE).is_file());
    folder.map(Path::to_path_buf).ok_or_else(|| NoProject { from: from.to_path_buf() })
}

/// A script that is a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'f> {
    /// The id that its path makes.
    pub id: CheckId,
    /// Its path relative to the project folder.
    pub path: &'f str,
}

impl Files {
    /// Reads all files of the project in `root`. What cannot be read is told in `diagnostics`.
    pub fn load(root: &Path) -> Self {
        let mut files = Self {
            root: root.to_path_buf(),
            settings: None,
            modules: Vec::new(),
            diagnostics: Vec::new(),
            edited_at: Timestamp::UNIX_EPOCH,
        };
        // Before anything is read: what changes meanwhile is read again, and is of another time.
        files.note_edit(settings::FILE);
        match read(&root.join(settings::FILE), LARGEST_SETTINGS) {
            Ok(text) => files.settings = Some(Document::new(settings::FILE, text)),
            Err(why) => {
                files.refuse(settings::FILE, format!("it cannot be read: {why}"));
            }
        }
        files.load_modules();
        files.excuse_unused_json();
        files.modules.sort_unstable();
        files.check_ids();
        files
    }

    /// The same files with the settings of another file, which diagnostics call `shown`.
    #[must_use]
    pub fn with_settings_of(mut self, file: &Path, shown: &str) -> Self {
        self.diagnostics.retain(|it| it.file != settings::FILE);
        self.settings = None;
        match read(file, LARGEST_SETTINGS) {
            Ok(text) => self.settings = Some(Document::new(shown, text)),
            Err(why) => {
                self.refuse(shown, format!("it cannot be read: {why}"));
            }
        }
        self
    }

    /// The scripts that are checks: all modules but JSON and those in `checks/lib/`.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.modules.iter().filter_map(|(path, _)| {
            let id = CheckId::new(check_name(path)?).ok()?;
            Some(Entry { id, path })
        })
    }

    /// A module as a document to point into.
    pub fn module(&self, path: &str) -> Option<Document> {
        let at = self.modules.binary_search_by(|(other, _)| other.as_str().cmp(path)).ok()?;
        Some(Document::new(path, self.modules[at].1.as_str()))
    }

    /// Notes when `path` was changed, if that is known.
    fn note_edit(&mut self, path: &str) {
        let changed = fs::metadata(self.root.join(path)).and_then(|it| it.modified());
        self.edited_at = changed.map_or(self.edited_at, |it| self.edited_at.max(it.into()));
    }

    fn refuse(&mut self, path: &str, message: String) -> &mut Diagnostic {
        self.diagnostics.push_mut(Diagnostic::of_file(path, message))
    }

    fn check_ids(&mut self) {
        let names = self.modules.iter().filter_map(|(path, _)| Some((path, check_name(path)?)));
        let wrong = names.filter_map(|(path, name)| {
            let error = CheckId::new(name).err()?;
            let message = format!("its path makes no id of a check: {error}");
            Some(Diagnostic::of_file(path.as_str(), message))
        });
        let wrong: Vec<Diagnostic> = wrong.collect();
        for mut diagnostic in wrong {
            diagnostic.advise("rename the file, or move it to `checks/lib/` if it is a library");
            self.diagnostics.push(diagnostic);
        }
    }

    fn load_modules(&mut self) {
        let Ok(inside) = fs::canonicalize(&self.root) else {
            return;
        };
        let mut seen = BTreeSet::new();
        let mut folders = vec![(CHECKS.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let names = match self.names_in(&folder, &inside, &mut seen) {
                Ok(names) => names,
                Err(error) if depth == 0 && error.kind() == io::ErrorKind::NotFound => return,
                Err(error) => {
                    self.refuse(&folder, format!("the folder cannot be read: {error}"));
                    continue;
                }
            };
            for name in names {
                let path = format!("{folder}/{name}");
                if self.root.join(&path).is_dir() {
                    if depth == DEEPEST {
                        self.refuse(&path, format!("folders are nested more than {DEEPEST} deep"));
                    } else {
                        folders.push((path, depth + 1));
                    }
                } else if let Some(ending) = foreign_ending(&name) {
                    self.warn_of_foreign(&path, ending);
                } else if is_module(&name) && !self.load_module(path, &inside) {
                    return;
                }
            }
        }
    }

    /// The names in a folder that are to be looked at; none when the folder was seen before or
    /// lies outside the project.
    fn names_in(
        &mut self,
        folder: &str,
        inside: &Path,
        seen: &mut BTreeSet<PathBuf>,
    ) -> io::Result<Vec<String>> {
        let place = fs::canonicalize(self.root.join(folder))?;
        if !place.starts_with(inside) {
            self.refuse_outside(folder);
            return Ok(Vec::new());
        }
        if !seen.insert(place) {
            return Ok(Vec::new());
        }
        // What is taken out of a folder changes the folder.
        self.note_edit(folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(folder))? {
            match entry?.file_name().into_string() {
                Ok(name) if name.starts_with('.') || name == "node_modules" => {}
                Ok(name) => names.push(name),
                Err(name) => {
                    let path = format!("{folder}/{}", name.to_string_lossy());
                    self.refuse(&path, "its name is not valid UTF-8".into());
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Reads one module. Answers whether there is room for more.
    fn load_module(&mut self, path: String, inside: &Path) -> bool {
        if self.modules.len() == MOST_MODULES {
            self.refuse(CHECKS, format!("there are more than {MOST_MODULES} modules"));
            return false;
        }
        let full = self.root.join(&path);
        self.note_edit(&path);
        match fs::canonicalize(&full) {
            Ok(place) if !place.starts_with(inside) => self.refuse_outside(&path),
            _ => match read(&full, LARGEST_SCRIPT) {
                Ok(text) => self.modules.push((path, text)),
                Err(why) => {
                    self.refuse(&path, format!("it cannot be read: {why}"));
                }
            },
        }
        true
    }

    /// JSON lies about for other reasons too, such as the settings of an editor: what is wrong with
    /// a file of it matters only if a script mentions its name.
    fn excuse_unused_json(&mut self) {
        let modules = &self.modules;
        self.diagnostics.retain(|diagnostic| {
            let name = diagnostic.file.rsplit('/').next().unwrap_or_default();
            !is_json(name)
                || modules.iter().any(|(path, text)| !is_json(path) && text.contains(name))
        });
    }

    fn warn_of_foreign(&mut self, path: &str, ending: &str) {
        let help = if matches!(ending, ".ts" | ".mts" | ".cts" | ".tsx") {
            "write it in JavaScript, with the types in comments: \
             `/** @type {import(\"tripline\").Options} */`"
                .to_owned()
        } else {
            format!("rename it to `{}.js`", path.trim_end_matches(ending))
        };
        let diagnostic =
            self.refuse(path, format!("it is not read: a check ends in `.js`, not `{ending}`"));
        diagnostic.severity = Severity::Warning;
        diagnostic.advise(help);
    }

    fn refuse_outside(&mut self, path: &str) {
        self.refuse(path, "it is a link that leads out of the project folder".into())
            .advise("copy what it leads to into the project");
    }
}

/// The ending of a script in another dialect; `None` for all else, and for types, which only editors
/// read.
fn foreign_ending(name: &str) -> Option<&'static str> {
    const ENDINGS: [&str; 7] = [".ts", ".mts", ".cts", ".tsx", ".jsx", ".mjs", ".cjs"];
    let is_types = name.ends_with(".d.ts") || name.ends_with(".d.mts") || name.ends_with(".d.cts");
    ENDINGS.into_iter().find(|ending| name.ends_with(ending) && !is_types)
}

fn is_module(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "js") || is_json(name)
}

fn is_json(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "json")
}

/// The path of a script below `checks/` without its ending; `None` for a library and for JSON.
fn check_name(path: &str) -> Option<&str> {
    if path.starts_with(LIBRARIES) {
        return None;
    }
    path.strip_prefix(CHECKS)?.strip_prefix('/')?.strip_suffix(".js")
}

/// The text of a file of at most `largest` bytes.
fn read(path: &Path, largest: u64) -> Result<String, String> {
    // Looked at first, because opening a pipe waits for somebody to write into it.
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no ordinary file".into());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(largest + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > largest {
        return Err(format!("it has more than {} KiB", largest >> 10));
    }
    String::from_utf8(bytes).map_err(|error| {
        format!("it is not valid UTF-8 from byte {} on", error.utf8_error().valid_up_to() + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: impl AsRef<[u8]>) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn told(files: &Files) -> Vec<String> {
        files.diagnostics.iter().map(|it| format!("{}: {}", it.file, it.message)).collect()
    }

    #[test]
    fn scripts_and_libraries_are_found_and_the_rest_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for path in [
            "tripline.toml",
            "checks/login.js",
            "checks/shop/pay.js",
            "checks/lib/session.js",
            "checks/shop/lib/own.js",
            "checks/tripline.d.ts",
            "checks/.hidden/a.js",
            "checks/node_modules/a.js",
            "checks/readme.md",
            "other/a.js",
        ] {
            write(root, path, "x");
        }
        let files = Files::load(root);
        assert_eq!(told(&files), [] as [&str; 0]);
        let ids: Vec<String> = files.entries().map(|entry| entry.id.to_string()).collect();
        assert_eq!(ids, ["login", "shop/lib/own", "shop/pay"]);
        let paths: Vec<&str> = files.modules.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "checks/lib/session.js",
                "checks/login.js",
                "checks/shop/lib/own.js",
                "checks/shop/pay.js"
            ]
        );
        assert_eq!(
            files.module("checks/shop/pay.js").map(|it| it.text.to_string()),
            Some("x".into())
        );
        assert_eq!(find_root(&root.join("checks/shop")), Ok(root.to_path_buf()));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        write(root, "checks/large.js", vec![b'x'; 300 << 10]);
        write(root, "checks/binary.js", [b'a', 0xff]);
        write(root, "checks/two words.js", "x");
        fs::create_dir_all(root.join("checks/folder.js")).expect("made");
        let files = Files::load(root);
        let told = told(&files);
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[0].starts_with("tripline.toml: it cannot be read"), "{told:?}");
        assert_eq!(
            told[1],
            "checks/binary.js: it cannot be read: it is not valid UTF-8 from byte 2 on"
        );
        assert_eq!(told[2], "checks/large.js: it cannot be read: it has more than 256 KiB");
        assert!(told[3].starts_with("checks/two words.js: its path makes no id"), "{told:?}");
        assert!(files.settings.is_none());
    }

    #[test]
    fn scripts_in_other_dialects_are_warned_of() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        write(root, "tripline.toml", "");
        for path in ["checks/a.ts", "checks/lib/b.mjs", "checks/tripline.d.ts", "c.ts"] {
            write(root, path, "x");
        }
        let files = Files::load(root);
        assert_eq!(
            told(&files),
            [
                "checks/a.ts: it is not read: a check ends in `.js`, not `.ts`",
                "checks/lib/b.mjs: it is not read: a check ends in `.js`, not `.mjs`"
            ]
        );
        assert!(files.diagnostics.iter().all(|it| !it.is_error()));
        let help = files.diagnostics[1].help.as_deref();
        assert_eq!(help, Some("rename it to `checks/lib/b.js`"));
    }

    #[test]
    fn json_is_read_for_scripts_and_left_alone_otherwise() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        write(root, "tripline.toml", "");
        write(root, "checks/a.js", "import users from './two words.json'; import './large.json'");
        write(root, "checks/two words.json", "[]");
        write(root, "checks/large.json", vec![b' '; 300 << 10]);
        write(root, "checks/lock.json", vec![b' '; 300 << 10]);
        let files = Files::load(root);
        assert_eq!(
            told(&files),
            ["checks/large.json: it cannot be read: it has more than 256 KiB"]
        );
        let paths: Vec<&str> = files.modules.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["checks/a.js", "checks/two words.json"]);
        assert_eq!(files.entries().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_out_and_not_in_circles() {
        use std::os::unix::fs::symlink;
        let (outside, folder) = (tempfile::tempdir(), tempfile::tempdir());
        let (outside, folder) = (outside.expect("a folder"), folder.expect("a folder"));
        let root = folder.path();
        write(outside.path(), "a.js", "x");
        write(root, "tripline.toml", "");
        write(root, "checks/a.js", "x");
        write(root, "shared/b.js", "x");
        symlink(outside.path().join("a.js"), root.join("checks/out.js")).expect("linked");
        symlink(outside.path(), root.join("checks/outside")).expect("linked");
        symlink(root.join("checks"), root.join("checks/circle")).expect("linked");
        symlink(root.join("shared"), root.join("checks/shared")).expect("linked");
        symlink(root.join("nowhere.js"), root.join("checks/dead.js")).expect("linked");
        let files = Files::load(root);
        let paths: Vec<&str> = files.modules.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["checks/a.js", "checks/shared/b.js"]);
        let told = told(&files);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("checks/dead.js: it cannot be read"), "{told:?}");
        assert!(told[1].starts_with("checks/out.js: it is a link"), "{told:?}");
        assert!(told[2].starts_with("checks/outside: it is a link"), "{told:?}");
    }

    #[test]
    fn without_a_project_nothing_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = find_root(folder.path()).expect_err("none").to_string();
        assert!(error.starts_with("there is no tripline.toml in"), "{error}");
    }
}
