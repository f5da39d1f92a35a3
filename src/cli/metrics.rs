//! `tripline metrics`: brings in what was measured elsewhere.
//!
//! A file is read as it comes, so it may be of any length; what stands before a mistake is stored,
//! and importing the file again changes nothing about it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};

use super::act::token;
use super::args::{Global, MetricsCommand};
use super::exit::Exit;
use super::look::{clean, counted};
use super::run::{self, Stop};
use super::terminal::Terminal;
use super::up::with_causes;
use crate::app::import::{self, Destination};
use crate::app::project::Reading;
use crate::clock::Stopwatch;
use crate::config::MissingSecrets;
use crate::exposition::{Batch, Mistake, Reader, Sample};
use crate::store::metrics::Stored;

/// How many points are stored at a time.
const AT_ONCE: usize = 20_000;
/// How much of a line is read, in bytes; the reader refuses that much.
const LONGEST_LINE: u64 = (1 << 20) + 2;
/// How often it is said how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// Runs the command.
pub(super) async fn run(
    wanted: &MetricsCommand,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let MetricsCommand::Import { file, hub } = wanted;
    let name =
        if is_stdin(file) { "standard input".to_owned() } else { file.display().to_string() };
    let input: Box<dyn AsyncBufRead + Unpin> = if is_stdin(file) {
        let input = std::io::stdin().as_fd().try_clone_to_owned()?;
        let input = File::from_std(std::fs::File::from(input));
        Box::new(BufReader::with_capacity(1 << 20, input))
    } else {
        let path = terminal.folder.join(file);
        let opened = File::open(&path).await;
        let file = opened
            .map_err(|error| Stop::Usage(format!("failed to read {}: {error}", path.display())))?;
        Box::new(BufReader::with_capacity(1 << 20, file))
    };
    let to = match hub {
        Some(url) => Destination::daemon(url, token(global, terminal)?.as_ref()),
        None => of_project(global, terminal).await?,
    };
    let to = to.map_err(|error| Stop::Broken(with_causes(&error)))?;
    let mut import = Import::new(name, to);
    let ended = import.all(input).await;
    import.to.close().await;
    ended?;
    anstream::stdout().write_all(import.tally.told().as_bytes())?;
    Ok(Exit::Good)
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

async fn of_project(
    global: &Global,
    terminal: &Terminal,
) -> Result<Result<Destination, import::Error>, Stop> {
    let mut environment = run::environment(global, terminal)?;
    environment.missing_secrets = MissingSecrets::Warn;
    let reading = Reading::begin(&run::root(global, terminal)?, &environment);
    let settings = reading.settings().map_err(Stop::Invalid)?;
    Ok(Destination::of(&settings, token(global, terminal)?.as_ref()).await)
}

/// What became of the points so far.
#[derive(Debug, Default)]
struct Tally {
    stored: Stored,
    lines: u64,
    exemplars: u64,
}

impl Tally {
    fn told(&self) -> String {
        let Stored { new, repeated, too_old, over_limit, ahead } = self.stored;
        let count =
            |number: u64, noun: &str| counted(usize::try_from(number).unwrap_or(usize::MAX), noun);
        let mut text = format!(
            "{} new, {repeated} stored before, in {}.\n",
            count(new, "point"),
            count(self.lines, "line")
        );
        if too_old > 0 {
            let _ = writeln!(text, "{} refused: older than what is kept.", count(too_old, "point"));
        }
        if ahead > 0 {
            let points = count(ahead, "point");
            let _ = writeln!(text, "{points} refused: more than an hour in the future.");
        }
        if over_limit > 0 {
            let points = count(over_limit, "point");
            let _ = writeln!(text, "{points} refused: there would be more series than are kept.");
        }
        if self.exemplars > 0 {
            let _ = writeln!(
                text,
                "{} passed over; they are not kept.",
                count(self.exemplars, "exemplar")
            );
        }
        text
    }
}

/// An import that is under way.
struct Import {
    name: String,
    to: Destination,
    reader: Reader,
    batch: Batch,
    tally: Tally,
    told: Stopwatch,
}

impl Import {
    fn new(name: String, to: Destination) -> Self {
        let (reader, batch, tally) = (Reader::default(), Batch::default(), Tally::default());
        Self { name, to, reader, batch, tally, told: Stopwatch::start() }
    }

    async fn all(&mut self, mut input: Box<dyn AsyncBufRead + Unpin>) -> Result<(), Stop> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut input).take(LONGEST_LINE).read_until(b'\n', &mut line).await;
            let length = read
                .map_err(|error| Stop::Broken(format!("failed to read {}: {error}", self.name)))?;
            if length == 0 {
                break;
            }
            let text = std::str::from_utf8(&line);
            let lines = self.reader.lines() + 1;
            let mistake =
                |message: &str| Mistake { line: lines, column: 1, message: message.into() };
            let read = match text {
                Ok(text) => self.reader.line(text),
                Err(_) => Err(mistake("it is not UTF-8")),
            };
            match read {
                Ok(None) => {}
                Ok(Some(Sample { at: None, .. })) => {
                    let wrong = mistake(
                        "the value has no timestamp; an import needs one, in seconds since 1970, \
                         such as `logins_total 3 1763697151`",
                    );
                    return self.stop_at(&wrong).await;
                }
                Ok(Some(sample)) => self.batch.push(sample, 0),
                Err(wrong) => return self.stop_at(&wrong).await,
            }
            if self.batch.points() >= AT_ONCE {
                self.store().await?;
                self.progress()?;
            }
        }
        if let Err(wrong) = self.reader.finish() {
            return self.stop_at(&wrong).await;
        }
        self.store().await
    }

    async fn store(&mut self) -> Result<(), Stop> {
        let (series, repeated) = self.batch.take();
        if !series.is_empty() {
            let stored = self.to.store(&series).await;
            let stored = stored.map_err(|error| {
                let before = self.tally.stored.new;
                Stop::Broken(format!(
                    "{} ({before} points were stored before)",
                    with_causes(&error)
                ))
            })?;
            self.tally.stored.add(stored);
        }
        self.tally.stored.repeated += repeated;
        (self.tally.lines, self.tally.exemplars) = (self.reader.lines(), self.reader.exemplars());
        Ok(())
    }

    /// Stores what stands before a mistake, and says where that is.
    async fn stop_at(&mut self, wrong: &Mistake) -> Result<(), Stop> {
        self.store().await?;
        let (name, text) = (clean(&self.name), clean(&wrong.to_string()));
        Err(Stop::Usage(format!(
            "{name}, {text}. What stands before that is stored ({} new); mend it and import it again",
            self.tally.stored.new
        )))
    }

    fn progress(&mut self) -> std::io::Result<()> {
        if self.told.elapsed() < PROGRESS {
            return Ok(());
        }
        self.told = Stopwatch::start();
        let (lines, new) = (self.tally.lines, self.tally.stored.new);
        let way = clean(&self.to.described());
        writeln!(anstream::stderr(), "{lines} lines read, {new} new points stored {way} ...")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_became_of_all() {
        let stored = Stored { new: 1, repeated: 2, too_old: 3, over_limit: 4, ahead: 6 };
        insta::assert_snapshot!(Tally { stored, lines: 12, exemplars: 1 }.told(), @r"
        1 point new, 2 stored before, in 12 lines.
        3 points refused: older than what is kept.
        6 points refused: more than an hour in the future.
        4 points refused: there would be more series than are kept.
        1 exemplar passed over; they are not kept.
        ");
    }
}
