//! What settings are worth between those that were measured: a Gaussian process over the knobs' own scales.
//!
//! The prior mean is the default's worth; each knob has a length scale of its own, so that one that does nothing counts
//! for nothing. Length scales maximise the marginal likelihood over a grid. The leave-one-out error is part of what is
//! reported: it says how far a value that was not measured can be trusted. Theory: Rasmussen and Williams, Gaussian
//! Processes for Machine Learning, sections 2.2 and 5.4.

/// A measured point: positions of the knobs, 0 to 1, the mean of ln(worth), and how many pairs stand behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Where.
    pub at: Vec<f64>,
    /// Mean of ln(worth).
    pub log_worth: f64,
    /// How many pairs.
    pub pairs: usize,
}

/// Inverse length scales that are tried for each knob; 0 leaves it out.
const SHARPNESS: [f64; 7] = [0.0, 0.4, 0.8, 1.6, 3.0, 6.0, 12.0];
/// Variances of the function that are tried, as multiples of the data's.
const SIGNAL: [f64; 4] = [0.5, 1.0, 2.0, 4.0];

/// The fitted surrogate.
#[derive(Clone, Debug)]
pub struct Surrogate {
    points: Vec<Point>,
    sharpness: Vec<f64>,
    signal: f64,
    weights: Vec<f64>,
    /// Root mean square of the leave-one-out errors of ln(worth), over points that are no replicates.
    pub loo_error: f64,
}

impl Surrogate {
    /// Fits points, whose single pairs vary by `noise` (variance of ln). `None` of fewer than three points.
    #[must_use]
    pub fn fit(points: Vec<Point>, noise: f64) -> Option<Self> {
        let knobs = points.first()?.at.len();
        if points.len() < 3 {
            return None;
        }
        let scale = points.iter().map(|point| point.log_worth.powi(2)).sum::<f64>() / points.len() as f64;
        let scale = scale.max(1e-6);
        let mut best = (vec![1.6; knobs], scale, f64::NEG_INFINITY);
        best.2 = likelihood(&points, &best.0, best.1, noise).map_or(f64::NEG_INFINITY, |found| found.0);
        // Coordinate by coordinate, until nothing gets better.
        for _ in 0..4 {
            let before = best.2;
            for knob in 0..knobs {
                for sharp in SHARPNESS {
                    let mut sharpness = best.0.clone();
                    sharpness[knob] = sharp;
                    try_one(&points, sharpness, best.1, noise, &mut best);
                }
            }
            for signal in SIGNAL {
                try_one(&points, best.0.clone(), signal * scale, noise, &mut best);
            }
            if best.2 - before < 1e-6 {
                break;
            }
        }
        let (sharpness, signal, _) = best;
        let (_, weights, inverse_diagonal) = likelihood(&points, &sharpness, signal, noise)?;
        let errors: f64 =
            weights.iter().zip(&inverse_diagonal).map(|(weight, inverse)| (weight / inverse).powi(2)).sum();
        let loo_error = (errors / points.len() as f64).sqrt();
        Some(Self { points, sharpness, signal, weights, loo_error })
    }

    /// ln(worth) at a place.
    #[must_use]
    pub fn log_worth(&self, at: &[f64]) -> f64 {
        self.points
            .iter()
            .zip(&self.weights)
            .map(|(point, weight)| weight * kernel(at, &point.at, &self.sharpness, self.signal))
            .sum()
    }

    /// Share of the variance over `places` that each knob's main effect explains.
    #[must_use]
    pub fn main_effects(&self, places: &[Vec<f64>]) -> Vec<f64> {
        let knobs = self.sharpness.len();
        let all: Vec<f64> = places.iter().map(|place| self.log_worth(place)).collect();
        let total = variance(&all).max(1e-12);
        (0..knobs)
            .map(|knob| {
                let effect: Vec<f64> = (0..=10)
                    .map(|step| {
                        let sum: f64 = places
                            .iter()
                            .map(|place| {
                                let mut place = place.clone();
                                place[knob] = f64::from(step) / 10.0;
                                self.log_worth(&place)
                            })
                            .sum();
                        sum / places.len().max(1) as f64
                    })
                    .collect();
                variance(&effect) / total
            })
            .collect()
    }
}

fn try_one(points: &[Point], sharpness: Vec<f64>, signal: f64, noise: f64, best: &mut (Vec<f64>, f64, f64)) {
    if let Some((found, ..)) = likelihood(points, &sharpness, signal, noise)
        && found > best.2
    {
        *best = (sharpness, signal, found);
    }
}

fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64
}

fn kernel(a: &[f64], b: &[f64], sharpness: &[f64], signal: f64) -> f64 {
    let distance: f64 = a.iter().zip(b).zip(sharpness).map(|((a, b), sharp)| (sharp * (a - b)).powi(2)).sum();
    signal * (-0.5 * distance).exp()
}

/// The log marginal likelihood, K⁻¹y, and the diagonal of K⁻¹; `None` where K is not positive definite.
fn likelihood(
    points: &[Point],
    sharpness: &[f64],
    signal: f64,
    noise: f64,
) -> Option<(f64, Vec<f64>, Vec<f64>)> {
    let n = points.len();
    // Cholesky, row by row.
    let mut l = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let mut sum = kernel(&points[i].at, &points[j].at, sharpness, signal);
            if i == j {
                sum += noise / points[i].pairs.max(1) as f64 + 1e-6;
            }
            sum -= (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
            l[i][j] = if i == j {
                if sum <= 0.0 {
                    return None;
                }
                sum.sqrt()
            } else {
                sum / l[j][j]
            };
        }
    }
    let forward = |b: &[f64]| -> Vec<f64> {
        let mut x = vec![0.0; n];
        for i in 0..n {
            x[i] = (b[i] - (0..i).map(|k| l[i][k] * x[k]).sum::<f64>()) / l[i][i];
        }
        x
    };
    let y: Vec<f64> = points.iter().map(|point| point.log_worth).collect();
    let z = forward(&y);
    let mut weights = vec![0.0; n];
    for i in (0..n).rev() {
        weights[i] = (z[i] - (i + 1..n).map(|k| l[k][i] * weights[k]).sum::<f64>()) / l[i][i];
    }
    let log_det: f64 = (0..n).map(|i| l[i][i].ln()).sum();
    let fit: f64 = z.iter().map(|z| z * z).sum();
    let found = -0.5 * fit - log_det - 0.5 * n as f64 * (2.0 * std::f64::consts::PI).ln();
    let diagonal = (0..n)
        .map(|column| {
            let mut unit = vec![0.0; n];
            unit[column] = 1.0;
            forward(&unit).iter().map(|x| x * x).sum()
        })
        .collect();
    Some((found, weights, diagonal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(at: &[f64]) -> f64 {
        // The first knob carries all; its optimum is at 0.7.
        0.8 - 3.0 * (at[0] - 0.7).powi(2)
    }

    #[test]
    fn a_smooth_landscape_is_found_and_its_knob_named() {
        let mut points = Vec::new();
        for i in 0..24 {
            let at =
                vec![f64::from(i % 8) / 7.0, f64::from((i * 5) % 24) / 23.0, f64::from((i * 7) % 24) / 23.0];
            // A made-up disturbance of about 2 %.
            let off = 0.02 * (f64::from(i * 37 % 11) / 5.0 - 1.0);
            points.push(Point { log_worth: field(&at) + off, at, pairs: 1 });
        }
        let places: Vec<Vec<f64>> = points.iter().map(|point| point.at.clone()).collect();
        let surrogate = Surrogate::fit(points, 4e-4).unwrap();
        for at in [[0.7, 0.2, 0.9], [0.1, 0.5, 0.5], [0.95, 0.1, 0.3]] {
            let (found, expected) = (surrogate.log_worth(&at), field(&at));
            assert!((found - expected).abs() < 0.05, "{at:?}: {found}, expected {expected}");
        }
        assert!(surrogate.loo_error < 0.05, "{}", surrogate.loo_error);
        let effects = surrogate.main_effects(&places);
        assert!(effects[0] > 0.5 && effects[1] < 0.1 && effects[2] < 0.1, "{effects:?}");
    }

    #[test]
    fn two_points_are_too_few() {
        let point = Point { at: vec![0.1], log_worth: 0.0, pairs: 1 };
        assert!(Surrogate::fit(vec![point.clone(), point], 0.01).is_none());
    }
}
