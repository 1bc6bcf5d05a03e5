//! Which part of the curve to show, where the ticks go, and how numbers read.

use crate::finder::Point;

/// Differences of values beyond this could overflow on the way to pixels; such a loss is as good as infinite.
const HUGE: f64 = 1e30;

/// Below this a rate is as good as zero: no logarithm, no decades.
const TINY: f64 = 1e-30;

/// From this ratio of the highest to the lowest rate on, the axis is logarithmic.
const LOG_FROM: f64 = 20.0;

/// How many times the highest rate is still next to it.
const NEAR: f64 = 3.0;

/// A value that has a place on an axis: finite, and not absurdly large.
pub(crate) fn drawable(value: f64) -> bool {
    value.abs() <= HUGE
}

/// A stretch of numbers, linear or logarithmic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    pub low: f64,
    pub high: f64,
    pub log: bool,
}

/// A mark on an axis; minor ones have no label.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub at: f64,
    pub label: Option<String>,
}

impl Axis {
    /// The axis of the learning rates of a sweep: logarithmic if they span enough.
    pub fn rates(points: &[Point]) -> Self {
        let rates = points.iter().map(|p| p.lr).filter(|&lr| drawable(lr));
        let (low, high) = bounds(rates).unwrap_or((1e-7, 10.0));
        if low == high {
            let (low, high) = if low > TINY { (low / 10.0, high * 10.0) } else { (low - 1.0, high + 1.0) };
            return Self { low, high, log: low > 0.0 };
        }
        Self { low, high, log: low > TINY && high / low >= LOG_FROM }
    }

    /// The axis of the losses: the fall, and as much of a divergence as leaves the fall most of the height.
    pub fn losses(points: &[Point]) -> Self {
        let shown: Vec<&Point> = points.iter().filter(|p| drawable(p.loss) && drawable(p.smoothed)).collect();
        let all = shown.iter().flat_map(|p| [p.loss, p.smoothed]);
        let Some((lowest, highest)) = bounds(all) else {
            return Self { low: 0.0, high: 1.0, log: false };
        };
        let level = lowest.abs().max(highest.abs());
        if highest - lowest <= (1e-9 * level).max(TINY) {
            let half = if level < TINY { 1.0 } else { level * 0.1 };
            return Self { low: lowest - half, high: highest + half, log: false };
        }
        let (core_low, core_high) = core(&shown);
        let span = core_high - core_low;
        let low = lowest.max(core_low - 0.6 * span) - 0.04 * span;
        let high = (highest + 0.04 * span).min(core_high + 0.3 * span);
        let low = if lowest >= 0.0 { low.max(0.0) } else { low };
        Self { low, high, log: false }
    }

    /// The same axis with room for other values, as far as that leaves the axis half of the length.
    pub fn reaching(self, values: impl Iterator<Item = f64>) -> Self {
        let Some((low, high)) = bounds(values.filter(|&v| drawable(v))) else { return self };
        let span = self.high - self.low;
        let lower = (low - 0.04 * span).max(self.low - 0.5 * span);
        let lower = if self.low >= 0.0 && low >= 0.0 { lower.max(0.0) } else { lower };
        let higher = (high + 0.04 * span).min(self.high + 0.5 * span);
        Self { low: self.low.min(lower), high: self.high.max(higher), ..self }
    }

    /// The same axis, stretched to a rate that lies a little beyond its end.
    pub fn up_to(self, rate: f64) -> Self {
        let near = self.log && rate > self.high && rate <= NEAR * self.high;
        if near { Self { high: rate, ..self } } else { self }
    }

    /// The same axis with room at the ends, in shares of its length.
    pub fn padded(self, before: f64, after: f64) -> Self {
        let length = if self.log { (self.high / self.low).ln() } else { self.high - self.low };
        let (before, after) = (before * length, after * length);
        match self.log {
            true => Self { low: self.low * (-before).exp(), high: self.high * after.exp(), log: true },
            false => Self { low: self.low - before, high: self.high + after, log: false },
        }
    }

    /// Where a value lies: 0 at the low end, 1 at the high end, outside of that when it is off the axis.
    pub fn place(&self, value: f64) -> Option<f64> {
        let share = match self.log {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        (drawable(value) && share.is_finite()).then_some(share)
    }

    /// Ticks from low to high; `wanted` is about how many labels there are to be.
    pub fn ticks(&self, wanted: usize) -> Vec<Tick> {
        if self.log {
            log_ticks(self.low, self.high, wanted)
        } else {
            linear_ticks(self.low, self.high, wanted)
        }
    }
}

/// The range of losses that the picture is about: from the start of the sweep to where the curve is lowest, without
/// the odd outlier. A curve that is flat or only rises is lowest at its start: there it is the lower half of the
/// losses, and as much above their middle as three times what lies below.
fn core(shown: &[&Point]) -> (f64, f64) {
    let early = shown.len() / 20 + 1;
    // Where the losses are lowest, not the smoothed ones: those go on falling while the loss already diverges.
    // And by medians, which the first losses of a divergence do not move.
    let reach = (shown.len() / 50).max(2);
    let near = |i: usize| i.saturating_sub(reach)..(i + reach + 1).min(shown.len());
    let level = |i: usize| quantile(&sorted(shown[near(i)].iter().map(|p| p.loss)), 0.5);
    let levels: Vec<f64> = (0..shown.len()).map(level).collect();
    let bottom = (0..levels.len()).min_by(|&a, &b| levels[a].total_cmp(&levels[b])).unwrap_or(0);
    let descent = if bottom < early { shown } else { &shown[..near(bottom).end] };
    let raw = sorted(descent.iter().map(|p| p.loss));
    let start = sorted(shown.iter().take(early).map(|p| p.loss));
    let low = descent.iter().map(|p| p.smoothed).fold(quantile(&raw, 0.02), f64::min);
    let middle = quantile(&raw, 0.5);
    let top =
        if bottom < early { middle + 3.0 * (middle - quantile(&raw, 0.05)) } else { quantile(&raw, 0.97) };
    let high = top.max(quantile(&start, 0.5));
    // Losses that are equal until they diverge have no span of their own.
    let level = 0.02 * low.abs().max(high.abs());
    if high - low > level { (low, high) } else { (low - level, high + level) }
}

/// The part of a piece of line that lies between two heights.
pub(crate) fn between(a: (f64, f64), b: (f64, f64), low: f64, high: f64) -> Option<((f64, f64), (f64, f64))> {
    if a.1.max(b.1) < low || a.1.min(b.1) > high {
        return None;
    }
    let at = |from: (f64, f64), to: (f64, f64)| {
        let y = from.1.clamp(low, high);
        if y == from.1 { from } else { (from.0 + (to.0 - from.0) * (y - from.1) / (to.1 - from.1), y) }
    };
    Some((at(a, b), at(b, a)))
}

/// A zero-lag average for the eye: each value with its neighbours under a bell of a fortieth of the curve.
pub(crate) fn centred(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let sigma = (values.len() as f64 / 40.0).max(1.0);
    let reach = (3.0 * sigma).ceil() as usize;
    let average = |i: usize| {
        values[i]?;
        let near = i.saturating_sub(reach)..(i + reach + 1).min(values.len());
        let (sum, weights) =
            near.filter_map(|j| Some((j, values[j]?))).fold((0.0, 0.0), |(sum, weights), (j, v)| {
                let weight = (-0.5 * ((j as f64 - i as f64) / sigma).powi(2)).exp();
                (sum + weight * v, weights + weight)
            });
        Some(sum / weights)
    };
    (0..values.len()).map(average).collect()
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |seen, v| match seen {
        None => Some((v, v)),
        Some((low, high)) => Some((f64::min(low, v), f64::max(high, v))),
    })
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value below which a share of the sorted values lies; 0 for none at all.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(0.0)
}

fn log_ticks(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let decades = (high / low).log10();
    let every = (decades / wanted.max(2) as f64).ceil().max(1.0) as i32;
    let mut ticks = Vec::new();
    for exponent in low.log10().floor() as i32..=high.log10().ceil() as i32 {
        for digit in 1..=9 {
            let at = f64::from(digit) * 10f64.powi(exponent);
            if at < low * (1.0 - 1e-9) || at > high * (1.0 + 1e-9) {
                continue;
            }
            let decade = digit == 1 && exponent % every == 0;
            let label = decade || decades < 2.0 && matches!(digit, 1 | 2 | 5);
            if label || decades <= 12.0 {
                ticks.push(Tick { at, label: label.then(|| format!("{digit}e{exponent}")) });
            }
        }
    }
    ticks
}

fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let step = nice((high - low) / wanted.max(1) as f64);
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    let largest = low.abs().max(high.abs());
    let count = (last - first).clamp(0.0, 50.0) as usize;
    (0..=count)
        .map(|i| first + i as f64)
        .filter(|&i| i <= last)
        .map(|i| Tick { at: i * step, label: Some(even(i * step, step, largest)) })
        .collect()
}

/// The nearest of 1, 2, 5, 10 ... to a step.
fn nice(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let digit = match step / power {
        d if d < 2f64.sqrt() => 1.0,
        d if d < 10f64.sqrt() => 2.0,
        d if d < 50f64.sqrt() => 5.0,
        _ => 10.0,
    };
    digit * power
}

/// A tick's value with the decimals that its step needs, so that all labels of an axis are alike.
fn even(value: f64, step: f64, largest: f64) -> String {
    let value = if value.abs() < step * 1e-6 { 0.0 } else { value };
    let digits = -(step.log10() + 1e-9).floor() as i32;
    if (-4..=4).contains(&digits) && largest < 1e5 {
        return format!("{value:.*}", digits.max(0) as usize);
    }
    if value == 0.0 {
        return "0".to_string();
    }
    let precision = (value.abs().log10().floor() as i32 + digits).clamp(0, 15) as usize;
    format!("{value:.precision$e}")
}

/// A rate or a loss in two significant digits, as a person would type it: `1.2e-2`, `6e-3`, `0.35`, `12`.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !size.is_finite() {
        return format!("{value}");
    }
    if !(0.0995..999.5).contains(&size) {
        return format!("{value:.1e}").replace(".0e", "e");
    }
    let decimals = if size < 0.995 { 2 } else { usize::from(size < 9.95) };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(losses: &[f64]) -> Vec<Point> {
        let n = losses.len();
        let point = |(step, &loss): (usize, &f64)| Point {
            step,
            lr: 1e-5 * 1e6f64.powf(step as f64 / n as f64),
            loss,
            smoothed: loss,
            accuracy: None,
            grad_norm: None,
            momentum: 0.9,
        };
        losses.iter().enumerate().map(point).collect()
    }

    #[test]
    fn numbers_read_as_a_person_would_type_them() {
        let cases = [
            (0.012, "1.2e-2"),
            (0.006, "6e-3"),
            (0.0996, "0.1"),
            (0.347, "0.35"),
            (1.0, "1"),
            (9.97, "10"),
            (12.4, "12"),
            (0.0, "0"),
            (1234.0, "1.2e3"),
            (-0.5, "-0.5"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let labels = |axis: Axis, n| axis.ticks(n).into_iter().filter_map(|t| t.label).collect::<Vec<_>>();
        let log = Axis { low: 1e-3, high: 10.0, log: true };
        assert_eq!(labels(log, 5), ["1e-3", "1e-2", "1e-1", "1e0", "1e1"]);
        let linear = Axis { low: 0.13, high: 2.6, log: false };
        assert_eq!(labels(linear, 5), ["0.5", "1.0", "1.5", "2.0", "2.5"]);
        let narrow = Axis { low: -1e-7, high: 2e-7, log: false };
        assert_eq!(labels(narrow, 3), ["-1e-7", "0", "1e-7", "2e-7"]);
        let large = Axis { low: 1e20, high: 1.2e20, log: false };
        assert_eq!(labels(large, 2), ["1.0e20", "1.1e20", "1.2e20"]);
    }

    #[test]
    fn a_divergence_leaves_the_fall_most_of_the_height() {
        let mut losses: Vec<f64> = (0..80).map(|i| 2.3 - 0.02 * f64::from(i)).collect();
        losses.extend([5.0, 40.0, 1e6, f64::INFINITY, f64::NAN]);
        let axis = Axis::losses(&curve(&losses));
        assert!(axis.high < 3.2 && axis.high > 2.3, "{axis:?}");
        assert!(axis.low < 0.72 && axis.low >= 0.0, "{axis:?}");
    }

    #[test]
    fn every_curve_has_an_axis() {
        let odd: [&[f64]; 8] = [
            &[],
            &[1.0],
            &[0.0, 0.0],
            &[f64::NAN],
            &[-3.0, -3.0, -3.0],
            &[1.0, 1.0, 1e300],
            &[1.0, 2.0, 4.0, 8.0, 16.0],
            &[1e-300, 2e-300],
        ];
        for losses in odd {
            let axis = Axis::losses(&curve(losses));
            assert!(axis.high > axis.low && (axis.high - axis.low).is_finite(), "{losses:?} {axis:?}");
            assert!(axis.ticks(5).len() < 60);
        }
    }

    #[test]
    fn rates_choose_their_scale() {
        let rates = |low: f64, high: f64| {
            let mut points = curve(&[1.0, 1.0]);
            (points[0].lr, points[1].lr) = (low, high);
            Axis::rates(&points)
        };
        assert!(rates(1e-3, 2e-2).log);
        assert!(!rates(1e-3, 1e-2).log);
        assert!(!rates(0.0, 1.0).log);
        assert!(rates(1e-3, 1e-3).log);
        assert!(!rates(0.0, 0.0).log);
        assert_eq!(rates(f64::NAN, 0.1), Axis { low: 0.1 / 10.0, high: 1.0, log: true });
    }

    #[test]
    fn a_rate_next_to_the_axis_stretches_it() {
        let axis = Axis { low: 1e-4, high: 1.0, log: true };
        assert_eq!(axis.up_to(2.0), Axis { high: 2.0, ..axis });
        for far in [0.5, 4.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(axis.up_to(far), axis);
        }
    }

    #[test]
    fn places_run_from_zero_to_one() {
        let axis = Axis { low: 1e-4, high: 1.0, log: true };
        assert_eq!(axis.place(1e-2), Some(0.5));
        assert_eq!(axis.place(-1.0), None);
        assert_eq!(axis.place(f64::NAN), None);
        assert!(axis.padded(0.1, 0.1).place(1e-4).is_some_and(|s| (s - 1.0 / 12.0).abs() < 1e-12));
    }

    #[test]
    fn lines_are_cut_at_the_edges() {
        assert_eq!(between((0.0, 5.0), (2.0, 7.0), 0.0, 10.0), Some(((0.0, 5.0), (2.0, 7.0))));
        assert_eq!(between((0.0, -5.0), (2.0, 5.0), 0.0, 10.0), Some(((1.0, 0.0), (2.0, 5.0))));
        assert_eq!(between((0.0, -10.0), (3.0, 20.0), 0.0, 10.0), Some(((1.0, 0.0), (2.0, 10.0))));
        assert_eq!(between((0.0, -3.0), (2.0, -1.0), 0.0, 10.0), None);
    }

    #[test]
    fn averages_keep_gaps_and_constants() {
        let smooth = centred(&[Some(0.5), None, Some(0.5), Some(0.5)]);
        assert_eq!(smooth[1], None);
        assert!(smooth.iter().flatten().all(|v| (v - 0.5).abs() < 1e-12));
        assert!(centred(&[]).is_empty());
    }
}
