//! The disk as a whole: what it is, what it has, and how it goes.

use crate::Case;
use crate::subject::{Need, Subject, check};
use block_types::{Elevator, Knob, KnobValue};
use kernfs::{Attr, Disk, DiskKind, Errno, Error, InFlight, KPath, KnobErrorKind, WriteValue, Zoned};
use libtest_mimic::Failed;
use std::sync::Arc;

pub(crate) const CASES: &[Case] = &[
    Case { name: "identity", needs: &[], run: identity },
    Case { name: "partitions_are_folded_into_their_disk", needs: &[], run: partitions },
    Case { name: "names_that_are_no_disk", needs: &[], run: no_disk },
    Case {
        name: "every_knob_has_its_place",
        needs: &[
            Need::Scheduler(Elevator::MqDeadline),
            Need::Scheduler(Elevator::Kyber),
            Need::Scheduler(Elevator::Bfq),
            Need::Wbt,
            Need::Linux618,
        ],
        run: places,
    },
    Case { name: "attributes_that_cannot_be_written", needs: &[], run: read_only },
    Case { name: "counters", needs: &[], run: counters },
    Case { name: "a_disk_that_goes", needs: &[], run: goes },
    Case { name: "boot_id", needs: &[], run: boot_id },
    Case { name: "an_empty_write_is_no_write", needs: &[], run: empty_write },
];

fn identity(subject: &Subject) -> Result<(), Failed> {
    let identity = subject.disk.identity()?;
    check("name", &identity.name.as_str(), &subject.disk.name())?;
    check("kind", &identity.kind, &DiskKind::Loop)?;
    check("major", &identity.devno.major, &7)?;
    check("size", &identity.size.0, &131_072)?;
    check("model", &identity.model, &None)?;
    check("zoned", &identity.zoned, &Zoned::No)?;
    let flags = [identity.removable, identity.read_only, identity.hidden, identity.multipath_member];
    check("removable, read_only, hidden, multipath", &flags, &[false; 4])?;
    check("request_queue", &identity.request_queue, &true)?;
    check("holders and slaves", &(identity.holders.len(), identity.slaves.len()), &(0, 0))?;
    let file = identity.backing_file.clone().unwrap_or_default();
    check("the backing file is absolute", &file.starts_with('/'), &true)?;
    check("diskseq is there", &identity.diskseq.is_some(), &true)?;
    check("hardware queues", &subject.disk.hw_queues()?, &1)?;
    check("eligibility", &kernfs::eligibility(&identity), &Ok(()))?;
    check("rotational", &identity.rotational, &(subject.read("queue/rotational") == Ok("1".to_owned())))
}

fn partitions(subject: &Subject) -> Result<(), Failed> {
    let identity = subject.disk.identity()?;
    let disk = subject.disk.name();
    let names: Vec<&str> = identity.partitions.iter().map(|(name, _)| name.as_str()).collect();
    check("partitions", &names, &vec![&*format!("{disk}p1"), &*format!("{disk}p2")])?;
    for (partition, dev) in &identity.partitions {
        for found in [
            Disk::find(Arc::clone(&subject.kernel), partition)?,
            Disk::find(Arc::clone(&subject.kernel), &format!("/dev/{partition}"))?,
            Disk::by_devno(Arc::clone(&subject.kernel), *dev)?,
        ] {
            check("its disk", &found.disk.name(), &disk)?;
            check("itself", &found.partition.as_ref(), &Some(partition))?;
            let refusal = found.eligibility(&identity).map_err(|refusal| refusal.to_string());
            check("refusal", &refusal.is_err_and(|text| text.contains("is a partition")), &true)?;
        }
    }
    let found = Disk::by_devno(Arc::clone(&subject.kernel), identity.devno)?;
    check("by number", &(found.disk.name(), found.partition), &(disk, None))?;
    let all = Disk::list(&subject.kernel)?;
    check("listed once", &all.iter().filter(|other| other.name().starts_with(disk)).count(), &1)
}

fn no_disk(subject: &Subject) -> Result<(), Failed> {
    for name in ["", "/dev/", ".", "..", "../block", "no-such-disk", "loop3/queue", "/dev/../loop3", "a\0b"] {
        let found = Disk::open(Arc::clone(&subject.kernel), name);
        check(&format!("{name:?}"), &matches!(found, Err(Error::NoSuchDisk { .. })), &true)?;
    }
    Ok(())
}

fn places(subject: &Subject) -> Result<(), Failed> {
    for elevator in Elevator::ALL {
        subject.disk.write_knob(Knob::Scheduler, KnobValue::Elevator(elevator))?;
        let readout = subject.disk.read_settings()?;
        for &knob in Knob::ALL {
            let expected = knob.is_knob_of(elevator);
            let what = format!("{knob} under {elevator}");
            check(&what, &readout.settings.get(knob).is_some(), &expected)?;
            check(&what, &subject.disk.read_knob(knob)?.value(), &readout.settings.get(knob))?;
            check(&format!("{what} can be written"), &subject.disk.knob_writable(knob), &expected)?;
            if !expected {
                check(&what, &subject.disk.read_knob(knob)?, &Attr::Absent)?;
                let refused = subject.disk.write_knob(knob, KnobValue::Number(1));
                check(&what, &refused.map_err(|error| error.kind), &Err(KnobErrorKind::Absent))?;
            }
        }
        check("nothing is unsupported", &readout.unsupported.len(), &0)?;
    }
    Ok(())
}

fn read_only(subject: &Subject) -> Result<(), Failed> {
    for rest in ["queue/max_hw_sectors_kb", "queue/zoned", "queue/logical_block_size", "size", "stat"] {
        let before = subject.read(rest);
        check(rest, &subject.write(rest, "1"), &Err(Errno::Access))?;
        check(rest, &subject.kernel.writable(&subject.path(rest))?, &false)?;
        check(rest, &subject.read(rest), &before)?;
    }
    check("no such file", &subject.write("queue/no_such_knob", "1"), &Err(Errno::NoEntry))?;
    check("no such file", &subject.read("queue/no_such_knob"), &Err(Errno::NoEntry))?;
    check("no such directory", &subject.kernel.list(&subject.path("nowhere")).is_err(), &true)?;
    check("a file is no directory", &subject.kernel.list(&subject.path("size")).is_err(), &true)?;
    let refused = subject.disk.write_knob(Knob::FifoBatch, WriteValue::KernelDefault);
    check("no default value", &refused.map_err(|error| error.kind), &Err(KnobErrorKind::Refused))
}

fn counters(subject: &Subject) -> Result<(), Failed> {
    let own = subject.disk.stats()?;
    check("number", &own.dev, &subject.disk.devno()?)?;
    check("discards and flushes", &(own.discards.is_some(), own.flushes.is_some()), &(true, true))?;
    check("in flight", &subject.disk.in_flight()?, &InFlight { reads: 0, writes: 0 })?;
    let table = kernfs::diskstats(&*subject.kernel)?;
    let row = table.iter().find(|row| row.name == subject.disk.name()).cloned();
    check("the row of /proc/diskstats", &row, &Some(subject.disk.stats()?))?;
    for (partition, dev) in subject.disk.identity()?.partitions {
        let row = table.iter().find(|row| row.name == partition);
        check("a partition has a row of its own", &row.map(|row| row.dev), &Some(dev))?;
    }
    Ok(())
}

fn goes(subject: &Subject) -> Result<(), Failed> {
    subject.remove()?;
    check("present", &subject.disk.is_present(), &false)?;
    let gone = |result: Result<(), Error>| result.is_err_and(|error| error.is_gone());
    check("read_knob", &gone(subject.disk.read_knob(Knob::NrRequests).map(drop)), &true)?;
    check("read_settings", &gone(subject.disk.read_settings().map(drop)), &true)?;
    check("identity", &gone(subject.disk.identity().map(drop)), &true)?;
    check("stats", &gone(subject.disk.stats().map(drop)), &true)?;
    check("tag_depth", &subject.disk.tag_depth()?, &None)?;
    let refused = subject.disk.write_knob(Knob::NrRequests, KnobValue::Number(64));
    check("write_knob", &refused.map_err(|error| error.kind), &Err(KnobErrorKind::Gone))?;
    check("knob_writable", &subject.disk.knob_writable(Knob::NrRequests), &false)
}

fn boot_id(subject: &Subject) -> Result<(), Failed> {
    let once = kernfs::boot_id(&*subject.kernel)?;
    check("the same twice", &kernfs::boot_id(&*subject.kernel)?, &once)?;
    check("exists", &subject.kernel.exists(&KPath::proc("sys/kernel/random/boot_id")), &true)
}

fn empty_write(subject: &Subject) -> Result<(), Failed> {
    for knob in ["scheduler", "nr_requests", "read_ahead_kb", "wbt_lat_usec"] {
        let rest = format!("queue/{knob}");
        let before = subject.read(&rest);
        check(knob, &subject.write(&rest, ""), &Ok(()))?;
        check(knob, &subject.read(&rest), &before)?;
    }
    Ok(())
}
