//! Results in, incidents decided, notifications out.
