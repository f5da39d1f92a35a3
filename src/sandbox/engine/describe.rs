//! What a module says about itself: its `options`, and the secrets that it mentions.

use super::{Engine, Port};
use crate::sandbox::protocol::Source;

impl Engine {
    /// Evaluates the entry module for its `options` and sends what it found.
    pub(super) fn describe(self, _port: Box<dyn Port>, _source: Source) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}
