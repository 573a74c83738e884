//! A loop device on a file of one's own, whose queue is clean and which goes by itself.

mod ioctl;
mod queue;

pub use queue::Queue;

use crate::Error;
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CONTROL: &str = "/dev/loop-control";
/// Another program may take a free number between the search and the attaching.
const ATTEMPTS: usize = 64;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(5);
/// udev's rules may set a new device's knobs; how long to wait for them.
const UDEV: &str = "--timeout=10";

/// A loop device, attached for direct I/O.
///
/// It is marked to detach when its last user closes it, and this is one of its users: dropping it, also by the death of
/// the process, detaches it as soon as nobody else has it open. Dropping it also sets the queue's knobs back to
/// what a fresh device has, because a loop device's number remembers them.
#[derive(Debug)]
pub struct LoopDevice {
    name: String,
    path: PathBuf,
    backing_file: String,
    queue: Queue,
    holder: Option<File>,
}

impl LoopDevice {
    /// Attaches `file` to a free device, and sets that device's queue to what a fresh one has. `label` is what
    /// `losetup --list` calls the file where it cannot see it (63 bytes).
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where there is no loop driver or no permission to use it.
    pub fn attach(file: BorrowedFd<'_>, label: &str) -> Result<Self, Error> {
        let control = OpenOptions::new().read(true).write(true).open(CONTROL).map_err(|error| {
            Error::unavailable(format!("cannot open {CONTROL}: {error}; is the loop driver loaded?"))
        })?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let number = ioctl::get_free(&control).map_err(|errno| {
                Error::unavailable(format!("no loop device is free and none can be made: {errno}"))
            })?;
            // A number remembers its last user's knobs, of which some cannot be set back: once discard_max_bytes is 0,
            // the kernel takes no other value. Where it cannot be made anew, setting back what can be has to do.
            let _ = ioctl::renew(&control, number);
            let name = format!("loop{number}");
            let path = PathBuf::from(format!("/dev/{name}"));
            // Somebody else may take the number, or make it anew, between any two of these steps.
            let holder = match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(holder) => holder,
                Err(error) => {
                    last = Some(Error::unavailable(format!(
                        "loop device {number} is free, but cannot open {}: {error}",
                        path.display()
                    )));
                    std::thread::sleep(BETWEEN_ATTEMPTS);
                    continue;
                }
            };
            match ioctl::configure(&holder, file, label) {
                Ok(()) => {}
                Err(Errno::BUSY | Errno::NXIO | Errno::NODEV) => continue,
                Err(errno) => return Err(Error::path("attach a file to", &path, errno)),
            }
            settle_udev();
            let backing_file = backing_file(&name).unwrap_or_default();
            let queue = Queue::of(&name);
            let device = Self { name, path, backing_file, queue, holder: Some(holder) };
            device.queue.reset()?;
            return Ok(device);
        }
        Err(last.unwrap_or_else(|| {
            Error::unavailable(format!("every free loop device was taken by others, {ATTEMPTS} times"))
        }))
    }

    /// Its name, such as `loop3`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its node in /dev.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What sysfs calls the file that it is attached to.
    #[must_use]
    pub fn backing_file(&self) -> &str {
        &self.backing_file
    }

    /// Its queue's knobs.
    #[must_use]
    pub const fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Gives up this user's hold, and waits at most `patience` for the device to be detached. `false` where somebody
    /// else still has it open: it then detaches at the last close. Knobs are not touched.
    pub fn release(&mut self, patience: Duration) -> bool {
        self.holder = None;
        wait_until_detached(&self.name, &self.backing_file, patience)
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        if self.holder.is_some() {
            // What cannot be set back here is set back by whoever attaches next through this module.
            let _ = self.queue.reset();
        }
    }
}

/// What sysfs calls the file that a loop device is attached to; `None` where it is attached to none.
#[must_use]
pub fn backing_file(name: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).ok()?;
    Some(text.trim_end().to_owned())
}

/// Detaches the device called `name` if it is still attached to `file`; at the last close where others have it open.
///
/// # Errors
///
/// When the kernel refuses.
pub fn detach(name: &str, file: &str) -> Result<(), Error> {
    if backing_file(name).as_deref() != Some(file) {
        return Ok(());
    }
    let path = PathBuf::from(format!("/dev/{name}"));
    let device = File::open(&path).map_err(|error| Error::path("open", &path, error))?;
    match ioctl::clear(&device) {
        Ok(()) | Err(Errno::NXIO) => Ok(()),
        Err(errno) => Err(Error::path("detach", &path, errno)),
    }
}

/// Waits at most `patience` until the device called `name` is no longer attached to `file`; `false` where it still is.
#[must_use]
pub fn wait_until_detached(name: &str, file: &str, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    while backing_file(name).as_deref() == Some(file) {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn settle_udev() {
    if Path::new("/run/udev/control").exists() {
        // Without the program there is nothing to wait with.
        let _ = std::process::Command::new("udevadm").args(["settle", UDEV]).status();
    }
}
