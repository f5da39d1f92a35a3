//! `[store]`: where everything is kept, and for how long.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::reader::{Field, Report, Table, no_hint};
use crate::config::secret::{Secret, Sources};
use crate::config::value::Kind;

/// Where everything is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Where.
    pub place: Place,
    /// For how long.
    pub retention: Retention,
}

/// How long what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// What runs that passed said: steps, requests, logs.
    pub details: Duration,
    /// Runs that passed.
    pub passed: Duration,
    /// Runs that failed or ended unknown.
    pub failed: Duration,
    /// Incidents that ended, and the runs that they refer to; `None` for ever.
    pub incidents: Option<Duration>,
    /// Uptime by the hour, and gaps.
    pub uptime: Duration,
}

impl Retention {
    /// The same for all runs.
    pub fn of_runs(kept: Duration) -> Self {
        Self { details: kept, passed: kept, failed: kept, incidents: None, uptime: LONGEST }
    }

    /// How long every run is kept.
    pub fn of_every_run(&self) -> Duration {
        self.passed.min(self.failed)
    }

    fn read(table: &mut Table<'_>, report: &mut Report) -> Self {
        let mut field = |name| {
            let field = table.optional(name);
            let kept = field.as_ref().and_then(|it| it.duration(DAY..=LONGEST, report));
            (field, kept)
        };
        let (_, all) = field("retention");
        let all = all.unwrap_or(Store::RETENTION);
        let ((_, passed), (_, failed)) = (field("keep_passed"), field("keep_failed"));
        let ((details, kept), (_, incidents)) = (field("keep_details"), field("keep_incidents"));
        let (counted, uptime) = field("keep_uptime");
        let (passed, failed) = (passed.unwrap_or(all), failed.unwrap_or(all));
        if let (Some(counted), Some(kept)) = (counted, uptime)
            && kept < passed.max(failed)
        {
            let message = "uptime, with what was expected, cannot be kept shorter than runs";
            report
                .error(&counted.span, message)
                .advise("raise it, or lower `retention`, `keep_passed` and `keep_failed` to it");
        }
        if let (Some(details), Some(kept)) = (details, kept)
            && kept > passed
        {
            let message = "details of runs that passed cannot be kept longer than the runs";
            report.error(&details.span, message).advise("lower it, or raise `keep_passed`");
        }
        Self {
            details: kept.unwrap_or(passed).min(passed),
            passed,
            failed,
            incidents,
            uptime: uptime.unwrap_or(LONGEST),
        }
    }
}

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file of SQLite; its path is absolute when the project folder is.
    File(PathBuf),
    /// In a database of PostgreSQL.
    Postgres {
        /// How it is reached, with the password if there is one.
        url: Secret,
        /// The same without the password, for people.
        shown: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres { shown, .. } => f.write_str(shown),
        }
    }
}

impl Place {
    /// Why no file can be there as things are, and what is to be done about that; `None` where one can, or
    /// the store is no file.
    pub fn obstacle(&self) -> Option<String> {
        let Self::File(path) = self else { return None };
        if path.is_dir() {
            let path = path.display();
            return Some(format!(
                "{path} is a folder, and the store is a file; write the path of one"
            ));
        }
        // What cannot be looked at may be there.
        let is_missing = |it: &&Path| matches!(it.try_exists(), Ok(false));
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).filter(is_missing)?;
        Some(format!("there is no folder {}; make it, or write another path", folder.display()))
    }

    /// Reads where a store is from a command line: `sqlite:` and a path in `folder`, or a URL of
    /// PostgreSQL without its password. That is `password`, or else the one of `own`, the store of
    /// the project, where that is meant.
    ///
    /// # Errors
    ///
    /// What is wrong and how to write it; no message repeats a password.
    pub fn named(
        text: &str,
        folder: &Path,
        password: Option<&Secret>,
        own: Option<&Self>,
    ) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = file_path(path).map_err(|wrong| format!("{wrong}; {FORMS}"))?;
            return Ok(Self::File(folder.join(path)));
        }
        if !text.starts_with("postgres:") && !text.starts_with("postgresql:") {
            return Err(FORMS.to_owned());
        }
        let mut url =
            Url::parse(text).map_err(|_| format!("the URL cannot be read; {POSTGRES}"))?;
        if url.password().is_some() {
            return Err(
                "everybody on this machine can read a password in a command line; leave it \
                        out and set PGPASSWORD, or write it to ~/.pgpass"
                    .to_owned(),
            );
        }
        check_address(&url).map_err(|wrong| format!("{wrong}; {POSTGRES}"))?;
        let shown = shown(&url);
        let given = password.map(|it| escaped(it.expose()));
        let password = given.or_else(|| match own {
            Some(Self::Postgres { url: own, shown: there }) if *there == shown => {
                Url::parse(own.expose()).ok()?.password().map(str::to_owned)
            }
            _ => None,
        });
        if let Some(password) = password {
            url.set_password(Some(&password))
                .map_err(|()| format!("the URL of the store has no host; {POSTGRES}"))?;
        }
        Ok(Self::Postgres { url: Secret::new(url.as_str()), shown })
    }
}

const DAY: Duration = Duration::from_hours(24);
/// The longest time that anything but incidents is kept.
const LONGEST: Duration = Duration::from_hours(24 * 3650);

/// What may be written behind the `?` of a PostgreSQL URL.
const PARAMETERS: [&str; 5] = ["host", "sslmode", "sslrootcert", "sslcert", "sslkey"];

const FORMS: &str = "write `sqlite:` and a path, such as `sqlite:tripline.db`, or \
     `postgres://user@host/database`";
const POSTGRES: &str = "write `postgres://user@host/database`";

impl Store {
    /// The name of the file when nothing is written.
    pub const FILE: &str = "tripline.db";
    /// How long runs are kept when nothing is written.
    pub const RETENTION: Duration = Duration::from_hours(24 * 30);

    pub(super) fn read(
        section: Option<Table<'_>>,
        sources: Sources<'_>,
        report: &mut Report,
    ) -> Self {
        let (mut place, mut retention) = (None, None);
        if let Some(mut table) = section {
            let url = table.optional("url");
            let password = table.optional("password");
            place = read_place(url.as_ref(), password.as_ref(), sources, report);
            retention = Some(Retention::read(&mut table, report));
            table.finish(report, no_hint);
        }
        Self {
            place: place.unwrap_or_else(|| Place::File(sources.root.join(Self::FILE))),
            retention: retention.unwrap_or(Retention::of_runs(Self::RETENTION)),
        }
    }
}

fn read_place(
    url: Option<&Field<'_>>,
    password: Option<&Field<'_>>,
    sources: Sources<'_>,
    report: &mut Report,
) -> Option<Place> {
    let secret = password.and_then(|it| sources.secret(it, report));
    let is_referred = url.is_some_and(|it| matches!(it.kind(), Kind::Table(_)));
    let place = match url {
        Some(field) if is_referred => {
            let url = sources.secret(field, report)?;
            postgres(field, url.expose(), Held::Elsewhere, secret.as_ref(), report)
        }
        Some(field) => {
            let text = field.filled_text(report)?;
            match text.strip_prefix("sqlite:") {
                Some(path) => sqlite_file(field, path, sources.root, report),
                // What is no path may be settings of a connection, a password among them.
                None if !text.contains([':', '@', '=', ' ']) => {
                    let message = format!("`{}` names no store that is supported", field.name);
                    let help = format!("for a file, write `sqlite:{}`", text.escape_debug());
                    refuse(&field.span, message, &help, report)
                }
                None => postgres(field, text, Held::Here, secret.as_ref(), report),
            }
        }
        None => None,
    };
    if let (Some(password), None | Some(Place::File(_))) = (password, &place)
        && url.is_none_or(|_| place.is_some())
    {
        let message = "a password is for a store in PostgreSQL; a file has none";
        report.error(&password.key_span, message).advise(POSTGRES);
    }
    place
}

fn sqlite_file(field: &Field<'_>, path: &str, root: &Path, report: &mut Report) -> Option<Place> {
    match file_path(path) {
        Ok(path) => Some(Place::File(root.join(path))),
        Err(wrong) => refuse(&field.span, wrong, FORMS, report),
    }
}

/// What stands behind `sqlite:`.
fn file_path(path: &str) -> Result<&str, String> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains(":memory:") {
        return Err("the store must be a file, since it has to survive a restart".into());
    }
    if path.contains(['?', '#', '\0']) || path.ends_with('/') {
        return Err(format!("`{}` is no path of a file", path.escape_debug()));
    }
    Ok(path)
}

/// Where the text of a URL stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// In the project, for everybody to see.
    Here,
    /// Where a reference leads.
    Elsewhere,
}

/// Reads `postgres://...`. It may hold a password, so no message repeats it.
fn postgres(
    field: &Field<'_>,
    text: &str,
    held: Held,
    password: Option<&Secret>,
    report: &mut Report,
) -> Option<Place> {
    if text.is_empty() {
        // A missing secret, which was told.
        return Some(Place::Postgres { url: Secret::new(""), shown: "postgres:".into() });
    }
    report.conceal(&field.span);
    let Some(("postgres" | "postgresql", _)) = text.split_once(':') else {
        let message = match text.split_once(':') {
            Some((scheme @ ("mysql" | "mariadb"), _)) => {
                format!("a store of `{scheme}:` is not supported")
            }
            _ => format!("`{}` names no store that is supported", field.name),
        };
        return refuse(&field.span, message, FORMS, report);
    };
    let Ok(mut url) = Url::parse(text) else {
        return refuse(&field.span, "the URL of the store cannot be read", POSTGRES, report);
    };
    if url.password().is_some() && held == Held::Here {
        let message = format!("`{}` holds a secret in plain text", field.name);
        let remedy = "keep it out of the URL: write `password = { env = \"NAME\" }` beside it";
        return refuse(&field.span, message, remedy, report);
    }
    if let Err(message) = check_address(&url) {
        return refuse(&field.span, message, POSTGRES, report);
    }
    if let Some(password) = password {
        if url.password().is_some() {
            let remedy = "leave it out in one of them";
            return refuse(&field.span, "the store has two passwords", remedy, report);
        }
        if url.set_password(Some(&escaped(password.expose()))).is_err() {
            return refuse(&field.span, "the URL of the store has no host", POSTGRES, report);
        }
    }
    let shown = shown(&url);
    Some(Place::Postgres { url: Secret::new(url.as_str()), shown })
}

fn check_address(url: &Url) -> Result<(), String> {
    if url.host_str().is_none_or(str::is_empty) && !url.query_pairs().any(|(key, _)| key == "host")
    {
        return Err("the URL of the store has no host".into());
    }
    if url.username().is_empty() {
        return Err("the URL of the store has no user".into());
    }
    let database = url.path().trim_start_matches('/');
    if database.is_empty() || database.contains('/') || url.fragment().is_some() {
        return Err("the URL of the store names no database".into());
    }
    for (key, value) in url.query_pairs() {
        if !PARAMETERS.contains(&&*key) {
            let known = PARAMETERS.join("`, `");
            return Err(format!("`{}` is no parameter; there are `{known}`", key.escape_debug()));
        }
        let modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
        if key == "sslmode" && !modes.contains(&&*value) {
            return Err(format!("`sslmode` is one of `{}`", modes.join("`, `")));
        }
    }
    Ok(())
}

/// A password for a URL, which escapes all but the sign of escaping itself.
fn escaped(password: &str) -> String {
    password.replace('%', "%25")
}

/// The address without password and parameters.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // Both are refused only by URLs without a host, and those hold no password.
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.into()
}

fn refuse(
    span: &Span,
    message: impl Into<String>,
    help: &str,
    report: &mut Report,
) -> Option<Place> {
    let _: &mut Diagnostic = report.error(span, message).advise(help);
    None
}
