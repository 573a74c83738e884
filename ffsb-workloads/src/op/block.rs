//! Moving blocks: what reads and writes have in common.

use crate::profile::{Op, Syscall};
use crate::run::worker::{Halt, Worker, failed};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// An open file and where its offset is.
pub(super) struct Open<'p> {
    pub(super) op: Op,
    pub(super) path: &'p Path,
    pub(super) file: File,
    pub(super) at: u64,
}

impl Open<'_> {
    /// Moves the offset, by a call only where it is elsewhere.
    pub(super) fn seek(&mut self, worker: &mut Worker<'_>, to: u64) -> Result<(), Halt> {
        if self.at == to {
            return Ok(());
        }
        let file = &mut self.file;
        worker
            .meter
            .call(Syscall::Lseek, || file.seek(SeekFrom::Start(to)))
            .map_err(|source| failed(self.op, "seek in", self.path, source))?;
        self.at = to;
        Ok(())
    }

    /// Reads a block; fewer bytes only at the end of the file. One transaction.
    pub(super) fn read(&mut self, worker: &mut Worker<'_>, len: u64) -> Result<(), Halt> {
        let mut done = 0;
        while done < len {
            let file = &mut self.file;
            let slice = worker.buffer.room_to_read(usize::try_from(len - done).unwrap_or(usize::MAX));
            let got = worker
                .meter
                .call(Syscall::Read, || file.read(slice))
                .map_err(|source| failed(self.op, "read", self.path, source))?;
            if got == 0 {
                break;
            }
            done += got as u64;
        }
        self.at += done;
        worker.count(self.op, done, 0);
        Ok(())
    }

    /// Writes a block. One transaction.
    pub(super) fn write(&mut self, worker: &mut Worker<'_>, len: u64) -> Result<(), Halt> {
        let mut slice = worker.buffer.data_to_write(usize::try_from(len).unwrap_or(usize::MAX));
        while !slice.is_empty() {
            let file = &mut self.file;
            let put = match worker.meter.call(Syscall::Write, || file.write(slice)) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                other => other,
            };
            let put = put.map_err(|source| failed(self.op, "write", self.path, source))?;
            self.at += put as u64;
            slice = &slice[put..];
        }
        worker.count(self.op, 0, len);
        Ok(())
    }

    /// Ends the operation: fsync where it has one, then close.
    pub(super) fn finish(self, worker: &mut Worker<'_>) -> Result<(), Halt> {
        if self.op.syncs() {
            worker
                .meter
                .unmeasured(|| self.file.sync_all())
                .map_err(|source| failed(self.op, "fsync", self.path, source))?;
        }
        worker.close(self.file);
        Ok(())
    }
}
