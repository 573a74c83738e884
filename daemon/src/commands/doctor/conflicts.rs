//! Who else may write the same knobs: udev's rules, TuneD, multipathd, another tunerd.

use super::{Finding, Patient, Verdict};
use kernfs::KPath;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where udev looks for rules; of files with one name only the first counts (udev(7)).
const RULE_DIRS: [&str; 5] = [
    "etc/udev/rules.d",
    "run/udev/rules.d",
    "usr/local/lib/udev/rules.d",
    "usr/lib/udev/rules.d",
    "lib/udev/rules.d",
];

pub(super) fn all(patient: &Patient) -> Vec<Finding> {
    let processes = processes(patient);
    let mut findings = vec![udev(&patient.top)];
    findings.push(tuned(&patient.top, processes.get("tuned").map(Vec::as_slice)));
    if let Some(pids) = processes.get("multipathd") {
        let what =
            format!("process {} runs: disks that are paths of a multipath map are left alone", words(pids));
        findings.push(Finding::new("multipathd", Verdict::Note, what));
    }
    for (device, pid) in held(patient) {
        let what = format!("{device} is held by process {pid}; another tunerd is refused there");
        findings.push(Finding::new("lock", Verdict::Note, what));
    }
    let own = std::process::id();
    let others: Vec<u32> =
        processes.get("tunerd").into_iter().flatten().copied().filter(|pid| *pid != own).collect();
    if !others.is_empty() {
        let what = format!("process {} runs too", words(&others));
        findings.push(Finding::new("tunerd", Verdict::Note, what));
    }
    findings
}

fn words(pids: &[u32]) -> String {
    pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Process numbers by name. Processes that end meanwhile are passed over.
fn processes(patient: &Patient) -> BTreeMap<String, Vec<u32>> {
    let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for entry in patient.kernel.list(&KPath::proc("")).unwrap_or_default() {
        let Ok(pid) = entry.parse() else { continue };
        if let Ok(name) = patient.kernel.read(&KPath::proc(format!("{pid}/comm"))) {
            found.entry(String::from_utf8_lossy(&name).trim().to_owned()).or_default().push(pid);
        }
    }
    found
}

/// The devices whose lock is held, and by which process. The kernel's own list is read, because to try a lock is to
/// hold it for a moment, and a daemon that starts just then would be refused.
fn held(patient: &Patient) -> Vec<(String, u32)> {
    let locks = patient.kernel.read(&KPath::proc("locks")).unwrap_or_default();
    let locks = String::from_utf8_lossy(&locks);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&patient.run_dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(device) = name.to_str().and_then(|name| name.strip_suffix(".lock")) else { continue };
        if device == crate::control::SOCKET_NAME {
            continue;
        }
        if let Ok(file) = entry.metadata()
            && let Some(pid) = holder(&locks, file.dev(), file.ino())
        {
            found.push((device.to_owned(), pid));
        }
    }
    found.sort();
    found
}

/// The process that has a flock on a file, by `/proc/locks`: `3: FLOCK  ADVISORY  WRITE 812 00:1a:5678 0 EOF`.
fn holder(locks: &str, dev: u64, inode: u64) -> Option<u32> {
    let place = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(dev), rustix::fs::minor(dev));
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [_, "FLOCK", _, _, pid, at, ..] if at == place => pid.parse().ok(),
            _ => None,
        }
    })
}

fn tuned(top: &Path, running: Option<&[u32]>) -> Finding {
    let profile = std::fs::read_to_string(top.join("etc/tuned/active_profile"))
        .ok()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    match (running, profile) {
        (None, _) => Finding::new("TuneD", Verdict::Ok, "it does not run"),
        (Some(pids), profile) => {
            let profile = profile.map_or("no profile".to_owned(), |profile| format!("profile {profile}"));
            let what = format!(
                "process {} runs with {profile}: where that sets elevator or readahead, tunerd finds them changed and \
                 yields them",
                words(pids)
            );
            Finding::new("TuneD", Verdict::Note, what)
        }
    }
}

fn udev(top: &Path) -> Finding {
    let mut writes = Vec::new();
    for (name, path) in rule_files(top) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for (line, attributes) in queue_writes(&text) {
            writes.push(format!("{name}:{line} ({})", attributes.join(", ")));
        }
    }
    if writes.is_empty() {
        return Finding::new("udev", Verdict::Ok, "no rule writes a queue's attributes");
    }
    let what = format!(
        "rules write attributes of queues, also at every change event of a disk: {}; tunerd yields what it finds changed",
        writes.join(", ")
    );
    Finding::new("udev", Verdict::Note, what)
}

/// The files that count, by name.
fn rule_files(top: &Path) -> BTreeMap<String, PathBuf> {
    let mut files = BTreeMap::new();
    for dir in RULE_DIRS {
        for entry in std::fs::read_dir(top.join(dir)).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "rules")
                && let Ok(name) = entry.file_name().into_string()
            {
                files.entry(name).or_insert(path);
            }
        }
    }
    files
}

/// The lines of a rules file that write attributes of a queue, from 1, and which they write.
fn queue_writes(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut rule = String::new();
    let mut first = 1;
    for (index, line) in text.lines().enumerate() {
        if rule.is_empty() {
            first = index + 1;
        }
        if rule.is_empty() && line.trim_start().starts_with('#') {
            continue;
        }
        if let Some(part) = line.strip_suffix('\\') {
            rule.push_str(part);
            continue;
        }
        rule.push_str(line);
        let attributes = attributes_written(&rule);
        if !attributes.is_empty() {
            found.push((first, attributes));
        }
        rule.clear();
    }
    found
}

fn attributes_written(rule: &str) -> Vec<String> {
    let mut attributes: Vec<String> = rule
        .split("ATTR{queue/")
        .skip(1)
        .filter_map(|rest| {
            let (name, rest) = rest.split_once('}')?;
            let operator = rest.trim_start();
            // `==` and `!=` look, `=`, `+=` and `:=` write.
            let writes =
                ["=", "+=", ":="].iter().any(|op| operator.starts_with(op)) && !operator.starts_with("==");
            writes.then(|| format!("queue/{name}"))
        })
        .collect();
    // A program that a rule runs can write them as well.
    for run in rule.split("RUN").skip(1).filter(|run| run.starts_with(['+', '=', '{', ':'])) {
        let command =
            run.split_once('"').and_then(|(_, rest)| rest.split_once('"')).map_or("", |(command, _)| command);
        if let Some((_, rest)) = command.split_once("/queue/") {
            let name: String =
                rest.chars().take_while(|&c| c.is_ascii_alphanumeric() || c == '_' || c == '/').collect();
            attributes.push(format!("queue/{name} by a program"));
        }
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_write_are_told_from_rules_that_look() {
        let text = "# ATTR{queue/scheduler}=\"none\"\n\
            ACTION==\"add|change\", KERNEL==\"sd[a-z]*\", ATTR{queue/rotational}==\"1\", ATTR{queue/scheduler}=\"bfq\"\n\
            KERNEL==\"nvme*\", ATTR{queue/rotational}!=\"1\"\n\
            \n\
            KERNEL==\"vd*\", \\\n  ATTR{queue/read_ahead_kb} = \"64\", \\\n  ATTR{queue/iosched/slice_idle}:=\"0\"\n\
            KERNEL==\"sdb\", RUN+=\"/bin/sh -c 'echo 32 > /sys/block/%k/queue/nr_requests'\"\n\
            ATTR{removable}=\"1\", ENV{X}=\"ATTR\"\n";
        let found = queue_writes(text);
        let expected = [
            (2, vec!["queue/scheduler"]),
            (5, vec!["queue/read_ahead_kb", "queue/iosched/slice_idle"]),
            (8, vec!["queue/nr_requests by a program"]),
        ];
        let expected: Vec<(usize, Vec<String>)> =
            expected.map(|(line, names)| (line, names.into_iter().map(str::to_owned).collect())).into();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_administrators_file_hides_the_vendors_of_the_same_name() {
        let top = tempfile::tempdir().unwrap();
        let write = |dir: &str, name: &str, text: &str| {
            std::fs::create_dir_all(top.path().join(dir)).unwrap();
            std::fs::write(top.path().join(dir).join(name), text).unwrap();
        };
        let rule = "ATTR{queue/scheduler}=\"bfq\"\n";
        write("usr/lib/udev/rules.d", "60-ioschedulers.rules", rule);
        assert_eq!(udev(top.path()).verdict, Verdict::Note);
        write("etc/udev/rules.d", "60-ioschedulers.rules", "# nothing\n");
        assert_eq!(udev(top.path()).verdict, Verdict::Ok);
        write("etc/udev/rules.d", "61-mine.rules", rule);
        let finding = udev(top.path());
        assert!(finding.finding.contains("61-mine.rules:1 (queue/scheduler)"), "{}", finding.finding);
        write("etc/udev/rules.d", "notes.txt", rule);
        assert!(!udev(top.path()).finding.contains("notes"));
    }

    #[test]
    fn the_holder_of_a_lock_is_read_from_the_kernels_list() {
        let locks = "1: POSIX  ADVISORY  WRITE 700 00:1a:5678 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 812 00:1a:5678 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 900 00:1a:5678 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 813 fe:01:5678 0 EOF\n";
        let dev = rustix::fs::makedev;
        assert_eq!(holder(locks, dev(0, 0x1a), 5_678), Some(812));
        assert_eq!(holder(locks, dev(0xfe, 1), 5_678), Some(813));
        assert_eq!(holder(locks, dev(0, 0x1a), 56), None);
    }

    #[test]
    fn a_lock_that_this_process_holds_is_in_the_kernels_list() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("loop7.lock");
        let file = std::fs::File::create(&path).unwrap();
        let locks = || std::fs::read_to_string("/proc/locks").unwrap_or_default();
        let seen = |locks: &str| {
            let found = std::fs::metadata(&path).unwrap();
            holder(locks, found.dev(), found.ino())
        };
        assert_eq!(seen(&locks()), None);
        file.lock().unwrap();
        // Some file systems give files another device number than their locks.
        assert!(
            matches!(seen(&locks()), Some(pid) if pid == std::process::id())
                || !locks().contains(&std::process::id().to_string())
        );
    }

    #[test]
    fn tuned_is_a_conflict_only_while_it_runs_and_its_profile_is_named() {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(top.path().join("etc/tuned")).unwrap();
        std::fs::write(top.path().join("etc/tuned/active_profile"), "throughput-performance\n").unwrap();
        assert_eq!(tuned(top.path(), None).verdict, Verdict::Ok);
        let finding = tuned(top.path(), Some(&[812]));
        assert_eq!(finding.verdict, Verdict::Note);
        assert!(finding.finding.contains("812") && finding.finding.contains("throughput-performance"));
    }
}
