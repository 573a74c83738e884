//! `create`, with and without fsync.

use crate::op::block::Open;
use crate::op::delete;
use crate::profile::{Op, Syscall};
use crate::run::worker::{Halt, Worker};

/// Makes a file of the size that the file system's rule draws.
pub(super) fn create(worker: &mut Worker<'_>, op: Op, place: usize) -> Result<(), Halt> {
    let here = &mut worker.places[place];
    let mut live = here.layout.draw(worker.maker, here.next, &mut worker.random);
    here.next += 1;
    if let Some(quota) = here.quota {
        live.size = live.size.min(quota - quota % here.layout.grain);
    }
    let (filesystem, layout) = (here.filesystem, here.layout.clone());
    delete::make_room(worker, op, place, live.size)?;
    let path = layout.path(&live);
    let block = worker.group.write_block.map_or(layout.create_block, u32::from);
    let block = if worker.group.write_block.is_none() { worker.movable(block.into()) } else { block.into() };
    let file = worker.open_by(Syscall::Create, op, &path, |options| {
        options.write(true).create_new(true);
    })?;
    let mut open = Open { op, path: &path, file, at: 0 };
    let written = write_blocks(worker, &mut open, live.size, block, |worker, at, len| {
        worker.trail.add(op, filesystem, &live, at, len);
    });
    if live.size == 0 {
        worker.trail.add(op, filesystem, &live, 0, 0);
        worker.count(op, 0, 0);
    }
    // The file is there, whole or not.
    live.size = open.at;
    worker.places[place].bytes += live.size;
    worker.own(place).push(live);
    written?;
    open.finish(worker)
}

/// Writes this many bytes at the end of a file.
pub(super) fn write_blocks(
    worker: &mut Worker<'_>,
    open: &mut Open<'_>,
    bytes: u64,
    block: u64,
    note: impl Fn(&mut Worker<'_>, u64, u64),
) -> Result<(), Halt> {
    let mut left = bytes;
    while left > 0 {
        worker.check()?;
        let len = left.min(block);
        note(worker, open.at, len);
        open.write(worker, len)?;
        left -= len;
    }
    Ok(())
}
