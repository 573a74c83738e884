//! Lines of text, with patience for bad ones and without.
#![no_main]

use blktrace_parser::{Format, IoEvents, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for skip_bad_lines in [0, u64::MAX] {
        let options = Options { format: Some(Format::Blkparse), skip_bad_lines };
        let source = std::io::Cursor::new(data.to_vec());
        if let Ok(events) = IoEvents::from_reader(source, options) {
            events.for_each(drop);
        }
    }
});
