//! The curve as the pictures draw it: fitted without lag, as the suggestion reads it.

use super::plot::Axis;
use crate::finder::{Point, half_width_of, local_linear};

/// What the pictures call it.
pub(super) const NAME: &str = "local linear fit";

/// Most points that are fitted; longer curves are averaged down to these.
const FITTED: usize = 2000;
/// Most points that are shown, of longer curves every so many: a picture could not hold more.
const SHOWN: usize = 4000;

/// The points with the fit in place of the lagging average.
///
/// Losses far above the pictures' frame count as just above it: else the line would foresee a divergence.
pub(super) fn fitted(points: &[Point]) -> Vec<Point> {
    let shown: Vec<Point> = kept(points).map(|(_, p)| Point { smoothed: p.loss, ..*p }).collect();
    let axis = Axis::losses(&shown);
    let top = axis.high + 0.3 * (axis.high - axis.low);
    // A linear range may start at 0, which has no logarithm.
    let skip = usize::from(points.first().is_some_and(|p| p.lr == 0.0));
    let (lr, loss) = grouped(&points[skip..], top);
    let fits = local_linear(&lr, &loss, half_width_of(&lr));
    // Rates that do not rise cannot be fitted: the losses are then their own view.
    if fits.len() < lr.len() || fits.is_empty() {
        return shown;
    }
    let knots: Vec<(f64, f64)> = lr.iter().zip(&fits).map(|(lr, fit)| (lr.ln(), fit.value)).collect();
    shown.iter().map(|p| Point { smoothed: between(&knots, p.lr.ln()), ..*p }).collect()
}

/// Rate, lowest and highest loss of the points that are shown; nothing where there is no spread.
pub(super) fn band(points: &[Point], spread: &[(f64, f64)]) -> Vec<(f64, f64, f64)> {
    kept(points).filter_map(|(i, p)| spread.get(i).map(|&(low, high)| (p.lr, low, high))).collect()
}

fn kept(points: &[Point]) -> impl Iterator<Item = (usize, &Point)> {
    let stride = points.len().div_ceil(SHOWN).max(1);
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter(move |(i, _)| i.is_multiple_of(stride) || *i == last)
}

/// Geometric means of the rates and means of the losses, cut off at `top`, of neighbours.
fn grouped(points: &[Point], top: f64) -> (Vec<f64>, Vec<f64>) {
    let size = points.len().div_ceil(FITTED).max(1);
    let rate = |group: &[Point]| match group {
        [one] => one.lr,
        _ => (group.iter().map(|p| p.lr.ln()).sum::<f64>() / group.len() as f64).exp(),
    };
    let loss = |group: &[Point]| group.iter().map(|p| p.loss.min(top)).sum::<f64>() / group.len() as f64;
    points.chunks(size).map(|group| (rate(group), loss(group))).unzip()
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
    fn long_curves_are_shown_in_part() {
        let shown = fitted(&curve((1..=50_000).map(f64::from), |lr| 1.0 / lr));
        assert!((SHOWN - SHOWN / 5..=SHOWN + 1).contains(&shown.len()), "{}", shown.len());
        assert_eq!((shown[0].step, shown[shown.len() - 1].step), (0, 49_999));
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
