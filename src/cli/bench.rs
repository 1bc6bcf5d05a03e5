//! `rangefinder bench`: how fast this device runs the kernels, the steps and the range test.

use super::plot::{Roofline, plot_roofline};
use super::{args, file, output, print, tuned};
use crate::bench::{self, Profile, Results, Settings};
use crate::{Error, Gpu, Result};
use serde::Serialize;
use std::path::Path;

pub(super) fn bench(args: &args::Bench) -> Result<()> {
    if args.tune {
        return tune();
    }
    // Read first: a wrong name should not cost a whole measurement.
    let earlier = args.against.as_deref().map(read).transpose()?;
    file::check_outputs(&[("plot", &args.plot)])?;
    let (gpu, _) = pollster::block_on(tuned::open())?;
    let settings = Settings { quick: args.quick, filter: args.filter.clone(), data: None };
    let bar = indicatif::ProgressBar::new_spinner(); // silent where standard error is no terminal
    let mut progress = |name: &str| {
        bar.set_message(name.to_owned());
        bar.tick();
    };
    let results = match args.profile {
        true => pollster::block_on(bench::profile(&gpu, &settings, &mut progress)),
        false => pollster::block_on(bench::run(&gpu, &settings, &mut progress)),
    }?;
    bar.finish_and_clear();
    let profile = results.profile().filter(|_| args.profile);
    if let (Some(profile), Some(path)) = (&profile, &args.plot) {
        plot_roofline(&roofline(&results, profile), path)?;
    }
    if args.json {
        return print(&output::json::line(&Printed { results: &results, profile: profile.as_ref() })?);
    }
    let table = match &profile {
        Some(profile) => format!("{}\n{profile}", results.title()),
        None if args.kernels => format!("{results:#}"),
        None => results.to_string(),
    };
    let ratios = earlier.map(|earlier| format!("\n{}", results.compare(&earlier))).unwrap_or_default();
    print(&(table + &ratios))
}

/// The results, and what follows from them.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    results: &'a Results,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a Profile>,
}

fn roofline<'a>(results: &Results, profile: &'a Profile) -> Roofline<'a> {
    let quick = if results.quick { ", a quick look" } else { "" };
    let subtitle =
        format!("batch {}, {}; each launch in a pass of its own{quick}", bench::BATCH, results.data);
    Roofline { title: format!("Training steps on {}", results.device.name), subtitle, profile }
}

/// Measures the kernels to choose from, and files the fastest.
fn tune() -> Result<()> {
    let path = tuned::check()?; // a wrong name should not cost the measurement
    let gpu = pollster::block_on(Gpu::new())?;
    let bar = indicatif::ProgressBar::new_spinner();
    let mut progress = |name: &str| {
        bar.set_message(name.to_owned());
        bar.tick();
    };
    let tuned = pollster::block_on(bench::tune(&gpu, &mut progress))?;
    bar.finish_and_clear();
    tuned::save(&path, gpu.adapter(), &tuned.tuning)?;
    print(&format!("{}\n{tuned}\nwritten to {}\n", gpu.adapter(), path.display()))
}

/// Results that an earlier `bench --json` printed.
fn read(path: &Path) -> Result<Results> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    serde_json::from_str(&text).map_err(|e| {
        let detail = format!("is not what `rangefinder bench --json` prints ({e})");
        Error::data(path.display().to_string(), detail)
    })
}
