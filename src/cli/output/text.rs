//! Results for a person.

pub(in crate::cli) mod grid;

use super::{SIGNS, grouped, named};
use crate::cli::all::All;
use crate::cli::draw::draw;
use crate::cli::find::Found;
use crate::cli::plot::Figure;
use crate::cli::terminal::{Screen, wrapped};
use crate::finder::{Curvature, GoodRates, Line, Refusal, Suggestion, Verification, Verified};
use crate::{Cost, Graph};
use std::time::Duration;

/// Lines of the drawn curve.
const HEIGHT: usize = 19;
/// Width of the names in the left column.
pub(super) const NAMES: usize = 18;

/// Why the frozen mode's rates are not rates to train with.
pub(in crate::cli) const ONE_STEP: &str = "one step on one batch is no training: its best rate follows the steepest directions, where it \
    may overshoot or crawl when it is used again and again; see docs/modes.md";

/// A rate alone.
pub(in crate::cli) fn rate(rate: Option<f64>) -> String {
    rate.map_or("none\n".into(), |rate| format!("{rate:e}\n"))
}

/// What was tested, the answer and why, the curve, and what other rules say. A refusal's `guess` is for where no short runs have
/// tried it.
pub(in crate::cli) fn answer(figure: &Figure, guess: Option<f64>, screen: &Screen) -> String {
    let mut text = String::new();
    for line in [figure.title, figure.subtitle].into_iter().flat_map(|t| wrapped(t, screen.width)) {
        text += &(line + "\n");
    }
    text += "\n";
    match figure.suggestion {
        Ok(found) => {
            text += &headline(found, figure.verified, screen);
            text += &entry("why", &found.reason, screen);
        }
        Err(refusal) => {
            text += &match figure.verified {
                Some(good) => {
                    let rate = screen.bold(&format!("{:.2e}", good.lr()));
                    row(
                        "learning rate",
                        &format!("{rate}, by short runs alone, {}", interval(good.low, good.high)),
                    ) + &row("one-cycle peak", &format!("{:.2e}, by short runs", good.one_cycle_peak()))
                }
                None => {
                    row("learning rate", &screen.bold("no suggestion"))
                        + &guess.map_or(String::new(), guessed)
                }
            };
            text += &entry("why", &none_because(refusal), screen);
        }
    }
    if !figure.points.is_empty() {
        text += &format!("\n{}\n", draw(figure, screen.width, HEIGHT, screen.colour));
    }
    text + "\n" + &rules(figure, screen)
}

fn guessed(rate: f64) -> String {
    row("a guess", &format!("{rate:.2e}, from what is left to go by: try it first"))
}

/// Why the curve suggests nothing.
pub(in crate::cli) fn none_because(refusal: &Refusal) -> String {
    format!("the curve suggests none: {}", refusal.reason)
}

/// The one number and where it is from; the curve's own answer under it, where it is another; and the peak.
fn headline(found: &Suggestion, verified: Option<GoodRates>, screen: &Screen) -> String {
    let number = |rate: f64, from: &str, low: f64, high: f64| {
        let rate = screen.bold(&format!("{rate:.2e}"));
        row("learning rate", &format!("{rate}, {from}, {}", interval(low, high)))
    };
    let curve = format!("{:.2e}, suggested by the curve, {}", found.lr, interval(found.low, found.high));
    match verified {
        Some(good) => {
            number(good.lr(), "verified by short runs", good.low, good.high)
                + &row("", &curve)
                + &row("one-cycle peak", &format!("{:.2e}, verified by short runs", good.one_cycle_peak()))
        }
        None => {
            number(found.lr, "suggested by the curve", found.low, found.high)
                + &row("one-cycle peak", &format!("{:.2e}, three times the rate", found.one_cycle_peak()))
        }
    }
}

fn interval(low: f64, high: f64) -> String {
    if low < high { format!("from {low:.1e} to {high:.1e}") } else { "the only good one".into() }
}

/// Are two rates one, but for rounding?
pub(in crate::cli) fn same(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() < 1e-9
}

/// Every rule's answer in a column.
fn rules(figure: &Figure, screen: &Screen) -> String {
    let shown = |rate: Option<f64>| rate.map_or("-".into(), |rate| format!("{rate:.2e}"));
    // Signs are those of the drawing.
    let mut text = row("rule", "learning rate, sign");
    if let Ok(found) = figure.suggestion {
        text += &row(found.rule, &format!("{:.2e}  <- suggested", found.lr));
    }
    for ((name, rate), sign) in named(figure.rules).into_iter().zip(SIGNS) {
        let sign = rate.map(|_| format!("  {sign}")).unwrap_or_default();
        text += &row(name, &(shown(rate) + &sign));
    }
    match figure.smith {
        Some(s) => {
            let (low, high, source) = (s.base_lr, s.max_lr, smiths_source(figure));
            let pair = format!("[{low:.2e} to {high:.2e}], the bounds of a cyclical schedule{source}");
            text + &entry("Smith's pair", &pair, screen)
        }
        None => text + &row("Smith's pair", "-"),
    }
}

/// Where Smith's pair is from, if not from the accuracy.
pub(in crate::cli) fn smiths_source(figure: &Figure) -> &'static str {
    if figure.has_accuracy() { "" } else { ", from the loss: there is no accuracy" }
}

/// What the frozen mode reads off its line; nothing in other modes.
pub(in crate::cli) fn line(line: Option<&Line>, screen: &Screen) -> String {
    let Some(line) = line else { return String::new() };
    let facts: String = along(line).iter().map(|(name, value)| entry(name, value, screen)).collect();
    "\n".to_string() + &facts + &entry("note", ONE_STEP, screen)
}

/// The facts of a line, by name.
pub(in crate::cli) fn along(line: &Line) -> [(&'static str, String); 5] {
    let shown = |rate: Option<f64>| rate.map_or("-".into(), |rate| format!("{rate:.2e}"));
    [
        (
            "loss at the start",
            format!("{:.4}, falling by {:.2e} for each 1 of the rate", line.initial, line.slope),
        ),
        ("lowest loss at", shown(line.argmin)),
        ("Armijo's limit", shown(line.armijo)),
        ("above start from", shown(line.rises)),
        ("curvature u'Hu", shown(line.curvature)),
    ]
}

/// Where the held-out loss was lowest; nothing where it was not measured.
pub(in crate::cli) fn held_out(found: &Found, screen: &Screen) -> String {
    watched(found).map(|text| "\n".to_string() + &entry("held out", &text, screen)).unwrap_or_default()
}

/// As [`held_out`], as a sentence.
pub(in crate::cli) fn watched(found: &Found) -> Option<String> {
    let points = &found.report.held_out;
    let lowest = points.iter().min_by(|a, b| a.loss.total_cmp(&b.loss))?;
    let accuracy = lowest.accuracy.map(|share| format!(", accuracy {:.1} %", 100.0 * share));
    let samples = grouped(found.subject.held_out.len());
    Some(format!(
        "loss lowest at {:.2e}, {:.3}{}; measured at {} rates on {samples} samples, before their updates",
        lowest.lr,
        lowest.loss,
        accuracy.unwrap_or_default(),
        points.len()
    ))
}

/// What the short runs came to, rate by rate, and which ones are good.
pub(in crate::cli) fn short_runs(found: &Found, screen: &Screen) -> String {
    let Some(tried) = &found.verification else { return String::new() };
    let suggestion = found.report.suggestion.as_ref().ok();
    let mut text = "\n".to_string() + &entry("short runs", &tried_on(tried, found), screen);
    text += &row("", "rate       loss   accuracy");
    for run in &tried.runs {
        let mark = match mark(run, suggestion) {
            "" => String::new(),
            mark => format!("  <- {mark}"),
        };
        text += &row("", format!("{}{mark}", outcome(run)).trim_end());
    }
    text + &entry("verdict", &verdict(tried, suggestion), screen)
}

/// What the short runs were.
pub(in crate::cli) fn tried_on(tried: &Verification, found: &Found) -> String {
    let (runs, steps) = (tried.runs.len(), grouped(tried.steps));
    let samples = grouped(found.subject.held_out.len());
    format!(
        "{runs} of {steps} updates each, at constant rates; losses and accuracies on {samples} samples held out \
         (loss {:.3} before)",
        tried.initial
    )
}

/// What one of the short runs is.
pub(in crate::cli) fn mark(run: &Verified, suggestion: Option<&Suggestion>) -> &'static str {
    match (run.good, suggestion.is_some_and(|found| same(run.lr, found.lr))) {
        (true, true) => "good, suggested",
        (true, false) => "good",
        (false, true) => "suggested",
        (false, false) => "",
    }
}

/// What the short runs say of the suggestion.
pub(in crate::cli) fn verdict(tried: &Verification, suggestion: Option<&Suggestion>) -> String {
    match (tried.good, suggestion) {
        (Some(good), _) => {
            let beyond =
                if tried.runs.last().is_some_and(|run| run.good) { ", the largest tried," } else { "" };
            let (low, high, lr, peak) = (good.low, good.high, good.lr(), good.one_cycle_peak());
            let most = (1e4 * (1.0 - tried.tolerance)).round() / 100.0;
            format!(
                "rates from {low:.2e} to {high:.2e}{beyond} make {most} % of the best fall or more, by these runs and the lines \
                 between them; a quarter of the way up is {lr:.2e}, for a constant rate, three quarters {peak:.2e}, for the peak of a one-cycle schedule"
            )
        }
        (None, Some(found)) => {
            format!("no run lowered the loss; the curve's {:.2e} stands, with doubt", found.lr)
        }
        (None, None) => {
            let constant = tried.constant;
            format!(
                "no run predicts better than the best constant does (loss {constant:.3}); no rate is suggested"
            )
        }
    }
}

/// The curvature at the starting weights, and the rate past which a step across it no longer comes back.
pub(in crate::cli) fn curvature(found: Option<&Curvature>, screen: &Screen) -> String {
    let Some(found) = found else { return String::new() };
    "\n".to_string() + &entry("curvature", &curved(found), screen)
}

/// The curvature in a sentence.
pub(in crate::cli) fn curved(found: &Curvature) -> String {
    let Curvature { lambda_max, limit, formula, iterations, converged } = found;
    let limit = match limit {
        Some(limit) => format!("stable on a quadratic of this curvature up to {formula} = {limit:.2e}"),
        None => "no stable rate follows from it for this optimizer here".to_string(),
    };
    let settled = if *converged { "" } else { ", not settled" };
    format!("λ = {lambda_max:.3e} at its largest ({iterations} products with the Hessian{settled}); {limit}")
}

fn outcome(run: &Verified) -> String {
    let (loss, accuracy) = measured(run);
    format!("{:<8} {loss:>8}   {accuracy:>8}", format!("{:.2e}", run.lr))
}

/// Loss and accuracy of a short run.
pub(in crate::cli) fn measured(run: &Verified) -> (String, String) {
    let loss = run.loss.map_or("diverged".into(), |loss| match loss {
        _ if loss < 1e4 => format!("{loss:.4}"),
        _ => format!("{loss:.1e}"),
    });
    (loss, run.accuracy.map(|share| format!("{:.1} %", 100.0 * share)).unwrap_or_default())
}

/// Which parameters learn at a multiple of the rate that is suggested; nothing where none does.
pub(in crate::cli) fn groups(model: &Graph, screen: &Screen) -> String {
    let parameters = model.parameters();
    let others = parameters.iter().filter(|p| p.rate != 1.0).map(|p| format!("{} {}", p.name, p.rate));
    let others: Vec<String> = others.collect();
    if others.is_empty() {
        return String::new();
    }
    let text = format!("the rates are those of multiplier 1; multiples of them have {}", others.join(", "));
    "\n".to_string() + &entry("groups", &text, screen)
}

/// Where a curve of so many planned steps ended early, and why; nothing where it did not.
pub(in crate::cli) fn stopped(figure: &Figure, planned: usize, screen: &Screen) -> String {
    ended(figure, planned).map(|text| entry("stopped", &text, screen)).unwrap_or_default()
}

/// As [`stopped`], as a sentence.
pub(in crate::cli) fn ended(figure: &Figure, planned: usize) -> Option<String> {
    let (step, reason) = figure.stopped?;
    let rate = figure.points.iter().find(|p| p.step == step).or(figure.points.last());
    let at = rate.map(|p| format!(", at {:.2e}", p.lr)).unwrap_or_default();
    Some(format!("at step {step} of {}{at}: {reason}", grouped(planned)))
}

/// Every mode in a row, and what they say together.
pub(in crate::cli) fn modes(all: &All, hashes: bool, screen: &Screen) -> String {
    let mut text = String::new();
    for line in [all.subject.title(), all.subtitle()].iter().flat_map(|t| wrapped(t, screen.width)) {
        text += &(line + "\n");
    }
    let head = ("mode", "suggested", "verified", "interval");
    text += &format!("\n{:<11} {:<9} {:<9} {:<21} {:>6}  stopped\n", head.0, head.1, head.2, head.3, "time");
    text += &all.modes.iter().map(mode).collect::<String>();
    let refused =
        all.modes.iter().filter_map(|f| Some((f.test.mode.name(), f.report.suggestion.as_ref().err()?)));
    let reasons: String = refused.map(|(name, refusal)| entry(name, &refusal.reason, screen)).collect();
    text += &if reasons.is_empty() { reasons } else { format!("\n{reasons}") };
    text += &line(all.modes.iter().find_map(|found| found.report.line.as_ref()), screen);
    text += &curvature(all.modes.first().and_then(|found| found.curvature.as_ref()), screen);
    text += "\n";
    if let Some(found) = all.modes.iter().find(|f| !f.report.restored()).or(all.modes.first()) {
        text += &entry("restored", &restored(found.report.fingerprints, hashes), screen);
        text += &entry("adapter", &found.report.adapter.to_string(), screen);
    }
    text += "\nIs it the rate, the batch, or the learning?\n";
    text + &all.answers().iter().map(|(name, answer)| entry(name, answer, screen)).collect::<String>()
}

/// A row of the table of modes.
fn mode(found: &Found) -> String {
    let name = found.test.mode.name();
    let answer = match &found.report.suggestion {
        Ok(s) => {
            let verified = found.verified().map_or("-".into(), |rate| format!("{rate:.2e}"));
            let interval = format!("{:.1e} to {:.1e}", s.low, s.high);
            format!("{:<9} {verified:<9} {interval:<21}", format!("{:.2e}", s.lr))
        }
        Err(refusal) => match found.verified() {
            Some(rate) => {
                format!("{:<9} {:<9} {:<21}", "none", format!("{rate:.2e}"), cut(&refusal.reason, 21))
            }
            None => format!("{:<9} {:<31}", "none", cut(&refusal.reason, 31)),
        },
    };
    let time = format!("{:.1} s", found.report.cost.wall.as_secs_f64());
    let stopped = found.report.stopped.map_or("-".into(), |(step, _)| {
        let at = found.report.points.iter().find(|p| p.step == step).or(found.report.points.last());
        format!("step {step}{}", at.map(|p| format!(", {:.1e}", p.lr)).unwrap_or_default())
    });
    format!("{name:<11} {answer} {time:>6}  {stopped}\n")
}

/// The first clause of a reason, as far as it fits.
fn cut(reason: &str, width: usize) -> String {
    let clause = reason.split([';', ',', ':']).next().unwrap_or_default();
    match clause.chars().count() > width {
        true => clause.chars().take(width - 1).chain(['…']).collect(),
        false => clause.to_string(),
    }
}

/// How the sweep went.
pub(in crate::cli) fn run(found: &Found, hashes: bool, screen: &Screen) -> String {
    let report = &found.report;
    let mut lines = Vec::new();
    if report.epochs > 1.0 {
        let times = format!("{:.1} times through the dataset", report.epochs);
        lines.push(("epochs", format!("the sweep went {times}, in a new order each time")));
    }
    lines.push(("restored", restored(report.fingerprints, hashes)));
    lines.push(("time", cost(&report.cost)));
    lines.push(("adapter", report.adapter.to_string()));
    if report.adapter.is_cpu() {
        let slow = "a driver that computes on the CPU: right, but slow (see `rangefinder info`)";
        lines.push(("", slow.to_string()));
    }
    lines.into_iter().map(|(name, text)| entry(name, &text, screen)).collect()
}

/// Is the model as it was?
pub(in crate::cli) fn restored(fingerprints: Option<(u64, u64)>, hashes: bool) -> String {
    match fingerprints {
        Some((before, after)) if before != after => {
            format!("NOT IDENTICAL: hash {before:016x} before, {after:016x} after")
        }
        Some((before, after)) if hashes => {
            format!("identical: hash {before:016x} before, {after:016x} after")
        }
        _ => "identical".into(),
    }
}

/// What a run cost.
pub(in crate::cli) fn cost(cost: &Cost) -> String {
    let (step, kernels) = (time(cost.step), cost.dispatches_per_step);
    let (idle, busy) = (cost.waits, cost.paced);
    let waits = format!("host waits: {idle} with nothing queued behind, {busy} with the device busy");
    format!("{step} a step of {kernels} kernels; {} submits; {waits}", cost.submits)
}

fn time(time: Duration) -> String {
    let ms = 1e3 * time.as_secs_f64();
    let digits = if ms < 10.0 { 2 } else { 0 };
    format!("{ms:.digits$} ms")
}

fn row(name: &str, text: &str) -> String {
    format!("{name:<NAMES$}  {text}\n")
}

/// A row whose text may take several lines.
pub(super) fn entry(name: &str, text: &str, screen: &Screen) -> String {
    let lines = wrapped(text, screen.width.saturating_sub(NAMES + 2));
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    names.zip(lines).map(|(name, line)| row(name, &line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finder::GoodRates;

    #[test]
    fn a_verdict_names_the_share_that_a_good_rate_made() {
        let said = |tolerance| {
            let good = Some(GoodRates { low: 0.1, high: 0.2 });
            let (initial, constant, steps) = (2.0, 2.0, 240);
            verdict(&Verification { initial, constant, runs: Vec::new(), good, steps, tolerance }, None)
        };
        for (tolerance, share) in [(0.02, "98 %"), (0.005, "99.5 %"), (0.07, "93 %"), (0.0, "100 %")] {
            let text = said(tolerance);
            assert!(
                text.contains(&format!("to 2.00e-1 make {share} of the best fall or more, by")),
                "{text}"
            );
        }
    }
}
