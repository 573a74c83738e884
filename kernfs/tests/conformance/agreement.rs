//! The same random writes to the fake and to a real loop device: answers and all attributes must agree after each.

use crate::subject::{Fake, Lab, Machine, Need, Real, Subject};
use block_types::Elevator;
use kernfs::Errno;
use libtest_mimic::{Failed, Trial};

/// Writes in one round. A switch of the scheduler takes some milliseconds.
const WRITES: usize = 400;
const SEEDS: [u64; 3] = [1, 2006, 0x9e37_79b9];

const NEEDS: &[Need] = &[
    Need::Scheduler(Elevator::MqDeadline),
    Need::Scheduler(Elevator::Kyber),
    Need::Scheduler(Elevator::Bfq),
    Need::Wbt,
    Need::Debugfs,
    Need::Hz250,
    Need::Linux618,
];

/// Attributes of the queue that are written and compared.
const QUEUE: [&str; 9] = [
    "scheduler",
    "nr_requests",
    "max_sectors_kb",
    "read_ahead_kb",
    "wbt_lat_usec",
    "rq_affinity",
    "nomerges",
    "rotational",
    "iostats",
];

/// Texts between the plain numbers: edges of types and of rules, names, and what is no number.
const TEXTS: [&str; 36] = [
    "none",
    "mq-deadline",
    "kyber",
    "bfq",
    " bfq\n",
    "0",
    "1",
    "2",
    "3",
    "4",
    "-1",
    "-2",
    "+8",
    "0x40",
    "010",
    "127",
    "128",
    "129",
    "256",
    "1280",
    "1281",
    "2000",
    "2048",
    "2049",
    "75000",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "",
    " 5",
    "5\n",
    "x",
];

/// xorshift64*: all that is wanted is the same sequence from the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn text(&mut self) -> String {
        if self.below(3) == 0 {
            let bits = self.below(40) as u32;
            ((self.below(1 << 30) as u64) << 10 >> (40 - bits)).to_string()
        } else {
            (*self.pick(&TEXTS)).to_owned()
        }
    }
}

/// All that can be seen of a queue.
fn state(subject: &Subject) -> Vec<(String, Result<String, Errno>)> {
    let iosched = subject.kernel.list(&subject.path("queue/iosched")).unwrap_or_default();
    let rests = QUEUE.iter().map(|name| format!("queue/{name}"));
    let rests = rests.chain(iosched.iter().map(|name| format!("queue/iosched/{name}")));
    let mut state: Vec<_> = rests.map(|rest| (rest.clone(), subject.read(&rest))).collect();
    state.push(("tag depth".to_owned(), Ok(format!("{:?}", subject.disk.tag_depth()))));
    state.push(("wbt state".to_owned(), Ok(format!("{:?}", subject.disk.wbt_state()))));
    state
}

fn agree(seed: u64) -> Result<(), Failed> {
    let (fake, real) = (Fake.subject()?, Real.subject()?);
    for subject in [&fake, &real] {
        // What follows the file's own disk is set alike.
        subject.set("queue/rotational", "0")?;
        subject.set("queue/read_ahead_kb", "128")?;
    }
    let mut random = Random(seed);
    let mut before = state(&fake);
    let mut history = Vec::new();
    for _ in 0..WRITES {
        let names: Vec<&String> =
            before.iter().map(|(rest, _)| rest).filter(|rest| rest.starts_with("queue/")).collect();
        // Half of the writes to the scheduler's own attributes, few to the menu, or they would never be reached.
        let own = names.len() > QUEUE.len() && random.below(2) == 0;
        let rest =
            if own { *random.pick(&names[QUEUE.len()..]) } else { *random.pick(&names[..QUEUE.len()]) };
        let text = random.text();
        let answers = (fake.write(rest, &text), real.write(rest, &text));
        history.push(format!("{rest} <- {text:?}"));
        let (fake_state, real_state) = (state(&fake), state(&real));
        if answers.0 != answers.1 || fake_state != real_state {
            let differ: Vec<_> = fake_state.iter().zip(&real_state).filter(|(f, r)| f != r).collect();
            let last = &history[history.len().saturating_sub(8)..];
            return Err(format!(
                "seed {seed}: after {last:#?}\nthe fake answers {:?}, the kernel {:?}\nfake and kernel differ in {differ:#?}",
                answers.0, answers.1
            )
            .into());
        }
        before = fake_state;
    }
    Ok(())
}

pub(crate) fn trial(machine: &Machine) -> Trial {
    let run = || {
        // Another sequence can be asked for; the seed is in the message.
        match std::env::var("KERNFS_SEED").ok().and_then(|seed| seed.parse().ok()) {
            Some(seed) => agree(seed),
            None => SEEDS.into_iter().try_for_each(agree),
        }
    };
    let trial = Trial::test("fake_and_real::agree_on_random_writes", run);
    match machine.missing(NEEDS) {
        Some(why) => trial.with_kind(why).with_ignored_flag(true),
        None => trial,
    }
}
