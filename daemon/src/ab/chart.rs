//! The two charts of a comparison.

use super::report::Report;
use results::chart::{Axis, ChartError, Figure, Scale, Series, TimeChart, Trace};

/// How large the gain is after each pair, with its limits.
pub(super) fn gain(report: &Report) -> Result<Figure, ChartError> {
    let points = |value: &dyn Fn(&super::PairRow) -> Option<f64>| -> Vec<(f64, f64)> {
        report.rows.iter().filter_map(|row| Some((f64::from(row.pair), value(row)?))).collect()
    };
    let series = |name: &str, trace, points| Series { name: name.to_owned(), trace, points };
    chart(
        report,
        "Gain after each pair",
        vec![
            series("gain so far", Trace::Line, points(&|row| Some(row.gain_so_far_per_cent))),
            series("lower limit", Trace::Steps, points(&|row| row.lower_per_cent)),
            series("upper limit", Trace::Steps, points(&|row| row.upper_per_cent)),
        ],
        vec![
            "The limits hold at every look at once (95 %), so one may stop whenever one likes. There are none before the \
             sixth pair."
                .to_owned(),
        ],
    )
}

/// What each pair said.
pub(super) fn pairs(report: &Report) -> Result<Figure, ChartError> {
    let zero = report.rows.iter().map(|row| (f64::from(row.pair), 0.0)).collect();
    let each = report.rows.iter().map(|row| (f64::from(row.pair), row.gain_per_cent)).collect();
    chart(
        report,
        "What each pair said",
        vec![
            Series { name: "child against control".to_owned(), trace: Trace::Line, points: each },
            Series { name: "no difference".to_owned(), trace: Trace::Steps, points: zero },
        ],
        Vec::new(),
    )
}

fn chart(
    report: &Report,
    title: &str,
    series: Vec<Series>,
    notes: Vec<String>,
) -> Result<Figure, ChartError> {
    TimeChart {
        title: title.to_owned(),
        subtitle: format!("{}: {} against {}", report.facts.device, report.child, report.control),
        time_label: "pair".to_owned(),
        time_unit: "number".to_owned(),
        value: Axis::new(&format!("gain, {}", report.objective.name()), "%", Scale::Linear),
        series,
        spans: Vec::new(),
        notes,
    }
    .figure()
}
