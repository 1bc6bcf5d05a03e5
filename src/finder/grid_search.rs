//! One range test under several settings: momentum, weight decay, batch size or optimizer, from the same weights.

use super::curve::{copies, order, schedule, swept};
use super::suggest::lowest;
use super::{Lowest, RangeTest, Report};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::optim::{Adam, Optimizer, Sgd};
use crate::schedule::Schedule;
use crate::session::{Control, HeldOut, Outcome, Run, Session};

/// Curves that one picture can hold apart.
const MOST: usize = 6;
/// Share of the best fall that a setting's lowest loss may lack and still count as as low.
const TOLERANCE: f64 = 0.1;
/// Largest rates nearer than this ratio are one: a tenth of a decade, about a step of a sweep over eight.
const SAME_RATE: f64 = 1.26;

/// What a grid varies, and its values. All else is as in the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Vary {
    /// SGD momentum, or Adam's beta1.
    Momentum(Vec<f64>),
    /// L2 penalty, or AdamW's decay.
    WeightDecay(Vec<f64>),
    /// Samples in a batch; as many steps with each, so that larger batches see more samples.
    Batch(Vec<usize>),
    /// Optimizers, each beginning anew, without the state that the session's has.
    Optimizer(Vec<Optimizer>),
}

impl Vary {
    /// Name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Momentum(_) => "momentum",
            Self::WeightDecay(_) => "weight-decay",
            Self::Batch(_) => "batch",
            Self::Optimizer(_) => "optimizer",
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Momentum(values) | Self::WeightDecay(values) => values.len(),
            Self::Batch(sizes) => sizes.len(),
            Self::Optimizer(optimizers) => optimizers.len(),
        }
    }

    /// Each value's name, and what it makes of a session's optimizer and batch.
    fn settings(&self, optimizer: Optimizer, batch: usize) -> Vec<(String, Optimizer, usize)> {
        match self {
            Self::Momentum(values) => {
                values.iter().map(|&m| (number(m), with_momentum(optimizer, m), batch)).collect()
            }
            Self::WeightDecay(values) => {
                values.iter().map(|&w| (number(w), with_decay(optimizer, w), batch)).collect()
            }
            Self::Batch(sizes) => sizes.iter().map(|&batch| (batch.to_string(), optimizer, batch)).collect(),
            Self::Optimizer(all) => all.iter().map(|&o| (o.to_string(), o, batch)).collect(),
        }
    }

    fn check(&self) -> Result<()> {
        let refused = |detail: String| Err(Error::argument("grid", detail));
        let name = self.name();
        if self.len() == 0 || self.len() > MOST {
            return refused(format!("{name} has {} values; give 1 to {MOST}", self.len()));
        }
        match self {
            Self::Momentum(values) => match values.iter().find(|m| !(0.0..1.0).contains(*m)) {
                Some(m) => refused(format!("momentum {m} is not from 0 to below 1")),
                None => Ok(()),
            },
            Self::WeightDecay(values) => match values.iter().find(|w| !(**w >= 0.0 && w.is_finite())) {
                Some(w) => refused(format!("weight decay {w} is not a number from 0 on")),
                None => Ok(()),
            },
            Self::Batch(sizes) if sizes.contains(&0) => refused("a batch of 0 has no loss".into()),
            Self::Batch(_) | Self::Optimizer(_) => Ok(()),
        }
    }
}

fn with_momentum(optimizer: Optimizer, momentum: f64) -> Optimizer {
    match optimizer {
        Optimizer::Sgd(sgd) => Sgd { momentum, ..sgd }.into(),
        Optimizer::Adam(adam) => Adam { beta1: momentum, ..adam }.into(),
    }
}

fn with_decay(optimizer: Optimizer, weight_decay: f64) -> Optimizer {
    match optimizer {
        Optimizer::Sgd(sgd) => Sgd { weight_decay, ..sgd }.into(),
        Optimizer::Adam(adam) => Adam { weight_decay, ..adam }.into(),
    }
}

/// 0.9, 0, 1e-5.
fn number(value: f64) -> String {
    if value == 0.0 || value >= 1e-2 { value.to_string() } else { format!("{value:e}") }
}

/// A range test under several settings, one curve each, from the same weights: how Smith sets momentum and weight decay
/// (arXiv:1803.09820).
///
/// Momenta and weight decays of a sweep train as copies side by side; batch sizes, optimizers and other modes one after
/// the other, in sessions of their own. Either way a curve has the bits of a range test of a session with that setting.
#[derive(Clone, Debug, PartialEq)]
pub struct GridSearch {
    /// What is done under each setting.
    pub test: RangeTest,
    /// The settings.
    pub vary: Vary,
}

/// One setting's curve.
#[derive(Clone, Debug)]
pub struct Member {
    /// The value: "0.9", "1e-4", "64", "AdamW".
    pub name: String,
    /// What it was measured with.
    pub optimizer: Optimizer,
    /// Samples in a batch.
    pub batch: usize,
    /// What the range test found. Its cost is that of all that ran side by side.
    pub report: Report,
    /// The lowest point of its smoothed loss.
    pub lowest: Option<Lowest>,
}

impl Member {
    /// The lowest held-out loss and its rate, if there was held-out data.
    pub fn lowest_held_out(&self) -> Option<(f64, f64)> {
        let points = self.report.held_out.iter().map(|p| (p.lr, p.loss));
        points.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The rate at which the sweep ended early; `None` if it went to its end.
    pub fn diverged(&self) -> Option<f64> {
        let (step, _) = self.report.stopped?;
        let points = &self.report.points;
        points.iter().find(|p| p.step == step).or(points.last()).map(|p| p.lr)
    }
}

/// What each setting came to.
#[derive(Clone, Debug)]
pub struct GridReport {
    /// In the order in which they were given.
    pub members: Vec<Member>,
    /// The setting to take; `None` where no curve clearly falls.
    pub choice: Option<Choice>,
}

/// The setting that Smith's method would take, as far as one short sweep each can tell: of those whose loss gets about as low
/// as the lowest (within a tenth of the best fall; of the held-out loss, where it was measured), the one that can be swept
/// to the largest rate before the loss diverges; of those that are equal in that, the largest momentum, weight decay or
/// batch. Between optimizers, whose rates are not comparable, the lowest loss alone decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Its place among the members.
    pub member: usize,
    /// One sentence for a person.
    pub reason: String,
}

impl GridSearch {
    /// Runs the test under every setting, on copies: the session itself is not touched.
    ///
    /// # Errors
    /// Values that cannot be, what [`RangeTest::run_held_out`] refuses, a failing device, or a cancel.
    pub async fn run(
        &self,
        session: &Session,
        data: &Dataset,
        held_out: Option<HeldOut<'_>>,
        mut control: Control<'_>,
    ) -> Result<GridReport> {
        self.check()?;
        self.test.fits(session, held_out)?;
        let settings = self.vary.settings(*session.optimizer(), session.options().batch);
        let reports = if self.side_by_side() {
            let optimizers: Vec<Optimizer> = settings.iter().map(|s| s.1).collect();
            self.together(session, data, held_out, &optimizers, control).await?
        } else {
            let same = !matches!(self.vary, Vary::Optimizer(_));
            let mut reports = Vec::new();
            for &(_, optimizer, batch) in &settings {
                let mut own = session.sibling(optimizer, batch, same).await?;
                let part = Control {
                    progress: control.progress.as_mut().map(|p| &mut **p as _),
                    cancel: control.cancel,
                };
                reports.push(self.test.measure(&mut own, data, held_out, part).await?);
            }
            reports
        };
        let member = |((name, optimizer, batch), report): ((String, Optimizer, usize), Report)| {
            let (lr, loss): (Vec<f64>, Vec<f64>) = report.points.iter().map(|p| (p.lr, p.loss)).unzip();
            Member { name, optimizer, batch, lowest: lowest(&lr, &loss), report }
        };
        let members: Vec<Member> = settings.into_iter().zip(reports).map(member).collect();
        Ok(GridReport { choice: choice(&self.vary, &members), members })
    }

    /// Can there be such a grid, whatever the session?
    ///
    /// # Errors
    /// No values, too many, or some that cannot be.
    pub fn check(&self) -> Result<()> {
        if self.test.cyclical_momentum.is_some() && matches!(self.vary, Vary::Momentum(_)) {
            let detail = "momentum is what the test varies from rate to rate already; leave one of them out";
            return Err(Error::argument("grid", detail));
        }
        if let Vary::Optimizer(all) = &self.vary {
            all.iter().try_for_each(|optimizer| self.test.check_optimizer(optimizer))?;
        }
        self.vary.check()
    }

    /// The schedule alone tells the settings apart: copies of one plan can run them.
    fn side_by_side(&self) -> bool {
        let schedule = matches!(self.vary, Vary::Momentum(_) | Vary::WeightDecay(_));
        schedule && self.test.seeds == 1 && self.test.mode.moves()
    }

    async fn together(
        &self,
        session: &Session,
        data: &Dataset,
        held_out: Option<HeldOut<'_>>,
        optimizers: &[Optimizer],
        mut control: Control<'_>,
    ) -> Result<Vec<Report>> {
        let test = &self.test;
        let rates = test.rates()?;
        let batch = session.options().effective_batch();
        let order = order(test, data, batch, test.seed(session))?;
        let before = if test.verify_restore { Some(session.fingerprint().await?) } else { None };
        let mut curves = Vec::new();
        for wave in optimizers.chunks(session.most_replicas()) {
            let mut copies = copies(test, session, wave.len()).await?;
            let schedules: Vec<Schedule> = wave.iter().map(|o| schedule(test, &rates, o)).collect();
            let run = Run { schedules: &schedules, order: &order, beta: test.beta, stop: test.stop };
            let part = Control {
                progress: control.progress.as_mut().map(|p| &mut **p as _),
                cancel: control.cancel,
            };
            let Outcome { histories, cost } = copies.run_watching(data, &run, held_out, part).await?;
            let each = schedules.iter().zip(&histories);
            curves
                .extend(each.map(|(schedule, history)| swept(test, session, data, schedule, history, cost)));
        }
        let after = if test.verify_restore { Some(session.fingerprint().await?) } else { None };
        let prints = before.zip(after);
        let read = |(curve, optimizer)| test.report(&rates, curve, (session, optimizer), prints);
        Ok(curves.into_iter().zip(optimizers).map(read).collect())
    }
}

/// What [`choice`] compares.
#[derive(Clone, Copy)]
struct Standing {
    member: usize,
    /// Loss at the start, and at its lowest.
    start: f64,
    loss: f64,
    /// Where the sweep diverged; the end of the range where it did not.
    largest: f64,
}

fn choice(vary: &Vary, members: &[Member]) -> Option<Choice> {
    let held_out = members.iter().all(|m| m.lowest_held_out().is_some());
    let standing = |(i, m): (usize, &Member)| {
        m.report.suggestion.as_ref().ok()?;
        let (start, loss) = if held_out {
            (m.report.held_out.first()?.loss, m.lowest_held_out()?.1)
        } else {
            (m.lowest?.start, m.lowest?.loss)
        };
        let largest = m.diverged().unwrap_or(f64::INFINITY);
        Some(Standing { member: i, start, loss, largest })
    };
    let standings: Vec<Standing> = members.iter().enumerate().filter_map(standing).collect();
    let (chosen, best) = chosen(vary, &standings)?;
    let names: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
    let what = if held_out { "held-out loss" } else { "smoothed loss" };
    Some(Choice { member: chosen.member, reason: reason(vary, &names, what, &standings, chosen, best) })
}

fn reason(
    vary: &Vary,
    names: &[&str],
    what: &str,
    standings: &[Standing],
    chosen: Standing,
    best: Standing,
) -> String {
    let low = if chosen.member == best.member {
        format!("its {what} gets lowest, to {:.3}", chosen.loss)
    } else {
        let (loss, lowest, name) = (chosen.loss, best.loss, names[best.member]);
        format!("its {what} gets to {loss:.3}, about as low as the lowest, {lowest:.3} at {name}")
    };
    let as_low = |s: &&Standing| s.member != chosen.member && s.loss <= enough(&best);
    let rivals: Vec<&Standing> = standings.iter().filter(as_low).collect();
    let as_far = |s: &&Standing| s.largest * SAME_RATE >= chosen.largest;
    let far = match chosen.largest {
        rate if rate.is_finite() => format!("to {rate:.2e}"),
        _ => "to the end of the range".to_string(),
    };
    match vary {
        _ if rivals.is_empty() => format!("{low}, and no other's about as low"),
        Vary::Optimizer(_) => {
            let near: Vec<&str> = rivals.iter().map(|s| names[s.member]).collect();
            format!("{low}; that of {} about as low", near.join(" and "))
        }
        _ if rivals.iter().any(as_far) => {
            format!("{low}; of those as low it is the largest that can be swept about as far as any, {far}")
        }
        _ => format!("{low}; of those as low it can be swept furthest, {far}"),
    }
}

/// The loss that counts as about as low as the best.
fn enough(best: &Standing) -> f64 {
    best.loss + TOLERANCE * (best.start - best.loss).max(0.0)
}

/// The setting to take, and the one of the lowest loss.
fn chosen(vary: &Vary, standings: &[Standing]) -> Option<(Standing, Standing)> {
    let best = *standings.iter().min_by(|a, b| a.loss.total_cmp(&b.loss))?;
    if matches!(vary, Vary::Optimizer(_)) {
        return Some((best, best));
    }
    let low = || standings.iter().filter(|s| s.loss <= enough(&best));
    let largest = low().map(|s| s.largest).max_by(f64::total_cmp)?;
    let value = |s: &Standing| match vary {
        Vary::Momentum(values) | Vary::WeightDecay(values) => values[s.member],
        Vary::Batch(sizes) => sizes[s.member] as f64,
        Vary::Optimizer(_) => 0.0,
    };
    let equal = low().filter(|s| s.largest * SAME_RATE >= largest);
    let chosen = *equal.max_by(|a, b| value(a).total_cmp(&value(b)))?;
    Some((chosen, best))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standings(rows: &[(f64, f64)]) -> Vec<Standing> {
        let row =
            |(member, &(loss, largest)): (usize, &(f64, f64))| Standing { member, start: 2.3, loss, largest };
        rows.iter().enumerate().map(row).collect()
    }

    fn pick(vary: &Vary, rows: &[(f64, f64)]) -> (usize, usize) {
        let (chosen, best) = chosen(vary, &standings(rows)).expect("there are curves");
        (chosen.member, best.member)
    }

    #[test]
    fn of_losses_as_low_the_largest_rate_is_taken_and_then_the_largest_value() {
        let decays = Vary::WeightDecay(vec![0.0, 1e-4, 1e-3, 1e-2]);
        // The last is too high a loss (a tenth of 2.1 is 0.21), the first diverges early.
        assert_eq!(pick(&decays, &[(0.2, 0.1), (0.25, 1.0), (0.3, 0.95), (0.5, 9.0)]), (2, 0));
        // 0.7 is clearly less than 1.
        assert_eq!(pick(&decays, &[(0.2, 0.1), (0.25, 1.0), (0.3, 0.7), (0.5, 9.0)]), (1, 0));
        // One that never diverges is swept further than any.
        assert_eq!(
            pick(&decays, &[(0.2, f64::INFINITY), (0.2, f64::INFINITY), (0.2, 5.0), (0.2, 5.0)]),
            (1, 0)
        );
    }

    #[test]
    fn the_reason_says_what_decided() {
        let says = |vary: &Vary, rows: &[(f64, f64)], names: &[&str], said: &str| {
            let standings = standings(rows);
            let (chosen, best) = chosen(vary, &standings).expect("there are curves");
            assert_eq!(reason(vary, names, "loss", &standings, chosen, best), said);
        };
        let decays = Vary::WeightDecay(vec![0.0, 1e-3]);
        let names = &["0", "1e-3"];
        let low = "its loss gets to 0.250, about as low as the lowest, 0.200 at 0; of those as low it";
        says(&decays, &[(0.2, 0.1), (0.25, 1.0)], names, &format!("{low} can be swept furthest, to 1.00e0"));
        let (far, same) = ("is the largest that can be swept about as far as any, to", f64::INFINITY);
        says(&decays, &[(0.2, 1.1), (0.25, 1.0)], names, &format!("{low} {far} 1.00e0"));
        says(&decays, &[(0.2, same), (0.25, same)], names, &format!("{low} {far} the end of the range"));
        let alone = "its loss gets lowest, to 0.200, and no other's about as low";
        says(&decays, &[(0.2, 0.1), (1.0, 1.0)], names, alone);
        let optimizers = Vary::Optimizer(vec![Sgd::plain().into(), Adam::default().into()]);
        let near = "its loss gets lowest, to 0.200; that of SGD about as low";
        says(&optimizers, &[(0.21, 1.0), (0.2, 0.1)], &["SGD", "Adam"], near);
    }

    #[test]
    fn between_optimizers_only_the_loss_counts() {
        let optimizers = Vary::Optimizer(vec![Sgd::plain().into(), Adam::default().into()]);
        assert_eq!(pick(&optimizers, &[(0.25, 1.0), (0.2, 0.01)]), (1, 1));
    }

    #[test]
    fn without_a_fall_nothing_is_chosen() {
        assert!(chosen(&Vary::Batch(vec![1]), &[]).is_none());
    }

    #[test]
    fn a_losss_scale_and_offset_do_not_matter() {
        let momenta = Vary::Momentum(vec![0.8, 0.9]);
        for (a, b) in [(1.0, 0.0), (1e-3, -5.0), (1e4, 7.0)] {
            let scaled = standings(&[(0.2, 0.1), (0.39, 1.0)]).into_iter().map(|s| Standing {
                start: a * s.start + b,
                loss: a * s.loss + b,
                ..s
            });
            let (chosen, _) = chosen(&momenta, &scaled.collect::<Vec<_>>()).expect("there are curves");
            assert_eq!(chosen.member, 1);
        }
    }

    #[test]
    fn values_are_named_as_one_types_them() {
        assert_eq!([0.0, 0.85, 0.01, 1e-5].map(number), ["0", "0.85", "0.01", "1e-5"]);
    }

    #[test]
    fn impossible_values_are_refused() {
        let refused = |vary: Vary| vary.check().unwrap_err().to_string();
        assert_eq!(refused(Vary::Momentum(vec![])), "grid: momentum has 0 values; give 1 to 6");
        assert_eq!(refused(Vary::Momentum(vec![0.5, 1.0])), "grid: momentum 1 is not from 0 to below 1");
        assert_eq!(
            refused(Vary::WeightDecay(vec![f64::NAN])),
            "grid: weight decay NaN is not a number from 0 on"
        );
        assert_eq!(refused(Vary::Batch(vec![1; 9])), "grid: batch has 9 values; give 1 to 6");
    }
}
