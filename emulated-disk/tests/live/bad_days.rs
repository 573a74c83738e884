//! Bad days: what is missing, full or killed ends in an error, and nothing hangs or stays.

use crate::bench::{
    Bench, Mounted, PROGRAM, Test, assert_gone, eventually, fio, fio_results, must_end, run, spec, text,
};
use block_types::{Bytes, Nanos};
use emulated_disk::registry::State;
use emulated_disk::{EmulatedDisk, Spec, loop_device};
use libtest_mimic::Failed;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

pub(crate) const TRIALS: &[Test] = &[
    ("a_killed_server_gives_errors_and_leaves_nothing", a_killed_server_gives_errors_and_leaves_nothing),
    ("a_killed_server_under_a_mounted_ext4_hangs_nobody", a_killed_server_under_a_mounted_ext4_hangs_nobody),
    ("a_killed_keeper_leaves_nothing", a_killed_keeper_leaves_nothing),
    ("a_killed_keeper_leaves_a_mounted_disk_working", a_killed_keeper_leaves_a_mounted_disk_working),
    ("both_killed_at_once_leave_nothing", both_killed_at_once_leave_nothing),
    ("a_killed_user_of_the_library_leaves_nothing", a_killed_user_of_the_library_leaves_nothing),
    (
        "a_slow_disk_with_a_full_page_cache_is_detached_all_the_same",
        a_slow_disk_with_a_full_page_cache_is_detached_all_the_same,
    ),
    ("a_full_backing_is_an_error_and_no_hang", a_full_backing_is_an_error_and_no_hang),
    ("a_backing_without_holes_is_refused", a_backing_without_holes_is_refused),
    ("a_backing_that_is_not_there_is_named", a_backing_that_is_not_there_is_named),
    ("a_mounted_disk_is_not_detached_without_force", a_mounted_disk_is_not_detached_without_force),
    ("without_root_there_is_nothing_to_do", without_root_there_is_nothing_to_do),
    ("wrong_usage_is_told", wrong_usage_is_told),
];

/// Those that need a mount namespace, which a chroot whose root is no mount point cannot have.
pub(crate) const IN_A_NAMESPACE: &[Test] = &[
    ("without_fuse_there_is_nothing_to_do", without_fuse_there_is_nothing_to_do),
    ("without_loop_devices_there_is_nothing_to_do", without_loop_devices_there_is_nothing_to_do),
    ("without_a_loop_driver_there_is_nothing_to_do", without_a_loop_driver_there_is_nothing_to_do),
];

/// Why there can be no mount namespace; `None` where there can.
pub(crate) fn no_namespace() -> Option<String> {
    let tried = std::process::Command::new("unshare").args(["--mount", "true"]).stdin(Stdio::null()).output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

/// More time than an error needs, and less than a hung kernel.
const PATIENCE: Duration = Duration::from_secs(20);

fn kill(pid: u32) -> Result<(), Failed> {
    run("kill", &["-KILL", &pid.to_string()]).map(drop)
}

fn a_killed_server_gives_errors_and_leaves_nothing() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach_detached(&["--fixed", "2ms", "--size", "64M"])?;
    let options = ["--rw=randrw", "--bs=4k", "--iodepth=32", "--time_based", "--runtime=60"];
    let load = fio(&disk.entry.path, &options).spawn()?;
    eventually("load", || Ok(emulated_disk::stats(&disk.entry)?.commands() > 200))?;
    kill(disk.entry.server.pid)?;
    let ended = must_end(load, PATIENCE)?;
    assert!(!ended.status.success(), "fio saw no error");
    eventually("the keeper to notice", || Ok(!disk.entry.keeper.is_alive()))?;
    let listed = bench.emudisk(&["list", "--json"])?;
    assert!(String::from_utf8_lossy(&listed.stdout).contains(r#""state":"dead""#), "{listed:?}");
    let detached = bench.emudisk(&["detach", disk.path()])?;
    assert!(detached.status.success(), "{detached:?}");
    assert_gone(&disk.entry)?;
    assert_eq!(bench.registry().all()?, []);
    Ok(())
}

fn a_killed_server_under_a_mounted_ext4_hangs_nobody() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach_detached(&["--fixed", "1ms", "--size", "64M"])?;
    run("mkfs.ext4", &["-q", "-F", disk.path()])?;
    let at = bench.directory.path().join("mnt");
    let mounted = Mounted::mount(&[disk.path()], &at)?;
    let script = r#"while dd if=/dev/zero of="$0/file" bs=64k count=100 conv=fsync status=none; do :; done"#;
    let writer = std::process::Command::new("bash")
        .args(["-c", script, text(&at)?])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    eventually("writes", || Ok(emulated_disk::stats(&disk.entry)?.writes > 50))?;
    kill(disk.entry.server.pid)?;
    let ended = must_end(writer, PATIENCE)?;
    assert!(!ended.stderr.is_empty(), "dd saw no error");
    let early = bench.emudisk(&["list", "--json"])?;
    assert!(String::from_utf8_lossy(&early.stdout).contains(r#""state":"dead""#), "{early:?}");
    mounted.unmount()?;
    assert!(bench.emudisk(&["detach", disk.path()])?.status.success());
    assert_gone(&disk.entry)
}

fn a_killed_keeper_leaves_nothing() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach_detached(&["--fixed", "1ms", "--size", "64M"])?;
    kill(disk.entry.keeper.pid)?;
    // Nobody has it open, so that it goes by itself, and the server with it.
    eventually("the server's end", || Ok(!disk.entry.server.is_alive()))?;
    assert_eq!(disk.entry.state(), State::Dead);
    // The next attach clears away what is left, the entry.
    let next = bench.attach(&spec(Nanos(1000)))?;
    let entries = bench.registry().all()?;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].path, next.path());
    assert_gone(&disk.entry)
}

fn a_killed_keeper_leaves_a_mounted_disk_working() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach_detached(&["--fixed", "100us", "--size", "64M"])?;
    run("mkfs.ext4", &["-q", "-F", disk.path()])?;
    let at = bench.directory.path().join("mnt");
    let mounted = Mounted::mount(&[disk.path()], &at)?;
    kill(disk.entry.keeper.pid)?;
    eventually("the keeper's end", || Ok(disk.entry.state() == State::Orphaned))?;
    std::fs::write(at.join("file"), "still here")?;
    run("sync", &["-f", text(&at)?])?;
    mounted.unmount()?;
    eventually("the server's end", || Ok(!disk.entry.server.is_alive()))?;
    let detached = bench.emudisk(&["detach", disk.path()])?;
    assert!(detached.status.success(), "{detached:?}");
    assert_gone(&disk.entry)
}

fn both_killed_at_once_leave_nothing() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach_detached(&["--fixed", "5ms", "--size", "64M"])?;
    let options = ["--rw=randwrite", "--bs=4k", "--iodepth=16", "--time_based", "--runtime=60"];
    let load = fio(&disk.entry.path, &options).spawn()?;
    eventually("load", || Ok(emulated_disk::stats(&disk.entry)?.commands() > 50))?;
    run("kill", &["-KILL", &disk.entry.keeper.pid.to_string(), &disk.entry.server.pid.to_string()])?;
    assert!(!must_end(load, PATIENCE)?.status.success(), "fio saw no error");
    let detached = bench.emudisk(&["detach", disk.path()])?;
    assert!(detached.status.success(), "{detached:?}");
    assert_gone(&disk.entry)?;
    assert_eq!(bench.registry().all()?, []);
    Ok(())
}

/// Set in the child of the test below: the registry in which it attaches a disk, to be killed with it.
pub(crate) const HOLD: &str = "EMUDISK_TEST_HOLDS_A_DISK";

/// What that child does.
pub(crate) fn hold(registry: &str) {
    let disk = EmulatedDisk::attach_with(Path::new(PROGRAM), Path::new(registry), &spec(Nanos(1000)));
    if disk.is_ok() {
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn a_killed_user_of_the_library_leaves_nothing() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let registry = bench.registry();
    let mut user =
        std::process::Command::new(std::env::current_exe()?).env(HOLD, registry.directory()).spawn()?;
    eventually("the disk", || Ok(registry.all()?.len() == 1))?;
    let entry = registry.all()?.remove(0);
    user.kill()?;
    user.wait()?;
    eventually("the disk's end", || Ok(registry.all()?.is_empty()))?;
    assert_gone(&entry)
}

fn a_slow_disk_with_a_full_page_cache_is_detached_all_the_same() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach(&Spec { queue_depth: Some(4), ..spec(Nanos::from_millis(1_000)) })?;
    let entry = disk.entry().clone();
    // In pieces of 1 MiB, four in a second, this takes longer to write than anybody would wait.
    let output = format!("of={}", disk.path().display());
    run("dd", &["if=/dev/zero", &output, "bs=1M", "count=200", "conv=notrunc,nocreat", "status=none"])?;
    disk.detach()?;
    assert_gone(&entry)
}

fn a_full_backing_is_an_error_and_no_hang() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let backing = bench.directory.path().join("small");
    let _small = Mounted::mount(&["-t", "tmpfs", "-o", "size=16m", "tmpfs"], &backing)?;
    let disk = bench.attach(&Spec { backing: backing.clone(), ..spec(Nanos(1000)) })?;
    let options = ["--rw=write", "--bs=256k", "--size=64m", "--iodepth=8"];
    let ended = must_end(fio(disk.path(), &options).spawn()?, PATIENCE)?;
    assert!(!ended.status.success(), "64 MiB fitted into 16");
    assert!(disk.stats()?.errors > 0);
    // What was written before is still there, and reads go on.
    fio_results(fio(disk.path(), &["--rw=read", "--bs=256k", "--size=8m"]))?;
    let entry = disk.entry().clone();
    disk.detach()?;
    assert_gone(&entry)?;
    assert_eq!(std::fs::read_dir(&backing)?.count(), 0, "a file is left in the backing directory");
    Ok(())
}

fn a_backing_without_holes_is_refused() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let backing = bench.directory.path().join("ramfs");
    let _ramfs = Mounted::mount(&["-t", "ramfs", "ramfs"], &backing)?;
    let found =
        bench.emudisk(&["attach", "--fixed", "1ms", "--size", "64M", "--backing", text(&backing)?])?;
    assert_eq!(found.status.code(), Some(1), "{found:?}");
    let said = String::from_utf8(found.stderr)?;
    assert!(said.contains("cannot punch holes") && said.contains("ramfs"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(std::fs::read_dir(&backing)?.count(), 0);
    Ok(())
}

fn a_backing_that_is_not_there_is_named() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let found =
        bench.emudisk(&["attach", "--fixed", "1ms", "--size", "64M", "--backing", "/nowhere/at/all"])?;
    assert_eq!(found.status.code(), Some(1));
    let said = String::from_utf8(found.stderr)?;
    assert!(said.contains("/nowhere/at/all") && said.lines().count() == 1, "{said}");
    Ok(())
}

fn a_mounted_disk_is_not_detached_without_force() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let disk = bench.attach_detached(&["--fixed", "100us", "--size", "64M"])?;
    run("mkfs.ext4", &["-q", "-F", disk.path()])?;
    let mounted = Mounted::mount(&[disk.path()], &bench.directory.path().join("mnt"))?;
    let refused = bench.emudisk(&["detach", disk.path()])?;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("in use"), "{refused:?}");
    assert_eq!(disk.entry.state(), State::Attached);
    mounted.unmount()?;
    assert!(bench.emudisk(&["detach", disk.path()])?.status.success());
    assert_gone(&disk.entry)
}

fn without_root_there_is_nothing_to_do() -> Result<(), Failed> {
    let bench = Bench::new()?;
    // Where an ordinary user can reach it, which a build directory need not be.
    let program = bench.directory.path().join("emudisk");
    std::fs::set_permissions(bench.directory.path(), std::fs::Permissions::from_mode(0o755))?;
    // Copied by another process: one that this one has open for writing, and another test's child inherits, cannot be
    // executed.
    run("install", &["-m", "755", PROGRAM, text(&program)?])?;
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups", text(&program)?];
    expect_nothing_to_do("setpriv", &user, "needs root")
}

/// Runs `emudisk attach` under something that takes away what it needs.
fn expect_nothing_to_do(program: &str, arguments: &[&str], said: &str) -> Result<(), Failed> {
    let output = std::process::Command::new(program)
        .args(arguments)
        .args(["attach", "--fixed", "1ms", "--size", "64M", "--registry", "/run/emudisk-test-nowhere"])
        .stdin(Stdio::null())
        .output()?;
    let _ = std::fs::remove_dir("/run/emudisk-test-nowhere");
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains(said) && stderr.lines().count() == 1, "{stderr}");
    Ok(())
}

/// Attaches in a mount namespace of its own, in which /dev holds nothing but /dev/null and what `nodes` makes.
fn in_a_bare_dev(nodes: &str, said: &str) -> Result<(), Failed> {
    let script = format!(
        r#"mount -t tmpfs tmpfs /dev && mkdir /dev/shm && mknod /dev/null c 1 3 && {nodes} && exec "$0" "$@""#
    );
    expect_nothing_to_do("unshare", &["--mount", "bash", "-c", &script, PROGRAM], said)
}

fn without_fuse_there_is_nothing_to_do() -> Result<(), Failed> {
    in_a_bare_dev("mknod /dev/loop-control c 10 237", "cannot open /dev/fuse")
}

fn without_a_loop_driver_there_is_nothing_to_do() -> Result<(), Failed> {
    in_a_bare_dev("mknod /dev/fuse c 10 229", "cannot open /dev/loop-control")
}

fn without_loop_devices_there_is_nothing_to_do() -> Result<(), Failed> {
    // A container may have the control node and none of the devices.
    in_a_bare_dev("mknod /dev/fuse c 10 229 && mknod /dev/loop-control c 10 237", "cannot open /dev/loop")
}

fn wrong_usage_is_told() -> Result<(), Failed> {
    let bench = Bench::new()?;
    for (arguments, said) in [
        (&["attach", "--model", "floppy", "--size", "1G"][..], "hdd-7200"),
        (&["attach", "--fixed", "1ms", "--size", "1000"], "multiple of 4096"),
        (&["attach", "--fixed", "1ms", "--size", "1G", "--queue-depth", "500"], "4 to 128"),
        (&["attach", "--size", "1G"], "--model"),
        (&["attach", "--fixed", "1ms"], "--size"),
    ] {
        let found = bench.emudisk(arguments)?;
        let stderr = String::from_utf8(found.stderr)?;
        assert_eq!(found.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
    let missing = EmulatedDisk::attach_with(
        Path::new("/nowhere/emudisk"),
        bench.registry().directory(),
        &Spec { size: Bytes(64 << 20), ..spec(Nanos(1000)) },
    );
    assert!(missing.is_err_and(|error| error.to_string().contains("/nowhere/emudisk")));
    assert_eq!(loop_device::backing_file("loop-none"), None);
    Ok(())
}
