//! A comparison as one HTML page that needs nothing else: no network, no script, charts as SVG inside.

use super::report::Report;
use super::session::void_words;
use super::{Word, chart, ending};
use block_types::{Knob, Nanos};
use results::chart::ChartError;
use results::html::Page;
use results::record::Table;
use std::collections::BTreeSet;
use trials::Void;

/// The page.
///
/// # Errors
/// Where a chart cannot be drawn.
pub(super) fn page(report: &Report) -> Result<Page, ChartError> {
    let facts = &report.facts;
    let mut page = Page::new(&format!("{}: {} against {}", facts.device, report.child, report.control));
    let why = report.ending.why().map_or_else(String::new, |why| format!(": {why}"));
    page.paragraph(&format!("The setting is {}{why}.", report.word()));
    page.paragraph("To paste into a ticket:");
    page.preformatted(&report.ticket());
    if report.word() == Word::NoDifference {
        page.paragraph(
            "Both limits of the gain lie within 1 %: whatever difference there is, it is smaller.",
        );
    }
    if !report.rows.is_empty() {
        page.chart("", &chart::gain(report)?)?;
        page.chart("", &chart::pairs(report)?)?;
    }
    page.heading("What was measured");
    figures(&mut page, report);
    page.heading("Settings");
    settings(&mut page, report);
    page.heading("On what, and how");
    conditions(&mut page, report);
    page.heading("What was left out, and what went wrong");
    losses(&mut page, report);
    Ok(page)
}

fn unknown() -> String {
    "–".to_owned()
}

fn figures(page: &mut Page, report: &Report) {
    let both = [&report.child_figures, &report.control_figures];
    let time = |ns: Option<u64>| ns.map_or_else(unknown, |ns| Nanos(ns).to_string());
    let number = |value: Option<f64>, factor: f64, digits: usize| {
        value.map_or_else(unknown, |value| format!("{:.digits$}", value * factor))
    };
    let mut table = Table::new(&["", &report.child, &report.control]);
    let mut row = |what: &str, [child, control]: [String; 2]| table.row([what.to_owned(), child, control]);
    row("slices", both.map(|arm| arm.slices.to_string()));
    row("MB/s", both.map(|arm| number(arm.bytes_per_s, 1e-6, 2)));
    row("mean latency of what somebody waits for", both.map(|arm| time(arm.mean_latency_ns)));
    row("p99 of reads", both.map(|arm| format!("{} ({} reads)", time(arm.read_p99_ns), arm.reads)));
    row("busy, %", both.map(|arm| number(arm.busy_share, 100.0, 0)));
    row("requests in flight, mean", both.map(|arm| number(arm.mean_queue, 1.0, 1)));
    if both.iter().any(|arm| arm.longest_drain_ns.is_some()) {
        let drains = both.map(|arm| time(arm.longest_drain_ns));
        row("longest time that putting it in force drained the queue", drains);
    }
    page.table("", &table);
}

fn settings(page: &mut Page, report: &Report) {
    let all = [&report.child_settings, &report.control_settings, &report.originals];
    let knobs: BTreeSet<Knob> =
        all.iter().flat_map(|settings| settings.iter()).map(|setting| setting.knob).collect();
    let (differ, alike): (Vec<Knob>, Vec<Knob>) =
        knobs.into_iter().partition(|knob| all[0].get(*knob) != all[1].get(*knob));
    for (caption, knobs) in [("What differs", differ), ("What is alike", alike)] {
        if knobs.is_empty() {
            continue;
        }
        let mut table = Table::new(&["knob", "child", "control", "before"]);
        for knob in knobs {
            let word = |value: Option<_>| {
                value.map_or_else(unknown, |value: block_types::KnobValue| value.to_string())
            };
            table.row(std::iter::once(knob.to_string()).chain(all.map(|settings| word(settings.get(knob)))));
        }
        page.table(caption, &table);
    }
}

fn conditions(page: &mut Page, report: &Report) {
    let facts = &report.facts;
    let slices = &report.bench;
    let settle = slices.settle;
    let classes: Vec<String> =
        report.classes.iter().map(|(class, pairs)| format!("{class} ({pairs} pairs)")).collect();
    let settling = if facts.shortened {
        format!("{}, shortened by request", settle.least)
    } else {
        format!("{} and {} completions, at most {}", settle.least, settle.completions, settle.most)
    };
    let rows = [
        ("disk", format!("{}, {}", facts.device, facts.model.as_deref().unwrap_or("no model told"))),
        ("kernel", facts.kernel.clone()),
        ("samples", facts.source.clone()),
        ("work", if classes.is_empty() { unknown() } else { classes.join(", ") }),
        ("slice", slices.slice.to_string()),
        ("settling before it", settling),
        ("length", ending::length(report.length)),
        ("seed of the order", report.seed.to_string()),
        ("command", facts.command.join(" ")),
    ];
    page.facts(rows.iter().map(|(what, value)| (*what, value.as_str())));
}

fn losses(page: &mut Page, report: &Report) {
    let voids = &report.voids;
    match voids.rate() {
        Some(rate) if voids.voids() > 0 => {
            page.paragraph(&format!("{:.0} % of the slices were void.", rate * 100.0));
            let mut table = Table::new(&["void slices", ""]);
            for (void, count) in [
                (Void::Idle, voids.idle),
                (Void::FingerprintChanged, voids.fingerprint_changed),
                (Void::Suspended, voids.suspended),
                (Void::ForeignWrite, voids.foreign_write),
                (Void::DeviceError, voids.device_error),
            ] {
                if count > 0 {
                    table.row([void_words(void).to_owned(), count.to_string()]);
                }
            }
            page.table("", &table);
        }
        _ => page.paragraph("No slice was void."),
    }
    let carried = report.child_figures.carried_bios + report.control_figures.carried_bios;
    page.paragraph(&format!(
        "The guard took the child back {} times; it was in force for {} before. {carried} bios of one side completed in \
         slices of the other and were not scored. At most {} knobs were written in a minute.",
        report.violations.count, report.violations.time, report.most_writes_a_minute
    ));
    for note in &report.notes {
        page.paragraph(note);
    }
    let left = report.restored.left_in_words();
    if left.is_empty() {
        page.paragraph("Every original setting is back.");
    } else {
        page.warning(&format!("Not put back: {}", left.join("; ")));
    }
}
