//! Which rate to train with: a weighted geometric mean of three readings of the curve, and of the optimizer's customary rate.

mod readings;

use super::report::{Refusal, Suggestion};
use super::smooth::{Fit, finite, fit_all, pseudo_residuals, rising, thinned};
use crate::optim::Optimizer;
use readings::{Known, Readings, clearness};
use std::f64::consts::{LN_10, PI};

/// Name of the rule.
pub const RULE: &str = "three readings";

/// Fewest points that an answer is read from.
const FEWEST: usize = 6;
/// Most points that are fitted; longer curves are averaged down to these.
const MOST: usize = 2000;
/// Half-width of the fit in decades, and the largest share of the range that it may be.
const HALF_WIDTH: f64 = 0.3;
const HALF_WIDTH_SHARE: f64 = 0.1;
/// The fall begins where a quarter of it is made, clear of the noise of the start, and is over where 95 % is made, or
/// where the fit is within one standard error of its lowest: the bottom is flat and ragged, and where it is lowest says
/// little.
const BEGUN: f64 = 0.25;
const OVER: f64 = 0.95;
/// Standard errors by which some stretch must lie below all before it. Of curves of noise alone, one in ten has one.
const CLEAR: f64 = 3.3;
/// The same for a run that diverges: where it does is a reading of its own, which no noise hides. Of curves of noise alone
/// nearly all have as much: one that has less does not hide a fall in noise, it only rises.
const RISES: f64 = 1.0;
/// Standard errors that the fall must measure for its middle to count: below, noise moves the middle by decades.
const SHARP: f64 = 5.0;
/// Decades to either side of the answer: between them lay the best constant rate of 46 to 65 % of the curves measured, by set.
const SPREAD: f64 = 0.55;
/// Standard deviations above the start beyond which a loss is cut off: how far a run diverged says nothing.
const DIVERGED: f64 = 3.0;
/// A rise by this share of the loss is one that a reader sees.
const SEEN: f64 = 0.01;
/// Share of a loss below which differences are rounding errors.
const ROUNDING: f64 = 1e-12;
/// Largest score, for curves without noise.
const MOST_CLEAR: f64 = 1e3;

/// The learning rate to train with, from a range test: the geometric mean of up to three readings, which err for
/// different reasons. The first weighs twice as much as each other.
///
/// 1. The middle of the fall of the loss, from a fit without lag ([`local_linear`](super::smooth::local_linear), 0.3
///    decades to either side): it begins where a quarter is made and is over where 95 % is, or all but one standard error.
///    It counts if the fall measures 5 standard errors.
/// 2. The middle of the longest decline of the losses' exponentially weighted average (coefficient 0.95, of 200 points at
///    most), as fastai's [`valley`](super::valley) takes it. It counts steps and not levels, so noise moves it little.
/// 3. The rate at which the run diverges, divided by 160; for SGD by 18 (1 - momentum)^-0.62. Where it does not diverge, the end
///    of the range stands for that rate, if this raises the mean: it can only be larger.
///
/// The customary rate of the `optimizer` that the sweep was made with is a fourth, which weighs as much as the first, but moves the
/// answer by a factor of 2 at most: 0.1 (1 - momentum) for SGD, 0.005 for Adam and AdamW. Where the optimizer is not known it is 0.017,
/// the geometric mean of 0.005 and of those with a momentum of 0 and 0.9, and weighs half as much. A loss that is not finite is SGD's,
/// since Adam's steps are bounded by the rate: where nothing else is known, both are taken half-way between a momentum of 0 and of 0.9,
/// 0.032 and a divergence divided by 36. Where no fall stands out of the noise, and only the divergence allows an answer, what is
/// customary is half of it.
///
/// `loss` is raw, one a rate, and `lr` rises. `lr` may be the whole planned grid, longer than the losses of a run that
/// was stopped: with `lr` longer, or with a loss that is not finite, the curve is known to have ended in divergence.
///
/// `low` and `high` are 0.55 decades to either side: for 46 to 65 % of the curves that it was measured on, by set, the best
/// constant rate lay between them. [`Suggestion::one_cycle_peak`] is for such a schedule.
/// `score` says by how many standard errors some stretch of the curve lies below all before it.
///
/// The answer is the same for `a * loss + b` with any `a > 0` and any `b`.
///
/// # Errors
/// A [`Refusal`] that says what to change: fewer than 6 points, rates that do not rise, a loss that is not finite at
/// once, no divergence and a fall that noise alone would show one time in ten, a loss that only rises, or one that still
/// falls at the end.
pub fn suggest(lr: &[f64], loss: &[f64], optimizer: Option<&Optimizer>) -> Result<Suggestion, Refusal> {
    let curve = Curve::new(lr, loss)?;
    let known = Known::of(optimizer, curve.overflows);
    let guess =
        |readings: &Readings| Some(readings.mean(known).exp()).filter(|rate| rate.is_finite() && *rate > 0.0);
    let without_fall = |refusal| Refusal { guess: guess(&curve.without_middle()), ..refusal };
    let fall = curve.fall().map_err(without_fall)?;
    let readings = curve.readings(&fall);
    curve.check_end(&fall).map_err(|refusal| Refusal { guess: guess(&readings), ..refusal })?;
    let at = readings.mean(known);
    let [low, high] = [-SPREAD, SPREAD].map(|decades| (at + decades * LN_10).exp());
    let reason = curve.reason(&fall, &readings, known);
    Ok(Suggestion { lr: at.exp(), low, high, score: fall.score, rule: RULE, reason })
}

/// The lowest point of a curve's fit, and where the curve starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lowest {
    /// Level of the start: mean loss of the first tenth.
    pub start: f64,
    /// Rate at which the fit is lowest.
    pub lr: f64,
    /// The fit there.
    pub loss: f64,
}

/// The lowest point of the fit that [`suggest`] reads, also where it sees no clear fall; `None` for a curve that has no fit.
pub fn lowest(lr: &[f64], loss: &[f64]) -> Option<Lowest> {
    let curve = Curve::new(lr, loss).ok()?;
    let (at, fit) = curve.lowest()?;
    Some(Lowest { start: curve.raw(curve.level), lr: curve.x[at].exp(), loss: curve.raw(fit.value) })
}

/// A curve made ready: losses cut off above the start, in units of their spread around the start's median.
struct Curve {
    /// `ln lr` of every point.
    x: Vec<f64>,
    loss: Vec<f64>,
    /// Fits for noise of deviation 1.
    fits: Vec<Fit>,
    /// The start's level, the mean of the first `count` losses.
    level: f64,
    count: usize,
    /// Deviation of the noise at the start.
    noise: f64,
    /// A loss as computed is `offset + scale *` what is here.
    offset: f64,
    scale: f64,
    /// Where the run ended in divergence, or most losses at the end are above the start: the rate from which on they are.
    diverged: Option<f64>,
    /// `ln lr` from which on all losses are above the start, or the run blew up.
    edge: Option<f64>,
    /// Did it end in a loss that is not finite?
    overflows: bool,
}

/// From the start's level to the lowest point of the fit.
struct Fall {
    bottom: f64,
    /// `ln lr` where it has begun, and where it is over.
    low: f64,
    high: f64,
    /// Is it so far above its noise that its middle counts?
    sharp: bool,
    /// Deviation of the noise on the way.
    noise: f64,
    score: f64,
}

impl Curve {
    fn new(lr: &[f64], loss: &[f64]) -> Result<Self, Refusal> {
        let Usable { lr, losses, blew_up, overflows } = usable(lr, loss)?;
        let end = losses.len() - start_count(losses.len());
        let offset = median(losses.split_at(start_count(losses.len())).0);
        let noise = spread(losses.split_at(losses.len().min(start_count(losses.len()).max(8))).0);
        let top = offset + DIVERGED * noise;
        let cut: Vec<f64> = losses.iter().map(|&loss| loss.min(top) - offset).collect();
        let scale = cut.iter().fold(0.0, |most: f64, loss| most.max(loss.abs()));
        let rising = median(losses.split_at(end).1) > top + ROUNDING * offset.abs();
        // Without noise any rise is one; a reader wants to know where it can be seen.
        let seen = top.max(offset + SEEN * offset.abs());
        let diverged = rising.then(|| rises_from(lr, losses, seen)).or(blew_up);
        let above = losses.iter().rev().take_while(|&&loss| loss > top + ROUNDING * offset.abs()).count();
        let edge = lr.iter().rev().take(above).next_back().copied().or(blew_up).map(f64::ln);
        // Differences that are rounding errors of the losses are no signal.
        if !(scale.is_finite() && scale > ROUNDING * offset.abs()) {
            return Err(diverged.map_or_else(|| flat(offset), |rate| rises_after_flat(offset, rate)));
        }
        let units: Vec<f64> = cut.iter().map(|loss| loss / scale).collect();
        let (lr, loss) = thinned(lr, &units, MOST);
        let x: Vec<f64> = lr.iter().map(|lr| lr.ln()).collect();
        let fits = fit_all(&x, &loss, &vec![1.0; x.len()], half_width(&x));
        let count = start_count(loss.len());
        let level = mean(loss.split_at(count).0);
        Ok(Self {
            x,
            loss,
            fits,
            level,
            count,
            noise: noise / scale,
            offset,
            scale,
            diverged,
            edge,
            overflows,
        })
    }

    /// By the upper bound, and not the value: at the ends of the curve the fit is less sure.
    fn lowest(&self) -> Option<(usize, &Fit)> {
        let bound = |fit: &Fit| fit.value + self.noise * fit.value_error;
        self.fits.iter().enumerate().min_by(|a, b| bound(a.1).total_cmp(&bound(b.1)))
    }

    /// The fall, or a refusal where there is none to speak of.
    fn fall(&self) -> Result<Fall, Refusal> {
        let Some((lowest, fit)) = self.lowest() else { return Err(flat(self.offset)) };
        // Pooled over the whole way: a few points at the bottom would not tell the noise well.
        let strays = pseudo_residuals(&self.x, &self.loss);
        let strays = strays.split_at(strays.len().min(lowest.max(8))).0;
        let noise = mean(&strays.iter().map(|stray| stray * stray).collect::<Vec<f64>>()).sqrt();
        let bottom_error = noise * fit.value_error;
        let height = self.level - fit.value;
        let score = self.score();
        let falls = lowest >= self.count && height > 0.0;
        if score >= self.needed() && (falls || self.diverged.is_some()) {
            let low = self.crossing(lowest, self.level - BEGUN * height);
            let left = ((1.0 - OVER) * height).max(bottom_error).min(0.5 * height);
            let high = self.crossing(lowest, fit.value + left);
            let sharp = falls && height >= SHARP * bottom_error;
            return Ok(Fall { bottom: fit.value, low, high, sharp, noise, score });
        }
        Err(self
            .diverged
            .map_or_else(|| self.unclear(height * self.scale, score), |rate| self.rises_only(rate)))
    }

    /// Standard errors that the fall must measure.
    fn needed(&self) -> f64 {
        if self.diverged.is_some() { RISES } else { CLEAR }
    }

    /// By how many standard errors the loss falls before it diverges.
    fn score(&self) -> f64 {
        let end = self.edge.map_or(self.x.len(), |edge| self.x.partition_point(|&x| x < edge));
        let before = |values: &[f64]| values.split_at(end.min(values.len())).0.to_vec();
        let (x, loss) = (before(&self.x), before(&self.loss));
        let strays: Vec<f64> = pseudo_residuals(&x, &loss).iter().map(|stray| stray * stray).collect();
        clearness(&loss, self.count, mean(&strays).sqrt()).min(MOST_CLEAR)
    }

    fn readings(&self, fall: &Fall) -> Readings {
        let middle = fall.sharp.then(|| f64::midpoint(fall.low, fall.high));
        Readings { clear: fall.score >= CLEAR, middle, ..self.without_middle() }
    }

    fn without_middle(&self) -> Readings {
        Readings {
            clear: false,
            middle: None,
            decline: readings::decline(&self.x, &self.loss),
            edge: self.edge,
            end: self.x.last().copied().unwrap_or(f64::NAN),
        }
    }

    fn reason(&self, fall: &Fall, readings: &Readings, known: Known) -> String {
        let [from, to] = [self.level, fall.bottom].map(|loss| short(self.raw(loss)));
        let (score, middle) = (fall.score, readings.middle.map(f64::exp));
        let fall = match middle {
            Some(middle) => format!(
                "the loss falls from {from} to {to} ({score:.0} standard errors): the middle of the fall is {middle:.2e}, of its average's decline"
            ),
            None if readings.clear => format!(
                "the loss falls from {from} ({score:.0} standard errors), too noisy to tell the middle of the fall: of its average's decline it is"
            ),
            None => format!(
                "no fall from {from} stands out of the noise ({score:.1} standard errors): the middle of its average's decline is"
            ),
        };
        let edge =
            readings.edge.map_or_else(String::new, |edge| format!(", and it diverges at {:.2e}", edge.exp()));
        let (with, usual) = (known.with, known.customary.exp());
        format!("{fall} {:.2e}{edge}; usual {with} is {usual:.0e}", readings.decline.exp())
    }

    /// A lower start helps only where the rise has begun within the start.
    fn rises_only(&self, rate: f64) -> Refusal {
        match self.x.get(self.count) {
            Some(start) if rate.ln() > *start => rises_after_flat(self.offset, rate),
            _ => rises_at_once(self.offset),
        }
    }

    /// `ln lr` at which the fit last falls below `level` before its lowest point.
    fn crossing(&self, lowest: usize, level: f64) -> f64 {
        let points = self.x.iter().zip(&self.fits).take(lowest + 1);
        let points: Vec<(f64, f64)> = points.map(|(&x, fit)| (x, fit.value)).collect();
        let crossing = points.windows(2).rev().find_map(|pair| match pair {
            &[(x0, above), (x1, below)] if above > level => {
                Some(x0 + (x1 - x0) * (above - level) / (above - below))
            }
            _ => None,
        });
        crossing.or(self.x.first().copied()).unwrap_or(f64::NAN)
    }

    /// Refuses where the curve ends while the loss still falls, at half of the fall's mean slope or faster: by the
    /// medians of the last two stretches, which a spike does not move.
    fn check_end(&self, fall: &Fall) -> Result<(), Refusal> {
        let stretch = 2.0 * half_width(&self.x) * LN_10;
        let end = self.x.last().copied().unwrap_or(f64::NAN);
        let within = self.x.iter().filter(|&&x| x > end - stretch).count();
        let n = self.x.len();
        let k = within.max(3).min(n / 2);
        let (before, last) = self.loss.split_at(n - k);
        let drop = median(before.split_at(n - 2 * k).1) - median(last);
        // A median's variance is pi / 2 times a mean's; there are two.
        let error = fall.noise * (PI / k as f64).sqrt();
        let slope = (OVER - BEGUN) * (self.level - fall.bottom) / (fall.high - fall.low);
        let gap = (end - self.x.first().copied().unwrap_or(end)) * k as f64 / n as f64;
        let falls = drop > (slope * gap / 2.0).max(2.0 * error);
        if self.diverged.is_some() || end - fall.high > stretch || !falls {
            return Ok(());
        }
        let end = end.exp();
        let reason =
            format!("the loss still falls at the largest rate, {end:.2e}; raise the end of the range (--to)");
        Err(Refusal { reason, guess: None })
    }

    fn raw(&self, loss: f64) -> f64 {
        self.offset + self.scale * loss
    }

    fn unclear(&self, height: f64, score: f64) -> Refusal {
        let (level, height, score) = (short(self.raw(self.level)), short(height.max(0.0)), score.max(0.0));
        let reason = format!(
            "the loss does not clearly fall: from {level} by {height}, {score:.2} standard errors where {CLEAR:.1} are needed; \
             take more steps (--steps) or a larger batch (--batch), or raise the end of the range (--to)"
        );
        Refusal { reason, guess: None }
    }
}

/// How many points are the start of a curve of `n`: a tenth, but at least three.
fn start_count(n: usize) -> usize {
    (n / 10).max(FEWEST / 2).min(n)
}

/// The points before the first loss that is not finite.
struct Usable<'a> {
    lr: &'a [f64],
    losses: &'a [f64],
    /// The rate at which the run went on, or should have, after them.
    blew_up: Option<f64>,
    /// Is the loss after them not finite?
    overflows: bool,
}

fn usable<'a>(lr: &'a [f64], loss: &'a [f64]) -> Result<Usable<'a>, Refusal> {
    // A linear range may start at 0, which has no logarithm.
    let zero = usize::from(lr.first() == Some(&0.0) && !loss.is_empty());
    let (lr, loss) = (lr.split_at(zero).1, loss.split_at(zero).1);
    let rates = rising(lr);
    if rates.len() < lr.len() {
        let reason =
            format!("the rates must be positive and rise, and number {} does not", rates.len() + zero + 1);
        return Err(Refusal { reason, guess: None });
    }
    let losses = finite(loss);
    let n = rates.len().min(losses.len());
    if n >= FEWEST {
        let overflows = losses.len() < loss.len();
        let blew_up = (n < rates.len() || overflows).then(|| rates[n.min(rates.len() - 1)]);
        return Ok(Usable { lr: rates.split_at(n).0, losses: losses.split_at(n).0, blew_up, overflows });
    }
    let reason = match (losses.len() < loss.len(), rates.get(n)) {
        (true, _) if n == 0 => {
            "the loss is not finite from the first step on; check the data, or lower the start of the range (--from)"
                .into()
        }
        (true, Some(rate)) => {
            format!("the loss is not finite after {n} steps, at {rate:.2e}; lower the start of the range (--from)")
        }
        _ => format!("a curve of {n} points is too short; take at least {FEWEST} steps (--steps), better 100"),
    };
    Err(Refusal { reason, guess: None })
}

/// Half-width, in decades, of the [`local_linear`](super::smooth::local_linear) fit that [`suggest`] reads over rising
/// positive rates: 0.3, or a tenth of a range that is narrower than three decades.
pub fn half_width_of(lr: &[f64]) -> f64 {
    let ends = [lr.first(), lr.last()].map(|lr| lr.map_or(0.0, |lr| lr.ln()));
    half_width(&ends)
}

fn half_width(x: &[f64]) -> f64 {
    let range = x.last().zip(x.first()).map_or(0.0, |(last, first)| (last - first) / LN_10);
    HALF_WIDTH.min(HALF_WIDTH_SHARE * range)
}

fn flat(loss: f64) -> Refusal {
    let loss = short(loss);
    let reason = format!(
        "the loss is {loss} at every rate; widen the range (--from, --to), or check that the model learns"
    );
    Refusal { reason, guess: None }
}

fn rises_at_once(loss: f64) -> Refusal {
    let loss = short(loss);
    let reason =
        format!("the loss rises from {loss} and never falls before; lower the start of the range (--from)");
    Refusal { reason, guess: None }
}

/// No range helps: what would make it fall is lost in noise, takes more updates, or is not there.
fn rises_after_flat(loss: f64, rate: f64) -> Refusal {
    let loss = short(loss);
    let reason = format!(
        "the loss never falls from {loss}, and rises from {rate:.2e} on; give each rate more updates, \
         take a larger batch (--batch), or check that the model learns"
    );
    Refusal { reason, guess: None }
}

/// The rate from which on all losses are above `top`; of those at the end, most are.
fn rises_from(lr: &[f64], losses: &[f64], top: f64) -> f64 {
    let above = losses.iter().rev().take_while(|&&loss| loss > top).count();
    let n = lr.len();
    lr[n - above.max(start_count(n)).min(n)]
}

/// Standard deviation of the noise: the median distance of a loss from the middle of its neighbours. A spike hardly
/// moves it.
fn spread(loss: &[f64]) -> f64 {
    let distance = |window: &[f64]| match window {
        &[a, b, c] => (b - f64::midpoint(a, c)).abs(),
        _ => 0.0,
    };
    let distances: Vec<f64> = loss.windows(3).map(distance).collect();
    // The distance has 3/2 of the noise's variance, and its median is 0.6745 of its deviation.
    median(&distances) / (0.6745 * 1.5_f64.sqrt())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(&low), Some(&high)) =
        (sorted.get(sorted.len().saturating_sub(1) / 2), sorted.get(sorted.len() / 2))
    else {
        return 0.0;
    };
    f64::midpoint(low, high)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// A loss for a person: three or four digits.
fn short(loss: f64) -> String {
    match loss.abs() {
        size if size != 0.0 && !(1e-2..1e5).contains(&size) => format!("{loss:.2e}"),
        size if size < 10.0 => format!("{loss:.3}"),
        _ => format!("{loss:.1}"),
    }
}

#[cfg(test)]
mod tests;
