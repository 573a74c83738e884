//! Nothing panics on arbitrary bytes, and what was printed parses back.

use block_types::{DevNo, Elevator, Knob, Sectors};
use kernfs::fake::{FakeDisk, FakeKernel};
use kernfs::{Discards, Disk, DiskStats, ElevatorName, Flushes, KPath, Kernel, SchedulerMenu, parse};
use proptest::prelude::*;
use std::sync::Arc;

/// Bytes that are often near to something valid.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "[0-9 \\[\\]a-z=:.\\-\n]{0,80}".prop_map(String::into_bytes),
        "(none|mq-deadline|\\[kyber\\]|depth=|bitmap_tags:|[0-9]{1,25}|[ \n\\[\\]]){0,30}"
            .prop_map(String::into_bytes),
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9!._-]{1,20}"
}

prop_compose! {
    fn stats()(
        name in name(), major in 0..=0x7fff_ffff_u32, minor in 0..=0x7fff_ffff_u32,
        c in any::<[u64; 17]>(), columns in 0..3_u8,
    ) -> DiskStats {
        DiskStats {
            dev: DevNo::new(major, minor), name,
            reads: c[0], read_merges: c[1], read_sectors: Sectors(c[2]), read_ms: c[3],
            writes: c[4], write_merges: c[5], write_sectors: Sectors(c[6]), write_ms: c[7],
            in_flight: c[8], io_ticks_ms: c[9], weighted_ms: c[10],
            discards: (columns > 0)
                .then_some(Discards { count: c[11], merges: c[12], sectors: Sectors(c[13]), ms: c[14] }),
            flushes: (columns > 1).then_some(Flushes { count: c[15], ms: c[16] }),
        }
    }
}

proptest! {
    #[test]
    fn no_parser_panics(bytes in bytes()) {
        let _ = parse::number(&bytes);
        let _ = parse::boolean(&bytes);
        let _ = parse::word(&bytes);
        let _ = parse::zoned(&bytes);
        let _ = parse::in_flight(&bytes);
        let _ = parse::tag_depth(&bytes);
        let _ = parse::uuid(&bytes);
        if let Some(menu) = parse::menu(&bytes) {
            prop_assert!(menu.offered.contains(&menu.active));
        }
        let text = String::from_utf8_lossy(&bytes);
        let _ = DiskStats::parse(&text);
        let _ = DiskStats::parse_stat(DevNo::new(7, 0), "loop0", &text);
    }

    #[test]
    fn no_reader_panics_whatever_any_file_holds(bytes in bytes(), which in any::<prop::sample::Index>()) {
        let kernel = FakeKernel::new().with_disk(FakeDisk {
            scheduler: "bfq".to_owned(),
            model: Some("m".to_owned()),
            ..FakeDisk::loopback("loop0").with_partitions(1)
        });
        let mut files = vec![
            KPath::proc("diskstats"), KPath::proc("sys/kernel/random/boot_id"),
            KPath::debug("block/loop0/hctx0/tags"), KPath::debug("block/loop0/rqos/wbt/enabled"),
        ];
        for dir in ["", "/queue", "/queue/iosched", "/loop0p1", "/device", "/loop"] {
            let dir = KPath::sys(format!("block/loop0{dir}"));
            files.extend(kernel.list(&dir).unwrap().iter().map(|name| dir.join(name)));
        }
        kernel.set_text(which.get(&files).clone(), bytes);
        let kernel: Arc<dyn Kernel> = Arc::new(kernel);
        let disk = Disk::open(Arc::clone(&kernel), "loop0").unwrap();
        let _ = disk.identity().map(|identity| kernfs::eligibility(&identity).map_err(|why| why.to_string()));
        let _ = disk.read_settings();
        let _ = disk.scheduler();
        for &knob in Knob::ALL {
            let _ = disk.read_knob(knob);
        }
        let _ = disk.stats();
        let _ = disk.in_flight();
        let _ = disk.tag_depth();
        let _ = disk.wbt_state();
        let _ = disk.max_hw_sectors_kb();
        let _ = kernfs::diskstats(&*kernel);
        let _ = kernfs::boot_id(&*kernel);
    }

    #[test]
    fn numbers_parse_back(number in any::<u64>()) {
        prop_assert_eq!(parse::number(format!("{number}\n").as_bytes()), Some(number));
    }

    #[test]
    fn menus_parse_back(
        names in prop::collection::vec(name(), 1..6), active in any::<prop::sample::Index>(),
    ) {
        let active = active.index(names.len());
        let text: String = names
            .iter()
            .enumerate()
            .map(|(index, name)| if index == active { format!("[{name}] ") } else { format!("{name} ") })
            .collect();
        let offered: Vec<ElevatorName> = names.iter().map(|name| ElevatorName::from(name.as_str())).collect();
        let menu = SchedulerMenu { active: offered[active].clone(), offered };
        prop_assert_eq!(parse::menu(format!("{text}\n").as_bytes()), Some(menu));
    }

    #[test]
    fn counters_parse_back(stats in stats()) {
        prop_assert_eq!(DiskStats::parse(&stats.to_line()), Some(stats.clone()));
        let stat = format!("{}\n", stats.to_stat());
        prop_assert_eq!(DiskStats::parse_stat(stats.dev, &stats.name, &stat), Some(stats));
    }

    #[test]
    fn a_column_that_is_no_number_is_an_error_and_never_a_missing_column(
        stats in stats(), column in any::<prop::sample::Index>(), garbage in "[a-z.+-]{1,5}",
    ) {
        let line = stats.to_line();
        let mut columns: Vec<&str> = line.split_whitespace().collect();
        let counters = columns.len() - 3;
        columns[3 + column.index(counters)] = &garbage;
        prop_assert_eq!(DiskStats::parse(&columns.join(" ")), None);
    }

    /// Whatever is written where, the fake stays a queue that can be read.
    #[test]
    fn the_fake_keeps_its_shape(
        writes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop_oneof![
                "[0-9]{1,10}", "-?[0-9]{1,20}", "0x[0-9a-f]{1,9}",
                Just("mq-deadline".to_owned()), Just("kyber".to_owned()), Just("bfq".to_owned()),
                Just("none".to_owned()), any::<String>(),
            ]), 0..40),
    ) {
        let kernel = FakeKernel::new().with_disk(FakeDisk::loopback("loop0"));
        let shared: Arc<dyn Kernel> = Arc::new(kernel.clone());
        let disk = Disk::open(shared, "loop0").unwrap();
        for (which, text) in writes {
            let mut files = Vec::new();
            for dir in ["queue", "queue/iosched"].map(|dir| KPath::sys(format!("block/loop0/{dir}"))) {
                files.extend(kernel.list(&dir).unwrap_or_default().iter().map(|name| dir.join(name)));
            }
            let _ = kernel.write(which.get(&files), &text);
            let menu = disk.scheduler().unwrap();
            prop_assert_eq!(menu.known(), Elevator::ALL.to_vec());
            let readout = disk.read_settings().unwrap();
            let number = |knob| readout.settings.number(knob).unwrap();
            prop_assert!((4..=2048).contains(&number(Knob::NrRequests)));
            prop_assert!((4..=128).contains(&disk.tag_depth().unwrap().unwrap()));
            prop_assert!((4..=1280).contains(&number(Knob::MaxSectorsKb)));
            prop_assert!(number(Knob::ReadAheadKb) % 4 == 0);
            prop_assert!(number(Knob::RqAffinity) <= 2 && number(Knob::Nomerges) <= 2);
        }
    }
}
