//! Charts as SVG and PNG, all in one look.
//!
//! A chart is plain data; its `figure` lays it out and gives a [`Figure`], which is pure as well until
//! [`Figure::write`].
//! A chart is plain data: [`RangeChart`] (a low and a high value and a bar to each row) and [`CompareChart`]
//! (predictions beside measurements), [`ScatterChart`] (pairs of values) and [`TimeChart`] (values over time, above
//! what went on). Its `figure` lays it out and gives a [`Figure`], which is pure as well until [`Figure::write`].
//!
//! | chart | shows |
//! |---|---|
//! | [`RangeChart`] | a low and a high value and a bar to each row |
//! | [`CompareChart`] | predictions beside measurements |
//! | [`TimeChart`] | values over time, above what went on |
//! | [`ConvergenceChart`] | how long a search takes on each workload, arm beside arm |
//! | [`GenesChart`] | every child's genes over time |
//! | [`FitnessChart`] | what every child scored, beside the incumbent and the default |
//! | [`HeatMap`] | fitness over two knobs |
//!
//! Axes carry units. Legends stand above the panels and never cover data. Groups differ in colour, in lightness and in
//! the shape of their markers, so that they survive colour-blindness and a printer without colours. A value that an
//! axis cannot hold (NaN, infinite, zero on a logarithmic axis) is left out and counted in a note under the chart; it
//! is never drawn somewhere else. A chart without a value says "no data".
//!
//! ```
//! use results::chart::{Axis, Emphasis, RangeChart, RangeRow, Scale};
//!
//! let chart = RangeChart {
//!     title: "Sensitivity".into(),
//!     subtitle: "hdd, 1 writer beside 1 reader".into(),
//!     low_name: "mean".into(),
//!     high_name: "p99".into(),
//!     marked_name: "default".into(),
//!     left: Axis::new("read latency", "ms", Scale::Log10),
//!     right: Axis::new("write rate", "MB/s", Scale::Linear),
//!     rows: vec![RangeRow {
//!         label: "mq-deadline".into(),
//!         group: "mq-deadline".into(),
//!         emphasis: Emphasis::Marked,
//!         low: Some(12.5),
//!         high: Some(80.0),
//!         bar: Some(110.0),
//!     }],
//!     notes: vec![],
//! };
//! let svg = chart.figure()?.svg()?;
//! assert!(svg.contains("read latency (ms)"));
//! # Ok::<(), results::chart::ChartError>(())
//! ```

mod axis;
mod compare;
mod convergence;
mod draw;
mod figure;
mod fitness;
mod genes;
mod grades;
mod heat;
mod lanes;
mod layout;
mod panel;
mod range;
mod ribbon;
mod scatter;
mod scene;
mod style;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod timeline;

pub use axis::{Axis, Scale};
pub use compare::{CompareChart, CompareRow, Measured};
pub use convergence::{ConvergenceBar, ConvergenceChart, ConvergenceGroup, Reduction};
pub use figure::{ChartError, Figure};
pub use fitness::FitnessChart;
pub use genes::{GenePanel, GeneValue, GenesChart};
pub use heat::{Cell, HeatMap, HeatMark};
pub use range::{Emphasis, RangeChart, RangeRow};
pub use scatter::{ScatterChart, ScatterPoint};
pub use style::MOST_GROUPS;
pub use time::{Series, Span, TimeChart, Trace};
pub use timeline::{Kind, TimelineChart, TimelineWindow};
