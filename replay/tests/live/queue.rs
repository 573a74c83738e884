//! What the block layer does before any scheduler: plugging, splitting, and waiting for tags.

use crate::bench::{Disk, SIZE, Step, Test, assert_near};
use block_types::{Bytes, Elevator, Knob, Nanos};
use libtest_mimic::Failed;
use replay::{Job, Order};

pub(crate) const TRIALS: &[Test] = &[
    ("a_plug_merges_what_is_submitted_together", a_plug_merges),
    ("a_large_bio_is_split", a_large_bio_is_split),
    ("who_finds_no_tag_waits", who_finds_no_tag_waits),
];

fn a_plug_merges() -> Result<(), Failed> {
    let mut disk = Disk::attach(Nanos::from_millis(5), 4)?;
    let mut found = Vec::new();
    for (elevator, batch) in [(Elevator::None, 8), (Elevator::MqDeadline, 8), (Elevator::None, 1)] {
        let config = disk.set(elevator, &[])?;
        let before = disk.disk.stats()?;
        let together = [format!("--iodepth_batch={batch}"), format!("--iodepth_batch_complete_min={batch}")];
        let options = ["--bs=4k", "--rw=write", "--iodepth=8", "--size=64m", &together[0], &together[1]];
        let real = disk.fio(2, &options, &[&[]])?;
        let commands = disk.disk.stats()?.since(&before).ok_or("counts went back")?.writes;
        let bios = real[0]["write"]["total_ios"].as_f64().ok_or("no count")?;
        let job = Job { batch, ..Job::writes(Order::Sequential, Bytes(4096), 8, Bytes(64 << 20)) };
        let simulated = disk.simulate(&config, 2, vec![job]);
        let simulated = simulated.sync_writes.bios as f64 / simulated.sync_writes.requests as f64;
        assert_near(
            &format!("bios to a request, {elevator}, {batch} together"),
            simulated,
            bios / commands as f64,
            0.1,
        )?;
        found.push(simulated);
    }
    assert!(found[0] > 6.0 && found[2] < 1.1, "{found:?}");
    Ok(())
}

fn a_large_bio_is_split() -> Result<(), Failed> {
    let disk = Disk::attach(Nanos::from_millis(50), 4)?;
    for kib in [64, 100] {
        let steps = [Step::read(0, 8_000, 8), Step::write(5, 0, 1_024), Step::read(10, 100_000, 512)];
        let order = disk.must_agree(Elevator::MqDeadline, &[(Knob::MaxSectorsKb, kib)], &steps)?;
        assert!(order.iter().all(|issued| issued.sectors <= 2 * kib));
    }
    Ok(())
}

fn who_finds_no_tag_waits() -> Result<(), Failed> {
    let mut disk = Disk::attach(Nanos::from_millis(20), 4)?;
    for (elevator, tags) in [(Elevator::MqDeadline, 8), (Elevator::MqDeadline, 128), (Elevator::Kyber, 16)] {
        let config = disk.set(elevator, &[(Knob::NrRequests, tags)])?;
        let options = ["--bs=4k", "--rw=randread", "--iodepth=1", "--numjobs=32", "--group_reporting"];
        let real = disk.fio(4, &options, &[&[]])?;
        let real = real[0]["read"]["lat_ns"]["mean"].as_f64().ok_or("no latency")?;
        let jobs = Job::reads(Order::Random, Bytes(4096), 1, SIZE).times(32);
        let simulated = disk.simulate(&config, 4, jobs);
        let bio = simulated.reads.latency.mean().ok_or("nothing was read")?;
        assert_near(
            &format!("ms from bio to end, {elevator}, {tags} tags"),
            bio.as_millis_f64(),
            real / 1e6,
            0.12,
        )?;
        let waited = simulated.waited_for_tag as f64 / simulated.reads.bios as f64;
        assert!((waited > 0.4) == (tags < 32), "{waited} of the bios waited for one of {tags} tags");
    }
    Ok(())
}
