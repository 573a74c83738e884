//! What a host asks of a disk, and what every model answers.

use block_types::{Nanos, Sector, Sectors};

/// The host's own name of a command, as a tag is; unique among those in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What a host asks of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Read `sectors` from `sector` on.
    Read {
        /// The first sector.
        sector: Sector,
        /// The length.
        sectors: Sectors,
    },
    /// Write `sectors` from `sector` on.
    Write {
        /// The first sector.
        sector: Sector,
        /// The length.
        sectors: Sectors,
        /// Whether it is done only once it is on stable media (force unit access), whatever the write cache.
        fua: bool,
    },
    /// Bring what the volatile write cache holds to stable media: all writes completed before this was submitted.
    Flush,
    /// Forget what `sectors` from `sector` on hold.
    Discard {
        /// The first sector.
        sector: Sector,
        /// The length.
        sectors: Sectors,
    },
}

/// The end of virtual time: 146 years.
pub const LATEST: Nanos = Nanos(1 << 62);

/// The longest command, in sectors.
const LONGEST: u64 = 1 << 21;

/// A command is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Completion {
    /// Which one.
    pub id: CommandId,
    /// When.
    pub at: Nanos,
}

/// A disk behind its driver, in virtual time.
///
/// Times are points on a clock of the caller's choice and never go back: an earlier one than before is taken for the
/// one before, and one beyond [`LATEST`] for that. The caller submits whatever it likes, and calls [`Self::advance`] no
/// later than it wants to hear of [`Self::next_event`].
///
/// What a model answers depends on its parameters, its seed, and on which commands are submitted when; on nothing
/// else. Being advanced late, early, often or only once changes no completion's time: what falls due between two calls
/// happens at its own time within the later of them, and [`Self::submit`] brings the model up to `now` as well.
pub trait DiskModel: Send {
    /// Takes a command that arrives at `now`. A command outside of the disk is done as if it lay at its end; an empty
    /// read or write is taken for one of a sector, one of more than 1 GiB for one of 1 GiB.
    fn submit(&mut self, now: Nanos, id: CommandId, command: Command);

    /// When [`Self::advance`] next has something to do; `None` while nothing is in flight and nothing goes on inside.
    fn next_event(&self) -> Option<Nanos>;

    /// Lets the disk work until `now` and appends what is done by then to `done`, in the order of time.
    fn advance(&mut self, now: Nanos, done: &mut Vec<Completion>);

    /// How many commands were submitted and are not done.
    fn in_flight(&self) -> usize;
}

impl Command {
    /// How much it is about; nothing for a flush.
    #[must_use]
    pub const fn sectors(&self) -> Sectors {
        match *self {
            Self::Read { sectors, .. } | Self::Write { sectors, .. } | Self::Discard { sectors, .. } => {
                sectors
            }
            Self::Flush => Sectors::ZERO,
        }
    }

    /// The same on a disk of `size`: what lies outside is moved to its end, and what is too long, cut.
    #[must_use]
    pub(crate) fn within(self, size: Sectors) -> Self {
        let fit = |sector: Sector, sectors: Sectors| {
            let sectors = Sectors(sectors.0.clamp(1, LONGEST).min(size.0));
            (Sector(sector.0.min(size.0 - sectors.0)), sectors)
        };
        match self {
            Self::Read { sector, sectors } => {
                let (sector, sectors) = fit(sector, sectors);
                Self::Read { sector, sectors }
            }
            Self::Write { sector, sectors, fua } => {
                let (sector, sectors) = fit(sector, sectors);
                Self::Write { sector, sectors, fua }
            }
            Self::Discard { sector, sectors } => {
                let (sector, sectors) = fit(sector, sectors);
                Self::Discard { sector, sectors }
            }
            Self::Flush => Self::Flush,
        }
    }
}
