//! `tunerd fingerprint` on a disk that works.

use crate::common::{run, tunerd};
use crate::disk::Loop;
use crate::{check, sh, until};
use libtest_mimic::Failed;

pub(crate) fn fingerprint_of_random_reads() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let _reader = disk.read_at_random()?;
    for source in ["auto", "tracefs"] {
        let ran =
            run(["fingerprint", "--device", &disk.device(), "--for", "2s", "--source", source, "--json"]);
        check(ran.status == 0, &ran)?;
        let lines: Vec<serde_json::Value> =
            ran.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let right = lines.iter().filter(|line| line["class"] == "read-random-small").count();
        // The first window may be cut short.
        check(lines.len() >= 4 && right + 1 >= lines.len(), (source, &ran.out))?;
    }
    Ok(())
}

pub(crate) fn interrupted_watch() -> Result<(), Failed> {
    let disk = Loop::new()?;
    let child = tunerd()
        .args(["fingerprint", "--device", &disk.device(), "--source", "tracefs"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    let pid = child.id();
    // The source's tracing instances carry the number of the process that made them.
    let instances = || -> Vec<String> {
        let entries = std::fs::read_dir("/sys/kernel/tracing/instances").into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.contains(&format!("-{pid}-"))).collect()
    };
    until("a tracing instance is made", || !instances().is_empty())?;
    sh("kill", &["-INT", &pid.to_string()])?;
    let ended = child.wait_with_output()?;
    check(ended.status.code() == Some(0), &ended)?;
    check(instances().is_empty(), instances())
}
