//! Paired, sequential, guarded trials of one setting against another.
