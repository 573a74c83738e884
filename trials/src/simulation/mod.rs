//! Trials under noise whose truth is known: what the figures of this room rest on.
//!
//! Everything is in virtual time and deterministic under a seed. `examples/simulate.rs` runs it at full size, the
//! tests at a smaller one.

mod campaigns;
mod guarded;
mod noise;
mod reads;

pub use campaigns::{CampaignTally, TrialTally, campaigns, trials};
pub use guarded::{GuardTally, GuardedLoad, guarded};
pub use noise::{Noise, NoiseKind};
pub use reads::{TailLoad, tails};
