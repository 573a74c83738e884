//! What happened (the action) and to what kind of I/O (the categories).

use crate::abi::{ACTION_CGROUP, CATEGORY_SHIFT};
use std::fmt;

/// What an event reports. The letters are those of blkparse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// `Q`: a bio was submitted, before splitting, merging and scheduling.
    Queue,
    /// `M`: a bio was merged behind a request, or a request behind another.
    BackMerge,
    /// `F`: a bio was merged in front of a request.
    FrontMerge,
    /// `G`: a request was allocated for a bio.
    GetRequest,
    /// `S`: a bio waits for a request. Kernels since 5.0 do not report it.
    Sleep,
    /// `R`: the driver gave a request back; it will be issued again.
    Requeue,
    /// `D`: a request was handed to the driver.
    Issue,
    /// `C`: a request, or a part of it, was completed.
    Complete,
    /// `P`: a process started to hold back its requests.
    Plug,
    /// `U`: held requests were let go because the process wants them done.
    UnplugIo,
    /// `UT`: held requests were let go because the process was scheduled away (once: because a timer ran out).
    UnplugTimer,
    /// `I`: a request was given to the scheduler.
    Insert,
    /// `X`: a bio was split.
    Split,
    /// `B`: a bio's pages were copied to where the device can reach them. Kernels since 6.16 do not.
    Bounce,
    /// `A`: a bio was mapped from a partition or a stacked device to the device below.
    Remap,
    /// A request was aborted.
    Abort,
    /// Data of the driver's own.
    DriverData,
    /// A notify record: the name of a process.
    NotifyProcess,
    /// A notify record: the wall-clock time at which the trace started.
    NotifyTimestamp,
    /// `m`: a notify record: a message of the kernel (BFQ and CFQ write many) or of user space.
    NotifyMessage,
    /// A number that no known kernel uses, without the cgroup's bit.
    Unknown(u16),
}

impl Action {
    /// From the `action` field of a header.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u32) -> Self {
        let number = (raw & 0xffff) as u16 & !ACTION_CGROUP;
        if Categories::from_raw(raw).contains(Categories::NOTIFY) {
            return match number {
                0 => Self::NotifyProcess,
                1 => Self::NotifyTimestamp,
                2 => Self::NotifyMessage,
                other => Self::Unknown(other),
            };
        }
        match number {
            1 => Self::Queue,
            2 => Self::BackMerge,
            3 => Self::FrontMerge,
            4 => Self::GetRequest,
            5 => Self::Sleep,
            6 => Self::Requeue,
            7 => Self::Issue,
            8 => Self::Complete,
            9 => Self::Plug,
            10 => Self::UnplugIo,
            11 => Self::UnplugTimer,
            12 => Self::Insert,
            13 => Self::Split,
            14 => Self::Bounce,
            15 => Self::Remap,
            16 => Self::Abort,
            17 => Self::DriverData,
            other => Self::Unknown(other),
        }
    }

    /// The number in the lower half of the `action` field, without the cgroup's bit.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Queue => 1,
            Self::BackMerge => 2,
            Self::FrontMerge => 3,
            Self::GetRequest => 4,
            Self::Sleep => 5,
            Self::Requeue => 6,
            Self::Issue => 7,
            Self::Complete => 8,
            Self::Plug => 9,
            Self::UnplugIo => 10,
            Self::UnplugTimer => 11,
            Self::Insert => 12,
            Self::Split => 13,
            Self::Bounce => 14,
            Self::Remap => 15,
            Self::Abort => 16,
            Self::DriverData => 17,
            Self::NotifyProcess => 0,
            Self::NotifyTimestamp => 1,
            Self::NotifyMessage => 2,
            Self::Unknown(number) => number,
        }
    }

    /// The letter or letters of blkparse; `None` for what it does not print as an event of its own.
    #[must_use]
    pub const fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::Queue => "Q",
            Self::BackMerge => "M",
            Self::FrontMerge => "F",
            Self::GetRequest => "G",
            Self::Sleep => "S",
            Self::Requeue => "R",
            Self::Issue => "D",
            Self::Complete => "C",
            Self::Plug => "P",
            Self::UnplugIo => "U",
            Self::UnplugTimer => "UT",
            Self::Insert => "I",
            Self::Split => "X",
            Self::Bounce => "B",
            Self::Remap => "A",
            Self::NotifyMessage => "m",
            Self::Abort
            | Self::DriverData
            | Self::NotifyProcess
            | Self::NotifyTimestamp
            | Self::Unknown(_) => return None,
        })
    }

    /// The action of a code of blkparse; also `T`, which its manual has for the unplug by a timer.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            "Q" => Self::Queue,
            "M" => Self::BackMerge,
            "F" => Self::FrontMerge,
            "G" => Self::GetRequest,
            "S" => Self::Sleep,
            "R" => Self::Requeue,
            "D" => Self::Issue,
            "C" => Self::Complete,
            "P" => Self::Plug,
            "U" => Self::UnplugIo,
            "UT" | "T" => Self::UnplugTimer,
            "I" => Self::Insert,
            "X" => Self::Split,
            "B" => Self::Bounce,
            "A" => Self::Remap,
            "m" => Self::NotifyMessage,
            _ => return None,
        })
    }

    /// Whether this is a notify record, which is about the trace and not about an I/O.
    #[must_use]
    pub const fn is_notify(self) -> bool {
        matches!(self, Self::NotifyProcess | Self::NotifyTimestamp | Self::NotifyMessage)
    }

    /// The category that the kernel always sets with this action, beside those of the I/O itself.
    #[must_use]
    pub const fn own_category(self) -> Categories {
        match self {
            Self::Requeue => Categories::REQUEUE,
            Self::Issue => Categories::ISSUE,
            Self::Complete => Categories::COMPLETE,
            Self::DriverData => Categories::DRIVER_DATA,
            Self::NotifyProcess | Self::NotifyTimestamp | Self::NotifyMessage => Categories::NOTIFY,
            Self::Split | Self::Bounce | Self::Unknown(_) => Categories::NONE,
            _ => Categories::QUEUE,
        }
    }
}

/// The categories of an event: a set of 16 bits.
///
/// The kernel knows more operations than these bits can say: write-zeroes and zone management come as plain
/// writes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Categories(pub u16);

impl Categories {
    /// No category.
    pub const NONE: Self = Self(0);
    /// Reads.
    pub const READ: Self = Self(1 << 0);
    /// Writes, and whatever else changes the disk.
    pub const WRITE: Self = Self(1 << 1);
    /// Flushes of the volatile cache, alone or before a write. Called barrier before Linux 3.2.
    pub const FLUSH: Self = Self(1 << 2);
    /// Somebody waits for it. The kernel leaves it off plain reads.
    pub const SYNC: Self = Self(1 << 3);
    /// Queueing and merging.
    pub const QUEUE: Self = Self(1 << 4);
    /// Requeueing.
    pub const REQUEUE: Self = Self(1 << 5);
    /// Issue.
    pub const ISSUE: Self = Self(1 << 6);
    /// Completion.
    pub const COMPLETE: Self = Self(1 << 7);
    /// Requests of file systems and of the block device, as opposed to commands passed through.
    pub const FS: Self = Self(1 << 8);
    /// Commands passed through to the driver (`SG_IO`, NVMe passthrough).
    pub const PASSTHROUGH: Self = Self(1 << 9);
    /// Notify records.
    pub const NOTIFY: Self = Self(1 << 10);
    /// Read-ahead.
    pub const AHEAD: Self = Self(1 << 11);
    /// Metadata.
    pub const META: Self = Self(1 << 12);
    /// Discards.
    pub const DISCARD: Self = Self(1 << 13);
    /// Data of the driver's own.
    pub const DRIVER_DATA: Self = Self(1 << 14);
    /// Forced unit access.
    pub const FUA: Self = Self(1 << 15);

    /// From the `action` field of a header.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u32) -> Self {
        Self((raw >> CATEGORY_SHIFT) as u16)
    }

    /// Whether all of `other` are set.
    #[must_use]
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those of either.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Reads the letters of blkparse's RWBS column; `None` where there is another.
    ///
    /// A first `F` that is followed by anything is a flush; an `F` after the operation is forced unit access.
    #[must_use]
    pub fn from_rwbs(text: &str) -> Option<Self> {
        let mut out = Self::NONE;
        let mut operation = false;
        for letter in text.bytes() {
            out = out.with(match letter {
                b'F' if !operation => Self::FLUSH,
                b'F' => Self::FUA,
                b'R' => Self::READ,
                b'W' => Self::WRITE,
                b'D' => Self::DISCARD.with(Self::WRITE),
                b'N' => Self::NONE,
                b'A' => Self::AHEAD,
                b'S' => Self::SYNC,
                b'B' => Self::FLUSH,
                b'M' => Self::META,
                _ => return None,
            });
            operation |= matches!(letter, b'R' | b'W' | b'D' | b'N');
        }
        operation.then_some(out)
    }
}

/// blkparse's RWBS column: flush, the operation, forced unit access, read-ahead, sync, metadata.
impl fmt::Display for Categories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(6);
        if self.contains(Self::FLUSH) {
            text.push('F');
        }
        text.push(if self.contains(Self::DISCARD) {
            'D'
        } else if self.contains(Self::WRITE) {
            'W'
        } else if self.contains(Self::READ) {
            'R'
        } else {
            'N'
        });
        for (bit, letter) in [(Self::FUA, 'F'), (Self::AHEAD, 'A'), (Self::SYNC, 'S'), (Self::META, 'M')] {
            if self.contains(bit) {
                text.push(letter);
            }
        }
        f.pad(&text)
    }
}

impl fmt::Debug for Categories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 16] = [
            "READ",
            "WRITE",
            "FLUSH",
            "SYNC",
            "QUEUE",
            "REQUEUE",
            "ISSUE",
            "COMPLETE",
            "FS",
            "PASSTHROUGH",
            "NOTIFY",
            "AHEAD",
            "META",
            "DISCARD",
            "DRIVER_DATA",
            "FUA",
        ];
        let set = (0..16).filter(|bit| self.0 & (1 << bit) != 0).map(|bit| NAMES[bit]);
        write!(f, "Categories({})", set.collect::<Vec<_>>().join("|"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_an_action_and_back() {
        for number in (0..=u16::MAX).filter(|number| number & ACTION_CGROUP == 0) {
            let action = Action::from_raw(u32::from(number));
            assert_eq!(action.number(), number);
            let notify = Action::from_raw(u32::from(number) | 1 << (CATEGORY_SHIFT + 10));
            assert_eq!(notify.number(), number);
            assert_eq!(notify.is_notify(), number < 3);
        }
    }

    #[test]
    fn the_cgroup_bit_does_not_change_the_action() {
        assert_eq!(Action::from_raw(0x0011_0101), Action::Queue);
        assert_eq!(Action::from_raw(0x0400_0102), Action::NotifyMessage);
    }

    #[test]
    fn codes_come_back() {
        for number in 0..32 {
            let action = Action::from_raw(number);
            if let Some(code) = action.code() {
                assert_eq!(Action::from_code(code), Some(action));
            }
        }
    }

    #[test]
    fn rwbs_is_written_and_read() {
        let cases = [
            (Categories::READ, "R"),
            (Categories::WRITE.with(Categories::SYNC), "WS"),
            (Categories::WRITE.with(Categories::SYNC).with(Categories::FLUSH), "FWS"),
            (Categories::WRITE.with(Categories::FLUSH).with(Categories::FUA), "FWF"),
            (Categories::READ.with(Categories::AHEAD).with(Categories::META), "RAM"),
            (Categories::DISCARD.with(Categories::WRITE).with(Categories::SYNC), "DS"),
            (Categories::FLUSH, "FN"),
            (Categories::NONE, "N"),
        ];
        for (set, text) in cases {
            assert_eq!(set.to_string(), text);
            assert_eq!(Categories::from_rwbs(text), Some(set), "{text}");
        }
        for text in ["", "S", "RX", "F"] {
            assert_eq!(Categories::from_rwbs(text), None, "{text}");
        }
    }
}
