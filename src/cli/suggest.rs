//! `rangefinder suggest`: answers from a curve that somebody else measured.

use super::output::{grouped, json, text};
use super::plot::{Figure, plot};
use super::read::{self, Curve};
use super::terminal::Screen;
use super::{args, file, print, report, subject, view};
use crate::Result;
use crate::finder::{self, Point, Rules, ewa, rules, rules_as_is, smith};

/// fastai's smoothing, which its rules expect.
const BETA: f64 = 0.98;

pub(super) fn suggest(args: &args::Suggest) -> Result<()> {
    file::check_outputs(&[("plot", &args.plot), ("html", &args.html)])?;
    let told = args.optimizer.map(|name| subject::optimizer(name, args.momentum, None)).transpose()?;
    let curve = read::curve(&args.file)?;
    let optimizer = told.or(curve.optimizer);
    let suggestion = finder::suggest(&curve.lr, &curve.loss, optimizer.as_ref());
    let rules = if args.as_is { rules_as_is(&curve.lr, &curve.loss) } else { as_tools_do(&curve) };
    let smith = smith(&curve.lr, curve.accuracy.as_deref(), &curve.loss);
    let points = points(&curve);
    let fit = view::fitted(&points);
    let figure = Figure {
        title: &curve.name,
        subtitle: &subtitle(&curve),
        points: &fit,
        suggestion: suggestion.as_ref(),
        verified: None,
        band: (1, &[]),
        held_out: &[],
        rules: &rules,
        smith: smith.as_ref(),
        limit: None,
        stopped: stopped(&curve),
    };
    if let Some(path) = &args.plot {
        plot(&figure, path)?;
    }
    if let Some(path) = &args.html {
        file::write(path, &report::of_curve(&figure, curve.lr.len(), points.len()).html())?;
    }
    if args.quiet {
        return print(&text::rate(suggestion.as_ref().ok().map(|found| found.lr)));
    }
    if args.json {
        return print(&json::line(&json::Answer::new(&suggestion, &rules, smith))?);
    }
    let screen = Screen::stdout();
    let stopped = text::stopped(&figure, curve.lr.len(), &screen);
    let gap = if stopped.is_empty() { "" } else { "\n" };
    let guess = suggestion.as_ref().err().and_then(|refusal| refusal.guess);
    print(&(text::answer(&figure, guess, &screen) + gap + &stopped))
}

/// Every rule after its own tool's smoothing, stop and trimming.
fn as_tools_do(curve: &Curve) -> Rules {
    match &curve.smoothed {
        Some(smoothed) => rules(&curve.lr, &curve.loss, smoothed),
        None => rules(&curve.lr, &curve.loss, &ewa(&curve.loss, BETA)),
    }
}

/// What can be drawn: the steps before the first loss that is not finite.
fn points(curve: &Curve) -> Vec<Point> {
    let pairs = curve.lr.iter().zip(&curve.loss).take_while(|(_, loss)| loss.is_finite());
    let point = |(step, (&lr, &loss)): (usize, (&f64, &f64))| Point {
        step,
        lr,
        loss,
        smoothed: loss,
        accuracy: curve.accuracy.as_ref().and_then(|a| a.get(step).copied()),
        grad_norm: None,
        momentum: 0.0,
    };
    pairs.enumerate().map(point).collect()
}

fn subtitle(curve: &Curve) -> String {
    let ends = match (curve.lr.first(), curve.lr.get(curve.loss.len().saturating_sub(1))) {
        (Some(first), Some(last)) => format!(", rates from {first:.2e} to {last:.2e}"),
        _ => String::new(),
    };
    match curve.loss.len() {
        1 => format!("1 loss{ends}"),
        n => format!("{} losses{ends}", grouped(n)),
    }
}

fn stopped(curve: &Curve) -> Option<(usize, &'static str)> {
    let steps = curve.loss.len();
    match curve.loss.iter().position(|loss| !loss.is_finite()) {
        Some(step) => Some((step, "the loss is not finite")),
        None => (steps < curve.lr.len()).then_some((steps.saturating_sub(1), "no losses beyond")),
    }
}
