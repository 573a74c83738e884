//! The operations, a file for each family.

mod append;
mod block;
mod create;
mod delete;
mod metadata;
mod read;
mod write;

use crate::profile::Op;
use crate::run::worker::{Halt, Worker};

/// Does one operation in one place.
pub(crate) fn run(worker: &mut Worker<'_>, op: Op, place: usize) -> Result<(), Halt> {
    match op {
        Op::Read => read::read(worker, place),
        Op::Readall => read::read_all(worker, place),
        Op::Write | Op::WriteFsync => write::write(worker, op, place),
        Op::Writeall | Op::WriteallFsync => write::write_all(worker, op, place),
        Op::Create | Op::CreateFsync => create::create(worker, op, place),
        Op::Append | Op::AppendFsync => append::append(worker, op, place),
        Op::Delete => delete::delete(worker, place),
        Op::Stat => metadata::stat(worker, place),
        Op::OpenClose => metadata::open_close(worker, place),
        Op::Createdir => metadata::create_directory(worker, place),
        Op::Metaop => metadata::metaop(worker, place),
    }
}
