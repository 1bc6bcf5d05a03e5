//! `rangefinder find`: a range test, what it found, and what short runs make of that.

use super::all::All;
use super::args::{self, ModeName, SpacingName, StopRule};
use super::output::{self, csv, json, layers, text};
use super::plot::{Figure, Limit, plot};
use super::progress::Bar;
use super::subject::{self, Subject};
use super::terminal::Screen;
use super::{cancel, file, grid, print, report, tuned, view};
use crate::Loss;
use crate::finder::{
    Curvature, CurvatureTest, Mode, Point, RangeTest, Report, Spacing, Suggestion, Verification,
};
use crate::{Control, HeldOut, Session, Stop};
use crate::{Error, Result};
use std::sync::atomic::AtomicBool;

/// Momentum at the first and the last rate of `--cyclical-momentum` (Smith, arXiv:1803.09820).
const CYCLICAL: (f64, f64) = (0.95, 0.85);

pub(super) fn find(args: &args::Find) -> Result<()> {
    // Whatever can be refused is refused before anything takes time.
    let tests = range_tests(&args.sweep, args.output.layers || args.output.layers_csv.is_some())?;
    let args::Subject { optimizer, momentum, weight_decay, .. } = args.subject;
    let optimizer = subject::optimizer(optimizer, momentum, weight_decay)?;
    tests.iter().try_for_each(|test| test.check_optimizer(&optimizer))?;
    check_files(args)?;
    let search = grid::search(args, &tests)?;
    let cancelled = cancel::on_interrupt()?;
    let subject = Subject::new(&args.subject)?;
    cancel::check()?;
    if let Some(search) = &search {
        return print(&grid::find(search, &subject, args, cancelled)?);
    }
    let found = pollster::block_on(measure(&tests, &subject, (&args.sweep, &args.output), cancelled))?;
    if args.sweep.mode == ModeName::All {
        let all = All { subject: &subject, modes: &found };
        all.write(&args.output)?;
        print(&all.printed(&args.output)?)?;
    } else if let Some(found) = found.first() {
        found.write(&args.output)?;
        print(&found.printed(&args.output)?)?;
    }
    found.iter().try_for_each(Found::check_restored)
}

/// One test, or one a mode, where nothing is wrong with them.
fn range_tests(args: &args::Sweep, layers: bool) -> Result<Vec<RangeTest>> {
    let test = RangeTest { layers, ..range_test(args)? };
    let mode = match args.mode {
        ModeName::Sweep => Mode::Sweep,
        ModeName::SameBatch => Mode::SameBatch,
        ModeName::Restart => Mode::Restart,
        ModeName::Frozen => Mode::Frozen,
        ModeName::Replicas => Mode::Replicas,
        ModeName::All => {
            let tests = Mode::ALL.map(|mode| with_its_own(mode, &test));
            tests.iter().try_for_each(|test| test.check(every(args, test)))?;
            return Ok(tests.to_vec());
        }
    };
    let test = RangeTest { mode, ..test };
    test.check(args.held_out_every)?;
    Ok(vec![test])
}

/// Of the settings that are for some modes alone, each of all modes takes those that are for it.
fn with_its_own(mode: Mode, test: &RangeTest) -> RangeTest {
    RangeTest {
        mode,
        seeds: if mode.moves() { test.seeds } else { test.seeds.min(1) },
        cyclical_momentum: test.cyclical_momentum.filter(|_| mode.moves()),
        layers: test.layers && mode.moves(),
        probe: test.probe.filter(|_| mode.probes()),
        ..*test
    }
}

/// After how many steps a test measures held-out data, if it is one that can.
fn every(args: &args::Sweep, test: &RangeTest) -> Option<usize> {
    args.held_out_every.filter(|_| test.mode.moves())
}

fn range_test(args: &args::Sweep) -> Result<RangeTest> {
    let spacing = match args.spacing {
        SpacingName::Exponential => Spacing::Exponential,
        SpacingName::Linear => Spacing::Linear,
    };
    let stop = match args.stop {
        StopRule::Rise(share) => Stop::Rise(share),
        StopRule::Best(times) => Stop::Best(times),
        StopRule::Finite => Stop::NotFinite,
    };
    if args.to <= args.from && args.from >= 0.0 {
        let (from, to) = (output::typed(args.from), output::typed(args.to));
        return Err(Error::argument("to", format!("{to} is not above --from {from}; swap or widen them")));
    }
    let (from, to, steps, beta) = (args.from, args.to, args.steps, args.smoothing);
    let cyclical_momentum = args.cyclical_momentum.then_some(CYCLICAL);
    let (seeds, probe) = (args.seeds, args.probe);
    let usual = RangeTest::default();
    Ok(RangeTest { from, to, steps, spacing, beta, stop, seeds, probe, cyclical_momentum, ..usual })
}

fn check_files(args: &args::Find) -> Result<()> {
    let (output, mode) = (&args.output, args.sweep.mode);
    file::check_outputs(&[
        ("plot", &output.plot),
        ("html", &output.html),
        ("csv", &output.csv),
        ("layers csv", &output.layers_csv),
    ])?;
    if output.layers_csv.is_some() && mode == ModeName::All {
        return Err(Error::argument("layers csv", "holds one sweep; choose one --mode, or --json for all"));
    }
    if output.csv.is_some() && mode == ModeName::All {
        return Err(Error::argument("csv", "holds one curve; choose one --mode, or --json for all"));
    }
    Ok(())
}

/// Every test from the same weights: each puts the session back.
async fn measure<'a>(
    tests: &[RangeTest],
    subject: &'a Subject,
    (sweep, output): (&args::Sweep, &args::Output),
    cancelled: &AtomicBool,
) -> Result<Vec<Found<'a>>> {
    let bar = Bar::new();
    let (gpu, _) = tuned::open().await?;
    cancel::check()?;
    let Subject { model, optimizer, options, .. } = subject;
    let mut session = Session::compile(&gpu, model, Loss::CrossEntropy, *optimizer, *options).await?;
    let mut curvature = None;
    if output.curvature {
        bar.name("curvature");
        let control = Control { progress: None, cancel: Some(cancelled) };
        curvature = Some(CurvatureTest::default().run(&mut session, &subject.data, control).await?);
    }
    let mut found = Vec::new();
    for &test in tests {
        cancel::check()?;
        bar.name(test.mode.name());
        let mut show = |now| bar.show(now);
        let control = Control { progress: Some(&mut show), cancel: Some(cancelled) };
        let held_out = every(sweep, &test).map(|every| HeldOut { data: &subject.held_out, every });
        let report = match held_out {
            Some(held_out) => test.run_held_out(&mut session, &subject.data, held_out, control).await?,
            None => test.run_with(&mut session, &subject.data, control).await?,
        };
        cancel::check()?;
        let verification = if output.no_verify {
            None
        } else {
            bar.name("short runs");
            let mut show = |now| bar.show(now);
            let control = Control { progress: Some(&mut show), cancel: Some(cancelled) };
            report.verify(&session, &subject.data, &subject.held_out, control).await?
        };
        let fit = view::fitted(&report.points);
        found.push(Found { subject, test, report, verification, curvature, fit });
    }
    Ok(found)
}

/// All that there is to say about a test.
pub(super) struct Found<'a> {
    pub subject: &'a Subject,
    pub test: RangeTest,
    pub report: Report,
    /// What short runs around the suggestion, or the refusal's guess, came to, where there were any.
    pub verification: Option<Verification>,
    pub curvature: Option<Curvature>,
    /// The points as the pictures draw them.
    pub fit: Vec<Point>,
}

impl Found<'_> {
    /// What the short runs chose for a training at a constant rate.
    pub fn verified(&self) -> Option<f64> {
        self.verification.as_ref()?.lr()
    }

    /// For a one-cycle schedule: what the short runs chose, else what follows from the curve's suggestion.
    pub fn one_cycle_peak(&self) -> Option<f64> {
        let verified = self.verification.as_ref().and_then(Verification::one_cycle_peak);
        verified.or(self.report.suggestion.as_ref().ok().map(Suggestion::one_cycle_peak))
    }

    /// A refusal's guess that no short runs have tried.
    fn guess(&self) -> Option<f64> {
        let refusal = self.report.suggestion.as_ref().err().filter(|_| self.verification.is_none());
        refusal?.guess
    }

    /// The one number: what the short runs chose, else what the curve suggests.
    pub fn learning_rate(&self) -> Option<f64> {
        self.verified().or(self.report.suggestion.as_ref().ok().map(|found| found.lr))
    }

    /// Updates at each rate before its loss is measured, in the modes that have them.
    pub fn updates(&self) -> Option<usize> {
        Some(self.test.updates()).filter(|&updates| updates > 0)
    }

    /// The rates of the test, planned.
    pub fn rates(&self) -> Vec<f64> {
        self.test.rates().unwrap_or_default() // they were tried before it ran
    }

    fn write(&self, args: &args::Output) -> Result<()> {
        if let Some(path) = &args.csv {
            let rows = csv::rows(&[(None, &self.report.points, &self.report.held_out)])
                .map_err(|e| Error::io(path, e))?;
            file::replace(path, &rows).map_err(|e| Error::io(path, e))?;
        }
        if let (Some(path), Some(found)) = (&args.layers_csv, &self.report.layers) {
            let rows = layers::rows(found, self.rates()).map_err(|e| Error::io(path, e))?;
            file::replace(path, &rows).map_err(|e| Error::io(path, e))?;
        }
        if let Some(path) = &args.plot {
            self.with_figure(|figure| plot(figure, path))?;
        }
        match &args.html {
            Some(path) => file::write(path, &report::of_test(self).html()),
            None => Ok(()),
        }
    }

    fn printed(&self, args: &args::Output) -> Result<String> {
        if args.json {
            return json::line(&json::Found::new(self));
        }
        if args.quiet {
            return Ok(text::rate(self.learning_rate()));
        }
        let screen = Screen::stdout();
        let answer = self.with_figure(|figure| {
            text::answer(figure, self.guess(), &screen)
                + &text::groups(&self.subject.model, &screen)
                + &layers::table(self, &screen)
                + &text::line(self.report.line.as_ref(), &screen)
                + &text::held_out(self, &screen)
                + &text::short_runs(self, &screen)
                + &text::curvature(self.curvature.as_ref(), &screen)
                + "\n"
                + &text::stopped(figure, self.test.steps, &screen)
        });
        Ok(answer + &text::run(self, args.verify_restore, &screen))
    }

    /// Calls `f` with what the pictures show.
    pub fn with_figure<T>(&self, f: impl FnOnce(&Figure) -> T) -> T {
        let report = &self.report;
        let stopped = report.stopped.map(|(step, reason)| (step, reason.to_string()));
        let subtitle = format!("{}, {}, on {}", rates(&self.test), self.batches(), report.adapter.name);
        let band = view::band(&report.points, &report.spread);
        f(&Figure {
            title: &self.subject.title(),
            subtitle: &subtitle,
            points: &self.fit,
            suggestion: report.suggestion.as_ref(),
            verified: self.verification.as_ref().and_then(|tried| tried.good),
            band: (self.test.seeds, &band),
            held_out: &report.held_out,
            rules: &report.rules,
            smith: report.smith.as_ref(),
            limit: Limit::of(self.curvature.as_ref()),
            stopped: stopped.as_ref().map(|(step, reason)| (*step, reason.as_str())),
        })
    }

    /// What each rate was measured on.
    pub fn batches(&self) -> String {
        let updates =
            |n: usize| if n == 1 { "1 update".into() } else { format!("{} updates", output::grouped(n)) };
        let text = match self.test.mode {
            Mode::Sweep => format!("sweep over {} samples", output::grouped(self.subject.data.len())),
            Mode::SameBatch => "the same batch each step".to_string(),
            Mode::Restart => format!("each after {} from the same weights", updates(self.test.updates())),
            Mode::Frozen => "along one update, weights frozen".to_string(),
            Mode::Replicas => format!("each after {} of its own copy", updates(self.test.updates())),
        };
        match self.test.seeds {
            1 => text,
            n => format!("{text}, {n} seeds"),
        }
    }

    /// The test promises to leave the model as it was: a broken promise is a failure.
    fn check_restored(&self) -> Result<()> {
        match self.report.fingerprints {
            Some((before, after)) if before != after => {
                let hashes = format!("its hash was {before:016x} and is {after:016x}");
                Err(Error::Device { detail: format!("did not restore the model: {hashes}") })
            }
            _ => Ok(()),
        }
    }
}

/// "100 rates from 1e-7 to 10".
pub(super) fn rates(test: &RangeTest) -> String {
    let linear = if test.spacing == Spacing::Linear { ", linear" } else { "" };
    let (from, to) = (output::typed(test.from), output::typed(test.to));
    format!("{} rates from {from} to {to}{linear}", output::grouped(test.steps))
}
