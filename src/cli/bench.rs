//! `rangefinder bench`: how fast this device runs the kernels, the steps and the range test.

use super::{args, output, print, tuned};
use crate::bench::{self, Results, Settings};
use crate::{Error, Gpu, Result};
use std::path::Path;

pub(super) fn bench(args: &args::Bench) -> Result<()> {
    if args.tune {
        return tune();
    }
    // Read first: a wrong name should not cost a whole measurement.
    let earlier = args.against.as_deref().map(read).transpose()?;
    let (gpu, _) = pollster::block_on(tuned::open())?;
    let settings = Settings { quick: args.quick, filter: args.filter.clone(), data: None };
    let bar = indicatif::ProgressBar::new_spinner(); // silent where standard error is no terminal
    let mut progress = |name: &str| {
        bar.set_message(name.to_owned());
        bar.tick();
    };
    let results = pollster::block_on(bench::run(&gpu, &settings, &mut progress))?;
    bar.finish_and_clear();
    if args.json {
        return print(&output::json::line(&results)?);
    }
    let table = if args.kernels { format!("{results:#}") } else { results.to_string() };
    let ratios = earlier.map(|earlier| format!("\n{}", results.compare(&earlier))).unwrap_or_default();
    print(&(table + &ratios))
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
