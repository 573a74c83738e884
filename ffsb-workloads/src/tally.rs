//! What threads have done, in numbers, and in which order.

use crate::fileset::LiveFile;
use crate::profile::Op;

/// The operations of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpCount {
    /// How many were begun.
    pub operations: u64,
    /// How many of those found no file to work on.
    pub without_file: u64,
    /// Blocks of data operations; one for each other operation.
    pub transactions: u64,
    /// Bytes that were read.
    pub read_bytes: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
}

impl OpCount {
    fn merge(&mut self, other: Self) {
        self.operations += other.operations;
        self.without_file += other.without_file;
        self.transactions += other.transactions;
        self.read_bytes += other.read_bytes;
        self.written_bytes += other.written_bytes;
    }
}

/// The operations of every kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    ops: [OpCount; Op::ALL.len()],
    /// Files that were removed to stay below the ceiling, outside of any operation of the profile.
    pub removed_for_room: u64,
}

impl Tally {
    /// Of one kind.
    #[must_use]
    pub const fn of(&self, op: Op) -> OpCount {
        self.ops[op.index()]
    }

    pub(crate) const fn of_mut(&mut self, op: Op) -> &mut OpCount {
        &mut self.ops[op.index()]
    }

    /// Adds another thread's.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.ops.iter_mut().zip(other.ops) {
            mine.merge(theirs);
        }
        self.removed_for_room += other.removed_for_room;
    }

    /// All kinds together.
    #[must_use]
    pub fn total(&self) -> OpCount {
        let mut total = OpCount::default();
        for op in self.ops {
            total.merge(op);
        }
        total
    }
}

/// One thing that a thread did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// In which operation.
    pub op: Op,
    /// On which of the profile's file systems.
    pub filesystem: usize,
    /// Who made the file (or directory), and its number among theirs.
    pub file: (u32, u64),
    /// Where in the file, in bytes.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}

/// The order in which a thread did things: always as a digest, on request in full.
#[derive(Clone, Debug)]
pub struct Trail {
    digest: u64,
    steps: Option<Vec<Step>>,
}

impl Trail {
    pub(crate) const fn new(in_full: bool) -> Self {
        // The offset basis of 64-bit FNV-1a.
        Self { digest: 0xcbf2_9ce4_8422_2325, steps: if in_full { Some(Vec::new()) } else { None } }
    }

    pub(crate) fn add(&mut self, op: Op, filesystem: usize, file: &LiveFile, offset: u64, len: u64) {
        let words = [op.index() as u64, filesystem as u64, file.maker.into(), file.number, offset, len];
        for word in words {
            // FNV-1a over words instead of bytes: a check on equality, not a defence.
            self.digest = (self.digest ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if let Some(steps) = &mut self.steps {
            steps.push(Step { op, filesystem, file: (file.maker, file.number), offset, len });
        }
    }

    /// Equal for equal orders.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Every step; empty where that was not asked for.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        self.steps.as_deref().unwrap_or_default()
    }
}
