//! `stat`, `open_close`, `createdir` and `metaop`: no data moves.

use crate::fileset::LiveFile;
use crate::home::make_directory;
use crate::profile::{Op, Syscall};
use crate::run::worker::{Halt, Worker, failed};
use std::fs;

/// Asks for a random file's attributes.
pub(super) fn stat(worker: &mut Worker<'_>, place: usize) -> Result<(), Halt> {
    let op = Op::Stat;
    let Some((_, live)) = worker.pick(op, place) else {
        return Ok(());
    };
    note(worker, op, place, &live);
    let path = worker.places[place].layout.path(&live);
    worker
        .meter
        .call(Syscall::Stat, || fs::symlink_metadata(&path))
        .map_err(|source| failed(op, "stat", &path, source))?;
    worker.count(op, 0, 0);
    Ok(())
}

/// Opens a random file and closes it.
pub(super) fn open_close(worker: &mut Worker<'_>, place: usize) -> Result<(), Halt> {
    let op = Op::OpenClose;
    let Some((_, live)) = worker.pick(op, place) else {
        return Ok(());
    };
    note(worker, op, place, &live);
    let path = worker.places[place].layout.path(&live);
    let file = worker.open(op, &path, |options| {
        options.read(true);
    })?;
    worker.close(file);
    worker.count(op, 0, 0);
    Ok(())
}

/// Makes a directory among the files.
pub(super) fn create_directory(worker: &mut Worker<'_>, place: usize) -> Result<(), Halt> {
    let op = Op::Createdir;
    let made = number(worker, place);
    note(worker, op, place, &made);
    let path = worker.places[place].layout.files().join(format!("c{}-{}", made.maker, made.number));
    worker.meter.unmeasured(|| make_directory(&path)).map_err(|source| failed(op, "make", &path, source))?;
    worker.count(op, 0, 0);
    Ok(())
}

/// Makes two directories, removes one and renames the other.
pub(super) fn metaop(worker: &mut Worker<'_>, place: usize) -> Result<(), Halt> {
    let op = Op::Metaop;
    let (removed, renamed) = (number(worker, place), number(worker, place));
    note(worker, op, place, &removed);
    let meta = worker.places[place].layout.meta();
    let [removed, renamed] =
        [removed, renamed].map(|made| meta.join(format!("m{}-{}", made.maker, made.number)));
    for path in [&removed, &renamed] {
        worker
            .meter
            .unmeasured(|| make_directory(path))
            .map_err(|source| failed(op, "make", path, source))?;
    }
    worker
        .meter
        .unmeasured(|| fs::remove_dir(&removed))
        .map_err(|source| failed(op, "remove", &removed, source))?;
    let mut other = renamed.clone().into_os_string();
    other.push("a");
    worker
        .meter
        .unmeasured(|| fs::rename(&renamed, &other))
        .map_err(|source| failed(op, "rename", &renamed, source))?;
    worker.count(op, 0, 0);
    Ok(())
}

/// The next number of this thread, for a directory.
fn number(worker: &mut Worker<'_>, place: usize) -> LiveFile {
    let here = &mut worker.places[place];
    let number = here.next;
    here.next += 1;
    LiveFile { maker: worker.maker, number, dir: 0, size: 0 }
}

fn note(worker: &mut Worker<'_>, op: Op, place: usize, file: &LiveFile) {
    let filesystem = worker.places[place].filesystem;
    worker.trail.add(op, filesystem, file, 0, 0);
}
