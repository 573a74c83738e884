//! Device numbers.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A block device's number, as in `/sys/block/*/dev` (`major:minor`).
///
/// The kernel packs it into 32 bits as `major << 20 | minor` (`MKDEV`); user space packs it otherwise
/// (`st_rdev`). [`DevNo::from_kernel`] and [`DevNo::to_kernel`] are for the former only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DevNo {
    /// Major number, 12 bits.
    pub major: u32,
    /// Minor number, 20 bits.
    pub minor: u32,
}

const MINOR_BITS: u32 = 20;
const MINOR_MASK: u32 = (1 << MINOR_BITS) - 1;

impl DevNo {
    /// A device number of its two parts.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// From the kernel's internal `dev_t`.
    #[must_use]
    pub const fn from_kernel(dev: u32) -> Self {
        Self { major: dev >> MINOR_BITS, minor: dev & MINOR_MASK }
    }

    /// To the kernel's internal `dev_t`.
    #[must_use]
    pub const fn to_kernel(self) -> u32 {
        (self.major << MINOR_BITS) | (self.minor & MINOR_MASK)
    }
}

impl fmt::Display for DevNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// A text that is not `major:minor`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}, expected a device number such as \"7:0\"")]
pub struct ParseDevNoError {
    /// The text that was found.
    pub found: String,
}

impl FromStr for DevNo {
    type Err = ParseDevNoError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (major, minor) = text.trim().split_once(':')?;
            Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
        };
        parse().ok_or_else(|| ParseDevNoError { found: text.to_owned() })
    }
}

impl From<DevNo> for String {
    fn from(dev: DevNo) -> Self {
        dev.to_string()
    }
}

impl TryFrom<String> for DevNo {
    type Error = ParseDevNoError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_sysfs_prints() {
        assert_eq!("259:3\n".parse(), Ok(DevNo::new(259, 3)));
        assert!("259".parse::<DevNo>().is_err());
        assert!("a:b".parse::<DevNo>().is_err());
    }

    #[test]
    fn kernel_encoding_round_trips() {
        let dev = DevNo::new(259, 1_048_575);
        assert_eq!(DevNo::from_kernel(dev.to_kernel()), dev);
        assert_eq!(DevNo::new(7, 1).to_kernel(), 0x0070_0001);
    }
}
