//! `tripline init`: a project that works at once.
//!
//! Nothing that exists is changed.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// The files of a new project: path and text.
const FILES: [(&str, &str); 6] = [
    ("tripline.toml", include_str!("init/tripline.toml")),
    ("checks/example.js", include_str!("init/example.js")),
    ("checks/lib/page.js", include_str!("init/page.js")),
    ("checks/tripline.d.ts", include_str!("../../checks/tripline.d.ts")),
    ("checks/jsconfig.json", include_str!("../../checks/jsconfig.json")),
    (".gitignore", include_str!("init/gitignore")),
];

/// What became of the files of a new project, each a path relative to its folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Laid {
    /// Those that were written.
    pub written: Vec<&'static str>,
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
    let mut laid = Laid::default();
    for (path, text) in FILES {
        let place = folder.join(path);
        match write_new(&place, text) {
            Ok(()) => laid.written.push(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => laid.kept.push(path),
            Err(source) => return Err(Error { path: place.display().to_string(), source }),
        }
    }
    Ok(laid)
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
    for path in &laid.kept {
        writeln!(out, "kept  {} (it was there already)", folder.join(path).display())?;
    }
    if laid.written.is_empty() {
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
        assert_eq!(laid.written.len(), FILES.len() - 1);
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
    fn a_file_in_the_way_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("checks"), "a file").expect("written");
        let error = lay(folder.path()).expect_err("in the way").to_string();
        assert!(error.starts_with("failed to write "), "{error}");
    }
}
