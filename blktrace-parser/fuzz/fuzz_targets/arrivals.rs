//! The arrivals of binary records, beside the queueings of the reader of all events.
#![no_main]

use blktrace_parser::{Arrivals, Format, IoEvents, Options};
use block_types::Phase;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let options = Options { format: Some(Format::Blktrace), skip_bad_lines: 0 };
    let source = || std::io::Cursor::new(data.to_vec());
    let (Ok(mut arrivals), Ok(events)) =
        (Arrivals::from_reader(source(), options), IoEvents::from_reader(source(), options))
    else {
        return;
    };
    let (mut found, mut failed) = (0, false);
    loop {
        match arrivals.next_arrival() {
            Ok(Some(_)) => found += 1,
            Ok(None) => break,
            Err(_) => failed = true,
        }
    }
    let events: Result<Vec<_>, _> = events.collect();
    // The other reader decodes more, so that it may refuse a record of which only the frame is looked at here.
    if let (Ok(events), false) = (events, failed) {
        assert_eq!(found, events.iter().filter(|event| event.phase == Phase::Queued).count());
    }
});
