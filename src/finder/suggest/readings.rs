//! What a curve says of the rate, read in three ways, and what its optimizer says before any curve; and how clearly the loss
//! falls at all. Rates are `ln lr`.

use super::super::rules::valley;
use super::super::smooth::ewa;
use crate::optim::Optimizer;
use std::f64::consts::LN_10;

/// Decades from the rate at which a run diverges down to one that trains well, as measured: of plain SGD, and what each decade by
/// which momentum makes a step more lasting adds; and of Adam.
const BELOW_DIVERGENCE_SGD: f64 = 1.25;
const BELOW_DIVERGENCE_MOMENTUM: f64 = 0.62;
const BELOW_DIVERGENCE_ADAM: f64 = 2.2;
/// Decades below that, at most, where noise hides the fall: an average of noise declines anywhere.
const NOISY_DECLINE: f64 = 2.0;
/// Rates that plain SGD and Adam are usually started with, in decades.
const CUSTOMARY_SGD: f64 = -1.0;
const CUSTOMARY_ADAM: f64 = -2.3;
/// Decades by which SGD's usual momentum, 0.9, lowers good rates.
const USUAL_MOMENTUM: f64 = -1.0;
/// With any optimizer: the mean of SGD's without momentum and with the usual one, and of Adam's.
const CUSTOMARY_ANY: f64 = (2.0 * CUSTOMARY_SGD + USUAL_MOMENTUM + CUSTOMARY_ADAM) / 3.0;
/// Decades that the customary rate moves the answer at most.
const MOST_MOVED: f64 = 0.3;
/// Coefficient of the average whose decline is read, and the most points that it is taken of: twenty of them are its memory.
const BETA: f64 = 0.95;
const MOST: usize = 200;
/// Share of the average's fall below which it does not decline: rounding is none, nor is a drift before the fall.
const RESOLUTION: f64 = 1e-3;
/// A stretch that is compared with all before it has at least this share of the points, and at least four.
const STRETCH: f64 = 0.05;

/// The three readings.
pub(super) struct Readings {
    /// Does the curve fall further than noise alone would?
    pub clear: bool,
    /// The middle of the fall, where it is clear enough to have one.
    pub middle: Option<f64>,
    /// The middle of the average's decline.
    pub decline: f64,
    /// Where the run diverges, if it does.
    pub edge: Option<f64>,
    /// The largest rate of the curve.
    pub end: f64,
}

/// What an optimizer says of the rate before any curve; or, where none is known, what all do.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// With which that is, for a reader.
    pub with: &'static str,
    /// The rate that it is usually started with, and how much that weighs.
    pub customary: f64,
    weight: f64,
    /// From the rate at which it diverges down to one that trains well.
    below_divergence: f64,
}

impl Known {
    /// Of `optimizer`, or where it is not told of those that the curve may be of, which `overflows` into a loss that is not finite or
    /// does not.
    pub fn of(optimizer: Option<&Optimizer>, overflows: bool) -> Self {
        // Momentum multiplies a lasting step by 1 / (1 - momentum): good rates are smaller by as much, `lasting` in decades; where a
        // run diverges moves less (2 (1 + momentum) over the curvature).
        let sgd = |lasting: f64| {
            [CUSTOMARY_SGD + lasting, BELOW_DIVERGENCE_SGD - BELOW_DIVERGENCE_MOMENTUM * lasting]
        };
        // With a momentum outside, none can be trained.
        let told =
            optimizer.filter(|o| !matches!(o, Optimizer::Sgd(sgd) if !(0.0..1.0).contains(&sgd.momentum)));
        let (with, weight, decades) = match told {
            Some(Optimizer::Sgd(o)) => ("with this optimizer", 2.0, sgd((1.0 - o.momentum).log10())),
            Some(Optimizer::Adam(_)) => ("with this optimizer", 2.0, [CUSTOMARY_ADAM, BELOW_DIVERGENCE_ADAM]),
            // Adam's steps are bounded by the rate, so that its loss hardly grows beyond all numbers: half-way between SGD
            // without momentum and with the usual one.
            None if overflows => ("with SGD, whose loss alone overflows,", 1.0, sgd(USUAL_MOMENTUM / 2.0)),
            None => ("with any optimizer", 1.0, [CUSTOMARY_ANY, BELOW_DIVERGENCE_ADAM]),
        };
        let [customary, below_divergence] = decades.map(|decades| decades * LN_10);
        Self { with, customary, weight, below_divergence }
    }
}

impl Readings {
    /// Their weighted mean, towards what is customary: that counts twice where the optimizer is known, else once, but moves the answer by
    /// a factor of two at most; where no fall is clear it counts as much as all of them, since they are read off noise.
    pub fn mean(&self, known: Known) -> f64 {
        let (mean, weight) = self.of_curve(known);
        let towards = known.customary - mean;
        if self.clear {
            let moved = towards * known.weight / (weight + known.weight);
            mean + moved.clamp(-MOST_MOVED * LN_10, MOST_MOVED * LN_10)
        } else {
            mean + towards / 2.0
        }
    }

    /// What the curve says, and how much that weighs: the middle of the fall counts twice. A run that did not diverge would do so beyond
    /// its end: that counts where it raises the answer.
    fn of_curve(&self, known: Known) -> (f64, f64) {
        let edge = self.edge.unwrap_or(self.end) - known.below_divergence;
        let (mut sum, mut weight) = match (self.middle, self.edge) {
            (Some(middle), _) => (self.decline + 2.0 * middle, 3.0),
            (None, Some(_)) => (self.decline.max(edge - NOISY_DECLINE * LN_10), 1.0),
            (None, None) => (self.decline, 1.0),
        };
        if self.edge.is_some() || edge > sum / weight {
            sum += edge;
            weight += 1.0;
        }
        (sum / weight, weight)
    }
}

/// The middle of the longest decline of the losses' exponentially weighted average, by [`valley`]: it counts steps and not
/// levels. The first tenth, whose averages are of few losses, is left out.
pub(super) fn decline(x: &[f64], loss: &[f64]) -> f64 {
    let group = loss.len().div_ceil(MOST).max(1);
    let means = |values: &[f64]| -> Vec<f64> {
        values.chunks(group).map(|some| some.iter().sum::<f64>() / some.len() as f64).collect()
    };
    let (x, loss) = (means(x), means(loss));
    let skip = loss.len() / 10;
    let average = ewa(&loss, BETA).split_off(skip.min(loss.len()));
    let lowest = average.iter().copied().fold(f64::INFINITY, f64::min);
    let before = average.iter().take_while(|&&loss| loss > lowest);
    let step = RESOLUTION * (before.copied().fold(lowest, f64::max) - lowest);
    let told_apart = |loss: &f64| if step > 0.0 { ((loss - lowest) / step).round() } else { 0.0 };
    let levels: Vec<f64> = average.iter().map(told_apart).collect();
    valley(x.split_at(skip.min(x.len())).1, &levels).unwrap_or(f64::NAN)
}

/// The most standard errors by which the mean of a stretch lies below the mean of all losses before it. Of curves of noise
/// alone half show more than 2.4, and one in ten more than 3.3 (60 to 200 points).
pub(super) fn clearness(loss: &[f64], start: usize, noise: f64) -> f64 {
    let n = loss.len();
    let mut sums = vec![0.0; n + 1];
    for (i, loss) in loss.iter().enumerate() {
        sums[i + 1] = sums[i] + loss;
    }
    let shortest = ((STRETCH * n as f64) as usize).max(4);
    let mut most: f64 = 0.0;
    for length in (shortest..=n / 2).step_by((shortest / 2).max(1)) {
        for first in start.max(1)..=n - length {
            let before = sums[first] / first as f64;
            let height = before - (sums[first + length] - sums[first]) / length as f64;
            let error = noise * (1.0 / first as f64 + 1.0 / length as f64).sqrt();
            // Without noise any fall is clear, and no fall is none.
            most = most.max(if height > 0.0 { height / error } else { 0.0 });
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{Adam, Sgd};

    fn line(n: usize) -> Vec<f64> {
        (0..n).map(|i| i as f64 / 10.0).collect()
    }

    #[test]
    fn the_mean_takes_what_there_is() {
        let below = BELOW_DIVERGENCE_ADAM * LN_10;
        let of_curve = |readings: &Readings| readings.of_curve(Known::of(None, false)).0;
        let all =
            Readings { clear: true, middle: Some(-7.0), decline: -8.0, edge: Some(below - 9.0), end: 0.0 };
        assert!((of_curve(&all) + 7.75).abs() < 1e-12);
        let noisy = Readings { middle: None, ..all };
        assert!((of_curve(&noisy) + 8.5).abs() < 1e-12);
        let astray = Readings { decline: -9.0 - 4.0 * LN_10, ..noisy };
        assert!((of_curve(&astray) + 9.0 + LN_10).abs() < 1e-12);
        // The end of a run that did not diverge can raise the mean and not lower it.
        let short = Readings { edge: None, end: below - 9.0, ..all };
        assert!((of_curve(&short) + 22.0 / 3.0).abs() < 1e-12);
        let wide = Readings { end: below - 1.5, ..short };
        assert!((of_curve(&wide) + 5.875).abs() < 1e-12);
    }

    #[test]
    fn a_customary_rate_counts_for_two_and_moves_little() {
        let adam = Known::of(Some(&Adam::default().into()), false);
        assert!((adam.customary.exp() / 5.01e-3 - 1.0).abs() < 1e-3);
        let readings = |middle: f64| {
            let edge = Some(middle + adam.below_divergence);
            Readings { clear: true, middle: Some(middle), decline: middle, edge, end: 0.0 }
        };
        let at = |middle: f64| readings(middle).mean(adam);
        assert!((at(adam.customary + 1.0) - adam.customary - 2.0 / 3.0).abs() < 1e-12);
        // And for one where it is any optimizer's.
        let any = Known::of(None, false);
        let edge = Some(any.customary + 1.0 + any.below_divergence);
        let above = Readings { edge, ..readings(any.customary + 1.0) };
        assert!((above.mean(any) - any.customary - 0.8).abs() < 1e-12);
        // However far it is.
        assert!((at(adam.customary - 20.0) - adam.customary + 20.0 - MOST_MOVED * LN_10).abs() < 1e-12);
        // But half the way where there is nothing but noise to read.
        let noise = Readings { clear: false, middle: None, ..readings(adam.customary - 20.0) };
        assert!((noise.mean(adam) - adam.customary + 10.0).abs() < 1e-12);
    }

    /// Of the three, 0.1, 0.01 and 0.005.
    #[test]
    fn without_an_optimizer_the_mean_of_all_is_customary() {
        let any = Known::of(None, false);
        assert!((any.customary.exp() / (0.1 * 0.01 * 5.01e-3_f64).cbrt() - 1.0).abs() < 1e-3);
        assert!((any.below_divergence.exp() / 158.5 - 1.0).abs() < 1e-2);
    }

    /// Of two, 0.1 and 0.01, and 18 and 74. What is told goes before what the curve says.
    #[test]
    fn a_loss_that_overflows_is_of_sgd() {
        let known = Known::of(None, true);
        assert!((known.customary.exp() / (0.1 * 0.01_f64).sqrt() - 1.0).abs() < 1e-9);
        assert!((known.below_divergence.exp() / (17.8 * 74.1_f64).sqrt() - 1.0).abs() < 1e-2);
        let adam: Optimizer = Adam::default().into();
        let [calm, overflowing] = [false, true].map(|overflows| Known::of(Some(&adam), overflows));
        assert_eq!(calm.customary, overflowing.customary);
        assert_eq!(calm.with, overflowing.with);
    }

    /// Momentum of 0.9 makes ten steps of one: a tenth of the rate, and four times as far below the divergence.
    #[test]
    fn momentum_lowers_what_is_customary() {
        let [plain, heavy] =
            [0.0, 0.9].map(|momentum| Known::of(Some(&Sgd::momentum(momentum).into()), false));
        assert!((plain.customary.exp() - 0.1).abs() < 1e-12 && (heavy.customary.exp() - 0.01).abs() < 1e-12);
        assert!((plain.below_divergence.exp() / 17.8 - 1.0).abs() < 1e-2);
        assert!((heavy.below_divergence.exp() / 74.1 - 1.0).abs() < 1e-2);
        for never in [1.0, 7.0, -0.1, f64::NAN] {
            let known = Known::of(Some(&Sgd::momentum(never).into()), false);
            assert_eq!(known.with, Known::of(None, false).with);
        }
    }

    /// 4 ten times and then 3 fall on average from the 11th on, for as long as there are some; 9 ends it.
    #[test]
    fn the_decline_by_hand() {
        let mut loss = vec![4.0; 10];
        loss.extend([3.0; 10]);
        loss.extend([9.0; 5]);
        let x = line(25);
        // Index 17 of the averages without the first two ends the 11 levels that fall; 17 - 11 + 3 + 1 = 10, the 13th point.
        assert_eq!(decline(&x, &loss), x[12]);
        // A drift of a ten-thousandth of the fall, as long as you like, is no decline.
        let drift: Vec<f64> = loss.iter().enumerate().map(|(i, l)| l - 1e-5 * i.min(9) as f64).collect();
        assert_eq!(decline(&x, &drift), x[12]);
        // A curve of very many points has its decline where one of few has it.
        let long: Vec<f64> = loss.iter().flat_map(|&loss| [loss; 400]).collect();
        let fine: Vec<f64> = (0..10_000).map(|i| f64::from(i) / 4000.0).collect();
        assert!((decline(&fine, &long) - x[12]).abs() < 0.3);
    }

    #[test]
    fn clearness_by_hand() {
        // Of 20: the mean of the last four is 1 below that of the 16 before; with noise 0.5.
        let mut loss = vec![2.0; 16];
        loss.extend([1.0; 4]);
        assert!((clearness(&loss, 3, 0.5) - 1.0 / (0.5 * (1.0 / 16.0 + 0.25f64).sqrt())).abs() < 1e-12);
        assert_eq!(clearness(&line(20), 3, 0.1), 0.0);
        assert_eq!(clearness(&[1.0; 20], 3, 0.0), 0.0);
        for n in 0..6 {
            assert_eq!(clearness(&line(n), 3, 1.0), 0.0);
        }
    }
}
