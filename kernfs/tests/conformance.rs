//! Conformance of the fake kernel and the real one.

fn main() {}
