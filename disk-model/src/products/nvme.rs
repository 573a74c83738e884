//! Flash disks behind PCI Express.

use super::{Figure, Origin, Product, mix};
use Origin::{DataSheet, Derived, Measured};

const EVO: Origin = DataSheet("Samsung, SSD 970 EVO Plus data sheet: 1 TB");
const EVO_DEEP: Origin =
    DataSheet("Samsung, SSD 970 EVO Plus data sheet: 1 TB, 32 commands on each of 4 threads");
const EVO_AFTER: Origin = DataSheet("Samsung, SSD 970 EVO Plus data sheet: 1 TB, after TurboWrite");
const BOUND: Origin = Derived(
    "the lower of 32 times depth 1 and the figure at depth 128: bounds that no queue exceeds (Denning and Buzen, \"The \
     Operational Analysis of Queueing Network Models\", Computing Surveys 10(3), 1978)",
);
const MIXED: Origin = Derived("harmonic mean of the read and write figures at that depth");

/// The default.
pub(super) static SAMSUNG_970_EVO_PLUS: Product = Product {
    name: "samsung-970-evo-plus-1tb",
    model: "Samsung SSD 970 EVO Plus, 1 TB",
    toml: include_str!("../../products/samsung-970-evo-plus-1tb.toml"),
    figures: &[
        Figure::stream("sequential read", 1.0, 3_500e6, EVO),
        Figure::stream("sequential write", 0.0, 3_300e6, EVO),
        Figure::stream("sequential write, SLC cache used up", 0.0, 1_700e6, EVO_AFTER).after(325_000),
        Figure::random("random read, depth 1", 1.0, 1, 19e3, EVO),
        Figure::random("random write, depth 1", 0.0, 1, 60e3, EVO),
        Figure::random("random read, depth 32", 1.0, 32, 600e3, BOUND),
        Figure::random("random write, depth 32", 0.0, 32, 550e3, BOUND),
        Figure::random("random read, depth 128", 1.0, 128, 600e3, EVO_DEEP),
        Figure::random("random write, depth 128", 0.0, 128, 550e3, EVO_DEEP),
        Figure::random("70 % reads, depth 32", 0.7, 32, mix(0.7, 600e3, 550e3), MIXED),
        Figure::random("70 % reads, depth 128", 0.7, 128, mix(0.7, 600e3, 550e3), MIXED),
    ],
    assumptions: "SLC cache of 42 GB: the data sheet. Assumed: 32 dies of 4 planes that read independently, times of a \
        page, 64 MiB of buffer, folding at 400 MB/s, a write amplification of 6 outside of the SLC cache.",
};

const P3700: Origin = DataSheet("Intel, SSD DC P3700 series product specification, 330566-005US");
const P3700_LATENCY: Origin = Derived(
    "1 / 20 µs: Intel, SSD DC P3700 series product specification, sequential write latency (typ.); a write ends in the \
     protected buffer wherever it goes",
);
const P3700_DEPTH_1: Origin = Measured(
    "AnandTech, \"Intel SSD DC P3700 Review\", 2014: 36.5 MB/s of 4 KiB at depth 1, about 8900 IOPS",
);
const P3700_DEPTH_32: Origin = Measured(
    "Myce, \"Intel DC P3700 1.6TB NVMe Enterprise SSD\" review, 2014: no more than about 270,000 at depth 32",
);
const WRITES_BOUND: Origin = Derived("the figure at depth 128, which 32 times depth 1 exceeds");

/// A disk for servers, with a protected buffer, for many writes.
pub(super) static INTEL_DC_P3700: Product = Product {
    name: "intel-dc-p3700-2tb",
    model: "Intel SSD DC P3700, 2 TB",
    toml: include_str!("../../products/intel-dc-p3700-2tb.toml"),
    figures: &[
        Figure::stream("sequential read", 1.0, 2_800e6, P3700),
        Figure::stream("sequential write", 0.0, 2_000e6, P3700),
        Figure::random("random read, depth 1", 1.0, 1, 8.9e3, P3700_DEPTH_1),
        Figure::random("random write, depth 1", 0.0, 1, 50e3, P3700_LATENCY),
        Figure::random("random read, depth 32", 1.0, 32, 270e3, P3700_DEPTH_32),
        Figure::random("random write, depth 32", 0.0, 32, 175e3, WRITES_BOUND).after(50_000).over(100_000),
        Figure::random("random read, depth 128", 1.0, 128, 460e3, P3700),
        Figure::random("random write, depth 128", 0.0, 128, 175e3, P3700).after(50_000).over(100_000),
        Figure::random("70 % reads, depth 128", 0.7, 128, 265e3, P3700).after(100_000).over(100_000),
    ],
    assumptions: "Assumed: 256 dies, times of a page, 64 MiB of buffer. The write amplification is the ratio of the \
        sequential and the random write rate; the time of a program is fitted to the mix, so that it stands for all \
        that a read meets on its die, collection and erasing included.",
};

const P3600: Origin = DataSheet("Intel, SSD DC P3600 series product specification, 330569-009US");
const LIKE_P3700_1: Origin = Derived("the P3700's measured figure: same controller, same kind of flash");
const P3600_LATENCY: Origin =
    Derived("1 / 20 µs: Intel, SSD DC P3600 series product specification, sequential write latency (typ.)");

/// Its sibling for fewer writes.
pub(super) static INTEL_DC_P3600: Product = Product {
    name: "intel-dc-p3600-2tb",
    model: "Intel SSD DC P3600, 2 TB",
    toml: include_str!("../../products/intel-dc-p3600-2tb.toml"),
    figures: &[
        Figure::stream("sequential read", 1.0, 2_600e6, P3600),
        Figure::stream("sequential write", 0.0, 1_700e6, P3600),
        Figure::random("random read, depth 1", 1.0, 1, 8.9e3, LIKE_P3700_1),
        Figure::random("random write, depth 1", 0.0, 1, 50e3, P3600_LATENCY).after(0).over(5_000),
        Figure::random("random read, depth 32", 1.0, 32, 270e3, LIKE_P3700_1),
        Figure::random("random write, depth 32", 0.0, 32, 56e3, WRITES_BOUND).after(50_000).over(100_000),
        Figure::random("random read, depth 128", 1.0, 128, 450e3, P3600),
        Figure::random("random write, depth 128", 0.0, 128, 56e3, P3600).after(50_000).over(100_000),
        Figure::random("70 % reads, depth 128", 0.7, 128, 160e3, P3600).after(100_000).over(100_000),
    ],
    assumptions: INTEL_DC_P3700.assumptions,
};
