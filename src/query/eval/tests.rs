//! Evaluation in the small.
