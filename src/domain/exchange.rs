//! What a request carried and what came back: heads and the beginnings of bodies.
//!
//! It is kept of runs that did not pass, as much as fits, the last requests first: those are next to what
//! went wrong. Of runs that passed nothing is kept.
//!
//! Must not: hold a secret. What is written here was redacted where the request was made.

/// The longest part of a body that is kept, in bytes.
pub const LONGEST_BODY: usize = 4 << 10;
/// The longest head that is kept, in bytes of names and values.
pub const LONGEST_HEAD: usize = 4 << 10;
/// The most that is kept of all heads and bodies of a run, in bytes.
pub const ROOM_OF_RUN: usize = 64 << 10;

/// Whether heads and bodies of requests are kept of a check's runs that did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bodies {
    /// They are.
    #[default]
    Kept,
    /// They never leave the agent.
    Omitted,
}

/// What was sent and what was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What was sent.
    pub sent: Message,
    /// What was received, if there was an answer.
    pub received: Option<Message>,
}

/// A head and a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, if it is text; what was cut ends in `…`.
    pub body: Option<String>,
    /// How long the body is, in bytes, decompressed.
    pub length: u64,
}

impl Message {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How many bytes of text it has.
    pub fn size(&self) -> usize {
        let head: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        head + self.body.as_ref().map_or(0, String::len)
    }
}

impl Exchange {
    /// How many bytes of text it has.
    pub fn size(&self) -> usize {
        self.sent.size() + self.received.as_ref().map_or(0, Message::size)
    }
}
