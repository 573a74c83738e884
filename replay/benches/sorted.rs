//! The sorted vector that requests are kept in beside a tree, by how many there are: `cargo bench -p replay --bench sorted`.
//!
//! What mq-deadline does to a request is done to a random one: it is looked for neighbours (a merge is tried), put in,
//! found as the next in order, and taken out.

#[expect(dead_code, reason = "the benchmark uses what every scheduler does")]
#[path = "../src/elevator/sorted.rs"]
mod sorted;

use criterion::{BenchmarkId, Criterion, Throughput};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sorted::Sorted;
use std::collections::BTreeSet;
use std::hint::black_box;

/// Requests by their first sector, whatever they are kept in.
trait Requests: Default {
    fn insert(&mut self, sector: u64, id: u32);
    fn remove(&mut self, sector: u64, id: u32);
    fn from(&self, sector: u64) -> Option<u32>;
    fn before(&self, sector: u64) -> Option<u32>;
}

impl Requests for Sorted {
    fn insert(&mut self, sector: u64, id: u32) {
        Self::insert(self, sector, id);
    }

    fn remove(&mut self, sector: u64, id: u32) {
        Self::remove(self, sector, id);
    }

    fn from(&self, sector: u64) -> Option<u32> {
        Self::from(self, sector)
    }

    fn before(&self, sector: u64) -> Option<u32> {
        Self::before(self, sector)
    }
}

/// The standard library's B-tree; a set of pairs is a map whose keys are the pairs.
#[derive(Default)]
struct Tree(BTreeSet<(u64, u32)>);

impl Requests for Tree {
    fn insert(&mut self, sector: u64, id: u32) {
        self.0.insert((sector, id));
    }

    fn remove(&mut self, sector: u64, id: u32) {
        self.0.remove(&(sector, id));
    }

    fn from(&self, sector: u64) -> Option<u32> {
        self.0.range((sector, 0)..).next().map(|&(_, id)| id)
    }

    fn before(&self, sector: u64) -> Option<u32> {
        self.0.range(..(sector, 0)).next_back().map(|&(_, id)| id)
    }
}

/// A scheduler with so many requests queued, one of which goes as another comes.
struct Steady<R> {
    requests: R,
    sectors: Vec<u64>,
    random: ChaCha8Rng,
}

impl<R: Requests> Steady<R> {
    fn new(count: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut requests = R::default();
        let sectors: Vec<u64> = (0..count).map(|_| random.random_range(0..1 << 32)).collect();
        for (id, &sector) in sectors.iter().enumerate() {
            requests.insert(sector, id as u32);
        }
        Self { requests, sectors, random }
    }

    fn step(&mut self) {
        let head = self.random.random_range(0..1 << 32);
        if let Some(id) = self.requests.from(head).or_else(|| self.requests.from(0)) {
            self.requests.remove(self.sectors[id as usize], id);
            let sector = self.random.random_range(0..1 << 32);
            black_box((self.requests.before(sector), self.requests.from(sector)));
            self.requests.insert(sector, id);
            self.sectors[id as usize] = sector;
        }
    }
}

fn steady<R: Requests>(criterion: &mut Criterion, name: &str) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1)).sample_size(20);
    group.warm_up_time(std::time::Duration::from_millis(500));
    group.measurement_time(std::time::Duration::from_secs(2));
    for count in [8, 64, 256, 1_024, 4_096] {
        let mut steady = Steady::<R>::new(count);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| bencher.iter(|| steady.step()));
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    steady::<Sorted>(&mut criterion, "a request in a sorted vector");
    steady::<Tree>(&mut criterion, "a request in a B-tree");
    criterion.final_summary();
}
