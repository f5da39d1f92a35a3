//! `tripline init`: a project that works at once.
//!
//! Nothing that exists is changed, but for the types of the script API, which are Tripline's own.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// The files of a project: path and text.
const FILES: [(&str, &str); 4] = [
    ("tripline.toml", include_str!("init/tripline.toml")),
    TYPES,
    ("checks/jsconfig.json", include_str!("../../checks/jsconfig.json")),
    (".gitignore", include_str!("init/gitignore")),
];

/// The types of the script API.
const TYPES: (&str, &str) = ("checks/tripline.d.ts", include_str!("../../checks/tripline.d.ts"));

/// What every version of the types begins with; a file of this name without it is somebody else's.
const TYPES_BEGIN: &str = "/**\n * The script API of Tripline";

/// The first check, for a project that has none.
const EXAMPLE: [(&str, &str); 2] = [
    ("checks/example.js", include_str!("init/example.js")),
    ("checks/lib/page.js", include_str!("init/page.js")),
];

/// What became of the files of a new project, each a path relative to its folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Laid {
    /// Those that were written.
    pub written: Vec<&'static str>,
    /// Those that were Tripline's own and of another version.
    pub renewed: Vec<&'static str>,
    /// Those that existed and were left as they are.
    pub kept: Vec<&'static str>,
}

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write {path}: {source}")]
pub struct Error {
    /// The file.
    pub path: String,
    source: io::Error,
}

/// Writes the files of a new project into `folder`, which is made if need be.
///
/// # Errors
///
/// [`Error`] at the first file that cannot be written; those before it stay.
pub fn lay(folder: &Path) -> Result<Laid, Error> {
    let example = if is_begun(folder) { &[][..] } else { &EXAMPLE[..] };
    let mut laid = Laid::default();
    for &(path, text) in FILES.iter().chain(example) {
        let place = folder.join(path);
        let failed = |source| Error { path: place.display().to_string(), source };
        match write_new(&place, text) {
            Ok(()) => laid.written.push(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if path == TYPES.0 && is_other_version(&place) {
                    fs::write(&place, text).map_err(failed)?;
                    laid.renewed.push(path);
                } else {
                    laid.kept.push(path);
                }
            }
            Err(source) => return Err(failed(source)),
        }
    }
    Ok(laid)
}

/// Whether there are settings or scripts already, so that an example would only be in the way.
fn is_begun(folder: &Path) -> bool {
    let is_script = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.path().extension().is_some_and(|it| it == "js"))
    };
    folder.join("tripline.toml").exists()
        || fs::read_dir(folder.join("checks")).is_ok_and(|mut entries| entries.any(is_script))
}

/// Whether there are types of another version of Tripline.
fn is_other_version(place: &Path) -> bool {
    fs::read_to_string(place).is_ok_and(|text| text.starts_with(TYPES_BEGIN) && text != TYPES.1)
}

/// Writes a file that must not be there yet, and the folders above it.
fn write_new(place: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(place)?;
    file.write_all(text.as_bytes())
}

/// Says what was written and what to do next.
///
/// # Errors
///
/// When something cannot be written to `out`.
pub fn report(laid: &Laid, folder: &Path, out: &mut dyn Write) -> io::Result<()> {
    for path in &laid.written {
        writeln!(out, "wrote {}", folder.join(path).display())?;
    }
    for path in &laid.renewed {
        writeln!(out, "renewed {} (it was of another version)", folder.join(path).display())?;
    }
    for path in &laid.kept {
        writeln!(out, "kept  {} (it was there already)", folder.join(path).display())?;
    }
    if laid.written.is_empty() && laid.renewed.is_empty() {
        return writeln!(out, "\nNothing to do: the project is there already.");
    }
    let here = matches!(folder.to_str(), Some("." | ""));
    writeln!(out, "\nNext:")?;
    if !here {
        writeln!(out, "  cd {}", folder.display())?;
    }
    writeln!(out, "  tripline test          # run the checks here and now")?;
    writeln!(out, "  tripline up            # watch from now on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("new");
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join(".gitignore"), "mine").expect("written");
        let laid = lay(&folder).expect("laid");
        assert_eq!(laid.kept, [".gitignore"]);
        assert_eq!(laid.written.len(), FILES.len() - 1 + EXAMPLE.len());
        assert_eq!(fs::read_to_string(folder.join(".gitignore")).expect("read"), "mine");
        let again = lay(&folder).expect("laid");
        assert_eq!((again.written.len(), again.kept.len()), (0, FILES.len()));
        let mut said = Vec::new();
        report(&laid, Path::new("new"), &mut said).expect("written");
        let said = String::from_utf8(said).expect("text");
        assert!(said.starts_with("wrote new/tripline.toml\n"), "{said}");
        assert!(said.contains("kept  new/.gitignore"), "{said}");
        assert!(said.contains("  cd new\n"), "{said}");
    }

    #[test]
    fn a_project_of_an_earlier_version_gets_new_types_and_no_example() {
        let folder = tempfile::tempdir().expect("a folder");
        let types = folder.path().join(TYPES.0);
        fs::create_dir_all(folder.path().join("checks")).expect("made");
        fs::write(folder.path().join("checks/login.js"), "mine").expect("written");
        fs::write(&types, format!("{TYPES_BEGIN}, as it was\n */")).expect("written");
        let laid = lay(folder.path()).expect("laid");
        assert_eq!(laid.renewed, [TYPES.0]);
        assert_eq!(fs::read_to_string(&types).expect("read"), TYPES.1);
        assert!(!folder.path().join("checks/example.js").exists());
        fs::write(&types, "declare module 'mine';").expect("written");
        assert!(lay(folder.path()).expect("laid").kept.contains(&TYPES.0));
    }

    #[test]
    fn the_types_are_known_by_their_beginning() {
        assert!(TYPES.1.starts_with(TYPES_BEGIN));
    }

    #[test]
    fn a_file_in_the_way_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("checks"), "a file").expect("written");
        let error = lay(folder.path()).expect_err("in the way").to_string();
        assert!(error.starts_with("failed to write "), "{error}");
    }
}
