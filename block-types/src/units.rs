//! Quantities with their unit in the type.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Bytes in a sector as the block layer counts them (`SECTOR_SIZE`), whatever the disk's own block size is.
pub const SECTOR_BYTES: u64 = 512;

/// A position on a disk: the number of a 512-byte sector, counted from the start of the whole disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sector(pub u64);

impl Sector {
    /// The distance between two positions, in either direction.
    #[must_use]
    pub const fn distance(self, other: Self) -> Sectors {
        Sectors(self.0.abs_diff(other.0))
    }

    /// The position `len` further on; saturates at the end of the address space.
    #[must_use]
    pub const fn offset(self, len: Sectors) -> Self {
        Self(self.0.saturating_add(len.0))
    }
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0);

            /// What is left after `other`, or zero.
            #[must_use]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// What was counted since `earlier`; `None` where the counter went backwards (it was reset).
            #[must_use]
            pub const fn since(self, earlier: Self) -> Option<Self> {
                match self.0.checked_sub(earlier.0) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }
    };
}

quantity! {
    /// A length in 512-byte sectors.
    Sectors
}
quantity! {
    /// A length in bytes.
    Bytes
}
quantity! {
    /// Nanoseconds: a duration, or a point on the clock that the context names (usually `CLOCK_MONOTONIC`).
    Nanos
}

impl Sectors {
    /// The same length in bytes; saturates.
    #[must_use]
    pub const fn bytes(self) -> Bytes {
        Bytes(self.0.saturating_mul(SECTOR_BYTES))
    }
}

impl Bytes {
    /// Whole sectors in this length, rounded down.
    #[must_use]
    pub const fn sectors(self) -> Sectors {
        Sectors(self.0 / SECTOR_BYTES)
    }
}

impl Nanos {
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);

    /// `ms` milliseconds; saturates.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// Seconds as a floating-point number.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Milliseconds as a floating-point number.
    #[must_use]
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Sub for Nanos {
    type Output = Self;
    /// Saturates at zero: a clock that stepped back yields no negative duration.
    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl From<Duration> for Nanos {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for Duration {
    fn from(nanos: Nanos) -> Self {
        Self::from_nanos(nanos.0)
    }
}

impl fmt::Display for Nanos {
    /// A person's reading: three significant digits and a unit (`ns`, `µs`, `ms`, `s`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            ..1_000 => return write!(f, "{} ns", self.0),
            1_000..1_000_000 => (self.0 as f64 / 1e3, "µs"),
            1_000_000..1_000_000_000 => (self.0 as f64 / 1e6, "ms"),
            _ => (self.0 as f64 / 1e9, "s"),
        };
        let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        write!(f, "{value:.digits$} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_went_back_is_none_and_never_wraps() {
        assert_eq!(Sectors(5).since(Sectors(3)), Some(Sectors(2)));
        assert_eq!(Sectors(3).since(Sectors(5)), None);
    }

    #[test]
    fn nanos_read_as_a_person_would_write_them() {
        let shown: Vec<String> =
            [950, 1_500, 15_250_000, 2_000_000_000, 154_300_000].map(|n| Nanos(n).to_string()).into();
        assert_eq!(shown, ["950 ns", "1.50 µs", "15.2 ms", "2.00 s", "154 ms"]);
    }

    #[test]
    fn distance_is_symmetric() {
        assert_eq!(Sector(10).distance(Sector(35)), Sectors(25));
        assert_eq!(Sector(35).distance(Sector(10)), Sectors(25));
    }
}
