//! Parameters as files: what is read back, what is overridden, and what is refused.

use block_types::Bytes;
use disk_model::drive::{Order, Until, Workload, closed_loop};
use disk_model::{CAPACITIES, Kind, ModelError, Params, products};
use std::path::Path;

fn read(text: &str) -> Result<Params, ModelError> {
    Params::from_toml(text, Path::new("disk.toml"))
}

#[test]
fn every_disk_is_read_back_from_what_it_writes() {
    for name in Params::NAMES.into_iter().chain(products::ALL.into_iter().map(|product| product.name)) {
        let params = Params::named(name).unwrap();
        let text = params.to_toml();
        assert_eq!(read(&text).unwrap(), params, "{name}:\n{text}");
        assert_eq!(toml::from_str::<Params>(&text).unwrap(), params, "{name}:\n{text}");
        params.build(Bytes(8 << 30), 1).unwrap();
    }
}

#[test]
fn every_name_is_of_the_kind_it_says() {
    let kinds = [Kind::Hdd, Kind::SataSsd, Kind::Nvme, Kind::CloudVolume, Kind::Instant];
    for (name, kind) in Params::NAMES.into_iter().zip(kinds) {
        assert_eq!(Params::named(name).unwrap().kind(), kind);
    }
    assert_eq!(Params::named("floppy"), None);
}

#[test]
fn a_file_overrides_single_values_of_its_base() {
    let Params::Hdd(base) = Params::named("hdd-7200").unwrap() else { panic!("no rotating disk") };
    let text = "base = \"hdd-7200\"\nrotation_rpm = 5400\nwrite_cache = \"write-through\"\n";
    let Params::Hdd(params) = read(text).unwrap() else { panic!("no rotating disk") };
    let mut expected = base;
    expected.rotation_rpm = 5400;
    expected.write_cache = disk_model::hdd::WriteCache::WriteThrough;
    assert_eq!(params, expected);
    assert_eq!(read("kind = \"nvme\"\nbase = \"nvme\"\n").unwrap(), Params::named("nvme").unwrap());
    assert_eq!(read("base = \"instant\"\n").unwrap(), Params::Instant);
}

#[test]
fn every_mistake_is_named_with_its_place_what_was_found_and_what_was_expected() {
    for (text, words) in [
        ("", &["disk.toml: kind: found nothing", "hdd, sata-ssd, nvme, cloud-volume, instant"][..]),
        ("kind = \"tape\"\n", &["disk.toml:1: kind: found \"tape\", expected one of hdd, sata-ssd"]),
        ("kind = 7\n", &["disk.toml:1:", "kind", "integer `7`"]),
        ("base = \"floppy\"\n", &["disk.toml:1: base: found \"floppy\"", "hdd-7200", "intel-dc-s4600"]),
        (
            "base = \"nvme\"\nkind = \"hdd\"\n",
            &["disk.toml:2: kind: found \"hdd\"", "\"nvme\", as the base is"],
        ),
        ("kind = \"hdd\"\nrotation_rpm = 7200\n", &["disk.toml: queue_depth: found nothing", "1 to 65535"]),
        (
            "base = \"hdd-7200\"\n\nrotation_rpm = 10\n",
            &["disk.toml:3: rotation_rpm: found 10", "1000 to 30000"],
        ),
        (
            "base = \"hdd-7200\"\nrotation_rpm = \"fast\"\n",
            &["disk.toml:2: rotation_rpm", "string \"fast\"", "u32"],
        ),
        ("base = \"hdd-7200\"\nrotation_rpm = -1\n", &["disk.toml:2: rotation_rpm", "-1", "u32"]),
        ("base = \"hdd-7200\"\nrotation_rpm = 7200.5\n", &["disk.toml:2: rotation_rpm", "7200.5"]),
        (
            "base = \"hdd-7200\"\n# a comment\nrpm = 7200\n",
            &["disk.toml:3:", "unknown field `rpm`", "rotation_rpm"],
        ),
        ("base = \"nvme\"\nrotation_rpm = 7200\n", &["disk.toml:2:", "unknown field `rotation_rpm`", "dies"]),
        ("base = \"instant\"\ndies = 7\n", &["disk.toml:2:", "unknown field `dies`"]),
        ("base = \"hdd-7200\"\nzones = 3\nzones = 4\n", &["disk.toml:3:", "duplicate key"]),
        ("base = \"hdd-7200\"\nzones = \n", &["disk.toml:2:", "zones"]),
        ("base = \"hdd-7200\nzones = 3\n", &["disk.toml:1:", "string"]),
        (
            "base = \"hdd-7200\"\nwrite_cache = \"on\"\n",
            &["disk.toml:2: write_cache: found \"on\", expected \"write-back\" or \"write-through\""],
        ),
        (
            "base = \"hdd-7200\"\nwrite_cache = true\n",
            &["disk.toml:2: write_cache", "boolean `true`", "string"],
        ),
        ("base = \"nvme\"\nrandom_write_amplification = 0.5\n", &["found 0.5, expected 1 to 100"]),
        (
            "base = \"nvme\"\nrandom_write_amplification = nan\n",
            &["disk.toml:2:", "found NaN, expected 1 to 100"],
        ),
        ("base = \"nvme\"\nrandom_write_amplification = inf\n", &["found inf, expected 1 to 100"]),
        ("base = \"nvme\"\n[slc]\nbytes = 3\n", &["disk.toml:2:", "unknown field `slc`"]),
        ("base = \"cloud-volume\"\nlatency_sigma = 9\n", &["disk.toml:2: latency_sigma: found 9", "0 to 3"]),
        ("\u{0}", &["disk.toml:1:"]),
    ] {
        let message = read(text).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "{text:?}: {message:?} does not say {word:?}");
        }
    }
}

#[test]
fn values_that_contradict_each_other_make_no_disk() {
    let build = |text: &str, capacity: u64| {
        let built = read(text).unwrap().build(Bytes(capacity), 1);
        built.err().map(|error| error.to_string()).unwrap()
    };
    for (text, words) in [
        (
            "base = \"hdd-7200\"\naverage_seek_us = 300\n",
            "average_seek_us: found 300, expected at least single_track",
        ),
        (
            "base = \"hdd-7200\"\nfull_stroke_seek_us = 7000\n",
            "full_stroke_seek_us: found 7000, expected at least",
        ),
        (
            "base = \"hdd-7200\"\ninner_bytes_per_s = 500000000\n",
            "outer_bytes_per_s: found 255000000, expected at least",
        ),
        (
            "base = \"aws-ebs-gp2\"\nbaseline_iops_max = 50.0\n",
            "baseline_iops_min: found 100, expected at most",
        ),
    ] {
        let message = build(text, 8 << 30);
        assert!(message.contains(words), "{text:?}: {message}");
    }
    assert!(build("base = \"nvme\"\n", 1_000).contains("capacity: found 1000 bytes, expected 67108864 to"));
    let Some(Params::Nvme(mut ssd)) = Params::named("nvme") else { panic!("no nvme") };
    ssd.dies = 0;
    let message = Params::Nvme(ssd).build(Bytes(8 << 30), 1).err().map(|error| error.to_string());
    assert_eq!(message.as_deref(), Some("dies: found 0, expected 1 to 4096"));
}

#[test]
fn the_ends_of_every_range_make_a_disk_that_works_or_say_why_not() {
    let mut built = 0;
    for name in Params::NAMES {
        let text = Params::named(name).unwrap().to_toml();
        for line in text.lines().filter(|line| !line.starts_with("kind")) {
            let (key, _) = line.split_once(" = ").unwrap();
            // What a file without the key is told to write there.
            let without = text.replace(line, "");
            let ModelError::Missing { expected, .. } = read(&without).unwrap_err() else { panic!("{key}") };
            let Some((least, most)) = expected.split_once(" to ") else { continue };
            for end in [least, most] {
                // A number that is written like a whole one may stand for a fraction.
                let whole = format!("{without}\n{key} = {end}\n");
                let params =
                    read(&whole).or_else(|_| read(&format!("{without}\n{key} = {end}.0\n"))).unwrap();
                for capacity in [CAPACITIES.start(), CAPACITIES.end()] {
                    let Ok(mut disk) = params.build(*capacity, 1) else { continue };
                    let work = Workload {
                        read_share: 0.5,
                        ..Workload::reads(Order::Random, Bytes(64 << 10), 8, *capacity)
                    };
                    let report = closed_loop(disk.as_mut(), &work, Until::Commands(300));
                    assert!(report.commands >= 300, "{name}, {key} = {end}: {report:?}");
                    built += 1;
                }
            }
        }
    }
    assert!(built > 150, "{built}");
}

#[test]
fn the_traits_are_those_that_a_driver_reports() {
    let traits = |name: &str| Params::named(name).unwrap().traits();
    let hdd = traits("hdd-7200");
    assert!(hdd.rotational && hdd.volatile_write_cache && hdd.queue_depth == 32);
    assert!(
        !read("base = \"hdd-7200\"\nwrite_cache = \"write-through\"\n")
            .unwrap()
            .traits()
            .volatile_write_cache
    );
    assert!(!traits("intel-dc-s4600").volatile_write_cache && traits("sata-ssd").volatile_write_cache);
    assert!(!traits("nvme").rotational && traits("nvme").queue_depth == 1023);
    assert!(!traits("cloud-volume").volatile_write_cache);
}
