//! What the kernel side and the user side share: mirrors `layout.h`.

/// Disks that one source watches.
pub(super) const MAX_DISKS: usize = 64;
/// Buckets of the table that finds a disk by its number.
pub(super) const DISK_BUCKETS: usize = 1024;
/// The same as a power of two.
pub(super) const DISK_BUCKET_BITS: u32 = 10;
/// Sampled bios that can be in flight at once.
pub(super) const SLOTS: usize = 4096;
/// Latency classes: reads, synchronous writes, asynchronous writes; and what was submitted before the disk's mark.
pub(super) const LATENCY_CLASSES: usize = 4;
/// The last of them.
pub(super) const CARRIED: usize = 3;
/// Groups of completions: read, write, discard.
pub(super) const GROUPS: usize = 3;

/// Counters of one disk on one CPU, as indexes of `u64`s.
pub(super) mod counter {
    use super::GROUPS;
    use fingerprint::{GAP_BUCKETS, SIZE_BUCKETS};

    pub(in super::super) const BIOS: usize = 0;
    pub(in super::super) const SECTORS: usize = 2;
    pub(in super::super) const NEAR: usize = 4;
    pub(in super::super) const GAPS: usize = 5;
    pub(in super::super) const GAP_SUM: usize = 6;
    pub(in super::super) const DISTANCE_SUM: usize = 7;
    pub(in super::super) const SYNC: usize = 8;
    #[cfg(test)]
    pub(in super::super) const SKIP: usize = 9;
    pub(in super::super) const SIZE_LOG2: usize = 10;
    pub(in super::super) const GAP_LOG2: usize = SIZE_LOG2 + SIZE_BUCKETS;
    pub(in super::super) const FLUSHES: usize = GAP_LOG2 + GAP_BUCKETS;
    pub(in super::super) const DISCARDS: usize = FLUSHES + 1;
    pub(in super::super) const OTHERS: usize = DISCARDS + 1;
    pub(in super::super) const ERRORS: usize = OTHERS + 1;
    pub(in super::super) const X_BIOS: usize = ERRORS + 1;
    pub(in super::super) const X_SPLITS: usize = X_BIOS + 1;
    pub(in super::super) const X_REQUESTS: usize = X_SPLITS + 1;
    pub(in super::super) const X_BIO_MERGES: usize = X_REQUESTS + 1;
    pub(in super::super) const X_RQ_MERGES: usize = X_BIO_MERGES + 1;
    pub(in super::super) const X_UNQUEUED: usize = X_RQ_MERGES + 1;
    pub(in super::super) const X_DONE: usize = X_UNQUEUED + 1;
    pub(in super::super) const X_DONE_SECTORS: usize = X_DONE + GROUPS;
    /// How many there are.
    pub(in super::super) const COUNTERS: usize = X_DONE_SECTORS + GROUPS;
}

/// Latencies of one disk, as indexes of `u64`s.
pub(super) mod latency {
    use super::LATENCY_CLASSES;
    use block_types::LatencyHistogram;

    pub(in super::super) const COUNTS: usize = 0;
    pub(in super::super) const SUM_NS: usize = LATENCY_CLASSES * LatencyHistogram::BUCKETS;
    pub(in super::super) const PENDING: usize = SUM_NS + LATENCY_CLASSES;
    pub(in super::super) const COLLISIONS: usize = PENDING + 1;
    pub(in super::super) const STALE: usize = COLLISIONS + 1;
    #[cfg(test)]
    pub(in super::super) const LAST_BIO_TICK: usize = STALE + 1;
    pub(in super::super) const LAST_BIO_NS: usize = STALE + 2;
    pub(in super::super) const FIRST_BIO_NS: usize = LAST_BIO_NS + 1;
    /// How many there are.
    pub(in super::super) const LATENCIES: usize = FIRST_BIO_NS + 1;
}

/// A sampled bio in flight, as indexes of `u64`s.
pub(super) mod slot {
    pub(in super::super) const BIO: usize = 0;
    pub(in super::super) const QUEUED_NS: usize = 1;
    pub(in super::super) const TAG: usize = 3;
    /// How many there are.
    pub(in super::super) const WORDS: usize = 4;
}

/// The words of a map's value; a remainder is left out.
pub(super) fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use block_types::LatencyHistogram;
    use std::fmt::Write as _;
    use std::process::Command;

    /// Lets the C compiler say what every name of layout.h is.
    #[test]
    fn rust_and_c_agree_on_the_layout() {
        let names = [
            ("MAX_DISKS", MAX_DISKS),
            ("DISK_BUCKETS", DISK_BUCKETS),
            ("1 << DISK_BUCKET_BITS", 1 << DISK_BUCKET_BITS),
            ("SLOTS", SLOTS),
            ("1 << SLOT_BITS", SLOTS),
            ("SIZE_BUCKETS", fingerprint::SIZE_BUCKETS),
            ("GAP_BUCKETS", fingerprint::GAP_BUCKETS),
            ("LATENCY_BUCKETS", LatencyHistogram::BUCKETS),
            ("LATENCY_CLASSES", LATENCY_CLASSES),
            ("CARRIED", CARRIED),
            ("GROUPS", GROUPS),
            ("C_BIOS", counter::BIOS),
            ("C_SECTORS", counter::SECTORS),
            ("C_NEAR", counter::NEAR),
            ("C_GAPS", counter::GAPS),
            ("C_GAP_SUM", counter::GAP_SUM),
            ("C_DISTANCE_SUM", counter::DISTANCE_SUM),
            ("C_SYNC", counter::SYNC),
            ("C_SKIP", counter::SKIP),
            ("C_SIZE_LOG2", counter::SIZE_LOG2),
            ("C_GAP_LOG2", counter::GAP_LOG2),
            ("C_FLUSHES", counter::FLUSHES),
            ("C_DISCARDS", counter::DISCARDS),
            ("C_OTHERS", counter::OTHERS),
            ("C_ERRORS", counter::ERRORS),
            ("C_X_BIOS", counter::X_BIOS),
            ("C_X_SPLITS", counter::X_SPLITS),
            ("C_X_REQUESTS", counter::X_REQUESTS),
            ("C_X_BIO_MERGES", counter::X_BIO_MERGES),
            ("C_X_RQ_MERGES", counter::X_RQ_MERGES),
            ("C_X_UNQUEUED", counter::X_UNQUEUED),
            ("C_X_DONE", counter::X_DONE),
            ("C_X_DONE_SECTORS", counter::X_DONE_SECTORS),
            ("COUNTERS", counter::COUNTERS),
            ("L_COUNTS", latency::COUNTS),
            ("L_SUM_NS", latency::SUM_NS),
            ("L_PENDING", latency::PENDING),
            ("L_COLLISIONS", latency::COLLISIONS),
            ("L_STALE", latency::STALE),
            ("L_LAST_BIO_TICK", latency::LAST_BIO_TICK),
            ("L_LAST_BIO_NS", latency::LAST_BIO_NS),
            ("L_FIRST_BIO_NS", latency::FIRST_BIO_NS),
            ("LATENCIES", latency::LATENCIES),
            ("S_BIO", slot::BIO),
            ("S_QUEUED_NS", slot::QUEUED_NS),
            ("S_TAG", slot::TAG),
            ("SLOT_WORDS", slot::WORDS),
        ];
        let mut source = "#include \"layout.h\"\n".to_owned();
        for (name, value) in names {
            writeln!(source, "_Static_assert(({name}) == {value}, \"{name} is not {value}\");").unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("layout.c");
        std::fs::write(&file, source).unwrap();
        let checked = Command::new("clang")
            .args(["-fsyntax-only", "-I", concat!(env!("CARGO_MANIFEST_DIR"), "/src/bpf")])
            .arg(&file)
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}
