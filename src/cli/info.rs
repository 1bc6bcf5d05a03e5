//! `rangefinder info`: which GPUs there are, and which one is used.

use super::{args, output, print, tuned};
use crate::Result;
use crate::{Adapter, adapters};
use serde::Serialize;

const VARIABLE: &str = "RANGEFINDER_ADAPTER";

#[derive(Serialize)]
struct Listed<'a> {
    adapters: Vec<Row<'a>>,
    used: usize,
    reason: &'a str,
    /// Which kernels, and by what they were chosen.
    profile: String,
    tuning: &'a str,
}

/// An adapter as JSON.
#[derive(Serialize)]
struct Row<'a> {
    index: usize,
    name: &'a str,
    kind: &'a str,
    backend: &'a str,
    driver: &'a str,
    max_binding: u64,
    max_buffer: u64,
    timestamps: bool,
}

pub(super) fn info(args: &args::Info) -> Result<()> {
    let found = pollster::block_on(adapters());
    let (gpu, tuning) = match pollster::block_on(tuned::open()) {
        Ok(opened) => opened,
        // What there is helps to choose another.
        Err(error) => {
            print(&if args.json { String::new() } else { table(&found, None) })?;
            return Err(error);
        }
    };
    let used = gpu.adapter().index;
    let reason = reason(&found, used);
    let profile = format!("{:?}", gpu.tuning().profile);
    if args.json {
        let adapters = found.iter().map(row).collect();
        return print(&output::json::line(&Listed {
            adapters,
            used,
            reason: &reason,
            profile,
            tuning: &tuning,
        })?);
    }
    let choose = format!("{VARIABLE} chooses another: by its number, or by a part of its name.");
    let kernels = format!("kernels: {profile}, {tuning}");
    print(&format!("{}\nused: {used}, {reason}\n{choose}\n{kernels}\n", table(&found, Some(used))))
}

fn row(a: &Adapter) -> Row<'_> {
    Row {
        index: a.index,
        name: &a.name,
        kind: a.kind,
        backend: &a.backend,
        driver: &a.driver,
        max_binding: a.max_binding,
        max_buffer: a.max_buffer,
        timestamps: a.timestamps,
    }
}

fn table(found: &[Adapter], used: Option<usize>) -> String {
    let mut text = String::new();
    for a in found {
        let mark = if used == Some(a.index) { "  <- used" } else { "" };
        text += &format!("{}: {}{mark}\n", a.index, a.name);
        let timers = if a.timestamps { "yes" } else { "no" };
        let rows = [
            ("kind", a.kind.to_string()),
            ("backend", a.backend.clone()),
            ("driver", a.driver.clone()),
            ("largest buffer", bytes(a.max_buffer)),
            ("largest binding", bytes(a.max_binding)),
            ("kernel timers", timers.to_string()),
        ];
        for (name, value) in rows {
            text += &format!("   {name:<16}  {value}\n");
        }
    }
    text
}

fn bytes(count: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(power, _)| count >= 1 << power) {
        Some((power, unit)) => format!("{:.1} {unit}", count as f64 / f64::from(1 << power)),
        None => format!("{count} B"),
    }
}

fn reason(found: &[Adapter], used: usize) -> String {
    match std::env::var(VARIABLE) {
        Ok(wanted) if !wanted.is_empty() => format!("which {VARIABLE}={wanted} names"),
        _ if found.len() == 1 => "the only one".into(),
        _ => {
            let kind = found.iter().find(|a| a.index == used).map_or("best", |a| a.kind);
            format!("the first {kind}: discrete GPUs come before integrated and virtual ones, CPUs last")
        }
    }
}
