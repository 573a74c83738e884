//! What is counted is what was issued.

use crate::rig::{Direct, Loop, Outcome, Watch, holds, run, same};
use fingerprint::{Class, Rule, Thresholds};
use sampler::{SourceChoice, Watched};

/// Positions a mebibyte or more from each other, none of them twice, all over 250 MiB.
fn scattered(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|n| (n * 97 % 250) << 20)
}

pub(crate) fn bios_seen_are_bios_issued(choice: SourceChoice) -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, choice)?;
    let mut direct = Direct::open(&disk.path)?;
    let counted = watch.during(&disk, || {
        for n in 0..500 {
            direct.read(n * 4096, 4096)?;
        }
        for n in 0..200 {
            direct.write((100 << 20) + n * 65_536, 65_536)?;
        }
        Ok(())
    })?;
    same("reads and writes", &(counted.reads, counted.writes), &(500, 200))?;
    same("sectors", &(counted.read_sectors, counted.write_sectors), &(500 * 8, 200 * 128))?;
    same("sync", &counted.sync, &700)?;
    same("sizes", &(counted.size_log2[3], counted.size_log2[7]), &(500, 200))?;
    // All but the first of each stream continue it; the very first bio after opening has no gap at all.
    same("gaps and near ones", &(counted.gaps, counted.near), &(699, 698))?;
    same("gaps of nothing", &counted.gap_log2[0], &698)
}

pub(crate) fn flushes_are_no_data(choice: SourceChoice) -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, choice)?;
    let direct = Direct::open(&disk.path)?;
    let counted = watch.during(&disk, || {
        for n in 0..50 {
            direct.write(n * 4096, 4096)?;
            direct.sync()?;
        }
        Ok(())
    })?;
    same("writes", &counted.writes, &50)?;
    same("flushes", &counted.flushes, &50)?;
    same("near ones of the gaps", &(counted.near, counted.gaps), &(49, 49))
}

pub(crate) fn discards_are_no_data(choice: SourceChoice) -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, choice)?;
    let direct = Direct::open(&disk.path)?;
    let counted = watch.during(&disk, || {
        direct.write(0, 4096)?;
        // By force, or it reads the disk to see what would be lost.
        run("blkdiscard", &["-f", "-o", "67108864", "-l", "1048576", &disk.path])?;
        direct.write(4096, 4096)
    })?;
    same("writes", &counted.writes, &2)?;
    holds(format!("no discards in {counted:?}"), counted.discards >= 1)?;
    same("the stream goes on", &(counted.near, counted.gaps), &(1, 1))
}

/// The eight classes, each from a workload of its own.
pub(crate) fn each_workload_has_its_class(choice: SourceChoice) -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::new(&disk, choice)?;
    let mut direct = Direct::open(&disk.path)?;
    for class in Class::ALL {
        let name = class.name();
        let bytes = if name.ends_with("small") { 4096 } else { 256 << 10 };
        let count = 200;
        let sequential = (0..count).map(|n| n * bytes as u64).collect::<Vec<_>>();
        let offsets =
            if name.contains("sequential") { sequential } else { scattered(count).collect::<Vec<_>>() };
        let counted = watch.during(&disk, || {
            for offset in offsets {
                if name.starts_with("read") {
                    direct.read(offset, bytes)?;
                } else {
                    direct.write(offset, bytes)?;
                }
            }
            Ok(())
        })?;
        let found = counted.classify(Rule::Ours, &Thresholds::default()).map(Class::name);
        holds(format!("{name}: found {found:?} of {counted:?}"), found == Some(name))?;
        same("bios", &counted.data_bios(), &count)?;
    }
    Ok(())
}

/// fio with 4 jobs at depth 32, as libaio submits it: sequential to us.
pub(crate) fn four_deep_jobs_are_sequential() -> Outcome {
    let disk = Loop::new()?;
    let watch = Watch::continuous(&disk)?;
    let counted = watch.during(&disk, || {
        let name = format!("--filename={}", disk.path);
        run(
            "fio",
            &[
                "--name=s",
                &name,
                "--direct=1",
                "--rw=read",
                "--bs=4k",
                "--ioengine=libaio",
                "--iodepth=32",
                "--iodepth_batch=8",
                "--numjobs=4",
                "--offset_increment=64m",
                "--size=16m",
            ],
        )
        .map(drop)
    })?;
    same("reads", &counted.reads, &(4 * 4096))?;
    let found = counted.classify(Rule::Ours, &Thresholds::default()).map(Class::name);
    same("class", &found, &Some("read-sequential-small"))
}

pub(crate) fn partitions_fold_into_their_disk(choice: SourceChoice) -> Outcome {
    let disk = Loop::new()?;
    // In sectors: 64 MiB at 32 MiB.
    run("addpart", &[&disk.path, "1", "65536", "131072"])?;
    let tested = (|| {
        let name = format!("{}p1", disk.name);
        let number = std::fs::read_to_string(format!("/sys/block/{}/{name}/dev", disk.name))?.parse()?;
        let mut request = crate::rig::request(&disk, choice)?;
        let mut watched = Watched::new(&disk.name, disk.dev()?);
        watched.partitions.push(number);
        request.disks = vec![watched];
        let watch = Watch { opened: crate::rig::open(&request)?, dev: disk.dev()? };
        let mut whole = Direct::open(&disk.path)?;
        let mut part = Direct::open(format!("/dev/{name}"))?;
        let counted = watch.during(&disk, || {
            whole.read(32 << 20, 4096)?;
            // What follows on the disk is at the start of the partition.
            for n in 1..40 {
                part.read(n * 4096, 4096)?;
            }
            Ok(())
        })?;
        same("reads", &counted.reads, &40)?;
        same("near ones of the gaps", &(counted.near, counted.gaps), &(39, 39))
    })();
    run("delpart", &[&disk.path, "1"])?;
    tested
}

pub(crate) fn other_disks_are_not_counted() -> Outcome {
    let (mine, other) = (Loop::new()?, Loop::new()?);
    let watch = Watch::new(&mine, SourceChoice::Bpf)?;
    let mut direct = Direct::open(&other.path)?;
    let counted = watch.during(&mine, || (0..100).try_for_each(|n| direct.read(n * 4096, 4096)))?;
    same("bios", &counted.data_bios(), &0)
}

pub(crate) fn two_disks_are_told_apart() -> Outcome {
    let disks = [Loop::new()?, Loop::new()?];
    let mut request = crate::rig::request(&disks[0], SourceChoice::Bpf)?;
    request.disks.push(Watched::new(&disks[1].name, disks[1].dev()?));
    let opened = crate::rig::open(&request)?;
    for (disk, count) in disks.iter().zip([30, 70]) {
        let mut direct = Direct::open(&disk.path)?;
        (0..count).try_for_each(|n| direct.read(n * 4096, 4096))?;
        disk.settle()?;
    }
    for (disk, count) in disks.iter().zip([30, 70]) {
        let sample = opened.source.read(disk.dev()?)?;
        let bios = sample.bios.ok_or("no bios")?;
        same("reads", &bios.reads, &count)?;
        let latency = sample.latency.ok_or("no latencies")?;
        let followed = latency.read.count();
        holds(format!("{followed} latencies of {count}"), (count - 2..=count).contains(&followed))?;
    }
    Ok(())
}
