//! A file system of our own, that leaves nothing behind.
#![allow(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Runs a program; what it printed, or what it complained about.
fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Why no disk can be made here, if so.
pub(crate) fn missing() -> Option<String> {
    // The device goes with its last user, mounted or not.
    Loop::attach(8 << 20).err()
}

/// A loop device on memory, that detaches when nobody has it open.
struct Loop {
    path: PathBuf,
    // Held so that it lives as long as this.
    _holder: File,
    _directory: TempDir,
}

impl Loop {
    fn attach(bytes: u64) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("ffsb-test.").tempdir_in("/dev/shm");
        let directory = directory.map_err(|error| format!("/dev/shm: {error}"))?;
        let file = directory.path().join("disk");
        File::create_new(&file).and_then(|file| file.set_len(bytes)).map_err(|error| error.to_string())?;
        let device = output("losetup", &["--find", "--show", &file.display().to_string()])?;
        let holder = File::open(&device).map_err(|error| format!("{device}: {error}"))?;
        // Only marks it, while it is open.
        output("losetup", &["-d", &device])?;
        fs::remove_file(&file).map_err(|error| error.to_string())?;
        Ok(Self { path: PathBuf::from(device), _holder: holder, _directory: directory })
    }
}

/// A mounted file system.
pub(crate) struct Mounted {
    directory: TempDir,
    device: Option<Loop>,
}

/// Sectors of 512 bytes that a device has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sectors {
    pub(crate) read: u64,
    pub(crate) written: u64,
}

impl Mounted {
    fn mount(device: Option<Loop>, kind: &str, options: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("ffsb-test.").tempdir().expect("a directory");
        let source =
            device.as_ref().map_or_else(|| "none".to_owned(), |device| device.path.display().to_string());
        let place = directory.path().display().to_string();
        output("mount", &["-t", kind, "-o", options, &source, &place]).expect("a mount");
        Self { directory, device }
    }

    /// An ext4 on a loop device.
    pub(crate) fn ext4(bytes: u64) -> Self {
        let device = Loop::attach(bytes).expect("a loop device");
        // All of the tables at once, so that nothing is written in the background later.
        let lazy = "lazy_itable_init=0,lazy_journal_init=0";
        output("mkfs.ext4", &["-q", "-E", lazy, &device.path.display().to_string()]).expect("an ext4");
        Self::mount(Some(device), "ext4", "noatime")
    }

    /// A file system in memory.
    pub(crate) fn memory(kind: &str, options: &str) -> Self {
        Self::mount(None, kind, options)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What its device has moved so far.
    pub(crate) fn sectors(&self) -> Sectors {
        let device = &self.device.as_ref().expect("a device").path;
        let name = device.file_name().expect("a name").display().to_string();
        let text = fs::read_to_string(format!("/sys/block/{name}/stat")).expect("its statistics");
        let fields: Vec<u64> =
            text.split_whitespace().map(|field| field.parse().expect("a number")).collect();
        Sectors { read: fields[2], written: fields[6] }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The namespace's end would do as well, but the next test wants the memory.
        if let Err(error) = output("umount", &[&self.path().display().to_string()]) {
            eprintln!("{error}");
        }
    }
}
