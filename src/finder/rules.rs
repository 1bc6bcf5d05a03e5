//! What other finders answer on the same curve, by their published behaviour.
//!
//! The rules proper ([`valley`] and the others) take losses as they are: they neither smooth nor trim. [`rules`] does
//! what each tool does before its rule. All of them stop at the first rate or loss that is not finite, and answer
//! `None` where the tool would fail.

use super::report::Rules;
use super::smooth::{ewa_seeded, finite};

/// Losses that fastai and pytorch-lr-finder leave out at the end of a curve.
const SKIP_END: usize = 5;
/// Losses that fastai v1 and pytorch-lr-finder leave out at the start.
const SKIP_START: usize = 10;

/// fastai `valley`, its default since 2021: a point in the middle of the longest stretch in which losses fall.
///
/// The stretch is the longest strictly decreasing subsequence; of equals the one that ends first. With `end` its last
/// index and `d` its length, the answer is the rate at index `end - d + d/3 + d/6` (whole divisions). The
/// subsequence may skip points, so `end - d` is not where it starts, and may lie before the curve: fastai then wraps
/// around to the *largest* rate. Here the index is 0.
pub fn valley(lr: &[f64], loss: &[f64]) -> Option<f64> {
    let (lr, loss) = finite_pairs(lr, loss);
    let (mut end, mut longest) = (0, 0);
    for (i, length) in decreasing_lengths(loss).into_iter().enumerate() {
        if length > longest {
            (end, longest) = (i, length);
        }
    }
    lr.get((end + longest / 3 + longest / 6).saturating_sub(longest)).copied()
}

/// For every loss, the length of the longest strictly decreasing subsequence that ends there (patience sorting).
fn decreasing_lengths(loss: &[f64]) -> Vec<usize> {
    // `last[k]` is the largest loss that a subsequence of k + 1 losses can end with; it falls with k.
    let mut last: Vec<f64> = Vec::new();
    let length = |&loss: &f64| {
        let shorter = last.partition_point(|&end| end > loss);
        match last.get_mut(shorter) {
            Some(end) => *end = loss,
            None => last.push(loss),
        }
        shorter + 1
    };
    loss.iter().map(length).collect()
}

/// fastai `steep`: the rate at which the loss falls fastest, by the forward difference over `ln lr`; the left one of
/// the two rates. On a curve that only rises it answers where it rises least.
pub fn steep(lr: &[f64], loss: &[f64]) -> Option<f64> {
    let (lr, loss) = finite_pairs(lr, loss);
    let slopes = lr.windows(2).zip(loss.windows(2)).filter_map(|(lr, loss)| match (lr, loss) {
        (&[lr, next_lr], &[loss, next]) => {
            let gap = (next_lr / lr).ln();
            (gap != 0.0 && gap.is_finite()).then_some((lr, (next - loss) / gap))
        }
        _ => None,
    });
    lowest(slopes)
}

/// fastai `minimum`: a tenth of the rate at the lowest loss.
pub fn minimum(lr: &[f64], loss: &[f64]) -> Option<f64> {
    let (lr, loss) = finite_pairs(lr, loss);
    lowest(lr.iter().copied().zip(loss.iter().copied())).map(|lr| lr / 10.0)
}

/// fastai `slide`: an interval of 15 steps slides from the end of the curve to the left while the gradients at its
/// ends differ by more than 0.005; the answer is the rate at its left end before it rests.
///
/// The threshold is in units of the loss, so the answer changes with the loss's scale. `None` for fewer than 16
/// losses, where fastai fails.
pub fn slide(lr: &[f64], loss: &[f64]) -> Option<f64> {
    slide_by(lr, loss, 15, 0.005)
}

fn slide_by(lr: &[f64], loss: &[f64], span: usize, threshold: f64) -> Option<f64> {
    let (lr, loss) = finite_pairs(lr, loss);
    let slopes = gradient(loss);
    let mut left = loss.len().checked_sub(span + 1)?;
    let differs = |left: usize| {
        let (a, b) = (slopes.get(left).copied(), slopes.get(left + span).copied());
        a.zip(b).is_some_and(|(a, b)| (b - a).abs() > threshold)
    };
    let mut answer = lr.get(left).copied();
    while differs(left) {
        answer = lr.get(left).copied();
        let Some(next) = left.checked_sub(1) else { break };
        left = next;
    }
    answer
}

/// The rate at the lowest gradient by central differences, one-sided at the ends: fastai v1's suggestion, and
/// pytorch-lr-finder's. The spacing of the rates does not count: on an exponential grid it is the same everywhere.
pub fn min_gradient(lr: &[f64], loss: &[f64]) -> Option<f64> {
    let (lr, loss) = finite_pairs(lr, loss);
    lowest(lr.iter().copied().zip(gradient(loss)))
}

/// Central differences, one-sided at the ends; empty for fewer than two losses.
fn gradient(loss: &[f64]) -> Vec<f64> {
    let Some(last) = loss.len().checked_sub(1).filter(|&last| last > 0) else { return Vec::new() };
    let slope = |i: usize| {
        let (before, after) = (i.saturating_sub(1), (i + 1).min(last));
        (loss[after] - loss[before]) / (after - before) as f64
    };
    (0..=last).map(slope).collect()
}

/// The first of the rates with the lowest value; values that are not finite do not count.
fn lowest(pairs: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    pairs.filter(|(_, value)| value.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(lr, _)| lr)
}

/// Rates and losses, as many as there are of both, before the first that is not finite.
fn finite_pairs<'a>(lr: &'a [f64], loss: &'a [f64]) -> (&'a [f64], &'a [f64]) {
    let n = finite(lr).len().min(finite(loss).len());
    (lr.split_at(n).0, loss.split_at(n).0)
}

/// Every rule after its own tool's smoothing, stop and trimming.
///
/// `lr` is the planned grid, and may be longer than the losses of a run that stopped; `raw` the losses as computed and
/// `smoothed` their average as fastai records it ([`ewa`](super::smooth::ewa) with `beta` 0.98). fastai keeps the
/// losses up to the first that is above 4 times the lowest so far, leaves out a tenth of the planned steps at the
/// start and 5 at the end, and then cuts at the first loss that is not finite. [`min_gradient`] follows
/// pytorch-lr-finder: seeded average of `raw` with weight 0.05, stop above 5 times the lowest, 10 left out at the
/// start and 5 at the end.
///
/// After a run that stopped early too few losses may be left: the rules then answer `None`. So they do where losses are
/// negative, since every multiple of the lowest is then lower still, and the tools stop at once.
pub fn rules(lr: &[f64], raw: &[f64], smoothed: &[f64]) -> Rules {
    let steps = lr.len();
    let (rates, losses) = trimmed(lr, smoothed, 4.0, steps / 10);
    let seeded = ewa_seeded(raw, 0.05);
    let (seeded_rates, seeded_losses) = trimmed(lr, &seeded, 5.0, SKIP_START);
    Rules {
        fastai_valley: valley(rates, losses),
        fastai_steep: steep(rates, losses),
        fastai_slide: slide(rates, losses),
        fastai_minimum: minimum(rates, losses),
        min_gradient: min_gradient(seeded_rates, seeded_losses),
    }
}

/// Every rule on the losses themselves, without the smoothing, stopping and trimming that the tools do first.
pub fn rules_as_is(lr: &[f64], loss: &[f64]) -> Rules {
    Rules {
        fastai_valley: valley(lr, loss),
        fastai_steep: steep(lr, loss),
        fastai_slide: slide(lr, loss),
        fastai_minimum: minimum(lr, loss),
        min_gradient: min_gradient(lr, loss),
    }
}

/// The curve as a tool looks at it: up to where it stops, less its ends.
fn trimmed<'a>(lr: &'a [f64], loss: &'a [f64], factor: f64, start: usize) -> (&'a [f64], &'a [f64]) {
    let (rates, losses) = finite_pairs(lr, loss);
    let mut best = f64::INFINITY;
    let above = |&loss: &f64| {
        best = best.min(loss);
        loss > factor * best
    };
    // After a loss that is not finite the tools go on, so the five that they leave out are the last of the plan.
    let recorded = match losses.iter().position(above) {
        Some(stop) => stop + 1,
        None if losses.len() < loss.len() => lr.len(),
        None => losses.len(),
    };
    let end = recorded.saturating_sub(SKIP_END).min(losses.len());
    (rates.get(start..end).unwrap_or_default(), losses.get(start..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finder::smooth::ewa;

    /// The hand-checkable curve: half a decade a step, lowest at index 5.
    const LOSS: [f64; 10] = [1.0, 0.9, 0.7, 0.4, 0.2, 0.15, 0.2, 0.5, 1.0, 2.0];

    fn rates() -> Vec<f64> {
        (0..10).map(|i| 10_f64.powf(-4.0 + f64::from(i) / 2.0)).collect()
    }

    fn sweep(n: usize) -> Vec<f64> {
        (0..n).map(|i| 1e-7 * 1e8_f64.powf(i as f64 / (n - 1) as f64)).collect()
    }

    fn is(found: Option<f64>, wanted: f64) {
        let found = found.expect("an answer");
        assert!((found / wanted - 1.0).abs() < 1e-5, "{found} is not {wanted}");
    }

    #[test]
    fn the_hand_checkable_curve() {
        let lr = rates();
        assert_eq!(decreasing_lengths(&LOSS), [1, 2, 3, 4, 5, 6, 5, 4, 1, 1]);
        is(valley(&lr, &LOSS), 1e-3);
        is(minimum(&lr, &LOSS), 3.162_278e-3);
        is(steep(&lr, &LOSS), 1e-3);
        is(min_gradient(&lr, &LOSS), 1e-3);
        assert_eq!(slide(&lr, &LOSS), None);
        is(slide_by(&lr, &LOSS, 3, 0.005), 1e-4);
    }

    #[test]
    fn lengths_agree_with_the_quadratic_definition() {
        let loss: Vec<f64> = (0..200).map(|i| (f64::from(i) * 1.7).sin() - f64::from(i / 7) * 0.1).collect();
        let mut wanted: Vec<usize> = Vec::new();
        for (i, &here) in loss.iter().enumerate() {
            let before = (0..i).filter(|&j| loss[j] > here).map(|j| wanted[j]).max();
            wanted.push(1 + before.unwrap_or(0));
        }
        assert_eq!(decreasing_lengths(&loss), wanted);
    }

    #[test]
    fn degenerate_curves() {
        let lr = sweep(30);
        let flat = [1.0; 30];
        let rising: Vec<f64> = (0..30).map(f64::from).collect();
        let falling: Vec<f64> = (0..30).map(|i| 30.0 - f64::from(i)).collect();
        is(valley(&lr, &flat), 1e-7);
        assert!(steep(&lr, &rising).is_some());
        is(minimum(&lr, &falling), 1.0);
    }

    #[test]
    fn valley_does_not_wrap_around_to_the_largest_rate() {
        let mut loss: Vec<f64> = (0..30).map(|i| 0.85 + 0.05 * f64::from(i)).collect();
        loss[0] = 1.0;
        loss[1] = 0.9;
        is(valley(&sweep(30), &loss), 1e-7);
    }

    #[test]
    fn all_but_slide_are_free_of_scale_and_offset() {
        let (lr, scaled): (_, Vec<f64>) = (rates(), LOSS.iter().map(|loss| 256.0 * loss - 64.0).collect());
        for rule in [valley, steep, minimum, min_gradient] {
            assert_eq!(rule(&lr, &scaled), rule(&lr, &LOSS));
        }
    }

    #[test]
    fn slide_depends_on_the_scale() {
        let lr = sweep(100);
        let loss: Vec<f64> =
            lr.iter().map(|lr| 1.0 / (1.0 + (1e3 * lr).powf(1.5)) + lr * lr / 50.0).collect();
        let small: Vec<f64> = loss.iter().map(|loss| loss * 0.01).collect();
        assert_ne!(slide(&lr, &loss), slide(&lr, &small));
    }

    #[test]
    fn few_points_never_panic() {
        let lr = sweep(100);
        for n in 0..30 {
            for loss in [vec![1.0; n], (0..n).map(|i| -(i as f64)).collect(), vec![f64::NAN; n]] {
                for rule in [valley, steep, minimum, min_gradient, slide] {
                    let answer = rule(&lr, &loss);
                    assert!(answer.is_none_or(f64::is_finite));
                    assert_eq!(rule(&lr[..n], &loss), answer);
                }
                rules(&lr, &loss, &ewa(&loss, 0.98));
                rules(&lr[..n], &loss, &ewa(&loss, 0.98));
            }
        }
        assert_eq!(valley(&[], &[]), None);
        assert_eq!(steep(&[1.0], &[1.0]), None);
        assert_eq!(rules(&[], &[], &[]), Rules::default());
    }

    #[test]
    fn rates_of_zero_and_repeated_rates_have_no_slope() {
        assert_eq!(steep(&[0.0, 1.0], &[2.0, 1.0]), None);
        assert_eq!(steep(&[1.0, 1.0, 2.0], &[3.0, 1.0, 1.0]), Some(1.0));
    }

    #[test]
    fn losses_after_the_first_that_is_not_finite_do_not_count() {
        let lr = sweep(30);
        let mut loss: Vec<f64> = (0..30).map(|i| 30.0 - f64::from(i)).collect();
        loss[20] = f64::NAN;
        is(minimum(&lr, &loss), lr[19] / 10.0);
    }

    #[test]
    fn fastai_leaves_out_a_tenth_and_five() {
        let lr = sweep(100);
        // The steepest step of all is among those left out.
        let loss: Vec<f64> =
            (0..100).map(|i| 500.0 - f64::from(i) - if i > 5 { 90.0 } else { 0.0 }).collect();
        let found = rules(&lr, &loss, &loss);
        is(found.fastai_minimum, lr[94] / 10.0);
        // 85 losses, the last at 84: 84 - 85 + 28 + 14 after the ten left out.
        is(found.fastai_valley, lr[10 + 41]);
        assert!(found.fastai_steep > Some(lr[9]));
    }

    #[test]
    fn fastai_stops_above_four_times_the_best() {
        let lr = sweep(100);
        let loss: Vec<f64> =
            (0..100).map(|i| if i < 60 { 2.0 - f64::from(i) / 60.0 } else { f64::from(i) }).collect();
        let (rates, losses) = trimmed(&lr, &loss, 4.0, 10);
        // 60 and one that stopped the run, less five.
        assert_eq!((rates.len(), losses.len()), (46, 46));
    }

    #[test]
    fn after_a_blow_up_the_five_last_of_the_plan_are_left_out() {
        let lr = sweep(100);
        let mut loss: Vec<f64> = (0..50).map(|i| 200.0 - f64::from(i)).collect();
        assert_eq!(trimmed(&lr, &loss, 4.0, 10).0.len(), 35);
        loss.push(f64::NAN);
        assert_eq!(trimmed(&lr, &loss, 4.0, 10).0.len(), 40);
    }

    #[test]
    fn too_few_losses_after_an_early_stop_are_no_answer() {
        let lr = sweep(100);
        let loss = [2.0; 15];
        assert_eq!(rules(&lr, &loss, &loss), Rules::default());
    }

    #[test]
    fn negative_losses_stop_the_tools_at_once() {
        let lr = sweep(100);
        let loss: Vec<f64> = (0..100).map(|i| -1.0 - f64::from(i)).collect();
        assert_eq!(rules(&lr, &loss, &loss), Rules::default());
    }
}
