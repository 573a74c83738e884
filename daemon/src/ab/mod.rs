//! `tunerd ab`: two settings of one disk against each other on live traffic, under guard, with everything put back.
//!
//! [`arms()`] says what the two are, completely; [`Session`] runs slices of both in pairs until there is a verdict, the
//! time is up or it must end; [`Report`] is what came of it, as one line, as JSON, as a page. The measuring is that of
//! the control loop: [`engine::Bench`](crate::engine::Bench) for a slice's life and the room `trials` for the verdict.
//!
//! What writes is the guard of the room `schedulers` alone, so that a death at any moment leaves a journal from which
//! `tunerd restore` puts the originals back.

mod arms;
mod chart;
mod ending;
mod page;
mod report;
mod session;
mod tally;
#[cfg(test)]
mod tests;

pub use arms::{Arms, ArmsError, arms, parse_setting};
pub use ending::{Ending, Word};
pub use report::{Facts, Report};
pub use session::{News, Parts, Rules, Session};
pub use tally::{ArmFigures, ArmTotals, PairRow, TakenBack};
