//! The lower triangular root of a covariance, and what is solved by it.

/// L with L·Lᵀ = K.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cholesky {
    rows: Vec<Vec<f64>>,
}

impl Cholesky {
    /// The root of the matrix whose entry at row `i` and column `j ≤ i` is `entry(i, j)`; `None` where that is not
    /// positive definite.
    pub(crate) fn of(size: usize, entry: impl Fn(usize, usize) -> f64) -> Option<Self> {
        let mut root = Self { rows: Vec::with_capacity(size) };
        for i in 0..size {
            let column: Vec<f64> = (0..=i).map(|j| entry(i, j)).collect();
            root.push(&column)?;
        }
        Some(root)
    }

    /// One row more: `column` holds the entries against all rows before it, and its own.
    pub(crate) fn push(&mut self, column: &[f64]) -> Option<()> {
        let (own, others) = column.split_last()?;
        let mut row = self.forward(others);
        let rest = own - row.iter().map(|x| x * x).sum::<f64>();
        // NaN is no positive number either.
        if !(rest > 0.0 && rest.is_finite()) {
            return None;
        }
        row.push(rest.sqrt());
        self.rows.push(row);
        Some(())
    }

    /// L⁻¹·b.
    pub(crate) fn forward(&self, b: &[f64]) -> Vec<f64> {
        let mut x: Vec<f64> = Vec::with_capacity(b.len() + 1);
        for (row, b) in self.rows.iter().zip(b) {
            let known: f64 = row.iter().zip(&x).map(|(l, x)| l * x).sum();
            x.push((b - known) / row[x.len()]);
        }
        x
    }

    /// K⁻¹·b, of L⁻¹·b.
    pub(crate) fn backward(&self, z: &[f64]) -> Vec<f64> {
        let mut x = z.to_vec();
        for (i, row) in self.rows.iter().enumerate().rev() {
            x[i] /= row[i];
            let found = x[i];
            for (x, l) in x.iter_mut().zip(&row[..i]) {
                *x -= l * found;
            }
        }
        x
    }

    /// ln √det K.
    pub(crate) fn half_log_determinant(&self) -> f64 {
        self.rows.iter().filter_map(|row| row.last()).map(|x| x.ln()).sum()
    }

    /// The diagonal of K⁻¹.
    pub(crate) fn inverse_diagonal(&self) -> Vec<f64> {
        let size = self.rows.len();
        (0..size)
            .map(|at| {
                let mut unit = vec![0.0; size];
                unit[at] = 1.0;
                self.forward(&unit).iter().map(|x| x * x).sum()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved() {
        let k = [[4.0, 2.0, 0.6], [2.0, 5.0, 1.0], [0.6, 1.0, 3.0]];
        let root = Cholesky::of(3, |i, j| k[i][j]).unwrap();
        let x = root.backward(&root.forward(&[1.0, -2.0, 0.5]));
        for (row, b) in k.iter().zip([1.0, -2.0, 0.5]) {
            let found: f64 = row.iter().zip(&x).map(|(k, x)| k * x).sum();
            assert!((found - b).abs() < 1e-12, "{found}, expected {b}");
        }
        // 4·(15−1) − 2·(6−0.6) + 0.6·(2−3)
        assert!((root.half_log_determinant() - (44.6_f64).ln() / 2.0).abs() < 1e-12);
        // (5·3 − 1)/det
        assert!((root.inverse_diagonal()[0] - 14.0 / 44.6).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_positive_definite_has_no_root() {
        assert_eq!(Cholesky::of(2, |_, _| 1.0), None);
        assert_eq!(Cholesky::of(1, |_, _| f64::NAN), None);
    }
}
