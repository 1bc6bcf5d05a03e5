//! Smith's pair of rates, read off a range test by machine.

use super::report::Smith;
use super::smooth::{Fit, finite, local_linear, rising, thinned};

/// Half-width of the fit, in decades of the rate.
const HALF_WIDTH: f64 = 0.5;
/// Most points that are fitted; longer curves are averaged down to these.
const MOST: usize = 2000;
/// Fewest points that the pair is read from.
const FEWEST: usize = 6;
/// Standard errors above the start from which a rise is clear.
const CLEAR: f64 = 4.0;
/// And the share of the whole rise that it must have made: without noise, any rise is above it.
const MADE: f64 = 0.05;
/// The rise has slowed when its slope is below this share of the steepest.
const SLOW: f64 = 0.25;
/// Ragged: point to point, the noise is this many times what it was before the rise.
const RAGGED: f64 = 3.0;

/// The bounds of a cyclical schedule (Smith, arXiv:1506.01186, section 3.3): `base_lr`, where accuracy starts to rise,
/// and `max_lr`, where it slows, becomes ragged or falls. Smith reads both from a plot; here
///
/// - accuracy, a share from 0 to 1, is fitted by [`local_linear`] over half a decade to either side; where it is
///   `None`, the negative of the loss takes its place,
/// - `base_lr` is the first rate from which the fit stays clearly above its start (4 standard errors, and a twentieth of the
///   whole rise) until its peak,
/// - `max_lr` is the first rate, after the steepest rise, at which the slope is below a quarter of the steepest, or the
///   noise is three times that before the rise, or the fit is at its peak.
///
/// `None` for fewer than 6 points, and where nothing rises clearly. The curve ends before the first value that is not
/// finite, and before the first rate that does not rise.
pub fn smith(lr: &[f64], accuracy: Option<&[f64]>, loss: &[f64]) -> Option<Smith> {
    let score: Vec<f64> = match accuracy {
        // A run that blew up may still have accuracies; they mean nothing.
        Some(accuracy) => {
            accuracy.iter().zip(loss).take_while(|(_, loss)| loss.is_finite()).map(|(a, _)| *a).collect()
        }
        None => loss.iter().map(|loss| -loss).collect(),
    };
    let (lr, score) = thinned(rising(lr), finite(&score), MOST);
    let fits = local_linear(&lr, &score, HALF_WIDTH);
    if fits.len() < FEWEST {
        return None;
    }
    let peak = first_highest(fits.iter().map(|fit| fit.value))?;
    let base = onset(&fits, &score, peak)?;
    let max = exhaustion(&fits, &score, base, peak)?;
    Some(Smith { base_lr: *lr.get(base)?, max_lr: *lr.get(max)? })
}

/// The first point from which the fit stays clearly above its start until the peak.
fn onset(fits: &[Fit], score: &[f64], peak: usize) -> Option<usize> {
    let count = (fits.len() / 10).max(3);
    let start = fits.get(..count)?.iter().map(|fit| fit.value).sum::<f64>() / count as f64;
    // The mean of the start and a fitted value are each less noisy than one point; this is on the safe side.
    let clear = CLEAR * noise(score, 0, count.max(FEWEST)) / (count as f64).sqrt();
    let floor = start + clear.max(MADE * (fits.get(peak)?.value - start));
    let below = fits.get(..=peak)?.iter().rposition(|fit| fit.value <= floor);
    let first = below.map_or(0, |last| last + 1);
    (first < peak).then_some(first)
}

/// The first point after the steepest rise at which the rise is over.
fn exhaustion(fits: &[Fit], score: &[f64], base: usize, peak: usize) -> Option<usize> {
    // Where accuracy is ragged, slopes mean nothing: what follows is left out before the steepest is looked for.
    let calm = noise(score, 0, base + FEWEST);
    let ragged = |&i: &usize| calm > 0.0 && noise(score, i.saturating_sub(3), i + 4) > RAGGED * calm;
    let end = (base + FEWEST..peak).find(ragged).unwrap_or(peak);
    let steepest = base + first_highest(fits.get(base..=end)?.iter().map(|fit| fit.slope))?;
    let slow = SLOW * fits.get(steepest)?.slope;
    let slows = |&i: &usize| fits.get(i).is_some_and(|fit| fit.slope < slow);
    (steepest + 1..end).find(slows).or(Some(end))
}

/// Standard deviation of the noise among the points from `start` to before `end`, from their second differences
/// (variance 6 times the noise's), which no slope touches.
fn noise(score: &[f64], start: usize, end: usize) -> f64 {
    let Some(points) = score.get(start..end.min(score.len())) else { return 0.0 };
    let squares = points.windows(3).map(|w| match w {
        &[a, b, c] => (a - 2.0 * b + c).powi(2) / 6.0,
        _ => 0.0,
    });
    let count = points.len().saturating_sub(2).max(1);
    (squares.sum::<f64>() / count as f64).sqrt()
}

fn first_highest(values: impl Iterator<Item = f64>) -> Option<usize> {
    let higher = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
    values.enumerate().filter(|(_, value)| !value.is_nan()).reduce(higher).map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(n: usize) -> Vec<f64> {
        (0..n).map(|i| 1e-6 * 1e6_f64.powf(i as f64 / (n - 1) as f64)).collect()
    }

    fn jitter(i: usize, size: f64) -> f64 {
        size * ((i * 7919 % 101) as f64 / 50.0 - 1.0)
    }

    /// Chance until 1e-4, up to 0.9 at 1e-2, level from there, down from 0.3.
    fn accuracy(lr: &[f64], size: f64) -> Vec<f64> {
        let share = |lr: f64| ((lr.log10() + 4.0) / 2.0).clamp(0.0, 1.0);
        lr.iter()
            .enumerate()
            .map(|(i, &lr)| if lr > 0.3 { 0.1 } else { 0.1 + 0.8 * share(lr) + jitter(i, size) })
            .collect()
    }

    #[test]
    fn the_pair_brackets_the_rise() {
        let lr = sweep(200);
        for size in [0.0, 0.01, 0.03] {
            let found = smith(&lr, Some(&accuracy(&lr, size)), &[1.0; 200]).unwrap();
            assert!((3e-5..4e-4).contains(&found.base_lr), "{size}: {found:?}");
            assert!((4e-3..3e-2).contains(&found.max_lr), "{size}: {found:?}");
        }
    }

    #[test]
    fn without_accuracy_the_loss_is_read() {
        let lr = sweep(200);
        let loss: Vec<f64> = accuracy(&lr, 0.01).iter().map(|accuracy| 5.0 - 3.0 * accuracy).collect();
        let found = smith(&lr, None, &loss).unwrap();
        assert!((3e-5..4e-4).contains(&found.base_lr) && (4e-3..3e-2).contains(&found.max_lr), "{found:?}");
    }

    #[test]
    fn ragged_accuracy_ends_the_range() {
        let lr = sweep(200);
        let ragged = |i: usize, lr: f64| {
            let rise = 0.1 + 0.8 * ((lr.log10() + 4.0) / 4.0).clamp(0.0, 1.0);
            rise + jitter(i, if lr > 1e-2 { 0.2 } else { 0.005 })
        };
        let accuracy: Vec<f64> = lr.iter().enumerate().map(|(i, &lr)| ragged(i, lr)).collect();
        let found = smith(&lr, Some(&accuracy), &[1.0; 200]).unwrap();
        assert!((7e-3..2e-2).contains(&found.max_lr), "{found:?}");
    }

    #[test]
    fn scale_and_offset_of_the_loss_do_not_matter() {
        let lr = sweep(150);
        let loss: Vec<f64> = accuracy(&lr, 0.01).iter().map(|accuracy| -accuracy).collect();
        let moved: Vec<f64> = loss.iter().map(|loss| 1024.0 * loss - 4096.0).collect();
        let (a, b) = (smith(&lr, None, &loss).unwrap(), smith(&lr, None, &moved).unwrap());
        assert_eq!(a, b);
    }

    #[test]
    fn no_rise_is_no_pair() {
        let lr = sweep(100);
        assert_eq!(smith(&lr, Some(&[0.1; 100]), &[1.0; 100]), None);
        assert_eq!(smith(&lr, None, &[1.0; 100]), None);
        let noise: Vec<f64> = (0..100).map(|i| jitter(i, 1.0)).collect();
        assert_eq!(smith(&lr, None, &noise), None);
        let rising: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(smith(&lr, None, &rising), None);
    }

    #[test]
    fn few_points_and_losses_that_are_not_finite_never_panic() {
        let lr = sweep(100);
        for n in 0..12 {
            let loss: Vec<f64> = (0..n).map(|i| -(i as f64)).collect();
            let found = smith(&lr, None, &loss);
            assert!(n >= 6 || found.is_none());
            smith(&lr[..n], Some(&loss), &loss);
            smith(&lr, Some(&loss), &vec![f64::NAN; n]);
            smith(&lr, Some(&vec![f64::NAN; n]), &loss);
            smith(&vec![0.0; n], None, &loss);
        }
    }

    #[test]
    fn accuracies_after_a_blow_up_do_not_count() {
        let lr = sweep(200);
        let mut accuracy = accuracy(&lr, 0.01);
        let mut loss = vec![1.0; 200];
        let wanted = smith(&lr, Some(&accuracy), &loss);
        loss[190] = f64::NAN;
        accuracy[195..].fill(1.0);
        assert_eq!(
            smith(&lr, Some(&accuracy), &loss).map(|pair| pair.base_lr),
            wanted.map(|pair| pair.base_lr)
        );
    }
}
