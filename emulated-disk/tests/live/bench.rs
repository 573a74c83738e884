//! What the tests share: a registry of their own, disks, fio, and a look at what is left.

use block_types::{Bytes, Nanos};
use emulated_disk::registry::{Entry, Registry};
use emulated_disk::{EmulatedDisk, Model, Spec, loop_device};
use libtest_mimic::Failed;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A test.
pub(crate) type Test = (&'static str, fn() -> Result<(), Failed>);

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_emudisk");
pub(crate) const SIZE: Bytes = Bytes(256 << 20);

/// Why nothing can be tried on this machine.
pub(crate) fn missing() -> Option<String> {
    let bench = Bench::new().ok()?;
    bench.attach(&spec(Nanos(1000))).err().map(|failed| failed.message().unwrap_or("no reason").to_owned())
}

/// A disk whose every command takes `time`.
pub(crate) fn spec(time: Nanos) -> Spec {
    Spec::new(Model::Fixed(time), SIZE)
}

/// A registry of one's own, so that tests neither see nor disturb the machine's emulated disks.
pub(crate) struct Bench {
    pub(crate) directory: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Result<Self, Failed> {
        Ok(Self { directory: tempfile::Builder::new().prefix("emudisk-test.").tempdir()? })
    }

    pub(crate) fn registry(&self) -> Registry {
        Registry::at(&self.directory.path().join("registry"))
    }

    pub(crate) fn attach(&self, spec: &Spec) -> Result<EmulatedDisk, Failed> {
        Ok(EmulatedDisk::attach_with(Path::new(PROGRAM), self.registry().directory(), spec)?)
    }

    /// `emudisk` with these arguments, on this registry.
    pub(crate) fn emudisk(&self, arguments: &[&str]) -> Result<Output, Failed> {
        Ok(self.emudisk_command(arguments).output()?)
    }

    pub(crate) fn emudisk_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg("--registry").arg(self.registry().directory()).stdin(Stdio::null());
        command
    }

    /// A disk that stays when `emudisk attach` ends. The guard detaches it.
    pub(crate) fn attach_detached(&self, arguments: &[&str]) -> Result<Detached<'_>, Failed> {
        let output = self.emudisk(&[&["attach", "--json"], arguments].concat())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(Detached { bench: self, entry: serde_json::from_slice(&output.stdout)? })
    }
}

/// A disk that a test must not leave behind.
pub(crate) struct Detached<'a> {
    bench: &'a Bench,
    pub(crate) entry: Entry,
}

impl Detached<'_> {
    pub(crate) fn path(&self) -> &str {
        self.entry.path.to_str().unwrap_or_default()
    }
}

impl Drop for Detached<'_> {
    fn drop(&mut self) {
        let _ = self.bench.emudisk(&["detach", "--force", self.path()]);
    }
}

/// Fails unless nothing of a disk is left in the kernel.
pub(crate) fn assert_gone(entry: &Entry) -> Result<(), Failed> {
    if loop_device::backing_file(&entry.name).as_deref() == Some(&entry.backing_file) {
        return Err(format!("{} is still attached to {}", entry.name, entry.backing_file).into());
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    assert!(!mounts.contains("fuse.emudisk"), "a mount is left:\n{mounts}");
    eventually("the server's end", || Ok(!entry.server.is_alive()))?;
    eventually("the keeper's end", || Ok(!entry.keeper.is_alive()))?;
    assert!(!entry.control.exists(), "{} is left", entry.control.display());
    Ok(())
}

/// Waits for something that has to come.
pub(crate) fn eventually(what: &str, mut seen: impl FnMut() -> Result<bool, Failed>) -> Result<(), Failed> {
    let until = Instant::now() + Duration::from_secs(20);
    while !seen()? {
        if Instant::now() > until {
            return Err(format!("waited 20 s in vain for {what}").into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// A path as text.
pub(crate) fn text(path: &Path) -> Result<&str, Failed> {
    path.to_str().ok_or_else(|| format!("{} is no text", path.display()).into())
}

/// A command that has to succeed; what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String, Failed> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{program} {arguments:?}: {}\n{}", output.status, String::from_utf8_lossy(&said)).into())
}

/// A fio on a device, not started yet.
pub(crate) fn fio(device: &Path, options: &[&str]) -> Command {
    let mut command = Command::new("fio");
    command.args(["--name=test", "--direct=1", "--ioengine=libaio", "--output-format=json"]);
    command.arg(format!("--filename={}", device.display())).args(options);
    // Not here: fio leaves files about what it verifies where it runs.
    command.current_dir("/tmp").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What fio found, once it succeeded.
pub(crate) fn fio_results(mut command: Command) -> Result<serde_json::Value, Failed> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("fio: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    let results: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    Ok(results["jobs"][0].clone())
}

/// Waits at most `patience` for a child's end; kills it and fails if it hangs.
pub(crate) fn must_end(mut child: Child, patience: Duration) -> Result<Output, Failed> {
    let until = Instant::now() + patience;
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            child.kill()?;
            return Err(format!("it hangs: no end within {patience:?}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(child.wait_with_output()?)
}

/// A mount that a test must not leave behind.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    pub(crate) fn mount(arguments: &[&str], at: &Path) -> Result<Self, Failed> {
        std::fs::create_dir_all(at)?;
        run("mount", &[arguments, &[text(at)?]].concat())?;
        Ok(Self(at.to_owned()))
    }

    pub(crate) fn unmount(self) -> Result<(), Failed> {
        run("umount", &[text(&self.0)?])?;
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = text(&self.0).and_then(|at| run("umount", &["--lazy", at]));
    }
}
