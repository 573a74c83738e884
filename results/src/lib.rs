//! Run records and charts.
//!
//! [`chart`] turns figures into [`chart::Figure`]s, which come as SVG and as PNG, in one look and without a font of
//! the system. [`html`] puts them into one page with tables and text. [`record`] keeps what a run found beside what it takes to run it again: the command, the versions, the
//! kernel, the device and the seed. [`compare`] sets two records side by side.

mod atomic;
pub mod chart;
pub mod compare;
pub mod html;
pub mod record;
