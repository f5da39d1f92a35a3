//! Runs slots and reports them.
