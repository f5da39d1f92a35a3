//! Files and environment into validated domain values, or all diagnostics at once.
