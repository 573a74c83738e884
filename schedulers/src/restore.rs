//! After a death: putting back what the journals say.

use crate::journal::{self, Journal, Read};
use crate::lock::DeviceLock;
use crate::put_back::put_back;
use crate::report::RestoreReport;
use crate::{GuardError, RestoreError};
use kernfs::{Disk, Kernel};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Puts back what runs that died have left, of one device or of all; answers what was done, a report to a journal.
///
/// It waits up to `wait` for a device's lock: a process that was killed inside a write that drains the queue holds
/// it until the write has landed. What is in force and still ours is put back; what an administrator has changed
/// since is left and named. After a restart of the machine, or where another disk has the name now, the journal is
/// dropped and that is said. Once all is back the journal is gone, so a second call does nothing.
///
/// # Errors
/// Where the journals' directory cannot be read. What concerns one device is in its report.
pub fn restore_all(
    kernel: &Arc<dyn Kernel>,
    state_dir: &Path,
    run_dir: &Path,
    device: Option<&str>,
    wait: Duration,
) -> Result<Vec<RestoreReport>, RestoreError> {
    let devices = match device {
        Some(device) => vec![device.to_owned()],
        None => devices_with_journals(state_dir)?,
    };
    let present = |device: &String| journal::path_of(state_dir, device).exists();
    Ok(devices
        .into_iter()
        .filter(present)
        .map(|device| {
            restore_one(kernel, state_dir, run_dir, &device, wait)
                .unwrap_or_else(|error| RestoreReport::of(device.as_str()).fail(error))
        })
        .collect())
}

/// The devices of which a journal is left.
///
/// # Errors
/// Where the journals' directory cannot be read.
pub fn devices_with_journals(state_dir: &Path) -> Result<Vec<String>, RestoreError> {
    let directory = journal::directory(state_dir);
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(RestoreError { path: directory, source }),
    };
    let mut devices: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".jsonl")?.to_owned()))
        .collect();
    devices.sort();
    Ok(devices)
}

fn restore_one(
    kernel: &Arc<dyn Kernel>,
    state_dir: &Path,
    run_dir: &Path,
    device: &str,
    wait: Duration,
) -> Result<RestoreReport, GuardError> {
    let _lock = DeviceLock::take(run_dir, device, wait)?;
    let path = journal::path_of(state_dir, device);
    let (story, problems) = match journal::read(&path) {
        // Whoever held the lock has put everything back meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(RestoreReport::of(device)),
        Err(error) => return Err(GuardError::io("read the journal", path)(error)),
        Ok(Read::Nothing) => {
            std::fs::remove_file(&path).map_err(GuardError::io("remove the journal", &path))?;
            return Ok(RestoreReport::of(device).note("the journal had just begun: nothing had been written"));
        }
        Ok(Read::Damaged(why)) => return Ok(set_aside(&path, device, &why)),
        Ok(Read::Story(story, problems)) => (*story, problems),
    };
    let problems: Vec<String> =
        problems.into_iter().map(|problem| format!("{}: {problem}", path.display())).collect();
    let mut journal = Journal::resume(path, story);
    let mut report = tell(kernel, &mut journal, device)?;
    report.notes.extend(problems);
    if !report.failed.is_empty() {
        return Ok(report);
    }
    Ok(match journal.remove() {
        Ok(()) => report,
        Err(error) => report.fail(error),
    })
}

fn tell(kernel: &Arc<dyn Kernel>, journal: &mut Journal, device: &str) -> Result<RestoreReport, GuardError> {
    let report = RestoreReport::of(device);
    let opened = &journal.story().opened;
    if kernfs::boot_id(kernel.as_ref())? != opened.boot_id {
        return Ok(
            report.note("the machine was restarted since, and with it the settings: nothing to put back")
        );
    }
    let gone = "the device has gone, and its settings with it: nothing to put back";
    let disk = match Disk::open(kernel.clone(), device) {
        Ok(disk) if disk.name() == opened.device => disk,
        // A partition of another disk has the name now.
        Ok(_) => return Ok(report.note(gone)),
        Err(error) if error.is_gone() => return Ok(report.note(gone)),
        Err(error) => return Err(error.into()),
    };
    if disk.diskseq()? != opened.diskseq {
        let note = "another disk has this name now: nothing was put back on it";
        return Ok(report.note(note));
    }
    match put_back(&disk, journal) {
        Err(error) if error.is_gone() => Ok(report.note(gone)),
        result => Ok(result?),
    }
}

/// A journal that makes no sense must not keep the device from ever being tuned again, nor be lost.
fn set_aside(path: &PathBuf, device: &str, why: &str) -> RestoreReport {
    let aside = path.with_extension("damaged");
    let report = RestoreReport::of(device);
    match std::fs::rename(path, &aside) {
        Ok(()) => report.fail(format_args!(
            "the journal is damaged ({why}) and was moved to {}: the originals are not known",
            aside.display()
        )),
        Err(error) => {
            report.fail(format_args!("the journal is damaged ({why}) and cannot be moved: {error}"))
        }
    }
}
