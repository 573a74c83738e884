//! What a search looks like: an invented one that converges, twice over four workloads.

use results::chart::{
    Axis, Cell, ChartError, ConvergenceBar, ConvergenceChart, ConvergenceGroup, Figure, FitnessChart,
    GenePanel, GeneValue, GenesChart, HeatMap, HeatMark, Reduction, Scale, Series, Span, Trace,
};

const WORKLOADS: [&str; 4] =
    ["write-sequential-large", "read-random-small", "read-sequential-large", "write-random-small"];
const VISIT: f64 = 180.0;
const SLICE: f64 = 2.0;

pub(crate) fn figures() -> Result<Vec<(&'static str, Figure)>, ChartError> {
    let (good, bad) = (search(1.0), search(f64::NAN));
    Ok(vec![
        ("convergence", convergence(Scale::Linear, groups()).figure()?),
        ("convergence-log", convergence(Scale::Log10, groups()).figure()?),
        ("convergence-bad-day", convergence(Scale::Linear, bad_groups()).figure()?),
        ("convergence-empty", convergence(Scale::Linear, vec![]).figure()?),
        ("genes", genes(&good).figure()?),
        ("genes-bad-day", genes(&bad).figure()?),
        ("genes-empty", genes(&[]).figure()?),
        ("genes-one", genes(&good[..1]).figure()?),
        ("fitness", fitness(&good).figure()?),
        ("fitness-bad-day", fitness(&bad).figure()?),
        ("fitness-empty", fitness(&[]).figure()?),
        ("heat", heat(grid()).figure()?),
        ("heat-scattered", heat(scattered()).figure()?),
        ("heat-one", heat(grid().into_iter().take(1).collect()).figure()?),
        ("heat-empty", heat(vec![]).figure()?),
    ])
}

fn bar(arm: &str, time: f64, low: f64, high: f64, censored: u32) -> ConvergenceBar {
    ConvergenceBar { arm: arm.into(), time: Some(time), interval: Some((low, high)), runs: 5, censored }
}

fn groups() -> Vec<ConvergenceGroup> {
    let group = |workload: &str, bars: [(f64, f64, f64, u32); 4], reduction, published| ConvergenceGroup {
        workload: workload.into(),
        bars: ["no fingerprinting", "first pass", "warm pass", "reset"]
            .into_iter()
            .zip(bars)
            .map(|(arm, (time, low, high, censored))| bar(arm, time, low, high, censored))
            .collect(),
        reduction,
        published: Some(published),
    };
    let share = |value, low, high| Reduction::Share { value, interval: Some((low, high)) };
    vec![
        group(
            "sequential read",
            [(96.2, 80.0, 118.0, 0), (54.0, 41.0, 66.0, 0), (1.31, 1.1, 1.6, 0), (61.0, 50.0, 80.0, 0)],
            share(0.986, 0.981, 0.991),
            0.89,
        ),
        group(
            "sequential write",
            [(180.0, 180.0, 180.0, 5), (122.0, 90.0, 160.0, 1), (1.4, 1.2, 1.9, 0), (140.0, 110.0, 180.0, 2)],
            share(0.992, 0.989, 0.9935),
            0.97,
        ),
        group(
            "random read",
            [(71.0, 52.0, 94.0, 0), (66.0, 40.0, 92.0, 0), (9.8, 1.4, 22.0, 0), (52.0, 30.0, 77.0, 0)],
            share(0.862, 0.70, 0.93),
            0.61,
        ),
        group(
            "random write",
            [(12.0, 3.0, 31.0, 0), (10.0, 2.0, 26.0, 0), (11.0, 3.0, 30.0, 0), (12.5, 2.0, 28.0, 0)],
            Reduction::Null,
            0.19,
        ),
    ]
}

fn bad_groups() -> Vec<ConvergenceGroup> {
    let mut groups = groups();
    if let [one, two, three, four] = groups.as_mut_slice() {
        one.bars[0].time = Some(f64::NAN);
        one.bars[1].interval = Some((f64::NEG_INFINITY, 60.0));
        one.reduction = Reduction::Share { value: f64::NAN, interval: None };
        two.bars[3].time = None;
        two.bars[3].interval = None;
        two.reduction = Reduction::Share { value: -0.21, interval: Some((-0.4, 0.05)) };
        three.bars.clear();
        three.reduction = Reduction::Unknown;
        four.published = None;
    }
    groups
}

fn convergence(scale: Scale, groups: Vec<ConvergenceGroup>) -> ConvergenceChart {
    ConvergenceChart {
        title: "Convergence time by workload".into(),
        subtitle:
            "Invented figures. Emulated disk: hdd, 7200 rpm; visits of 180 s, five seeds, 95 % intervals"
                .into(),
        axis: Axis::new("convergence time, T95", "s", scale),
        groups,
        published_name: "paper".into(),
        notes: vec!["Reductions are those of the warm pass against no fingerprinting.".into()],
    }
}

/// One child's slice.
struct Slice {
    at: f64,
    workload: &'static str,
    scheduler: &'static str,
    read_ahead: f64,
    requests: f64,
    expire: f64,
    fitness: f64,
    leader: bool,
    reintroduced: bool,
}

/// A small generator, so that the picture is the same each time.
fn noise(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*state >> 40) as f64) / f64::from(1_u32 << 24)
}

fn search(gap: f64) -> Vec<Slice> {
    let mut state = 7;
    let mut slices = Vec::new();
    for visit in 0..8 {
        let kind = visit % 4;
        let best: (f64, f64, f64) =
            [(4096.0, 256.0, 5000.0), (0.0, 64.0, 120.0), (8192.0, 32.0, 800.0), (128.0, 512.0, 2600.0)]
                [kind];
        for child in 0..(VISIT / SLICE) as usize {
            let at = visit as f64 * VISIT + child as f64 * SLICE;
            // The second pass begins where the first ended.
            let spread = if visit >= 4 { 0.06 } else { (1.0 - child as f64 / 55.0).max(0.06) };
            let mut wander =
                |around: f64, reach: f64| around * (reach * spread * (noise(&mut state) - 0.5)).exp();
            let read_ahead = if best.0 == 0.0 { wander(1000.0, 7.0) } else { wander(best.0, 6.0) };
            let (requests, expire, luck) = (wander(best.1, 4.0), wander(best.2, 5.0), wander(1.0, 1.0));
            let top = [182.0, 1.4, 171.0, 3.1][kind];
            let gap = if (20..24).contains(&child) { gap } else { 1.0 };
            slices.push(Slice {
                at,
                workload: WORKLOADS[kind],
                scheduler: ["mq-deadline", "bfq", "kyber", "none"]
                    [if spread < 0.5 { kind } else { child % 4 }],
                read_ahead: if best.0 == 0.0 && child > 30 { 0.0 } else { read_ahead.round() },
                requests: requests.round(),
                expire: expire * gap,
                fitness: top * (1.0 - 0.5 * spread * luck.min(1.6)) * gap,
                leader: child % 8 == 0,
                reintroduced: visit >= 4 && child == 0,
            });
        }
    }
    slices
}

fn workload(slices: &[Slice]) -> Vec<Span> {
    slices
        .iter()
        .step_by((VISIT / SLICE) as usize)
        .map(|slice| Span { lane: slice.workload.into(), from: slice.at, to: slice.at + VISIT })
        .collect()
}

fn reintroductions(slices: &[Slice]) -> Vec<f64> {
    slices.iter().filter(|slice| slice.reintroduced).map(|slice| slice.at).collect()
}

fn genes(slices: &[Slice]) -> GenesChart {
    let panel = |axis: Axis, default: GeneValue, gene: &dyn Fn(&Slice) -> GeneValue| GenePanel {
        axis,
        children: slices.iter().map(|slice| (slice.at, gene(slice))).collect(),
        leader: slices.iter().filter(|slice| slice.leader).map(|slice| (slice.at, gene(slice))).collect(),
        default: Some(default),
    };
    let number = GeneValue::Number;
    GenesChart {
        title: "Every child's genes".into(),
        subtitle: "Invented figures. Emulated disk: hdd, 7200 rpm; two passes over four workloads".into(),
        time_label: "time".into(),
        time_unit: "s".into(),
        workload: workload(slices),
        reintroductions: reintroductions(slices),
        panels: vec![
            panel(
                Axis::new("scheduler", "", Scale::Linear),
                GeneValue::Word("mq-deadline".into()),
                &|slice| GeneValue::Word(slice.scheduler.into()),
            ),
            panel(Axis::new("read_ahead_kb", "KiB", Scale::Log10), number(128.0), &|slice| {
                number(slice.read_ahead)
            }),
            panel(Axis::new("nr_requests", "requests", Scale::Log10), number(256.0), &|slice| {
                number(slice.requests)
            }),
            panel(Axis::new("write_expire", "ms", Scale::Log10), number(5000.0), &|slice| {
                number(slice.expire)
            }),
        ],
        leader_name: "leader".into(),
        notes: vec![],
    }
}

fn fitness(slices: &[Slice]) -> FitnessChart {
    let line = |name: &str, trace, share: f64| Series {
        name: name.into(),
        trace,
        points: slices
            .iter()
            .filter(|slice| slice.leader)
            .map(|slice| (slice.at, slice.fitness * share))
            .collect(),
    };
    FitnessChart {
        title: "Fitness over time".into(),
        subtitle: "Invented figures. Emulated disk: hdd, 7200 rpm; two passes over four workloads".into(),
        time_label: "time".into(),
        time_unit: "s".into(),
        fitness: Axis::new("throughput", "MB/s", Scale::Log10),
        workload: workload(slices),
        reintroductions: reintroductions(slices),
        children_name: "a child's slice".to_owned(),
        children: slices.iter().map(|slice| (slice.at, slice.fitness)).collect(),
        lines: vec![line("incumbent", Trace::Steps, 1.05), line("default", Trace::Steps, 0.6)],
        notes: vec![],
    }
}

fn peak(read_ahead: f64, requests: f64) -> f64 {
    let near = |value: f64, best: f64| (-(value / best).ln().powi(2) / 6.0).exp();
    60.0 + 120.0 * near(read_ahead.max(4.0), 2048.0) * near(requests, 128.0)
}

fn grid() -> Vec<Cell> {
    let mut cells = Vec::new();
    for across in [0.0, 16.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0] {
        for up in [4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0] {
            if (across as u32 / 16 + up as u32 / 4) % 7 != 3 {
                cells.push(Cell { across, up, value: peak(across, up) });
            }
        }
    }
    cells
}

fn scattered() -> Vec<Cell> {
    let mut state = 3;
    (0..600)
        .map(|_| {
            let (across, up) =
                (16.0 * (7.0 * noise(&mut state)).exp(), 4.0 * (5.0 * noise(&mut state)).exp());
            Cell { across, up, value: peak(across, up) * (1.0 + 0.1 * noise(&mut state)) }
        })
        .collect()
}

fn heat(cells: Vec<Cell>) -> HeatMap {
    let marks = [("default", 128.0, 256.0), ("best confirmed", 2048.0, 128.0)];
    HeatMap {
        title: "Throughput over two knobs".into(),
        subtitle: "Invented figures. Emulated disk: hdd, 7200 rpm; sequential read".into(),
        across: Axis::new("read_ahead_kb", "KiB", Scale::Log10),
        up: Axis::new("nr_requests", "requests", Scale::Log10),
        value: Axis::new("throughput", "MB/s", Scale::Linear),
        marks: marks
            .into_iter()
            .filter(|_| cells.len() > 1)
            .map(|(name, across, up)| HeatMark { name: name.into(), across, up })
            .collect(),
        cells,
        notes: vec![],
    }
}
