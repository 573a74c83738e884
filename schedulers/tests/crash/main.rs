//! A process that dies at any write, in tuning or in putting back, once or again and again: the originals come back.
//! And whatever else goes wrong meanwhile: other hands, other disks, torn journals, knobs that refuse.
//!
//! All on the fake kernel, whose answers kernfs's conformance suite holds against a real one's.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod bad_days;
mod bench;
mod deaths;
mod other_hands;
