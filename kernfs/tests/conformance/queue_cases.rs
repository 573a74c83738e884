//! The queue's own knobs.

use crate::Case;
use crate::subject::{Need, Subject, check};
use block_types::{Elevator, Knob};
use kernfs::{Errno, WbtState, WriteValue};
use libtest_mimic::Failed;

const MQ: Need = Need::Scheduler(Elevator::MqDeadline);
const BFQ: Need = Need::Scheduler(Elevator::Bfq);
const REFUSED: Result<(), Errno> = Err(Errno::Invalid);
const RANGE: Result<(), Errno> = Err(Errno::Range);

pub(crate) const CASES: &[Case] = &[
    Case { name: "numbers_that_are_none", needs: &[Need::Linux618], run: numbers },
    Case { name: "nr_requests_under_none", needs: &[Need::Linux618], run: requests_under_none },
    Case {
        name: "nr_requests_under_a_scheduler",
        needs: &[MQ, Need::Linux618],
        run: requests_under_scheduler,
    },
    Case {
        name: "nr_requests_under_none_is_not_the_depth",
        needs: &[MQ, Need::Debugfs, Need::Linux618],
        run: tag_depth,
    },
    Case { name: "read_ahead_kb", needs: &[], run: read_ahead },
    Case { name: "max_sectors_kb", needs: &[Need::Linux618], run: max_sectors },
    Case { name: "limits_raise_read_ahead", needs: &[Need::Linux618], run: ratchet },
    Case { name: "rq_affinity", needs: &[], run: rq_affinity },
    Case { name: "nomerges", needs: &[], run: nomerges },
    Case { name: "wbt_lat_usec", needs: &[Need::Wbt], run: wbt },
    Case { name: "wbt_is_sticky", needs: &[Need::Wbt, MQ, BFQ, Need::Linux618], run: wbt_sticky },
    Case { name: "wbt_state", needs: &[Need::Wbt, MQ, BFQ, Need::Debugfs, Need::Linux618], run: wbt_state },
];

/// What no attribute of the queue takes as a number.
fn numbers(subject: &Subject) -> Result<(), Failed> {
    let knobs = ["nr_requests", "read_ahead_kb", "max_sectors_kb", "rq_affinity", "nomerges", "wbt_lat_usec"];
    for knob in knobs.map(|knob| format!("queue/{knob}")) {
        let before = subject.read(&knob)?;
        for text in [" ", "x", "-2", "5 ", " 5", "0x10", "5x", "5\n\n", "1 2", "\n", "+", "--1", "1.5"] {
            check(&format!("{knob} <- {text:?}"), &subject.write(&knob, text), &REFUSED)?;
        }
        subject.expect(&knob, &before)?;
        // A plus and one line end are.
        let again = format!("+{before}\n");
        subject.set(&knob, &again)?;
        subject.expect(&knob, &before)?;
    }
    for knob in &knobs[..5] {
        let knob = format!("queue/{knob}");
        check(&knob, &subject.write(&knob, "4294967296"), &REFUSED)?;
        check(&knob, &subject.write(&knob, "99999999999999999999"), &REFUSED)?;
    }
    Ok(())
}

fn requests_under_none(subject: &Subject) -> Result<(), Failed> {
    subject.expect("queue/nr_requests", "128")?;
    subject.table(
        "queue/nr_requests",
        &[
            ("129", REFUSED, "128"),
            ("4294967295", REFUSED, "128"),
            ("0", Ok(()), "4"),
            ("3", Ok(()), "4"),
            ("4", Ok(()), "4"),
            ("127", Ok(()), "127"),
            ("128", Ok(()), "128"),
        ],
    )
}

fn requests_under_scheduler(subject: &Subject) -> Result<(), Failed> {
    subject.set("queue/scheduler", "mq-deadline")?;
    subject.expect("queue/nr_requests", "256")?;
    subject.table(
        "queue/nr_requests",
        &[
            ("1", Ok(()), "4"),
            ("1000", Ok(()), "1000"),
            ("2048", Ok(()), "2048"),
            ("2049", REFUSED, "2048"),
            ("64", Ok(()), "64"),
        ],
    )?;
    // The scheduler in force, written again, keeps what is set.
    subject.set("queue/scheduler", "mq-deadline")?;
    subject.expect("queue/nr_requests", "64")?;
    subject.set("queue/scheduler", "none")?;
    subject.expect("queue/nr_requests", "128")
}

fn tag_depth(subject: &Subject) -> Result<(), Failed> {
    let expect = |number: &str, depth: u64| {
        subject.expect("queue/nr_requests", number)?;
        check("tag depth", &subject.disk.tag_depth()?, &Some(depth))
    };
    expect("128", 128)?;
    subject.set("queue/nr_requests", "32")?;
    expect("32", 32)?;
    subject.set("queue/scheduler", "mq-deadline")?;
    expect("256", 32)?;
    subject.set("queue/nr_requests", "300")?;
    expect("300", 32)?;
    subject.set("queue/scheduler", "none")?;
    expect("128", 32)?;
    // What is shown already is no write, whatever the depth is.
    subject.set("queue/nr_requests", "128")?;
    expect("128", 32)?;
    subject.set("queue/nr_requests", "127")?;
    expect("127", 127)?;
    subject.set("queue/nr_requests", "128")?;
    expect("128", 128)?;
    // Even none written again under none parts the number from the depth.
    subject.set("queue/nr_requests", "32")?;
    subject.set("queue/scheduler", "none")?;
    expect("128", 32)
}

fn read_ahead(subject: &Subject) -> Result<(), Failed> {
    subject.table(
        "queue/read_ahead_kb",
        &[
            ("0", Ok(()), "0"),
            ("3", Ok(()), "0"),
            ("4", Ok(()), "4"),
            ("5", Ok(()), "4"),
            ("100", Ok(()), "100"),
            ("4294967295", Ok(()), "4294967292"),
            ("64\n", Ok(()), "64"),
        ],
    )
}

fn max_sectors(subject: &Subject) -> Result<(), Failed> {
    let hw = subject.disk.max_hw_sectors_kb()?.value().ok_or("no max_hw_sectors_kb")?;
    let default = subject.read("queue/max_sectors_kb")?;
    let (hw, beyond) = (hw.to_string(), (hw + 1).to_string());
    subject.table(
        "queue/max_sectors_kb",
        &[
            ("1", REFUSED, &default),
            ("3", REFUSED, &default),
            ("4", Ok(()), "4"),
            ("65", Ok(()), "65"),
            ("512", Ok(()), "512"),
            (&hw, Ok(()), &hw),
            (&beyond, Ok(()), &hw),
            ("4294967295", Ok(()), &hw),
            ("64", Ok(()), "64"),
            ("0", Ok(()), &default),
        ],
    )?;
    subject.set("queue/max_sectors_kb", "64")?;
    subject.disk.write_knob(Knob::MaxSectorsKb, WriteValue::KernelDefault)?;
    subject.expect("queue/max_sectors_kb", &default)
}

/// Every change of the limits, even to the same value, raises read-ahead to at least what it thinks is right.
fn ratchet(subject: &Subject) -> Result<(), Failed> {
    let row = |read_ahead: &str, knob: &str, text: &str, then: &str| {
        subject.set("queue/read_ahead_kb", read_ahead)?;
        subject.set(&format!("queue/{knob}"), text)?;
        let found = subject.read("queue/read_ahead_kb")?;
        check(&format!("read_ahead_kb {read_ahead}, {knob} {text}"), &found.as_str(), &then)
    };
    subject.set("queue/rotational", "1")?;
    row("0", "max_sectors_kb", "4", "128")?;
    row("0", "max_sectors_kb", "65", "128")?;
    row("64", "max_sectors_kb", "512", "1024")?;
    row("64", "max_sectors_kb", "513", "1024")?;
    row("64", "max_sectors_kb", "510", "1020")?;
    row("8192", "max_sectors_kb", "512", "8192")?;
    row("1024", "max_sectors_kb", "4", "1024")?;
    row("64", "max_sectors_kb", "512", "1024")?;
    row("64", "iostats", "1", "1024")?;
    row("64", "rotational", "1", "1024")?;
    row("64", "rotational", "0", "128")?;
    row("64", "max_sectors_kb", "512", "128")?;
    row("1024", "max_sectors_kb", "0", "1024")?;
    for (knob, text) in
        [("nomerges", "0"), ("rq_affinity", "1"), ("nr_requests", "127"), ("nr_requests", "128")]
    {
        row("64", knob, text, "64")?;
    }
    Ok(())
}

fn rq_affinity(subject: &Subject) -> Result<(), Failed> {
    subject.table(
        "queue/rq_affinity",
        &[
            ("0", Ok(()), "0"),
            ("3", Ok(()), "0"),
            ("2", Ok(()), "2"),
            ("7", Ok(()), "2"),
            ("4294967295", Ok(()), "2"),
            ("1", Ok(()), "1"),
        ],
    )
}

fn nomerges(subject: &Subject) -> Result<(), Failed> {
    subject.table(
        "queue/nomerges",
        &[
            ("1", Ok(()), "1"),
            ("2", Ok(()), "2"),
            ("3", Ok(()), "1"),
            ("4294967295", Ok(()), "1"),
            ("0", Ok(()), "0"),
        ],
    )
}

fn wbt(subject: &Subject) -> Result<(), Failed> {
    // A loop device is set up before it has a file, as one that does not seek.
    subject.expect("queue/wbt_lat_usec", "2000")?;
    subject.set("queue/rotational", "1")?;
    subject.table(
        "queue/wbt_lat_usec",
        &[
            ("0", Ok(()), "0"),
            ("1", Ok(()), "1"),
            ("-1", Ok(()), "75000"),
            ("-2", REFUSED, "75000"),
            ("4294967296", Ok(()), "4294967296"),
            ("9223372036854775807", Ok(()), "18446744073709550"),
            ("9223372036854775808", RANGE, "18446744073709550"),
            ("100000", Ok(()), "100000"),
        ],
    )?;
    subject.set("queue/rotational", "0")?;
    subject.expect("queue/wbt_lat_usec", "100000")?;
    subject.disk.write_knob(Knob::WbtLatUsec, WriteValue::KernelDefault)?;
    subject.expect("queue/wbt_lat_usec", "2000")
}

fn wbt_sticky(subject: &Subject) -> Result<(), Failed> {
    let row = |scheduler: &str, expected: &str| {
        subject.set("queue/scheduler", scheduler)?;
        subject.expect("queue/wbt_lat_usec", expected)
    };
    // By default bfq switches it off, and it comes back after.
    row("bfq", "0")?;
    row("mq-deadline", "2000")?;
    row("bfq", "0")?;
    // Writing the latency that is set, though the file reads 0, is no write.
    subject.set("queue/wbt_lat_usec", "2000")?;
    subject.expect("queue/wbt_lat_usec", "0")?;
    row("none", "2000")?;
    // Once another was written, bfq no longer switches it off.
    subject.set("queue/wbt_lat_usec", "3000")?;
    row("bfq", "3000")?;
    // And bfq's 0 written back stays for whoever comes next.
    subject.set("queue/wbt_lat_usec", "0")?;
    row("mq-deadline", "0")?;
    row("none", "0")?;
    // Even the kernel's own default is by hand.
    subject.set("queue/rotational", "0")?;
    subject.set("queue/wbt_lat_usec", "-1")?;
    row("bfq", "2000")
}

fn wbt_state(subject: &Subject) -> Result<(), Failed> {
    let expect = |state: WbtState| check("state", &subject.disk.wbt_state()?, &Some(state));
    expect(WbtState::OnByDefault)?;
    subject.set("queue/wbt_lat_usec", "2000")?;
    expect(WbtState::OnByDefault)?;
    subject.set("queue/scheduler", "bfq")?;
    expect(WbtState::OffByDefault)?;
    subject.set("queue/scheduler", "mq-deadline")?;
    expect(WbtState::OnByDefault)?;
    subject.set("queue/wbt_lat_usec", "0")?;
    expect(WbtState::OffByHand)?;
    subject.set("queue/wbt_lat_usec", "2000")?;
    expect(WbtState::OnByHand)?;
    subject.set("queue/scheduler", "bfq")?;
    expect(WbtState::OnByHand)
}
