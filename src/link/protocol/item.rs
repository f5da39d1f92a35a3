//! One item of a list whose items are read one by one.
//!
//! Its text is kept as it came: ten thousand checks as trees of values take several times the memory,
//! and are read from twice. Nothing here knows what an item says.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// An item as it came, not understood yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Item(Box<RawValue>);

impl Item {
    /// The item that says what `message` does.
    ///
    /// # Errors
    ///
    /// When `message` has keys that are no text.
    pub fn new(message: &impl Serialize) -> serde_json::Result<Self> {
        to_raw_value(message).map(Self)
    }

    /// What it says.
    ///
    /// # Errors
    ///
    /// When it is not understood.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.0.get())
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}
