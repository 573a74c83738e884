//! When each disk is probed: the duty cycle, as a pure state machine.
//!
//! It is told the time, the rates and what callers want, and says which disks are probed now and when it wants
//! to be asked again. Nothing here sleeps or reads a clock.

use crate::{Duty, Probing};
use block_types::Nanos;

/// A time without data bios that counts as a pause; `PAUSE_NS` of the BPF programs. Longer than an off-phase, also one
/// that ends late.
pub(crate) const PAUSE: Nanos = Nanos::from_millis(250);
/// A rate is measured over at least so long.
const RATE_OVER: Nanos = Nanos::from_millis(50);
/// A rate that fell below this share of the threshold ends the cycle: no flapping around the threshold.
const LEAVE_SHARE: f64 = 0.7;
/// Of so many data bios per second all are followed to completion; beyond, a share that keeps about this many.
const FOLLOWED_PER_SECOND: u64 = 8_000;
/// Share and period where the request was continuous and a caller asks for [`Probing::Cycle`] all the same.
const FALLBACK: (f64, Nanos) = (0.1, Nanos::from_millis(100));

/// One disk's state.
#[derive(Clone, Debug)]
struct Disk {
    active: bool,
    /// `CLOCK_MONOTONIC` from which latencies are charged, while a measurement stands.
    mark: Option<Nanos>,
    /// Whether its rate is above the threshold.
    fast: bool,
    on_since: Option<Nanos>,
    observed: Nanos,
    epoch: u32,
    every: u32,
    last: Option<(Nanos, u64)>,
}

/// What probes are to do for a disk, as the kernel side gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Whether to count.
    pub(crate) on: bool,
    /// Goes up with each on-phase; never 0 while on.
    pub(crate) epoch: u32,
    /// One in so many data bios is followed to completion; 0 for none.
    pub(crate) every: u32,
    /// Bios submitted before this moment are carried; 0 where there is no mark.
    pub(crate) mark: Nanos,
}

/// The state of all disks.
#[derive(Clone, Debug)]
pub(crate) struct Switchboard {
    disks: Vec<Disk>,
    duty: Duty,
    probing: Probing,
    one_in: u32,
    /// Whether a cycle is in its on-phase.
    phase_on: bool,
    /// When the phase ends, while any disk cycles.
    phase_ends: Option<Nanos>,
}

impl Switchboard {
    /// All disks active, as the duty says; at most one in `one_in` data bios is followed.
    pub(crate) fn new(disks: usize, duty: Duty, one_in: u32, now: Nanos) -> Self {
        let disk = Disk {
            active: true,
            mark: None,
            fast: false,
            on_since: None,
            observed: Nanos::ZERO,
            epoch: 0,
            every: one_in.min(1),
            last: None,
        };
        let mut board = Self {
            disks: vec![disk; disks],
            duty,
            probing: Probing::Auto,
            one_in,
            phase_on: true,
            phase_ends: None,
        };
        board.tick(now);
        board
    }

    fn cycles(&self, disk: &Disk) -> bool {
        disk.active
            && match (self.probing, self.duty) {
                (Probing::Cycle, _) => true,
                (Probing::Auto, Duty::Cycle { .. }) => disk.fast && disk.mark.is_none(),
                (Probing::Auto, Duty::Continuous) | (Probing::Off | Probing::Continuous, _) => false,
            }
    }

    fn phases(&self) -> (Nanos, Nanos) {
        let (share, period) = match self.duty {
            Duty::Cycle { on_share, period, .. } => (on_share, period),
            Duty::Continuous => FALLBACK,
        };
        let on = Nanos((period.0 as f64 * share) as u64);
        (on, period.saturating_sub(on))
    }

    /// Brings everything up to `now`: ends a phase that is over, and switches what has to be switched. Answers
    /// whether anything changed for the kernel side.
    pub(crate) fn tick(&mut self, now: Nanos) -> bool {
        let cycling = self.disks.iter().any(|disk| self.cycles(disk));
        let (on, off) = self.phases();
        match self.phase_ends {
            _ if !cycling => {
                self.phase_on = true;
                self.phase_ends = None;
            }
            None => {
                self.phase_on = true;
                self.phase_ends = Some(now + on);
            }
            // Counted from now and not from when it should have ended: missed ticks are skipped.
            Some(end) if end <= now => {
                self.phase_on = !self.phase_on || off == Nanos::ZERO;
                self.phase_ends = Some(now + if self.phase_on { on } else { off });
            }
            Some(_) => {}
        }
        let wanted: Vec<bool> = self
            .disks
            .iter()
            .map(|disk| disk.active && self.probing != Probing::Off && (!self.cycles(disk) || self.phase_on))
            .collect();
        let mut changed = false;
        for (disk, wanted) in self.disks.iter_mut().zip(wanted) {
            match (disk.on_since, wanted) {
                (None, true) => {
                    disk.on_since = Some(now);
                    disk.epoch = disk.epoch.wrapping_add(1).max(1);
                    changed = true;
                }
                (Some(since), false) => {
                    disk.observed += now.saturating_sub(since);
                    disk.on_since = None;
                    changed = true;
                }
                _ => {}
            }
        }
        changed
    }

    /// When [`Self::tick`] must be called next; `None` if nothing changes by itself.
    pub(crate) const fn next(&self) -> Option<Nanos> {
        self.phase_ends
    }

    /// Overrides when probing runs.
    pub(crate) fn set_probing(&mut self, probing: Probing, now: Nanos) -> bool {
        self.probing = probing;
        self.phase_ends = None;
        self.tick(now)
    }

    /// Says whether a disk is in use.
    pub(crate) fn set_active(&mut self, disk: usize, active: bool, now: Nanos) -> bool {
        if let Some(disk) = self.disks.get_mut(disk) {
            disk.active = active;
            disk.last = None;
        }
        self.tick(now)
    }

    /// Sets a disk's mark, or takes it away.
    pub(crate) fn mark(&mut self, disk: usize, at: Option<Nanos>, now: Nanos) -> bool {
        let Some(disk) = self.disks.get_mut(disk) else {
            return false;
        };
        let changed = disk.mark != at;
        disk.mark = at;
        self.tick(now) | changed
    }

    /// Whether a disk is in use.
    pub(crate) fn is_active(&self, disk: usize) -> bool {
        self.disks.get(disk).is_some_and(|disk| disk.active)
    }

    /// Whether any disk is in use.
    pub(crate) fn any_active(&self) -> bool {
        self.disks.iter().any(|disk| disk.active)
    }

    /// Tells how many requests a disk has completed by now, from which its rate follows. Answers whether
    /// anything changed for the kernel side.
    pub(crate) fn completed(&mut self, disk: usize, now: Nanos, completed: u64) -> bool {
        let Some(disk) = self.disks.get_mut(disk) else {
            return false;
        };
        let Some((then, before)) = disk.last else {
            disk.last = Some((now, completed));
            return false;
        };
        let elapsed = now.saturating_sub(then);
        if elapsed < RATE_OVER {
            return false;
        }
        disk.last = Some((now, completed));
        let rate = completed.saturating_sub(before) as f64 / elapsed.as_secs_f64();
        let mut changed = false;
        if self.one_in > 0 {
            let every = every_for(rate as u64, disk.every, self.one_in);
            changed |= every != disk.every;
            disk.every = every;
        }
        if let Duty::Cycle { above_iops, .. } = self.duty {
            let threshold = above_iops as f64 * if disk.fast { LEAVE_SHARE } else { 1.0 };
            disk.fast = rate >= threshold;
        }
        self.tick(now) | changed
    }

    /// Whether any disk is probed now.
    pub(crate) fn any_on(&self) -> bool {
        self.disks.iter().any(|disk| disk.on_since.is_some())
    }

    /// For how long a disk has been probed.
    pub(crate) fn observed(&self, disk: usize, now: Nanos) -> Nanos {
        self.disks.get(disk).map_or(Nanos::ZERO, |disk| {
            disk.observed + disk.on_since.map_or(Nanos::ZERO, |since| now.saturating_sub(since))
        })
    }

    /// What the kernel side is to do for each disk.
    pub(crate) fn orders(&self) -> impl Iterator<Item = Orders> + '_ {
        self.disks.iter().map(|disk| Orders {
            on: disk.on_since.is_some(),
            epoch: disk.epoch,
            every: disk.every,
            mark: disk.mark.unwrap_or(Nanos::ZERO),
        })
    }
}

/// One in how many data bios to follow at a rate: a power of two, moved only by steps of four so that it stays
/// where the rate wavers, and at most `one_in`.
fn every_for(rate: u64, now: u32, one_in: u32) -> u32 {
    let ideal = (rate / FOLLOWED_PER_SECOND).max(1);
    let ideal = u32::try_from(ideal.min(u64::from(one_in))).unwrap_or(one_in);
    let keep = now > 0 && ideal <= now.saturating_mul(2) && now <= ideal.saturating_mul(4);
    if keep && (ideal > 1 || now == 1) { now } else { ideal.next_power_of_two().min(one_in) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Nanos {
        Nanos::from_millis(ms)
    }

    fn cycle() -> Duty {
        Duty::Cycle { on_share: 0.1, period: ms(100), above_iops: 20_000 }
    }

    fn on(board: &Switchboard) -> Vec<bool> {
        board.orders().map(|orders| orders.on).collect()
    }

    #[test]
    fn a_slow_disk_is_probed_all_the_time_and_a_fast_one_in_its_on_phases() {
        let mut board = Switchboard::new(2, cycle(), 64, ms(0));
        assert_eq!(on(&board), [true, true]);
        assert_eq!(board.next(), None);
        // 100 and 200,000 IOPS.
        board.completed(0, ms(0), 0);
        board.completed(1, ms(0), 0);
        board.completed(0, ms(100), 10);
        board.completed(1, ms(100), 20_000);
        assert_eq!(board.next(), Some(ms(110)));
        assert!(board.tick(ms(110)));
        assert_eq!(on(&board), [true, false]);
        assert_eq!(board.next(), Some(ms(200)));
        assert!(!board.tick(ms(150)));
        assert!(board.tick(ms(200)));
        assert_eq!(on(&board), [true, true]);
        // Late by two periods: skipped, not made up for.
        assert!(board.tick(ms(420)));
        assert_eq!(board.next(), Some(ms(510)));
        assert_eq!(board.observed(0, ms(420)), ms(420));
        assert_eq!(board.observed(1, ms(420)), ms(110 + 220));
        assert_eq!(board.observed(1, ms(500)), ms(110 + 220));
        // It becomes slow: probed all the time, nothing to wait for.
        board.completed(1, ms(520), 20_010);
        assert_eq!(on(&board), [true, true]);
        assert_eq!(board.next(), None);
    }

    #[test]
    fn each_on_phase_has_an_epoch_of_its_own() {
        let mut board = Switchboard::new(1, cycle(), 64, ms(0));
        let epoch = |board: &Switchboard| board.orders().next().unwrap().epoch;
        assert_eq!(epoch(&board), 1);
        board.set_probing(Probing::Cycle, ms(0));
        board.tick(ms(10));
        assert_eq!(epoch(&board), 1);
        board.tick(ms(100));
        assert_eq!(epoch(&board), 2);
        board.set_active(0, false, ms(105));
        board.set_active(0, true, ms(300));
        assert_eq!(epoch(&board), 3);
    }

    #[test]
    fn a_marked_disk_is_probed_all_the_time_and_the_others_keep_their_cycle() {
        let mut board = Switchboard::new(2, cycle(), 64, ms(0));
        for disk in 0..2 {
            board.completed(disk, ms(0), 0);
            board.completed(disk, ms(100), 100_000);
        }
        assert!(board.mark(0, Some(ms(105)), ms(105)));
        assert!(board.tick(ms(115)));
        assert_eq!(on(&board), [true, false]);
        assert_eq!(board.orders().map(|orders| orders.mark).collect::<Vec<_>>(), [ms(105), ms(0)]);
        assert!(!board.mark(0, Some(ms(105)), ms(116)));
        assert!(board.mark(0, None, ms(117)));
        assert_eq!(on(&board), [false, false]);
    }

    #[test]
    fn off_is_off_and_continuous_is_on_whatever_the_rate() {
        let mut board = Switchboard::new(1, cycle(), 64, ms(0));
        board.completed(0, ms(0), 0);
        board.completed(0, ms(100), 100_000);
        board.set_probing(Probing::Off, ms(100));
        assert_eq!((on(&board), board.next()), (vec![false], None));
        board.set_probing(Probing::Continuous, ms(200));
        assert_eq!((on(&board), board.next()), (vec![true], None));
        assert_eq!(board.observed(0, ms(300)), ms(200));
        board.set_active(0, false, ms(300));
        assert!(!board.any_active());
        assert_eq!(on(&board), [false]);
    }

    #[test]
    fn the_rate_has_to_fall_well_below_the_threshold_to_end_the_cycle() {
        let mut board = Switchboard::new(1, cycle(), 64, ms(0));
        let mut completed = 0;
        let mut cycles_at = |board: &mut Switchboard, second: u64, iops: u64| {
            completed += iops;
            board.completed(0, Nanos(second * Nanos::SECOND.0), completed);
            board.next().is_some()
        };
        cycles_at(&mut board, 0, 0);
        assert!(!cycles_at(&mut board, 1, 19_999));
        assert!(cycles_at(&mut board, 2, 20_000));
        assert!(cycles_at(&mut board, 3, 15_000));
        assert!(!cycles_at(&mut board, 4, 13_000));
        assert!(!cycles_at(&mut board, 5, 15_000));
    }

    #[test]
    fn slow_disks_have_every_bio_followed_and_fast_ones_a_steady_share() {
        assert_eq!(every_for(150, 1, 64), 1);
        assert_eq!(every_for(12_000, 1, 64), 1);
        assert_eq!(every_for(80_000, 1, 64), 16);
        assert_eq!(every_for(120_000, 16, 64), 16);
        assert_eq!(every_for(40_000, 16, 64), 16);
        assert_eq!(every_for(500_000, 16, 64), 64);
        assert_eq!(every_for(400_000, 64, 64), 64);
        assert_eq!(every_for(1_000, 64, 64), 1);
        assert_eq!(every_for(1_000, 4, 64), 1);
        assert_eq!(every_for(500_000, 1, 1), 1);
        assert_eq!(every_for(500_000, 1, 3), 3);
    }

    #[test]
    fn a_share_of_one_never_switches_off() {
        let duty = Duty::Cycle { on_share: 1.0, period: ms(100), above_iops: 0 };
        let mut board = Switchboard::new(1, duty, 1, ms(0));
        board.set_probing(Probing::Cycle, ms(0));
        assert!(!board.tick(ms(100)));
        assert!(!board.tick(ms(200)));
        assert_eq!(on(&board), [true]);
    }
}
