//! One file a command; prints; no logic.
