//! Placeholder until its room is furnished.
fn main() {}
