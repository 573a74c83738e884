//! The schedulers: what they do with requests between their insertion and their dispatch to the driver.

mod bfq;
mod kyber;
mod merge;
mod mq_deadline;
mod none;
mod sorted;

pub(crate) use crate::list::List;
pub(crate) use sorted::Sorted;

use crate::config::{Config, Iosched};
use crate::request::{Bio, Pool};
use bfq::Bfq;
use kyber::Kyber;
use mq_deadline::MqDeadline;
use none::NoElevator;

/// Requests that were joined to others and are no more; their tags are to be given back.
pub(crate) type Freed = Vec<u32>;

/// How a bio joined a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    Back,
    Front,
}

/// How long the kernel waits before it asks a scheduler again that has requests and gave none (`BLK_MQ_BUDGET_DELAY`).
const ASK_AGAIN_NS: u64 = 3_000_000;

/// A scheduler.
#[derive(Debug)]
pub(crate) enum Elevator {
    None(NoElevator),
    MqDeadline(Box<MqDeadline>),
    Kyber(Box<Kyber>),
    Bfq(Box<Bfq>),
}

impl Elevator {
    pub(crate) fn new(config: &Config) -> Self {
        let (tags, max_sectors, jiffy_ns) = (config.tags, config.max_sectors, config.jiffy_ns());
        match config.iosched {
            Iosched::None => Self::None(NoElevator::default()),
            Iosched::MqDeadline(knobs) => {
                Self::MqDeadline(Box::new(MqDeadline::new(knobs, max_sectors, jiffy_ns)))
            }
            Iosched::Kyber(knobs) => Self::Kyber(Box::new(Kyber::new(knobs, tags, max_sectors, jiffy_ns))),
            Iosched::Bfq(knobs) => Self::Bfq(Box::new(Bfq::new(knobs, tags, max_sectors, jiffy_ns))),
        }
    }

    /// Joins a bio to a request that is queued, if one is there for it.
    pub(crate) fn try_merge(&mut self, pool: &mut Pool, bio: u32, freed: &mut Freed) -> Option<Merge> {
        match self {
            Self::None(_) => None,
            Self::MqDeadline(elevator) => elevator.try_merge(pool, bio, freed),
            Self::Kyber(elevator) => elevator.try_merge(pool, bio),
            Self::Bfq(elevator) => elevator.try_merge(pool, bio, freed),
        }
    }

    /// Queues a request; or joins it to one that is queued, and then it is among the freed.
    pub(crate) fn insert(&mut self, pool: &mut Pool, id: u32, now: u64, freed: &mut Freed) {
        match self {
            Self::None(elevator) => elevator.insert(pool, id),
            Self::MqDeadline(elevator) => elevator.insert(pool, id, now, freed),
            Self::Kyber(elevator) => elevator.insert(pool, id, now),
            Self::Bfq(elevator) => elevator.insert(pool, id, now, freed),
        }
    }

    /// The request that the driver gets next.
    pub(crate) fn dispatch(&mut self, pool: &mut Pool, now: u64) -> Option<u32> {
        match self {
            Self::None(elevator) => elevator.dispatch(pool),
            Self::MqDeadline(elevator) => elevator.dispatch(pool, now),
            Self::Kyber(elevator) => elevator.dispatch(pool),
            Self::Bfq(elevator) => elevator.dispatch(pool, now),
        }
    }

    /// A request that was dispatched is done.
    pub(crate) fn completed(&mut self, pool: &mut Pool, id: u32, now: u64) {
        match self {
            Self::None(_) => {}
            Self::MqDeadline(elevator) => elevator.completed(pool, id),
            Self::Kyber(elevator) => elevator.completed(pool, id, now),
            Self::Bfq(elevator) => elevator.completed(pool, id, now),
        }
    }

    /// How many of the tags a bio may choose from.
    pub(crate) fn limit(&self, bio: &Bio) -> u32 {
        match self {
            Self::None(_) => u32::MAX,
            Self::MqDeadline(elevator) => elevator.limit(bio),
            Self::Kyber(elevator) => elevator.limit(bio),
            Self::Bfq(elevator) => elevator.limit(bio),
        }
    }

    /// When [`Self::fire`] wants to be called.
    pub(crate) fn timer(&self) -> Option<u64> {
        match self {
            Self::None(_) | Self::MqDeadline(_) => None,
            Self::Kyber(elevator) => elevator.timer(),
            Self::Bfq(elevator) => elevator.timer(),
        }
    }

    /// What was due happens.
    pub(crate) fn fire(&mut self, pool: &mut Pool, now: u64) {
        match self {
            Self::None(_) | Self::MqDeadline(_) => {}
            Self::Kyber(elevator) => elevator.fire(now),
            Self::Bfq(elevator) => elevator.fire(pool, now),
        }
    }

    /// After it gave none: when to ask again, if anything but an insertion or a completion can change its mind.
    pub(crate) fn ask_again(&self, now: u64) -> Option<u64> {
        let has_waiting = match self {
            Self::None(_) => false,
            Self::MqDeadline(elevator) => elevator.has_waiting(),
            Self::Kyber(elevator) => elevator.has_waiting(),
            Self::Bfq(elevator) => elevator.has_waiting(),
        };
        has_waiting.then_some(now + ASK_AGAIN_NS)
    }
}
