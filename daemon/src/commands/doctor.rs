//! `doctor`: what works on this machine, why the rest does not, and who else may write the same knobs.

mod conflicts;
mod machine;

use super::table::{Align, Table};
use super::{Failure, kernel, print_json};
use crate::cli::DoctorArgs;
use crate::config::Config;
use kernfs::Kernel;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) fn doctor(args: &DoctorArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let default = Config::default();
    let patient = Patient {
        kernel: kernel(&args.roots),
        live: args.roots.are_live(),
        root: rustix::process::geteuid().is_root(),
        tracefs: args.roots.sysfs_root.join("kernel/tracing"),
        top: PathBuf::from("/"),
        state_dir: args.paths.state_dir.clone().unwrap_or(default.state_dir),
        run_dir: args.paths.run_dir.clone().unwrap_or(default.run_dir),
        devices: args.devices.iter().map(|device| super::resolve(device)).collect(),
    };
    let diagnosis = patient.examine()?;
    if args.json.json {
        print_json(out, &diagnosis)?;
    } else {
        diagnosis.print(out)?;
    }
    match diagnosis.obstacle {
        None => Ok(()),
        Some(obstacle) => Err(Failure::nothing(format_args!("tuning does not work here: {obstacle}"))),
    }
}

/// What is looked at.
struct Patient {
    kernel: Arc<dyn Kernel>,
    /// Whether the trees are the running kernel's own; the probes see no other.
    live: bool,
    /// Whether this process is root.
    root: bool,
    tracefs: PathBuf,
    /// Where `/etc`, `/run` and `/usr` are looked for.
    top: PathBuf,
    state_dir: PathBuf,
    run_dir: PathBuf,
    /// Only these disks; all where there is none.
    devices: Vec<String>,
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// It works.
    Ok,
    /// It works, but something is to be known.
    Note,
    /// It does not work.
    No,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    subject: String,
    verdict: Verdict,
    finding: String,
}

impl Finding {
    fn new(subject: impl Into<String>, verdict: Verdict, finding: impl Into<String>) -> Self {
        Self { subject: subject.into(), verdict, finding: finding.into() }
    }
}

/// All of it.
#[derive(Debug, Serialize)]
struct Diagnosis {
    /// Whether disks can be watched with their fingerprints.
    can_watch: bool,
    /// Whether disks can be tuned.
    can_tune: bool,
    /// The first thing that is in the way of tuning.
    obstacle: Option<String>,
    findings: Vec<Finding>,
}

impl Patient {
    fn examine(&self) -> Result<Diagnosis, Failure> {
        let mut findings = machine::kernel(self);
        let permission = machine::permission(self);
        let disks = machine::disks(self)?;
        let sources = machine::sources(self, &disks.eligible);
        let obstacle = [
            (permission.verdict == Verdict::No).then(|| permission.finding.clone()),
            disks.eligible.is_empty().then(|| "no disk can be tuned".to_owned()),
            disks.nothing_writable().then(|| "no knob of any disk can be written".to_owned()),
        ]
        .into_iter()
        .flatten()
        .next();
        let can_watch = !disks.eligible.is_empty()
            && sources
                .iter()
                .any(|source| source.subject != "source diskstats" && source.verdict == Verdict::Ok);
        findings.push(permission);
        findings.extend(sources);
        findings.extend(disks.findings);
        findings.extend(machine::state(self));
        findings.extend(conflicts::all(self));
        Ok(Diagnosis { can_watch, can_tune: obstacle.is_none(), obstacle, findings })
    }
}

impl Diagnosis {
    fn print(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let mut table = Table::new(&[("", Align::Left), ("", Align::Left), ("", Align::Left)]);
        for Finding { subject, verdict, finding } in &self.findings {
            let verdict = match verdict {
                Verdict::Ok => "ok",
                Verdict::Note => "note",
                Verdict::No => "no",
            };
            table.row([verdict, subject, finding].map(str::to_owned));
        }
        table.print_body(out)?;
        writeln!(out)?;
        let yes_or_no = |can| if can { "yes" } else { "no" };
        writeln!(out, "fingerprints can be taken: {}", yes_or_no(self.can_watch))?;
        writeln!(out, "disks can be tuned: {}", yes_or_no(self.can_tune))?;
        Ok(())
    }
}
