//! `rangefinder find`: a sweep, and what it found.

use super::args::{self, ModeName, SpacingName, StopRule};
use super::output::{self, csv, json, text};
use super::plot::{self, Figure, plot};
use super::progress::Bar;
use super::subject::Subject;
use super::terminal::Screen;
use super::{cancel, file, print, view};
use crate::Gpu;
use crate::Loss;
use crate::finder::{Mode, Point, RangeTest, Report, Spacing, grid};
use crate::{Control, Session, Stop};
use crate::{Error, Result};
use std::sync::atomic::AtomicBool;

pub(super) fn find(args: &args::Find) -> Result<()> {
    // Whatever can be refused is refused before anything takes time.
    let test = range_test(&args.sweep)?;
    check_files(&args.output)?;
    let cancelled = cancel::on_interrupt()?;
    let subject = Subject::new(&args.subject)?;
    cancel::check()?;
    let report = pollster::block_on(sweep(&test, &subject, cancelled))?;
    let found = Found { subject: &subject, test: &test, report: &report, fit: view::fitted(&report.points) };
    found.write(&args.output)?;
    print(&found.printed(&args.output)?)?;
    found.check_restored()
}

fn range_test(args: &args::Sweep) -> Result<RangeTest> {
    let spacing = match args.spacing {
        SpacingName::Exponential => Spacing::Exponential,
        SpacingName::Linear => Spacing::Linear,
    };
    let mode = match args.mode {
        ModeName::Sweep => Mode::Sweep,
        ModeName::SameBatch => Mode::SameBatch,
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
    grid(args.from, args.to, args.steps, spacing)?;
    if !(0.0..1.0).contains(&args.smoothing) {
        return Err(Error::argument("smoothing", format!("{} is not from 0 to below 1", args.smoothing)));
    }
    let (from, to, steps, beta) = (args.from, args.to, args.steps, args.smoothing);
    Ok(RangeTest { from, to, steps, spacing, mode, beta, stop, ..RangeTest::default() })
}

fn check_files(args: &args::Output) -> Result<()> {
    if let Some(path) = &args.plot {
        plot::format(path)?;
        file::check("plot", path)?;
    }
    if let Some(path) = &args.csv {
        file::check("csv", path)?;
    }
    if args.csv.is_some() && args.csv == args.plot {
        return Err(Error::argument("csv", "is the same file as --plot; name another"));
    }
    Ok(())
}

async fn sweep(test: &RangeTest, subject: &Subject, cancelled: &AtomicBool) -> Result<Report> {
    let bar = Bar::new(test.steps);
    let gpu = Gpu::new().await?;
    cancel::check()?;
    let Subject { data, model, optimizer, options, .. } = subject;
    let mut session = Session::compile(&gpu, model, Loss::CrossEntropy, *optimizer, *options).await?;
    cancel::check()?;
    let mut show = |now| bar.show(now);
    let control = Control { progress: Some(&mut show), cancel: Some(cancelled) };
    test.run_with(&mut session, data, control).await
}

/// All that there is to say about a sweep.
pub(super) struct Found<'a> {
    pub subject: &'a Subject,
    pub test: &'a RangeTest,
    pub report: &'a Report,
    /// The points as the pictures draw them.
    fit: Vec<Point>,
}

impl Found<'_> {
    fn write(&self, args: &args::Output) -> Result<()> {
        if let Some(path) = &args.csv {
            let rows = csv::rows(&self.report.points).map_err(|e| Error::io(path, e))?;
            file::replace(path, &rows).map_err(|e| Error::io(path, e))?;
        }
        match &args.plot {
            Some(path) => self.with_figure(|figure| plot(figure, path)),
            None => Ok(()),
        }
    }

    fn printed(&self, args: &args::Output) -> Result<String> {
        if args.json {
            return json::line(&json::Found::new(self));
        }
        if args.quiet {
            return Ok(text::rate(&self.report.suggestion));
        }
        let screen = Screen::stdout();
        let answer = self.with_figure(|figure| {
            text::answer(figure, &screen) + "\n" + &text::stopped(figure, self.test.steps, &screen)
        });
        Ok(answer + &text::run(self, args.verify_restore, &screen))
    }

    fn with_figure<T>(&self, f: impl FnOnce(&Figure) -> T) -> T {
        let (report, test) = (self.report, self.test);
        let stopped = report.stopped.map(|(step, reason)| (step, reason.to_string()));
        let linear = if test.spacing == Spacing::Linear { ", linear" } else { "" };
        let batches = match test.mode {
            Mode::Sweep => format!("sweep over {} samples", output::grouped(self.subject.data.len())),
            Mode::SameBatch => "the same batch each step".to_string(),
            Mode::Restart => format!("{} updates from the same weights each", test.probe.unwrap_or(1)),
            Mode::Frozen => "along one update".to_string(),
            Mode::Replicas => format!("{} updates of a copy each", test.probe.unwrap_or(20)),
        };
        let subtitle = format!(
            "{} rates from {} to {}{linear}, {batches}, on {}",
            output::grouped(test.steps),
            output::typed(test.from),
            output::typed(test.to),
            report.adapter.name,
        );
        f(&Figure {
            title: &self.subject.title(),
            subtitle: &subtitle,
            points: &self.fit,
            suggestion: report.suggestion.as_ref(),
            rules: &report.rules,
            smith: report.smith.as_ref(),
            stopped: stopped.as_ref().map(|(step, reason)| (*step, reason.as_str())),
        })
    }

    /// The sweep promises to leave the model as it was: a broken promise is a failure.
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
