//! Input that is cut, corrupted, absurd, or no trace at all.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use blktrace_parser::{
    Action, Arrivals, ByteOrder, Categories, Device, ErrorKind, Event, Format, IoEvents, Merge, Options,
    Payload, Place, RecordReader, Records, RemapOrigin, Requests, open_binary, open_file,
};
use std::fs::{self, File};

fn event(action: Action, time_ns: u64, payload: Payload<'_>) -> Event<'_> {
    Event {
        time_ns,
        sequence: None,
        device: Device { major: 8, minor: 0 },
        cpu: 0,
        pid: 7,
        action,
        categories: action.own_category().with(Categories::READ),
        sector: 2048,
        bytes: 4096,
        error: 0,
        cgroup: None,
        payload,
    }
}

/// A small trace with every kind of payload; and where its records end.
fn small(order: ByteOrder) -> (Vec<u8>, Vec<usize>) {
    let device = Device { major: 8, minor: 0 };
    let origin = RemapOrigin { device: Device { major: 8, minor: 1 }, to: device, sector: 0 };
    let events = [
        event(Action::NotifyProcess, 0, Payload::ProcessName(b"fio")),
        event(Action::Remap, 1, Payload::Remap(origin)),
        Event { cgroup: Some(27), ..event(Action::Queue, 2, Payload::None) },
        event(Action::UnplugIo, 3, Payload::Unplug { requests: 1 }),
        event(Action::Issue, 4, Payload::None),
        event(Action::Complete, 5, Payload::None),
    ];
    let mut bytes = Vec::new();
    let mut ends = vec![0];
    for event in events {
        bytes.extend(event.encode(order));
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// Reads in every way there is; returns the number of records, and the error that ended them.
fn read_all(bytes: &[u8]) -> (usize, Option<blktrace_parser::Error>) {
    let mut from_slice = (0, None);
    let mut requests = Requests::new();
    for record in Records::new(bytes) {
        match record {
            Ok(record) => {
                from_slice.0 += 1;
                if let Ok(event) = Event::from_record(&record) {
                    requests.observe(&event);
                }
            }
            Err(error) => from_slice.1 = Some(error),
        }
    }
    let mut from_reader = (0, None);
    let mut reader = RecordReader::new(bytes);
    loop {
        match reader.next_record() {
            Ok(Some(_)) => from_reader.0 += 1,
            Ok(None) => break,
            Err(error) => from_reader.1 = Some(error),
        }
    }
    let mut in_batches = (0, None);
    let mut reader = RecordReader::with_capacity(64, bytes);
    loop {
        let count = |_record: &blktrace_parser::Record<'_>| {
            in_batches.0 += 1;
            Ok(())
        };
        match reader.next_records(count) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => in_batches.1 = Some(error),
        }
    }
    let shown = |error: &Option<blktrace_parser::Error>| error.as_ref().map(ToString::to_string);
    assert_eq!((from_slice.0, shown(&from_slice.1)), (from_reader.0, shown(&from_reader.1)));
    assert_eq!((from_slice.0, shown(&from_slice.1)), (in_batches.0, shown(&in_batches.1)));
    from_slice
}

#[test]
fn every_prefix_gives_its_whole_records_and_says_where_it_was_cut() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let (bytes, ends) = small(order);
        for len in 0..=bytes.len() {
            let (records, error) = read_all(&bytes[..len]);
            let whole = ends.iter().filter(|end| **end <= len).count() - 1;
            assert_eq!(records, whole, "{len} bytes");
            match error {
                None => assert_eq!(ends[whole], len),
                Some(error) => {
                    assert_eq!(error.place, Place::Byte(ends[whole] as u64));
                    assert!(
                        matches!(*error.kind, ErrorKind::Truncated { found, .. } if found == len - ends[whole])
                    );
                }
            }
        }
    }
}

#[test]
fn arrivals_of_every_prefix_and_every_flipped_bit_come_in_good_order() {
    let (mut bytes, ends) = small(ByteOrder::Little);
    let queued = ends[3];
    let arrivals = |bytes: &[u8]| {
        let options = Options { format: Some(Format::Blktrace), skip_bad_lines: 0 };
        let mut arrivals = Arrivals::from_reader(std::io::Cursor::new(bytes.to_vec()), options).unwrap();
        let (mut count, mut errors) = (0, 0);
        loop {
            match arrivals.next_arrival() {
                Ok(Some(_)) => count += 1,
                Ok(None) => return (count, errors),
                Err(_) => errors += 1,
            }
        }
    };
    for len in 0..=bytes.len() {
        let whole = ends.contains(&len);
        assert_eq!(arrivals(&bytes[..len]), (usize::from(len >= queued), usize::from(!whole)), "{len} bytes");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let (count, errors) = arrivals(&bytes);
            assert!(count <= ends.len() && errors <= 1, "byte {at}, bit {bit}");
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn every_corruption_of_a_byte_is_read_or_refused_in_good_order() {
    let (mut bytes, ends) = small(ByteOrder::Little);
    for at in 0..bytes.len() {
        let record = ends.iter().filter(|end| **end <= at).count() - 1;
        let original = bytes[at];
        for value in 0..=u8::MAX {
            bytes[at] = value;
            let (records, error) = read_all(&bytes);
            // What stands before the corruption is not touched by it.
            assert!(records >= record, "byte {at} = {value}");
            let in_magic = at - ends[record] < 4;
            if in_magic && value != original {
                let error = error.unwrap();
                assert_eq!(error.place, Place::Byte(ends[record] as u64));
                assert!(matches!(
                    *error.kind,
                    ErrorKind::BadMagic { .. } | ErrorKind::UnsupportedVersion { .. }
                ));
            }
        }
        bytes[at] = original;
    }
}

#[test]
fn a_record_of_the_other_byte_order_is_named() {
    let bytes = [small(ByteOrder::Big).0, small(ByteOrder::Little).0].concat();
    let (records, error) = read_all(&bytes);
    assert_eq!(records, 6);
    let message = error.unwrap().to_string();
    assert!(message.ends_with(
        "found a record in little-endian byte order, expected big-endian as in the records before it"
    ));
}

#[test]
fn absurd_sizes_and_sectors_stay_what_they_are() {
    let huge = Event { bytes: u32::MAX, sector: u64::MAX / 512, ..event(Action::Queue, 0, Payload::None) };
    let bytes = huge.encode(ByteOrder::Little);
    let record = Records::new(&bytes).next().unwrap().unwrap();
    assert_eq!(Event::from_record(&record).unwrap().sectors(), u64::from(u32::MAX) / 512);
    // A payload that says 64 KiB and is not there.
    let mut cut = bytes;
    cut[46..48].copy_from_slice(&u16::MAX.to_le_bytes());
    let (_, error) = read_all(&cut);
    assert!(matches!(*error.unwrap().kind, ErrorKind::Truncated { found: 48, expected: 65_583 }));
}

#[test]
fn the_longest_payload_is_read() {
    let payload = vec![0xa5; usize::from(u16::MAX)];
    let mut bytes = small(ByteOrder::Little).0;
    bytes.extend(event(Action::DriverData, 9, Payload::Raw(&payload)).encode(ByteOrder::Little));
    bytes.extend(small(ByteOrder::Little).0);
    let (records, error) = read_all(&bytes);
    assert_eq!((records, error.is_none()), (13, true));
}

#[test]
fn what_is_no_trace_file_is_named_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");

    let error = open_binary(directory.path()).err().unwrap();
    assert!(matches!(*error.kind, ErrorKind::Directory), "{error}");
    assert!(error.to_string().starts_with(&directory.path().display().to_string()));
    assert!(matches!(*open_file(directory.path()).err().unwrap().kind, ErrorKind::Directory));
    let events = IoEvents::open(directory.path(), Options::default());
    assert!(matches!(*events.unwrap_err().kind, ErrorKind::Directory));

    assert!(matches!(*open_binary(&path).err().unwrap().kind, ErrorKind::NotFound { .. }));
    let error = IoEvents::open(&path, Options::default()).unwrap_err();
    assert!(error.to_string().contains("no such file"), "{error}");

    fs::write(&path, b"").unwrap();
    let error = IoEvents::open(&path, Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: opening: found an empty file, expected a trace (name its format to accept an empty one)",
            path.display()
        )
    );
    let named = Options { format: Some(Format::Blktrace), skip_bad_lines: 0 };
    assert_eq!(IoEvents::open(&path, named).unwrap().count(), 0);
    // An idle CPU's file is empty.
    assert!(open_binary(&path).unwrap().merge.next_record().unwrap().is_none());
}

#[test]
fn a_sparse_file_of_a_terabyte_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sparse");
    let file = File::create(&path).unwrap();
    // Some file systems have no files of that length.
    if file.set_len(1 << 40).is_err() {
        return;
    }
    let error = open_binary(&path).unwrap().merge.next_record().unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::BadMagic { found: 0 }), "{error}");
    assert!(IoEvents::open(&path, Options::default()).is_err());
    for format in [Format::Blkparse, Format::FioIolog, Format::Msr] {
        let options = Options { format: Some(format), skip_bad_lines: 0 };
        // One endless line of zeroes, of which only the start is read into memory. Its end is not waited for here.
        drop(IoEvents::open(&path, options).unwrap());
    }
}

#[test]
fn records_out_of_order_are_sorted_or_counted() {
    let times = [5, 3, 9, 1, 1_000, 2];
    let bytes: Vec<u8> =
        times.iter().flat_map(|at| event(Action::Queue, *at, Payload::None).encode(ByteOrder::Big)).collect();
    let mut merge = Merge::new([RecordReader::new(&bytes[..])]);
    let mut found = Vec::new();
    while let Some(record) = merge.next_record().unwrap() {
        found.push(record.header.time_ns);
    }
    assert_eq!((found, merge.late()), (vec![1, 2, 3, 5, 9, 1_000], 0));
}

#[test]
fn the_broken_line_of_a_text_is_named_with_its_file_and_number() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace.txt");
    let good = "  8,0    3        1     0.000000000   697  Q   R 223490 + 8 [fio]\n";
    fs::write(&path, format!("{}  8,0    3    what is this\n{good}", good.repeat(9_999))).unwrap();
    let last = IoEvents::open(&path, Options::default()).unwrap().last().unwrap().unwrap_err();
    let expected = "line 10000: found \"what\", expected a sequence number";
    assert_eq!(last.to_string(), format!("{}: {expected}", path.display()));
    let patient = Options { format: None, skip_bad_lines: 1 };
    let mut events = IoEvents::open(&path, patient).unwrap();
    assert_eq!(events.by_ref().map(Result::unwrap).count(), 10_000);
    assert_eq!(events.skipped_lines(), 1);
}
