//! Any bytes, with the format and the compression told from them.
#![no_main]

use blktrace_parser::{IoEvents, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(events) = IoEvents::from_reader(std::io::Cursor::new(data.to_vec()), Options::default()) {
        // A bomb of compressed zeroes is not what is looked for here.
        events.take(100_000).for_each(drop);
    }
});
