//! What holds for any input.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use blktrace_parser::text::{blkparse, iolog, msr};
use blktrace_parser::{
    Action, Arrivals, ByteOrder, Categories, Device, Event, Format, Header, IoEvents, Merge, Options,
    Payload, Record, RecordReader, Records, RemapOrigin, Requests,
};
use block_types::{IoEvent, Phase};
use proptest::prelude::*;

fn order() -> impl Strategy<Value = ByteOrder> {
    prop_oneof![Just(ByteOrder::Little), Just(ByteOrder::Big)]
}

prop_compose! {
    fn header(pdu: usize)(
        numbers in any::<(u32, u64, u64, u32, u32, u32, u32, u32, u16)>(),
    ) -> Header {
        let (sequence, time_ns, sector, bytes, action, pid, device, cpu, error) = numbers;
        Header { sequence, time_ns, sector, bytes, action, pid, device, cpu, error, pdu_len: pdu as u16 }
    }
}

fn record() -> impl Strategy<Value = (Header, Vec<u8>)> {
    prop::collection::vec(any::<u8>(), 0..80).prop_flat_map(|pdu| (header(pdu.len()), Just(pdu)))
}

prop_compose! {
    /// An event that blkparse prints and that its text can say.
    fn printable()(
        code in prop::sample::select(vec!["Q", "M", "F", "G", "S", "R", "D", "C", "P", "U", "UT", "I", "X", "B", "A"]),
        rwbs in prop::sample::select(vec!["R", "W", "RA", "WS", "FWFSM", "DS", "N", "FN", "RM"]),
        time_ns in any::<u64>(),
        sequence in prop::option::of(1_u32..),
        numbers in (0_u32..4096, 0_u32..1 << 20, any::<u32>(), any::<u32>(), any::<u16>()),
        sector in 0..u64::MAX / 2,
        sectors in 1_u32..8_388_608,
        other in any::<u64>(),
    ) -> Event<'static> {
        let action = Action::from_code(code).unwrap();
        let (major, minor, cpu, pid, error) = numbers;
        let device = Device { major, minor };
        let placed = !matches!(action, Action::Plug | Action::UnplugIo | Action::UnplugTimer);
        let sized = placed && action != Action::Split;
        let said = if sized { rwbs } else { "N" };
        let categories = Categories::from_rwbs(said).unwrap().with(action.own_category());
        Event {
            time_ns, sequence, device, cpu, pid, action, categories,
            sector: if placed { sector } else { 0 },
            bytes: if sized { sectors * 512 } else { 0 },
            error: if action == Action::Complete { error } else { 0 },
            cgroup: None,
            payload: match action {
                Action::UnplugIo | Action::UnplugTimer => Payload::Unplug { requests: other },
                Action::Split => Payload::Split { second: other },
                Action::Remap => Payload::Remap(RemapOrigin { device: Device { major: 7, minor: 3 }, to: device, sector: other }),
                _ => Payload::None,
            },
        }
    }
}

fn drain(bytes: Vec<u8>, options: Options) -> usize {
    IoEvents::from_reader(std::io::Cursor::new(bytes), options).map_or(0, Iterator::count)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        drain(bytes.clone(), Options::default());
        for format in Format::ALL {
            drain(bytes.clone(), Options { format: Some(format), skip_bad_lines: 3 });
        }
    }

    #[test]
    fn any_bytes_after_a_magic_are_read_or_refused(
        chunks in prop::collection::vec((order(), prop::collection::vec(any::<u8>(), 40..120)), 1..20),
    ) {
        let mut bytes = Vec::new();
        for (order, chunk) in chunks {
            bytes.extend_from_slice(if order == ByteOrder::Little { b"\x07tae" } else { b"eat\x07" });
            bytes.extend(chunk);
        }
        let mut requests = Requests::with_limit(4);
        for record in Records::new(&bytes).flatten() {
            if let Ok(event) = Event::from_record(&record) {
                requests.observe(&event);
            }
        }
        prop_assert!(requests.open() <= 4 + 1, "{} open", requests.open());
        drain(bytes, Options::default());
    }

    #[test]
    fn any_text_of_the_right_words_is_read_or_refused(
        words in prop::collection::vec(prop::sample::select(vec![
            "fio version 2 iolog\n", "fio version 3 iolog\n", "\n", " ", ",", "8,0", "0.000000001", "Q", "X", "A", "m",
            "R", "N", "+", "/", "<-", "(8,1)", "(", ")", "[fio]", "[", "]", "1", "18446744073709551615", "read", "wait",
            "add", "f", "Read", "hm", "é",
        ]), 0..200),
    ) {
        let text = words.join(" ").into_bytes();
        for format in Format::ALL {
            drain(text.clone(), Options { format: Some(format), skip_bad_lines: u64::MAX });
        }
    }

    #[test]
    fn records_come_back_as_they_were_written(
        order in order(),
        records in prop::collection::vec(record(), 0..20),
        chunk in 1_usize..200,
    ) {
        let bytes: Vec<u8> = records
            .iter()
            .flat_map(|(header, pdu)| Record { header: *header, order, pdu, offset: 0 }.to_bytes())
            .collect();
        let read: Vec<_> = Records::new(&bytes).map(|r| r.map(|r| (r.header, r.pdu.to_vec()))).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(&read, &records);
        // And from a source that gives only so much at a time.
        let mut reader = RecordReader::new(Slow { bytes: &bytes, chunk });
        let mut streamed = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            streamed.push((record.header, record.pdu.to_vec()));
        }
        prop_assert_eq!(&streamed, &records);
    }

    #[test]
    fn arrivals_are_the_queueings_and_any_bytes_are_read_or_refused(
        events in prop::collection::vec(printable(), 0..40),
        order in order(),
        flipped in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut bytes: Vec<u8> = events.iter().flat_map(|event| event.encode(order)).collect();
        let options = Options { format: Some(Format::Blktrace), skip_bad_lines: 0 };
        let source = |bytes: &[u8]| std::io::Cursor::new(bytes.to_vec());
        let key = |event: &IoEvent| (event.at, event.dev, event.sector, event.sectors, event.op, event.sync);
        let queued = IoEvents::from_reader(source(&bytes), options).unwrap().map(Result::unwrap);
        let mut wanted: Vec<_> = queued.filter(|event| event.phase == Phase::Queued).collect();
        let mut arrivals = Arrivals::from_reader(source(&bytes), options).unwrap();
        let mut found = Vec::new();
        while let Some(event) = arrivals.next_arrival().unwrap() {
            found.push(event);
        }
        wanted.sort_by_key(key);
        found.sort_by_key(key);
        prop_assert_eq!(found, wanted);
        if let Some((at, value)) = flipped.filter(|_| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = value;
            let mut arrivals = Arrivals::from_reader(source(&bytes), options).unwrap();
            let mut errors = 0;
            let count = std::iter::from_fn(|| loop {
                match arrivals.next_arrival() {
                    Ok(event) => return event,
                    Err(_) => errors += 1,
                }
            })
            .count();
            prop_assert!(count <= events.len() && errors <= events.len(), "{count}, {errors}");
        }
    }

    #[test]
    fn events_come_back_as_they_were_encoded(event in printable(), order in order(), cgroup in any::<Option<u64>>()) {
        let event = Event { cgroup, ..event };
        let bytes = event.encode(order);
        let record = Records::new(&bytes).next().unwrap().unwrap();
        prop_assert_eq!(Event::from_record(&record).unwrap(), event);
    }

    #[test]
    fn the_merge_is_a_stable_sort_by_time(
        streams in prop::collection::vec(prop::collection::vec(0_u64..50, 0..60), 0..6),
    ) {
        let mut expected = Vec::new();
        let mut encoded = Vec::new();
        for (stream, times) in streams.iter().enumerate() {
            let mut bytes = Vec::new();
            for (at, time_ns) in times.iter().enumerate() {
                let header = Header {
                    sequence: 0, time_ns: *time_ns, sector: at as u64, bytes: 0, action: 1, pid: 0, device: 0,
                    cpu: stream as u32, error: 0, pdu_len: 0,
                };
                bytes.extend(header.encode(ByteOrder::Little));
                expected.push((*time_ns, stream as u32, at as u64));
            }
            encoded.push(bytes);
        }
        // Entered stream by stream and in the order of each, so a stable sort by time alone is the law.
        expected.sort_by_key(|(time_ns, ..)| *time_ns);
        let mut merge = Merge::new(encoded.iter().map(|bytes| RecordReader::new(&bytes[..])));
        let mut found = Vec::new();
        while let Some(record) = merge.next_record().unwrap() {
            found.push((record.header.time_ns, record.header.cpu, record.header.sector));
        }
        prop_assert_eq!(merge.late(), 0);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn lines_of_blkparse_come_back(event in printable(), name in "[a-z/:0-9 ()-]{1,15}") {
        let text = blkparse::Format { event: &event, process: Some(&name), start_ns: 0 }.to_string();
        let line = blkparse::parse_line(&text).unwrap().unwrap();
        prop_assert_eq!(line.event, event, "{}", text);
        let named = !matches!(event.action, Action::Complete | Action::Remap) && name != "(null)";
        prop_assert_eq!(line.process, named.then_some(&name[..]));
    }

    #[test]
    fn lines_of_fio_come_back(
        time_us in any::<Option<u64>>(),
        file in "[a-z/._0-9]{1,20}",
        word in prop::sample::select(vec!["add", "open", "close", "read", "write", "sync", "datasync", "trim", "wait"]),
        offset in 0..u64::MAX / 2,
        length in 0..u64::MAX / 2,
    ) {
        let action = iolog::Action::from_word(word).unwrap();
        let (offset, length) = if action.is_about_file() { (0, 0) } else { (offset, length) };
        let entry = iolog::Entry { time_us, file: &file, action, offset, length };
        let version = if time_us.is_some() { iolog::Version::V3 } else { iolog::Version::V2 };
        let text = entry.to_string();
        prop_assert_eq!(iolog::parse_line(version, &text).unwrap().unwrap(), entry);
    }

    #[test]
    fn rows_of_msr_come_back(
        host in "[a-z0-9]{1,8}",
        filetime in any::<u64>(),
        disk in any::<u32>(),
        write in any::<bool>(),
        offset in 0..u64::MAX / 2,
        size in 0..u64::MAX / 2,
        response in any::<u64>(),
    ) {
        let kind = if write { msr::Kind::Write } else { msr::Kind::Read };
        let row = msr::Row { filetime, host: &host, disk, kind, offset, size, response };
        let text = row.to_string();
        prop_assert_eq!(msr::parse_line(&text).unwrap().unwrap(), row);
    }
}

struct Slow<'a> {
    bytes: &'a [u8],
    chunk: usize,
}

impl std::io::Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let len = self.chunk.min(self.bytes.len()).min(out.len());
        out[..len].copy_from_slice(&self.bytes[..len]);
        self.bytes = &self.bytes[len..];
        Ok(len)
    }
}
