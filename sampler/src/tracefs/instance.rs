//! A private tracing instance: made, set up, and removed again.

use crate::{SamplerError, SourceKind};
use block_types::DevNo;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "tunerd-";
const EVENTS: [&str; 2] = ["block_bio_queue", "block_rq_complete"];
/// Each CPU's buffer, KiB: at 100 bytes to an event, 20 ms of 1 M events/s.
const BUFFER_KB: &str = "2048";

/// A directory of `instances/`, removed when dropped.
#[derive(Debug)]
pub(super) struct Instance {
    path: PathBuf,
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> SamplerError {
    SamplerError::Io { operation, path: path.to_owned(), source }
}

impl Instance {
    /// Makes an instance that traces the bios and completions of these devices (disks and partitions), not yet
    /// running. `root` is where tracefs is mounted. `alive` tells whether a process is: instances that dead
    /// ones left are removed.
    pub(super) fn create(
        root: &Path,
        pid: u32,
        devices: &[DevNo],
        alive: impl Fn(u32) -> bool,
    ) -> Result<Self, SamplerError> {
        let instances = root.join("instances");
        if !instances.is_dir() {
            return Err(SamplerError::Unavailable {
                kind: SourceKind::Tracefs,
                why: format!("there is no {}: tracefs is not mounted, or not for us", instances.display()),
            });
        }
        remove_leftovers(&instances, pid, alive);
        // One process may open several sources.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = instances.join(format!("{PREFIX}{pid}-{number}"));
        fs::create_dir(&path).map_err(|error| io_error("make the tracing instance", &path, error))?;
        // From here on dropping it removes the directory.
        let instance = Self { path };
        instance.set("tracing_on", "0")?;
        instance.set("trace_clock", "mono")?;
        instance.set("buffer_size_kb", BUFFER_KB)?;
        let filter = devices
            .iter()
            .map(|device| format!("dev == {}", device.to_kernel()))
            .collect::<Vec<_>>()
            .join(" || ");
        for event in EVENTS {
            if !filter.is_empty() {
                instance.set(&format!("events/block/{event}/filter"), &filter)?;
            }
            instance.set(&format!("events/block/{event}/enable"), "1")?;
        }
        Ok(instance)
    }

    fn set(&self, file: &str, value: &str) -> Result<(), SamplerError> {
        let path = self.path.join(file);
        OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(value.as_bytes()))
            .map_err(|error| io_error("write", &path, error))
    }

    /// Lets events in, or keeps them out.
    pub(super) fn run(&self, on: bool) -> Result<(), SamplerError> {
        self.set("tracing_on", if on { "1" } else { "0" })
    }

    /// The text of events, oldest first. Reading never blocks. To be closed before the instance is dropped.
    pub(super) fn pipe(&self) -> Result<File, SamplerError> {
        let path = self.path.join("trace_pipe");
        OpenOptions::new()
            .read(true)
            .custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0))
            .open(&path)
            .map_err(|error| io_error("open", &path, error))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Events still under way keep it busy for a moment.
        let removed = self.run(false).is_ok() && retry(|| fs::remove_dir(&self.path)).is_ok();
        if !removed {
            tracing::warn!(path = %self.path.display(), "the tracing instance could not be removed");
        }
    }
}

fn retry(mut what: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut result = what();
    for _ in 0..10 {
        match &result {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(std::time::Duration::from_millis(5));
                result = what();
            }
            _ => break,
        }
    }
    result
}

/// The process that made an instance, if the name is one of ours.
fn maker(name: &str) -> Option<u32> {
    let (pid, number) = name.strip_prefix(PREFIX)?.split_once('-')?;
    number.parse::<u32>().ok()?;
    pid.parse().ok()
}

/// Removes what processes that were killed left behind. One that cannot be removed is left to the next start.
fn remove_leftovers(instances: &Path, pid: u32, alive: impl Fn(u32) -> bool) {
    let Ok(entries) = fs::read_dir(instances) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if let Some(maker) = name.to_str().and_then(maker)
            && maker != pid
            && !alive(maker)
        {
            match fs::remove_dir(entry.path()) {
                Ok(()) => tracing::info!(instance = ?name, "removed the tracing instance of a dead process"),
                Err(error) => {
                    tracing::warn!(instance = ?name, %error, "a dead process's tracing instance stays");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_ours() {
        assert_eq!(maker("tunerd-123-0"), Some(123));
        for other in ["tunerd-123", "tunerd-x-1", "tunerd-1-x", "trace-1-1", "tunerd--1"] {
            assert_eq!(maker(other), None, "{other}");
        }
    }

    #[test]
    fn what_the_dead_left_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["tunerd-10-0", "tunerd-11-0", "tunerd-12-3", "bpftrace-10", "tunerd-10"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        remove_leftovers(dir.path(), 12, |pid| pid == 11);
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["bpftrace-10", "tunerd-10", "tunerd-11-0", "tunerd-12-3"]);
    }

    #[test]
    fn without_tracefs_it_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let error = Instance::create(dir.path(), 1, &[], |_pid| true).unwrap_err();
        assert!(matches!(error, SamplerError::Unavailable { kind: SourceKind::Tracefs, .. }), "{error}");
    }
}
