//! The scheduler menu, and the knobs of each scheduler.

use crate::Case;
use crate::subject::{Need, Subject, check};
use block_types::{Elevator, Knob, KnobValue, Settings};
use kernfs::{ElevatorName, Errno, KnobErrorKind, Unsupported};
use libtest_mimic::Failed;

const MQ: Need = Need::Scheduler(Elevator::MqDeadline);
const KYBER: Need = Need::Scheduler(Elevator::Kyber);
const BFQ: Need = Need::Scheduler(Elevator::Bfq);
const REFUSED: Result<(), Errno> = Err(Errno::Invalid);
const RANGE: Result<(), Errno> = Err(Errno::Range);

pub(crate) const CASES: &[Case] = &[
    Case { name: "brackets_move", needs: &[MQ, KYBER, BFQ, Need::Linux618], run: brackets },
    Case { name: "scheduler_names", needs: &[MQ, KYBER, BFQ, Need::Linux618], run: names },
    Case {
        name: "a_switch_brings_defaults",
        needs: &[MQ, KYBER, BFQ, Need::Hz250, Need::Linux618],
        run: defaults,
    },
    Case { name: "iosched_is_replaced", needs: &[MQ, KYBER, BFQ, Need::Linux618], run: replaced },
    Case { name: "the_same_scheduler_again_changes_nothing", needs: &[MQ], run: same_again },
    Case { name: "mq_deadline_times_are_jiffies", needs: &[MQ, Need::Hz250], run: jiffies },
    Case { name: "mq_deadline_numbers", needs: &[MQ, Need::Linux618], run: deadline_numbers },
    Case { name: "async_depth", needs: &[MQ, Need::Linux618], run: async_depth },
    Case { name: "kyber_numbers", needs: &[KYBER], run: kyber_numbers },
    Case { name: "bfq_numbers", needs: &[BFQ], run: bfq_numbers },
    Case { name: "bfq_slice_idle_has_two_names", needs: &[BFQ], run: slice_idle },
    Case { name: "bfq_strict_guarantees_raises_slice_idle", needs: &[BFQ], run: strict },
    Case { name: "bfq_timeout_is_jiffies", needs: &[BFQ, Need::Hz250], run: timeout },
];

fn switch(subject: &Subject, elevator: Elevator) -> Result<(), Failed> {
    Ok(subject.disk.write_knob(Knob::Scheduler, KnobValue::Elevator(elevator))?)
}

fn brackets(subject: &Subject) -> Result<(), Failed> {
    let texts = [
        (Elevator::MqDeadline, "none [mq-deadline] kyber bfq"),
        (Elevator::Kyber, "none mq-deadline [kyber] bfq"),
        (Elevator::Bfq, "none mq-deadline kyber [bfq]"),
        (Elevator::None, "[none] mq-deadline kyber bfq"),
    ];
    for (elevator, text) in texts {
        switch(subject, elevator)?;
        subject.expect("queue/scheduler", text)?;
        let menu = subject.disk.scheduler()?;
        check("active", &menu.active, &ElevatorName::Known(elevator))?;
        check("offered", &menu.known(), &Elevator::ALL.to_vec())?;
    }
    Ok(())
}

fn names(subject: &Subject) -> Result<(), Failed> {
    let mq = "none [mq-deadline] kyber bfq";
    let none = "[none] mq-deadline kyber bfq";
    subject.table(
        "queue/scheduler",
        &[
            ("bogus", REFUSED, none),
            ("mq-deadline", Ok(()), mq),
            ("bogus", REFUSED, mq),
            ("MQ-DEADLINE", REFUSED, mq),
            ("[none]", REFUSED, mq),
            ("mq-deadline-of-a-name-too-long", REFUSED, mq),
            ("kyber bfq", REFUSED, mq),
            (" kyber\n", Ok(()), "none mq-deadline [kyber] bfq"),
            ("bfq ", Ok(()), "none mq-deadline kyber [bfq]"),
            // Whatever begins with none is none.
            ("nonesuch", Ok(()), none),
        ],
    )
}

fn defaults(subject: &Subject) -> Result<(), Failed> {
    let queue: &[(Knob, u64)] = &[
        (Knob::MaxSectorsKb, 1280),
        (Knob::WbtLatUsec, 2000),
        (Knob::RqAffinity, 1),
        (Knob::Nomerges, 0),
        (Knob::ReadAheadKb, 128),
    ];
    let own: [(Elevator, &[(Knob, u64)]); 4] = [
        (
            Elevator::MqDeadline,
            &[
                (Knob::NrRequests, 256),
                (Knob::ReadExpire, 500),
                (Knob::WriteExpire, 5000),
                (Knob::FifoBatch, 16),
                (Knob::WritesStarved, 2),
                (Knob::FrontMerges, 1),
                (Knob::AsyncDepth, 256),
                (Knob::PrioAgingExpire, 10_000),
            ],
        ),
        (
            Elevator::Kyber,
            &[(Knob::NrRequests, 256), (Knob::ReadLatNsec, 2_000_000), (Knob::WriteLatNsec, 10_000_000)],
        ),
        (
            Elevator::Bfq,
            &[
                (Knob::NrRequests, 256),
                (Knob::WbtLatUsec, 0),
                (Knob::SliceIdleUs, 8000),
                (Knob::TimeoutSync, 124),
                (Knob::LowLatency, 1),
                (Knob::MaxBudget, 0),
                (Knob::StrictGuarantees, 0),
                (Knob::BackSeekMax, 16_384),
                (Knob::BackSeekPenalty, 2),
                (Knob::FifoExpireSync, 125),
                (Knob::FifoExpireAsync, 250),
            ],
        ),
        (Elevator::None, &[(Knob::NrRequests, 128)]),
    ];
    // A loop device's read-ahead follows what its file is on; start from one number.
    subject.set("queue/rotational", "0")?;
    subject.set("queue/read_ahead_kb", "128")?;
    for (elevator, knobs) in own {
        switch(subject, elevator)?;
        let mut expected = Settings::new();
        expected.set(Knob::Scheduler, KnobValue::Elevator(elevator));
        for &(knob, value) in queue.iter().chain(knobs) {
            expected.set(knob, KnobValue::Number(value));
        }
        check("settings", &subject.disk.read_settings()?.settings, &expected)?;
    }
    Ok(())
}

fn replaced(subject: &Subject) -> Result<(), Failed> {
    let directory = |expected: Option<&[&str]>| {
        let found = subject.kernel.list(&subject.path("queue/iosched")).ok();
        let expected = expected.map(|names| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        check("iosched/", &found, &expected)
    };
    directory(None)?;
    switch(subject, Elevator::MqDeadline)?;
    directory(Some(&[
        "async_depth",
        "fifo_batch",
        "front_merges",
        "prio_aging_expire",
        "read_expire",
        "write_expire",
        "writes_starved",
    ]))?;
    subject.set("queue/iosched/fifo_batch", "5")?;
    switch(subject, Elevator::Kyber)?;
    directory(Some(&["read_lat_nsec", "write_lat_nsec"]))?;
    check("mq-deadline's knob", &subject.write("queue/iosched/fifo_batch", "5"), &Err(Errno::NoEntry))?;
    subject.set("queue/iosched/read_lat_nsec", "1")?;
    switch(subject, Elevator::Bfq)?;
    directory(Some(&[
        "back_seek_max",
        "back_seek_penalty",
        "fifo_expire_async",
        "fifo_expire_sync",
        "low_latency",
        "max_budget",
        "slice_idle",
        "slice_idle_us",
        "strict_guarantees",
        "timeout_sync",
    ]))?;
    switch(subject, Elevator::MqDeadline)?;
    subject.expect("queue/iosched/fifo_batch", "16")?;
    switch(subject, Elevator::Kyber)?;
    subject.expect("queue/iosched/read_lat_nsec", "2000000")?;
    switch(subject, Elevator::None)?;
    directory(None)
}

fn same_again(subject: &Subject) -> Result<(), Failed> {
    switch(subject, Elevator::MqDeadline)?;
    subject.set("queue/iosched/fifo_batch", "5")?;
    subject.set("queue/nr_requests", "100")?;
    switch(subject, Elevator::MqDeadline)?;
    subject.expect("queue/iosched/fifo_batch", "5")?;
    subject.expect("queue/nr_requests", "100")
}

fn jiffies(subject: &Subject) -> Result<(), Failed> {
    switch(subject, Elevator::MqDeadline)?;
    for knob in ["read_expire", "write_expire", "prio_aging_expire"] {
        subject.table(
            &format!("queue/iosched/{knob}"),
            &[
                ("0", Ok(()), "0"),
                ("1", Ok(()), "4"),
                ("10", Ok(()), "12"),
                ("12", Ok(()), "12"),
                ("13", Ok(()), "16"),
                ("-5", Ok(()), "0"),
                ("2147483647", Ok(()), "-2147483648"),
                ("2147483648", RANGE, "-2147483648"),
                ("500", Ok(()), "500"),
            ],
        )?;
    }
    // A number that went over is there, and is not understood; it must not hide the other knobs.
    subject.set("queue/iosched/read_expire", "2147483647")?;
    check("read_knob", &subject.disk.read_knob(Knob::ReadExpire).is_err(), &true)?;
    let readout = subject.disk.read_settings()?;
    let malformed = Unsupported::Malformed("-2147483648".to_owned());
    check("readout", &readout.unsupported.get(&Knob::ReadExpire), &Some(&malformed))?;
    check("the others", &readout.settings.number(Knob::WriteExpire), &Some(500))
}

fn deadline_numbers(subject: &Subject) -> Result<(), Failed> {
    switch(subject, Elevator::MqDeadline)?;
    subject.table(
        "queue/iosched/fifo_batch",
        &[
            ("0", Ok(()), "0"),
            ("-1", Ok(()), "0"),
            ("128", Ok(()), "128"),
            ("0x10", Ok(()), "16"),
            ("0X1f\n", Ok(()), "31"),
            ("010", Ok(()), "8"),
            ("+7", Ok(()), "7"),
            ("08", REFUSED, "7"),
            ("0x", REFUSED, "7"),
            ("x", REFUSED, "7"),
            ("5 ", REFUSED, "7"),
            (" 5", REFUSED, "7"),
            ("1 2", REFUSED, "7"),
            ("", Ok(()), "7"),
            ("2147483647", Ok(()), "2147483647"),
            ("2147483648", RANGE, "2147483647"),
            ("99999999999999999999", RANGE, "2147483647"),
        ],
    )?;
    subject.table(
        "queue/iosched/writes_starved",
        &[("0", Ok(()), "0"), ("-5", Ok(()), "-5"), ("-2147483649", RANGE, "-5"), ("16", Ok(()), "16")],
    )?;
    subject.table(
        "queue/iosched/front_merges",
        &[("0", Ok(()), "0"), ("2", Ok(()), "1"), ("-1", Ok(()), "0"), ("1", Ok(()), "1")],
    )?;
    let refused = subject.disk.write_knob(Knob::FifoBatch, KnobValue::Number(u64::MAX));
    check("ERANGE is a refusal", &refused.map_err(|error| error.kind), &Err(KnobErrorKind::Refused))
}

fn async_depth(subject: &Subject) -> Result<(), Failed> {
    switch(subject, Elevator::MqDeadline)?;
    let knob = "queue/iosched/async_depth";
    subject.expect(knob, "256")?;
    subject.table(
        knob,
        &[("0", Ok(()), "1"), ("-1", Ok(()), "1"), ("7", Ok(()), "7"), ("100000", Ok(()), "100000")],
    )?;
    subject.set("queue/nr_requests", "64")?;
    subject.expect(knob, "64")?;
    subject.set(knob, "7")?;
    subject.set("queue/nr_requests", "64")?;
    subject.expect(knob, "7")?;
    subject.set("queue/nr_requests", "65")?;
    subject.expect(knob, "65")?;
    subject.disk.write_knob(Knob::AsyncDepth, KnobValue::Number(9))?;
    subject.expect(knob, "9")
}

fn kyber_numbers(subject: &Subject) -> Result<(), Failed> {
    switch(subject, Elevator::Kyber)?;
    for knob in ["read_lat_nsec", "write_lat_nsec"] {
        subject.table(
            &format!("queue/iosched/{knob}"),
            &[
                ("0", Ok(()), "0"),
                ("50000\n", Ok(()), "50000"),
                ("+7", Ok(()), "7"),
                ("-1", REFUSED, "7"),
                ("0x10", REFUSED, "7"),
                ("5 ", REFUSED, "7"),
                ("18446744073709551615", Ok(()), "18446744073709551615"),
                ("18446744073709551616", RANGE, "18446744073709551615"),
            ],
        )?;
    }
    Ok(())
}

fn bfq_numbers(subject: &Subject) -> Result<(), Failed> {
    switch(subject, Elevator::Bfq)?;
    // Smallest and largest that each keeps.
    let ranges = [
        ("back_seek_max", 0_u64, 0x7fff_ffff_u64),
        ("back_seek_penalty", 1, 0x7fff_ffff),
        ("fifo_expire_async", 1, 0x7fff_ffff),
        ("fifo_expire_sync", 1, 0x7fff_ffff),
        ("low_latency", 0, 1),
        ("max_budget", 0, 0x7fff_ffff),
        ("strict_guarantees", 0, 1),
    ];
    for (knob, min, max) in ranges {
        let knob = format!("queue/iosched/{knob}");
        let (min, max) = (min.to_string(), max.to_string());
        subject.table(
            &knob,
            &[
                ("0", Ok(()), &min),
                ("1", Ok(()), "1"),
                ("4294967296", Ok(()), &max),
                ("18446744073709551616", RANGE, &max),
                ("0\n", Ok(()), &min),
                ("18446744073709551615", Ok(()), &max),
                ("-1", REFUSED, &max),
                ("x", REFUSED, &max),
                ("0x10", REFUSED, &max),
                ("5 ", REFUSED, &max),
                ("", Ok(()), &max),
            ],
        )?;
    }
    Ok(())
}

fn slice_idle(subject: &Subject) -> Result<(), Failed> {
    switch(subject, Elevator::Bfq)?;
    let row = |knob: &str, text: &str, ms: &str, us: &str| {
        subject.set(&format!("queue/iosched/{knob}"), text)?;
        subject.expect("queue/iosched/slice_idle", ms)?;
        subject.expect("queue/iosched/slice_idle_us", us)
    };
    row("slice_idle_us", "1234", "1", "1234")?;
    row("slice_idle_us", "999", "0", "999")?;
    row("slice_idle", "3", "3", "3000")?;
    row("slice_idle_us", "32000", "32", "32000")?;
    row("slice_idle", "0", "0", "0")?;
    // 32 bits of nanoseconds are kept of it.
    row("slice_idle_us", "2147483647", "4294", "4294966")?;
    row("slice_idle_us", "2147483648", "0", "0")?;
    row("slice_idle", "4294967296", "4293", "4293967")
}

fn strict(subject: &Subject) -> Result<(), Failed> {
    switch(subject, Elevator::Bfq)?;
    let row = |strict: &str, us: &str| {
        subject.set("queue/iosched/strict_guarantees", strict)?;
        subject.expect("queue/iosched/slice_idle_us", us)
    };
    subject.set("queue/iosched/slice_idle_us", "100")?;
    row("1", "8000")?;
    subject.set("queue/iosched/slice_idle_us", "100")?;
    row("1", "100")?;
    row("0", "100")?;
    subject.set("queue/iosched/slice_idle_us", "9000")?;
    row("1", "9000")
}

fn timeout(subject: &Subject) -> Result<(), Failed> {
    switch(subject, Elevator::Bfq)?;
    subject.table(
        "queue/iosched/timeout_sync",
        &[
            ("0", Ok(()), "4"),
            ("5", Ok(()), "8"),
            ("16", Ok(()), "16"),
            ("101", Ok(()), "104"),
            ("18446744073709551615", Ok(()), "2147483648"),
            ("-1", REFUSED, "2147483648"),
        ],
    )
}
