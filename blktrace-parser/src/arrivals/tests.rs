use super::*;
use crate::abi::ByteOrder;
use crate::error::ErrorKind;
use crate::event::{Device, Event, Payload};
use std::path::PathBuf;

fn event(action: Action, time_ns: u64, sector: u64) -> Vec<u8> {
    let event = Event {
        time_ns,
        sequence: None,
        device: Device { major: 8, minor: 0 },
        cpu: 0,
        pid: 1,
        action,
        categories: Categories::READ.with(action.own_category()),
        sector,
        bytes: 4096,
        error: 0,
        cgroup: None,
        payload: Payload::None,
    };
    event.encode(ByteOrder::Little)
}

fn drain(mut arrivals: Arrivals) -> (Vec<u64>, Vec<String>) {
    let (mut times, mut errors) = (Vec::new(), Vec::new());
    loop {
        match arrivals.next_arrival() {
            Ok(Some(event)) => times.push(event.at.0),
            Ok(None) => return (times, errors),
            Err(error) => errors.push(error.to_string()),
        }
    }
}

#[test]
fn they_are_the_queueings_of_the_other_reader() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for name in ["loop", "loop.blktrace.0", "cgroup", "loop.blkparse.txt", "fio-v3.iolog"] {
        let name = data.join(name);
        let all = IoEvents::open(&name, Options::default()).unwrap().map(Result::unwrap);
        let mut expected: Vec<_> = all.filter(|event| event.phase == Phase::Queued).collect();
        let mut arrivals = Arrivals::open(&name, Options::default()).unwrap();
        let mut found = Vec::new();
        while let Some(event) = arrivals.next_arrival().unwrap() {
            found.push(event);
        }
        // At one time the order of the files decides, and both readers may cut their windows differently.
        expected.sort_by_key(|event| (event.at, event.sector));
        found.sort_by_key(|event| (event.at, event.sector));
        assert!(!found.is_empty() && found == expected, "{}", name.display());
        assert_eq!(arrivals.late(), 0);
    }
}

#[test]
fn an_early_event_in_the_next_batch_comes_in_time() {
    let mut bytes = Vec::new();
    for number in 0..20_000_u64 {
        // Every third stands a few places behind where it belongs.
        let time = if number % 3 == 0 { number.saturating_sub(20) } else { number };
        bytes.extend(event(Action::Queue, time * 10, number));
        bytes.extend(event(Action::Complete, time * 10 + 5, number));
    }
    let mut arrivals = Arrivals::from_reader(std::io::Cursor::new(bytes), Options::default()).unwrap();
    let mut count = 0;
    while arrivals.next_arrival().unwrap().is_some() {
        count += 1;
    }
    assert_eq!((count, arrivals.late(), arrivals.records()), (20_000, 0, 40_000));
}

#[test]
fn what_stands_before_an_error_is_handed_out_and_the_other_file_is_read_on() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("x");
    let mut broken: Vec<u8> = (0..100).flat_map(|time| event(Action::Queue, time, 0)).collect();
    broken.truncate(99 * 48 + 7);
    std::fs::write(base.with_extension("blktrace.0"), broken).unwrap();
    let whole: Vec<u8> = (0..200).flat_map(|time| event(Action::Queue, time, 0)).collect();
    std::fs::write(base.with_extension("blktrace.1"), whole).unwrap();
    let (times, errors) = drain(Arrivals::open(&base, Options::default()).unwrap());
    assert_eq!(times.len(), 299);
    assert!(times.is_sorted());
    assert!(errors.len() == 1 && errors[0].contains("x.blktrace.0: byte 4752"), "{errors:?}");
}

#[test]
fn a_sector_overflow_is_an_error_of_its_record() {
    let bytes = [event(Action::Queue, 1, 7), event(Action::Queue, 2, u64::MAX)].concat();
    let mut arrivals = Arrivals::from_reader(std::io::Cursor::new(bytes), Options::default()).unwrap();
    assert!(arrivals.next_arrival().unwrap().is_some());
    let error = arrivals.next_arrival().unwrap_err();
    assert!(matches!(*error.kind, ErrorKind::SectorOverflow { .. }), "{error}");
    assert!(arrivals.next_arrival().unwrap().is_none());
}

#[test]
fn notes_of_lost_events_are_counted_and_passed_over() {
    let note = b"CPU:0 [LOST 77 EVENTS]\n".to_vec();
    let bytes = [event(Action::Queue, 1, 7), note.clone(), event(Action::Queue, 2, 9), note].concat();
    let mut arrivals = Arrivals::from_reader(std::io::Cursor::new(bytes), Options::default()).unwrap();
    assert_eq!(arrivals.next_arrival().unwrap().map(|event| event.at.0), Some(1));
    assert_eq!(arrivals.next_arrival().unwrap().map(|event| event.at.0), Some(2));
    assert_eq!(arrivals.next_arrival().unwrap(), None);
    assert_eq!(arrivals.lost(), Lost { gaps: 2, events: 154 });
}

#[test]
fn going_away_early_leaves_no_thread_waiting() {
    let bytes: Vec<u8> = (0..200_000).flat_map(|time| event(Action::Queue, time, 0)).collect();
    let mut arrivals = Arrivals::from_reader(std::io::Cursor::new(bytes), Options::default()).unwrap();
    assert!(arrivals.next_arrival().unwrap().is_some());
    drop(arrivals);
}
