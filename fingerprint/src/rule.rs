//! The rules by which a snapshot is classified, and their thresholds.

use block_types::Sectors;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How the pattern is found. Type and size are the same under both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rule {
    /// Sequential if at least half of the data bios start near the end of one of 16 recent streams.
    ///
    /// A share and not a mean: one far jump cannot outweigh hundreds of near ones, and interleaved streams stay
    /// sequential.
    #[default]
    #[serde(rename = "ours")]
    Ours,
    /// The paper's: random if the mean start-to-start distance from the previous bio exceeds 25 sectors.
    ///
    /// It calls any stream of bios above 12.5 KiB random, because it measures from start to start.
    #[serde(rename = "paper-2006")]
    Paper2006,
}

impl Rule {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ours, Self::Paper2006];

    /// The name in configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Paper2006 => "paper-2006",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found rule {found:?}, expected \"ours\" or \"paper-2006\"")]
pub struct UnknownRule {
    /// The text that was found.
    pub found: String,
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|rule| rule.name() == text)
            .ok_or_else(|| UnknownRule { found: text.to_owned() })
    }
}

/// Where one characteristic ends and the other begins. The defaults are the paper's, `near_share` ours.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Read if there are more than this many times as many reads as writes; above 0.
    pub read_write_ratio: f64,
    /// Ours: a data bio is near if it starts at most so far from a stream end. Used while counting, so a change
    /// takes effect on what is counted afterwards.
    pub near_sectors: Sectors,
    /// Ours: sequential if at least this share of the data bios is near; above 0, at most 1.
    pub near_share: f64,
    /// Paper: random if the mean start-to-start distance is larger.
    pub random_distance_sectors: Sectors,
    /// Large if the mean size is larger: one page of 4 KiB.
    pub small_sectors: Sectors,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            read_write_ratio: 2.0,
            near_sectors: Sectors(25),
            near_share: 0.5,
            random_distance_sectors: Sectors(25),
            small_sectors: Sectors(8),
        }
    }
}

/// A threshold that makes a class unreachable or means nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("threshold {name}: found {found}, expected {expected}")]
pub struct BadThreshold {
    /// The field of [`Thresholds`].
    pub name: &'static str,
    /// Its value.
    pub found: f64,
    /// What is allowed.
    pub expected: &'static str,
}

impl Thresholds {
    /// Answers the thresholds if they make sense.
    ///
    /// # Errors
    /// [`BadThreshold`] where `read_write_ratio` is not a finite number above 0, or `near_share` not above 0
    /// and at most 1.
    pub fn checked(self) -> Result<Self, BadThreshold> {
        let bad = |name, found, expected| Err(BadThreshold { name, found, expected });
        if !(self.read_write_ratio.is_finite() && self.read_write_ratio > 0.0) {
            return bad("read_write_ratio", self.read_write_ratio, "a finite number above 0");
        }
        if !(self.near_share > 0.0 && self.near_share <= 1.0) {
            return bad("near_share", self.near_share, "a share above 0 and at most 1");
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_stable_names() {
        for rule in Rule::ALL {
            assert_eq!(rule.to_string().parse(), Ok(rule));
            assert_eq!(serde_json::to_string(&rule).unwrap(), format!("\"{rule}\""));
        }
        assert!("paper".parse::<Rule>().unwrap_err().to_string().contains("paper-2006"));
    }

    #[test]
    fn thresholds_read_from_a_part_and_refuse_unknown_keys_and_nonsense() {
        let read = serde_json::from_str::<Thresholds>;
        assert_eq!(read("{\"near_share\": 0.8}").unwrap().near_sectors, Sectors(25));
        assert!(read("{\"near_shares\": 0.8}").is_err());
        for (text, name) in [
            ("{\"near_share\": 0.0}", "near_share"),
            ("{\"near_share\": 1.5}", "near_share"),
            ("{\"read_write_ratio\": -1.0}", "read_write_ratio"),
        ] {
            assert_eq!(read(text).unwrap().checked().unwrap_err().name, name);
        }
        let nan = Thresholds { near_share: f64::NAN, ..Thresholds::default() };
        assert!(nan.checked().is_err());
        assert_eq!(Thresholds::default().checked(), Ok(Thresholds::default()));
    }
}
