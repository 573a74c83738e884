//! Which emulated disks there are: one file each in a directory that does not survive a reboot.

use crate::{Error, Spec, loop_device};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where emulated disks are registered unless told.
pub const DEFAULT_DIRECTORY: &str = "/run/emudisk";

/// A process, told apart from a later one of the same number by when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the boot.
    pub started_ticks: u64,
}

impl Process {
    /// The process of that number as it is now; `None` where there is none, or only its remains.
    #[must_use]
    pub fn find(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, also parentheses.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        if state == "Z" || state == "X" {
            return None;
        }
        // Counting from the state, which is field 3, to field 22.
        Some(Self { pid, started_ticks: fields.nth(18)?.parse().ok()? })
    }

    /// Whether it is still there.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::find(self.pid) == Some(self)
    }

    /// Sends a signal to this process and to no later one of its number. That it is gone already is fine.
    pub(crate) fn signal(self, signal: Signal) -> Result<(), Error> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
        let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
        if !self.is_alive() {
            return Ok(());
        }
        match pidfd_send_signal(&fd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(Error::system(format!("send a signal to process {}", self.pid), errno)),
        }
    }
}

/// How an emulated disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It works.
    Attached,
    /// The process that keeps it is gone, and the disk goes once its last user closes it.
    Orphaned,
    /// It is gone, and did not end as it should.
    Dead,
}

/// One emulated disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The loop device's name, such as `loop3`.
    pub name: String,
    /// Its node in /dev.
    pub path: PathBuf,
    /// What sysfs calls the file that it is attached to.
    pub backing_file: String,
    /// What was asked for.
    pub spec: Spec,
    /// The process that keeps the device and its knobs.
    pub keeper: Process,
    /// The process that serves the requests.
    pub server: Process,
    /// Where the serving process listens.
    pub control: PathBuf,
}

impl Entry {
    /// How the disk is now.
    #[must_use]
    pub fn state(&self) -> State {
        if !self.server.is_alive() {
            State::Dead
        } else if self.keeper.is_alive() {
            State::Attached
        } else {
            State::Orphaned
        }
    }

    fn is_attached(&self) -> bool {
        loop_device::backing_file(&self.name).as_deref() == Some(&self.backing_file)
    }
}

/// The directory.
#[derive(Clone, Debug)]
pub struct Registry {
    directory: PathBuf,
}

impl Registry {
    /// The registry in `directory`, which need not exist.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn create(&self) -> Result<(), Error> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.directory).map_err(|error| Error::path("make", &self.directory, error))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }

    pub(crate) fn write(&self, entry: &Entry) -> Result<(), Error> {
        let path = self.file(&entry.name);
        let text = serde_json::to_vec_pretty(entry).map_err(|error| Error::path("write", &path, error))?;
        // A reader meets the whole of it or none.
        let new = path.with_extension("new");
        std::fs::write(&new, text).map_err(|error| Error::path("write", &new, error))?;
        std::fs::rename(&new, &path).map_err(|error| Error::path("write", &path, error))
    }

    /// Forgets a disk, unless the number is another's by now.
    pub(crate) fn remove(&self, entry: &Entry) {
        let _ = std::fs::remove_file(&entry.control);
        if self.find(&entry.name).ok().flatten().is_some_and(|there| there.keeper == entry.keeper) {
            let _ = std::fs::remove_file(self.file(&entry.name));
        }
    }

    /// All emulated disks, in the order of their names. A file that cannot be understood is an error.
    ///
    /// # Errors
    ///
    /// Where the directory is there and cannot be read.
    pub fn all(&self) -> Result<Vec<Entry>, Error> {
        let listing = match std::fs::read_dir(&self.directory) {
            Ok(listing) => listing,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(not_read(&self.directory, error)),
        };
        let mut names: Vec<String> = listing
            .filter_map(|file| Some(file.ok()?.file_name().to_str()?.strip_suffix(".json")?.to_owned()))
            .collect();
        names.sort_by_key(|name| (name.len(), name.clone()));
        names.iter().filter_map(|name| self.find(name).transpose()).collect()
    }

    /// The emulated disk called `name`, such as `loop3`; `None` where it is none of ours.
    ///
    /// # Errors
    ///
    /// Where its file cannot be read or understood.
    pub fn find(&self, name: &str) -> Result<Option<Entry>, Error> {
        let path = self.file(name);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| Error::path("understand", &path, error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(not_read(&path, error)),
        }
    }

    /// Detaches a disk and waits until it is gone. A working one is asked to end; what is left of a dead one is
    /// cleared away. `false` where somebody still has the device open: it then detaches at the last close.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or the keeper does not end within `patience`.
    pub fn detach(&self, entry: &Entry, patience: Duration) -> Result<bool, Error> {
        if entry.keeper.is_alive() {
            entry.keeper.signal(Signal::TERM)?;
            let until = Instant::now() + patience;
            while entry.keeper.is_alive() {
                if Instant::now() >= until {
                    return Err(Error::failed(format!(
                        "process {} does not let go of {} within {patience:?}",
                        entry.keeper.pid, entry.name
                    )));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.clear_away(entry, patience)
    }

    /// Removes what is left of a disk whose keeper is gone.
    fn clear_away(&self, entry: &Entry, patience: Duration) -> Result<bool, Error> {
        if entry.is_attached() {
            // Whoever waits for an answer gets an error instead.
            entry.server.signal(Signal::KILL)?;
            loop_device::detach(&entry.name, &entry.backing_file)?;
        }
        let gone = loop_device::wait_until_detached(&entry.name, &entry.backing_file, patience);
        if gone {
            entry.server.signal(Signal::KILL)?;
            self.remove(entry);
        }
        Ok(gone)
    }

    /// Clears away what is left of disks that did not end as they should.
    pub(crate) fn clear_dead(&self) -> Result<(), Error> {
        for entry in self.all()? {
            if !entry.keeper.is_alive() && entry.state() == State::Dead {
                self.clear_away(&entry, Duration::ZERO)?;
            }
        }
        // A keeper that was killed before its disk was registered leaves nothing but the socket, which bears its number.
        // The server of a registered disk may outlive its keeper, and still be asked through it.
        let asked: Vec<PathBuf> = self.all()?.into_iter().map(|entry| entry.control).collect();
        for file in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let path = file.path();
            let keeper = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            if path.extension().is_some_and(|extension| extension == "socket")
                && !asked.contains(&path)
                && keeper.is_some_and(|pid| Process::find(pid).is_none())
            {
                let _ = std::fs::remove_file(&path);
            }
        }
        Ok(())
    }
}

fn not_read(path: &Path, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return Error::unavailable(format!(
            "cannot read {}: {error}; emulated disks are root's",
            path.display()
        ));
    }
    Error::path("read", path, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_itself_and_nobody_else() {
        let me = Process::find(std::process::id()).unwrap();
        assert!(me.is_alive());
        assert!(!Process { started_ticks: me.started_ticks + 1, ..me }.is_alive());
    }

    #[test]
    fn an_empty_registry_is_no_error_and_garbage_is_one() {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::at(&directory.path().join("none"));
        assert_eq!(registry.all().unwrap(), []);
        let registry = Registry::at(directory.path());
        std::fs::write(directory.path().join("loop7.json"), "{").unwrap();
        assert!(registry.all().unwrap_err().to_string().contains("loop7.json"));
    }
}
