//! `delete`, and the removals that keep a growing set below its ceiling.

use crate::profile::{Op, Syscall};
use crate::run::worker::{Halt, Worker, failed};
use rand::Rng;

/// Removes a random file.
pub(super) fn delete(worker: &mut Worker<'_>, place: usize) -> Result<(), Halt> {
    let op = Op::Delete;
    let Some((index, live)) = worker.pick(op, place) else {
        return Ok(());
    };
    let filesystem = worker.places[place].filesystem;
    worker.trail.add(op, filesystem, &live, 0, 0);
    unlink(worker, op, place, index)?;
    worker.count(op, 0, 0);
    Ok(())
}

/// Removes random files until there is room for so many more bytes under the quota.
pub(super) fn make_room(worker: &mut Worker<'_>, op: Op, place: usize, bytes: u64) -> Result<(), Halt> {
    let Some(quota) = worker.places[place].quota else {
        return Ok(());
    };
    while worker.places[place].bytes.saturating_add(bytes) > quota && !worker.own(place).is_empty() {
        worker.check()?;
        let count = worker.own(place).len();
        let index = worker.random.random_range(0..count);
        unlink(worker, op, place, index)?;
        worker.tally.removed_for_room += 1;
    }
    Ok(())
}

fn unlink(worker: &mut Worker<'_>, op: Op, place: usize, index: usize) -> Result<(), Halt> {
    let live = worker.own(place).swap_remove(index);
    let here = &mut worker.places[place];
    here.bytes = here.bytes.saturating_sub(live.size);
    let path = here.layout.path(&live);
    worker
        .meter
        .call(Syscall::Unlink, || std::fs::remove_file(&path))
        .map_err(|source| failed(op, "remove", &path, source))
}
