//! A comparison as one HTML page that needs nothing else: no network, no script, charts as SVG inside.

use super::report::Report;
use super::session::void_words;
use super::{Word, chart, ending};
use block_types::{Knob, Nanos};
use results::chart::{ChartError, Figure};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use trials::Void;

const STYLE: &str = "body{font:16px/1.5 'DejaVu Sans',Verdana,sans-serif;color:#1e1e1e;background:#fff;max-width:56rem;\
margin:2rem auto;padding:0 1rem}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}pre{background:#f4f4ee;\
padding:.8rem;white-space:pre-wrap;border-left:.3rem solid #0072b2}table{border-collapse:collapse}th,td{text-align:\
left;padding:.2rem 1.2rem .2rem 0;border-bottom:1px solid #dadada;font-variant-numeric:tabular-nums}tr.moved td{font-\
weight:bold}svg{max-width:100%;height:auto}.word{font-weight:bold}";

/// The page.
///
/// # Errors
/// Where a chart cannot be drawn.
pub(super) fn page(report: &Report) -> Result<String, ChartError> {
    let mut html = String::new();
    let facts = &report.facts;
    let title = format!("{}: {} against {}", facts.device, report.child, report.control);
    let mut put = |text: &str| html.push_str(text);
    put("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    put("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
    put(&format!("<title>{}</title>\n<style>{STYLE}</style></head><body>\n", escape(&title)));
    put(&format!(
        "<h1>{}</h1>\n<p>The setting is <span class=\"word\">{}</span>",
        escape(&title),
        report.word()
    ));
    put(&report.ending.why().map_or_else(String::new, |why| format!(": {}", escape(&why))));
    put(".</p>\n<p>To paste into a ticket:</p>\n");
    put(&format!("<pre>{}</pre>\n", escape(&report.ticket())));
    if report.word() == Word::NoDifference {
        put("<p>Both limits of the gain lie within 1 %: whatever difference there is, it is smaller.</p>\n");
    }
    if !report.rows.is_empty() {
        put(&inline(&chart::gain(report)?)?);
        put(&inline(&chart::pairs(report)?)?);
    }
    put("<h2>What was measured</h2>\n");
    put(&figures(report));
    put("<h2>Settings</h2>\n");
    put(&settings(report));
    put("<h2>On what, and how</h2>\n");
    put(&conditions(report));
    put("<h2>What was left out, and what went wrong</h2>\n");
    put(&losses(report));
    put("</body></html>\n");
    Ok(html)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The figure inside a page: without what makes it a document of its own.
fn inline(figure: &Figure) -> Result<String, ChartError> {
    let svg = figure.svg()?;
    let start = svg.find("<svg").unwrap_or(0);
    Ok(format!("<p>{}</p>\n", &svg[start..]))
}

fn table<'a>(head: &[&str], rows: impl IntoIterator<Item = (bool, Vec<String>)> + 'a) -> String {
    let cells = |tag: &str, row: &[String]| {
        row.iter().fold(String::new(), |mut text, cell| {
            // Writing to a string cannot fail.
            let _ = write!(text, "<{tag}>{}</{tag}>", escape(cell));
            text
        })
    };
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let mut html = format!("<table><thead><tr>{}</tr></thead><tbody>\n", cells("th", &head));
    for (moved, row) in rows {
        let class = if moved { " class=\"moved\"" } else { "" };
        let _ = writeln!(html, "<tr{class}>{}</tr>", cells("td", &row));
    }
    html + "</tbody></table>\n"
}

fn unknown() -> String {
    "–".to_owned()
}

fn figures(report: &Report) -> String {
    let both = [&report.child_figures, &report.control_figures];
    let time = |ns: Option<u64>| ns.map_or_else(unknown, |ns| Nanos(ns).to_string());
    let number = |value: Option<f64>, factor: f64, digits: usize| {
        value.map_or_else(unknown, |value| format!("{:.digits$}", value * factor))
    };
    let mut rows: Vec<(&str, [String; 2])> = vec![
        ("slices", both.map(|arm| arm.slices.to_string())),
        ("MB/s", both.map(|arm| number(arm.bytes_per_s, 1e-6, 2))),
        ("mean latency of what somebody waits for", both.map(|arm| time(arm.mean_latency_ns))),
        ("p99 of reads", both.map(|arm| format!("{} ({} reads)", time(arm.read_p99_ns), arm.reads))),
        ("busy, %", both.map(|arm| number(arm.busy_share, 100.0, 0))),
        ("requests in flight, mean", both.map(|arm| number(arm.mean_queue, 1.0, 1))),
    ];
    if both.iter().any(|arm| arm.longest_drain_ns.is_some()) {
        rows.push((
            "longest time that putting it in force drained the queue",
            both.map(|arm| time(arm.longest_drain_ns)),
        ));
    }
    let rows =
        rows.into_iter().map(|(what, [child, control])| (false, vec![what.to_owned(), child, control]));
    table(&["", &report.child, &report.control], rows)
}

fn settings(report: &Report) -> String {
    let all = [&report.child_settings, &report.control_settings, &report.originals];
    let knobs: BTreeSet<Knob> =
        all.iter().flat_map(|settings| settings.iter()).map(|setting| setting.knob).collect();
    let rows = knobs.into_iter().map(|knob| {
        let values = all.map(|settings| settings.get(knob));
        let moved = values[0] != values[1];
        let words = values.map(|value| value.map_or_else(unknown, |value| value.to_string()));
        (moved, std::iter::once(knob.to_string()).chain(words).collect())
    });
    table(&["knob", "child", "control", "before"], rows)
}

fn conditions(report: &Report) -> String {
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
    table(&["", ""], rows.map(|(what, value)| (false, vec![what.to_owned(), value])))
}

fn losses(report: &Report) -> String {
    let voids = &report.voids;
    let counted = [
        (Void::Idle, voids.idle),
        (Void::FingerprintChanged, voids.fingerprint_changed),
        (Void::Suspended, voids.suspended),
        (Void::ForeignWrite, voids.foreign_write),
        (Void::DeviceError, voids.device_error),
    ];
    let rows = counted.iter().filter(|(_, count)| *count > 0);
    let mut html = match voids.rate() {
        Some(rate) if voids.voids() > 0 => {
            let table = table(
                &["void slices", ""],
                rows.map(|(void, count)| (false, vec![void_words(*void).to_owned(), count.to_string()])),
            );
            format!("<p>{:.0} % of the slices were void.</p>\n{table}", rate * 100.0)
        }
        _ => "<p>No slice was void.</p>\n".to_owned(),
    };
    let carried = report.child_figures.carried_bios + report.control_figures.carried_bios;
    let _ = writeln!(
        html,
        "<p>The guard took the child back {} times; it was in force for {} before. {carried} bios of one side completed \
         in slices of the other and were not scored. At most {} knobs were written in a minute.</p>",
        report.violations.count, report.violations.time, report.most_writes_a_minute
    );
    for note in &report.notes {
        let _ = writeln!(html, "<p>{}</p>", escape(note));
    }
    let left = report.restored.left_in_words();
    if left.is_empty() {
        html.push_str("<p>Every original setting is back.</p>\n");
    } else {
        let _ = writeln!(html, "<p>Not put back: {}</p>", escape(&left.join("; ")));
    }
    html
}
