//! Flash disks behind SATA.

use super::{Figure, Origin, Product, mix};
use Origin::{DataSheet, Derived};

const MIXED: Origin = Derived("harmonic mean of the read and write figures at that depth");

const EVO: Origin = DataSheet("Samsung, SSD 850 EVO data sheet: 250 GB");
const EVO_SLC: Origin = DataSheet("Samsung, SSD 850 EVO data sheet: 250 GB, within TurboWrite");
const EVO_AFTER: Origin = DataSheet("Samsung, SSD 850 EVO data sheet: 250 GB, after TurboWrite (recalled)");

/// The default.
pub(super) static SAMSUNG_850_EVO: Product = Product {
    name: "samsung-850-evo-250gb",
    model: "Samsung SSD 850 EVO, 250 GB",
    toml: include_str!("../../products/samsung-850-evo-250gb.toml"),
    figures: &[
        Figure::stream("sequential read", 1.0, 540e6, EVO),
        Figure::stream("sequential write", 0.0, 520e6, EVO_SLC),
        Figure::stream("sequential write, SLC cache used up", 0.0, 300e6, EVO_AFTER).after(24_000),
        Figure::random("random read, depth 1", 1.0, 1, 10e3, EVO),
        Figure::random("random write, depth 1", 0.0, 1, 40e3, EVO_SLC),
        Figure::random("random read, depth 32", 1.0, 32, 97e3, EVO),
        Figure::random("random write, depth 32", 0.0, 32, 88e3, EVO_SLC),
        Figure::random("70 % reads, depth 1", 0.7, 1, mix(0.7, 10e3, 40e3), MIXED),
        Figure::random("70 % reads, depth 32", 0.7, 32, mix(0.7, 97e3, 88e3), MIXED),
    ],
    assumptions: "SLC cache of 3 GB: the maker's TurboWrite table, as in AnandTech's review of 2014-12-08, which also \
        counts 16 dies; two planes each work independently here. Assumed: times of a page, 16 MiB of buffer, folding \
        at 150 MB/s, and a write amplification of 6, which is (1 + s) / 2s for its spare share s of 9.1 % (greedy \
        collection under uniform writes).",
};

const S4600: Origin = DataSheet("Intel, SSD DC S4500/S4600 series product specification: S4600");
const S4600_LATENCY: Origin =
    Derived("Intel, SSD DC S4500/S4600 series product specification: random latency (typ.) 110 and 52 µs");

/// A disk for servers, with a protected buffer.
pub(super) static INTEL_DC_S4600: Product = Product {
    name: "intel-dc-s4600",
    model: "Intel SSD DC S4600, 960 GB",
    toml: include_str!("../../products/intel-dc-s4600.toml"),
    figures: &[
        Figure::stream("sequential read", 1.0, 500e6, S4600),
        Figure::stream("sequential write", 0.0, 490e6, S4600),
        Figure::random("random read, depth 1", 1.0, 1, 1e6 / 110.0, S4600_LATENCY),
        Figure::random("random write, depth 1", 0.0, 1, 1e6 / 52.0, S4600_LATENCY),
        Figure::random("random read, depth 32", 1.0, 32, 72e3, S4600),
        Figure::random("random write, depth 32", 0.0, 32, 65e3, S4600).after(50_000).over(100_000),
        Figure::random("70 % reads, depth 1", 0.7, 1, mix(0.7, 1e6 / 110.0, 1e6 / 52.0), MIXED),
        Figure::random("70 % reads, depth 32", 0.7, 32, mix(0.7, 72e3, 65e3), MIXED),
    ],
    assumptions: "Assumed: 64 dies, times of a page, 16 MiB of buffer. The write amplification is the ratio of the \
        sequential and the random write rate.",
};
