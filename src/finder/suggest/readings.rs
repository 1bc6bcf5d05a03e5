//! What a curve says of the rate, read in three ways; and how clearly its loss falls at all. Rates are `ln lr`.

use super::super::rules::valley;
use std::f64::consts::LN_10;

/// Decades from the rate at which a run diverges down to one that trains well.
const BELOW_DIVERGENCE: f64 = 2.4;
/// Decades below that, at most, where noise hides the fall: the mean of noise declines anywhere, and longest at the start.
const NOISY_DECLINE: f64 = 2.0;
/// Share of the mean's fall below which it does not decline: rounding is none, nor is a drift before the fall.
const RESOLUTION: f64 = 1e-3;
/// A stretch that is compared with all before it has at least this share of the points, and at least four.
const STRETCH: f64 = 0.05;

/// The three readings.
pub(super) struct Readings {
    /// The middle of the fall, where it is clear enough to have one.
    pub middle: Option<f64>,
    /// The middle of the running mean's decline.
    pub decline: f64,
    /// Where the run diverges, if it does.
    pub edge: Option<f64>,
    /// The largest rate of the curve.
    pub end: f64,
}

impl Readings {
    /// Their weighted mean: the middle of the fall, where there is one, counts twice as much as the other two together. A run
    /// that did not diverge would do so beyond its end: that counts where it raises the answer.
    pub fn mean(&self) -> f64 {
        let below = self.edge.unwrap_or(self.end) - BELOW_DIVERGENCE * LN_10;
        let decline = match (self.middle, self.edge) {
            (None, Some(_)) => self.decline.max(below - NOISY_DECLINE * LN_10),
            _ => self.decline,
        };
        let others = match self.edge {
            None if below < decline => decline,
            _ => f64::midpoint(decline, below),
        };
        self.middle.map_or(others, |middle| (2.0 * middle + others) / 3.0)
    }
}

/// The middle of the longest decline of the mean of all losses so far, by [`valley`]: it counts steps and not levels.
/// The first tenth, whose means are of few losses, is left out.
pub(super) fn decline(x: &[f64], loss: &[f64]) -> f64 {
    let mut sum = 0.0;
    let mean = |(i, loss): (usize, &f64)| {
        sum += loss;
        sum / (i + 1) as f64
    };
    let skip = loss.len() / 10;
    let means: Vec<f64> = loss.iter().enumerate().map(mean).skip(skip).collect();
    let lowest = means.iter().copied().fold(f64::INFINITY, f64::min);
    let before = means.iter().take_while(|&&mean| mean > lowest);
    let step = RESOLUTION * (before.copied().fold(lowest, f64::max) - lowest);
    let told_apart = |mean: &f64| if step > 0.0 { ((mean - lowest) / step).round() } else { 0.0 };
    let levels: Vec<f64> = means.iter().map(told_apart).collect();
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

    fn line(n: usize) -> Vec<f64> {
        (0..n).map(|i| i as f64 / 10.0).collect()
    }

    #[test]
    fn the_mean_takes_what_there_is() {
        let below = BELOW_DIVERGENCE * LN_10;
        let all = Readings { middle: Some(-7.0), decline: -8.0, edge: Some(below - 9.0), end: 0.0 };
        assert!((all.mean() + 7.5).abs() < 1e-12);
        let noisy = Readings { middle: None, ..all };
        assert!((noisy.mean() + 8.5).abs() < 1e-12);
        let astray = Readings { decline: -9.0 - 4.0 * LN_10, ..noisy };
        assert!((astray.mean() + 9.0 + LN_10).abs() < 1e-12);
        // The end of a run that did not diverge can raise the mean and not lower it.
        let short = Readings { edge: None, end: below - 9.0, middle: Some(-7.0), decline: -8.0 };
        assert!((short.mean() + 22.0 / 3.0).abs() < 1e-12);
        let wide = Readings { end: below - 1.5, ..short };
        assert!((wide.mean() + 6.25).abs() < 1e-12);
    }

    /// Means of 4 4 4 4 4 4 4 4 4 4, 3 x 10, 9 x 5 fall from the 11th to the 20th: ten strictly falling after a level one.
    #[test]
    fn the_decline_by_hand() {
        let mut loss = vec![4.0; 10];
        loss.extend([3.0; 10]);
        loss.extend([9.0; 5]);
        let x = line(25);
        // Index 17 of the means without the first two ends the 11 levels that fall; 17 - 11 + 3 + 1 = 10, the 13th point.
        assert_eq!(decline(&x, &loss), x[12]);
        // A drift of a ten-thousandth of the fall, as long as you like, is no decline.
        let drift: Vec<f64> = loss.iter().enumerate().map(|(i, l)| l - 1e-5 * i.min(9) as f64).collect();
        assert_eq!(decline(&x, &drift), x[12]);
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
