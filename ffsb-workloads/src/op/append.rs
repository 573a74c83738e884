//! `append`, with and without fsync.

use crate::op::block::Open;
use crate::op::{create, delete};
use crate::profile::Op;
use crate::run::worker::{Halt, Worker};

/// Adds `write_size` bytes to a random file.
pub(super) fn append(worker: &mut Worker<'_>, op: Op, place: usize) -> Result<(), Halt> {
    let bytes = worker.movable(worker.group.write_size.map_or(0, u64::from));
    let block = worker.group.write_block.map_or(u64::MAX, |block| block.get().into());
    // First, because the file to be added to must not be the one that makes room.
    delete::make_room(worker, op, place, bytes)?;
    let Some((index, live)) = worker.pick(op, place) else {
        return Ok(());
    };
    let path = worker.places[place].layout.path(&live);
    let filesystem = worker.places[place].filesystem;
    let file = worker.open(op, &path, |options| {
        options.append(true);
    })?;
    let mut open = Open { op, path: &path, file, at: live.size };
    let written = create::write_blocks(worker, &mut open, bytes, block, |worker, at, len| {
        worker.trail.add(op, filesystem, &live, at, len);
    });
    let added = open.at - live.size;
    worker.places[place].bytes += added;
    worker.own(place)[index].size += added;
    written?;
    open.finish(worker)
}
