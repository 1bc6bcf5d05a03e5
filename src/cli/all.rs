//! `rangefinder find --mode all`: every mode on the same model and data, side by side.

use super::find::{Found, rates};
use super::output::{json, text};
use super::plot::{Layer, Limit, Overlay, plot_overlay, short};
use super::subject::Subject;
use super::terminal::Screen;
use super::{args, file, report};
use crate::Result;
use crate::finder::{Mode, Point};

/// A smaller share of the sweep's fall is none to speak of.
const LITTLE: f64 = 0.01;

/// What every mode found.
pub(super) struct All<'a> {
    pub subject: &'a Subject,
    pub modes: &'a [Found<'a>],
}

impl All<'_> {
    pub fn write(&self, args: &args::Output) -> Result<()> {
        if let Some(path) = &args.plot {
            self.with_overlay(|overlay| plot_overlay(overlay, path))?;
        }
        match &args.html {
            Some(path) => file::write(path, &report::of_modes(self).html()),
            None => Ok(()),
        }
    }

    /// Calls `f` with what the picture shows.
    pub fn with_overlay<T>(&self, f: impl FnOnce(&Overlay) -> T) -> T {
        let layers: Vec<Layer> = self.modes.iter().map(layer).collect();
        let limit = Limit::of(self.modes.first().and_then(|found| found.curvature.as_ref()));
        f(&Overlay { title: &self.subject.title(), subtitle: &self.subtitle(), layers: &layers, limit })
    }

    pub fn printed(&self, args: &args::Output) -> Result<String> {
        if args.json {
            return json::line(&json::Modes::new(self.modes));
        }
        if args.quiet {
            let line = |f: &Found| format!("{} {}", f.test.mode.name(), text::rate(f.learning_rate()));
            return Ok(self.modes.iter().map(line).collect());
        }
        Ok(text::modes(self, args.verify_restore, &Screen::stdout()))
    }

    pub fn subtitle(&self) -> String {
        let Some(first) = self.modes.first() else { return String::new() };
        let seeds =
            if first.test.seeds > 1 { format!(", {} seeds", first.test.seeds) } else { String::new() };
        format!(
            "{} in {} modes{seeds}, on {}",
            rates(&first.test),
            self.modes.len(),
            first.report.adapter.name
        )
    }

    fn mode(&self, mode: Mode) -> Option<&Found<'_>> {
        self.modes.iter().find(|found| found.test.mode == mode)
    }

    /// Is it the rate, the batch, or the learning? What the modes measured, by name.
    pub fn answers(&self) -> Vec<(&'static str, String)> {
        let parts =
            [("the rate", self.rate()), ("the batch", self.batch()), ("the learning", self.learning())];
        parts
            .into_iter()
            .map(|(name, text)| (name, text.unwrap_or("cannot be told from these curves".into())))
            .collect()
    }

    /// What one update does, of all that the sweep shows.
    fn rate(&self) -> Option<String> {
        let (sweep, restart) = (fall(self.mode(Mode::Sweep)?)?, self.mode(Mode::Restart)?);
        let updates = updates(restart);
        let alone = match fall(restart).filter(|fall| fall.by >= LITTLE * sweep.by) {
            Some(Fall { by, at }) => format!("lower by {by:.3} at most, at {at:.1e}"),
            None => "no lower at any rate".to_string(),
        };
        let line = self.mode(Mode::Frozen).and_then(|found| found.report.line);
        let own = line.and_then(|line| Some((line.argmin?, line.rises?)));
        let own = own.map(|(best, rises)| {
            format!(
                "; the batch's own is lowest at {best:.1e} after a step, and above its start from {rises:.1e} on (frozen)"
            )
        });
        Some(format!(
            "after {updates} from the starting weights the loss of another batch is {alone} (restart), where the sweep's \
             falls by {:.3}{}",
            sweep.by,
            own.unwrap_or_default()
        ))
    }

    /// What the noise between batches is, and whether it moves the answer.
    fn batch(&self) -> Option<String> {
        let (sweep, same) = (self.mode(Mode::Sweep)?, self.mode(Mode::SameBatch)?);
        let count = sweep.report.points.len().min(same.report.points.len()) / 2;
        let early = |found: &Found| noise(found.report.points.get(..count)?);
        let (between, within) = (early(sweep)?, early(same)?);
        let share = percent(between / fall(sweep)?.by);
        Some(format!(
            "from batch to batch the sweep's loss moves by {between:.3}, {share} of its fall; on one batch by \
             {within:.1e} (same-batch){}",
            moved(sweep, same)
        ))
    }

    /// What earlier updates add.
    fn learning(&self) -> Option<String> {
        let (sweep, restart) = (self.mode(Mode::Sweep)?, self.mode(Mode::Restart)?);
        let replicas = self.mode(Mode::Replicas)?;
        let alone = fall(restart).map_or(0.0, |fall| fall.by);
        let rest = percent((1.0 - alone / fall(sweep)?.by).max(0.0));
        let by = fall(replicas).map_or(0.0, |fall| fall.by);
        Some(format!(
            "{rest} of the sweep's fall is what the model learned at the rates before; after {} at one rate the \
             fall is {by:.3} (replicas){}",
            updates(replicas),
            moved(sweep, replicas)
        ))
    }
}

/// "one update", "20 updates".
fn updates(found: &Found) -> String {
    match found.updates() {
        Some(1) | None => "one update".to_string(),
        Some(n) => format!("{n} updates"),
    }
}

fn layer<'a>(found: &'a Found) -> Layer<'a> {
    Layer {
        name: found.test.mode.name(),
        points: &found.fit,
        held_out: &found.report.held_out,
        suggestion: found.report.suggestion.as_ref().ok(),
        verified: found.verified(),
    }
}

struct Fall {
    /// How far the fit falls from its start.
    by: f64,
    /// The rate of its lowest point.
    at: f64,
}

/// `None` where the loss does not fall.
fn fall(found: &Found) -> Option<Fall> {
    let fit = &found.fit;
    let start = fit.get(..fit.len().div_ceil(10))?;
    let level = start.iter().map(|p| p.loss).sum::<f64>() / start.len().max(1) as f64;
    let lowest = fit.iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))?;
    let by = level - lowest.smoothed;
    (by > 0.0).then_some(Fall { by, at: lowest.lr })
}

/// Standard deviation of one loss, from the differences of neighbours: a slow fall does not count as noise.
fn noise(points: &[Point]) -> Option<f64> {
    let squares: Vec<f64> = points.windows(2).map(|pair| (pair[1].loss - pair[0].loss).powi(2)).collect();
    (!squares.is_empty()).then(|| (squares.iter().sum::<f64>() / squares.len() as f64 / 2.0).sqrt())
}

/// How the suggestion moves from one mode to another, where both have one.
fn moved(from: &Found, to: &Found) -> String {
    match (&from.report.suggestion, &to.report.suggestion) {
        (Ok(a), Ok(b)) => match (short(a.lr), short(b.lr)) {
            (a, b) if a == b => format!("; the suggestion stays at {a}"),
            (a, b) => format!("; the suggestion moves from {a} to {b}"),
        },
        _ => String::new(),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_that_of_neighbours() {
        let points = |loss: fn(usize) -> f64| -> Vec<Point> {
            let point = |step: usize| Point {
                step,
                lr: 1.0,
                loss: loss(step),
                smoothed: 0.0,
                accuracy: None,
                grad_norm: None,
                momentum: 0.0,
            };
            (0..50).map(point).collect()
        };
        let alternating =
            noise(&points(|i| if i % 2 == 0 { 1.0 } else { -1.0 })).expect("there are neighbours");
        assert!((alternating - 2f64.sqrt()).abs() < 1e-9, "{alternating}");
        assert_eq!(noise(&points(|_| 2.0)), Some(0.0));
        assert_eq!(noise(&[]), None);
    }
}
