//! The program's own log: one line an event, for people or for machines.
//!
//! People get `04:12:31 WARN  message  key=value`; machines get one JSON object a line in the Elastic
//! Common Schema. Whatever the fields hold, an event is one line and holds no terminal control.
//! Nothing here knows what is logged.

mod fields;
mod human;
mod json;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::sync::Arc;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Scope};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

use self::fields::Fields;
use super::look::Look;
use crate::clock::Clock;
use crate::domain::Timestamp;

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON object a line (Elastic Common Schema).
    Json,
}

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// With the data.
    Stdout,
    /// Beside the data.
    Stderr,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter does not parse.
    #[error(
        "`{text}` is no log level: {reason}; write `off`, `error`, `warn`, `info`, `debug` or `trace`, \
         or directives such as `info,tripline::http=debug`"
    )]
    Filter {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is a log already.
    #[error("the log was set up before")]
    Twice,
}

/// Starts the log of this process. `filter` is a level for Tripline's own events (other libraries
/// then log from `warn` up), or directives as `RUST_LOG` has them.
///
/// # Errors
///
/// [`Error::Filter`] when `filter` does not parse, [`Error::Twice`] when there is a log already.
pub fn start(
    format: Format,
    filter: &str,
    stream: Stream,
    look: Look,
    clock: Arc<dyn Clock>,
) -> Result<(), Error> {
    let filter = parse_filter(filter)?;
    let started = match stream {
        Stream::Stdout => registry()
            .with(filter)
            .with(Lines::new(format, look, clock, std::io::stdout))
            .try_init(),
        Stream::Stderr => registry()
            .with(filter)
            .with(Lines::new(format, look, clock, std::io::stderr))
            .try_init(),
    };
    started.map_err(|_| Error::Twice)
}

fn parse_filter(text: &str) -> Result<EnvFilter, Error> {
    let words = || text.split(',').map(str::trim);
    if let Some(word) = words().find(|part| !is_directive(part)) {
        let reason = format!("`{word}` is none, and names no part by `=`");
        return Err(Error::Filter { text: text.to_owned(), reason });
    }
    let directives = match text.trim().parse::<Level>() {
        Ok(level) => format!("warn,tripline={}", level.as_str().to_ascii_lowercase()),
        Err(_) => text.trim().to_owned(),
    };
    EnvFilter::builder()
        .parse(directives)
        .map_err(|error| Error::Filter { text: text.to_owned(), reason: error.to_string() })
}

/// Whether a part of a filter is a level, or names one after `=`. The library takes any other word for
/// the name of a module, and then nothing else is logged.
fn is_directive(part: &str) -> bool {
    part.contains('=') || part.eq_ignore_ascii_case("off") || part.parse::<Level>().is_ok()
}

/// One event, ready to be written.
struct Entry<'a> {
    at: Timestamp,
    level: Level,
    /// The module that logged it.
    logger: &'a str,
    /// Those of the spans around it, outermost first, then its own.
    fields: Fields,
}

/// Writes each event as one line.
#[derive(Debug)]
pub struct Lines<W> {
    format: Format,
    look: Look,
    clock: Arc<dyn Clock>,
    writer: W,
}

impl<W> Lines<W> {
    /// Writes to `writer`.
    pub fn new(format: Format, look: Look, clock: Arc<dyn Clock>, writer: W) -> Self {
        Self { format, look, clock, writer }
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(own) = span.extensions().get::<Fields>() {
                fields.extend(own);
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let (level, logger) = (*metadata.level(), metadata.target());
        let entry = Entry { at: self.clock.now(), level, logger, fields };
        let mut line = match self.format {
            Format::Human => self.look.folded(&human::line(&entry, &self.look), human::INDENT),
            Format::Json => json::line(&entry),
        };
        line.push('\n');
        // There is nobody left to tell when the log itself cannot be written.
        let _ = self.writer.make_writer_for(metadata).write_all(line.as_bytes());
    }
}
