//! The machine that a figure was made on.

use crate::bench::sysfs::read_under;
use serde::Serialize;

/// What a reader needs to know to make the figure again.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// Release of the running kernel.
    pub kernel: String,
    /// Processors that this program may use.
    pub cpus: usize,
    /// Mean number of runnable tasks in the last minute, before the measurement began.
    pub load: f64,
    /// Version of this program, and so of tunerd.
    pub version: &'static str,
}

impl Host {
    /// This machine, now.
    #[must_use]
    pub fn now() -> Self {
        let load = read_under("/proc/loadavg")
            .ok()
            .and_then(|text| text.split_whitespace().next()?.parse().ok())
            .unwrap_or(f64::NAN);
        Self {
            kernel: read_under("/proc/sys/kernel/osrelease").unwrap_or_else(|_| "unknown".to_owned()),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            load,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// In a line; a machine that was not quiet is called so.
    #[must_use]
    pub fn line(&self) -> String {
        let busy = if self.load > 0.5 { ", so the machine was not quiet" } else { "" };
        format!(
            "Linux {}, {} processors, tunerd {}; load average before: {:.2}{busy}",
            self.kernel, self.cpus, self.version, self.load
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_is_called_one() {
        let host = |load| Host { kernel: "6.18".into(), cpus: 2, load, version: "0.1.0" };
        assert!(host(1.5).line().contains("not quiet"));
        assert!(!host(0.1).line().contains("not quiet"));
    }
}
