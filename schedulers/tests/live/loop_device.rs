//! Loop devices of our own.

use block_types::Elevator;
use kernfs::{Disk, Kernel, RealKernel};
use libtest_mimic::Failed;
use rustix::ioctl::{IntegerSetter, Opcode, Setter, ioctl};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

// include/uapi/linux/loop.h
const LOOP_SET_FD: Opcode = 0x4C00;
const LOOP_SET_STATUS64: Opcode = 0x4C04;
const LOOP_CTL_ADD: Opcode = 0x4C80;
const LOOP_CTL_REMOVE: Opcode = 0x4C81;

/// `struct loop_info64`, of which only the flags are set: 232 bytes, flags at 52.
#[repr(C, align(8))]
struct LoopInfo([u8; 232]);
const FLAGS_AT: usize = 52;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// Numbers above what people, `losetup -f` and kernfs's tests use; each device gets a fresh one.
const FIRST: usize = 8_000;
static NEXT: AtomicUsize = AtomicUsize::new(0);

fn control() -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/loop-control")
}

fn number_ioctl<const CODE: Opcode>(file: &File, number: usize) -> std::io::Result<()> {
    #[expect(unsafe_code, reason = "an ioctl has no safe form")]
    // SAFETY: the loop driver's ioctls used here take a plain number as their argument.
    let done = unsafe { ioctl(file, IntegerSetter::<CODE>::new_usize(number)) };
    Ok(done?)
}

/// A loop device that did not exist before, with 64 MiB in memory, removed on drop.
///
/// Should this process be killed, the file is unlinked already and the device detaches from it by itself.
pub(crate) struct LoopDevice {
    number: usize,
    /// The last user of the device: it detaches when this is closed.
    node: Option<File>,
}

impl LoopDevice {
    pub(crate) fn make() -> Result<Self, Failed> {
        let control = control().map_err(|error| format!("cannot open /dev/loop-control: {error}"))?;
        let own = (std::process::id() as usize % 97) * 64;
        // Other processes make loop devices too: a number that is taken is passed over.
        let number = loop {
            let next = FIRST + own + NEXT.fetch_add(1, Ordering::Relaxed);
            match number_ioctl::<LOOP_CTL_ADD>(&control, next) {
                Ok(()) => break next,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("cannot add a loop device: {error}").into()),
            }
        };
        let mut made = Self { number, node: None };
        made.node = Some(made.attach()?);
        // udev's rules may set a new device's knobs; without the program there is nothing to wait with.
        if std::path::Path::new("/run/udev/control").exists() {
            let _ = std::process::Command::new("udevadm").args(["settle", "--timeout=10"]).status();
        }
        Ok(made)
    }

    fn attach(&self) -> Result<File, Failed> {
        let node = OpenOptions::new().read(true).write(true).open(self.path());
        let node = node.map_err(|error| format!("cannot open {}: {error}", self.path()))?;
        let file = tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile())?;
        file.set_len(64 << 20)?;
        number_ioctl::<LOOP_SET_FD>(&node, file.as_raw_fd() as usize)?;
        let mut info = LoopInfo([0; 232]);
        info.0[FLAGS_AT..FLAGS_AT + 4].copy_from_slice(&LO_FLAGS_AUTOCLEAR.to_ne_bytes());
        #[expect(unsafe_code, reason = "an ioctl has no safe form")]
        // SAFETY: LOOP_SET_STATUS64 reads a struct loop_info64, whose size and alignment LoopInfo has.
        unsafe { ioctl(&node, Setter::<LOOP_SET_STATUS64, LoopInfo>::new(info)) }?;
        Ok(node)
    }

    pub(crate) fn name(&self) -> String {
        format!("loop{}", self.number)
    }

    pub(crate) fn path(&self) -> String {
        format!("/dev/{}", self.name())
    }

    pub(crate) fn disk(&self) -> Result<Disk, Failed> {
        Ok(Disk::open(kernel(), &self.name())?)
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        self.node = None;
        // Somebody (udev, blkid) may still have it open for a moment.
        for _ in 0..500 {
            if control().and_then(|control| number_ioctl::<LOOP_CTL_REMOVE>(&control, self.number)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("{} is left over", self.path());
    }
}

pub(crate) fn kernel() -> Arc<dyn Kernel> {
    Arc::new(RealKernel::live())
}

/// Why nothing can be tried on a real device.
pub(crate) fn missing() -> Option<String> {
    let looked = || -> Result<Option<String>, Failed> {
        let device = LoopDevice::make()?;
        let disk = device.disk()?;
        let menu = disk.scheduler()?;
        if let Some(lacking) = Elevator::ALL.into_iter().find(|&elevator| !menu.offers(elevator)) {
            return Ok(Some(format!("this kernel does not offer {lacking}")));
        }
        let blind = disk.tag_depth()?.is_none() || disk.wbt_state()?.is_none();
        Ok(blind.then(|| "debugfs cannot be read".to_owned()))
    };
    looked().unwrap_or_else(|failed| Some(failed.message().unwrap_or("no loop device").to_owned()))
}
