//! `[store]`: where everything is kept, and for how long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::diagnostic::Diagnostic;
use crate::config::reader::{Field, Report, Table, no_hint};

/// Where everything is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The file of the `SQLite` store; absolute when the project folder is.
    pub path: PathBuf,
    /// Runs older than this are deleted.
    pub retention: Duration,
}

const DAY: Duration = Duration::from_hours(24);

impl Store {
    /// The name of the file when nothing is written.
    pub const FILE: &str = "tripline.db";
    /// How long runs are kept when nothing is written.
    pub const RETENTION: Duration = Duration::from_hours(24 * 30);

    pub(super) fn read(section: Option<Table<'_>>, root: &Path, report: &mut Report) -> Self {
        let (mut file, mut retention) = (None, None);
        if let Some(mut table) = section {
            file = table.optional("url").and_then(|it| sqlite_file(&it, report));
            let field = table.optional("retention");
            retention = field.and_then(|it| it.duration(DAY..=3650 * DAY, report));
            table.finish(report, no_hint);
        }
        Self {
            path: root.join(file.unwrap_or(Self::FILE)),
            retention: retention.unwrap_or(Self::RETENTION),
        }
    }
}

/// The path in `sqlite:path`. A URL of another store may hold a password, so no message repeats it.
fn sqlite_file<'v>(field: &Field<'v>, report: &mut Report) -> Option<&'v str> {
    const FORM: &str = "write `sqlite:` and a path, such as `sqlite:tripline.db`";
    let text = field.filled_text(report)?;
    let refuse = |message: String, report: &mut Report| {
        let _: &mut Diagnostic = report.error(&field.span, message).advise(FORM);
        None
    };
    let Some(path) = text.strip_prefix("sqlite:") else {
        report.conceal(&field.span);
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        return match scheme {
            Some(scheme @ ("postgres" | "postgresql" | "mysql" | "mariadb")) => {
                refuse(format!("a store of `{scheme}:` is not supported by this version"), report)
            }
            _ => refuse("`url` names no store that is supported".into(), report),
        };
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains(":memory:") {
        return refuse(
            "the store must be a file, since it has to survive a restart".into(),
            report,
        );
    }
    if path.contains(['?', '#', '\0']) || path.ends_with('/') {
        return refuse(format!("`{}` is no path of a file", path.escape_debug()), report);
    }
    Some(path)
}
