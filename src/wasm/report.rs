//! Results as objects.

use super::object::{array, number, object};
use crate::finder::{Line, RangeTest, Refusal, Report, Rules, Smith, Suggestion, Verification};
use crate::{Measured, Optimizer, Progress};
use wasm_bindgen::prelude::*;

/// A point of a curve, or a step of a training.
fn point(step: usize, m: &Measured) -> JsValue {
    object([
        ("step", step.into()),
        ("lr", number(m.lr)),
        ("loss", number(m.loss)),
        ("smoothed", number(m.smoothed)),
        ("accuracy", number(m.accuracy)),
        ("gradNorm", number(m.grad_norm)),
        ("momentum", number(m.momentum)),
    ])
}

/// How far a run is, and what is new; `from` is the number of the first new step.
pub(super) fn progress(stage: &str, from: usize, now: &Progress) -> JsValue {
    let new = now.new.first().into_iter().flatten();
    object([
        ("stage", stage.into()),
        ("step", now.step.into()),
        ("steps", now.steps.into()),
        ("lr", number(now.lr)),
        ("loss", number(now.loss)),
        ("points", array(new.enumerate().map(|(i, m)| point(from + i, m)))),
    ])
}

pub(super) fn suggestion(found: &Result<Suggestion, Refusal>) -> JsValue {
    let Ok(s) = found else { return JsValue::NULL };
    object([
        ("lr", number(s.lr)),
        ("low", number(s.low)),
        ("high", number(s.high)),
        ("oneCyclePeak", number(s.one_cycle_peak())),
        ("score", number(s.score)),
        ("rule", s.rule.into()),
        ("reason", s.reason.as_str().into()),
    ])
}

/// What the curve shows, and what to change. The sentence names the command's options: here they are fields.
pub(super) fn refusal(found: &Result<Suggestion, Refusal>) -> JsValue {
    let Err(refusal) = found else { return JsValue::NULL };
    let text = refusal.reason.replace("(--", "(").replace(", --", ", ");
    let (reason, advice) = text.split_once("; ").unwrap_or((&text, ""));
    object([("reason", reason.into()), ("advice", advice.into()), ("guess", number(refusal.guess))])
}

pub(super) fn rules(rules: &Rules) -> JsValue {
    object([
        ("fastai_valley", number(rules.fastai_valley)),
        ("fastai_steep", number(rules.fastai_steep)),
        ("fastai_slide", number(rules.fastai_slide)),
        ("fastai_minimum", number(rules.fastai_minimum)),
        ("min_gradient", number(rules.min_gradient)),
    ])
}

pub(super) fn smith(smith: Option<Smith>) -> JsValue {
    smith.map_or(JsValue::NULL, |s| object([("baseLr", number(s.base_lr)), ("maxLr", number(s.max_lr))]))
}

fn line(line: Line) -> JsValue {
    object([
        ("initial", number(line.initial)),
        ("slope", number(line.slope)),
        ("argmin", number(line.argmin)),
        ("armijo", number(line.armijo)),
        ("rises", number(line.rises)),
        ("curvature", number(line.curvature)),
    ])
}

fn verification(v: &Verification, suggested: bool) -> JsValue {
    let reason = match (v.good, suggested) {
        (Some(_), _) => {
            "a quarter of the way up the rates whose held-out loss made nearly all of the best fall"
        }
        (None, true) => "no run lowered the held-out loss",
        (None, false) => "no run predicts better than the best constant does",
    };
    let run = |run: &crate::Verified| {
        object([
            ("lr", number(run.lr)),
            ("loss", number(run.loss)),
            ("accuracy", number(run.accuracy)),
            ("good", run.good.into()),
        ])
    };
    object([
        ("lr", number(v.lr())),
        ("low", number(v.good.map(|good| good.low))),
        ("high", number(v.good.map(|good| good.high))),
        ("oneCyclePeak", number(v.one_cycle_peak())),
        ("initial", number(v.initial)),
        ("constant", number(v.constant)),
        ("steps", v.steps.into()),
        ("runs", array(v.runs.iter().map(run))),
        ("reason", reason.into()),
    ])
}

/// All that a range test found.
pub(super) fn report(
    test: &RangeTest,
    report: &Report,
    verified: Option<&Verification>,
    optimizer: &Optimizer,
    seconds: f64,
) -> JsValue {
    let probe = Some(test.updates()).filter(|&updates| updates > 0);
    let suggested = report.suggestion.as_ref().ok().map(|s| s.lr);
    let peak = report.suggestion.as_ref().ok().map(Suggestion::one_cycle_peak);
    let peak = verified.and_then(Verification::one_cycle_peak).or(peak);
    let points = report.points.iter().map(|p| {
        let crate::Point { lr, loss, smoothed, accuracy, grad_norm, momentum, .. } = *p;
        point(p.step, &Measured { lr, loss, smoothed, accuracy, grad_norm, momentum })
    });
    let spread = report.spread.iter().map(|&(low, high)| array([number(low), number(high)]));
    object([
        ("optimizer", optimizer.to_string().into()),
        ("mode", report.mode.name().into()),
        ("from", number(test.from)),
        ("to", number(test.to)),
        ("steps", test.steps.into()),
        ("seeds", test.seeds.into()),
        ("probe", number(probe.map(|p| p as f64))),
        ("smoothing", number(test.beta)),
        ("points", array(points)),
        ("spread", if report.spread.is_empty() { JsValue::NULL } else { array(spread) }),
        ("suggestion", suggestion(&report.suggestion)),
        ("refusal", refusal(&report.suggestion)),
        ("rules", rules(&report.rules)),
        ("smith", smith(report.smith)),
        ("line", report.line.map_or(JsValue::NULL, line)),
        ("verification", verified.map_or(JsValue::NULL, |v| verification(v, suggested.is_some()))),
        ("learningRate", number(verified.and_then(Verification::lr).or(suggested))),
        ("oneCyclePeak", number(peak)),
        ("stopped", report.stopped.map_or(JsValue::NULL, |(_, reason)| reason.to_string().into())),
        ("stoppedAt", number(report.stopped.map(|(step, _)| step as f64))),
        ("epochs", number(report.epochs)),
        ("restored", report.restored().into()),
        ("msPerStep", number(1e3 * report.cost.step.as_secs_f64())),
        ("seconds", number(seconds)),
    ])
}
