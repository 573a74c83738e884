//! What settings are worth on a device: a sweep, and held-out pairs of what it nominates and of what led in the runs.

use super::journal::{Journal, Row};
use super::live::{Supply, Victim, apply, begin, defaults, join, lock, slice_of};
use super::measure::{Purpose, Slice};
use super::measured::{Measured, place, within};
use super::pace::Pace;
use super::plan::{HOSTILE_ORDER, Ranges};
use super::workloads::Running;
use super::{Options, Progress};
use crate::Context;
use anyhow::Result;
use block_types::{Knob, KnobValue, Settings};
use genetic::GeneSpec;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;

/// The sweep's ranges, in their order.
const SWEPT: [Ranges; 2] = [Ranges::Catalogue, Ranges::Paper];
/// How many of the sweep's best are nominated, beside what the surrogate thinks best.
const BEST_OF_SWEEP: usize = 5;
/// Settings that the surrogate is asked about.
const GUESSES: usize = 1_024;

/// Steps of the measuring of one workload, for progress.
pub(crate) fn steps(ranges: &[Ranges], pace: &Pace) -> usize {
    let sweep: usize = ranges.iter().map(|of| pace.sweep_of(*of)).sum();
    sweep + pace.promising + ranges.len() * (BEST_OF_SWEEP + 1) * pace.held_out
}

/// The default's rate on one disk alone: what the rates of several at once are compared with.
pub(crate) fn alone(context: &Context, supply: &Supply, journal: &mut Journal) -> Result<()> {
    let pace = journal.plan()?.pace.clone();
    for workload in HOSTILE_ORDER {
        let there = |slice: &&Slice| slice.purpose == Purpose::Alone && slice.workload == workload;
        if journal.slices().filter(there).count() >= pace.alone {
            continue;
        }
        let victim = supply.disk(0)?;
        let (running, _) = begin(context, workload, &victim)?;
        context.interrupt.sleep(pace.warm_up())?;
        for _ in 0..pace.alone {
            let bytes_per_s = slice_of(context, &victim, pace.slice())?;
            journal.append(Row::Slice(Slice {
                workload: workload.to_owned(),
                purpose: Purpose::Alone,
                settings: Settings::new(),
                bytes_per_s,
                default_bytes_per_s: bytes_per_s,
                default_first: true,
            }))?;
        }
        running.stop()?;
    }
    Ok(())
}

/// A workload at work on a disk, and pairs of slices on it.
struct Pairs<'a, 'j> {
    context: &'a Context,
    journal: &'a Mutex<&'j mut Journal>,
    progress: &'a Progress,
    workload: &'a str,
    victim: Victim,
    running: Running,
    default: Settings,
    pace: Pace,
    coin: ChaCha8Rng,
}

impl<'a, 'j> Pairs<'a, 'j> {
    fn begin(
        (context, journal, progress): (&'a Context, &'a Mutex<&'j mut Journal>, &'a Progress),
        supply: &Supply,
        workload: &'a str,
        specs: &[GeneSpec],
        disk: u64,
    ) -> Result<Self> {
        let victim = supply.disk(disk)?;
        let (running, _) = begin(context, workload, &victim)?;
        let pace = lock(journal).plan()?.pace.clone();
        context.interrupt.sleep(pace.warm_up())?;
        let seed = workload.bytes().map(u64::from).sum::<u64>() + (disk << 32);
        let (default, coin) = (defaults(specs), ChaCha8Rng::seed_from_u64(seed));
        Ok(Self { context, journal, progress, workload, victim, running, default, pace, coin })
    }

    /// A slice of the settings and one of the default, in the order that a coin gives, kept before it returns.
    fn pair(&mut self, settings: &Settings, purpose: Purpose) -> Result<()> {
        let default_first = self.coin.random::<bool>();
        let order = if default_first { [&self.default, settings] } else { [settings, &self.default] };
        let mut rates = [0.0; 2];
        for (settings, rate) in order.into_iter().zip(&mut rates) {
            apply(&self.victim, settings)?;
            self.context.interrupt.sleep(self.pace.settle())?;
            *rate = slice_of(self.context, &self.victim, self.pace.slice())?;
        }
        self.running.check()?;
        let [first, second] = rates;
        let (bytes_per_s, default_bytes_per_s) =
            if default_first { (second, first) } else { (first, second) };
        lock(self.journal).append(Row::Slice(Slice {
            workload: self.workload.to_owned(),
            purpose,
            settings: settings.clone(),
            bytes_per_s,
            default_bytes_per_s,
            default_first,
        }))?;
        self.progress.step(self.workload);
        Ok(())
    }

    fn slices(&self) -> Vec<Slice> {
        lock(self.journal).slices().filter(|slice| slice.workload == self.workload).cloned().collect()
    }

    fn end(self) -> Result<()> {
        self.running.stop()?;
        self.victim.detach()
    }
}

fn count(slices: &[Slice], settings: &Settings, purpose: Purpose) -> usize {
    slices.iter().filter(|slice| slice.purpose == purpose && slice.settings == *settings).count()
}

/// Sweeps the knobs under one workload, nominates, and takes held-out pairs of the nominees against the default.
pub(super) fn measure(
    context: &Context,
    supply: &Supply,
    workload: &str,
    ranges: &[Ranges],
    genes: &BTreeMap<Ranges, Vec<GeneSpec>>,
    journal: &Mutex<&mut Journal>,
    progress: &Progress,
) -> Result<()> {
    let specs = |of: Ranges| genes.get(&of).map(Vec::as_slice).unwrap_or_default();
    let mut pairs =
        Pairs::begin((context, journal, progress), supply, workload, specs(Ranges::Catalogue), 0)?;
    let there = pairs.slices();
    let pace = pairs.pace.clone();
    for of in SWEPT.into_iter().filter(|of| ranges.contains(of)) {
        for settings in latin(specs(of), pace.sweep_of(of)) {
            if count(&there, &settings, Purpose::Sweep) == 0 {
                pairs.pair(&settings, Purpose::Sweep)?;
            }
        }
    }
    let evenly: usize = ranges.iter().map(|of| pace.sweep_of(*of)).sum();
    loop {
        let swept = pairs.slices();
        let already = swept.iter().filter(|slice| slice.purpose == Purpose::Sweep).count();
        if already >= evenly + pace.promising {
            break;
        }
        match promising(workload, genes, &swept) {
            Some(settings) => pairs.pair(&settings, Purpose::Sweep)?,
            None => break,
        }
    }
    let swept = pairs.slices();
    let nominees: BTreeSet<Settings> =
        ranges.iter().flat_map(|of| nominees(workload, *of, genes, &swept)).collect();
    for round in 0..pace.held_out {
        for settings in &nominees {
            if count(&there, settings, Purpose::HeldOut) <= round {
                pairs.pair(settings, Purpose::HeldOut)?;
            }
        }
    }
    pairs.end()
}

/// What led for longest under a workload, in all runs together, and was not measured as often as it should be.
fn leaders(journal: &Journal, workload: &str, most: usize) -> Vec<Settings> {
    let mut led: BTreeMap<&Settings, f64> = BTreeMap::new();
    for visit in journal.runs().into_values().flatten().filter(|visit| visit.workload == workload) {
        let ends = visit.leaders.iter().skip(1).map(|next| next.at_s).chain([visit.length_s]);
        for (step, end) in visit.leaders.iter().zip(ends) {
            *led.entry(&step.settings).or_default() += (end - step.at_s.max(0.0)).max(0.0);
        }
    }
    let mut led: Vec<(&Settings, f64)> = led.into_iter().collect();
    led.sort_by(|a, b| b.1.total_cmp(&a.1));
    led.into_iter().take(most).map(|(settings, _)| settings.clone()).collect()
}

/// Held-out pairs of what led in the runs, which are over: each workload on so many disks side by side.
pub(super) fn value_leaders(
    context: &Context,
    options: &Options,
    supply: &Supply,
    genes: &BTreeMap<Ranges, Vec<GeneSpec>>,
    journal: &Mutex<&mut Journal>,
    progress: &Progress,
) -> Result<()> {
    let specs = genes.get(&Ranges::Catalogue).map(Vec::as_slice).unwrap_or_default();
    let default = defaults(specs);
    let pace = lock(journal).plan()?.pace.clone();
    let each = options.at_once.div_ceil(HOSTILE_ORDER.len() as u64);
    for group in HOSTILE_ORDER.chunks(usize::try_from(options.at_once)?) {
        std::thread::scope(|scope| {
            let mut workers = Vec::new();
            for workload in group {
                let (led, slices) = {
                    let journal = lock(journal);
                    let slices: Vec<Slice> =
                        journal.slices().filter(|slice| slice.workload == *workload).cloned().collect();
                    (leaders(&journal, workload, pace.leaders), slices)
                };
                // Round by round, so that a drift is in all of them.
                let todo: VecDeque<Settings> = (0..pace.leader_pairs)
                    .flat_map(|round| led.iter().map(move |settings| (round, settings)))
                    .filter(|(round, settings)| {
                        **settings != default && count(&slices, settings, Purpose::HeldOut) <= *round
                    })
                    .map(|(_, settings)| settings.clone())
                    .collect();
                progress.more(todo.len());
                let todo = std::sync::Arc::new(Mutex::new(todo));
                for disk in 0..each {
                    let todo = std::sync::Arc::clone(&todo);
                    workers.push(scope.spawn(move || -> Result<()> {
                        let hands = (context, journal, progress);
                        let mut pairs = Pairs::begin(hands, supply, workload, specs, 1_000 + disk)?;
                        loop {
                            let Some(next) = lock(&todo).pop_front() else { return pairs.end() };
                            pairs.pair(&next, Purpose::HeldOut)?;
                        }
                    }));
                }
            }
            let ends: Vec<Result<()>> = workers.into_iter().map(join).collect();
            ends.into_iter().collect::<Result<()>>()
        })?;
    }
    Ok(())
}

/// A Latin hypercube over the genes: every knob takes values evenly over its scale, in orders of their own.
fn latin(specs: &[GeneSpec], points: usize) -> Vec<Settings> {
    // The same each time: a run that is gone on with has the same plan.
    let mut rng = ChaCha8Rng::seed_from_u64(points as u64);
    let columns: Vec<(Knob, Vec<u64>)> = specs
        .iter()
        .filter_map(|spec| {
            let mut values: Vec<u64> =
                (0..points).map(|index| spec.scale.at((index as f64 + 0.5) / points as f64)).collect();
            values.shuffle(&mut rng);
            Some((spec.name.parse().ok()?, values))
        })
        .collect();
    (0..points)
        .map(|index| {
            let mut settings = Settings::new();
            for (knob, values) in &columns {
                settings.set(*knob, KnobValue::Number(values[index]));
            }
            settings
        })
        .collect()
}

/// Where most is to be expected over the best of the sweep so far.
fn promising(workload: &str, genes: &BTreeMap<Ranges, Vec<GeneSpec>>, slices: &[Slice]) -> Option<Settings> {
    let specs = genes.get(&Ranges::Catalogue).map(Vec::as_slice).unwrap_or_default();
    let swept = || slices.iter().filter(|slice| slice.purpose == Purpose::Sweep);
    let land = Measured::new(genes, swept());
    let surrogate = land.surrogate(workload)?;
    let default = place(specs, &Settings::new());
    let known = swept().map(|slice| place(specs, &slice.settings));
    let best = surrogate.best(known.chain([default]))?;
    let tried: BTreeSet<&Settings> = swept().map(|slice| &slice.settings).collect();
    let untried = latin(specs, GUESSES).into_iter().filter(|settings| !tried.contains(settings));
    surrogate.most_promising(untried, |settings| place(specs, settings), &best)
}

/// The sweep's best within the ranges, and the surrogate's.
fn nominees(
    workload: &str,
    ranges: Ranges,
    genes: &BTreeMap<Ranges, Vec<GeneSpec>>,
    slices: &[Slice],
) -> Vec<Settings> {
    use super::judge::Landscape;
    let specs = genes.get(&ranges).map(Vec::as_slice).unwrap_or_default();
    let mut swept: Vec<&Slice> = slices
        .iter()
        .filter(|slice| slice.purpose == Purpose::Sweep && within(specs, &slice.settings))
        .collect();
    swept.sort_by(|a, b| b.log_ratio().total_cmp(&a.log_ratio()));
    let mut best: Vec<Settings> =
        swept.iter().take(BEST_OF_SWEEP).map(|slice| slice.settings.clone()).collect();
    // Only the sweep: what is nominated must not depend on the pairs that will value it.
    let sweep_only = slices.iter().filter(|slice| slice.purpose == Purpose::Sweep);
    let land = Measured::new(genes, sweep_only);
    let guesses = latin(specs, GUESSES).into_iter().map(|guess| (land.worth(workload, &guess), guess));
    best.extend(guesses.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, guess)| guess));
    debug_assert!(best.iter().all(|settings| place(specs, settings).len() == specs.len()));
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use genetic::Scale;

    #[test]
    fn a_latin_hypercube_uses_every_value_of_a_knob_once() {
        let specs = [
            GeneSpec::new("fifo_batch", Scale::Linear { min: 1, max: 8 }, 4),
            GeneSpec::new("writes_starved", Scale::Linear { min: 1, max: 8 }, 2),
        ];
        let points = latin(&specs, 8);
        let mut seen: Vec<u64> =
            points.iter().filter_map(|settings| settings.number(Knob::FifoBatch)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() >= 7, "{seen:?}");
        assert_eq!(points, latin(&specs, 8));
    }
}
