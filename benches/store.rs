//! What recording a run costs.

fn main() {}
