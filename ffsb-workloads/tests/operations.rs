//! Every operation does what it says, the same for the same seed, in the numbers that it reports.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod common;

use common::{count, listing, ops, planned, run_ops, tally, text, try_run};
use ffsb_workloads::error::RunError;
use ffsb_workloads::plan::{Phase, plan};
use ffsb_workloads::profile::{Op, Profile, Syscall};
use ffsb_workloads::run::{Ending, Outcome, Settings, run};
use ffsb_workloads::scale::Scale;
use ffsb_workloads::tally::OpCount;
use ffsb_workloads::watch::Unwatched;
use std::collections::HashSet;
use std::path::Path;
use tempfile::tempdir;

const FILES: &str = "num_files = 10\nnum_dirs = 3\nmin_filesize = 64k\nmax_filesize = 64k";
const STATS: &str = "[stats]\nenable_stats = 1\n[end]";

fn one(op: &str, more: &str) -> Outcome {
    let home = tempdir().unwrap();
    let group = format!("num_threads = 1\n{op}_weight = 1\n{more}\n{STATS}");
    run_ops(&text(FILES, &group), &home.path().join("x"), 20)
}

fn calls(outcome: &Outcome) -> Vec<(Syscall, u64)> {
    let latencies = outcome.phases[0].outcome.groups[0].latencies.as_ref().unwrap();
    latencies.kinds().map(|(call, latency)| (call, latency.calls)).filter(|(_, calls)| *calls > 0).collect()
}

fn counts(operations: u64, transactions: u64, read_bytes: u64, written_bytes: u64) -> OpCount {
    OpCount { operations, without_file: 0, transactions, read_bytes, written_bytes }
}

#[test]
fn reads_take_their_size_in_blocks() {
    let outcome = one("read", "read_size = 40k\nread_blocksize = 16k");
    // Two blocks of 16k and the rest, 20 times.
    assert_eq!(count(&outcome, Op::Read), counts(20, 60, 20 * (40 << 10), 0));
    let made = calls(&outcome);
    assert_eq!(made[..2], [(Syscall::Open, 20), (Syscall::Read, 60)]);
    for steps in outcome.phases[0].outcome.threads[0].steps.chunks(3) {
        assert_eq!(steps[1].offset, steps[0].offset + (16 << 10), "one block follows the other");
        assert_eq!(steps[2].len, 8 << 10);
        assert!(steps[2].offset + steps[2].len <= 64 << 10);
    }
}

#[test]
fn random_reads_have_an_offset_for_each_block() {
    let outcome = one("read", "read_size = 40k\nread_blocksize = 4k\nread_random = 1");
    assert_eq!(count(&outcome, Op::Read), counts(20, 200, 20 * (40 << 10), 0));
    let steps = &outcome.phases[0].outcome.threads[0].steps;
    let offsets: HashSet<u64> = steps.iter().map(|step| step.offset).collect();
    assert!(offsets.len() > 150, "{} offsets of 200", offsets.len());
    assert!(offsets.iter().any(|offset| offset % 4096 != 0), "to the byte, without alignio");
    let follow = steps.windows(2).filter(|two| two[1].offset == two[0].offset + 4096).count();
    assert!(follow < 10);
    let seeks = calls(&outcome).iter().find(|call| call.0 == Syscall::Lseek).map_or(0, |call| call.1);
    assert!((190..=200).contains(&seeks), "one for each block, unless chance puts two together: {seeks}");
}

#[test]
fn aligned_offsets_are_pages() {
    let home = tempdir().unwrap();
    let group = "num_threads = 2\nread_weight = 1\nwrite_weight = 1\nread_size = 8k\nread_blocksize = 1k\nwrite_size = 8k\n\
        write_blocksize = 4k\nread_random = 1\nwrite_random = 1";
    let text = format!("alignio = 1\n{}", text(FILES, group));
    let outcome = run_ops(&text, &home.path().join("x"), 50);
    for thread in &outcome.phases[0].outcome.threads {
        assert!(
            thread.steps.iter().all(|step| step.offset % 4096 == 0 && step.offset + step.len <= 64 << 10)
        );
    }
}

#[test]
fn skipping_reads_leave_gaps() {
    let outcome = one("read", "read_size = 12k\nread_blocksize = 4k\nread_skip = 1\nread_skipsize = 10k");
    assert_eq!(count(&outcome, Op::Read), counts(20, 60, 20 * (12 << 10), 0));
    for steps in outcome.phases[0].outcome.threads[0].steps.chunks(3) {
        let offsets: Vec<u64> = steps.iter().map(|step| step.offset).collect();
        assert_eq!(offsets, [0, 14 << 10, 28 << 10]);
    }
    let too_long = one("read", "read_size = 60k\nread_blocksize = 4k\nread_skip = 1\nread_skipsize = 60k");
    // A block at 0; the next one would begin at the end of the file.
    assert_eq!(count(&too_long, Op::Read), counts(20, 20, 20 * 4096, 0));
}

#[test]
fn whole_files_are_read_and_written_from_the_beginning() {
    let read = one("readall", "read_blocksize = 10k");
    assert_eq!(count(&read, Op::Readall), counts(20, 140, 20 * (64 << 10), 0));
    assert!(!calls(&read).iter().any(|call| call.0 == Syscall::Lseek));
    let written = one("writeall", "write_blocksize = 64k");
    assert_eq!(count(&written, Op::Writeall), counts(20, 20, 0, 20 * (64 << 10)));
}

#[test]
fn reads_are_bounded_by_the_file() {
    let outcome = one("read", "read_size = 10m\nread_blocksize = 1m");
    assert_eq!(count(&outcome, Op::Read), counts(20, 20, 20 * (64 << 10), 0));
}

#[test]
fn writes_overwrite_and_never_enlarge() {
    let home = tempdir().unwrap();
    let place = home.path().join("x");
    let group = "num_threads = 3\nwrite_weight = 1\nwrite_fsync_weight = 1\nwriteall_fsync_weight = 1\nwrite_size = 24k\n\
        write_blocksize = 8k\nwrite_random = 1";
    let settings = Settings { keep: true, ..ops(30) };
    let outcome = try_run(&text(FILES, group), &place, &settings).unwrap();
    let total = tally(&outcome).total();
    assert_eq!(total.operations, 90);
    let short = count(&outcome, Op::Write).operations + count(&outcome, Op::WriteFsync).operations;
    let whole = count(&outcome, Op::WriteallFsync).operations;
    assert_eq!(
        total.written_bytes,
        short * (24 << 10) + whole * (64 << 10),
        "bytes written, not sizes of files"
    );
    assert_eq!(total.read_bytes, 0);
    let sizes = sizes(&place);
    assert_eq!(sizes, vec![64 << 10; 10]);
    for path in listing(&place).iter().filter(|path| path.contains("/f0-")) {
        let bytes = std::fs::read(place.join(path)).unwrap();
        let zeroes = bytes.iter().filter(|byte| **byte == 0).count();
        assert!(zeroes < bytes.len() / 64, "{zeroes} zeroes in {path}");
    }
}

fn sizes(place: &Path) -> Vec<u64> {
    let files = listing(place).into_iter().map(|path| place.join(path));
    files
        .filter_map(|path| path.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|found| found.len())
        .collect()
}

#[test]
fn creating_appending_and_deleting_leave_what_they_count() {
    let home = tempdir().unwrap();
    let place = home.path().join("x");
    let group = "num_threads = 4\ncreate_weight = 3\ncreate_fsync_weight = 1\nappend_weight = 2\nappend_fsync_weight = 1\n\
        delete_weight = 2\nwrite_size = 10k\nwrite_blocksize = 4k";
    let outcome = try_run(&text(FILES, group), &place, &Settings { keep: true, ..ops(100) }).unwrap();
    let tally = tally(&outcome);
    let created = tally.of(Op::Create).operations + tally.of(Op::CreateFsync).operations;
    let appends = [Op::Append, Op::AppendFsync].map(|op| tally.of(op));
    let appended: u64 = appends.iter().map(|count| count.operations - count.without_file).sum();
    let deleted = tally.of(Op::Delete).operations - tally.of(Op::Delete).without_file;
    let sizes = sizes(&place);
    assert_eq!(sizes.len() as u64, 10 + created - deleted);
    assert_eq!(tally.of(Op::Delete).transactions, deleted);
    let (first, written) = (10 * (64 << 10), tally.total().written_bytes);
    assert_eq!(written, created * (64 << 10) + appended * (10 << 10));
    assert!(sizes.iter().sum::<u64>() <= first + written);
    // 16 blocks for each new file, 3 for each addition.
    assert_eq!(tally.total().transactions, created * 16 + appended * 3 + deleted);
    assert!(outcome.kept);
}

#[test]
fn metadata_operations_move_no_data() {
    let home = tempdir().unwrap();
    let place = home.path().join("x");
    let group = format!(
        "num_threads = 2\nstat_weight = 1\nopen_close_weight = 1\ncreatedir_weight = 1\nmetaop_weight = 1\n{STATS}"
    );
    let outcome = try_run(&text(FILES, &group), &place, &Settings { keep: true, ..ops(50) }).unwrap();
    let tally = tally(&outcome);
    assert_eq!(tally.total(), counts(100, 100, 0, 0));
    let found = listing(&place);
    let with = |prefix: &str| found.iter().filter(|path| path.starts_with(prefix)).count() as u64;
    assert_eq!(
        with("set0/meta/m"),
        tally.of(Op::Metaop).operations,
        "one of two directories is left, renamed"
    );
    assert!(found.iter().filter(|path| path.starts_with("set0/meta/m")).all(|path| path.ends_with('a')));
    assert_eq!(with("set0/bench/c"), tally.of(Op::Createdir).operations);
    let calls = calls(&outcome);
    assert!(calls.contains(&(Syscall::Stat, tally.of(Op::Stat).operations)));
    assert!(calls.contains(&(Syscall::Close, tally.of(Op::OpenClose).operations)));
}

// Elsewhere the system does not tell how much there is.
#[cfg(target_os = "linux")]
#[test]
fn blocks_that_no_memory_holds_are_refused() {
    let home = tempdir().unwrap();
    let text = text(FILES, "num_threads = 4000000\nreadall_weight = 1\nread_blocksize = 4095m");
    let error = try_run(&text, &home.path().join("x"), &ops(1)).unwrap_err();
    assert!(matches!(error, RunError::NoMemory { .. }) && error.is_about_the_place(), "{error}");
    assert!(!home.path().join("x").exists());
}

#[test]
fn nothing_to_work_on_is_counted_and_no_failure() {
    let home = tempdir().unwrap();
    let empty = "num_files = 0\nmin_filesize = 1\nmax_filesize = 1";
    let group =
        "num_threads = 2\ndelete_weight = 1\nstat_weight = 1\nreadall_weight = 1\nread_blocksize = 4k";
    let outcome = run_ops(&text(empty, group), &home.path().join("x"), 30);
    let total = tally(&outcome).total();
    assert_eq!((total.operations, total.without_file, total.transactions), (60, 60, 0));
    assert!(matches!(outcome.ending(), Some(Ending::Complete)));
}

const MIXED: &str = "num_threads = 3\nread_weight = 3\nreadall_weight = 1\nwrite_weight = 2\ncreate_weight = 2\nappend_weight = 1\n\
    delete_weight = 1\nstat_weight = 1\nmetaop_weight = 1\nread_size = 12k\nread_blocksize = 4k\nread_random = 1\n\
    write_size = 9000\nwrite_blocksize = 4k";

#[test]
fn equal_seeds_give_equal_runs() {
    let home = tempdir().unwrap();
    let files = "num_files = 30\nnum_dirs = 4\nsize_weight 1k 3\nsize_weight 20k 2\nsize_weight 90k 1";
    let text = text(files, MIXED);
    let run = |seed| try_run(&text, &home.path().join("x"), &Settings { seed, ..ops(150) }).unwrap();
    let (first, second, other) = (run(7), run(7), run(8));
    let (first, second, other) =
        (&first.phases[0].outcome, &second.phases[0].outcome, &other.phases[0].outcome);
    assert_eq!(first.threads, second.threads, "every step of every thread");
    assert!(first.threads.iter().zip(&other.threads).all(|(one, other)| one.digest != other.digest));
    assert_ne!(first.threads[0].digest, first.threads[1].digest);
    assert_eq!(first.groups[0].tally, second.groups[0].tally, "counts and bytes");
    assert_eq!(first.groups[0].tally.total().operations, 450);
}

#[test]
fn operations_come_by_their_weights_and_file_systems_evenly() {
    let home = tempdir().unwrap();
    let text = "time = 1\n[filesystem]\nlocation = /a\nnum_files = 5\nmin_filesize = 1k\nmax_filesize = 1k\n[end]\n\
        [filesystem]\nlocation = /b\nclone = /a\nnum_files = 7\n[end]\n\
        [threadgroup]\nnum_threads = 2\nstat_weight = 6\nopen_close_weight = 3\nreadall_weight = 1\nread_blocksize = 4k\n[end]\n\
        [threadgroup]\nnum_threads = 1\nbindfs = /b\nstat_weight = 1\n[end]\n";
    let outcome = run_ops(text, &home.path().join("x"), 3000);
    let first = &outcome.phases[0].outcome.groups[0].tally;
    for (op, weight) in [(Op::Stat, 0.6), (Op::OpenClose, 0.3), (Op::Readall, 0.1)] {
        let share = first.of(op).operations as f64 / 6000.0;
        // Five standard deviations of a share of 6000 draws; the seed is fixed besides.
        assert!((share - weight).abs() < 0.033, "{op}: {share}");
    }
    let threads = &outcome.phases[0].outcome.threads;
    let here = threads[0].steps.iter().filter(|step| step.filesystem == 0).count() as f64;
    assert!((here / threads[0].steps.len() as f64 - 0.5).abs() < 0.05);
    assert!(threads[2].steps.iter().all(|step| step.filesystem == 1), "bound to the second");
    let files: HashSet<_> = threads[2].steps.iter().map(|step| step.file).collect();
    assert_eq!(files.len(), 7, "every file is used");
    assert_eq!(
        outcome.sets.iter().map(|set| set.files).collect::<Vec<_>>(),
        [5, 7],
        "cloned, but for what is said anew"
    );
}

#[test]
fn sizes_come_by_their_weights() {
    let home = tempdir().unwrap();
    let place = home.path().join("x");
    let files = "num_files = 1000\nnum_dirs = 5\nsize_weight 1k 6\nsize_weight 2k 3\nsize_weight 3k 1";
    let text = text(files, "num_threads = 1\nstat_weight = 1").replace("time = 1", "time = 0");
    let outcome = try_run(&text, &place, &Settings::default()).unwrap();
    assert!(outcome.phases.is_empty() && outcome.kept, "time = 0 makes the files, for whoever comes");
    let sizes = sizes(&place);
    let share = |size: u64| sizes.iter().filter(|found| **found == size).count() as f64 / 1000.0;
    for (size, weight) in [(1024, 0.6), (2048, 0.3), (3072, 0.1)] {
        assert!((share(size) - weight).abs() < 0.08, "{size}: {}", share(size));
    }
    assert_eq!(
        listing(&place).iter().filter(|path| path.starts_with("set0/bench/d4/")).count().min(100),
        100
    );
}

#[test]
fn a_set_without_a_number_grows_to_its_size() {
    let home = tempdir().unwrap();
    let files = "init_size = 1m\nmin_filesize = 10k\nmax_filesize = 30k";
    let outcome = run_ops(&text(files, "num_threads = 1\nstat_weight = 1"), &home.path().join("x"), 1);
    let bytes = outcome.sets[0].bytes;
    assert!((1 << 20..(1 << 20) + (30 << 10)).contains(&bytes), "{bytes}");
}

#[test]
fn a_set_is_reused_only_where_it_matches() {
    let home = tempdir().unwrap();
    let place = home.path().join("x");
    let text = |files: u32| {
        let files =
            format!("num_files = {files}\nnum_dirs = 2\nmin_filesize = 4k\nmax_filesize = 8k\nreuse = 1");
        text(&files, "num_threads = 2\nreadall_weight = 1\nmetaop_weight = 1\nread_blocksize = 4k")
    };
    let run = |files| try_run(&text(files), &place, &ops(20)).unwrap();
    let first = run(12);
    assert!(!first.sets[0].reused && first.kept);
    let again = run(12);
    assert!(again.sets[0].reused, "what nobody changed");
    assert_eq!(first.sets[0].bytes, again.sets[0].bytes);
    assert!(!run(13).sets[0].reused, "another number of files");
    let victim = listing(&place).into_iter().find(|path| path.contains("/f0-")).unwrap();
    std::fs::write(place.join(victim), "odd").unwrap();
    assert!(!run(13).sets[0].reused, "a file of another size");
    std::fs::create_dir(place.join("set0/bench/d7")).unwrap();
    assert!(!run(13).sets[0].reused, "a directory too many");
}

#[test]
fn aging_makes_files_until_the_share_is_used() {
    let home = tempdir().unwrap();
    let usage = ffsb_workloads::platform::usage(home.path()).unwrap();
    // A little more than there is: a few megabytes on whatever file system this is.
    let wanted = usage.used_share() + (8 << 20) as f64 / usage.total_bytes as f64;
    let files = format!(
        "min_filesize = 64k\nmax_filesize = 256k\nagefs = 1\ndesired_util = {wanted}\n[threadgroup]\nnum_threads = 2\n\
        create_weight = 4\nappend_weight = 1\ndelete_weight = 1\nwrite_size = 4k\nwrite_blocksize = 4k\n[end]"
    );
    let outcome = run_ops(&text(&files, "num_threads = 1\ncreate_weight = 1"), &home.path().join("x"), 3);
    let aging = outcome.sets[0].aging.unwrap();
    assert!(aging.files > 0 || aging.used_before >= wanted, "{aging:?}");
    assert_eq!(outcome.sets[0].files, 0, "files that age are not those that are worked on");
}

#[test]
fn ranges_count_every_call_once_where_they_cover_all() {
    let home = tempdir().unwrap();
    let stats = "[stats]\nenable_stats = 1\nenable_range = 1\nignore = close\nmsec_range 0 0.01\nmsec_range 0.01 1e9\n[end]";
    let group = format!("num_threads = 2\nreadall_weight = 1\nread_blocksize = 4k\n{stats}");
    let outcome = run_ops(&text(FILES, &group), &home.path().join("x"), 10);
    let latencies = outcome.phases[0].outcome.groups[0].latencies.as_ref().unwrap();
    for (call, latency) in latencies.kinds() {
        assert_ne!(call, Syscall::Close);
        assert_eq!(latency.in_range.iter().sum::<u64>(), latency.calls);
        assert!(latency.min <= latency.max && latency.total >= latency.max);
    }
    let reads = latencies.kinds().find(|(call, _)| *call == Syscall::Read).unwrap().1;
    assert_eq!(reads.calls, 2 * 10 * 16);
}

#[test]
fn a_growing_set_stays_within_what_was_fitted() {
    let home = tempdir().unwrap();
    let place = home.path().join("x");
    let text = text(
        "min_filesize = 1m\nmax_filesize = 4m",
        "num_threads = 3\ncreate_weight = 1\nwrite_blocksize = 64k",
    );
    let planned = planned(&text, &place, Scale::Fit(Some(2 << 20)));
    let outcome = run(&planned, &Settings { keep: true, ..ops(60) }, &Unwatched).unwrap();
    assert!(tally(&outcome).removed_for_room > 0);
    assert!(sizes(&place).iter().sum::<u64>() <= 2 << 20);
    assert_eq!(tally(&outcome).of(Op::Create).operations, 180);
}

#[test]
fn phases_share_a_set_that_none_of_them_changes() {
    let home = tempdir().unwrap();
    let phase = |name: &str, group: &str| Phase {
        name: name.to_owned(),
        profile: Profile::parse(text(FILES, group).as_bytes()).unwrap(),
    };
    let phases = vec![
        phase("create", "num_threads = 2\ncreate_weight = 2\ndelete_weight = 1\nwrite_blocksize = 4k"),
        phase("read", "num_threads = 2\nreadall_weight = 1\nread_blocksize = 4k"),
        phase("write", "num_threads = 1\nwriteall_weight = 1\nwrite_blocksize = 4k"),
    ];
    let plan = plan(phases, Some(&home.path().join("x")), Scale::AsWritten).unwrap();
    assert_eq!(plan.phases.iter().map(|phase| phase.sets[0]).collect::<Vec<_>>(), [0, 1, 1]);
    let settings = Settings { turns: 3, ..ops(10) };
    let outcome = run(&plan, &settings, &Unwatched).unwrap();
    let order: Vec<_> = outcome.phases.iter().map(|run| (run.turn, run.phase)).collect();
    assert_eq!(order, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]);
    assert!(outcome.phases.iter().all(|run| matches!(run.outcome.ending, Ending::Complete)));
    let digests: HashSet<u64> =
        outcome.phases.iter().flat_map(|run| &run.outcome.threads).map(|thread| thread.digest).collect();
    assert_eq!(digests.len(), 3 * 5, "no two threads and no two turns draw the same");
}

#[test]
fn every_operation_runs_on_disk_and_in_memory_buffered_and_direct() {
    let weights: String = Op::ALL.iter().map(|op| format!("{op}_weight = 1\n")).collect();
    let group = format!(
        "num_threads = 3\n{weights}read_size = 20k\nread_blocksize = 8k\nwrite_size = 20k\nwrite_blocksize = 8k\n\
        read_random = 1\nwrite_random = 1\n{STATS}"
    );
    let buffered = text("num_files = 12\nnum_dirs = 3\nmin_filesize = 1\nmax_filesize = 100k", &group);
    let direct = format!("directio = 1\n{buffered}");
    // The first is where cargo builds, on a disk as a rule; the second is a tmpfs on Linux.
    for place in [env!("CARGO_TARGET_TMPDIR"), "/dev/shm"] {
        let Ok(home) = tempfile::tempdir_in(place) else {
            continue;
        };
        for text in [&buffered, &direct] {
            let outcome = match try_run(text, &home.path().join("x"), &ops(300)) {
                // Not every system and every file system has it; what is said then is tested elsewhere.
                Err(RunError::NoDirect { .. }) if text == &direct => continue,
                outcome => outcome.unwrap(),
            };
            let tally = tally(&outcome);
            for op in Op::ALL {
                let count = tally.of(*op);
                assert!(count.operations > 20 && count.transactions > 0, "{op} in {place}: {count:?}");
                let moved = count.read_bytes + count.written_bytes;
                assert_eq!(moved > 0, op.moves_data(), "{op} in {place}: {count:?}");
                assert!(text == &buffered || moved.is_multiple_of(4096), "{op} in {place}: {count:?}");
            }
        }
    }
}
