//! Results as a table for people.

use super::{Ceiling, KernelRow, LeftOut, RangeRow, Results, Stat, expected};
use std::fmt;

/// `{results}` prints the workloads; `{results:#}` also every kernel of the models' steps.
impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title())?;
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let [of_kernels, of_steps, of_tests] = self.left_out_by_table();
        if !self.kernels.is_empty() || !of_kernels.is_empty() {
            kernels(f, "kernels, on the device", &self.kernels, self.ceiling.as_ref(), &of_kernels)?;
        }
        if f.alternate() {
            for step in self.steps.iter().filter(|s| !s.kernels.is_empty()) {
                let title = format!("{} step, kernel by kernel", step.model);
                kernels(f, &title, &step.kernels, self.ceiling.as_ref(), &[])?;
            }
        }
        if !self.steps.is_empty() || !of_steps.is_empty() {
            steps(f, self, &of_steps)?;
        }
        if !self.range_tests.is_empty() || !of_tests.is_empty() {
            range_tests(f, self, &of_tests)?;
        }
        verdicts(f, self)
    }
}

impl Results {
    /// What was measured, by what; and whether it was only a look.
    pub fn title(&self) -> String {
        let d = &self.device;
        let quick = if self.quick { "\na quick look: few repeats, range tests of fewer steps" } else { "" };
        format!("rangefinder {} on {} ({}, {}; {}){quick}", self.version, d.name, d.kind, d.backend, d.driver)
    }
}

/// The rows of what does not fit: each a name and why.
type Unfit<'a> = [(&'a str, &'a str)];

impl Results {
    /// What does not fit, for the tables of kernels, steps and range tests.
    fn left_out_by_table(&self) -> [Vec<(&str, &str)>; 3] {
        let mut tables = <[Vec<_>; 3]>::default();
        for LeftOut { workload, error } in &self.left_out {
            let model = |kind: &str| workload.strip_suffix(kind);
            let (table, name) = match (model(" step"), model(" range test")) {
                (Some(model), _) => (1, model),
                (_, Some(model)) => (2, model),
                _ => (0, workload.as_str()),
            };
            tables[table].push((name, error.as_str()));
        }
        tables
    }
}

fn unfit(f: &mut fmt::Formatter<'_>, width: usize, rows: &Unfit) -> fmt::Result {
    rows.iter().try_for_each(|(name, error)| writeln!(f, "{name:<width$} does not fit: {error}"))
}

/// Three figures, without an exponent.
pub(super) fn short(v: f64) -> String {
    let decimals = match v.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 || v == 0.0 => 2,
        _ => 3,
    };
    format!("{v:.decimals$}")
}

/// "12.3  11.9..14.0"
fn stat(s: &Stat) -> String {
    let range = format!("{}..{}", short(s.min), short(s.max));
    format!("{:>8} {range:>15}", short(s.median))
}

/// The share of a roofline.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Headings of the last two columns, or nothing where no ceiling was measured that they could be shares of.
fn of_roof(floor: &str, ceiling: Option<&Ceiling>) -> String {
    ceiling.map_or(String::new(), |_| format!(" {floor:>9} {:>8}", "of roof"))
}

fn kernels(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    rows: &[KernelRow],
    ceiling: Option<&Ceiling>,
    left_out: &Unfit,
) -> fmt::Result {
    let width = if rows.iter().any(|r| r.workload.ends_with(" step")) { 48 } else { 26 };
    writeln!(
        f,
        "\n{title:<width$} {:<16} {:>8} {:>15} {:>8} {:>7}{}",
        "kernel",
        "us",
        "min..max",
        "GFLOP/s",
        "GB/s",
        of_roof("floor us", ceiling)
    )?;
    let mut last = "";
    for row in rows {
        // A workload's name stands on its first row; of a step, each row has its layer.
        let name: &str = match row.workload.ends_with(" step") {
            true => &row.layer,
            false if row.workload == last => "",
            false => &row.workload,
        };
        last = &row.workload;
        let name: String = name.chars().take(width).collect();
        let share = |c: &Ceiling| percent(c.share(std::slice::from_ref(row)));
        let roof =
            ceiling.map_or(String::new(), |c| format!(" {:>9} {:>8}", short(c.floor_us(row)), share(c)));
        let (gflops, gbps) = (short(row.gflops()), short(row.gbps()));
        let times = stat(&row.us);
        writeln!(f, "{name:<width$} {:<16} {times} {gflops:>8} {gbps:>7}{roof}", row.kernel)?;
    }
    unfit(f, width, left_out)?;
    match ceiling {
        Some(c) if !title.contains("step") => {
            writeln!(f, "ceilings: {} GFLOP/s ({})", short(c.gflops), c.gflops_by)?;
            writeln!(f, "          {} GB/s ({})", short(c.gbps), c.gbps_by)
        }
        _ => Ok(()),
    }
}

fn steps(f: &mut fmt::Formatter<'_>, results: &Results, left_out: &Unfit) -> fmt::Result {
    let Results { steps, ceiling, data, .. } = results;
    writeln!(
        f,
        "\n{:<34} {:>10} {:>8} {:>15} {:>11} {:>16} {:>10}{}",
        format!("step, {data}"),
        "dispatches",
        "ms",
        "min..max",
        "us/dispatch",
        "encode us/disp.",
        "device ms",
        of_roof("floor ms", ceiling.as_ref())
    )?;
    for row in steps {
        let timed = ceiling.as_ref().filter(|_| !row.kernels.is_empty());
        let floor = |c: &Ceiling| row.kernels.iter().map(|k| c.floor_us(k)).sum::<f64>() / 1e3;
        writeln!(
            f,
            "{:<34} {:>10} {} {:>11} {:>16} {:>10}{}",
            format!("{} batch {}, {} k params", row.model, row.batch, row.parameters / 1000),
            row.dispatches,
            stat(&row.ms),
            short(row.us_per_dispatch()),
            short(row.encode_us.median),
            if row.kernels.is_empty() { String::new() } else { short(row.device_ms()) },
            timed.map_or(String::new(), |c| {
                format!(" {:>9} {:>8}", short(floor(c)), percent(c.share(&row.kernels)))
            }),
        )?;
    }
    unfit(f, 34, left_out)
}

fn range_tests(f: &mut fmt::Formatter<'_>, results: &Results, left_out: &Unfit) -> fmt::Result {
    writeln!(
        f,
        "\n{:<26} {:>5} {:>8} {:>15} {:>9} {:>8} {:>9} {:>7} {:>5} {:>9}",
        "range test, 1e-7 to 10",
        "steps",
        "wall ms",
        "min..max",
        "sweep ms",
        "host ms",
        "device ms",
        "submits",
        "waits",
        "first ms"
    )?;
    for row in &results.range_tests {
        let RangeRow { ran, submits, waits, .. } = row;
        let device = results.device_ms(row).map_or(String::new(), short);
        let (sweep, host, first) =
            (short(row.sweep_ms.median), short(row.host_ms.median), short(row.first_ms));
        let wall = stat(&row.wall_ms);
        let name = &row.model;
        write!(
            f,
            "{name:<26} {ran:>5} {wall} {sweep:>9} {host:>8} {device:>9} {submits:>7} {waits:>5} {first:>9}"
        )?;
        match &row.stopped {
            Some(reason) => writeln!(f, "  ended early: {reason}")?,
            None => writeln!(f)?,
        }
        if !row.restored {
            writeln!(f, "{name:<26} NOT RESTORED: the hashes before and after differ")?;
        }
    }
    unfit(f, 26, left_out)
}

fn verdicts(f: &mut fmt::Formatter<'_>, results: &Results) -> fmt::Result {
    let verdicts = expected(results);
    if !verdicts.is_empty() {
        writeln!(f, "\nfor a device of the class \"{}\"", results.device.kind)?;
    }
    for e in &verdicts {
        let value = format!("{} {}", short(e.value), e.unit);
        write!(f, "{:<32} {value:>14}  {}", e.measure, e.verdict)?;
        match e.range {
            Some((worst, best)) => writeln!(f, " {} to {} ({})", short(worst), short(best), e.source)?,
            None => writeln!(f)?,
        }
    }
    Ok(())
}
