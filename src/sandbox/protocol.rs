//! The messages between the parent and its child.
//!
//! A frame is a `u32` length in little endian, then that many bytes of postcard. Frames from the
//! child are at most [`MAX_FRAME_FROM_CHILD`] long; a longer one ends the run. The types here cross
//! a process boundary and are serialisable; they are turned into domain values by their receiver.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bounded;

/// The longest frame that a child may send, in bytes.
pub const MAX_FRAME_FROM_CHILD: usize = 8 << 20;

/// What the parent says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToChild {
    /// Run a script.
    Run(Job),
    /// Evaluate a script's `options` without running it.
    Describe(Source),
    /// The answer to [`FromChild::Ask`] with the same number.
    Answer(u32, Answer),
}

/// A script with everything it imports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The path of the module to run, relative to the project folder, with forward slashes.
    pub entry: String,
    /// The modules that may be imported: path relative to the project folder, and text.
    pub modules: Vec<(String, String)>,
}

/// A run to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The script.
    pub source: Source,
    /// What the script sees as `context`.
    pub context: RunContext,
    /// How long the script may take; the child gives up by itself then, with a good message. The
    /// parent kills it shortly after.
    pub timeout: Duration,
}

/// What a script sees as `context`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunContext {
    /// The id of the check.
    pub check: String,
    /// The region.
    pub region: String,
    /// The slot's time, in milliseconds since the Unix epoch.
    pub slot_millis: i64,
    /// The id of the run.
    pub run: String,
}

/// What the child says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromChild {
    /// The engine is loaded and the process is sealed; `missing` names layers that could not be
    /// put up.
    Ready {
        /// Layers that this system does not have.
        missing: Vec<String>,
    },
    /// Something happened; no answer is expected.
    Event {
        /// Since the start of the run.
        at: Duration,
        /// What.
        event: Event,
    },
    /// A question; answered once, in any order.
    Ask(u32, Question),
    /// The question with this number is no longer of interest: its `AbortController` fired.
    Abandon(u32),
    /// The run is over.
    Ended(Ending),
    /// The answer to [`ToChild::Describe`].
    Described(Result<Description, ScriptError>),
}

/// A thing that a script did or said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A step began. Steps are numbered from 0 in the order in which they begin.
    StepStarted {
        /// Its name.
        name: String,
        /// The step around it.
        parent: Option<u32>,
    },
    /// A step ended.
    StepEnded {
        /// Its number.
        step: u32,
        /// The first line of the error it ended with.
        error: Option<String>,
    },
    /// A line was written to the console.
    Log {
        /// `debug`, `info`, `warn` or `error`.
        level: Level,
        /// The line.
        text: String,
    },
    /// A value was measured.
    Metric {
        /// The name.
        name: String,
        /// The value; finite.
        value: f64,
        /// Tags.
        #[serde(deserialize_with = "bounded::pairs")]
        tags: Vec<(String, String)>,
    },
    /// The child left something out to stay within its limits.
    Dropped {
        /// What, in words.
        what: String,
    },
}

/// The level of a console line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// `console.debug`, `console.trace`
    Debug,
    /// `console.log`, `console.info`
    Info,
    /// `console.warn`
    Warn,
    /// `console.error`
    Error,
}

/// What a child may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// Make a request.
    Fetch(FetchRequest),
    /// The value of a secret.
    Secret(String),
    /// A one-time password from a stored seed.
    Totp(String),
}

/// The answers, in the order of [`Question`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Question::Fetch`].
    Fetched(Result<FetchResponse, FetchError>),
    /// To [`Question::Secret`] and [`Question::Totp`].
    Text(Result<String, String>),
}

/// A request that a script makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// The step in which it is made.
    pub step: Option<u32>,
    /// The method, in upper case.
    pub method: String,
    /// An absolute URL.
    pub url: String,
    /// Headers in order, names in lower case.
    #[serde(deserialize_with = "bounded::pairs")]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(with = "bytes_as_slice")]
    pub body: Vec<u8>,
    /// What to do with a redirect.
    pub redirect: Redirect,
    /// Whether cookies are sent and kept.
    pub credentials: Credentials,
}

/// What to do with a redirect, as in the Fetch standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Redirect {
    /// Follow it, up to 20 hops.
    Follow,
    /// Hand it to the script.
    Manual,
    /// Fail.
    Error,
}

/// Whether cookies are sent and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credentials {
    /// Yes; the default, since a run is one visitor.
    Include,
    /// No.
    Omit,
}

/// An answer that a script receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchResponse {
    /// The URL of the answer, after redirects.
    pub url: String,
    /// Whether a redirect was followed.
    pub redirected: bool,
    /// The status.
    pub status: u16,
    /// The reason phrase, empty over HTTP/2.
    pub status_text: String,
    /// Headers in order, names in lower case; `set-cookie` included.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    #[serde(with = "bytes_as_slice")]
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchError {
    /// What happened, in words: "connection refused by 127.0.0.1:8080".
    pub message: String,
}

/// How a run ended, as the child saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ending {
    /// The default function returned.
    Finished,
    /// Something was thrown, rejected, not valid, or never finished.
    Threw(ScriptError),
    /// The time was over.
    TimedOut {
        /// What the script was waiting for, in words.
        waiting_for: String,
        /// The innermost open step.
        step: Option<u32>,
    },
}

impl Ending {
    /// The step in which the run ended.
    pub fn step(&self) -> Option<u32> {
        match self {
            Self::Finished => None,
            Self::Threw(error) => error.step,
            Self::TimedOut { step, .. } => *step,
        }
    }
}

/// An error of a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptError {
    /// What sort.
    pub kind: ScriptErrorKind,
    /// The name and message: `TypeError: x is not a function`. Never empty.
    pub message: String,
    /// For a failed expectation, the values as the script would write them.
    pub expected: Option<String>,
    /// For a failed expectation, the values as the script would write them.
    pub received: Option<String>,
    /// Where: file, line and column from 1.
    pub position: Option<(String, u32, u32)>,
    /// The step in which it was thrown.
    pub step: Option<u32>,
}

/// What sort of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScriptErrorKind {
    /// `expect(..)` was not met.
    Expectation,
    /// Anything else that was thrown, or a promise rejected without a handler.
    Exception,
    /// `fetch` or `visit` had no answer, and the script let that error through.
    Network,
    /// The module does not parse, does not link, imports what is not there, or exports no default
    /// function.
    Script,
    /// A limit of the engine: recursion, a buffer too large.
    Limit,
}

/// What a module says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The exported `options`, `None` when there are none.
    pub options: Option<OptionValue>,
    /// Whether the default export is a function.
    pub has_default_function: bool,
    /// The secrets that the modules mention as `secret("...")` or `totp("...")`.
    #[serde(deserialize_with = "bounded::level")]
    pub secrets: Vec<SecretMention>,
}

/// A place where a module names a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretMention {
    /// The secret's name.
    pub name: String,
    /// The module.
    pub module: String,
    /// The byte range of the name in the module.
    pub span: (u32, u32),
}

/// A value of `options`, with the place where it stands in the entry module, as far as it can be
/// told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptionValue {
    /// The value.
    pub kind: OptionKind,
    /// Its byte range in the text.
    pub span: Option<(u32, u32)>,
}

/// The kinds of value that `options` may hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum OptionKind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// An array.
    List(#[serde(deserialize_with = "bounded::level")] Vec<OptionValue>),
    /// An object, its entries in order.
    Table(#[serde(deserialize_with = "bounded::level")] Vec<OptionEntry>),
    /// Something that is no data, such as a function.
    Other(String),
}

/// One entry of an object in `options`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptionEntry {
    /// The key.
    pub key: String,
    /// The byte range of the key in the entry module.
    pub span: Option<(u32, u32)>,
    /// The value.
    pub value: OptionValue,
}

/// Bytes as one slice: serde's default for `Vec<u8>` goes byte by byte.
mod bytes_as_slice {
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        from.deserialize_byte_buf(Bytes)
    }
}
