use super::*;
use block_types::{Bytes, KnobValue, LatencyHistogram, Nanos};

fn settings(text: &str) -> Settings {
    text.split_whitespace().map(|word| crate::ab::parse_setting(word).unwrap()).collect()
}

/// A disk with heads under mq-deadline, saturated by a mix of random reads and writes.
fn seen() -> Observed {
    let mut reads = LatencyHistogram::default();
    (0..100).for_each(|_| reads.record(Nanos::from_millis(40)));
    Observed {
        device: "sda".to_owned(),
        rotational: true,
        tag_depth: Some(4),
        settings: settings(
            "scheduler=mq-deadline fifo_batch=16 writes_starved=2 nr_requests=256 read_ahead_kb=128",
        ),
        elevators: Elevator::ALL.to_vec(),
        slice: Slice {
            elapsed: Nanos(10_000_000_000),
            busy: Some(Nanos(9_900_000_000)),
            queued: Some(Nanos(80_000_000_000)),
            arrivals: 2_000,
            completed: Bytes(8 << 20),
            reads,
            ..Slice::default()
        },
        read_share: Some(0.4),
        near_share: Some(0.01),
        sync_share: Some(1.0),
        mean_bio_kib: Some(4.0),
        iops: 200.0,
    }
}

fn ids(seen: &Observed) -> Vec<&'static str> {
    advise(seen).iter().map(|advice| advice.id).collect()
}

#[test]
fn each_kind_of_work_has_its_advice() {
    type Change = fn(&mut Observed);
    let cases: &[(Change, &[&str])] = &[
        (|_| {}, &["TA-READS-BEHIND-WRITES", "TA-BFQ-ON-ROTATIONAL"]),
        (|seen| seen.read_share = Some(1.0), &["TA-RANDOM-READS"]),
        (
            |seen| {
                (seen.read_share, seen.near_share, seen.mean_bio_kib) = (Some(1.0), Some(0.95), Some(128.0));
            },
            &["TA-READAHEAD-SEQ", "TA-BFQ-ON-ROTATIONAL"],
        ),
        // 1 MiB at once is direct I/O: read-ahead has no part in it.
        (
            |seen| {
                (seen.read_share, seen.near_share, seen.mean_bio_kib) =
                    (Some(1.0), Some(0.95), Some(1_024.0));
            },
            &["TA-BFQ-ON-ROTATIONAL"],
        ),
        (
            |seen| seen.settings = settings("scheduler=none nr_requests=128 read_ahead_kb=128"),
            &["TA-NONE-ON-ROTATIONAL", "TA-BFQ-ON-ROTATIONAL"],
        ),
        (
            |seen| {
                seen.slice.busy = Some(Nanos(1_000_000_000));
                seen.slice.queued = Some(Nanos(1_000_000_000));
            },
            &["TA-EASY-LOAD"],
        ),
        (
            |seen| {
                (seen.rotational, seen.iops, seen.read_share) = (false, 90_000.0, Some(1.0));
            },
            &["TA-NONE-ON-FAST", "TA-RANDOM-READS"],
        ),
        (
            |seen| {
                (seen.tag_depth, seen.rotational) = (Some(128), false);
            },
            &["TA-READS-BEHIND-WRITES", "TA-DEVICE-QUEUE"],
        ),
        (
            |seen| {
                seen.settings.set(Knob::NrRequests, KnobValue::Number(8));
            },
            &["TA-READS-BEHIND-WRITES", "TA-BFQ-ON-ROTATIONAL", "TA-QUEUE-SHORT"],
        ),
        (
            |seen| {
                seen.settings = settings("scheduler=kyber read_lat_nsec=2000000 write_lat_nsec=10000000");
                seen.rotational = false;
            },
            &["TA-KYBER-TARGET"],
        ),
        (
            |seen| {
                seen.settings = settings("scheduler=bfq slice_idle_us=8000");
                seen.rotational = false;
            },
            &["TA-BFQ-IDLING"],
        ),
        (
            |seen| {
                (seen.read_share, seen.near_share, seen.mean_bio_kib) = (None, None, None);
            },
            &["TA-BIOS-UNSEEN"],
        ),
        (|seen| seen.slice = Slice { elapsed: Nanos::SECOND, ..Slice::default() }, &["TA-IDLE"]),
        // Nobody is told to try what is in force.
        (
            |seen| seen.settings = settings("scheduler=mq-deadline fifo_batch=1 writes_starved=16"),
            &["TA-BFQ-ON-ROTATIONAL"],
        ),
        (|seen| seen.elevators = vec![Elevator::None, Elevator::MqDeadline], &["TA-READS-BEHIND-WRITES"]),
    ];
    for (number, (change, expected)) in cases.iter().enumerate() {
        let mut observed = seen();
        change(&mut observed);
        assert_eq!(ids(&observed), *expected, "case {number}: {:#?}", advise(&observed));
    }
}

#[test]
fn whatever_is_to_be_tried_comes_with_the_command_that_tests_it() {
    let advice = advise(&seen());
    let first = &advice[0];
    assert_eq!(
        first.test.as_deref(),
        Some("tunerd ab --device sda --set writes_starved=8 fifo_batch=1 --objective latency --for 10m")
    );
    for one in advice {
        assert_eq!(one.test.is_some(), one.kind == Kind::LikelyToMatter, "{}", one.id);
        if let Some(test) = one.test {
            let arguments: Vec<&str> = test.split(' ').collect();
            assert!(matches!(crate::cli::parse(arguments), crate::cli::Answer::Do(_)), "{test}");
        }
    }
}
