//! A process that sleeps for a tag takes a while to run again, and then finds who was there before it.

mod common;

use block_types::{Bytes, Elevator, Nanos, Op, Sector, Sectors};
use common::{FixedDisk, Script, host, settings};
use replay::{Config, Io, Run, SettingError, Source, StreamId, Token, simulate};

const DISK: Bytes = Bytes(1 << 30);

/// A script whose processes take a while to run again.
struct Sleepers {
    script: Script,
    takes: Nanos,
}

impl Source for Sleepers {
    fn next_arrival(&self) -> Option<Nanos> {
        self.script.next_arrival()
    }

    fn arrive(&mut self, now: Nanos, batch: &mut Vec<Io>) {
        self.script.arrive(now, batch);
    }

    fn completed(&mut self, now: Nanos, token: Token) {
        self.script.completed(now, token);
    }

    fn wakes_in(&mut self, _: StreamId) -> Nanos {
        self.takes
    }
}

/// In which order four reads are done: three at once on a disk that takes two commands of 1 ms, and one more 1.01 ms
/// after them.
fn order(takes: Nanos) -> Result<Vec<u64>, SettingError> {
    let read = |token: u64| {
        let io = Io::new(Op::Read, Sector(token * 8_000), Sectors(8));
        vec![Io { token: Token(token), stream: StreamId(token as u32), ..io }]
    };
    let batches = vec![(0, read(0)), (1_000, read(1)), (2_000, read(2)), (1_010_000, read(3))];
    let script = Script::new(batches);
    let config = Config::new(host(DISK, 2, true), &settings(Elevator::None, &[]))?;
    let mut source = Sleepers { script, takes };
    let report =
        simulate(&config, &mut FixedDisk::new(Nanos::from_millis(1), 2), &mut source, &Run::to_the_end());
    assert_eq!(report.reads.bios, 4);
    Ok(source.script.done)
}

#[test]
fn who_comes_while_the_first_wakes_has_the_tag() {
    assert_eq!(order(Nanos::ZERO).unwrap(), [0, 1, 2, 3]);
    // The tag of the first read is free from 1 ms on, and the second's from 1.001 ms on: the late one has one of them.
    assert_eq!(order(Nanos(50_000)).unwrap(), [0, 1, 3, 2]);
}
