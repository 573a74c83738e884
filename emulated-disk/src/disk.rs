//! An emulated disk as a value: attached when it is made, detached when it is dropped.

use crate::control::{self, Order};
use crate::registry::{DEFAULT_DIRECTORY, Entry, Registry, State};
use crate::{Error, Spec, Stats};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the keeper may take to end. It gives users of the disk 2 s, and the kernel 5 s twice.
pub(crate) const DETACH_PATIENCE: Duration = Duration::from_secs(15);

/// What the keeper says once: that the disk is there, or why it is not.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It is there.
    Ready(Box<Entry>),
    /// This machine or this user cannot have one.
    Unavailable(String),
    /// What was asked for makes no sense.
    Invalid(String),
    /// Something failed.
    Failed(String),
}

impl From<&Error> for Report {
    fn from(error: &Error) -> Self {
        match error {
            Error::Unavailable(why) => Self::Unavailable(why.clone()),
            Error::Invalid(why) => Self::Invalid(why.clone()),
            Error::System { .. } | Error::Failed(_) => Self::Failed(error.to_string()),
        }
    }
}

/// An emulated disk, kept by a process of its own (the program `emudisk`).
///
/// The disk is served by other processes because the caller's may wait for it: a write to one of its knobs freezes the
/// queue until all that is in flight is answered, and memory that the caller asks for may have to be written
/// to it first. When this is dropped the disk is detached, also where that is because the caller was killed.
#[derive(Debug)]
pub struct EmulatedDisk {
    entry: Entry,
    /// Its standard input is what ties it to this process.
    keeper: Child,
}

impl EmulatedDisk {
    /// Attaches a disk. The program `emudisk` is looked for beside the running one and in the directory above
    /// that, which is where cargo puts it for tests.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where this machine or this user cannot have one; [`Error::Invalid`] where `spec`
    /// makes no sense.
    pub fn attach(spec: &Spec) -> Result<Self, Error> {
        Self::attach_with(&find_program()?, Path::new(DEFAULT_DIRECTORY), spec)
    }

    /// Attaches a disk by the given `emudisk`, and registers it in the given directory.
    ///
    /// # Errors
    ///
    /// As [`Self::attach`].
    pub fn attach_with(program: &Path, registry: &Path, spec: &Spec) -> Result<Self, Error> {
        let (entry, keeper) = start_keeper(program, registry, spec, Stdio::piped())?;
        Ok(Self { entry, keeper })
    }

    /// Its node in /dev.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.entry.path
    }

    /// Its name, such as `loop3`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// What is registered of it.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// What it did so far.
    ///
    /// # Errors
    ///
    /// Where the serving process is gone.
    pub fn stats(&self) -> Result<Stats, Error> {
        stats(&self.entry)
    }

    /// Detaches it, and says where something is left.
    ///
    /// # Errors
    ///
    /// Where the device is still open in another program, or the serving process had died.
    pub fn detach(mut self) -> Result<(), Error> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Error> {
        // The keeper takes its end for ours.
        drop(self.keeper.stdin.take());
        let until = Instant::now() + DETACH_PATIENCE;
        loop {
            match self.keeper.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    return Err(Error::failed(format!("{} did not end well: {status}", self.entry.name)));
                }
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
                Ok(None) => {
                    return Err(Error::failed(format!("{} is not detached yet", self.entry.name)));
                }
                Err(error) => return Err(Error::system("wait for the keeper", error)),
            }
        }
    }
}

impl Drop for EmulatedDisk {
    fn drop(&mut self) {
        // One who wants to know calls `detach`.
        let _ = self.end();
    }
}

/// What a disk did so far.
///
/// # Errors
///
/// Where the serving process is gone.
pub fn stats(entry: &Entry) -> Result<Stats, Error> {
    if entry.state() == State::Dead {
        return Err(Error::failed(format!("{} is dead: the process that served it is gone", entry.name)));
    }
    control::ask(&entry.control, Order::Stats)
}

/// Attaches a disk that stays when this process ends, until somebody detaches it.
///
/// # Errors
///
/// As [`EmulatedDisk::attach`].
pub fn attach_detached(program: &Path, registry: &Registry, spec: &Spec) -> Result<Entry, Error> {
    start_keeper(program, registry.directory(), spec, Stdio::null()).map(|(entry, _)| entry)
}

fn start_keeper(program: &Path, registry: &Path, spec: &Spec, tie: Stdio) -> Result<(Entry, Child), Error> {
    spec.check()?;
    let described = serde_json::to_string(spec).map_err(|error| Error::system("describe the disk", error))?;
    let mut command = Command::new(program);
    command.arg("keep").args(["--spec", &described, "--registry"]).arg(registry);
    // Standard error too: whoever reads ours to its end must not wait for a process that stays.
    command.stdin(tie).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut keeper = command.spawn().map_err(|error| Error::path("start", program, error))?;
    let mut line = String::new();
    if let Some(stdout) = keeper.stdout.take() {
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| Error::system("hear from the keeper", error))?;
    }
    match serde_json::from_str(&line) {
        Ok(Report::Ready(entry)) => Ok((*entry, keeper)),
        Ok(report) => {
            let _ = keeper.wait();
            Err(match report {
                Report::Unavailable(why) => Error::Unavailable(why),
                Report::Invalid(why) => Error::Invalid(why),
                Report::Failed(why) => Error::Failed(why),
                Report::Ready(_) => Error::failed("the keeper spoke twice"),
            })
        }
        Err(error) => {
            let _ = keeper.kill();
            let status = keeper.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(Error::failed(format!(
                "the keeper ({}) said {line:?} ({error}); {status}",
                program.display()
            )))
        }
    }
}

fn find_program() -> Result<PathBuf, Error> {
    let me = std::env::current_exe().map_err(|error| Error::system("find the running program", error))?;
    let candidates: Vec<PathBuf> =
        me.ancestors().skip(1).take(2).map(|directory| directory.join("emudisk")).collect();
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        Error::failed(format!("there is no emudisk beside {} nor above: build it with --bins", me.display()))
    })
}
