//! Results as one JSON object. What there is not is null, and so is a number that is not finite.

pub(in crate::cli) mod grid;

use super::{Row, layers};
use crate::cli::find;
use crate::finder::{
    self, HeldOutPoint, Line, Refusal, Rules, Smith, Spacing, Suggestion, Verification, Verified,
};
use crate::{Error, Graph, Parameter, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// What was made of a curve: the same for `find` and `suggest`.
#[derive(Serialize)]
pub(in crate::cli) struct Answer<'a> {
    suggestion: Option<SuggestionRow<'a>>,
    refusal: Option<&'a str>,
    /// Around which short runs look after a refusal.
    guess: Option<f64>,
    rules: RulesRow,
    smith: Option<SmithRow>,
}

#[derive(Serialize)]
struct SuggestionRow<'a> {
    lr: f64,
    low: f64,
    high: f64,
    one_cycle_peak: f64,
    score: f64,
    rule: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct RulesRow {
    fastai_valley: Option<f64>,
    fastai_steep: Option<f64>,
    fastai_slide: Option<f64>,
    fastai_minimum: Option<f64>,
    min_gradient: Option<f64>,
}

#[derive(Serialize)]
struct SmithRow {
    base_lr: f64,
    max_lr: f64,
}

impl<'a> Answer<'a> {
    pub fn new(
        suggestion: &'a std::result::Result<Suggestion, Refusal>,
        rules: &Rules,
        smith: Option<Smith>,
    ) -> Self {
        let row = |s: &'a Suggestion| SuggestionRow {
            lr: s.lr,
            low: s.low,
            high: s.high,
            one_cycle_peak: s.one_cycle_peak(),
            score: s.score,
            rule: s.rule,
            reason: &s.reason,
        };
        Self {
            suggestion: suggestion.as_ref().ok().map(row),
            refusal: suggestion.as_ref().err().map(|r| r.reason.as_str()),
            guess: suggestion.as_ref().err().and_then(|r| r.guess),
            rules: RulesRow {
                fastai_valley: rules.fastai_valley,
                fastai_steep: rules.fastai_steep,
                fastai_slide: rules.fastai_slide,
                fastai_minimum: rules.fastai_minimum,
                min_gradient: rules.min_gradient,
            },
            smith: smith.map(|s| SmithRow { base_lr: s.base_lr, max_lr: s.max_lr }),
        }
    }
}

/// Everything that `find` knows.
#[derive(Serialize)]
pub(in crate::cli) struct Found<'a> {
    model: &'a str,
    data: &'a str,
    samples: usize,
    optimizer: String,
    /// Of each parameter; only where one is not 1.
    rate_multipliers: Option<BTreeMap<String, f64>>,
    decay_multipliers: Option<BTreeMap<String, f64>>,
    clip: Option<f64>,
    batch: usize,
    accumulate: usize,
    seed: u64,
    mode: &'a str,
    seeds: usize,
    /// Updates at each rate, in the modes that have them.
    probe: Option<usize>,
    from: f64,
    to: f64,
    /// Planned, as [`crate::cli::suggest`] reads it.
    steps: usize,
    spacing: &'a str,
    smoothing: f64,
    history: Vec<Row>,
    /// Lowest and highest loss of each step over the seeds.
    spread: Option<Vec<(f64, f64)>>,
    /// Only with --held-out-every.
    held_out: Option<Vec<HeldOutRow>>,
    #[serde(flatten)]
    answer: Answer<'a>,
    verification: Option<VerificationRow>,
    curvature: Option<CurvatureRow>,
    /// The one number: the short runs', else the curve's.
    learning_rate: Option<f64>,
    /// The same for a one-cycle schedule.
    one_cycle_peak: Option<f64>,
    line: Option<LineRow>,
    /// Only with --layers.
    layers: Option<layers::Object<'a>>,
    stopped: Option<Stopped>,
    epochs: f64,
    restored: bool,
    fingerprints: Option<Fingerprints>,
    adapter: String,
    ms_per_step: f64,
    dispatches_per_step: usize,
    submits: usize,
    /// With nothing queued behind; while the device was kept busy.
    host_waits: usize,
    paced_waits: usize,
}

/// At the starting weights; only with --curvature.
#[derive(Serialize)]
struct CurvatureRow {
    lambda_max: f64,
    limit: Option<f64>,
    formula: Option<&'static str>,
    iterations: usize,
    converged: bool,
}

#[derive(Serialize)]
struct VerificationRow {
    initial: f64,
    steps: usize,
    runs: Vec<VerifiedRow>,
    tolerance: f64,
    /// From the smallest to the largest rate that is good, and the one in between for either schedule.
    low: Option<f64>,
    high: Option<f64>,
    lr: Option<f64>,
    one_cycle_peak: Option<f64>,
}

#[derive(Serialize)]
struct VerifiedRow {
    lr: f64,
    loss: Option<f64>,
    accuracy: Option<f64>,
    good: bool,
}

#[derive(Serialize)]
struct HeldOutRow {
    step: usize,
    lr: f64,
    loss: f64,
    accuracy: Option<f64>,
}

impl HeldOutRow {
    fn all(points: &[HeldOutPoint]) -> Option<Vec<Self>> {
        let row = |p: &HeldOutPoint| Self { step: p.step, lr: p.lr, loss: p.loss, accuracy: p.accuracy };
        (!points.is_empty()).then(|| points.iter().map(row).collect())
    }
}

#[derive(Serialize)]
struct LineRow {
    initial: f64,
    slope: f64,
    argmin: Option<f64>,
    armijo: Option<f64>,
    rises: Option<f64>,
    curvature: Option<f64>,
}

impl From<&Verification> for VerificationRow {
    fn from(v: &Verification) -> Self {
        let row =
            |&Verified { lr, loss, accuracy, good }: &Verified| VerifiedRow { lr, loss, accuracy, good };
        Self {
            initial: v.initial,
            steps: v.steps,
            runs: v.runs.iter().map(row).collect(),
            tolerance: v.tolerance,
            low: v.good.map(|good| good.low),
            high: v.good.map(|good| good.high),
            lr: v.lr(),
            one_cycle_peak: v.one_cycle_peak(),
        }
    }
}

impl From<Line> for LineRow {
    fn from(line: Line) -> Self {
        let Line { initial, slope, argmin, armijo, rises, curvature } = line;
        Self { initial, slope, argmin, armijo, rises, curvature }
    }
}

#[derive(Serialize)]
struct Stopped {
    step: usize,
    reason: String,
}

#[derive(Serialize)]
struct Fingerprints {
    before: String,
    after: String,
}

fn multipliers(model: &Graph, of: fn(&Parameter) -> f64) -> Option<BTreeMap<String, f64>> {
    let parameters = model.parameters();
    let other = parameters.iter().any(|p| of(p) != 1.0);
    other.then(|| parameters.iter().map(|p| (p.name.clone(), of(p))).collect())
}

impl<'a> Found<'a> {
    pub fn new(found: &'a find::Found<'a>) -> Self {
        let find::Found { subject, test, report, verification, .. } = found;
        let hash = |hash: u64| format!("{hash:016x}");
        Self {
            model: subject.model_name,
            data: subject.data_name,
            samples: subject.data.len(),
            optimizer: subject.optimizer.to_string(),
            rate_multipliers: multipliers(&subject.model, |p| p.rate),
            decay_multipliers: multipliers(&subject.model, |p| p.decay),
            clip: subject.options.clip,
            batch: subject.options.batch,
            accumulate: subject.options.accumulate,
            seed: subject.options.seed,
            mode: report.mode.name(),
            seeds: test.seeds,
            probe: found.updates(),
            from: test.from,
            to: test.to,
            steps: test.steps,
            spacing: spacing(test.spacing),
            smoothing: test.beta,
            history: report.points.iter().map(Row::from).collect(),
            spread: Some(report.spread.clone()).filter(|spread| !spread.is_empty()),
            held_out: HeldOutRow::all(&report.held_out),
            answer: Answer::new(&report.suggestion, &report.rules, report.smith),
            verification: verification.as_ref().map(VerificationRow::from),
            curvature: found.curvature.map(|c| CurvatureRow {
                lambda_max: c.lambda_max,
                limit: c.limit,
                formula: c.limit.map(|_| c.formula),
                iterations: c.iterations,
                converged: c.converged,
            }),
            learning_rate: found.learning_rate(),
            one_cycle_peak: found.one_cycle_peak(),
            line: report.line.map(LineRow::from),
            layers: report.layers.as_ref().map(|layers| layers::Object::new(layers, found.rates())),
            stopped: report.stopped.map(|(step, reason)| Stopped { step, reason: reason.to_string() }),
            epochs: report.epochs,
            restored: report.restored(),
            fingerprints: report
                .fingerprints
                .map(|(before, after)| Fingerprints { before: hash(before), after: hash(after) }),
            adapter: report.adapter.to_string(),
            ms_per_step: 1e3 * report.cost.step.as_secs_f64(),
            dispatches_per_step: report.cost.dispatches_per_step,
            submits: report.cost.submits,
            host_waits: report.cost.waits,
            paced_waits: report.cost.paced,
        }
    }
}

/// The modes by name, each as `find` prints it alone.
#[derive(Serialize)]
pub(in crate::cli) struct Modes<'a> {
    modes: BTreeMap<&'a str, Found<'a>>,
}

impl<'a> Modes<'a> {
    pub fn new(found: &'a [find::Found<'a>]) -> Self {
        Self { modes: found.iter().map(|f| (f.test.mode.name(), Found::new(f))).collect() }
    }
}

fn spacing(spacing: finder::Spacing) -> &'static str {
    match spacing {
        Spacing::Exponential => "exponential",
        Spacing::Linear => "linear",
    }
}

/// The object and a line's end.
///
/// # Errors
/// None: nothing that is printed here has keys that are not texts.
pub(in crate::cli) fn line(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value).map_err(|e| Error::io("JSON", std::io::Error::other(e)))?;
    Ok(text + "\n")
}
