//! Results for a person.

use super::{grouped, named};
use crate::cli::draw::draw;
use crate::cli::find::Found;
use crate::cli::plot::Figure;
use crate::cli::terminal::{Screen, wrapped};
use crate::finder::{Refusal, Suggestion};
use std::time::Duration;

/// Lines of the drawn curve.
const HEIGHT: usize = 18;
/// Width of the names in the left column.
const NAMES: usize = 18;

/// The suggested rate alone.
pub(in crate::cli) fn rate(suggestion: &Result<Suggestion, Refusal>) -> String {
    suggestion.as_ref().map_or("none\n".into(), |found| format!("{:e}\n", found.lr))
}

/// What was tested, the answer and why, the curve, and what other rules say.
pub(in crate::cli) fn answer(figure: &Figure, screen: &Screen) -> String {
    let mut text = String::new();
    for line in [figure.title, figure.subtitle].into_iter().flat_map(|t| wrapped(t, screen.width)) {
        text += &(line + "\n");
    }
    text += "\n";
    match figure.suggestion {
        Ok(found) => {
            let rate = screen.bold(&format!("{:.2e}", found.lr));
            text += &row("learning rate", &format!("{rate}, from {:.1e} to {:.1e}", found.low, found.high));
            text += &entry("why", &found.reason, screen);
        }
        Err(refusal) => {
            text += &row("learning rate", &screen.bold("no suggestion"));
            text += &entry("why", &refusal.reason, screen);
        }
    }
    if !figure.points.is_empty() {
        text += &format!("\n{}\n", draw(figure, screen.width, HEIGHT, screen.colour));
    }
    text + "\n" + &rules(figure, screen)
}

/// Every rule's answer in a column.
fn rules(figure: &Figure, screen: &Screen) -> String {
    let shown = |rate: Option<f64>| rate.map_or("-".into(), |rate| format!("{rate:.2e}"));
    let mut text = row("rule", "learning rate");
    if let Ok(found) = figure.suggestion {
        text += &row(found.rule, &format!("{:.2e}  <- suggested", found.lr));
    }
    for (name, rate) in named(figure.rules) {
        text += &row(name, &shown(rate));
    }
    match figure.smith {
        Some(s) => {
            let pair = format!("{:.2e} to {:.2e}, the bounds of a cyclical schedule", s.base_lr, s.max_lr);
            text + &entry("Smith's pair", &pair, screen)
        }
        None => text + &row("Smith's pair", "-"),
    }
}

/// Where a curve of so many planned steps ended early, and why; nothing where it did not.
pub(in crate::cli) fn stopped(figure: &Figure, planned: usize, screen: &Screen) -> String {
    let Some((step, reason)) = figure.stopped else { return String::new() };
    let rate = figure.points.iter().find(|p| p.step == step).or(figure.points.last());
    let at = rate.map(|p| format!(", at {:.2e}", p.lr)).unwrap_or_default();
    let text = format!("at step {step} of {}{at}: {reason}", grouped(planned));
    entry("stopped", &text, screen)
}

/// How the sweep went.
pub(in crate::cli) fn run(found: &Found, hashes: bool, screen: &Screen) -> String {
    let report = found.report;
    let mut lines = Vec::new();
    if report.epochs > 1.0 {
        let times = format!("{:.1} times through the dataset", report.epochs);
        lines.push(("epochs", format!("the sweep went {times}, in a new order each time")));
    }
    lines.push(("restored", restored(report.fingerprints, hashes)));
    let cost = &report.cost;
    let (step, kernels) = (time(cost.step), cost.dispatches_per_step);
    let waits = if cost.waits == 1 { "1 wait".into() } else { format!("{} waits", cost.waits) };
    lines.push(("time", format!("{step} a step of {kernels} kernels; {} submits, {waits}", cost.submits)));
    lines.push(("adapter", report.adapter.to_string()));
    if report.adapter.is_cpu() {
        let slow = "a driver that computes on the CPU: right, but slow (see `rangefinder info`)";
        lines.push(("", slow.to_string()));
    }
    lines.into_iter().map(|(name, text)| entry(name, &text, screen)).collect()
}

fn restored(fingerprints: Option<(u64, u64)>, hashes: bool) -> String {
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

fn time(time: Duration) -> String {
    let ms = 1e3 * time.as_secs_f64();
    let digits = if ms < 10.0 { 2 } else { 0 };
    format!("{ms:.digits$} ms")
}

fn row(name: &str, text: &str) -> String {
    format!("{name:<NAMES$}  {text}\n")
}

/// A row whose text may take several lines.
fn entry(name: &str, text: &str, screen: &Screen) -> String {
    let lines = wrapped(text, screen.width.saturating_sub(NAMES + 2));
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    names.zip(lines).map(|(name, line)| row(name, &line)).collect()
}
