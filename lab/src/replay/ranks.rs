//! Rank correlation.

/// Spearman's ρ of two series: the correlation of their ranks, equals sharing theirs. `None` where they differ in
/// length, have fewer than three values, or one of them is constant.
#[must_use]
pub fn spearman(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.len() != other.len() || one.len() < 3 {
        return None;
    }
    let (a, b) = (ranks(one), ranks(other));
    let middle = (one.len() + 1) as f64 / 2.0;
    let product =
        |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| (x - middle) * (y - middle)).sum() };
    let (both, first, second) = (product(&a, &b), product(&a, &a), product(&b, &b));
    (first > 0.0 && second > 0.0).then(|| both / (first * second).sqrt())
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    while from < order.len() {
        let mut to = from + 1;
        while to < order.len() && values[order[to]].total_cmp(&values[order[from]]).is_eq() {
            to += 1;
        }
        for &index in &order[from..to] {
            ranks[index] = (from + 1 + to) as f64 / 2.0;
        }
        from = to;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_order_counts() {
        let one = [1.0, 2.0, 3.0, 4.0, 5.0];
        let close = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 1e-12;
        assert!(close(spearman(&one, &[1.0, 10.0, 11.0, 500.0, 501.0]), 1.0));
        assert!(close(spearman(&one, &[5.0, 4.0, 3.0, 2.0, 1.0]), -1.0));
        // 1 − 6 Σd² ⁄ n(n²−1) for d = 1, 1, 0, 0, 0.
        assert!(close(spearman(&one, &[2.0, 1.0, 3.0, 4.0, 5.0]), 0.9));
        assert_eq!(spearman(&one, &[1.0; 5]), None);
        assert_eq!(spearman(&one[..2], &one[..2]), None);
    }

    #[test]
    fn equals_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }
}
