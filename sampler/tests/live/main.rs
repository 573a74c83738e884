//! Sources on real loop devices. They need root, `losetup`, and what each source needs; where that is missing they
//! are counted as ignored, with the reason in their name.
#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, unused_imports, reason = "only Linux has the devices")
)]

#[cfg(target_os = "linux")]
mod choice;
#[cfg(target_os = "linux")]
mod counts;
#[cfg(target_os = "linux")]
mod exact;
#[cfg(target_os = "linux")]
mod rig;
#[cfg(target_os = "linux")]
mod times;

use libtest_mimic::{Arguments, Trial};

#[cfg(not(target_os = "linux"))]
fn trials() -> Vec<Trial> {
    vec![Trial::test("live sources (ignored: only Linux has them)", || Ok(())).with_ignored_flag(true)]
}

#[cfg(target_os = "linux")]
fn trials() -> Vec<Trial> {
    use rig::Outcome;
    use sampler::SourceChoice::{Bpf, Tracefs};

    let base = missing_base();
    let bpf = base.clone().or_else(missing_bpf);
    let tracefs = base.clone().or_else(missing_tracefs);
    let fio = bpf.clone().or_else(|| missing_program("fio"));
    let trial = |name: &str, missing: &Option<String>, test: fn() -> Outcome| match missing {
        None => Trial::test(name, test),
        Some(why) => Trial::test(format!("{name} (ignored: {why})"), test).with_ignored_flag(true),
    };
    vec![
        trial("bpf: bios seen are bios issued", &bpf, || counts::bios_seen_are_bios_issued(Bpf)),
        trial("bpf: flushes are no data", &bpf, || counts::flushes_are_no_data(Bpf)),
        trial("bpf: discards are no data", &bpf, || counts::discards_are_no_data(Bpf)),
        trial("bpf: each workload has its class", &bpf, || counts::each_workload_has_its_class(Bpf)),
        trial("bpf: four deep jobs are sequential", &fio, counts::four_deep_jobs_are_sequential),
        trial("bpf: partitions fold into their disk", &bpf, || counts::partitions_fold_into_their_disk(Bpf)),
        trial("bpf: other disks are not counted", &bpf, counts::other_disks_are_not_counted),
        trial("bpf: two disks are told apart", &bpf, counts::two_disks_are_told_apart),
        trial("bpf: the exact accounts balance", &fio, exact::balanced),
        trial(
            "bpf: no exact accounts without continuous mode",
            &bpf,
            exact::without_continuous_there_is_none,
        ),
        trial("bpf: every bio of a slow disk has its latency", &bpf, || {
            times::every_bio_of_a_slow_disk_has_its_latency(Bpf)
        }),
        trial("bpf: writeback is told apart", &bpf, times::writeback_is_told_from_what_is_waited_for),
        trial("bpf: bios in flight have an age", &fio, times::bios_in_flight_have_an_age),
        trial("bpf: a mark charges a bio to who submitted it", &fio, || {
            times::a_mark_charges_a_bio_to_who_submitted_it()
        }),
        trial("bpf: the first bio after a pause", &bpf, || times::the_first_bio_after_a_pause_is_timed(Bpf)),
        trial("bpf: a duty cycle", &bpf, || times::a_cycle_looks_for_its_share_of_the_time(Bpf)),
        trial("bpf: in flight at the end of a phase", &bpf, || {
            times::a_bio_that_is_in_flight_when_a_phase_ends_has_its_latency()
        }),
        trial("bpf: idle and awake", &bpf, || times::an_idle_disk_is_not_probed_and_wakes(Bpf)),
        trial("bpf: errors are counted", &bpf, times::errors_are_counted),
        trial("bpf: the cost of a call", &bpf, times::the_cost_of_a_call_is_known),
        trial("bpf: an unknown disk is named", &bpf, times::an_unknown_disk_is_named),
        trial("tracefs: bios seen are bios issued", &tracefs, || counts::bios_seen_are_bios_issued(Tracefs)),
        trial("tracefs: flushes are no data", &tracefs, || counts::flushes_are_no_data(Tracefs)),
        trial("tracefs: discards are no data", &tracefs, || counts::discards_are_no_data(Tracefs)),
        trial("tracefs: each workload has its class", &tracefs, || {
            counts::each_workload_has_its_class(Tracefs)
        }),
        trial("tracefs: partitions fold into their disk", &tracefs, || {
            counts::partitions_fold_into_their_disk(Tracefs)
        }),
        trial("tracefs: every bio of a slow disk has its latency", &tracefs, || {
            times::every_bio_of_a_slow_disk_has_its_latency(Tracefs)
        }),
        trial("tracefs: the first bio after a pause", &tracefs, || {
            times::the_first_bio_after_a_pause_is_timed(Tracefs)
        }),
        trial("tracefs: a duty cycle", &tracefs, || times::a_cycle_looks_for_its_share_of_the_time(Tracefs)),
        trial("tracefs: idle and awake", &tracefs, || times::an_idle_disk_is_not_probed_and_wakes(Tracefs)),
        trial("tracefs: nothing is left behind", &tracefs, choice::tracefs_leaves_nothing_behind),
        trial("tracefs: what a dead process left", &tracefs, choice::what_a_dead_process_left_is_removed),
        trial("choice: a fallback gives its reasons", &bpf, choice::a_fallback_gives_its_reasons),
        trial("diskstats: what it cannot tell", &base, choice::diskstats_says_what_it_cannot_tell),
    ]
}

#[cfg(target_os = "linux")]
fn missing_program(name: &str) -> Option<String> {
    let found = std::process::Command::new(name)
        .arg("--version")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok();
    (!found).then(|| format!("no {name}"))
}

#[cfg(target_os = "linux")]
fn missing_base() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    if let Some(missing) = missing_program("losetup") {
        return Some(missing);
    }
    match rig::Loop::new() {
        Ok(_) => None,
        Err(error) => Some(format!("no loop device: {}", error.message().unwrap_or("no reason given"))),
    }
}

/// Whether the source opens at all, watching nothing.
#[cfg(target_os = "linux")]
fn missing(choice: sampler::SourceChoice) -> Option<String> {
    let mut request = sampler::Request::new([]);
    request.choice = choice;
    let kernel: std::sync::Arc<dyn kernfs::Kernel> = std::sync::Arc::new(kernfs::RealKernel::live());
    sampler::open(&kernel, &request).err().map(|error| error.to_string())
}

#[cfg(target_os = "linux")]
fn missing_bpf() -> Option<String> {
    missing(sampler::SourceChoice::Bpf)
}

#[cfg(target_os = "linux")]
fn missing_tracefs() -> Option<String> {
    missing(sampler::SourceChoice::Tracefs)
}

fn main() {
    let mut arguments = Arguments::from_args();
    // One after the other: several look at the time.
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials()).exit();
}
