//! A TuneD profile.

use super::subject::Subject;
use super::{Freeze, file, printable};
use std::fmt::Write;

/// TuneD's sysfs plug-in goes by path.
pub(super) const WARNING: &str =
    "a TuneD profile knows the disk by its name only, which another boot may give to another disk";

/// The profile's `tuned.conf`. Its sysfs plug-in writes in the order of the file and puts back when it is unloaded.
pub(super) fn profile(freeze: &Freeze<'_>, subject: &Subject) -> String {
    let mut text = freeze.comments();
    let _ = writeln!(text, "# Note: {WARNING}.");
    let _ = writeln!(text, "# As /etc/tuned/tunerd/tuned.conf; then: tuned-adm profile tunerd");
    let name = printable(&subject.name);
    let class = &freeze.row.key.class;
    let _ =
        writeln!(text, "[main]\nsummary=I/O settings that tunerd confirmed for {class} on {name}\n\n[sysfs]");
    for step in &freeze.steps {
        let _ = writeln!(text, "/sys/block/{name}/{}={}", file(step.knob), step.value);
    }
    text
}
