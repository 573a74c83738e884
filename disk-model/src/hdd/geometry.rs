//! Where a sector lies: its track, its angle, its share of the stroke.

use super::HddParams;
use super::seek::STEPS;
use block_types::SECTOR_BYTES;

/// Tracks with equally many sectors.
#[derive(Clone, Copy, Debug)]
struct Zone {
    first_sector: u64,
    first_track: u64,
    sectors_per_track: u64,
}

/// Where a sector lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The track, counted from the outermost.
    pub(super) track: u64,
    /// When a head that has read from sector 0 on without a break passes the sector's start, in ns. Modulo a
    /// revolution, this is the angle: the sector passes at all times that are congruent to it.
    pub(super) passed_ns: u64,
    /// The way from the outermost track, in steps of the stroke.
    pub(super) radius: u16,
}

/// The layout of a disk.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    sectors: u64,
    zones: Vec<Zone>,
    /// A revolution.
    pub(super) revolution_ns: u64,
    /// How much later a track starts than the one before.
    skew_ns: u64,
    outer: f64,
    inner: f64,
}

impl Geometry {
    pub(super) fn new(params: &HddParams, sectors: u64) -> Self {
        let revolution_ns = 60_000_000_000 / u64::from(params.rotation_rpm);
        // A tenth more than the head needs, so that it is settled when the track starts.
        let skew_ns = params.single_track_seek_us * 1_100;
        let (outer, inner) = (params.outer_bytes_per_s as f64, params.inner_bytes_per_s as f64);
        let mut geometry = Self { sectors, zones: Vec::new(), revolution_ns, skew_ns, outer, inner };
        let count = u64::from(params.zones);
        let (mut first_sector, mut first_track) = (0, 0);
        for zone in 0..count {
            let end = sectors * (zone + 1) / count;
            if end <= first_sector {
                continue;
            }
            let middle = (zone as f64 + 0.5) / count as f64;
            let seconds_per_track = (revolution_ns + skew_ns) as f64 / 1e9;
            let bytes_per_track = geometry.rate(middle) * seconds_per_track;
            let sectors_per_track = ((bytes_per_track / SECTOR_BYTES as f64).round() as u64).max(1);
            geometry.zones.push(Zone { first_sector, first_track, sectors_per_track });
            // Zones begin on a track's first sector.
            let tracks = (end - first_sector).div_ceil(sectors_per_track);
            first_sector += tracks * sectors_per_track;
            first_track += tracks;
        }
        geometry
    }

    /// The rate of a stream where `share` of the sectors lie further outside. Rates are as radii, and areas as the
    /// squares of radii.
    fn rate(&self, share: f64) -> f64 {
        let (outer, inner) = (self.outer * self.outer, self.inner * self.inner);
        (outer - share * (outer - inner)).max(0.0).sqrt()
    }

    /// The share of the stroke there, in steps.
    fn radius(&self, sector: u64) -> u16 {
        let share = sector as f64 / self.sectors.max(1) as f64;
        let difference = self.outer - self.inner;
        // Rates that hardly differ say nothing of radii.
        let stroke =
            if difference.abs() < 1.0 { share } else { (self.outer - self.rate(share)) / difference };
        let steps = (stroke * f64::from(STEPS - 1)).clamp(0.0, f64::from(STEPS - 1));
        // Rounded without a call into the mathematical library, which takes longer than all the rest.
        let below = steps as u16;
        below + u16::from(steps - f64::from(below) >= 0.5)
    }

    fn zone_of(&self, sector: u64) -> Zone {
        let after = self.zones.partition_point(|zone| zone.first_sector <= sector);
        self.zones[after.saturating_sub(1)]
    }

    /// Where a sector lies.
    pub(super) fn place(&self, sector: u64) -> Place {
        let zone = self.zone_of(sector);
        let inside = sector - zone.first_sector;
        let track = zone.first_track + inside / zone.sectors_per_track;
        let on_track = inside % zone.sectors_per_track;
        let passed_ns = track * (self.revolution_ns + self.skew_ns)
            + on_track * self.revolution_ns / zone.sectors_per_track;
        Place { track, passed_ns, radius: self.radius(sector) }
    }

    /// When the head of [`Place::passed_ns`] has passed all sectors before `end`.
    pub(super) fn passed_before(&self, end: u64) -> u64 {
        let last = end.saturating_sub(1);
        let zone = self.zone_of(last);
        let inside = last - zone.first_sector;
        let track = zone.first_track + inside / zone.sectors_per_track;
        let until = inside % zone.sectors_per_track + 1;
        track * (self.revolution_ns + self.skew_ns) + until * self.revolution_ns / zone.sectors_per_track
    }

    /// The end of the sectors that the head of [`Place::passed_ns`] has passed by then.
    pub(super) fn sector_at(&self, passed_ns: u64) -> u64 {
        let (track, rest) = (
            passed_ns / (self.revolution_ns + self.skew_ns),
            passed_ns % (self.revolution_ns + self.skew_ns),
        );
        let after = self.zones.partition_point(|zone| zone.first_track <= track);
        let zone = self.zones[after.saturating_sub(1)];
        let on_track = (rest * zone.sectors_per_track / self.revolution_ns).min(zone.sectors_per_track);
        (zone.first_sector + (track - zone.first_track) * zone.sectors_per_track + on_track).min(self.sectors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Params;

    fn geometry(sectors: u64) -> Geometry {
        let Some(Params::Hdd(params)) = Params::named("hdd-7200") else { panic!("no hdd-7200") };
        Geometry::new(&params, sectors)
    }

    #[test]
    fn a_stream_passes_sectors_in_order_and_at_the_sheets_rates() {
        let sectors = (8 << 30) / SECTOR_BYTES;
        let geometry = geometry(sectors);
        let rate = |from: u64, sectors: u64| {
            let ns = geometry.passed_before(from + sectors) - geometry.place(from).passed_ns;
            (sectors * SECTOR_BYTES) as f64 / ns as f64 * 1e9
        };
        let outer = rate(0, 200_000) / geometry.outer;
        let inner = rate(sectors - 200_000, 200_000) / geometry.inner;
        assert!((0.95..1.05).contains(&outer) && (0.95..1.05).contains(&inner), "{outer} {inner}");
        for sector in (0..sectors - 1).step_by(99_991) {
            assert!(geometry.passed_before(sector + 1) >= geometry.place(sector).passed_ns);
            assert!(geometry.passed_before(sector + 1) <= geometry.place(sector + 1).passed_ns);
            let back = geometry.sector_at(geometry.passed_before(sector + 1) + 1);
            assert!(back.abs_diff(sector + 1) <= 1, "{sector}: {back}");
        }
    }

    #[test]
    fn a_stroke_goes_from_the_first_sector_to_the_last() {
        let sectors = (8 << 30) / SECTOR_BYTES;
        let geometry = geometry(sectors);
        assert_eq!(geometry.place(0).radius, 0);
        assert_eq!(geometry.place(sectors - 1).radius, STEPS - 1);
        // More than half of the data lies in the outer half of the stroke.
        assert!(geometry.place(sectors / 2).radius < STEPS / 2);
    }
}
