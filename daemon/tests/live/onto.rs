//! Replays onto loop devices of our own.

use crate::common::{Ran, run, text};
use crate::disk::Loop;
use crate::{check, sh, until};
use libtest_mimic::Failed;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// A log of fio with so many reads and a write of 8 KiB at 80 KiB.
fn trace(directory: &Path, reads: u64) -> Result<String, Failed> {
    let mut log = "fio version 2 iolog\n/dev/x add\n/dev/x open\n".to_owned();
    for read in 0..reads {
        log.push_str(&format!("/dev/x read {} 4096\n", read * 7 % 1_000 * 4_096));
    }
    log.push_str("/dev/x write 81920 8192\n");
    let path = directory.join("trace.iolog");
    std::fs::write(&path, log)?;
    Ok(text(&path))
}

fn replay(trace: &str, device: &str, rest: &[&str]) -> Ran {
    run(["replay", trace, "--onto", device].iter().chain(rest))
}

fn written(device: &str) -> Result<Vec<u8>, Failed> {
    let mut file = File::open(device)?;
    file.seek(SeekFrom::Start(81_920))?;
    let mut bytes = vec![0; 8_192];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn writes_only_where_they_are_allowed() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let directory = tempfile::tempdir()?;
    let trace = trace(directory.path(), 100)?;
    std::fs::write(disk.device(), vec![7_u8; 1 << 20])?;
    let read_only = replay(&trace, &disk.device(), &["--asap", "--json"]);
    check(read_only.status == 0, &read_only)?;
    let found = read_only.json();
    check(found["reads"]["ios"] == 100 && found["writes"]["ios"] == 0, &found)?;
    check(found["left_out"]["writes"] == 1, &found)?;
    check(written(&disk.device())?.iter().all(|&byte| byte == 7), "a read-only replay wrote")?;

    let unasked = replay(&trace, &disk.device(), &["--asap", "--allow-writes"]);
    check(unasked.status == 2 && unasked.err.contains("--yes"), &unasked)?;
    check(written(&disk.device())?.iter().all(|&byte| byte == 7), "it wrote without being allowed")?;

    let allowed = replay(&trace, &disk.device(), &["--timed", "--allow-writes", "--yes", "--json"]);
    check(allowed.status == 0, &allowed)?;
    check(allowed.json()["writes"]["bytes"] == 8_192, &allowed)?;
    check(written(&disk.device())?.iter().all(|&byte| byte == 0), "nothing was written")
}

pub(crate) fn a_device_in_use_is_refused() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let directory = tempfile::tempdir()?;
    let trace = trace(directory.path(), 10)?;
    let refused = |why: &str, rest: &[&str]| -> Result<(), Failed> {
        let ran = replay(&trace, &disk.device(), rest);
        check(ran.status == 1 && ran.err.contains(why), &ran)
    };

    sh("mkfs.ext4", &["-q", &disk.device()])?;
    let mount = directory.path().join("mnt");
    std::fs::create_dir(&mount)?;
    sh("mount", &[&disk.device(), &text(&mount)])?;
    let outcome = refused("is mounted at", &[]);
    sh("umount", &[&text(&mount)])?;
    outcome?;

    let upper = sh("losetup", &["-f", "--show", &disk.device()])?;
    let outcome = refused(upper.trim_start_matches("/dev/"), &[]);
    sh("losetup", &["-d", &upper])?;
    outcome?;
    until("the upper loop device is gone", || {
        !Path::new(&format!("/sys/block/{}/loop/backing_file", upper.trim_start_matches("/dev/"))).exists()
    })?;

    // Somebody who has it for himself alone, as a RAID or a database may.
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::EXCL;
    let holder = rustix::fs::open(disk.device(), flags, rustix::fs::Mode::empty())?;
    refused("in use", &[])?;
    drop(holder);

    sh("blockdev", &["--setro", &disk.device()])?;
    let outcome = refused("read-only", &["--allow-writes", "--yes"]);
    sh("blockdev", &["--setrw", &disk.device()])?;
    outcome?;

    let ran = replay(&trace, &disk.device(), &[]);
    check(ran.status == 0, &ran)
}

pub(crate) fn a_device_that_is_too_small_or_fails_ends_it() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let directory = tempfile::tempdir()?;
    let beyond = directory.path().join("beyond.iolog");
    std::fs::write(
        &beyond,
        "fio version 2 iolog\n/dev/x add\n/dev/x open\n/dev/x read 1099511627776 4096\n",
    )?;
    let ran = replay(&text(&beyond), &disk.device(), &[]);
    check(ran.status == 1 && ran.err.contains("--redirect"), &ran)?;
    let ran = replay(&text(&beyond), &disk.device(), &["--redirect", "wrap"]);
    check(ran.status == 0, &ran)?;

    // Without its file every read fails.
    let file = sh("losetup", &["-n", "-O", "BACK-FILE", &disk.device()])?;
    File::options().write(true).open(&file)?.set_len(0)?;
    let trace = trace(directory.path(), 5_000)?;
    let ran = replay(&trace, &disk.device(), &["--asap"]);
    check(ran.status == 1 && ran.err.contains("failed I/Os") || ran.err.contains("has gone"), &ran)
}
