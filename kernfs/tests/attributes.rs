//! One row per attribute: what a valid text, garbage, no file and an empty file are taken for.
//!
//! Every row runs on the fake and on a tree of plain files that [`kernfs::RealKernel`] reads.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests may panic as tests do")]

use block_types::{Elevator, Knob};
use kernfs::fake::{FakeDisk, FakeKernel};
use kernfs::{Attr, Disk, Error, Identity, KPath, Kernel, RealKernel, Roots, Tree, Unsupported};
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

/// What became of an attribute.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    /// This value, as Debug prints it.
    Is(&'static str),
    /// As [`Outcome::Is`], for values made at run time.
    Value(String),
    /// [`Attr::Absent`].
    Absent,
    /// [`Error::Malformed`], with a path and a text of what was expected.
    Malformed,
    /// [`Error::Io`]: an attribute that every disk has is missing.
    Missing,
    /// [`Error::NoSuchDisk`].
    Gone,
    /// A scheduler of this name, which is not known.
    Unknown(String),
}
use Outcome::{Absent, Gone, Is, Malformed, Missing, Unknown, Value};

fn outcome<T: Debug>(result: Result<T, Error>) -> Outcome {
    match result {
        Ok(value) => Value(format!("{value:?}")),
        Err(Error::Malformed { path, expected, .. }) => {
            assert!(!expected.is_empty() && path.is_absolute() | path.starts_with("fake:"), "{path:?}");
            Malformed
        }
        Err(Error::Io { .. }) => Missing,
        Err(Error::NoSuchDisk { .. }) => Gone,
    }
}

fn attr<T: Debug>(result: Result<Attr<T>, Error>) -> Outcome {
    match result {
        Ok(Attr::Value(value)) => Value(format!("{value:?}")),
        Ok(Attr::Absent) => Absent,
        Ok(Attr::Unsupported(Unsupported::UnknownScheduler(name))) => Unknown(name),
        Ok(Attr::Unsupported(other)) => panic!("{other:?}"),
        Err(error) => outcome::<()>(Err(error)),
    }
}

fn identity<T: Debug>(disk: &Disk, pick: impl Fn(Identity) -> T) -> Outcome {
    outcome(disk.identity().map(pick))
}

struct Row {
    path: KPath,
    read: Box<dyn Fn(&Disk) -> Outcome>,
    valid: (&'static str, Outcome),
    garbage: Vec<(&'static str, Outcome)>,
    absent: Outcome,
    empty: Outcome,
}

/// What no number is.
const NO_NUMBER: [&str; 10] = [
    "x\n",
    "-1\n",
    "+1\n",
    "1 2\n",
    "1.5\n",
    "0x10\n",
    "1\n2\n",
    "\u{661}\n",
    "1\0\n",
    "18446744073709551616\n",
];

fn sys(rest: &str) -> KPath {
    KPath::sys(format!("block/loop0/{rest}"))
}

fn knob_row(knob: Knob) -> Row {
    let place = if knob.elevator().is_some() { "queue/iosched" } else { "queue" };
    Row {
        path: sys(&format!("{place}/{knob}")),
        read: Box::new(move |disk| attr(disk.read_knob(knob))),
        valid: ("17\n", Is("Number(17)")),
        garbage: NO_NUMBER.map(|text| (text, Malformed)).to_vec(),
        absent: Absent,
        empty: Malformed,
    }
}

/// An attribute of the identity.
fn identity_row<T: Debug + 'static>(
    rest: &str,
    pick: fn(Identity) -> T,
    valid: (&'static str, &'static str),
    garbage: &[(&'static str, Outcome)],
    absent: Outcome,
    empty: Outcome,
) -> Row {
    Row {
        path: sys(rest),
        read: Box::new(move |disk| identity(disk, pick)),
        valid: (valid.0, Is(valid.1)),
        garbage: garbage.to_vec(),
        absent,
        empty,
    }
}

const STAT: &str = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n";
const TABLE: &str = "   7       0 loop0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n";
const TAGS: &str = "nr_tags=128\nnr_reserved_tags=0\n\nbitmap_tags:\ndepth=32\nbusy=0\n";

fn rows() -> Vec<Row> {
    let no_flag: Vec<(&str, Outcome)> = ["2\n", "x\n", "-1\n"].map(|text| (text, Malformed)).to_vec();
    let no_number: Vec<(&str, Outcome)> = NO_NUMBER.map(|text| (text, Malformed)).to_vec();
    let mut rows: Vec<Row> =
        Knob::ALL.iter().copied().filter(|&knob| knob != Knob::Scheduler).map(knob_row).collect();
    rows.extend([
        Row {
            path: sys("queue/scheduler"),
            read: Box::new(|disk| attr(disk.read_knob(Knob::Scheduler))),
            valid: ("none mq-deadline [kyber] bfq \n", Is("Elevator(Kyber)")),
            garbage: vec![
                ("none mq-deadline\n", Malformed),
                ("[none] [kyber]\n", Malformed),
                ("[]\n", Malformed),
                ("[none\n", Malformed),
                ("no[ne]\n", Malformed),
                ("[[none]]\n", Malformed),
                ("kyber\n", Malformed),
                ("none\n", Is("Elevator(None)")),
                ("none [adios]\n", Unknown("adios".to_owned())),
            ],
            absent: Absent,
            empty: Malformed,
        },
        Row {
            path: sys("queue/max_hw_sectors_kb"),
            read: Box::new(|disk| attr(disk.max_hw_sectors_kb())),
            valid: ("1280\n", Is("1280")),
            garbage: no_number.clone(),
            absent: Absent,
            empty: Malformed,
        },
        identity_row(
            "dev",
            |i| i.devno,
            ("7:9\n", "DevNo { major: 7, minor: 9 }"),
            &[("7\n", Malformed), ("7:x\n", Malformed), ("-7:0\n", Malformed)],
            Missing,
            Malformed,
        ),
        identity_row("diskseq", |i| i.diskseq, ("42\n", "Some(42)"), &no_number, Is("None"), Malformed),
        identity_row("size", |i| i.size, ("2048\n", "Sectors(2048)"), &no_number, Missing, Malformed),
        identity_row("ro", |i| i.read_only, ("1\n", "true"), &no_flag, Is("false"), Malformed),
        identity_row("removable", |i| i.removable, ("1\n", "true"), &no_flag, Is("false"), Malformed),
        identity_row("hidden", |i| i.hidden, ("1\n", "true"), &no_flag, Is("false"), Malformed),
        identity_row(
            "queue/rotational",
            |i| i.rotational,
            ("0\n", "false"),
            &no_flag,
            Is("false"),
            Malformed,
        ),
        identity_row(
            "queue/zoned",
            |i| i.zoned,
            ("host-managed\n", "HostManaged"),
            &[("host managed\n", Malformed), ("1\n", Malformed)],
            Is("No"),
            Malformed,
        ),
        // A model is free text; what the firmware pads or garbles is cleaned.
        identity_row(
            "device/model",
            |i| i.model,
            ("ST4000 DM \n", "Some(\"ST4000 DM\")"),
            &[("a\u{7}b\n", Is("Some(\"ab\")"))],
            Is("None"),
            Is("None"),
        ),
        identity_row(
            "loop/backing_file",
            |i| i.backing_file,
            ("/a b.img\n", "Some(\"/a b.img\")"),
            &[],
            Is("None"),
            Is("None"),
        ),
        identity_row(
            "loop0p1/partition",
            |i| i.partitions.len(),
            ("1\n", "2"),
            &no_number,
            Is("1"),
            Malformed,
        ),
        identity_row(
            "loop0p1/dev",
            |i| i.partitions[0].1,
            ("259:5\n", "DevNo { major: 259, minor: 5 }"),
            &[("259\n", Malformed)],
            Missing,
            Malformed,
        ),
        Row {
            path: sys("stat"),
            read: Box::new(|disk| outcome(disk.stats().map(|stats| (stats.reads, stats.flushes)))),
            valid: (STAT, Is("(1, Some(Flushes { count: 16, ms: 17 }))")),
            garbage: vec![
                ("1 2 3\n", Malformed),
                ("1 2 3 4 5 6 7 8 9 10\n", Malformed),
                ("1 2 3 4 5 6 7 8 9 10 x\n", Malformed),
                ("1 2 3 4 5 6 7 8 9 10 11 12\n", Malformed),
                ("1 2 3 4 5 6 7 8 9 10 11 12 13 14 x\n", Malformed),
                ("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", Malformed),
                ("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 x\n", Malformed),
                ("-1 2 3 4 5 6 7 8 9 10 11\n", Malformed),
                ("1 2 3 4 5 6 7 8 9 10 11\n", Is("(1, None)")),
                ("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n", Is("(1, None)")),
                // Columns of later kernels.
                (
                    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x\n",
                    Is("(1, Some(Flushes { count: 16, ms: 17 }))"),
                ),
            ],
            absent: Missing,
            empty: Malformed,
        },
        Row {
            path: sys("inflight"),
            read: Box::new(|disk| outcome(disk.in_flight())),
            valid: ("       3        4\n", Is("InFlight { reads: 3, writes: 4 }")),
            garbage: vec![
                ("3\n", Malformed),
                ("3 4 5\n", Malformed),
                ("3 x\n", Malformed),
                ("-3 4\n", Malformed),
            ],
            absent: Missing,
            empty: Malformed,
        },
        Row {
            path: KPath::proc("diskstats"),
            read: Box::new(|disk| outcome(kernfs::diskstats(&**disk.kernel()).map(|rows| rows.len()))),
            valid: (TABLE, Is("1")),
            garbage: vec![
                ("7 0 loop0\n", Malformed),
                ("x 0 loop0 1 2 3 4 5 6 7 8 9 10 11\n", Malformed),
                ("-7 0 loop0 1 2 3 4 5 6 7 8 9 10 11\n", Malformed),
                ("\n", Malformed),
            ],
            absent: Missing,
            // A machine without a disk.
            empty: Is("0"),
        },
        Row {
            path: KPath::proc("sys/kernel/random/boot_id"),
            read: Box::new(|disk| outcome(kernfs::boot_id(&**disk.kernel()))),
            valid: ("a1b2c3d4-0000-1111-2222-333344445555\n", Is("\"a1b2c3d4-0000-1111-2222-333344445555\"")),
            garbage: vec![
                ("a1b2c3d4\n", Malformed),
                ("a1b2c3d4-0000-1111-2222-33334444555g\n", Malformed),
                ("a1b2c3d4x0000-1111-2222-333344445555\n", Malformed),
            ],
            absent: Missing,
            empty: Malformed,
        },
        Row {
            path: KPath::debug("block/loop0/hctx0/tags"),
            read: Box::new(|disk| outcome(disk.tag_depth())),
            valid: (TAGS, Is("Some(32)")),
            garbage: vec![
                ("nr_tags=128\n", Malformed),
                ("bitmap_tags:\n", Malformed),
                ("bitmap_tags:\ndepth=x\n", Malformed),
                ("depth=3\nbitmap_tags:\nbusy=1\n", Malformed),
            ],
            absent: Is("None"),
            empty: Malformed,
        },
        Row {
            path: KPath::debug("block/loop0/rqos/wbt/enabled"),
            read: Box::new(|disk| outcome(disk.wbt_state())),
            valid: ("3\n", Is("Some(OffByDefault)")),
            garbage: vec![("0\n", Malformed), ("5\n", Malformed), ("on\n", Malformed)],
            absent: Is("None"),
            empty: Malformed,
        },
    ]);
    rows
}

/// A fake with one loop device under the scheduler that owns the attribute, so that the attribute is there.
fn fake_for(path: &KPath) -> FakeKernel {
    let name = path.rest().rsplit('/').next().unwrap();
    let owner = name.parse::<Knob>().ok().and_then(Knob::elevator);
    let disk = FakeDisk {
        model: Some("a model".to_owned()),
        scheduler: owner.unwrap_or(Elevator::None).name().to_owned(),
        ..FakeDisk::loopback("loop0").with_partitions(2)
    };
    FakeKernel::new().with_disk(disk)
}

fn open(kernel: impl Kernel + 'static) -> Disk {
    Disk::open(Arc::new(kernel), "loop0").unwrap()
}

/// Writes the fake's trees as plain files.
fn copy(fake: &FakeKernel, from: &KPath, to: &Path) {
    if let Ok(names) = fake.list(from) {
        std::fs::create_dir_all(to).unwrap();
        for name in names {
            copy(fake, &from.join(&name), &to.join(&name));
        }
    } else if let Ok(text) = fake.read(from) {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, text).unwrap();
    }
}

fn assert_outcome(path: &KPath, what: &str, found: &Outcome, expected: &Outcome) {
    let same = match (found, expected) {
        (Value(found), Is(expected)) => found == expected,
        (found, expected) => found == expected,
    };
    assert!(same, "{path}: {what}: found {found:?}, expected {expected:?}");
}

#[test]
fn every_row_on_the_fake() {
    for row in rows() {
        let check = |what: &str, text: Option<&str>, expected: &Outcome| {
            let fake = fake_for(&row.path);
            assert!(fake.exists(&row.path), "the fake has no {}", row.path);
            match text {
                Some(text) => fake.set_text(row.path.clone(), text),
                None => fake.vanish_attribute(row.path.clone()),
            }
            assert_outcome(&row.path, what, &(row.read)(&open(fake)), expected);
        };
        check("valid", Some(row.valid.0), &row.valid.1);
        for (text, expected) in &row.garbage {
            check(text, Some(text), expected);
        }
        check("absent", None, &row.absent);
        check("empty", Some(""), &row.empty);
    }
}

#[test]
fn every_row_on_plain_files() {
    for row in rows() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots::new(dir.path().join("sys"), dir.path().join("proc"));
        let fake = fake_for(&row.path);
        copy(&fake, &KPath::sys("block/loop0"), &roots.sysfs.join("block/loop0"));
        for tree in [KPath::proc("diskstats"), KPath::proc("sys/kernel/random/boot_id")] {
            copy(&fake, &tree, &roots.locate(&tree).unwrap());
        }
        if row.path.tree() == Tree::Debug {
            copy(&fake, &row.path, &roots.locate(&row.path).unwrap());
        }
        let file = roots.locate(&row.path).unwrap();
        let disk = open(RealKernel::new(roots));
        let check = |what: &str, text: &str, expected: &Outcome| {
            std::fs::write(&file, text).unwrap();
            assert_outcome(&row.path, what, &(row.read)(&disk), expected);
        };
        check("valid", row.valid.0, &row.valid.1);
        for (text, expected) in &row.garbage {
            check(text, text, expected);
        }
        check("empty", "", &row.empty);
        std::fs::remove_file(&file).unwrap();
        assert_outcome(&row.path, "absent", &(row.read)(&disk), &row.absent);
    }
}

#[test]
fn no_attribute_has_two_rows() {
    let mut paths: Vec<KPath> = rows().into_iter().map(|row| row.path).collect();
    paths.sort();
    let count = paths.len();
    paths.dedup();
    assert_eq!(paths.len(), count);
}

#[test]
fn a_disk_that_is_gone_is_not_an_absent_attribute() {
    for row in rows().into_iter().filter(|row| row.path.tree() == Tree::Sys) {
        let fake = fake_for(&row.path);
        let disk = open(fake.clone());
        assert!(fake.vanish("loop0"));
        assert_outcome(&row.path, "gone", &(row.read)(&disk), &Gone);
    }
}

#[test]
fn wbt_that_refuses_to_be_read_is_unsupported() {
    let disk = FakeDisk { wbt_by_default: false, ..FakeDisk::loopback("loop0") };
    let disk = open(FakeKernel::new().with_disk(disk));
    assert_eq!(disk.read_knob(Knob::WbtLatUsec).unwrap(), Attr::Unsupported(Unsupported::ReadRefused));
    let readout = disk.read_settings().unwrap();
    assert_eq!(readout.unsupported.get(&Knob::WbtLatUsec), Some(&Unsupported::ReadRefused));
    assert_eq!(readout.settings.get(Knob::WbtLatUsec), None);
}

#[test]
fn errors_say_file_found_and_expected() {
    let fake = FakeKernel::new().with_disk(FakeDisk::loopback("loop0"));
    fake.set_text(sys("queue/nr_requests"), "many\n");
    let error = open(fake.clone()).read_knob(Knob::NrRequests).unwrap_err().to_string();
    let expected = "fake:/sys/block/loop0/queue/nr_requests: found \"many\", expected a decimal number";
    assert_eq!(error, expected);
    fake.set_text(sys("queue/nr_requests"), "y".repeat(10_000));
    let error = open(fake).read_knob(Knob::NrRequests).unwrap_err().to_string();
    assert!(error.len() < 200, "{error}");
}
