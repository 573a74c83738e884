//! `write` and `writeall`, with and without fsync: they overwrite and never enlarge a file.

use crate::op::block::Open;
use crate::profile::{Op, WriteOrder};
use crate::run::worker::{Halt, Worker};

/// Overwrites `write_size` bytes of a random file; all of it where it is shorter.
pub(super) fn write(worker: &mut Worker<'_>, op: Op, place: usize) -> Result<(), Halt> {
    let wanted = worker.group.write_size.map_or(0, u64::from);
    blocks(worker, op, place, Some(wanted), worker.group.write_order)
}

/// Overwrites a random file from its beginning to its end.
pub(super) fn write_all(worker: &mut Worker<'_>, op: Op, place: usize) -> Result<(), Halt> {
    blocks(worker, op, place, None, WriteOrder::Sequential)
}

fn blocks(
    worker: &mut Worker<'_>,
    op: Op,
    place: usize,
    wanted: Option<u64>,
    order: WriteOrder,
) -> Result<(), Halt> {
    let Some((_, live)) = worker.pick(op, place) else {
        return Ok(());
    };
    let block: u64 = worker.group.write_block.map_or(u64::MAX, |block| block.get().into());
    let mut left = wanted.map_or(live.size, |wanted| worker.movable(wanted).min(live.size));
    let mut next = match order {
        WriteOrder::Sequential => worker.offset(live.size, left),
        WriteOrder::Random => 0,
    };
    let path = worker.places[place].layout.path(&live);
    let filesystem = worker.places[place].filesystem;
    let file = worker.open(op, &path, |options| {
        options.write(true);
    })?;
    let mut open = Open { op, path: &path, file, at: 0 };
    while left > 0 {
        worker.check()?;
        let len = left.min(block);
        if order == WriteOrder::Random {
            next = worker.offset(live.size, len);
        }
        open.seek(worker, next)?;
        worker.trail.add(op, filesystem, &live, next, len);
        open.write(worker, len)?;
        left -= len;
        next += len;
    }
    open.finish(worker)
}
