//! Measures kernels, steps and range tests on this device: `cargo bench --bench engine -- [FILTER] [--quick] [--kernels]
//! [--tune] [--json FILE] [--against FILE]`.
//!
//! FILTER is a part of a workload's name: matmul, conv2d, step, cnn. `--kernels` adds every kernel of the models'
//! steps, `--tune` first measures which kernels are the fastest and uses them, `--json` also writes the results to a file,
//! and `--against` compares them with such a file.
//! `RANGEFINDER_DATA` names a directory with MNIST; without it the images are synthetic.

use rangefinder::bench::{self, Results, Settings};
use rangefinder::{Gpu, mnist};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

#[derive(Default)]
struct Args {
    settings: Settings,
    kernels: bool,
    tune: bool,
    json: Option<String>,
    against: Option<String>,
}

fn args() -> Result<Args, Box<dyn Error>> {
    let mut args = Args::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {} // cargo passes it to every benchmark
            "--quick" => args.settings.quick = true,
            "--kernels" => args.kernels = true,
            "--tune" => args.tune = true,
            "--json" => args.json = Some(words.next().ok_or("--json needs a file")?),
            "--against" => args.against = Some(words.next().ok_or("--against needs a file")?),
            word if word.starts_with('-') => return Err(format!("{word}: no such option").into()),
            word => args.settings.filter = Some(word.into()),
        }
    }
    if let Some(dir) = std::env::var_os("RANGEFINDER_DATA") {
        args.settings.data = Some(mnist(Path::new(&dir))?.0);
    }
    Ok(args)
}

fn run() -> Result<(), Box<dyn Error>> {
    let args = args()?;
    // Read first: a wrong name should not cost a whole measurement.
    let earlier: Option<Results> = match &args.against {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
            Some(serde_json::from_str(&text).map_err(|e| format!("{path}: {e}"))?)
        }
        None => None,
    };
    let gpu = pollster::block_on(Gpu::new())?;
    let mut progress = |name: &str| eprintln!("{name}");
    if args.tune {
        let tuned = pollster::block_on(bench::tune(&gpu, &mut progress))?;
        gpu.tune(tuned.tuning)?;
        println!("{tuned}");
    }
    let results = pollster::block_on(bench::run(&gpu, &args.settings, &mut progress))?;
    match args.kernels {
        true => print!("{results:#}"),
        false => print!("{results}"),
    }
    if let Some(earlier) = &earlier {
        print!("\n{}", results.compare(earlier));
    }
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&results)?).map_err(|e| format!("{path}: {e}"))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
