//! The suggestion, put to the test: short trainings at rates around it, side by side, judged on data held out.

use super::Report;
use crate::data::order::batch_order;
use crate::data::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::schedule::Schedule;
use crate::session::{Control, Evaluation, History, Run, Session, Stop};

/// Short runs with constant rates around a suggestion, each on its own copy of the model, all at once. What they find is the
/// [range of rates](GoodRates) that train well, and in it one rate for each kind of schedule.
///
/// Many updates before many rates: after 60 updates the best rate is up to 3.2 times that of a whole training, and no choice
/// among more rates mends that (`docs/suggestion.md`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verify {
    /// Rates, evenly spaced in their logarithm; default 9.
    pub rates: usize,
    /// Decades to either side of the suggestion; default 1.5.
    pub decades: f64,
    /// Updates of each run; default 240.
    pub steps: usize,
    /// Share of the best fall that a good rate may lack; default 0.05.
    pub tolerance: f64,
    /// No rate is good unless some run predicts better than the best constant does; default false. For a rate that the curve did
    /// not suggest ([`Refusal::guess`](super::Refusal::guess)).
    pub must_learn: bool,
    /// Seed of the batch order; default the session's.
    pub seed: Option<u64>,
}

impl Default for Verify {
    fn default() -> Self {
        Self { rates: 9, decades: 1.5, steps: 240, tolerance: 0.05, must_learn: false, seed: None }
    }
}

/// What one rate came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verified {
    /// The rate.
    pub lr: f64,
    /// Held-out loss after the run; `None` if it blew up.
    pub loss: Option<f64>,
    /// Held-out accuracy after the run.
    pub accuracy: Option<f64>,
    /// Did it make nearly all of the best fall? Between two rates that did, one may not.
    pub good: bool,
}

/// What the short runs say.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// Held-out loss before any update.
    pub initial: f64,
    /// Held-out loss of the best prediction that is the same for every sample: where a fall begins to mean something. Weights
    /// can start far above it (on inputs that are not standardised), from where nearly any rate falls nearly as far.
    pub constant: f64,
    /// Every rate, in order.
    pub runs: Vec<Verified>,
    /// The rates that train well; `None` if no run lowered the loss.
    pub good: Option<GoodRates>,
    /// Updates of each run.
    pub steps: usize,
    /// Share of the best fall that a good rate may lack.
    pub tolerance: f64,
}

impl Verification {
    /// The rate for a training at a constant rate.
    pub fn lr(&self) -> Option<f64> {
        self.good.map(|good| good.lr())
    }

    /// The peak for a one-cycle schedule.
    pub fn one_cycle_peak(&self) -> Option<f64> {
        self.good.map(|good| good.one_cycle_peak())
    }
}

/// From the smallest to the largest rate that makes nearly all of the best fall: beyond the outermost run that did, up to where the
/// line to its neighbour's loss, over the logarithm of the rate, crosses what is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoodRates {
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

impl GoodRates {
    /// For a constant rate: a quarter of the way up, by logarithms. Short runs favour large rates, and nearer to the top a longer
    /// training may diverge; nearer to the bottom it takes longer than it need.
    pub fn lr(&self) -> f64 {
        self.at(0.25)
    }

    /// For a one-cycle schedule: three quarters of the way up. Little time is spent at the peak, and all that a large rate
    /// leaves undone is made good while it falls.
    pub fn one_cycle_peak(&self) -> f64 {
        self.at(0.75)
    }

    /// One rate is its own, to the last bit.
    fn at(&self, share: f64) -> f64 {
        self.low * (self.high / self.low).powf(share)
    }
}

impl Report {
    /// Short runs around the suggestion, or around a refusal's guess, where there is one: these must learn something. As many side
    /// by side as the device has room for; `None` where it has room for one only, or there is nothing to go around. The answer is
    /// better than the curve's alone, which is kept: see `docs/suggestion.md`.
    ///
    /// # Errors
    /// As [`Verify::run`].
    pub async fn verify(
        &self,
        session: &Session,
        data: &Dataset,
        held_out: &Dataset,
        control: Control<'_>,
    ) -> Result<Option<Verification>> {
        let usual =
            Verify { rates: Verify::default().rates.min(session.most_replicas()), ..Verify::default() };
        let around = match &self.suggestion {
            Ok(found) => Some((found.lr, usual)),
            Err(refusal) => refusal.guess.map(|guess| (guess, Verify { must_learn: true, ..usual })),
        };
        match around.filter(|(_, verify)| verify.rates > 1) {
            Some((lr, verify)) => verify.run(session, data, held_out, lr, control).await.map(Some),
            None => Ok(None),
        }
    }
}

impl Verify {
    /// Runs the trainings on copies: the session itself is not touched.
    ///
    /// # Errors
    /// A rate around which nothing can be tried, datasets that do not fit, a failing device, or a cancel.
    pub async fn run(
        &self,
        session: &Session,
        data: &Dataset,
        held_out: &Dataset,
        lr: f64,
        control: Control<'_>,
    ) -> Result<Verification> {
        if !(lr > 0.0 && lr.is_finite()) || self.rates < 2 || self.steps == 0 {
            let detail = format!(
                "{lr} with {} rates of {} steps; a rate above 0, at least 2 rates and 1 step",
                self.rates, self.steps
            );
            return Err(Error::argument("verify", detail));
        }
        if !(0.0..1.0).contains(&self.tolerance) {
            let detail = format!("a tolerance of {}; it is a share, from 0 to below 1", self.tolerance);
            return Err(Error::argument("verify", detail));
        }
        let rates: Vec<f64> = (0..self.rates)
            .map(|i| lr * 10f64.powf(self.decades * (2.0 * i as f64 / (self.rates - 1) as f64 - 1.0)))
            .collect();
        let seed = self.seed.unwrap_or(session.options().seed);
        let order = batch_order(data.len(), session.options().effective_batch(), self.steps, seed)?;
        let mut copies = session.replicate(self.rates).await?;
        let initial = copies.evaluate(held_out).await?[0].loss;
        let schedules: Vec<Schedule> =
            rates.iter().map(|&lr| Schedule::constant(lr, self.steps, session.optimizer())).collect();
        let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
        let trained = copies.run(data, &run, control).await?;
        let after = copies.evaluate(held_out).await?;
        let runs = rates.iter().zip(&trained.histories).zip(&after).map(|((&lr, h), e)| verified(lr, h, e));
        let mut runs: Vec<Verified> = runs.collect();
        let constant = constant_loss(held_out);
        let good = self.judge(initial, constant, &mut runs);
        Ok(Verification { initial, constant, runs, good, steps: self.steps, tolerance: self.tolerance })
    }

    /// Says which runs are within the tolerance of the best fall, which is counted from the best constant prediction where a run
    /// gets below that, else from where the weights started.
    fn judge(&self, initial: f64, constant: f64, runs: &mut [Verified]) -> Option<GoodRates> {
        let best = runs.iter().filter_map(|r| r.loss).min_by(f64::total_cmp)?;
        let starts = [constant.min(initial), initial];
        let starts = if self.must_learn { &starts[..1] } else { &starts[..] };
        let start = starts.iter().find(|&&start| best < start)?;
        let enough = start - (1.0 - self.tolerance) * (start - best);
        runs.iter_mut().for_each(|run| run.good = run.loss.is_some_and(|loss| loss <= enough));
        let good = |run: &Verified| run.good;
        let (first, last) = (runs.iter().position(good)?, runs.iter().rposition(good)?);
        let low = crossing(enough, &runs[first], first.checked_sub(1).and_then(|below| runs.get(below)));
        Some(GoodRates { low, high: crossing(enough, &runs[last], runs.get(last + 1)) })
    }
}

/// The rate on the way from a good run to the one beyond at which the line between their losses is at `enough`; the good run's own
/// where none is beyond, or that one blew up, to which no line leads.
fn crossing(enough: f64, good: &Verified, beyond: Option<&Verified>) -> f64 {
    match (good.loss, beyond.and_then(|beyond| Some((beyond.lr, beyond.loss?)))) {
        (Some(loss), Some((lr, far))) => good.lr * (lr / good.lr).powf((enough - loss) / (far - loss)),
        _ => good.lr,
    }
}

/// A run that was stopped has no result, whatever its last weights are good for.
fn verified(lr: f64, history: &History, after: &Evaluation) -> Verified {
    let ended_well = history.stopped.is_none() && after.loss.is_finite();
    let (loss, accuracy) = (Some(after.loss), after.accuracy);
    Verified { lr, loss: loss.filter(|_| ended_well), accuracy: accuracy.filter(|_| ended_well), good: false }
}

/// The loss of the best constant prediction: the entropy of the classes, or the variance of the values.
fn constant_loss(data: &Dataset) -> f64 {
    let n = data.len() as f64;
    match data.targets() {
        Targets::Classes { labels, classes } => {
            let mut counts = vec![0.0; *classes];
            labels.iter().for_each(|&label| counts[label as usize] += 1.0);
            counts.into_iter().filter(|&c| c > 0.0).map(|c: f64| -(c / n) * (c / n).ln()).sum()
        }
        Targets::Values { values, width } => {
            let column = |k: usize| values.iter().skip(k).step_by(*width).map(|v| f64::from(*v));
            let variance = |k: usize| {
                let mean = column(k).sum::<f64>() / n;
                column(k).map(|v| (v - mean).powi(2)).sum::<f64>() / n
            };
            (0..*width).map(variance).sum::<f64>() / *width as f64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Inputs;

    /// Which rates are good; runs' rates are their numbers, from 1 on.
    fn good(initial: f64, constant: f64, runs: &[Verified], tolerance: f64) -> Vec<f64> {
        judged(initial, constant, runs, Verify { tolerance, ..Verify::default() }).0
    }

    fn judged(
        initial: f64,
        constant: f64,
        runs: &[Verified],
        verify: Verify,
    ) -> (Vec<f64>, Option<GoodRates>) {
        let mut runs = runs.to_vec();
        let found = verify.judge(initial, constant, &mut runs);
        (runs.iter().filter(|run| run.good).map(|run| run.lr).collect(), found)
    }

    fn runs(losses: &[Option<f64>]) -> Vec<Verified> {
        (1..)
            .zip(losses)
            .map(|(i, &loss)| Verified { lr: f64::from(i), loss, accuracy: None, good: false })
            .collect()
    }

    #[test]
    fn rates_near_the_best_are_good() {
        let near = runs(&[Some(1.9), Some(1.05), Some(1.0), Some(1.5), None]);
        assert_eq!(good(2.0, f64::INFINITY, &near, 0.1), [2.0, 3.0]);
        let ragged = runs(&[Some(1.05), Some(1.2), Some(1.0), Some(1.1), None]);
        assert_eq!(good(2.0, f64::INFINITY, &ragged, 0.1), [1.0, 3.0, 4.0]);
        let alone = runs(&[Some(1.9), Some(1.2), Some(1.0), None, None]);
        assert_eq!(good(2.0, f64::INFINITY, &alone, 0.1), [3.0]);
    }

    /// 1.1 is enough. From 1.05 to 1.9 that is a 17th of the way, from 1.0 to 1.5 a fifth, by logarithms.
    #[test]
    fn they_end_where_a_line_to_the_next_run_crosses_what_is_enough() {
        let edges = |losses: &[Option<f64>]| {
            let verify = Verify { tolerance: 0.1, ..Verify::default() };
            let found = judged(2.0, f64::INFINITY, &runs(losses), verify).1.unwrap();
            (found.low, found.high)
        };
        let close = |(low, high): (f64, f64), wanted: (f64, f64)| {
            assert!(
                (low / wanted.0 - 1.0).abs() < 1e-12 && (high / wanted.1 - 1.0).abs() < 1e-12,
                "{low} {high}"
            );
        };
        let both = edges(&[Some(1.9), Some(1.05), Some(1.0), Some(1.5)]);
        close(both, (2.0 * 0.5f64.powf(1.0 / 17.0), 3.0 * (4.0f64 / 3.0).powf(0.2)));
        // The first and the last run are ends of their own, and so is one before a run that blew up.
        assert_eq!(edges(&[Some(1.0), Some(1.05)]), (1.0, 2.0));
        assert_eq!(edges(&[None, Some(1.0), None]), (2.0, 2.0));
        // The further it grew, the nearer; a rate between good ones changes nothing.
        close(edges(&[Some(1.0), Some(1e300)]), (1.0, 1.0));
        assert_eq!(edges(&[Some(1.05), Some(1.2), Some(1.0)]), (1.0, 3.0));
    }

    #[test]
    fn each_schedule_has_its_rate_among_the_good_ones() {
        let good = GoodRates { low: 0.01, high: 0.16 };
        assert!((good.lr() / 0.02 - 1.0).abs() < 1e-12 && (good.one_cycle_peak() / 0.08 - 1.0).abs() < 1e-12);
        let alone = GoodRates { low: 0.3, high: 0.3 };
        assert_eq!((alone.lr(), alone.one_cycle_peak()), (0.3, 0.3));
    }

    /// From a start far above what a constant achieves, all but the worst rates look alike.
    #[test]
    fn the_fall_counts_from_the_best_constant_prediction() {
        let runs = runs(&[Some(2.0), Some(1.05), Some(1.0)]);
        assert_eq!(good(100.0, f64::INFINITY, &runs, 0.1), [1.0, 2.0, 3.0]);
        assert_eq!(good(100.0, 2.3, &runs, 0.1), [2.0, 3.0]);
        // Where no run gets below it, from the start after all; unless something must have been learned.
        assert_eq!(good(100.0, 0.5, &runs, 0.1), [1.0, 2.0, 3.0]);
        let strict = Verify { must_learn: true, tolerance: 0.1, ..Verify::default() };
        assert_eq!(judged(100.0, 0.5, &runs, strict), (vec![], None));
        assert_eq!(judged(100.0, 2.3, &runs, strict).0, [2.0, 3.0]);
    }

    #[test]
    fn constant_predictions_have_the_classes_entropy_or_the_values_variance() {
        let inputs = || Inputs::F32(vec![0.0; 4]);
        let classes = Targets::Classes { labels: vec![0, 1, 1, 1], classes: 3 };
        let data = Dataset::new("classes", [1], inputs(), classes).unwrap();
        let entropy = -(0.25 * 0.25f64.ln() + 0.75 * 0.75f64.ln());
        assert!((constant_loss(&data) - entropy).abs() < 1e-12);
        let values = Targets::Values { values: vec![1.0, 5.0, 3.0, 5.0, 1.0, 5.0, 3.0, 5.0], width: 2 };
        let data = Dataset::new("values", [1], inputs(), values).unwrap();
        assert!((constant_loss(&data) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_good_where_nothing_falls() {
        let judged = |initial, losses: &[Option<f64>]| {
            judged(initial, f64::INFINITY, &runs(losses), Verify::default())
        };
        assert_eq!(judged(2.0, &[Some(2.1), None]), (vec![], None));
        assert_eq!(judged(f64::NAN, &[Some(1.0)]), (vec![], None));
    }

    #[test]
    fn negative_and_shifted_losses_change_nothing() {
        let shifted = runs(&[Some(-10.1), Some(-10.95), Some(-11.0)]);
        assert_eq!(good(-10.0, f64::INFINITY, &shifted, 0.1), [2.0, 3.0]);
    }
}
