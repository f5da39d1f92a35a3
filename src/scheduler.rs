//! Which slots are due.
