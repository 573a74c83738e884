//! The exact accounts balance, and are diskstats' own.

use crate::rig::{Loop, Outcome, Watch, holds, run, same};
use sampler::ExactCounters;

fn exact(watch: &Watch) -> Outcome<ExactCounters> {
    watch.opened.source.exact(watch.dev)?.ok_or_else(|| "no exact accounting".into())
}

/// fio with reads, writes with fsync, 4 MiB direct writes that are split, and buffered writes that are merged, under
/// a scheduler.
fn balanced_under(scheduler: &str) -> Outcome {
    let disk = Loop::new()?;
    disk.set("scheduler", scheduler)?;
    let watch = Watch::continuous(&disk)?;
    disk.settle()?;
    let (before, totals_before) = (exact(&watch)?, watch.read()?.completed);
    let name = format!("--filename={}", disk.path);
    for job in [
        "--rw=randrw --bs=4k --ioengine=io_uring --iodepth=64 --numjobs=2 --io_size=40m --fsync=16",
        "--rw=write --bs=4m --ioengine=io_uring --iodepth=4 --io_size=200m",
        "--rw=read --bs=4k --ioengine=libaio --iodepth=64 --iodepth_batch=16 --io_size=20m",
        "--rw=write --bs=4k --direct=0 --fdatasync=256 --io_size=40m",
    ] {
        let mut arguments = vec!["--name=x", &name, "--direct=1", "--size=200m"];
        arguments.extend(job.split(' '));
        run("fio", &arguments)?;
    }
    disk.settle()?;
    let counted = exact(&watch)?.since(&before).ok_or("a counter went backwards")?;
    let totals = watch.read()?.completed;
    same("missed calls", &counted.missed, &0)?;
    let completed = totals.requests() - totals_before.requests();
    same("requests completed", &(counted.completed_requests() + counted.unseen), &completed)?;
    // Some kernels run no BPF where interrupts land on certain tasks; then only the sums can be compared.
    if counted.unseen == 0 {
        same(
            "reads and writes completed",
            &(counted.completed[0], counted.completed[1]),
            &(totals.reads - totals_before.reads, totals.writes - totals_before.writes),
        )?;
        same(
            "sectors read and written",
            &(counted.completed_sectors[0], counted.completed_sectors[1]),
            &(
                totals.read_sectors - totals_before.read_sectors,
                totals.write_sectors - totals_before.write_sectors,
            ),
        )?;
    }
    holds(format!("{} of {completed} unseen", counted.unseen), counted.unseen * 100 < completed)?;
    holds(format!("not balanced: {counted:?}"), counted.balanced())?;
    // Or the test has not tested much.
    let flushes = totals.flushes - totals_before.flushes;
    holds(format!("nothing split: {counted:?}"), counted.splits >= 50)?;
    holds(format!("nothing merged: {counted:?}"), counted.bio_merges + counted.rq_merges > 0)?;
    holds("no flushes", flushes > 100)
}

pub(crate) fn balanced() -> Outcome {
    ["none", "mq-deadline"].into_iter().try_for_each(balanced_under)
}

pub(crate) fn without_continuous_there_is_none() -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, sampler::SourceChoice::Bpf)?;
    same("exact", &watch.opened.source.exact(watch.dev)?, &None)
}
