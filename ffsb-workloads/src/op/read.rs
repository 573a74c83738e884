//! `read` and `readall`.

use crate::op::block::Open;
use crate::profile::{Op, ReadOrder};
use crate::run::worker::{Halt, Worker};

/// Reads `read_size` bytes of a random file; all of it where it is shorter.
pub(super) fn read(worker: &mut Worker<'_>, place: usize) -> Result<(), Halt> {
    let wanted = worker.group.read_size.map_or(0, u64::from);
    blocks(worker, Op::Read, place, Some(wanted), worker.group.read_order)
}

/// Reads a random file from its beginning to its end.
pub(super) fn read_all(worker: &mut Worker<'_>, place: usize) -> Result<(), Halt> {
    blocks(worker, Op::Readall, place, None, ReadOrder::Sequential)
}

fn blocks(
    worker: &mut Worker<'_>,
    op: Op,
    place: usize,
    wanted: Option<u64>,
    order: ReadOrder,
) -> Result<(), Halt> {
    let Some((_, live)) = worker.pick(op, place) else {
        return Ok(());
    };
    let block: u64 = worker.group.read_block.map_or(u64::MAX, |block| block.get().into());
    let mut left = wanted.map_or(live.size, |wanted| worker.movable(wanted).min(live.size));
    let (gap, mut next) = match order {
        // As FFSB does it, from the beginning of the file.
        ReadOrder::Skip(gap) => (gap.get(), 0),
        ReadOrder::Sequential => (0, worker.offset(live.size, left)),
        ReadOrder::Random => (0, 0),
    };
    let path = worker.places[place].layout.path(&live);
    let filesystem = worker.places[place].filesystem;
    let file = worker.open(op, &path, |options| {
        options.read(true);
    })?;
    let mut open = Open { op, path: &path, file, at: 0 };
    // Where the file is too short for all the gaps, the read ends with it.
    while left > 0 && next < live.size {
        worker.check()?;
        let len = left.min(block).min(live.size - next);
        if order == ReadOrder::Random {
            next = worker.offset(live.size, len);
        }
        open.seek(worker, next)?;
        worker.trail.add(op, filesystem, &live, next, len);
        open.read(worker, len)?;
        left -= len;
        if order != ReadOrder::Random {
            next = next.saturating_add(len).saturating_add(gap);
        }
    }
    open.finish(worker)
}
