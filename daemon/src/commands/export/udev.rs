//! A udev rule.

use super::subject::Subject;
use super::{Freeze, file};
use std::fmt::Write;

/// The rule: one line for each knob, in the order that the kernel's side effects dictate.
pub(super) fn rule(freeze: &Freeze<'_>, subject: &Subject) -> String {
    let mut text = freeze.comments();
    if let Some(warning) = subject.warning() {
        let _ = writeln!(text, "# Note: {warning}.");
    }
    let _ = writeln!(
        text,
        "# As /etc/udev/rules.d/90-tunerd.rules; then: udevadm control --reload && udevadm trigger -s block"
    );
    let mark = match subject.attribute() {
        Some((attribute, value)) => format!("ATTR{{{attribute}}}==\"{}\"", pattern(value)),
        None => format!("KERNEL==\"{}\"", pattern(&subject.name)),
    };
    for step in &freeze.steps {
        let _ = writeln!(
            text,
            "ACTION==\"add|change\", SUBSYSTEM==\"block\", ENV{{DEVTYPE}}==\"disk\", {mark}, ATTR{{{}}}=\"{}\"",
            file(step.knob),
            step.value
        );
    }
    text
}

/// A value as a pattern that matches it: what has a meaning in a pattern becomes "any character".
fn pattern(value: &str) -> String {
    value.chars().map(|c| if matches!(c, '*' | '?' | '[' | ']' | '|') { '?' } else { c }).collect()
}
