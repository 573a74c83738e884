//! The finished program, as people and programs see it: output, exit status, and the one line of an error.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up fails")]

mod common;

use common::{Machine, Ran, run, run_with_input, text, tunerd};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

#[test]
fn wrong_usage_exits_with_2_and_one_line() {
    run(["run", "--slice", "250"]).refused(2, &["--slice", "\"250\"", "250ms"]);
    run(["devices", "--colour"]).refused(2, &["--colour"]);
    run(["fingerprint"]).refused(2, &["--device"]);
    run([""; 0]).refused(2, &["subcommand"]);
    run(["genes", "forget"]).refused(2, &["--device", "--all"]);
    run(["fingerprint", "--device", "x", "--window", "1ms"]).refused(2, &["--window", "20"]);
    run(["fingerprint", "--device", "x", "--window", "3s", "--window-max", "2s"])
        .refused(2, &["--window-max"]);
}

#[test]
fn help_version_and_completions_go_to_standard_output() {
    assert!(run(["--version"]).done().starts_with("tunerd "));
    let help = run(["run", "--help"]).done();
    for flag in [
        "--device",
        "--mode",
        "--strategy",
        "--objective",
        "--state-dir",
        "--config",
        "--seed",
        "--window",
        "--slice",
        "--settle",
        "--children",
        "--source",
        "--reintroduce",
        "--ranges",
        "--rule",
        "--knob",
        "--tune-scheduler",
        "--hints",
        "--for",
        "--json",
        "--sysfs-root",
        "--proc-root",
        "--run-dir",
    ] {
        assert!(help.contains(flag), "{flag} is not in the help of run");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(run(["completions", shell]).done().contains("fingerprint"), "{shell}");
    }
}

#[test]
fn a_comparison_that_makes_no_sense_is_refused_before_anything_is_written() {
    run(["ab", "--device", "sda"]).refused(2, &["--set"]);
    run(["ab", "--device", "sda", "--set", "fifo_batch"]).refused(2, &["fifo_batch=1"]);
    run(["ab", "--device", "sda", "--set", "write_cache=0"]).refused(2, &["write_cache"]);
    run(["ab", "--device", "sda", "--set", "fifo_batch=x"]).refused(2, &["whole number"]);
    run(["ab", "--device", "sda", "--set", "scheduler=cfq"]).refused(2, &["cfq", "mq-deadline"]);
    run(["ab", "--device", "sda", "--set", "fifo_batch=1", "--for", "1m", "--until-decided"])
        .refused(2, &["--until-decided"]);
    run(["ab", "--device", "sda", "--set", "fifo_batch=1", "--slice", "1ms"]).refused(2, &["--slice"]);
}

#[test]
fn output_that_nobody_reads_on_is_no_error() {
    let mut child =
        tunerd().args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0]).unwrap();
    drop(out);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap().as_str()), (Some(0), ""));
}

fn device(all: &Value, name: &str) -> Value {
    let devices = all["devices"].as_array().unwrap();
    devices
        .iter()
        .find(|device| device["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {all}"))
        .clone()
}

#[test]
fn devices_say_what_can_be_tuned_and_why_the_rest_cannot() {
    let machine = Machine::new()
        .disk("sda", "8:0", 2_097_152)
        .disk("sdz", "8:16", 2_097_152)
        .disk("dm-0", "253:0", 4_096)
        .disk("zram0", "252:0", 4_096)
        .disk("loop3", "7:3", 0);
    machine.write("sys/block/sdz/queue/zoned", "host-managed\n");
    machine.write("sys/block/sda/device/model", "WDC WD40EFRX-68N\n");
    let all = machine.run(&["devices", "--json"]);
    assert_eq!(all.status, 0, "{all:?}");
    let all = all.json();

    let sda = device(&all, "sda");
    assert_eq!(sda["eligible"], true);
    assert_eq!((&sda["size_bytes"], &sda["devno"]), (&json!(1 << 30), &json!("8:0")));
    assert_eq!((&sda["scheduler"], &sda["model"]), (&json!("mq-deadline"), &json!("WDC WD40EFRX-68N")));
    assert_eq!(sda["schedulers"], json!(["none", "mq-deadline", "kyber", "bfq"]));
    for (name, part) in
        [("sdz", "zoned"), ("dm-0", "device-mapper"), ("zram0", "compressed memory"), ("loop3", "no file")]
    {
        let refused = device(&all, name);
        assert_eq!(refused["eligible"], false, "{refused}");
        assert!(refused["why"].as_str().unwrap().contains(part), "{refused}");
    }

    let table = machine.run(&["devices"]).done();
    let line = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("sda").contains("1.0 GiB") && line("sda").ends_with("yes"), "{table}");
    assert!(line("sdz").contains("no: ") && line("without").contains("loop3"), "{table}");
    assert!(!table.contains('\u{1b}'), "no colour where nobody looks: {table}");
}

#[test]
fn a_machine_without_a_disk_to_tune_exits_with_3() {
    let machine = Machine::new().disk("dm-0", "253:0", 4_096);
    let ran = machine.run(&["devices", "--json"]);
    ran.refused(3, &["no disk"]);
    assert_eq!(device(&ran.json(), "dm-0")["eligible"], false, "the list is printed all the same");
    let ran = machine.run(&[
        "doctor",
        "--state-dir",
        &text(&machine.state()),
        "--run-dir",
        &text(&machine.path("run")),
    ]);
    ran.refused(3, &["tuning does not work here", "no disk can be tuned"]);
    assert!(ran.out.contains("dm-0"), "{ran:?}");
}

#[test]
fn a_tree_without_disks_is_named() {
    let machine = Machine::new();
    machine.remove("sys/block");
    machine.run(&["devices"]).refused(1, &["sys/block"]);
}

#[test]
fn doctor_says_what_works_in_words_and_in_json() {
    let machine = Machine::new().disk("sda", "8:0", 2_097_152);
    machine.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    machine.write("proc/812/comm", "tuned\n");
    machine.write("proc/815/comm", "multipathd\n");
    let state = text(&machine.state());
    let run_dir = text(&machine.path("run"));
    let arguments = ["doctor", "--state-dir", &state, "--run-dir", &run_dir, "--json"];
    let ran = machine.run(&arguments);
    let all = ran.json();
    let finding = |subject: &str| {
        let findings = all["findings"].as_array().unwrap();
        findings
            .iter()
            .find(|finding| finding["subject"] == subject)
            .unwrap_or_else(|| panic!("no {subject}: {all}"))
    };
    assert!(finding("kernel")["finding"].as_str().unwrap().contains("6.18.0-test"));
    assert_eq!(finding("lockdown")["verdict"], "note");
    assert_eq!(finding("BTF")["verdict"], "note");
    assert_eq!(finding("source diskstats")["verdict"], "ok");
    assert!(finding("source bpf")["finding"].as_str().unwrap().contains("not tried"));
    assert!(finding("TuneD")["finding"].as_str().unwrap().contains("812"));
    assert!(finding("multipathd")["finding"].as_str().unwrap().contains("815"));
    assert!(finding("disk sda")["finding"].as_str().unwrap().contains("mq-deadline"));
    assert_eq!(all["can_watch"], false, "only diskstats works on a tree");
    assert_eq!((ran.status, &all["can_tune"]), (0, &json!(true)), "the tree can be written");

    // Somebody else's rules and the store of a daemon that died are told too.
    machine.write("state/journal/sda.jsonl", "{}\n");
    let words = machine.run(&arguments[..5]);
    assert!(
        words.out.contains("tunerd restore") && words.out.contains("disks can be tuned: yes"),
        "{words:?}"
    );
    machine.run(&["doctor", "--device", "sdq"]).refused(1, &["sdq"]);
}

#[test]
fn a_disk_that_is_not_there_is_named() {
    let machine = Machine::new().disk("sda", "8:0", 2_097_152);
    machine.run(&["fingerprint", "--device", "sdq", "--for", "1s"]).refused(1, &["sdq"]);
    let zram = Machine::new().disk("zram0", "252:0", 4_096);
    zram.remove("sys/block/zram0/queue/scheduler");
    zram.run(&["fingerprint", "--device", "zram0", "--for", "1s"]).refused(3, &["zram0"]);
}

#[test]
fn an_idle_disk_is_watched_for_as_long_as_was_asked() {
    let machine = Machine::new().disk("sda", "8:0", 2_097_152);
    let begun = std::time::Instant::now();
    let ran = machine.run(&[
        "fingerprint",
        "--device",
        "/dev/sda",
        "--for",
        "600ms",
        "--source",
        "diskstats",
        "--json",
    ]);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(600));
    assert_eq!((ran.status, ran.out.as_str()), (0, ""), "{ran:?}");
    assert!(ran.err.contains("unknown to it: distances") && ran.err.contains("nothing was asked"), "{ran:?}");
}

#[test]
fn configurations_are_shown_as_files_and_checked_with_the_line_of_a_mistake() {
    let machine = Machine::new();
    machine.write("good.toml", "mode = \"tune\"\n[loop]\nslice = \"4s\"\n");
    machine.write("bad.toml", "mode = \"tune\"\n[loop]\nslise = \"4s\"\n");
    machine.write("range.toml", "[loop]\n\nchildren = 1\n");
    let path = |name: &str| text(&machine.path(name));
    let shown = run(["config", "show", "--config", &path("good.toml")]).done();
    assert!(shown.contains("slice = \"4s\"") && shown.contains("mode = \"tune\""), "{shown}");
    machine.write("again.toml", &shown);
    assert_eq!(
        run(["config", "show", "--config", &path("again.toml"), "--json"]).json()["loop"]["slice"],
        "4s"
    );
    assert!(run(["config", "check", &path("good.toml"), &path("again.toml")]).done().contains("good.toml"));
    run(["config", "check", &path("bad.toml")]).refused(2, &["bad.toml:3", "slise"]);
    run(["config", "check", &path("good.toml"), &path("range.toml")])
        .refused(2, &["range.toml:3", "loop.children"]);
    run(["config", "check", &path("none.toml")]).refused(2, &["none.toml"]);
}

fn gene_file(objective: &str, device: &str, fitness: f64) -> String {
    json!({
        "schema": "tunerd-genes",
        "version": 1,
        "objective": objective,
        "provenance": { "by": "a test", "host": "elsewhere" },
        "entries": [
            {
                "device": device,
                "class": "read-random-small",
                "scheduler": "mq-deadline",
                "genes": { "fifo_batch": 1, "read_ahead_kb": 64 },
                "fitness": fitness,
                "generations": 40,
                "updated_unix_ms": 1_700_000_000_000_u64,
            },
            {
                "device": device,
                "class": "write-sequential-large",
                "scheduler": "mq-deadline",
                "genes": { "fifo_batch": 64 },
                "fitness": fitness,
            },
        ],
    })
    .to_string()
}

struct Genes {
    directory: tempfile::TempDir,
}

impl Genes {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> String {
        text(&self.directory.path().join("state"))
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let state = self.state();
        run(["genes"].iter().chain(arguments).copied().chain(["--state-dir", &state]))
    }

    fn import(&self, file: &str, arguments: &[&str]) -> Ran {
        let state = self.state();
        let all = ["genes", "import", "-"].into_iter().chain(arguments.iter().copied());
        run_with_input(all.chain(["--state-dir", &state]), file)
    }

    fn listed(&self, arguments: &[&str]) -> Vec<Value> {
        let all: Vec<&str> = ["list", "--json"].into_iter().chain(arguments.iter().copied()).collect();
        let ran = self.run(&all);
        assert_eq!(ran.status, 0, "{ran:?}");
        ran.json()["genes"].as_array().unwrap().clone()
    }
}

#[test]
fn genes_go_from_one_machine_to_another() {
    let (here, there) = (Genes::new(), Genes::new());
    let said = here.import(&gene_file("throughput", "sda", 1.2e8), &[]).done();
    assert_eq!(said.matches(": added").count(), 2, "{said}");
    let file = text(&here.directory.path().join("genes.json"));
    here.run(&["export", &file]).done();
    there.run(&["import", &file]).done();
    let of =
        |genes: &Genes| genes.listed(&[]).into_iter().map(|row| row["genes"].clone()).collect::<Vec<_>>();
    assert_eq!(of(&here), of(&there));
    assert_eq!(of(&there).len(), 2);

    let exported: Value = serde_json::from_str(&there.run(&["export"]).done()).unwrap();
    assert!(exported["provenance"]["by"].as_str().unwrap().starts_with("tunerd "));
    let entry = &exported["entries"][0];
    assert_eq!(entry["provenance"]["host"], "elsewhere", "where genes come from is not lost on the way");
    let shown = there.run(&["show", "--class", "read-random-small"]).done();
    assert!(
        shown.contains("fifo_batch") && shown.contains("a test") && shown.contains("120.0 MB/s"),
        "{shown}"
    );
    assert!(!shown.contains("write-sequential"), "{shown}");
}

#[test]
fn what_is_stored_gives_way_only_when_told_so() {
    let genes = Genes::new();
    genes.import(&gene_file("throughput", "sda", 1.0e8), &[]).done();
    let kept = genes.import(&gene_file("throughput", "sda", 9.0e8), &["--json"]);
    assert_eq!(kept.json()["kept"].as_array().unwrap().len(), 2, "{kept:?}");
    assert!(genes.listed(&[]).iter().all(|row| row["fitness"] == json!(1.0e8)));
    genes.import(&gene_file("throughput", "sda", 9.0e8), &["--replace"]).done();
    assert!(genes.listed(&[]).iter().all(|row| row["fitness"] == json!(9.0e8)));
}

#[test]
fn genes_are_not_changed_under_a_search_that_would_overwrite_them() {
    let genes = Genes::new();
    genes.import(&gene_file("throughput", "sda", 1.0e8), &[]).done();
    // What a tunerd that searches holds.
    let claim = std::fs::File::open(genes.directory.path().join("state/tunerd.db.claim")).unwrap();
    claim.lock_shared().unwrap();
    let refused = ["a tunerd is searching", "stop it first"];
    genes.import(&gene_file("throughput", "sda", 9.0e8), &["--replace"]).refused(1, &refused);
    genes.run(&["forget", "--all"]).refused(1, &refused);
    assert!(genes.listed(&[]).iter().all(|row| row["fitness"] == json!(1.0e8)));
    drop(claim);
    genes.run(&["forget", "--all"]).done();
}

#[test]
fn genes_of_another_disk_have_no_fitness_here_and_objectives_stay_apart() {
    let genes = Genes::new();
    genes.import(&gene_file("throughput", "sda", 1.0e8), &["--device", "/dev/nvme0n1"]).done();
    genes.import(&gene_file("latency", "sda", 500.0), &[]).done();
    let moved = genes.listed(&["--device", "nvme0n1"]);
    assert_eq!(moved.len(), 2);
    assert!(moved.iter().all(|row| row["fitness"].is_null()), "{moved:?}");
    assert_eq!(genes.listed(&["--objective", "latency"]).len(), 2);
    let table = genes.run(&["list"]).done();
    assert!(table.contains("not measured") && table.contains("2.00 ms"), "{table}");
    genes.run(&["export"]).refused(2, &["--objective latency", "--objective throughput"]);
    let latency: Value =
        serde_json::from_str(&genes.run(&["export", "--objective", "latency"]).done()).unwrap();
    assert_eq!(latency["entries"].as_array().unwrap().len(), 2);
}

#[test]
fn forgetting_takes_what_was_named_and_nothing_else() {
    let genes = Genes::new();
    assert!(genes.run(&["forget", "--all"]).refused_or_none());
    genes.import(&gene_file("throughput", "sda", 1.0e8), &[]).done();
    genes.import(&gene_file("throughput", "sdb", 1.0e8), &[]).done();
    assert_eq!(
        genes.run(&["forget", "--device", "sdb", "--class", "read-random-small", "--json"]).json()["forgotten"],
        1
    );
    assert_eq!(genes.listed(&[]).len(), 3);
    assert_eq!(genes.run(&["forget", "--device", "sdq"]).done(), "0 forgotten\n");
    genes.run(&["forget", "--all"]).done();
    assert!(genes.listed(&[]).is_empty());
    genes.run(&["export"]).refused(1, &["no genes"]);
}

impl Ran {
    /// Whether there was nothing to do it to: no state directory.
    fn refused_or_none(&self) -> bool {
        self.status == 1 && self.err.contains("there is no store")
    }
}

#[test]
fn a_gene_file_that_cannot_be_used_is_refused_whole_and_its_fault_named() {
    let genes = Genes::new();
    genes.import(&gene_file("throughput", "sda", 1.0e8), &[]).done();
    let good = gene_file("throughput", "sdb", 1.0e8);
    for (file, parts) in [
        ("not json".to_owned(), &["standard input:1:"][..]),
        (good.replace("tunerd-genes", "recipes"), &["recipes", "tunerd-genes"]),
        (good.replace("\"version\":1", "\"version\":7"), &["version 7"]),
        (good.replace("\"throughput\"", "\"beauty\""), &["beauty", "throughput or latency"]),
        (good.replace("write-sequential-large", "write-sequential"), &["entry 2", "write-sequential"]),
        (good.replace("\"fifo_batch\":64", "\"write_cache\":1"), &["entry 2", "write_cache"]),
        (good.replace("mq-deadline", "../etc"), &["entry 1", "../etc"]),
        (good.replace("\"sdb\"", "\"a/b\""), &["entry 1", "a/b"]),
        (good.replace("100000000.0", "-1.0"), &["entry 1"]),
    ] {
        assert_ne!(file, good);
        genes.import(&file, &[]).refused(1, parts);
    }
    assert_eq!(genes.listed(&[]).len(), 2, "nothing of any of them was taken");
    genes.run(&["import", "/nonexistent/genes.json"]).refused(1, &["/nonexistent/genes.json"]);
}

#[test]
fn a_store_that_cannot_be_read_is_said_to_be_so() {
    let genes = Genes::new();
    genes.run(&["list"]).refused(1, &["there is no store"]);
    std::fs::create_dir(genes.state()).unwrap();
    assert_eq!(genes.run(&["list"]).done(), "no genes are stored that match\n");
    std::fs::write(Path::new(&genes.state()).join("tunerd.db"), "no database ".repeat(1_000)).unwrap();
    genes.run(&["list"]).refused(1, &["tunerd.db", "damaged"]);

    // A command that writes does as the daemon does: aside with it, and on.
    let ran = genes.import(&gene_file("throughput", "sda", 1.0e8), &[]);
    assert_eq!(ran.status, 0);
    assert!(ran.err.contains("tunerd.db.corrupt-1"), "{ran:?}");
    assert_eq!(genes.listed(&[]).len(), 2);
}

#[test]
fn without_a_daemon_status_says_so_and_what_is_left_to_restore() {
    let machine = Machine::new();
    let (run_dir, state) = (text(&machine.path("run")), text(&machine.state()));
    let ask = |command: &str, more: &[&str]| {
        run([command, "--run-dir", &run_dir].into_iter().chain(more.iter().copied()))
    };
    ask("status", &["--state-dir", &state]).refused(1, &["no tunerd is running", "tunerd.sock"]);
    ask("pause", &[]).refused(1, &["no tunerd is running"]);
    ask("resume", &["--device", "sda"]).refused(1, &["no tunerd is running"]);

    machine.write("state/journal/sda.jsonl", "{}\n");
    let ran = ask("status", &["--state-dir", &state, "--json"]);
    ran.refused(1, &["sda", "tunerd restore"]);
    assert_eq!(ran.json(), json!({ "running": false, "left_to_restore": ["sda"] }));
}

#[test]
fn restoring_where_nothing_is_left_is_done_at_once_and_twice() {
    let machine = Machine::new().disk("sda", "8:0", 2_097_152);
    let (state, run_dir) = (text(&machine.state()), text(&machine.path("run")));
    for _ in 0..2 {
        let said = machine.run(&["restore", "--state-dir", &state, "--run-dir", &run_dir]).done();
        assert_eq!(said, "nothing is left to put back\n");
    }
    let ran = machine.run(&["restore", "--state-dir", &state, "--run-dir", &run_dir, "--json"]);
    assert_eq!(ran.json(), json!({ "devices": [] }));
}
