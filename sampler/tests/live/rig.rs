//! A loop device of our own with direct I/O on it, and a source that watches it.

use block_types::DevNo;
use fingerprint::Snapshot;
use libtest_mimic::Failed;
use rustix::fs::{Mode, OFlags};
use sampler::{Duty, Opened, Request, Sample, SourceChoice, Watched};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) type Outcome<T = ()> = Result<T, Failed>;

/// Runs a program; its standard output, or its words on failure.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new(program).args(arguments).output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("{program} {}: {words}", arguments.join(" ")).into())
    }
}

/// A loop device on a sparse file in memory. Its queue is set to defaults at both ends, because a loop device's
/// number remembers what the last user wrote.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) name: String,
    pub(crate) path: String,
    _dir: TempDir,
}

const SIZE: u64 = 256 << 20;

impl Loop {
    pub(crate) fn new() -> Outcome<Self> {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }?;
        Self::over(dir, SIZE)
    }

    pub(crate) fn over(dir: TempDir, size: u64) -> Outcome<Self> {
        let file = dir.path().join("disk");
        fs::File::create(&file)?.set_len(size)?;
        let file = file.to_str().ok_or("a path that is not UTF-8")?.to_owned();
        // Another process may take the free number in between.
        let mut path = run("losetup", &["-f", "--show", &file]);
        for _ in 0..10 {
            if path.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
            path = run("losetup", &["-f", "--show", &file]);
        }
        let path = path?;
        let name = path.trim_start_matches("/dev/").to_owned();
        let made = Self { name, path, _dir: dir };
        made.reset()?;
        Ok(made)
    }

    fn reset(&self) -> Outcome {
        // 127 and then 128, because after a round trip through a scheduler 128 can be what the file says already.
        for (knob, value) in [
            ("scheduler", "none"),
            ("nr_requests", "127"),
            ("nr_requests", "128"),
            ("nomerges", "0"),
            ("iostats", "1"),
            ("max_sectors_kb", "1280"),
        ] {
            self.set(knob, value)?;
        }
        Ok(())
    }

    pub(crate) fn set(&self, knob: &str, value: &str) -> Outcome {
        let path = format!("/sys/block/{}/queue/{knob}", self.name);
        fs::write(&path, value).map_err(|error| format!("{path}: {error}").into())
    }

    pub(crate) fn dev(&self) -> Outcome<DevNo> {
        Ok(fs::read_to_string(format!("/sys/block/{}/dev", self.name))?.parse()?)
    }

    /// Waits until nothing is in flight.
    pub(crate) fn settle(&self) -> Outcome {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let inflight = fs::read_to_string(format!("/sys/block/{}/inflight", self.name))?;
            if inflight.split_ascii_whitespace().all(|number| number == "0") {
                // A request leaves the gauge a moment before it is counted as completed.
                std::thread::sleep(Duration::from_millis(5));
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("{}: in flight after 10 s: {inflight}", self.name).into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let left = self.reset().and_then(|()| run("losetup", &["-d", &self.path]).map(drop));
        if let Err(error) = left {
            eprintln!("{}: {error:?}", self.path);
        }
    }
}

/// A device opened for direct I/O, and an aligned buffer.
pub(crate) struct Direct {
    fd: OwnedFd,
    buffer: Vec<u8>,
    start: usize,
}

const ALIGN: usize = 4096;
const LARGEST: usize = 4 << 20;

impl Direct {
    pub(crate) fn open(path: impl Into<PathBuf>) -> Outcome<Self> {
        let path = path.into();
        let fd = rustix::fs::open(&path, OFlags::RDWR | OFlags::DIRECT, Mode::empty())
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let buffer = vec![0x5a; LARGEST + ALIGN];
        let start = buffer.as_ptr().align_offset(ALIGN);
        Ok(Self { fd, buffer, start })
    }

    pub(crate) fn read(&mut self, offset: u64, bytes: usize) -> Outcome {
        let into = &mut self.buffer[self.start..self.start + bytes];
        let count = rustix::io::pread(&self.fd, into, offset)?;
        if count == bytes { Ok(()) } else { Err(format!("read {count} of {bytes} bytes").into()) }
    }

    pub(crate) fn write(&self, offset: u64, bytes: usize) -> Outcome {
        let count = rustix::io::pwrite(&self.fd, &self.buffer[self.start..self.start + bytes], offset)?;
        if count == bytes { Ok(()) } else { Err(format!("wrote {count} of {bytes} bytes").into()) }
    }

    pub(crate) fn sync(&self) -> Outcome {
        Ok(rustix::fs::fsync(&self.fd)?)
    }
}

/// A source that watches one loop device.
pub(crate) struct Watch {
    pub(crate) opened: Opened,
    pub(crate) dev: DevNo,
}

pub(crate) fn request(disk: &Loop, choice: SourceChoice) -> Outcome<Request> {
    let mut request = Request::new([Watched::new(&disk.name, disk.dev()?)]);
    request.choice = choice;
    Ok(request)
}

pub(crate) fn open(request: &Request) -> Outcome<Opened> {
    let kernel: Arc<dyn kernfs::Kernel> = Arc::new(kernfs::RealKernel::live());
    Ok(sampler::open(&kernel, request)?)
}

impl Watch {
    pub(crate) fn new(disk: &Loop, choice: SourceChoice) -> Outcome<Self> {
        Ok(Self { opened: open(&request(disk, choice)?)?, dev: disk.dev()? })
    }

    pub(crate) fn continuous(disk: &Loop) -> Outcome<Self> {
        let request = Request { duty: Duty::Continuous, ..request(disk, SourceChoice::Bpf)? };
        Ok(Self { opened: open(&request)?, dev: disk.dev()? })
    }

    pub(crate) fn read(&self) -> Outcome<Sample> {
        Ok(self.opened.source.read(self.dev)?)
    }

    pub(crate) fn bios(&self) -> Outcome<Snapshot> {
        self.read()?.bios.ok_or_else(|| "the source counts no bios".into())
    }

    /// What is counted while `work` runs, once nothing is in flight any more.
    pub(crate) fn during(&self, disk: &Loop, work: impl FnOnce() -> Outcome) -> Outcome<Snapshot> {
        disk.settle()?;
        let before = self.bios()?;
        work()?;
        disk.settle()?;
        self.bios()?.since(&before).ok_or_else(|| "a counter went backwards".into())
    }
}

/// A file system of 2 MiB.
pub(crate) struct Mount(String);

impl Mount {
    pub(crate) fn new(at: &str) -> Outcome<Self> {
        run("mount", &["-t", "tmpfs", "-o", "size=2m", "tunerd-test", at])?;
        Ok(Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = run("umount", &["-l", &self.0]) {
            eprintln!("{}: {error:?}", self.0);
        }
    }
}

/// Fails with both values unless they are equal.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Outcome {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: found {found:?}, expected {expected:?}").into())
    }
}

/// Fails with the words unless it holds.
pub(crate) fn holds(what: impl Into<String>, it: bool) -> Outcome {
    if it { Ok(()) } else { Err(what.into().into()) }
}
