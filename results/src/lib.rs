//! Run records and charts.
//!
//! [`chart`] turns figures into [`chart::Figure`]s, which come as SVG and as PNG, in one look and without a font of
//! the system. [`record`] keeps what a run found beside what it takes to run it again: the command, the versions, the
//! kernel, the device and the seed.

mod atomic;
pub mod chart;
pub mod record;
