//! One tunerd to a device.

use crate::GuardError;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// The exclusive hold on a device.
///
/// It is `flock(2)` on `<run_dir>/<device>.lock`, which the kernel lets go of when the process has ended in every
/// thread: one that was killed inside a write that drains the queue still holds it, and its write still lands. So
/// whoever has the lock knows that no write of an earlier holder is under way.
#[derive(Debug)]
pub(crate) struct DeviceLock {
    _file: File,
}

#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
}

impl DeviceLock {
    /// Takes the lock, waiting for it no longer than `wait`.
    pub(crate) fn take(run_dir: &Path, device: &str, wait: Duration) -> Result<Self, GuardError> {
        const LOOK: Duration = Duration::from_millis(20);
        std::fs::create_dir_all(run_dir).map_err(GuardError::io("make the run directory", run_dir))?;
        let path = run_dir.join(format!("{device}.lock"));
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(GuardError::io("open the lock", &path))?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begun.elapsed() < wait => std::thread::sleep(LOOK),
                Err(TryLockError::WouldBlock) => {
                    return Err(GuardError::HeldBy { device: device.to_owned(), pid: holder(&mut file) });
                }
                Err(TryLockError::Error(source)) => return Err(GuardError::io("lock", &path)(source)),
            }
        }
        // Who holds it is for messages only; a disk that is full does not make the lock worth less.
        let _ = sign(&mut file);
        Ok(Self { _file: file })
    }
}

/// The process that holds a device now, by its lock; `None` where nobody does, or the lock does not say.
#[must_use]
pub fn holder_of(run_dir: &Path, device: &str) -> Option<u32> {
    let mut file = File::open(run_dir.join(format!("{device}.lock"))).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => holder(&mut file),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    let line = serde_json::to_string(&Holder { pid: std::process::id() })?;
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{line}")
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str::<Holder>(&text).ok().map(|holder| holder.pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_was_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = DeviceLock::take(dir.path(), "sda", Duration::ZERO).unwrap();
        let error = DeviceLock::take(dir.path(), "sda", Duration::from_millis(50)).unwrap_err();
        assert!(
            matches!(&error, GuardError::HeldBy { pid: Some(pid), .. } if *pid == std::process::id()),
            "{error}"
        );
        assert!(DeviceLock::take(dir.path(), "sdb", Duration::ZERO).is_ok());
        drop(first);
        assert!(DeviceLock::take(dir.path(), "sda", Duration::ZERO).is_ok());
    }
}
