use super::*;

fn event(action: Action, time_ns: u64, sector: u64, sectors: u64) -> Event<'static> {
    Event {
        time_ns,
        sequence: None,
        device: Device { major: 8, minor: 0 },
        cpu: 0,
        pid: 1,
        action,
        categories: Categories::WRITE,
        sector,
        bytes: (sectors * 512) as u32,
        error: 0,
        cgroup: None,
        payload: Payload::None,
    }
}

fn run(requests: &mut Requests, events: &[(Action, u64, u64, u64)]) -> Vec<Request> {
    events
        .iter()
        .filter_map(|(action, at, sector, sectors)| requests.observe(&event(*action, *at, *sector, *sectors)))
        .collect()
}

#[test]
fn merged_bios_are_in_one_request_wherever_they_were_merged() {
    let mut requests = Requests::new();
    let done = run(
        &mut requests,
        &[
            (Action::Queue, 10, 108, 8),
            (Action::GetRequest, 11, 108, 8),
            (Action::Queue, 12, 116, 8),
            (Action::BackMerge, 13, 116, 8),
            (Action::Queue, 14, 100, 8),
            (Action::FrontMerge, 15, 100, 8),
            (Action::Issue, 20, 100, 24),
            (Action::Complete, 50, 100, 24),
        ],
    );
    assert_eq!(done.len(), 1);
    assert_eq!(done[0].q2d_ns().collect::<Vec<_>>(), [6, 10, 8]);
    assert_eq!(requests.stats().q2c.mean_ns(), Some(f64::from(36 + 40 + 38) / 3.0));
    assert_eq!((requests.stats().d2c.count(), requests.stats().request_d2c.count()), (3, 1));
    assert_eq!(requests.open(), 0);
}

#[test]
fn a_split_bio_is_in_two_requests_with_the_time_of_its_queueing() {
    let mut requests = Requests::new();
    let done = run(
        &mut requests,
        &[
            (Action::Queue, 10, 0, 16),
            (Action::Split, 11, 0, 8),
            (Action::Issue, 20, 0, 8),
            (Action::Issue, 30, 8, 8),
            (Action::Complete, 40, 8, 8),
            (Action::Complete, 60, 0, 8),
        ],
    );
    let spans: Vec<_> = done.iter().map(|r| (r.sector, r.d2c_ns(), r.bios[0].queued_ns)).collect();
    assert_eq!(spans, [(8, 10, 10), (0, 40, 10)]);
    assert!(done.iter().all(|request| request.bios[0].is_part));
    assert_eq!(requests.open(), 0);
}

#[test]
fn a_completion_in_parts_gives_each_bio_the_part_that_ends_it() {
    let mut requests = Requests::new();
    let done = run(
        &mut requests,
        &[
            (Action::Queue, 1, 0, 8),
            (Action::Queue, 2, 8, 8),
            (Action::Issue, 5, 0, 16),
            (Action::Complete, 10, 0, 12),
            (Action::Complete, 20, 12, 4),
        ],
    );
    let ends: Vec<_> = done.iter().map(|r| (r.sectors, r.bios.len(), r.completed_ns)).collect();
    assert_eq!(ends, [(12, 1, 10), (4, 1, 20)]);
    assert_eq!(requests.open(), 0);
}

#[test]
fn a_requeued_request_counts_from_its_last_issue() {
    let mut requests = Requests::new();
    let done = run(
        &mut requests,
        &[
            (Action::Queue, 1, 0, 8),
            (Action::Issue, 5, 0, 8),
            (Action::Requeue, 6, 0, 8),
            (Action::Issue, 9, 0, 8),
            (Action::Complete, 10, 0, 8),
        ],
    );
    assert_eq!((done[0].requeues, done[0].d2c_ns(), done[0].bios.len()), (1, 1, 1));
    assert_eq!((requests.stats().requeues, requests.open()), (1, 0));
}

#[test]
fn two_at_one_sector_are_told_apart_by_age() {
    let mut requests = Requests::new();
    let done = run(
        &mut requests,
        &[
            (Action::Queue, 1, 0, 8),
            (Action::Queue, 2, 0, 8),
            (Action::Issue, 3, 0, 8),
            (Action::Issue, 4, 0, 8),
            (Action::Complete, 5, 0, 8),
            (Action::Complete, 9, 0, 8),
        ],
    );
    assert_eq!(done.iter().map(|r| r.bios[0].queued_ns).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn reads_writes_and_devices_do_not_mix() {
    let mut requests = Requests::new();
    requests.observe(&event(Action::Queue, 1, 0, 8));
    let read = Event { categories: Categories::READ, ..event(Action::Issue, 2, 0, 8) };
    requests.observe(&read);
    let other = Event { device: Device { major: 8, minor: 16 }, ..event(Action::Issue, 3, 0, 8) };
    requests.observe(&other);
    assert_eq!(requests.stats().issues_without_queue, 2);
}

#[test]
fn a_remap_is_known_to_the_bio_that_it_moved() {
    let mut requests = Requests::new();
    let origin =
        RemapOrigin { device: Device { major: 8, minor: 1 }, to: Device { major: 8, minor: 0 }, sector: 8 };
    requests.observe(&Event { payload: Payload::Remap(origin), ..event(Action::Remap, 1, 2056, 8) });
    let done = run(
        &mut requests,
        &[(Action::Queue, 2, 2056, 8), (Action::Issue, 3, 2056, 8), (Action::Complete, 4, 2056, 8)],
    );
    assert_eq!(done[0].bios[0].origin, Some(origin));
}

#[test]
fn what_did_not_pair_is_counted() {
    let mut requests = Requests::new();
    run(
        &mut requests,
        &[
            (Action::Complete, 1, 0, 8),
            (Action::Issue, 2, 8, 8),
            (Action::Complete, 3, 8, 8),
            (Action::Queue, 4, 0, 0),
        ],
    );
    let stats = requests.stats();
    assert_eq!(
        (stats.completions_without_issue, stats.issues_without_queue, stats.without_sectors),
        (1, 1, 1)
    );
}

#[test]
fn a_trace_without_completions_does_not_grow_without_end() {
    let mut requests = Requests::with_limit(100);
    for at in 0..1_000 {
        requests.observe(&event(Action::Queue, at, at * 8, 8));
    }
    assert_eq!((requests.open(), requests.stats().forgotten), (100, 900));
}
