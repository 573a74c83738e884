//! How a comparison ends, and the words for it.

use block_types::{Knob, Nanos};
use serde::{Serialize, Serializer};
use std::fmt;
use trials::{Abort, Undecided, Verdict};

/// Why a comparison ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The trial has its verdict.
    Verdict(Verdict),
    /// The time that was given is up.
    TimeUp,
    /// A signal asked for it.
    Interrupted(&'static str),
    /// Nothing is asked of the disk.
    NoLoad,
    /// The work changes so often that no pair of slices is of one piece.
    Unstable,
    /// The device reports errors.
    DeviceErrors,
    /// Somebody else wrote one of the knobs that are compared.
    Foreign(Knob),
    /// The device has gone.
    Vanished,
    /// The kernel made both sides the same; what it made of the setting.
    Same(String),
    /// A setting could not be put in force, and why.
    Refused(String),
    /// Something that is needed failed.
    Broken(String),
}

/// The four words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The setting is better.
    Better,
    /// It is worse, or the guard took it back twice in a row.
    Worse,
    /// Both limits lie within 1 %.
    NoDifference,
    /// None of these.
    Undecided,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NoDifference => "no difference above 1 % seen",
            Self::Undecided => "undecided",
        })
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Ending {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> Word {
        match self {
            Self::Verdict(Verdict::Better) => Word::Better,
            Self::Verdict(Verdict::Worse | Verdict::Violated(_)) => Word::Worse,
            Self::Verdict(Verdict::NoDifference) => Word::NoDifference,
            _ => Word::Undecided,
        }
    }

    /// Why there is no more to say; `None` where the word says it all.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        Some(match self {
            Self::Verdict(Verdict::Better | Verdict::Worse | Verdict::NoDifference) => return None,
            Self::Verdict(Verdict::Violated(abort)) => {
                format!("the guard took it back twice in a row: {}", harm(abort))
            }
            Self::Verdict(Verdict::Undecided(why)) => match why {
                Undecided::Futile => "no gain above 1 % is in prospect".to_owned(),
                Undecided::Capped => "the cap on pairs was reached".to_owned(),
                Undecided::TooLittleTold => {
                    "most slices were void or said nothing about the objective".to_owned()
                }
            },
            Self::TimeUp => "the time is up".to_owned(),
            Self::Interrupted(signal) => format!("ended by {signal}"),
            Self::NoLoad => "nothing was asked of the disk".to_owned(),
            Self::Unstable => "the work changes too often for two slices to be alike".to_owned(),
            Self::DeviceErrors => "the device reports errors".to_owned(),
            Self::Foreign(knob) => format!("somebody else wrote {knob}"),
            Self::Vanished => "the device has gone".to_owned(),
            Self::Same(what) => format!("the kernel made it {what}, which is what it is compared with"),
            Self::Refused(why) | Self::Broken(why) => why.clone(),
        })
    }
}

/// What a guard saw, in words.
pub(super) fn harm(abort: &Abort) -> String {
    match abort {
        Abort::Latency { ratio, bound } => {
            format!("mean latency {ratio:.1} times that before, {bound:.1} allowed")
        }
        Abort::Age { oldest, bound } => format!("a request waited for {oldest}, {bound} allowed"),
    }
}

/// A length of time as people say it: `5m12s`.
pub(super) fn length(time: Nanos) -> String {
    let seconds = time.0.div_ceil(1_000_000_000);
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{:02}s", seconds / 60, seconds % 60) }
}
