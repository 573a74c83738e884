//! Against real file systems: on loop devices of their own, on a tmpfs and a ramfs.
//!
//! The program runs itself again in a mount namespace of its own, so that every mount, and with it every loop device,
//! is gone with the process, in whatever way it ends.

#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
mod disk;

#[cfg(target_os = "linux")]
fn main() {
    use std::process::Command;
    /// Set in the process that has its own mounts.
    const INSIDE: &str = "FFSB_TEST_HAS_ITS_OWN_MOUNTS";

    let mut arguments = libtest_mimic::Arguments::from_args();
    if std::env::var_os(INSIDE).is_some() {
        // Two that count sectors at once would disturb each other's page cache.
        arguments.test_threads = Some(1);
        libtest_mimic::run(&arguments, cases::trials(None)).exit();
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]).env(INSIDE, "1");
        command
    };
    let missing = match unshare().arg("true").output() {
        Ok(output) if output.status.success() => disk::missing(),
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("no unshare: {error}")),
    };
    if let Some(reason) = missing {
        eprintln!("ignored: {reason}");
        libtest_mimic::run(&arguments, cases::trials(Some(&reason))).exit();
    }
    let Ok(program) = std::env::current_exe() else {
        std::process::exit(1);
    };
    let status = unshare().arg(program).args(std::env::args_os().skip(1)).status();
    std::process::exit(status.ok().and_then(|status| status.code()).unwrap_or(1));
}

#[cfg(not(target_os = "linux"))]
fn main() {}
