//! One disk: finding it, its knobs, its counters.

use crate::error::{Errno, Error, KnobError, KnobErrorKind, Operation, excerpt};
use crate::{Attr, DiskStats, ElevatorName, InFlight, Ineligible, KPath, Kernel, Readout, SchedulerMenu};
use crate::{Identity, Unsupported, WbtState, WriteValue, eligibility, identity, parse, stats};
use block_types::{DevNo, Knob, KnobValue, Settings};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// A whole disk with its queue. Cheap to clone.
///
/// It holds a name and no file descriptors: `iosched/` is replaced at every switch, and a disk of the same name may
/// be another one later ([`Identity::diskseq`] tells).
#[derive(Clone, Debug)]
pub struct Disk {
    name: Arc<str>,
    kernel: Arc<dyn Kernel>,
}

/// What a name given by a person stands for.
#[derive(Clone, Debug)]
pub struct Found {
    /// The disk that has the queue.
    pub disk: Disk,
    /// The partition that was named, if one was.
    pub partition: Option<String>,
}

impl Found {
    /// Whether what was named may be tuned: a partition never, a disk as [`fn@eligibility`] says.
    ///
    /// # Errors
    /// The reason.
    pub fn eligibility(&self, identity: &Identity) -> Result<(), Ineligible> {
        match &self.partition {
            Some(name) => {
                Err(Ineligible::Partition { name: name.clone(), disk: self.disk.name().to_owned() })
            }
            None => eligibility(identity),
        }
    }
}

impl Disk {
    /// The disk that `device` names: `loop0`, `/dev/loop0`, or one of its partitions.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(kernel: Arc<dyn Kernel>, device: &str) -> Result<Self, Error> {
        Self::find(kernel, device).map(|found| found.disk)
    }

    /// What `device` names: a disk, or a partition and its disk. `/dev/` in front is ignored; a link below `/dev`
    /// (`/dev/disk/by-id/…`) is for the caller to resolve, for example with [`Self::by_devno`].
    ///
    /// # Errors
    /// If there is none.
    pub fn find(kernel: Arc<dyn Kernel>, device: &str) -> Result<Found, Error> {
        let missing = |kernel: &dyn Kernel| Error::NoSuchDisk {
            name: device.to_owned(),
            root: kernel.locate(&KPath::sys("block")),
        };
        // The kernel writes `!` for a `/` in a device's name (`cciss!c0d0`).
        let name = device.strip_prefix("/dev/").unwrap_or(device).replace('/', "!");
        if name.is_empty() || name == "." || name == ".." || name.contains('\0') {
            return Err(missing(&*kernel));
        }
        if kernel.exists(&KPath::sys(format!("block/{name}"))) {
            return Ok(Found { disk: Self { name: name.into(), kernel }, partition: None });
        }
        // `class/block/sda1` links to `…/block/sda/sda1`.
        let link = kernel.read_link(&KPath::sys(format!("class/block/{name}")));
        let parent = link.ok().and_then(|link| Some(link.parent()?.file_name()?.to_str()?.to_owned()));
        match parent {
            Some(parent) if kernel.exists(&KPath::sys(format!("block/{parent}/{name}/partition"))) => {
                Ok(Found { disk: Self { name: parent.into(), kernel }, partition: Some(name) })
            }
            _ => Err(missing(&*kernel)),
        }
    }

    /// What has the number `dev`: a disk, or a partition and its disk.
    ///
    /// # Errors
    /// If nothing has.
    pub fn by_devno(kernel: Arc<dyn Kernel>, dev: DevNo) -> Result<Found, Error> {
        let link = kernel.read_link(&KPath::sys(format!("dev/block/{dev}")));
        match link.ok().as_deref().and_then(|link| link.file_name()?.to_str()) {
            Some(name) => Self::find(kernel, name),
            None => Err(Error::NoSuchDisk {
                name: dev.to_string(),
                root: kernel.locate(&KPath::sys("dev/block")),
            }),
        }
    }

    /// All disks, by name: eligible or not, partitions folded into them.
    ///
    /// # Errors
    /// If `/sys/block` cannot be listed.
    pub fn list(kernel: &Arc<dyn Kernel>) -> Result<Vec<Self>, Error> {
        let dir = KPath::sys("block");
        let names = kernel.list(&dir).map_err(|source| Error::Io {
            operation: Operation::List,
            path: kernel.locate(&dir),
            source,
        })?;
        Ok(names.into_iter().map(|name| Self { name: name.into(), kernel: Arc::clone(kernel) }).collect())
    }

    /// Name in `/sys/block`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kernel it belongs to.
    #[must_use]
    pub fn kernel(&self) -> &Arc<dyn Kernel> {
        &self.kernel
    }

    /// What it is.
    ///
    /// # Errors
    /// If the disk has gone, or an attribute that every disk has is malformed.
    pub fn identity(&self) -> Result<Identity, Error> {
        identity::read(self)
    }

    /// Whether it is still there.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.kernel.exists(&self.dir())
    }

    /// The scheduler in force, and those on offer.
    ///
    /// # Errors
    /// If the disk has gone, has no such attribute (its queue takes bios), or the text is malformed.
    pub fn scheduler(&self) -> Result<SchedulerMenu, Error> {
        self.required("queue/scheduler", parse::menu, parse::MENU)
    }

    /// What a knob is set to.
    ///
    /// # Errors
    /// If the disk has gone, the file cannot be read, or its text is malformed.
    pub fn read_knob(&self, knob: Knob) -> Result<Attr<KnobValue>, Error> {
        if knob == Knob::Scheduler {
            return Ok(match self.attr("queue/scheduler", parse::menu, parse::MENU)? {
                Attr::Value(menu) => match menu.active {
                    ElevatorName::Known(elevator) => Attr::Value(KnobValue::Elevator(elevator)),
                    ElevatorName::Other(name) => Attr::Unsupported(Unsupported::UnknownScheduler(name)),
                },
                Attr::Absent => Attr::Absent,
                Attr::Unsupported(why) => Attr::Unsupported(why),
            });
        }
        let number = |bytes: &[u8]| parse::number(bytes).map(KnobValue::Number);
        for place in places(knob) {
            let attr = self.attr(&format!("{place}/{knob}"), number, parse::NUMBER)?;
            if attr != Attr::Absent {
                return Ok(attr);
            }
        }
        Ok(Attr::Absent)
    }

    /// All knobs of the queue and of the scheduler in force. One that is malformed does not hide the others: it is
    /// among the unsupported.
    ///
    /// # Errors
    /// As [`Self::scheduler`]; also if a knob's file cannot be read for another reason than `EINVAL`.
    pub fn read_settings(&self) -> Result<Readout, Error> {
        let scheduler = self.scheduler()?;
        let mut settings = Settings::new();
        let mut unsupported = BTreeMap::new();
        let active = scheduler.active.known();
        match &scheduler.active {
            ElevatorName::Known(elevator) => {
                settings.set(Knob::Scheduler, KnobValue::Elevator(*elevator));
            }
            ElevatorName::Other(name) => {
                unsupported.insert(Knob::Scheduler, Unsupported::UnknownScheduler(name.clone()));
            }
        }
        for &knob in Knob::ALL.iter().filter(|&&knob| knob != Knob::Scheduler) {
            if knob.elevator().is_some() && knob.elevator() != active {
                continue;
            }
            match self.read_knob(knob) {
                Ok(Attr::Value(value)) => {
                    settings.set(knob, value);
                }
                Ok(Attr::Unsupported(why)) => {
                    unsupported.insert(knob, why);
                }
                Ok(Attr::Absent) => {}
                Err(Error::Malformed { found, .. }) => {
                    unsupported.insert(knob, Unsupported::Malformed(found));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Readout { scheduler, settings, unsupported })
    }

    /// Sets a knob. What the kernel made of the value is for the caller to read back.
    ///
    /// # Errors
    /// [`KnobError`] says which file, what was tried, and what the refusal means.
    pub fn write_knob(&self, knob: Knob, value: impl Into<WriteValue>) -> Result<(), KnobError> {
        let tried = match (value.into(), knob) {
            (WriteValue::Value(value), _) => value.to_string(),
            (WriteValue::KernelDefault, Knob::WbtLatUsec) => "-1".to_owned(),
            (WriteValue::KernelDefault, Knob::MaxSectorsKb) => "0".to_owned(),
            (WriteValue::KernelDefault, _) => {
                let what = format!("{knob} has no value that makes the kernel choose");
                let source = io::Error::new(io::ErrorKind::InvalidInput, what);
                return Err(self.knob_error(knob, "default", source));
            }
        };
        let mut result = Err(Errno::NoEntry.into());
        for place in places(knob) {
            result = self.kernel.write(&self.path(&format!("{place}/{knob}")), &tried);
            if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::NotFound) {
                break;
            }
        }
        result.map_err(|source| self.knob_error(knob, &tried, source))
    }

    /// Whether the knob is there and this process could write it now.
    #[must_use]
    pub fn knob_writable(&self, knob: Knob) -> bool {
        places(knob)
            .iter()
            .any(|place| self.kernel.writable(&self.path(&format!("{place}/{knob}"))).unwrap_or(false))
    }

    /// The largest request that the hardware takes, KiB; the upper bound of `max_sectors_kb`.
    ///
    /// # Errors
    /// As [`Self::read_knob`].
    pub fn max_hw_sectors_kb(&self) -> Result<Attr<u64>, Error> {
        self.attr("queue/max_hw_sectors_kb", parse::number, parse::NUMBER)
    }

    /// How many hardware queues the driver has; 0 for a driver without requests.
    ///
    /// # Errors
    /// If `mq/` is there and cannot be listed.
    pub fn hw_queues(&self) -> Result<usize, Error> {
        let dir = self.path("mq");
        match self.kernel.list(&dir) {
            Ok(names) => Ok(names.iter().filter(|name| parse::number(name.as_bytes()).is_some()).count()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(self.io_error(Operation::List, &dir, source)),
        }
    }

    /// Its counters (`/sys/block/*/stat`). [`crate::diskstats`] reads those of all disks at once.
    ///
    /// # Errors
    /// If the disk has gone, or the text is malformed.
    pub fn stats(&self) -> Result<DiskStats, Error> {
        let dev = self.devno()?;
        let line = |bytes: &[u8]| DiskStats::parse_stat(dev, &self.name, std::str::from_utf8(bytes).ok()?);
        self.required("stat", line, stats::LINE)
    }

    /// Requests in flight now.
    ///
    /// # Errors
    /// If the disk has gone, or the text is malformed.
    pub fn in_flight(&self) -> Result<InFlight, Error> {
        self.required("inflight", parse::in_flight, parse::IN_FLIGHT)
    }

    /// Device number.
    ///
    /// # Errors
    /// If the disk has gone, or the text is malformed.
    pub fn devno(&self) -> Result<DevNo, Error> {
        let dev = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse().ok();
        self.required("dev", dev, "a device number such as 7:0")
    }

    /// Disk sequence number; `None` before Linux 5.15.
    ///
    /// # Errors
    /// If the disk has gone, or the text is malformed.
    pub fn diskseq(&self) -> Result<Option<u64>, Error> {
        self.attr("diskseq", parse::number, parse::NUMBER).map(Attr::value)
    }

    /// How many requests the driver's tags let in (the first hardware queue's), which `nr_requests` does not say under
    /// `none` after a round trip through a scheduler. `None` where debugfs does not tell: not mounted, not root,
    /// kernel lockdown.
    ///
    /// # Errors
    /// If the file is there and malformed.
    pub fn tag_depth(&self) -> Result<Option<u64>, Error> {
        let path = KPath::debug(format!("block/{}/hctx0/tags", self.name));
        let Ok(bytes) = self.kernel.read(&path) else {
            return Ok(None);
        };
        match parse::tag_depth(&bytes) {
            Some(depth) => Ok(Some(depth)),
            None => Err(self.malformed(&path, &bytes, parse::TAG_DEPTH)),
        }
    }

    /// Whose hand writeback throttling is in, which `wbt_lat_usec` does not show. `None` where debugfs does not tell,
    /// or the queue has no throttling.
    ///
    /// # Errors
    /// If the file is there and malformed.
    pub fn wbt_state(&self) -> Result<Option<WbtState>, Error> {
        let path = KPath::debug(format!("block/{}/rqos/wbt/enabled", self.name));
        let Ok(bytes) = self.kernel.read(&path) else {
            return Ok(None);
        };
        match parse::number(&bytes).and_then(WbtState::from_raw) {
            Some(state) => Ok(Some(state)),
            None => Err(self.malformed(&path, &bytes, "a number from 1 to 4")),
        }
    }

    fn dir(&self) -> KPath {
        KPath::sys(format!("block/{}", self.name))
    }

    /// The place `rest` below the disk's directory.
    pub(crate) fn path(&self, rest: &str) -> KPath {
        self.dir().join(rest)
    }

    /// An attribute that may be absent, or refuse to be read.
    pub(crate) fn attr<T>(
        &self,
        rest: &str,
        parse: impl Fn(&[u8]) -> Option<T>,
        expected: &'static str,
    ) -> Result<Attr<T>, Error> {
        let path = self.path(rest);
        match self.kernel.read(&path) {
            Ok(bytes) => match parse(&bytes) {
                Some(value) => Ok(Attr::Value(value)),
                None => Err(self.malformed(&path, &bytes, expected)),
            },
            Err(source) => match Errno::of(&source) {
                Some(Errno::Invalid) => Ok(Attr::Unsupported(Unsupported::ReadRefused)),
                // ENODEV: the attribute went away between open and read, as iosched/ does at a switch.
                Some(Errno::NoEntry | Errno::NoDevice | Errno::NotDirectory) if self.is_present() => {
                    Ok(Attr::Absent)
                }
                _ => Err(self.io_error(Operation::Read, &path, source)),
            },
        }
    }

    /// An attribute that every disk has.
    pub(crate) fn required<T>(
        &self,
        rest: &str,
        parse: impl Fn(&[u8]) -> Option<T>,
        expected: &'static str,
    ) -> Result<T, Error> {
        let errno = match self.attr(rest, parse, expected)? {
            Attr::Value(value) => return Ok(value),
            Attr::Absent => Errno::NoEntry,
            Attr::Unsupported(_) => Errno::Invalid,
        };
        Err(self.io_error(Operation::Read, &self.path(rest), errno.into()))
    }

    fn malformed(&self, path: &KPath, bytes: &[u8], expected: &'static str) -> Error {
        Error::Malformed { path: self.kernel.locate(path), found: excerpt(bytes), expected }
    }

    /// The error, or that the disk has gone if that is why.
    pub(crate) fn io_error(&self, operation: Operation, path: &KPath, source: io::Error) -> Error {
        if self.is_present() {
            Error::Io { operation, path: self.kernel.locate(path), source }
        } else {
            Error::NoSuchDisk { name: self.name.to_string(), root: self.kernel.locate(&KPath::sys("block")) }
        }
    }

    fn knob_error(&self, knob: Knob, tried: &str, source: io::Error) -> KnobError {
        let kind = match Errno::of(&source) {
            _ if !self.is_present() => KnobErrorKind::Gone,
            Some(Errno::NoEntry | Errno::NoDevice | Errno::NotDirectory) => KnobErrorKind::Absent,
            Some(Errno::Invalid | Errno::Range) => KnobErrorKind::Refused,
            Some(Errno::Access | Errno::NotPermitted | Errno::ReadOnlyFs) => KnobErrorKind::ReadOnly,
            Some(Errno::Busy) => KnobErrorKind::Busy,
            _ if source.kind() == io::ErrorKind::InvalidInput => KnobErrorKind::Refused,
            _ => KnobErrorKind::Other,
        };
        let path = self.path(&format!("{}/{knob}", places(knob)[0]));
        KnobError { path: self.kernel.locate(&path), knob, tried: tried.to_owned(), kind, source }
    }
}

/// The directories below the disk's in which a knob may be, the likelier first. Kernels after 6.18 move
/// `async_depth` out of `iosched/`; which one runs is asked of the tree and not of a version.
const fn places(knob: Knob) -> &'static [&'static str] {
    match knob {
        Knob::AsyncDepth => &["queue/iosched", "queue"],
        _ if knob.elevator().is_some() => &["queue/iosched"],
        _ => &["queue"],
    }
}
