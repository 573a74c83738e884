//! The bench against the real kernel: loop devices that leave nothing behind, and fio on them; and what is built on it.

#[cfg(target_os = "linux")]
mod experiment;

#[cfg(target_os = "linux")]
mod live {
    use block_types::Bytes;
    use libtest_mimic::{Failed, Trial};
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};
    use tunerd_lab::bench::clock::monotonic;
    use tunerd_lab::bench::diskstat::Activity;
    use tunerd_lab::bench::fio::{Job, Load, Rw};
    use tunerd_lab::bench::fiolog;
    use tunerd_lab::bench::interrupt::Interrupt;
    use tunerd_lab::bench::loopdev::{Backing, LoopDevice, LoopSpec};
    use tunerd_lab::bench::sysfs;

    /// Set in the child of `a_killed_holder_leaves_no_device`.
    pub(crate) const HOLD: &str = "TUNERD_LAB_TEST_HOLDS_A_LOOP";

    fn spec() -> LoopSpec {
        LoopSpec { size: Bytes(64 << 20), backing: Backing::Memory, tag_depth: None, allocated: true }
    }

    pub(crate) fn hold() {
        let Ok(device) = LoopDevice::make(&spec()) else {
            return;
        };
        println!("{} {}", device.name(), device.directory().display());
        std::thread::sleep(Duration::from_secs(60));
    }

    fn is_attached(name: &str) -> bool {
        sysfs::read(&format!("block/{name}/loop/backing_file")).is_ok()
    }

    fn knobs(device: &LoopDevice) -> Vec<String> {
        ["scheduler", "nr_requests", "max_sectors_kb", "read_ahead_kb", "nomerges", "rq_affinity"]
            .iter()
            .map(|knob| device.queue().get(knob).unwrap_or_default())
            .collect()
    }

    fn a_device_leaves_nothing_behind() -> Result<(), Failed> {
        let device = LoopDevice::make(&spec())?;
        let (name, directory) = (device.name().to_owned(), device.directory().to_owned());
        let fresh = knobs(&device);
        assert_eq!(fresh[..2], ["none", "128"]);
        for (knob, value) in [
            ("scheduler", "mq-deadline"),
            ("nr_requests", "64"),
            ("max_sectors_kb", "64"),
            ("read_ahead_kb", "999"),
            ("nomerges", "2"),
        ] {
            device.queue().set(knob, value)?;
        }
        device.set_tag_depth(8)?;
        device.reset()?;
        assert_eq!(knobs(&device), fresh, "a reset device is as a fresh one");
        drop(device);
        assert!(!is_attached(&name), "{name} is still attached");
        assert!(!directory.exists(), "{} is still there", directory.display());
        Ok(())
    }

    fn a_killed_holder_leaves_no_device() -> Result<(), Failed> {
        let mut child =
            Command::new(std::env::current_exe()?).env(HOLD, "1").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        let (name, directory) = line.trim().split_once(' ').ok_or("no device and directory")?;
        let attached = is_attached(name);
        child.kill()?;
        child.wait()?;
        // The directory is all that can stay behind, and it is empty: the file has no name since it was attached.
        std::fs::remove_dir(directory)?;
        assert!(attached, "{name:?} was never attached");
        let until = Instant::now() + Duration::from_secs(5);
        while is_attached(name) {
            assert!(Instant::now() < until, "{name:?} is still attached");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn fio_counts_what_the_kernel_counts() -> Result<(), Failed> {
        let device = LoopDevice::make(&spec())?;
        let completed = |field: usize| -> u64 {
            let text = sysfs::read(&format!("block/{}/stat", device.name())).unwrap_or_default();
            text.split_whitespace().nth(field).and_then(|word| word.parse().ok()).unwrap_or(0)
        };
        let (reads, writes) = (completed(0), completed(4));
        let second = Duration::from_millis(700);
        let outcome = Load::new(
            device.path(),
            [
                Job::new("r", Rw::RandRead, Bytes(4096)).jobs(2).iops(300).runtime(second),
                Job::new("w", Rw::Write, Bytes(65_536)).iops(200).runtime(second),
            ],
        )
        .run(&Interrupt::default())?;
        let (r, w) = (&outcome.job("r")?.read, &outcome.job("w")?.write);
        assert!(r.total_ios > 200 && w.total_ios > 50, "{} {}", r.total_ios, w.total_ios);
        assert_eq!(completed(0) - reads, r.total_ios);
        assert_eq!(completed(4) - writes, w.total_ios);
        assert!(r.clat_ns.mean().is_some() && r.clat_ns.percentile(99.0).is_some());
        Ok(())
    }

    fn the_log_knows_when_a_delayed_job_began() -> Result<(), Failed> {
        let device = LoopDevice::make(&spec())?;
        let log = device.directory().join("log");
        std::fs::create_dir(&log)?;
        let job = Job::new("late", Rw::RandRead, Bytes(4096)).iops(100).runtime(Duration::from_millis(500));
        let job = fiolog::logged(job, &log).start_after(Duration::from_secs(1));
        let idle = Activity::read(device.name())?;
        let running = Load::new(device.path(), [job]).start()?;
        let mut first = None;
        let until = Instant::now() + Duration::from_millis(2500);
        while Instant::now() < until {
            let now = Activity::read(device.name())?;
            if now.completed() > idle.completed() && first.is_none() {
                first = Some(monotonic());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        running.wait(&Interrupt::default())?;
        let (seen, logged) = (first.ok_or("no read was seen")?, fiolog::first_bio(&log, "late")?);
        let apart = seen.0.abs_diff(logged.0);
        assert!(apart < 8_000_000, "seen at {seen:?}, logged {logged:?}: {} ms apart", apart / 1_000_000);
        Ok(())
    }

    pub(crate) fn trials() -> Vec<Trial> {
        // Root alone does not mean that the loop driver is there, nor that a container may use it.
        let missing = LoopDevice::make(&spec()).err();
        if let Some(error) = &missing {
            eprintln!("ignored, no loop device can be made: {error:#}");
        }
        let skip = missing.is_some();
        type Test = fn() -> Result<(), Failed>;
        let tests: [(&str, Test); 4] = [
            ("a_device_leaves_nothing_behind", a_device_leaves_nothing_behind),
            ("a_killed_holder_leaves_no_device", a_killed_holder_leaves_no_device),
            ("fio_counts_what_the_kernel_counts", fio_counts_what_the_kernel_counts),
            ("the_log_knows_when_a_delayed_job_began", the_log_knows_when_a_delayed_job_began),
        ];
        tests.into_iter().map(|(name, test)| Trial::test(name, test).with_ignored_flag(skip)).collect()
    }
}

#[cfg(target_os = "linux")]
fn main() {
    if std::env::var_os(live::HOLD).is_some() {
        return live::hold();
    }
    let mut arguments = libtest_mimic::Arguments::from_args();
    // Each takes the next free loop device and looks at it once it is gone.
    arguments.test_threads = Some(1);
    let trials = live::trials().into_iter().chain(experiment::trials()).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {}
