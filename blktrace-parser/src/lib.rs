//! Reads blktrace, blkparse, fio and MSR traces into block I/O events.
