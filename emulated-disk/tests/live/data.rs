//! What is read is what was written, flushes come after the writes, and discards make holes.

use crate::bench::{Bench, Mounted, SIZE, Test, fio, fio_results, run, spec, text};
use block_types::Nanos;
use emulated_disk::{Model, Spec};
use libtest_mimic::Failed;
use std::path::Path;

pub(crate) const TRIALS: &[Test] = &[
    ("fio_reads_what_it_wrote", fio_reads_what_it_wrote),
    ("an_ext4_survives_being_remounted", an_ext4_survives_being_remounted),
    ("flushes_reach_the_disk_after_the_writes", flushes_reach_the_disk_after_the_writes),
    ("a_disk_without_a_volatile_cache_gets_no_flushes", a_disk_without_a_volatile_cache_gets_no_flushes),
    ("discards_give_space_back_and_read_as_zeroes", discards_give_space_back_and_read_as_zeroes),
];

fn fio_reads_what_it_wrote() -> Result<(), Failed> {
    let bench = Bench::new()?;
    for model in ["nvme", "sata-ssd"] {
        let disk = bench.attach(&Spec::new(Model::named(model)?, SIZE))?;
        let options = [
            "--rw=randrw",
            "--bsrange=512-512k",
            "--iodepth=32",
            "--size=64m",
            "--verify=crc32c",
            "--verify_fatal=1",
            "--randseed=7",
        ];
        let found = fio_results(fio(disk.path(), &options))?;
        assert_eq!(found["error"], 0, "{model}");
        let stats = disk.stats()?;
        assert!(stats.reads > 100 && stats.writes > 100 && stats.errors == 0, "{stats:?}");
    }
    Ok(())
}

fn an_ext4_survives_being_remounted() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach(&Spec::new(Model::named("sata-ssd")?, SIZE))?;
    let (device, at) = (text(disk.path())?, bench.directory.path().join("mnt"));
    run("mkfs.ext4", &["-q", "-F", device])?;
    let content = |number: u64| -> Vec<u8> {
        (0..200_000 + number * 7919)
            .map(|byte| (byte.wrapping_mul(2_654_435_761 + number) >> 13) as u8)
            .collect()
    };
    let mounted = Mounted::mount(&[device], &at)?;
    for number in 0..40 {
        std::fs::write(at.join(format!("file-{number}")), content(number))?;
    }
    for number in (0..40).step_by(3) {
        std::fs::remove_file(at.join(format!("file-{number}")))?;
    }
    mounted.unmount()?;
    run("e2fsck", &["-f", "-n", device])?;
    // Nothing may come from the cache.
    run("blockdev", &["--flushbufs", device])?;
    let mounted = Mounted::mount(&[device], &at)?;
    for number in (0..40).filter(|number| number % 3 != 0) {
        let found = std::fs::read(at.join(format!("file-{number}")))?;
        assert!(found == content(number), "file-{number} is not what was written");
    }
    mounted.unmount()?;
    assert!(disk.stats()?.flushes > 0, "a journal flushes");
    Ok(())
}

fn flushes_reach_the_disk_after_the_writes() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach(&spec(Nanos::from_millis(1)))?;
    // A flush that came before its write was done would not wait for it: each pair takes two services at least.
    let options = ["--rw=write", "--bs=4k", "--size=400k", "--fsync=1", "--iodepth=1"];
    let found = fio_results(fio(disk.path(), &options))?;
    let stats = disk.stats()?;
    assert_eq!(stats.writes, 100);
    assert!((99..=102).contains(&stats.flushes), "{} flushes of 100 fsyncs", stats.flushes);
    let ms = found["write"]["runtime"].as_u64().ok_or("no runtime")?;
    assert!(ms >= 190, "100 writes and 100 flushes of 1 ms took {ms} ms");
    // FUA: the block layer makes a write and a flush of it, because the loop driver has none.
    let before = disk.stats()?;
    let options = ["--rw=write", "--bs=4k", "--size=80k", "--sync=dsync", "--iodepth=1"];
    fio_results(fio(disk.path(), &options))?;
    let since = disk.stats()?.since(&before).ok_or("counts went back")?;
    assert_eq!((since.writes, since.flushes), (20, 20));
    Ok(())
}

fn a_disk_without_a_volatile_cache_gets_no_flushes() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach(&Spec::new(Model::named("cloud-volume")?, SIZE))?;
    fio_results(fio(disk.path(), &["--rw=write", "--bs=4k", "--size=80k", "--fsync=1", "--iodepth=1"]))?;
    let stats = disk.stats()?;
    assert_eq!((stats.writes, stats.flushes), (20, 0));
    Ok(())
}

fn discards_give_space_back_and_read_as_zeroes() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach(&spec(Nanos(1000)))?;
    let device = text(disk.path())?;
    let options = ["--rw=write", "--bs=1m", "--size=32m", "--buffer_pattern=0xab"];
    fio_results(fio(disk.path(), &options))?;
    let full = disk.stats()?.allocated_bytes;
    assert!(full >= 32 << 20, "{full}");
    run("blkdiscard", &["--offset", "8M", "--length", "16M", device])?;
    run("blkdiscard", &["--zeroout", "--offset", "28M", "--length", "4M", device])?;
    let stats = disk.stats()?;
    assert!(stats.discards > 0 && stats.discard_bytes >= 16 << 20, "{stats:?}");
    assert!(stats.allocated_bytes <= full - (16 << 20), "{} of {full} are left", stats.allocated_bytes);
    for (mebibyte, byte) in [(7, 0xab), (8, 0), (23, 0), (24, 0xab), (27, 0xab), (28, 0), (31, 0)] {
        assert_eq!(byte_at(disk.path(), mebibyte << 20)?, byte, "at {mebibyte} MiB");
    }
    Ok(())
}

fn byte_at(device: &Path, at: u64) -> Result<u8, Failed> {
    use std::os::unix::fs::FileExt;
    let mut byte = [0];
    std::fs::File::open(device)?.read_exact_at(&mut byte, at)?;
    Ok(byte[0])
}
