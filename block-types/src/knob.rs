//! The knobs of a request queue and of its scheduler, by name.

use crate::Elevator;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! knobs {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $owner:expr;)*) => {
        /// A knob that tunerd knows of. Its name is that of its sysfs file; names do not clash, except
        /// `async_depth`, which is one knob to a user wherever the running kernel keeps it.
        ///
        /// What a knob accepts and does is in the catalogue of the `schedulers` room.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub enum Knob { $($(#[$doc])* $variant,)* }

        impl Knob {
            /// All knobs.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name of the sysfs file.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The scheduler that owns it (under `queue/iosched/`), or `None` for the queue's own knobs.
            #[must_use]
            pub const fn elevator(self) -> Option<Elevator> {
                match self { $(Self::$variant => $owner,)* }
            }
        }
    };
}

const MQ: Option<Elevator> = Some(Elevator::MqDeadline);
const KYBER: Option<Elevator> = Some(Elevator::Kyber);
const BFQ: Option<Elevator> = Some(Elevator::Bfq);
const QUEUE: Option<Elevator> = None;

knobs! {
    /// The I/O scheduler itself.
    Scheduler = "scheduler" QUEUE;
    /// Requests that the queue (or, under `none`, the driver's tag set) holds.
    NrRequests = "nr_requests" QUEUE;
    /// Largest request the block layer builds, KiB.
    MaxSectorsKb = "max_sectors_kb" QUEUE;
    /// Writeback throttling's latency target, µs; 0 = off.
    WbtLatUsec = "wbt_lat_usec" QUEUE;
    /// Read-ahead of buffered reads, KiB; 0 = off.
    ReadAheadKb = "read_ahead_kb" QUEUE;
    /// Which CPU completes a request: 0 any, 1 same group, 2 the same.
    RqAffinity = "rq_affinity" QUEUE;
    /// Merging: 0 all, 1 simple only, 2 none.
    Nomerges = "nomerges" QUEUE;
    /// mq-deadline: a read's deadline, ms.
    ReadExpire = "read_expire" MQ;
    /// mq-deadline: a write's deadline, ms.
    WriteExpire = "write_expire" MQ;
    /// mq-deadline: requests in a batch.
    FifoBatch = "fifo_batch" MQ;
    /// mq-deadline: read batches before a write batch must run.
    WritesStarved = "writes_starved" MQ;
    /// mq-deadline: whether front merges are tried.
    FrontMerges = "front_merges" MQ;
    /// mq-deadline: how many requests asynchronous I/O may hold.
    AsyncDepth = "async_depth" MQ;
    /// mq-deadline: after how long lower priorities are served, ms.
    PrioAgingExpire = "prio_aging_expire" MQ;
    /// kyber: target latency of reads, ns.
    ReadLatNsec = "read_lat_nsec" KYBER;
    /// kyber: target latency of synchronous writes, ns.
    WriteLatNsec = "write_lat_nsec" KYBER;
    /// bfq: how long to idle for the next request of a sync queue, µs.
    SliceIdleUs = "slice_idle_us" BFQ;
    /// bfq: longest time a sync queue is served, ms.
    TimeoutSync = "timeout_sync" BFQ;
    /// bfq: whether interactive and soft real-time work is favoured.
    LowLatency = "low_latency" BFQ;
    /// bfq: largest budget of a queue, sectors; 0 = automatic.
    MaxBudget = "max_budget" BFQ;
    /// bfq: whether dispatch is serialised for strict guarantees.
    StrictGuarantees = "strict_guarantees" BFQ;
    /// bfq: farthest backward seek, KiB.
    BackSeekMax = "back_seek_max" BFQ;
    /// bfq: cost of a backward seek against a forward one, factor.
    BackSeekPenalty = "back_seek_penalty" BFQ;
    /// bfq: deadline of synchronous requests, ms.
    FifoExpireSync = "fifo_expire_sync" BFQ;
    /// bfq: deadline of asynchronous requests, ms.
    FifoExpireAsync = "fifo_expire_async" BFQ;
}

impl Knob {
    /// Whether the knob exists while `elevator` is in force.
    #[must_use]
    pub fn is_knob_of(self, elevator: Elevator) -> bool {
        self.elevator().is_none_or(|owner| owner == elevator)
    }
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A knob's name that tunerd does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found knob {found:?}, expected the name of a file in queue/ or queue/iosched/ that tunerd tunes")]
pub struct UnknownKnob {
    /// The name that was found.
    pub found: String,
}

impl FromStr for Knob {
    type Err = UnknownKnob;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|knob| knob.name() == text)
            .ok_or_else(|| UnknownKnob { found: text.to_owned() })
    }
}

impl From<Knob> for String {
    fn from(knob: Knob) -> Self {
        knob.name().to_owned()
    }
}

impl TryFrom<String> for Knob {
    type Error = UnknownKnob;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse_back() {
        for (index, knob) in Knob::ALL.iter().enumerate() {
            assert_eq!(knob.name().parse(), Ok(*knob));
            assert!(
                Knob::ALL[index + 1..].iter().all(|other| other.name() != knob.name()),
                "{knob} is twice"
            );
        }
    }
}
