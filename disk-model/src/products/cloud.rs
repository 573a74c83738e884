//! Volumes of Amazon EBS, of which the rates are documented and the latencies only by their order of magnitude
//! ("single-digit millisecond"): there is no figure for depth 1 to be held to.

use super::{Figure, Origin, Product};
use Origin::DataSheet;

const MIB: f64 = 1_048_576.0;
const GP3: Origin = DataSheet(
    "Amazon EBS User Guide, \"General Purpose SSD volumes\": gp3, 3000 IOPS and 125 MiB/s included",
);

/// The default.
pub(super) static EBS_GP3: Product = Product {
    name: "aws-ebs-gp3",
    model: "Amazon EBS gp3, as created by default",
    toml: include_str!("../../products/aws-ebs-gp3.toml"),
    figures: &[
        Figure::stream("sequential read", 1.0, 125.0 * MIB, GP3),
        Figure::stream("sequential write", 0.0, 125.0 * MIB, GP3),
        Figure::random("random read, depth 32", 1.0, 32, 3e3, GP3),
        Figure::random("random write, depth 32", 0.0, 32, 3e3, GP3),
        Figure::random("70 % reads, depth 32", 0.7, 32, 3e3, GP3),
    ],
    assumptions: "Assumed: medians of 0.65 and 0.70 ms with a sigma of 0.35, which is within the documented \
        single-digit milliseconds; how far arrivals may crowd; a driver's queue of 128.",
};

const GP2: Origin = DataSheet(
    "Amazon EBS User Guide, \"General Purpose SSD volumes\": gp2, burst to 3000 IOPS, 5.4 million credits",
);
const GP2_BASELINE: Origin =
    DataSheet("Amazon EBS User Guide, \"General Purpose SSD volumes\": gp2, 3 IOPS/GiB and at least 100");
const GP2_RATE: Origin = DataSheet(
    "Amazon EBS User Guide, \"General Purpose SSD volumes\": gp2, 128 MiB/s for volumes of at most 170 GiB (recalled)",
);

/// Its predecessor, with a burst.
pub(super) static EBS_GP2: Product = Product {
    name: "aws-ebs-gp2",
    model: "Amazon EBS gp2, of at most 170 GiB",
    toml: include_str!("../../products/aws-ebs-gp2.toml"),
    figures: &[
        Figure::stream("sequential read", 1.0, 128.0 * MIB, GP2_RATE),
        Figure::stream("sequential write", 0.0, 128.0 * MIB, GP2_RATE),
        Figure::random("random read, depth 32, with credits", 1.0, 32, 3e3, GP2),
        Figure::random("random write, depth 32, with credits", 0.0, 32, 3e3, GP2),
        Figure::random("70 % reads, depth 32, with credits", 0.7, 32, 3e3, GP2),
        // 32 GiB earn 100 a second while 3000 are spent: the credits last for 5.4 million × 3000 / 2900 commands.
        Figure::random("random read, depth 32, credits spent", 1.0, 32, 100.0, GP2_BASELINE)
            .after(5_600_000)
            .over(2_000),
    ],
    assumptions: EBS_GP3.assumptions,
};
