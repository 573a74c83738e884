//! Binary records from a slice and from a stream; events, and their pairing.
#![no_main]

use blktrace_parser::{Event, Merge, RecordReader, Records, Requests};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut requests = Requests::with_limit(64);
    for record in Records::new(data).flatten() {
        if let Ok(event) = Event::from_record(&record) {
            let again = event.encode(record.order);
            let record = Records::new(&again).next().unwrap().unwrap();
            assert_eq!(Event::from_record(&record).unwrap().time_ns, event.time_ns);
            requests.observe(&event);
        }
    }
    let (left, right) = data.split_at(data.len() / 2);
    let mut merge = Merge::new([left, right, data].map(RecordReader::new)).window(4);
    let mut errors = 0;
    loop {
        match merge.next_record() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => errors += 1,
        }
    }
    assert!(errors <= 3);
});
