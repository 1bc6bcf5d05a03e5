//! The curve as the pictures draw it: fitted without lag, as the suggestion reads it.

use super::plot::Axis;
use crate::finder::{Point, half_width_of, local_linear};

/// What the pictures call it.
pub(super) const NAME: &str = "local linear fit";

/// Most points that are fitted; longer curves are averaged down to these, more than a picture can show.
const MOST: usize = 2000;

/// The points with the fit in place of the lagging average.
///
/// Losses far above the pictures' frame count as just above it: else the line would foresee a divergence.
pub(super) fn fitted(points: &[Point]) -> Vec<Point> {
    let own: Vec<Point> = points.iter().map(|p| Point { smoothed: p.loss, ..*p }).collect();
    let axis = Axis::losses(&own);
    let top = axis.high + 0.3 * (axis.high - axis.low);
    let cut: Vec<Point> = points.iter().map(|p| Point { loss: p.loss.min(top), ..*p }).collect();
    // A linear range may start at 0, which has no logarithm.
    let skip = usize::from(points.first().is_some_and(|p| p.lr == 0.0));
    let (lr, loss) = grouped(&cut[skip..]);
    let fits = local_linear(&lr, &loss, half_width_of(&lr));
    // Rates that do not rise cannot be fitted: the losses are then their own view.
    if fits.len() < lr.len() || fits.is_empty() {
        return own;
    }
    let knots: Vec<(f64, f64)> = lr.iter().zip(&fits).map(|(lr, fit)| (lr.ln(), fit.value)).collect();
    points.iter().map(|p| Point { smoothed: between(&knots, p.lr.ln()), ..*p }).collect()
}

/// Geometric means of the rates and means of the losses of neighbours.
fn grouped(points: &[Point]) -> (Vec<f64>, Vec<f64>) {
    let size = points.len().div_ceil(MOST).max(1);
    let mean = |group: &[Point], f: fn(&Point) -> f64| match group {
        [one] => f(one),
        _ => group.iter().map(f).sum::<f64>() / group.len() as f64,
    };
    let rate = |group: &[Point]| match group {
        [one] => one.lr,
        _ => mean(group, |p| p.lr.ln()).exp(),
    };
    points.chunks(size).map(|group| (rate(group), mean(group, |p| p.loss))).unzip()
}

/// The value at `x` of the line through the knots, which rise and are at least one.
fn between(knots: &[(f64, f64)], x: f64) -> f64 {
    let after = knots.partition_point(|knot| knot.0 < x).min(knots.len() - 1);
    let (to, from) = (knots[after], knots[after.saturating_sub(1)]);
    let share = ((x - from.0) / (to.0 - from.0)).clamp(0.0, 1.0);
    if after == 0 || share.is_nan() { to.1 } else { from.1 + share * (to.1 - from.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(lr: impl Iterator<Item = f64>, loss: fn(f64) -> f64) -> Vec<Point> {
        let point = |(step, lr): (usize, f64)| Point {
            step,
            lr,
            loss: loss(lr),
            smoothed: -1.0,
            accuracy: None,
            grad_norm: None,
            momentum: 0.0,
        };
        lr.enumerate().map(point).collect()
    }

    /// A ramp over the logarithm of the rate is its own fit, without lag, also where neighbours are averaged.
    #[test]
    fn a_ramp_stays() {
        for n in [2, 5, 100, 5003] {
            let rates = (0..n).map(|i| 1e-6 * 1e6f64.powf(i as f64 / (n - 1) as f64));
            for p in fitted(&curve(rates, |lr| -lr.ln())) {
                assert!((p.smoothed - p.loss).abs() < 5e-3, "{n}: {p:?}");
            }
        }
    }

    #[test]
    fn odd_curves_have_a_view() {
        assert!(fitted(&[]).is_empty());
        let from_zero = fitted(&curve((0..20).map(f64::from), |_| 2.0));
        assert!(from_zero.iter().all(|p| (p.smoothed - 2.0).abs() < 1e-12), "{from_zero:?}");
        let falling = fitted(&curve((0..20).rev().map(f64::from), |lr| lr));
        assert!(falling.iter().all(|p| p.smoothed == p.loss));
    }
}
