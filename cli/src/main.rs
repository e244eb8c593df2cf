//! The `ovation` binary.
fn main() {}
