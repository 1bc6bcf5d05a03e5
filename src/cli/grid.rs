//! `rangefinder find --grid`: a range test under several settings, in one table and one picture.

use super::args::{self, Grid, ModeName};
use super::find::rates;
use super::output::{csv, json, text};
use super::plot::{Figure, Layer, Overlay, plot_overlay};
use super::progress::Bar;
use super::subject::{Subject, optimizer};
use super::terminal::Screen;
use super::{cancel, file, report, tuned, view};
use crate::data::order::batch_order;
use crate::finder::{GridReport, GridSearch, Member, Point, RangeTest, Report, Vary};
use crate::{Control, Error, HeldOut, Loss, Result, Session};
use std::sync::atomic::AtomicBool;

/// What all settings found.
pub(super) struct Searched<'a> {
    pub subject: &'a Subject,
    pub search: &'a GridSearch,
    pub report: GridReport,
    /// Each setting's value as it was typed, and the points as the pictures draw them.
    pub names: Vec<String>,
    pub fits: Vec<Vec<Point>>,
}

/// The grid that was asked for, where nothing is wrong with it.
pub(super) fn search(args: &args::Find, tests: &[RangeTest]) -> Result<Option<(GridSearch, Vec<String>)>> {
    let Some(grid) = &args.sweep.grid else { return Ok(None) };
    let refused = |detail: &str| Err(Error::argument("grid", detail));
    if args.sweep.mode == ModeName::All {
        return refused("varies one thing at a time; choose one --mode");
    }
    if args.output.curvature {
        return refused("has a curvature for each setting; leave out --curvature, or the grid");
    }
    if args.output.layers || args.output.layers_csv.is_some() {
        return refused("shows no layers; leave out --layers, or the grid");
    }
    let mut names = Vec::new();
    let vary = match grid {
        Grid::Momentum(values) => Vary::Momentum(values.clone()),
        Grid::WeightDecay(values) => Vary::WeightDecay(values.clone()),
        Grid::Batch(sizes) => Vary::Batch(sizes.clone()),
        Grid::Optimizer(all) => {
            names = all.iter().map(|name| name.typed().to_string()).collect();
            let momentum = |name| args.subject.momentum.filter(|_| name != args::OptimizerName::Sgd);
            let made = |&name| optimizer(name, momentum(name), args.subject.weight_decay);
            Vary::Optimizer(all.iter().map(made).collect::<Result<_>>()?)
        }
    };
    let search = GridSearch { test: tests[0], vary };
    search.check()?;
    Ok(Some((search, names)))
}

/// Runs it, and prints and writes what was asked for.
pub(super) fn find(
    (search, names): &(GridSearch, Vec<String>),
    subject: &Subject,
    args: &args::Find,
    cancelled: &AtomicBool,
) -> Result<String> {
    if let Vary::Batch(sizes) = &search.vary {
        // One batch is enough to hear that it is too large, before a GPU is looked for.
        let rows = |size: usize| size.saturating_mul(subject.options.accumulate);
        sizes.iter().try_for_each(|&size| batch_order(subject.data.len(), rows(size), 1, 0).map(drop))?;
    }
    let every = args.sweep.held_out_every;
    let report = pollster::block_on(measure(search, subject, every, cancelled))?;
    let fits = report.members.iter().map(|m| view::fitted(&m.report.points)).collect();
    let names = match names.is_empty() {
        true => report.members.iter().map(|m| m.name.clone()).collect(),
        false => names.clone(),
    };
    let found = Searched { subject, search, report, names, fits };
    found.write(&args.output)?;
    let printed = found.printed(&args.output)?;
    match found.report.members.iter().find(|m| !m.report.restored()) {
        Some(_) => Err(Error::Device { detail: "did not leave the model as it was".into() }),
        None => Ok(printed),
    }
}

async fn measure(
    search: &GridSearch,
    subject: &Subject,
    every: Option<usize>,
    cancelled: &AtomicBool,
) -> Result<GridReport> {
    let bar = Bar::new();
    let (gpu, _) = tuned::open().await?;
    cancel::check()?;
    let Subject { model, optimizer, options, data, held_out, .. } = subject;
    let mut session = Session::compile(&gpu, model, Loss::CrossEntropy, *optimizer, *options).await?;
    // Once, for all copies of the session.
    session.upload(data).await?;
    if every.is_some() {
        session.upload(held_out).await?;
    }
    bar.name(search.vary.name());
    let mut show = |now| bar.show(now);
    let control = Control { progress: Some(&mut show), cancel: Some(cancelled) };
    let held_out = every.map(|every| HeldOut { data: held_out, every });
    search.run(&session, data, held_out, control).await
}

impl Searched<'_> {
    /// The settings by name.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Member)> {
        self.names.iter().map(String::as_str).zip(&self.report.members)
    }

    /// "CNN on digits, SGD momentum, batch 64; momentum 0.85, 0.9": what is varied stands at the end.
    pub fn title(&self) -> String {
        let Subject { model_name, data_name, optimizer, options, .. } = self.subject;
        let mut parts = vec![format!("{} on {data_name}", model_name.to_uppercase())];
        let typed = optimizer.to_string();
        match self.search.vary {
            Vary::Momentum(_) => {
                parts.push(typed.replacen(&format!(" {}", optimizer.momentum()), "", 1));
            }
            Vary::WeightDecay(_) => parts.extend(typed.split(", weight decay").next().map(String::from)),
            Vary::Batch(_) => parts.push(typed),
            Vary::Optimizer(_) => {}
        }
        parts.extend(options.clip.map(|norm| format!("clipped to {norm}")));
        match (&self.search.vary, options.accumulate) {
            (Vary::Batch(_), 1) => {}
            (Vary::Batch(_), n) => parts.push(format!("{n} batches a step")),
            _ => parts.push(self.subject.batch()),
        }
        format!("{}; {} {}", parts.join(", "), self.what(), self.names.join(", "))
    }

    /// What is varied, in words.
    pub fn what(&self) -> String {
        self.search.vary.name().replace('-', " ")
    }

    pub fn subtitle(&self) -> String {
        let test = &self.search.test;
        let adapter = self.report.members.first().map_or("", |m| &m.report.adapter.name);
        format!("{}, {}, on {adapter}", rates(test), test.mode.name())
    }

    fn write(&self, args: &args::Output) -> Result<()> {
        if let Some(path) = &args.csv {
            let curves: Vec<csv::Curve> = self
                .members()
                .map(|(name, m)| (Some(name), m.report.points.as_slice(), m.report.held_out.as_slice()))
                .collect();
            let rows = csv::rows(&curves).map_err(|e| Error::io(path, e))?;
            file::replace(path, &rows).map_err(|e| Error::io(path, e))?;
        }
        if let Some(path) = &args.plot {
            self.with_overlay(|overlay| plot_overlay(overlay, path))?;
        }
        match &args.html {
            Some(path) => file::write(path, &report::of_grid(self).html()),
            None => Ok(()),
        }
    }

    /// Calls `f` with what the picture shows.
    pub fn with_overlay<T>(&self, f: impl FnOnce(&Overlay) -> T) -> T {
        let mut layers = Vec::new();
        for ((name, member), points) in self.members().zip(&self.fits) {
            let suggestion = member.report.suggestion.as_ref().ok();
            let held_out = &member.report.held_out;
            layers.push(Layer { name, points, held_out, suggestion, verified: None });
        }
        f(&Overlay { title: &self.title(), subtitle: &self.subtitle(), layers: &layers, limit: None })
    }

    /// Calls `f` with what a picture of each setting shows.
    pub fn figures<T>(&self, mut f: impl FnMut(&Figure) -> T) -> Vec<T> {
        let one = |((name, member), points): ((&str, &Member), &Vec<Point>)| {
            let Report { suggestion, rules, smith, stopped, .. } = &member.report;
            let stopped = stopped.map(|(step, reason)| (step, reason.to_string()));
            let title = format!("{}: {name}", self.what());
            let band = view::band(&member.report.points, &member.report.spread);
            f(&Figure {
                title: &title,
                subtitle: &self.subtitle(),
                points,
                suggestion: suggestion.as_ref(),
                verified: None,
                band: (self.search.test.seeds, &band),
                held_out: &member.report.held_out,
                rules,
                smith: smith.as_ref(),
                limit: None,
                stopped: stopped.as_ref().map(|(step, reason)| (*step, reason.as_str())),
            })
        };
        self.members().zip(&self.fits).map(one).collect()
    }

    fn printed(&self, args: &args::Output) -> Result<String> {
        if args.json {
            return json::line(&json::grid::Searched::new(self));
        }
        if args.quiet {
            let rate = |m: &Member| m.report.suggestion.as_ref().ok().map(|found| found.lr);
            return Ok(self.members().map(|(name, m)| format!("{name} {}", text::rate(rate(m)))).collect());
        }
        Ok(text::grid::grid(self, args.verify_restore, &Screen::stdout()))
    }
}
