//! The two kernels under test, and what a case can do with one.

use block_types::{Elevator, Knob};
use kernfs::{Disk, Errno, KPath, Kernel};
use libtest_mimic::Failed;
use std::sync::Arc;

/// A disk on one of the kernels, just made.
pub(crate) struct Subject {
    pub(crate) kernel: Arc<dyn Kernel>,
    pub(crate) disk: Disk,
    device: Box<dyn Device>,
}

/// What a case may do to the device itself.
pub(crate) trait Device {
    /// The device goes, as one that is unplugged.
    fn remove(&self) -> Result<(), Failed>;
}

/// Something that makes subjects.
pub(crate) trait Lab {
    fn subject(&self) -> Result<Subject, Failed>;
}

/// What a real case needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Schedulers that may be modules, or not built.
    Scheduler(Elevator),
    /// Writeback throttling by default (`CONFIG_BLK_WBT_MQ`).
    Wbt,
    /// A readable debugfs.
    Debugfs,
    /// HZ = 250, as the fake has it.
    Hz250,
    /// The kernel series that the fake models, where others are known to differ.
    Linux618,
}

impl Subject {
    /// Writes the attribute `rest` below the disk's directory: `Ok`, or the error number.
    pub(crate) fn write(&self, rest: &str, text: &str) -> Result<(), Errno> {
        self.kernel.write(&self.path(rest), text).map_err(|error| number(rest, &error))
    }

    /// Reads the attribute `rest`, without the line end.
    pub(crate) fn read(&self, rest: &str) -> Result<String, Errno> {
        let bytes = self.kernel.read(&self.path(rest)).map_err(|error| number(rest, &error))?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// Writes each text in turn and compares the answer, and what the attribute then reads as.
    pub(crate) fn table(&self, rest: &str, rows: &[(&str, Result<(), Errno>, &str)]) -> Result<(), Failed> {
        for (text, answer, then) in rows {
            let found = (self.write(rest, text), self.read(rest));
            let expected = (*answer, Ok((*then).to_owned()));
            check(&format!("{rest} <- {text:?}"), &found, &expected)?;
        }
        Ok(())
    }

    /// Compares what an attribute reads as.
    pub(crate) fn expect(&self, rest: &str, expected: &str) -> Result<(), Failed> {
        check(rest, &self.read(rest), &Ok(expected.to_owned()))
    }

    /// Writes and requires success.
    pub(crate) fn set(&self, rest: &str, text: &str) -> Result<(), Failed> {
        check(&format!("{rest} <- {text:?}"), &self.write(rest, text), &Ok(()))
    }

    pub(crate) fn path(&self, rest: &str) -> KPath {
        KPath::sys(format!("block/{}/{rest}", self.disk.name()))
    }

    pub(crate) fn remove(&self) -> Result<(), Failed> {
        self.device.remove()
    }
}

/// The error's number. No case expects `EIO`, so it stands for one that is not known, and fails the case.
fn number(rest: &str, error: &std::io::Error) -> Errno {
    Errno::of(error).unwrap_or_else(|| {
        eprintln!("{rest}: {error}");
        Errno::Io
    })
}

/// Fails with both sides if they differ.
pub(crate) fn check<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &T,
    expected: &T,
) -> Result<(), Failed> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: found {found:?}, expected {expected:?}").into())
    }
}

/// The fake.
pub(crate) struct Fake;

struct FakeLoop {
    kernel: kernfs::fake::FakeKernel,
    name: String,
}

impl Device for FakeLoop {
    fn remove(&self) -> Result<(), Failed> {
        check("the disk was there", &self.kernel.vanish(&self.name), &true)
    }
}

impl Lab for Fake {
    fn subject(&self) -> Result<Subject, Failed> {
        let name = "loop3";
        let disk = kernfs::fake::FakeDisk::loopback(name).with_partitions(2);
        let kernel = kernfs::fake::FakeKernel::new().with_disk(disk);
        let device = Box::new(FakeLoop { kernel: kernel.clone(), name: name.to_owned() });
        let kernel: Arc<dyn Kernel> = Arc::new(kernel);
        Ok(Subject { disk: Disk::open(Arc::clone(&kernel), name)?, kernel, device })
    }
}

/// What this machine has.
pub(crate) struct Machine {
    lacks: Result<Vec<Need>, String>,
}

impl Machine {
    /// Why a case that needs these cannot run on the real kernel.
    pub(crate) fn missing(&self, needs: &[Need]) -> Option<String> {
        match &self.lacks {
            Err(_) => Some("no loop device".to_owned()),
            Ok(lacks) => needs.iter().find(|need| lacks.contains(need)).map(|need| match need {
                Need::Scheduler(elevator) => format!("this kernel does not offer {elevator}"),
                Need::Wbt => "this kernel has no writeback throttling by default".to_owned(),
                Need::Debugfs => "debugfs cannot be read".to_owned(),
                Need::Hz250 => "this kernel's HZ is not 250".to_owned(),
                Need::Linux618 => "this kernel is not 6.18, which the fake models".to_owned(),
            }),
        }
    }

    /// Makes one loop device and looks at it.
    pub(crate) fn look() -> Self {
        let lacks = Self::lacks();
        if let Err(why) = &lacks {
            eprintln!("the trials on a real device are ignored: {why}");
        }
        Self { lacks }
    }

    fn lacks() -> Result<Vec<Need>, String> {
        let subject = Real.subject().map_err(|failed| {
            failed.message().unwrap_or("no loop device, for no stated reason").to_owned()
        })?;
        let menu = subject.disk.scheduler().map_err(|error| error.to_string())?;
        let mut lacks: Vec<Need> = Elevator::ALL
            .into_iter()
            .filter(|&elevator| !menu.offers(elevator))
            .map(Need::Scheduler)
            .collect();
        if subject.disk.read_knob(Knob::WbtLatUsec).map_or(true, |attr| attr.value().is_none()) {
            lacks.push(Need::Wbt);
        }
        if !matches!(subject.disk.tag_depth(), Ok(Some(_))) {
            lacks.push(Need::Debugfs);
        }
        let release = subject.kernel.read(&KPath::proc("sys/kernel/osrelease")).unwrap_or_default();
        if !release.starts_with(b"6.18.") {
            lacks.push(Need::Linux618);
        }
        // One jiffy reads as its milliseconds.
        let jiffy = subject
            .write("queue/scheduler", "mq-deadline")
            .and_then(|()| subject.write("queue/iosched/read_expire", "1"))
            .and_then(|()| subject.read("queue/iosched/read_expire"));
        if jiffy.as_deref() != Ok("4") {
            lacks.push(Need::Hz250);
        }
        Ok(lacks)
    }
}

/// The running kernel.
pub(crate) struct Real;

#[cfg(not(target_os = "linux"))]
impl Lab for Real {
    fn subject(&self) -> Result<Subject, Failed> {
        Err("this is not Linux".into())
    }
}

#[cfg(target_os = "linux")]
mod real {
    use super::{Device, Disk, Failed, Kernel, Lab, Real, Subject};
    use kernfs::RealKernel;
    use rustix::ioctl::{IntegerSetter, Opcode, Setter, ioctl};
    use std::fs::{File, OpenOptions};
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    // include/uapi/linux/loop.h
    const LOOP_SET_FD: Opcode = 0x4C00;
    const LOOP_SET_STATUS64: Opcode = 0x4C04;
    const LOOP_CTL_ADD: Opcode = 0x4C80;
    const LOOP_CTL_REMOVE: Opcode = 0x4C81;
    // include/uapi/linux/blkpg.h
    const BLKPG: Opcode = 0x1269;
    const BLKPG_ADD_PARTITION: i32 = 1;

    /// `struct loop_info64`, of which only the flags are set: 232 bytes, flags at 52.
    #[repr(C, align(8))]
    struct LoopInfo([u8; 232]);
    const FLAGS_AT: usize = 52;
    const LO_FLAGS_AUTOCLEAR: u32 = 4;
    const LO_FLAGS_PARTSCAN: u32 = 8;

    /// Numbers above what people and `losetup -f` use; each device gets a fresh one.
    const FIRST: usize = 600;
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

    /// A loop device that did not exist before, removed on drop.
    ///
    /// Should this process be killed, the file is unlinked already and the device detaches from it by itself.
    struct LoopDevice {
        number: usize,
        /// The last user of the device: it detaches when this is closed.
        node: Mutex<Option<File>>,
    }

    impl LoopDevice {
        fn make() -> Result<Self, Failed> {
            let control = control().map_err(|error| format!("cannot open /dev/loop-control: {error}"))?;
            // Other processes make loop devices too: a number that is taken is passed over.
            let number = loop {
                let own = (std::process::id() as usize % 97) * 64;
                let next = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) + own;
                match number_ioctl::<LOOP_CTL_ADD>(&control, next) {
                    Ok(()) => break next,
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(format!("cannot add a loop device: {error}").into()),
                }
            };
            let made = Self { number, node: Mutex::new(None) };
            let node = made.attach()?;
            made.hold(Some(node));
            settle_udev();
            Ok(made)
        }

        fn name(&self) -> String {
            format!("loop{}", self.number)
        }

        fn hold(&self, node: Option<File>) {
            *self.node.lock().unwrap_or_else(PoisonError::into_inner) = node;
        }

        fn attach(&self) -> Result<File, Failed> {
            let path = format!("/dev/{}", self.name());
            let node = OpenOptions::new().read(true).write(true).open(&path);
            let node = node.map_err(|error| format!("cannot open {path}: {error}"))?;
            let file = tempfile::tempfile()?;
            file.set_len(64 << 20)?;
            number_ioctl::<LOOP_SET_FD>(&node, file.as_raw_fd() as usize)?;
            let flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN;
            let mut info = LoopInfo([0; 232]);
            info.0[FLAGS_AT..FLAGS_AT + 4].copy_from_slice(&flags.to_ne_bytes());
            #[expect(unsafe_code, reason = "an ioctl has no safe form")]
            // SAFETY: LOOP_SET_STATUS64 reads a struct loop_info64, whose size and alignment LoopInfo has.
            unsafe { ioctl(&node, Setter::<LOOP_SET_STATUS64, LoopInfo>::new(info)) }?;
            for (number, start) in [(1, 1 << 20), (2, 32 << 20)] {
                add_partition(&node, number, start, 16 << 20)?;
            }
            Ok(node)
        }

        fn gone(&self) -> bool {
            !std::path::Path::new(&format!("/sys/block/{}", self.name())).exists()
        }

        /// Detaches and removes; somebody (udev, blkid) may still have it open for a moment.
        fn remove(&self) -> Result<(), Failed> {
            self.hold(None);
            let mut last = String::new();
            for _ in 0..200 {
                if self.gone() {
                    return Ok(());
                }
                match control().and_then(|control| number_ioctl::<LOOP_CTL_REMOVE>(&control, self.number)) {
                    Ok(()) => return Ok(()),
                    Err(error) => last = error.to_string(),
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(format!("cannot remove {}: {last}", self.name()).into())
        }
    }

    impl Drop for LoopDevice {
        fn drop(&mut self) {
            if let Err(failed) = self.remove() {
                eprintln!("{}", failed.message().unwrap_or("a loop device is left over"));
            }
        }
    }

    impl Device for LoopDevice {
        fn remove(&self) -> Result<(), Failed> {
            Self::remove(self)
        }
    }

    /// `struct blkpg_partition` of include/uapi/linux/blkpg.h.
    #[repr(C)]
    struct BlkpgPartition {
        start: i64,
        length: i64,
        number: i32,
        unused: [u8; 128],
    }

    /// `struct blkpg_ioctl_arg`.
    #[repr(C)]
    struct BlkpgArgument {
        operation: i32,
        flags: i32,
        length: i32,
        data: *mut BlkpgPartition,
    }

    /// Adds a partition by itself: kernels differ in the partition tables that they read.
    fn add_partition(node: &File, number: i32, start: i64, length: i64) -> std::io::Result<()> {
        let mut partition = BlkpgPartition { start, length, number, unused: [0; 128] };
        let argument = BlkpgArgument {
            operation: BLKPG_ADD_PARTITION,
            flags: 0,
            length: size_of::<BlkpgPartition>() as i32,
            data: &raw mut partition,
        };
        #[expect(unsafe_code, reason = "an ioctl has no safe form")]
        // SAFETY: BLKPG reads a struct blkpg_ioctl_arg, whose data points to a struct blkpg_partition that lives on.
        let done = unsafe { ioctl(node, Setter::<BLKPG, BlkpgArgument>::new(argument)) };
        Ok(done?)
    }

    /// udev's rules may set a new device's knobs; wait until they are done with it.
    fn settle_udev() {
        if std::path::Path::new("/run/udev/control").exists() {
            // Without the program there is nothing to wait with, and nothing is lost but a rare flake.
            let _ = std::process::Command::new("udevadm").args(["settle", "--timeout=10"]).status();
        }
    }

    impl Lab for Real {
        fn subject(&self) -> Result<Subject, Failed> {
            let device = LoopDevice::make()?;
            let kernel: Arc<dyn Kernel> = Arc::new(RealKernel::live());
            let disk = Disk::open(Arc::clone(&kernel), &format!("/dev/{}", device.name()))?;
            Ok(Subject { kernel, disk, device: Box::new(device) })
        }
    }
}
