//! The machine itself: kernel, permission, sources, disks, state.

use super::{Finding, Patient, Verdict};
use crate::commands::Failure;
use crate::control::{AskError, Request as Question, Response, ask, socket_path};
use crate::store::{Store, StoreError};
use block_types::{Elevator, Knob};
use kernfs::{Disk, Found, Identity, KPath};
use sampler::{Request, SourceChoice, Watched};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

fn read(patient: &Patient, path: &KPath) -> Option<String> {
    let bytes = patient.kernel.read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// The kernel, and what of it the sources build on.
pub(super) fn kernel(patient: &Patient) -> Vec<Finding> {
    let release = read(patient, &KPath::proc("sys/kernel/osrelease"));
    let exists = |path: KPath| patient.kernel.exists(&path);
    let there = |subject: &str, is_there: bool, what: &str, otherwise: &str| {
        let verdict = if is_there { Verdict::Ok } else { Verdict::Note };
        Finding::new(subject, verdict, if is_there { what } else { otherwise })
    };
    vec![
        version(release.as_deref()),
        there(
            "BTF",
            exists(KPath::sys("kernel/btf/vmlinux")),
            "the kernel describes its types; BPF programs can be loaded as they are",
            "there is no /sys/kernel/btf/vmlinux: the kernel was built without CONFIG_DEBUG_INFO_BTF, so BPF is out",
        ),
        lockdown(read(patient, &KPath::sys("kernel/security/lockdown")).as_deref()),
        there(
            "tracefs",
            exists(KPath::sys("kernel/tracing/events/block/block_bio_queue")),
            "block events are there",
            "no block events at /sys/kernel/tracing: not mounted, not permitted, or no CONFIG_BLK_DEV_IO_TRACE",
        ),
        there(
            "debugfs",
            exists(KPath::debug("block")),
            "tag depths can be read",
            "no /sys/kernel/debug/block: what nr_requests really is under `none` cannot be seen",
        ),
    ]
}

fn version(release: Option<&str>) -> Finding {
    let Some(release) = release else {
        return Finding::new("kernel", Verdict::Note, "its version is not told");
    };
    let major = release.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major < 5 => {
            let why = format!("Linux {release}: tunerd knows the multi-queue schedulers, from Linux 5.0 on");
            Finding::new("kernel", Verdict::No, why)
        }
        _ => Finding::new("kernel", Verdict::Ok, format!("Linux {release}")),
    }
}

/// `[none] integrity confidentiality`, with the mode in force in brackets.
fn lockdown(text: Option<&str>) -> Finding {
    let mode = text.and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0));
    match mode {
        None => Finding::new("lockdown", Verdict::Ok, "the kernel has none"),
        Some("none") => Finding::new("lockdown", Verdict::Ok, "none is in force"),
        Some("integrity") => {
            let what =
                "integrity is in force: blktrace is refused its files in debugfs; BPF and tracefs work";
            Finding::new("lockdown", Verdict::Note, what)
        }
        Some(mode) => Finding::new(
            "lockdown",
            Verdict::Note,
            format!("{mode} is in force: BPF may not read the kernel's memory"),
        ),
    }
}

/// Whether this process may write.
pub(super) fn permission(patient: &Patient) -> Finding {
    match (patient.root, patient.live) {
        (true, _) => Finding::new("permission", Verdict::Ok, "this is root"),
        (false, true) => {
            Finding::new("permission", Verdict::No, "knobs are written by root, and this is not")
        }
        (false, false) => Finding::new(
            "permission",
            Verdict::Note,
            "this is not root; the trees that were given may not need it",
        ),
    }
}

/// The disks, and whether one can be tuned.
pub(super) struct Disks {
    pub(super) findings: Vec<Finding>,
    pub(super) eligible: Vec<Identity>,
    writable: usize,
}

impl Disks {
    pub(super) fn nothing_writable(&self) -> bool {
        !self.eligible.is_empty() && self.writable == 0
    }
}

pub(super) fn disks(patient: &Patient) -> Result<Disks, Failure> {
    let found: Vec<Found> = if patient.devices.is_empty() {
        let disks = Disk::list(&patient.kernel).map_err(Failure::failed)?;
        disks.into_iter().map(|disk| Found { disk, partition: None }).collect()
    } else {
        let find = |device: &String| Disk::find(patient.kernel.clone(), device).map_err(Failure::failed);
        patient.devices.iter().map(find).collect::<Result<_, _>>()?
    };
    let mut disks = Disks { findings: Vec::new(), eligible: Vec::new(), writable: 0 };
    let mut empty = Vec::new();
    for found in found {
        let name = found.disk.name().to_owned();
        let subject = format!("disk {name}");
        let identity = match found.disk.identity() {
            Ok(identity) => identity,
            Err(error) => {
                disks.findings.push(Finding::new(subject, Verdict::No, error.to_string()));
                continue;
            }
        };
        match found.eligibility(&identity) {
            Err(kernfs::Ineligible::Empty { .. }) if patient.devices.is_empty() => empty.push(name),
            Err(why) => disks.findings.push(Finding::new(subject, Verdict::No, why.to_string())),
            Ok(()) => {
                let writable =
                    found.disk.knob_writable(Knob::Scheduler) && found.disk.knob_writable(Knob::ReadAheadKb);
                disks.writable += usize::from(writable);
                disks.findings.push(tunable(subject, &found.disk, writable));
                disks.eligible.push(identity);
            }
        }
    }
    if !empty.is_empty() {
        let what = format!("without a medium or a file: {}", empty.join(", "));
        disks.findings.push(Finding::new("disks", Verdict::Note, what));
    }
    Ok(disks)
}

fn tunable(subject: String, disk: &Disk, writable: bool) -> Finding {
    let menu = match disk.scheduler() {
        Ok(menu) => menu,
        Err(error) => return Finding::new(subject, Verdict::No, error.to_string()),
    };
    let names: Vec<String> = menu.offered.iter().map(ToString::to_string).collect();
    let mut what = format!("under {}, of {}", menu.active, names.join(" "));
    if !writable {
        what.push_str("; its knobs cannot be written: not root, or /sys is mounted read-only");
        return Finding::new(subject, Verdict::No, what);
    }
    let missing: Vec<&str> =
        Elevator::ALL.into_iter().filter(|&elevator| !menu.offers(elevator)).map(Elevator::name).collect();
    if menu.active.known().is_none() {
        what.push_str("; tunerd does not know the scheduler in force and tunes the queue's own knobs only");
        return Finding::new(subject, Verdict::Note, what);
    }
    if !missing.is_empty() {
        what.push_str(&format!(
            "; not offered: {} (a module that is not loaded is not listed)",
            missing.join(", ")
        ));
    }
    Finding::new(subject, Verdict::Ok, what)
}

/// Whether each source works, tried on a disk that can be tuned.
pub(super) fn sources(patient: &Patient, eligible: &[Identity]) -> Vec<Finding> {
    [SourceChoice::Bpf, SourceChoice::Tracefs, SourceChoice::Diskstats]
        .into_iter()
        .map(|choice| {
            let subject = format!("source {choice}");
            if !patient.live && choice != SourceChoice::Diskstats {
                let what = "not tried: it sees the running kernel, and other trees were given";
                return Finding::new(subject, Verdict::Note, what);
            }
            let request = Request {
                choice,
                tracefs: patient.tracefs.clone(),
                ..Request::new(eligible.first().map(Watched::of))
            };
            match sampler::open(&patient.kernel, &request) {
                Ok(opened) => Finding::new(subject, Verdict::Ok, opened.why),
                Err(sampler::SamplerError::NoSource { tried }) => {
                    let why: Vec<String> = tried.into_iter().map(|(_, why)| why).collect();
                    Finding::new(subject, Verdict::No, why.join("; "))
                }
                Err(error) => Finding::new(subject, Verdict::No, error.to_string()),
            }
        })
        .collect()
}

/// The state directory, and whether a daemon runs or has left something.
pub(super) fn state(patient: &Patient) -> Vec<Finding> {
    let mut findings = vec![store(&patient.state_dir)];
    let left = crate::commands::status::journals(&patient.state_dir);
    match ask(&socket_path(&patient.run_dir), &Question::Status {}, PATIENCE) {
        Ok(Response::Status(report)) => {
            let names: Vec<&str> = report.devices.iter().map(|device| device.name.as_str()).collect();
            let what = format!("process {} runs, on {}", report.pid, names.join(", "));
            findings.push(Finding::new("daemon", Verdict::Note, what));
        }
        Ok(_) => findings.push(Finding::new("daemon", Verdict::Note, "one runs, and answers oddly")),
        Err(error @ AskError::NotRunning { .. }) => {
            findings.push(Finding::new("daemon", Verdict::Ok, error.to_string()));
            if !left.is_empty() {
                let what =
                    format!("settings of {} are left to put back: run `tunerd restore`", left.join(", "));
                findings.push(Finding::new("journal", Verdict::Note, what));
            }
        }
        Err(error) => findings.push(Finding::new("daemon", Verdict::Note, error.to_string())),
    }
    findings
}

fn store(state_dir: &Path) -> Finding {
    let place = state_dir.display();
    match Store::open_read_only(state_dir) {
        Ok(store) => match store.tops(&crate::store::TopFilter::default()) {
            Ok(tops) => {
                Finding::new("store", Verdict::Ok, format!("{place}: {} top genes are stored", tops.len()))
            }
            Err(error) => Finding::new("store", Verdict::No, error.to_string()),
        },
        Err(StoreError::NoStore { .. }) => {
            Finding::new("store", Verdict::Ok, format!("{place}: none yet; `tunerd run` makes it"))
        }
        Err(error @ StoreError::Corrupt { .. }) => Finding::new(
            "store",
            Verdict::Note,
            format!("{error}; `tunerd run` moves it aside and begins an empty one"),
        ),
        Err(error) => Finding::new("store", Verdict::No, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lockdown_is_what_stands_in_brackets() {
        assert_eq!(lockdown(None).verdict, Verdict::Ok);
        assert_eq!(lockdown(Some("[none] integrity confidentiality")).verdict, Verdict::Ok);
        assert!(lockdown(Some("none [integrity] confidentiality")).finding.starts_with("integrity"));
        assert!(lockdown(Some("none integrity [confidentiality]")).finding.contains("BPF may not"));
        assert_eq!(lockdown(Some("garbage")).verdict, Verdict::Ok);
    }

    #[test]
    fn a_kernel_before_the_multi_queue_schedulers_is_told_so() {
        assert_eq!(version(Some("4.19.0-27-amd64")).verdict, Verdict::No);
        assert_eq!(version(Some("6.18.44")).verdict, Verdict::Ok);
        assert_eq!(version(Some("garbage")).verdict, Verdict::Ok);
        assert_eq!(version(None).verdict, Verdict::Note);
    }
}
