//! How long the arm takes from a place to another.

use super::HddParams;

/// Steps in which distances are told apart: 1/4096 of the stroke.
pub(super) const STEPS: u16 = 4096;

/// Where the curve changes from the square root to a line, as a share of the stroke. A third is both the mean distance
/// of two random tracks and about where drives reach full speed.
const KNEE: f64 = 1.0 / 3.0;

/// The time of every distance, in ns. At most 200 ms each: in 32 bits the table stays in a processor's first cache.
#[derive(Clone, Debug)]
pub(super) struct SeekCurve {
    times: Vec<u32>,
}

impl SeekCurve {
    /// The curve through one track and the full stroke whose mean over all pairs of tracks is the data sheet's.
    ///
    /// With *f* the distance as a share of the stroke, *s* one track, *k* the time at the knee *f*₀ = 1/3 and *F* the
    /// full stroke, it is *s* + (*k* − *s*)·√(*f*/*f*₀) up to the knee and the line from (*f*₀, *k*) to (1, *F*) above.
    /// Pairs of tracks have distances of density 2(1 − *f*); integrated, the mean is
    /// *s*/5 + *k*·88/135 + *F*·4/27, which is solved for *k*.
    pub(super) fn new(params: &HddParams) -> Self {
        let [track, mean, full] =
            [params.single_track_seek_us, params.average_seek_us, params.full_stroke_seek_us]
                .map(|us| us as f64 * 1e3);
        let knee = ((mean - track / 5.0 - full * 4.0 / 27.0) * 135.0 / 88.0).clamp(track, full.max(track));
        let time = |step: u16| {
            let f = f64::from(step) / f64::from(STEPS - 1);
            let ns = if f <= KNEE {
                track + (knee - track) * (f / KNEE).sqrt()
            } else {
                knee + (full - knee) * (f - KNEE) / (1.0 - KNEE)
            };
            ns.max(track).round() as u32
        };
        Self { times: (0..STEPS).map(time).collect() }
    }

    /// The time over so many steps and to another track.
    pub(super) fn time(&self, steps: u16) -> u64 {
        self.times.get(usize::from(steps)).or(self.times.last()).copied().unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_has_the_data_sheets_mean_and_never_falls() {
        for name in ["wd-ultrastar-dc-hc310", "seagate-constellation-es3"] {
            let Some(crate::Params::Hdd(params)) = crate::Params::named(name) else { panic!("{name}") };
            let curve = SeekCurve::new(&params);
            let weight = |step: u16| 2.0 * (1.0 - f64::from(step) / f64::from(STEPS - 1));
            let (sum, weights) = (0..STEPS).fold((0.0, 0.0), |(sum, weights), step| {
                (sum + weight(step) * curve.time(step) as f64, weights + weight(step))
            });
            let mean_us = sum / weights / 1e3;
            let sheet = params.average_seek_us as f64;
            assert!((mean_us - sheet).abs() < sheet * 0.005, "{name}: {mean_us} µs, sheet {sheet} µs");
            assert!((1..STEPS).all(|step| curve.time(step) >= curve.time(step - 1)), "{name}");
        }
    }
}
