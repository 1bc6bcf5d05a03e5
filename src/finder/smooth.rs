//! Views of a loss curve. Raw losses are what is kept; every function here makes a new vector of them.
//!
//! Averages over past losses lag: on a ramp, [`ewa`] with `beta` 0.98 is 34 steps late in a sweep of 100, that is
//! 2.7 decades of an eight-decade range. [`local_linear`] looks both ways and does not lag.

use std::f64::consts::LN_10;

/// Fewest points, the centre among them, that [`local_linear`] fits a line to.
const NEIGHBOURS: usize = 5;

/// Exponentially weighted average with bias correction, as in fastai (its `beta` is 0.98):
/// `v_i = beta * v_(i-1) + (1 - beta) * loss_i` from `v_(-1) = 0`, and `v_i / (1 - beta^(i+1))` is returned
/// (Kingma and Ba, arXiv:1412.6980, section 3).
///
/// Ends before the first loss that is not finite. A `beta` outside [0, 1) does not smooth.
pub fn ewa(loss: &[f64], beta: f64) -> Vec<f64> {
    let beta = if (0.0..1.0).contains(&beta) { beta } else { 0.0 };
    let (mut average, mut remaining) = (0.0, 1.0);
    let smooth = |&loss: &f64| {
        average = beta * average + (1.0 - beta) * loss;
        remaining *= beta;
        average / (1.0 - remaining)
    };
    finite(loss).iter().map(smooth).collect()
}

/// Exponentially weighted average that starts at the first loss, as in pytorch-lr-finder (its `weight` is 0.05):
/// `s_0 = loss_0`, `s_i = weight * loss_i + (1 - weight) * s_(i-1)`. No bias correction is needed, but the first
/// loss weighs more than any other.
///
/// Ends before the first loss that is not finite. A `weight` outside (0, 1] does not smooth.
pub fn ewa_seeded(loss: &[f64], weight: f64) -> Vec<f64> {
    let weight = if weight > 0.0 && weight <= 1.0 { weight } else { 1.0 };
    let smooth = |average: &mut Option<f64>, &loss: &f64| {
        let next = average.map_or(loss, |past| weight * loss + (1.0 - weight) * past);
        *average = Some(next);
        *average
    };
    finite(loss).iter().scan(None, smooth).collect()
}

/// A line fitted around one point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// The loss on the line, at the point.
    pub value: f64,
    /// Standard error of `value`; infinite where there are too few points for a line.
    pub value_error: f64,
    /// The line's slope: loss per unit of `ln lr`.
    pub slope: f64,
    /// Standard error of `slope`; infinite where there are too few points for a line.
    pub slope_error: f64,
}

/// Centred local-linear fit of `loss` over `ln lr`, one [`Fit`] a point: weighted least squares with tricube weights
/// `(1 - |u|^3)^3`, `u` the distance over `half_width` (Cleveland, JASA 74:829, 1979). A line, and not an average, so
/// that neither a ramp nor an end of the curve is biased.
///
/// `half_width` is in decades of the rate. Where fewer than five points lie so near, it grows to the nearest five.
/// The standard error takes the noise from how far neighbouring losses stray from the line through the points on
/// either side (Gasser, Sroka and Jennen-Steinmetz, Biometrika 73:625, 1986): unlike the residuals of the fit, these
/// do not count the curve's own bend as noise.
///
/// Takes time in proportion to the points times the points within reach.
///
/// Rates must rise; the result ends before the first rate that does not, is not positive, or has a loss that is not
/// finite.
pub fn local_linear(lr: &[f64], loss: &[f64], half_width: f64) -> Vec<Fit> {
    let x: Vec<f64> = rising(lr).iter().map(|lr| lr.ln()).collect();
    let loss = finite(loss);
    let n = x.len().min(loss.len());
    let (x, loss) = (x.split_at(n).0, loss.split_at(n).0);
    fit_all(x, loss, &pseudo_residuals(x, loss), half_width)
}

/// [`local_linear`] over rising `x = ln lr`, with the noise of every loss given.
pub(crate) fn fit_all(x: &[f64], loss: &[f64], noise: &[f64], half_width: f64) -> Vec<Fit> {
    let n = x.len().min(loss.len()).min(noise.len());
    let reach = half_width.max(0.0) * LN_10;
    (0..n).map(|i| fit_at(x.split_at(n).0, loss, noise, i, reach)).collect()
}

/// The curve with neighbours averaged, so that at most `most` points are left: geometric means of the rates, means of
/// the losses. Fits of longer curves would take long and say no more.
pub(crate) fn thinned(lr: &[f64], loss: &[f64], most: usize) -> (Vec<f64>, Vec<f64>) {
    let n = lr.len().min(loss.len());
    let group = n.div_ceil(most.max(1)).max(1);
    if group == 1 {
        return (lr.split_at(n).0.to_vec(), loss.split_at(n).0.to_vec());
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let log_mean = |lr: &[f64]| (lr.iter().map(|lr| lr.ln()).sum::<f64>() / lr.len() as f64).exp();
    (
        lr.split_at(n).0.chunks(group).map(log_mean).collect(),
        loss.split_at(n).0.chunks(group).map(mean).collect(),
    )
}

/// The losses before the first that is not finite.
pub(crate) fn finite(loss: &[f64]) -> &[f64] {
    let end = loss.iter().position(|loss| !loss.is_finite()).unwrap_or(loss.len());
    loss.split_at(end).0
}

/// The rates before the first that is not finite, not positive, or not above the one before it.
pub(crate) fn rising(lr: &[f64]) -> &[f64] {
    let mut past = 0.0;
    let breaks = |&lr: &f64| !(lr.is_finite() && lr > std::mem::replace(&mut past, lr));
    let end = lr.iter().position(breaks).unwrap_or(lr.len());
    lr.split_at(end).0
}

/// How far each loss is from the line through its two neighbours, scaled so that its square is the noise's variance.
/// The first and the last point have one neighbour only, and take the next point's.
pub(crate) fn pseudo_residuals(x: &[f64], loss: &[f64]) -> Vec<f64> {
    let stray = |i: usize| {
        let right = (x[i] - x[i - 1]) / (x[i + 1] - x[i - 1]);
        let left = 1.0 - right;
        let line = left * loss[i - 1] + right * loss[i + 1];
        (loss[i] - line) / (1.0 + left * left + right * right).sqrt()
    };
    let n = x.len();
    if n < 3 {
        return vec![0.0; n];
    }
    (0..n).map(|i| stray(i.clamp(1, n - 2))).collect()
}

fn fit_at(x: &[f64], loss: &[f64], noise: &[f64], i: usize, reach: f64) -> Fit {
    let (start, end, reach) = window(x, i, reach);
    // Relative to the centre's loss, so that an offset of the whole curve cancels exactly.
    let (centre, level) = (x[i], loss[i]);
    let points = || (start..end).map(|j| (tricube((x[j] - centre) / reach), x[j] - centre, j));
    let [mut s0, mut s1, mut s2, mut variance] = [0.0; 4];
    for (w, a, j) in points() {
        s0 += w;
        s1 += w * a;
        s2 += w * a * a;
        variance += w * noise[j] * noise[j];
    }
    let det = s0 * s2 - s1 * s1;
    if end - start < 3 || det <= 0.0 || !det.is_finite() {
        return Fit { value: level, value_error: f64::INFINITY, slope: 0.0, slope_error: f64::INFINITY };
    }
    // Value and slope are weighted sums of the losses, and so their errors follow from the weights.
    let [mut value, mut value_squares, mut slope, mut slope_squares] = [0.0; 4];
    for (w, a, j) in points() {
        let (to_value, to_slope) = (w * (s2 - s1 * a) / det, w * (s0 * a - s1) / det);
        value += to_value * (loss[j] - level);
        slope += to_slope * (loss[j] - level);
        value_squares += to_value * to_value;
        slope_squares += to_slope * to_slope;
    }
    let error = |squares: f64| (variance / s0 * squares).sqrt();
    Fit { value: level + value, value_error: error(value_squares), slope, slope_error: error(slope_squares) }
}

/// The points within `reach` of point `i`, or the nearest five, and the reach that covers them.
fn window(x: &[f64], i: usize, reach: f64) -> (usize, usize, f64) {
    let mut start = x.partition_point(|&a| a < x[i] - reach);
    let mut end = x.partition_point(|&a| a <= x[i] + reach);
    let wanted = NEIGHBOURS.min(x.len());
    if end - start >= wanted {
        return (start, end, reach);
    }
    while end - start < wanted {
        let left = start.checked_sub(1).map_or(f64::INFINITY, |j| x[i] - x[j]);
        let right = x.get(end).map_or(f64::INFINITY, |a| a - x[i]);
        if left < right { start -= 1 } else { end += 1 }
    }
    let far = (x[i] - x[start]).max(x[end - 1] - x[i]);
    // A little beyond the farthest point, whose weight would be zero otherwise.
    (start, end, reach.max(far * 1.25).max(f64::MIN_POSITIVE))
}

fn tricube(u: f64) -> f64 {
    let rest = 1.0 - u.abs().powi(3);
    rest.max(0.0).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], wanted: &[f64], tolerance: f64) {
        assert_eq!(found.len(), wanted.len());
        for (f, w) in found.iter().zip(wanted) {
            assert!((f - w).abs() <= tolerance, "{f} is not {w}");
        }
    }

    fn sweep(n: usize) -> Vec<f64> {
        (0..n).map(|i| 1e-7 * 1e8_f64.powf(i as f64 / (n - 1) as f64)).collect()
    }

    const RAW: [f64; 5] = [1.0, 2.0, 3.0, 2.0, 1.0];

    #[test]
    fn ewa_matches_hand_computed_values() {
        close(&ewa(&RAW, 0.98), &[1.0, 1.505_050_51, 2.013_467_56, 2.009_997_96, 1.799_755_18], 1e-8);
        close(&ewa(&RAW, 0.0), &RAW, 0.0);
    }

    #[test]
    fn seeded_ewa_matches_hand_computed_values() {
        close(&ewa_seeded(&RAW, 0.05), &[1.0, 1.05, 1.1475, 1.190_125, 1.180_618_75], 1e-12);
        close(&ewa_seeded(&RAW, 1.0), &RAW, 0.0);
    }

    #[test]
    fn a_constant_is_left_alone() {
        close(&ewa(&[3.0; 40], 0.98), &[3.0; 40], 1e-12);
        close(&ewa_seeded(&[3.0; 40], 0.05), &[3.0; 40], 1e-12);
        for fit in local_linear(&sweep(40), &[3.0; 40], 1.0) {
            assert_eq!(fit, Fit { value: 3.0, value_error: 0.0, slope: 0.0, slope_error: 0.0 });
        }
    }

    #[test]
    fn views_end_before_the_first_loss_that_is_not_finite() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let loss = [1.0, 2.0, bad, 1.0];
            assert_eq!(ewa(&loss, 0.9).len(), 2);
            assert_eq!(ewa_seeded(&loss, 0.05).len(), 2);
            assert_eq!(local_linear(&sweep(4), &loss, 1.0).len(), 2);
        }
        assert!(ewa(&[], 0.98).is_empty() && ewa_seeded(&[], 0.05).is_empty());
        assert!(local_linear(&[], &[], 1.0).is_empty());
    }

    #[test]
    fn a_setting_out_of_range_does_not_smooth() {
        for beta in [1.0, -0.1, f64::NAN] {
            close(&ewa(&RAW, beta), &RAW, 0.0);
        }
        for weight in [0.0, 1.1, f64::NAN] {
            close(&ewa_seeded(&RAW, weight), &RAW, 0.0);
        }
    }

    #[test]
    fn a_line_is_found_exactly_up_to_its_ends() {
        let lr = sweep(50);
        let loss: Vec<f64> = lr.iter().map(|lr| 2.0 - 0.25 * lr.ln()).collect();
        for half_width in [0.0, 0.1, 1.0, 20.0] {
            for (fit, &loss) in local_linear(&lr, &loss, half_width).iter().zip(&loss) {
                close(&[fit.value, fit.slope, fit.slope_error], &[loss, -0.25, 0.0], 1e-10);
            }
        }
    }

    #[test]
    fn a_step_is_not_moved() {
        let lr = sweep(101);
        let loss: Vec<f64> =
            lr.iter().map(|lr| 1.0 / (1.0 + (2.0 * (lr.ln() - 1e-3_f64.ln())).exp())).collect();
        let fits = local_linear(&lr, &loss, 1.0);
        let steepest = (0..101).min_by(|&i, &j| fits[i].slope.total_cmp(&fits[j].slope)).unwrap();
        assert_eq!(steepest, 50);
    }

    #[test]
    fn the_standard_error_is_the_noise_of_the_slope() {
        // Alternating losses: the slope's true spread is known to be near the error reported.
        let lr = sweep(200);
        let mut seed = 1_u64;
        let mut noise = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        };
        let loss: Vec<f64> = (0..200).map(|_| noise()).collect();
        let fits = local_linear(&lr, &loss, 1.0);
        let z: f64 = fits.iter().map(|fit| (fit.slope / fit.slope_error).powi(2)).sum::<f64>() / 200.0;
        assert!((0.3..3.0).contains(&z), "{z}");
    }

    #[test]
    fn scale_and_offset_pass_through() {
        let lr = sweep(60);
        let loss: Vec<f64> = (0..60).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let moved: Vec<f64> = loss.iter().map(|loss| 3.0 - 8.0 * loss).collect();
        for (a, b) in local_linear(&lr, &loss, 0.8).iter().zip(local_linear(&lr, &moved, 0.8)) {
            close(
                &[b.value, b.slope, b.slope_error],
                &[3.0 - 8.0 * a.value, -8.0 * a.slope, 8.0 * a.slope_error],
                1e-9,
            );
        }
    }

    #[test]
    fn thinning_averages_neighbours() {
        let (lr, loss) = thinned(&[1.0, 100.0, 4.0, 4.0, 7.0], &[1.0, 3.0, 5.0, 5.0, 9.0], 3);
        close(&lr, &[10.0, 4.0, 7.0], 1e-12);
        close(&loss, &[2.0, 5.0, 9.0], 0.0);
        assert_eq!(thinned(&[1.0, 2.0], &[3.0], 5), (vec![1.0], vec![3.0]));
        assert_eq!(thinned(&[], &[], 0), (vec![], vec![]));
    }

    #[test]
    fn rates_must_rise_and_be_positive() {
        let loss = [1.0; 4];
        assert_eq!(local_linear(&[1.0, 2.0, 2.0, 3.0], &loss, 1.0).len(), 2);
        assert_eq!(local_linear(&[0.0, 2.0, 3.0, 4.0], &loss, 1.0).len(), 0);
        assert_eq!(local_linear(&[1.0, f64::NAN, 3.0, 4.0], &loss, 1.0).len(), 1);
    }

    #[test]
    fn few_points_and_uneven_rates_are_fitted() {
        for n in 0..8 {
            let fits = local_linear(&sweep(100)[..n], &[2.0, 1.0, 3.0, 0.0, 1.0, 5.0, 1.0, 2.0][..n], 1e-9);
            assert_eq!(fits.len(), n);
            assert!(fits.iter().all(|fit| fit.value.is_finite() && fit.slope.is_finite()));
        }
        let linear: Vec<f64> = (0..30).map(|i| 1e-7 + f64::from(i) / 3.0).collect();
        let loss: Vec<f64> = linear.iter().map(|lr| lr.ln()).collect();
        assert!(local_linear(&linear, &loss, 0.1).iter().all(|fit| (fit.slope - 1.0).abs() < 1e-6));
    }
}
