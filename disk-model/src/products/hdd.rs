//! Rotating disks of 7200 rpm.
//!
//! No data sheet gives random IOPS without a write cache at depth 1; mechanics do: one command takes the mean seek and
//! half a revolution. For depth 32 the public record is that native command queuing nearly doubles the rate of
//! 7200 rpm SATA drives (StorageReview's tests, as cited in Wikipedia, "IOPS"); the figures here say twice.

use super::{Figure, Origin, Product, Region, mix};
use Origin::{DataSheet, Derived};

const HALF_TURN_S: f64 = 30.0 / 7200.0;

/// Commands per second of a mean seek and half a revolution each.
const fn one_by_one(seek_s: f64) -> f64 {
    1.0 / (seek_s + HALF_TURN_S)
}

const MECHANICS: Origin = Derived("1 / (mean seek + half a revolution)");
const QUEUED: Origin =
    Derived("twice depth 1: NCQ on 7200 rpm SATA drives, StorageReview as cited in Wikipedia, \"IOPS\"");
const MIXED: Origin = Derived("harmonic mean of the read and write figures above");

const fn stream(what: &'static str, read_share: f64, bytes_per_s: f64, origin: Origin) -> Figure {
    Figure::stream(what, read_share, bytes_per_s, origin).on(Region::First).over(6_000)
}

const fn random(what: &'static str, read_share: f64, depth: u32, iops: f64, origin: Origin) -> Figure {
    Figure::random(what, read_share, depth, iops, origin).write_through().after(300).over(4_000)
}

const HC310_RATE: Origin =
    DataSheet("Western Digital, Ultrastar DC HC310 data sheet: sustained transfer rate 255 MB/s (recalled)");
const HC310_READ: f64 = one_by_one(0.0074);
const HC310_WRITE: f64 = one_by_one(0.0082);

/// The default.
pub(super) static ULTRASTAR_DC_HC310: Product = Product {
    name: "wd-ultrastar-dc-hc310",
    model: "WD Ultrastar DC HC310 (7K6), 6 TB, SATA",
    toml: include_str!("../../products/wd-ultrastar-dc-hc310.toml"),
    figures: &[
        stream("sequential read, outer tracks", 1.0, 255e6, HC310_RATE),
        stream(
            "sequential read, outer tracks, depth 1",
            1.0,
            255e6,
            Derived("the same: read-ahead hides the gaps"),
        )
        .at_depth(1),
        stream("sequential write, outer tracks", 0.0, 255e6, HC310_RATE),
        random("random read, depth 1", 1.0, 1, HC310_READ, MECHANICS),
        random("random read, depth 32", 1.0, 32, 2.0 * HC310_READ, QUEUED),
        random("random write, write-through, depth 1", 0.0, 1, HC310_WRITE, MECHANICS),
        random("random write, write-through, depth 32", 0.0, 32, 2.0 * HC310_WRITE, QUEUED),
        random("70 % reads, write-through, depth 1", 0.7, 1, mix(0.7, HC310_READ, HC310_WRITE), MIXED),
        random(
            "70 % reads, write-through, depth 32",
            0.7,
            32,
            2.0 * mix(0.7, HC310_READ, HC310_WRITE),
            MIXED,
        ),
    ],
    assumptions: "Seeks: OEM specification, rev. 1.4, 2018-09-18, tables 5 and 6 (mean 7.4 ms reading, 8.2 ms writing; \
        one track 0.23 and 0.32 ms, of which the longer is used). Assumed: a full stroke of twice the mean, the inner \
        rate in the Constellation ES.3's proportion, 24 zones, 0.2 ms of overhead, an age bound of 2 s, read-ahead of \
        4 MiB in 16 segments, 64 MiB and 128 extents of write cache. The margin of 1.1 ms is fitted to depth 32.",
};

const ES3_RATE: Origin = DataSheet(
    "Seagate, Constellation ES.3 SAS product manual, rev. C, 4.1.2: sustained transfer rate 83 to 175 MB/s",
);
const ES3_READ: f64 = one_by_one(0.0085);
const ES3_WRITE: f64 = one_by_one(0.0095);

/// An older drive with shorter tracks.
pub(super) static CONSTELLATION_ES3: Product = Product {
    name: "seagate-constellation-es3",
    model: "Seagate Constellation ES.3, 4 TB",
    toml: include_str!("../../products/seagate-constellation-es3.toml"),
    figures: &[
        stream("sequential read, outer tracks", 1.0, 175e6, ES3_RATE),
        stream("sequential write, outer tracks", 0.0, 175e6, ES3_RATE),
        stream("sequential read, inner tracks", 1.0, 83e6, ES3_RATE).on(Region::Last),
        random("random read, depth 1", 1.0, 1, ES3_READ, MECHANICS),
        random("random read, depth 32", 1.0, 32, 2.0 * ES3_READ, QUEUED),
        random("random write, write-through, depth 1", 0.0, 1, ES3_WRITE, MECHANICS),
        random("random write, write-through, depth 32", 0.0, 32, 2.0 * ES3_WRITE, QUEUED),
        random("70 % reads, write-through, depth 1", 0.7, 1, mix(0.7, ES3_READ, ES3_WRITE), MIXED),
        random("70 % reads, write-through, depth 32", 0.7, 32, 2.0 * mix(0.7, ES3_READ, ES3_WRITE), MIXED),
    ],
    assumptions: "Seeks: Constellation ES.3 data sheet (mean 8.5 ms reading, 9.5 ms writing; recalled). Assumed: \
        0.7 ms from track to track, a full stroke of twice the mean, and the rest as for the Ultrastar DC HC310.",
};
