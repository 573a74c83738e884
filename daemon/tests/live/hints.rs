//! Genes on their way from a trace to a disk: recorded, searched for in a simulation, and put in force by a daemon that
//! never searches.

use crate::common::{run, text, tunerd};
use crate::disk::Loop;
use crate::{check, traces, until};
use block_types::Knob;
use genetic::ExchangeFile;
use libtest_mimic::Failed;
use std::path::Path;
use std::process::{Child, Stdio};

const CLASS: &str = "read-random-small";

/// A daemon, ended as a service manager ends one.
struct Daemon(Child);

impl Daemon {
    fn end(mut self) -> Result<(), Failed> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let status = self.0.wait()?;
        check(status.code() == Some(0), status)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Records random reads of the disk and has genes searched for them; answers the file.
fn tuned(disk: &Loop, directory: &Path) -> Result<String, Failed> {
    let at = |name: &str| text(&directory.join(name));
    {
        let _alone = traces::alone()?;
        let _reader = disk.read_at_random()?;
        let places = ["--out", &at("out"), "--state-dir", &at("recording"), "--run-dir", &at("recording")];
        let record = ["record", "--device", &disk.name, "--for", "2s"];
        let recorded = run(record.iter().chain(&places));
        check(recorded.status == 0, &recorded)?;
    }
    let (trace, genes) = (at(&format!("out/{}", disk.name)), at("genes.json"));
    // Every read is overdue at once, so that it is the length of a batch that decides how much is sorted.
    let found = run([
        "replay",
        &trace,
        "--disk",
        "hdd-7200",
        "--disk-size",
        "256MiB",
        "--queue-depth",
        "4",
        "--scheduler",
        "mq-deadline",
        "--set",
        "nr_requests=256",
        "--set",
        "read_expire=1",
        "--no-stall",
        "--outstanding",
        "64",
        "--tune",
        "--knob",
        "fifo_batch",
        "--budget",
        "32",
        "--objective",
        "throughput",
        "--for-device",
        &disk.name,
        "--out",
        &genes,
    ]);
    check(found.status == 0, &found)?;
    Ok(genes)
}

pub(crate) fn of_a_replay_are_put_in_force() -> Result<(), Failed> {
    let (disk, directory) = (Loop::new()?, tempfile::tempdir()?);
    let genes = tuned(&disk, directory.path())?;
    let file = ExchangeFile::parse(&std::fs::read_to_string(&genes)?, &genes)?;
    let entry = file.entries.iter().find(|entry| entry.class == CLASS).ok_or_else(|| format!("{file:?}"))?;
    let knob = Knob::FifoBatch.name();
    let wanted = entry.genes.get(knob).ok_or_else(|| format!("{entry:?}"))?.to_string();
    let originals = disk.knobs();
    check(originals[knob] != wanted, (&originals[knob], entry))?;

    let imported = directory.path().join("imported");
    std::fs::create_dir(&imported)?;
    let import = run(["genes", "import", &genes, "--state-dir", &text(&imported)]);
    check(import.status == 0 && import.out.contains(CLASS), &import)?;
    let pointed_to = text(&directory.path().join("pointed-to"));
    for (state, more) in [(text(&imported), &[][..]), (pointed_to, &["--hints", &genes])] {
        for strategy in ["confirmed", "moilanen"] {
            let run_dir = text(&directory.path().join("run"));
            let daemon = tunerd()
                .args(["run", "--device", &disk.name, "--mode", "hints", "--window", "100ms"])
                .args(["--objective", "throughput"])
                .args(["--strategy", strategy, "--state-dir", &state, "--run-dir", &run_dir])
                .args(more)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            let daemon = Daemon(daemon);
            let _reader = disk.read_at_random()?;
            until("the genes of the replay are in force", || disk.knobs()[knob] == wanted)?;
            let mut others = disk.knobs();
            others.insert(knob.to_owned(), originals[knob].clone());
            check(others == originals, (strategy, &others, &originals))?;
            let status = run(["status", "--json", "--run-dir", &run_dir, "--state-dir", &state]).json();
            check(status["devices"][0]["fingerprint"] == CLASS, &status)?;
            check(status["devices"][0]["mode"] == "hints", &status)?;
            daemon.end()?;
            check(disk.knobs() == originals, (strategy, disk.knobs(), &originals))?;
        }
    }
    Ok(())
}
