//! The whole loop in virtual time, over made-up landscapes: engine, guard, journal and store are the real ones; kernel,
//! clock and disk are not. What comes of it holds for the loop, and says nothing about any disk.

use super::judge::{Landscape, Oracle};
use super::measured::DOMINANT_SHARE;
use super::plan::{Cell, HOSTILE_ORDER, Ranges, Strategy, order};
use super::visit::{Scheduled, Visit, visits};
use anyhow::{Context as _, Result, ensure};
use block_types::{Elevator, Knob, KnobValue, Nanos, Setting, Settings};
use clap::Parser;
use genetic::GeneSpec;
use kernfs::fake::{FakeDisk, FakeKernel};
use kernfs::{Disk, Kernel};
use schedulers::Offer;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tunerd::cli::RunArgs;
use tunerd::config::{Config, RawConfig, load};
use tunerd::engine::GeneMap;
use tunerd::run::{SYNTHETIC_DEVICE, Visit as Played, Work, demo_script, play};

/// Arguments of `tunerd run`, as a command line of their own.
#[derive(Debug, Parser)]
struct Words {
    #[command(flatten)]
    run: RunArgs,
}

/// The configuration that arguments of `tunerd run` make, the machine's own files left aside.
pub(super) fn config(arguments: &[&str]) -> Result<Config> {
    let words = Words::try_parse_from(std::iter::once("run").chain(arguments.iter().copied()))?;
    Ok(load(&[], RawConfig::from(words.run))?)
}

/// When the loop's virtual time begins.
const BEGIN: Nanos = Nanos::SECOND;

/// The made-up workloads.
#[derive(Debug)]
pub struct Synthetic {
    works: Vec<Work>,
    originals: Settings,
    genes: [Vec<GeneSpec>; 2],
}

impl Synthetic {
    /// The workloads of `tunerd run --fake-kernel`.
    ///
    /// # Errors
    /// Where the fake kernel offers no genes.
    pub fn new() -> Result<Self> {
        let works: Vec<Work> = demo_script().into_iter().map(|visit| visit.work).collect();
        let names: Vec<&str> = works.iter().map(|work| work.name).collect();
        ensure!(names == HOSTILE_ORDER, "the synthetic workloads are {names:?}, expected {HOSTILE_ORDER:?}");
        let kernel: Arc<dyn Kernel> =
            Arc::new(FakeKernel::new().with_disk(FakeDisk::loopback(SYNTHETIC_DEVICE)));
        let disk = Disk::open(kernel, SYNTHETIC_DEVICE)?;
        disk.write_knob(Knob::Scheduler, KnobValue::Elevator(Elevator::MqDeadline))?;
        let offer = Offer::read(&disk)?;
        let genes = |ranges: Ranges| -> Result<Vec<GeneSpec>> {
            let map = GeneMap::new(&offer, &config(&["--ranges", ranges.name()])?)?;
            Ok(map.space().specs().to_vec())
        };
        let originals = offer.settings();
        Ok(Self { works, originals, genes: [genes(Ranges::Paper)?, genes(Ranges::Catalogue)?] })
    }

    fn work(&self, name: &str) -> Option<&Work> {
        self.works.iter().find(|work| work.name == name)
    }

    fn performance(&self, work: &Work, settings: &Settings) -> f64 {
        work.performance(|knob| settings.number(knob).or_else(|| self.originals.number(knob)))
    }

    /// Runs all visits of one cell; its state is kept below `directory` while it runs.
    ///
    /// # Errors
    /// Where the strategy is not known, or the loop fails.
    pub fn run(&self, cell: &Cell, passes: usize, visit: Duration, directory: &Path) -> Result<Vec<Visit>> {
        let strategy = Strategy::named(&cell.strategy)
            .with_context(|| format!("there is no strategy called {:?}", cell.strategy))?;
        let seed = cell.seed.to_string();
        let mut arguments =
            vec!["--mode", "tune", "--seed", &seed, "--on-change", cell.treatment.on_change()];
        arguments.extend(strategy.arguments());
        let mut config = config(&arguments)?;
        let state = tempfile::Builder::new().prefix("cell.").tempdir_in(directory)?;
        config.state_dir = state.path().to_owned();
        config.run_dir = state.path().to_owned();

        let order = order(cell.seed, passes);
        let length = Nanos::from(visit);
        let script = order[..HOSTILE_ORDER.len()]
            .iter()
            .map(|&(work, _)| Played { work: self.works[work].clone(), length })
            .collect();
        let lines = Lines::default();
        let count = u32::try_from(order.len())?;
        play(config, script, visit * count, Some(Box::new(lines.clone())))?;
        let schedule: Vec<Scheduled> = order
            .iter()
            .enumerate()
            .map(|(index, &(work, pass))| Scheduled {
                workload: HOSTILE_ORDER[work].to_owned(),
                pass,
                first: BEGIN + Nanos(length.0 * index as u64),
                end: BEGIN + Nanos(length.0 * (index as u64 + 1)),
            })
            .collect();
        visits(&lines.events()?, &schedule)
    }
}

impl Landscape for Synthetic {
    fn worth(&self, workload: &str, settings: &Settings) -> f64 {
        self.work(workload).map_or(f64::NAN, |work| {
            self.performance(work, settings) / self.performance(work, &self.originals)
        })
    }

    fn oracle(&self, workload: &str, ranges: Ranges) -> Option<Oracle> {
        let work = self.work(workload)?;
        let mut settings = Settings::new();
        for spec in self.genes(ranges) {
            let Ok(knob) = spec.name.parse::<Knob>() else { continue };
            let best =
                work.optimum.iter().find(|(of, ..)| *of == knob).map_or(spec.default, |(_, best, _)| *best);
            let value = KnobValue::Number(spec.scale.snap(best));
            settings.set(knob, value);
        }
        // Known exactly: there is no interval.
        let value = self.worth(workload, &settings);
        Some(Oracle { settings, value, low: value, high: value })
    }

    fn trust(&self, _workload: &str) -> String {
        "exactly".to_owned()
    }

    fn dominant(&self, workload: &str) -> Vec<Knob> {
        let Some(work) = self.work(workload) else { return Vec::new() };
        let losses = work.losses(|knob| self.originals.number(knob));
        let whole: f64 = losses.iter().map(|(_, loss)| loss).sum();
        losses.iter().filter(|(_, loss)| *loss >= DOMINANT_SHARE * whole).map(|(knob, _)| *knob).collect()
    }

    fn genes(&self, ranges: Ranges) -> &[GeneSpec] {
        match ranges {
            Ranges::Paper => &self.genes[0],
            Ranges::Catalogue => &self.genes[1],
        }
    }
}

/// The optimum of a made-up workload, for a test or a table.
#[must_use]
pub fn settings(pairs: &[(Knob, u64)]) -> Settings {
    pairs.iter().map(|&(knob, value)| Setting { knob, value: KnobValue::Number(value) }).collect()
}

/// Event lines, kept in memory.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn events(&self) -> Result<Vec<Value>> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            // Windows are four of five events and tell nothing that is asked here.
            .filter(|line| !line.windows(16).take(64).any(|part| part == b"\"event\":\"window\""))
            .map(|line| serde_json::from_slice(line).context("tunerd printed what is no JSON"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Treatment;
    use super::*;

    #[test]
    fn the_landscape_has_its_optimum_where_it_says() {
        let land = Synthetic::new().unwrap();
        // What the emulated hard disk's four oracles bring, about.
        for (work, gain) in HOSTILE_ORDER.into_iter().zip([0.99, 1.98, 0.67, 1.05]) {
            let value = land.oracle(work, Ranges::Catalogue).unwrap().value;
            assert!((value - 1.0 - gain).abs() < 0.05, "{work}: {value}");
        }
        assert_eq!(land.dominant("sequential read"), [Knob::FifoBatch, Knob::WritesStarved]);
        assert_eq!(land.dominant("random write"), [Knob::FifoBatch]);
        for work in HOSTILE_ORDER {
            let fair = land.oracle(work, Ranges::Catalogue).unwrap();
            let literal = land.oracle(work, Ranges::Paper).unwrap();
            assert!((land.worth(work, &land.originals) - 1.0).abs() < 1e-9);
            assert!(literal.value <= fair.value + 1e-9 && literal.value >= 1.0);
            assert!(!land.dominant(work).is_empty());
        }
    }

    #[test]
    fn a_cell_is_the_same_every_time_and_memory_acts_in_it() {
        let land = Synthetic::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let cell = |treatment| Cell { strategy: "moilanen-at-once".to_owned(), treatment, seed: 3 };
        let run =
            |treatment| land.run(&cell(treatment), 2, Duration::from_secs(60), directory.path()).unwrap();
        let warm = run(Treatment::Recall);
        assert_eq!(warm, run(Treatment::Recall));
        assert_eq!(warm.len(), 8);
        assert!(warm.iter().all(|visit| visit.recalled_s.is_some_and(|at| at < 3.0)), "{warm:?}");
        let none = run(Treatment::None);
        assert!(none[1..].iter().all(|visit| visit.recalled_s.is_none()));
        let reset = run(Treatment::Reset);
        for visit in &reset[1..] {
            let recalled = &visit.leaders[1].settings;
            assert!((land.worth(&visit.workload, recalled) - 1.0).abs() < 1e-9, "the defaults");
        }
    }
}
