//! Which disks may be tuned, and how the others are refused.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic as tests do")]

use block_types::{DevNo, Sectors};
use kernfs::fake::{FakeDisk, FakeKernel};
use kernfs::{Disk, DiskKind, Ineligible, Kernel, Zoned, eligibility};
use std::sync::Arc;

fn machine() -> Arc<dyn Kernel> {
    let path = |name: &str, minor: u32, holders: &[&str]| FakeDisk {
        devno: DevNo::new(8, minor),
        holders: holders.iter().map(|&holder| holder.to_owned()).collect(),
        ..FakeDisk::hdd(name)
    };
    let held_partition = FakeDisk {
        files: [("sdf1/holders/dm-1".to_owned(), String::new())].into(),
        ..path("sdf", 80, &[]).with_partitions(1)
    };
    let kernel = FakeKernel::new()
        .with_disk(FakeDisk::hdd("sda").with_partitions(2))
        .with_disk(FakeDisk::nvme("nvme0n1").with_partitions(1))
        .with_disk(FakeDisk::loopback("loop0"))
        .with_disk(FakeDisk { size: Sectors(0), backing_file: None, ..FakeDisk::loopback("loop1") })
        .with_disk(FakeDisk { read_only: true, ..FakeDisk::loopback("loop2") })
        .with_disk(FakeDisk { zoned: "host-managed".to_owned(), ..path("sdb", 16, &[]) })
        .with_disk(FakeDisk { zoned: "host-aware".to_owned(), ..path("sdc", 32, &[]) })
        .with_disk(path("sdd", 48, &["dm-0"]))
        .with_disk(path("sde", 64, &["dm-1"]))
        .with_disk(held_partition)
        .with_disk(FakeDisk { hidden: true, ..FakeDisk::nvme("nvme1c0n1") })
        .with_disk(FakeDisk { request_queue: false, ..FakeDisk::nvme("nvme1n1") })
        .with_disk(FakeDisk::dm("dm-0", "mpath-360014056", &["sdd"]))
        .with_disk(FakeDisk::dm("dm-1", "LVM-abcdef", &["sde", "sdf1"]))
        .with_disk(FakeDisk { slaves: vec!["sdx1".to_owned()], ..FakeDisk::bio_based("md127") })
        .with_disk(FakeDisk::bio_based("zram0"))
        .with_disk(FakeDisk::bio_based("ram3"));
    Arc::new(kernel)
}

fn refusal(name: &str) -> Option<Ineligible> {
    let disk = Disk::open(machine(), name).unwrap();
    eligibility(&disk.identity().unwrap()).err()
}

#[test]
fn ordinary_disks_may_be_tuned() {
    for name in ["sda", "nvme0n1", "loop0", "sde", "sdf"] {
        assert_eq!(refusal(name), None, "{name}");
    }
}

#[test]
fn every_refusal_names_the_device_and_its_reason() {
    type Row = (&'static str, fn(&Ineligible) -> bool, &'static [&'static str]);
    let rows: [Row; 11] = [
        ("loop1", |why| matches!(why, Ineligible::Empty { .. }), &["no file is attached"]),
        ("loop2", |why| matches!(why, Ineligible::ReadOnly { .. }), &["read-only"]),
        ("sdb", |why| matches!(why, Ineligible::Zoned { .. }), &["zoned"]),
        ("sdc", |why| matches!(why, Ineligible::Zoned { .. }), &["zoned"]),
        ("sdd", |why| matches!(why, Ineligible::MultipathPath { .. }), &["multipath", "dm-0"]),
        ("nvme1c0n1", |why| matches!(why, Ineligible::MultipathPath { .. }), &["multipath"]),
        ("nvme1n1", |why| matches!(why, Ineligible::NoTunableQueue { .. }), &["nvme", "bios"]),
        ("dm-1", |why| matches!(why, Ineligible::Dm { .. }), &["device-mapper", "sde, sdf1"]),
        ("md127", |why| matches!(why, Ineligible::Md { .. }), &["RAID", "sdx1"]),
        ("zram0", |why| matches!(why, Ineligible::Zram { .. }), &["compressed memory"]),
        ("ram3", |why| matches!(why, Ineligible::NoTunableQueue { .. }), &["ram", "bios"]),
    ];
    for (name, is_of_kind, words) in rows {
        let why = refusal(name).unwrap_or_else(|| panic!("{name} is not refused"));
        assert!(is_of_kind(&why), "{name}: {why:?}");
        let text = why.to_string();
        for word in [name].iter().chain(words) {
            assert!(text.contains(word), "{text:?} does not say {word:?}");
        }
    }
}

#[test]
fn a_partition_is_found_on_its_disk_and_refused_by_name() {
    for (partition, disk) in [("sda2", "sda"), ("/dev/nvme0n1p1", "nvme0n1")] {
        let found = Disk::find(machine(), partition).unwrap();
        assert_eq!(found.disk.name(), disk);
        let why = found.eligibility(&found.disk.identity().unwrap()).unwrap_err();
        let name = partition.trim_start_matches("/dev/").to_owned();
        assert_eq!(why, Ineligible::Partition { name, disk: disk.to_owned() });
        assert!(why.to_string().contains(disk));
    }
    let whole = Disk::find(machine(), "sda").unwrap();
    assert_eq!(whole.eligibility(&whole.disk.identity().unwrap()), Ok(()));
}

#[test]
fn identities() {
    let disk = |name: &str| Disk::open(machine(), name).unwrap().identity().unwrap();
    let sda = disk("sda");
    assert_eq!(sda.model.as_deref(), Some("WDC WD40EFRX-68N"));
    assert_eq!((sda.kind, sda.rotational, sda.zoned), (DiskKind::Scsi, true, Zoned::No));
    assert_eq!(
        sda.partitions,
        [("sda1".to_owned(), DevNo::new(8, 1)), ("sda2".to_owned(), DevNo::new(8, 2))]
    );
    let nvme = disk("nvme0n1");
    assert_eq!((nvme.kind, nvme.rotational), (DiskKind::Nvme, false));
    assert_eq!(nvme.partitions[0].0, "nvme0n1p1");
    assert_eq!(disk("sdf").holders, ["dm-1"], "a partition's holders are its disk's");
    assert_eq!(disk("dm-1").slaves, ["sde", "sdf1"]);
    assert_eq!(disk("nvme1c0n1").devno, DevNo::new(0, 0));
    assert_eq!(disk("sdc").zoned, Zoned::HostAware);
}

#[test]
fn kinds_by_name() {
    let rows = [
        ("loop7", DiskKind::Loop),
        ("nvme0n1", DiskKind::Nvme),
        ("nvme1c2n3", DiskKind::Nvme),
        ("sda", DiskKind::Scsi),
        ("sdaa", DiskKind::Scsi),
        ("sr0", DiskKind::Optical),
        ("vda", DiskKind::VirtioBlk),
        ("xvda", DiskKind::Xen),
        ("mmcblk0", DiskKind::Mmc),
        ("dm-12", DiskKind::Dm),
        ("md0", DiskKind::Md),
        ("md_d0", DiskKind::Md),
        ("zram0", DiskKind::Zram),
        ("ram0", DiskKind::Ram),
        ("nbd3", DiskKind::Nbd),
        ("nullb0", DiskKind::NullBlk),
        ("ublkb0", DiskKind::Ublk),
        ("cciss!c0d0", DiskKind::Other("cciss!c".to_owned())),
    ];
    for (name, kind) in rows {
        assert_eq!(DiskKind::of(name), kind, "{name}");
    }
}

#[test]
fn a_slash_in_a_device_name_is_the_kernels_exclamation_mark() {
    let kernel = FakeKernel::new().with_disk(FakeDisk::hdd("cciss!c0d0"));
    assert_eq!(Disk::open(Arc::new(kernel), "/dev/cciss/c0d0").unwrap().name(), "cciss!c0d0");
}

#[test]
fn all_disks_are_listed_once() {
    let names: Vec<String> =
        Disk::list(&machine()).unwrap().iter().map(|disk| disk.name().to_owned()).collect();
    assert_eq!(names.len(), 17);
    assert!(names.is_sorted() && !names.contains(&"sda1".to_owned()));
}
