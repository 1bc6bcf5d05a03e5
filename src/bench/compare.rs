//! Two results side by side.

use super::{KernelRow, Results};
use std::fmt;

/// One measurement in two results.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratio {
    /// The workload and the kernel.
    pub name: String,
    /// "us" or "ms": smaller is better in every row.
    pub unit: &'static str,
    /// In these results: median, min, max.
    pub this: [f64; 3],
    /// In the other ones.
    pub other: [f64; 3],
}

impl Ratio {
    /// This over the other: below 1 is faster.
    pub fn ratio(&self) -> f64 {
        self.this[0] / self.other[0]
    }

    /// Do the two ranges overlap? Then the difference may be noise.
    pub fn overlaps(&self) -> bool {
        self.this[1] <= self.other[2] && self.other[1] <= self.this[2]
    }
}

/// Every row that two results have in common. `{comparison}` is a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The rows, in the order of these results.
    pub rows: Vec<Ratio>,
    /// Names of the rows that only one of the two has.
    pub missing: Vec<String>,
    /// Why the ratios may not mean what they seem to: another device, another driver, a quick look.
    pub warnings: Vec<String>,
}

impl Results {
    /// The ratio of each time to that of an earlier run, row by row.
    pub fn compare(&self, other: &Results) -> Comparison {
        let (these, others) = (times(self), times(other));
        let find = |name: &str| others.iter().find(|t| t.0 == name);
        let row = |(name, unit, this): &Time| {
            let other = find(name)?.2;
            Some(Ratio { name: name.clone(), unit, this: *this, other })
        };
        let rows: Vec<Ratio> = these.iter().filter_map(row).collect();
        let common = |name: &String| rows.iter().any(|r| r.name == *name);
        let missing =
            these.iter().chain(&others).map(|t| &t.0).filter(|name| !common(name)).cloned().collect();
        Comparison { rows, missing, warnings: warnings(self, other) }
    }
}

/// Name, unit, (median, min, max).
type Time = (String, &'static str, [f64; 3]);

/// Every time of some results. A kernel that one workload runs several times is told apart by its layer, without what
/// follows a comma: how the work is cut may change from one version to the next.
fn times(results: &Results) -> Vec<Time> {
    let kernel = |k: &KernelRow| {
        let layer = k.layer.split(',').next().unwrap_or_default();
        (format!("{} {} ({layer})", k.workload, k.kernel), "us", [k.us.median, k.us.min, k.us.max])
    };
    let mut times: Vec<Time> = results.kernels.iter().map(kernel).collect();
    for s in &results.steps {
        times.push((format!("{} step", s.model), "ms", [s.ms.median, s.ms.min, s.ms.max]));
        times.extend(s.kernels.iter().map(kernel));
    }
    for r in &results.range_tests {
        let wall = [r.wall_ms.median, r.wall_ms.min, r.wall_ms.max];
        times.push((format!("{} range test", r.model), "ms", wall));
    }
    times
}

fn warnings(this: &Results, other: &Results) -> Vec<String> {
    let mut warnings = Vec::new();
    for (what, a, b) in [
        ("device", &this.device.name, &other.device.name),
        ("driver", &this.device.driver, &other.device.driver),
        ("data", &this.data, &other.data),
    ] {
        if a != b {
            warnings.push(format!("another {what}: {a}, against {b}"));
        }
    }
    if this.quick || other.quick {
        warnings.push("a quick look: few repeats".into());
    }
    warnings
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "note: {warning}")?;
        }
        writeln!(f, "{:<64} {:>11} {:>11}     {:>6}", "", "this", "other", "ratio")?;
        for row in &self.rows {
            let noise = if row.overlaps() { "  (ranges overlap)" } else { "" };
            let (this, other) = (row.this[0], row.other[0]);
            let name: String = row.name.chars().take(64).collect();
            writeln!(f, "{name:<64} {this:>11.2} {other:>11.2} {:<3} {:>6.2}{noise}", row.unit, row.ratio())?;
        }
        match self.missing.len() {
            0 => Ok(()),
            n => writeln!(f, "{n} rows are in one of the two only"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Stat, StepRow};

    fn results(median: f64, model: &str) -> Results {
        let ms = Stat { median, min: 0.9 * median, max: 1.1 * median, repeats: 3 };
        Results {
            steps: vec![StepRow { model: model.into(), ms, ..Default::default() }],
            ..Default::default()
        }
    }

    #[test]
    fn a_row_in_both_gives_a_ratio_and_its_noise() {
        let comparison = results(2.0, "mlp").compare(&results(4.0, "mlp"));
        assert_eq!(comparison.rows[0].ratio(), 0.5);
        assert!(!comparison.rows[0].overlaps());
        assert!(results(2.0, "mlp").compare(&results(2.1, "mlp")).rows[0].overlaps());
        assert!(comparison.warnings.is_empty() && comparison.missing.is_empty());
    }

    #[test]
    fn rows_of_one_only_are_named() {
        let comparison = results(2.0, "mlp").compare(&results(4.0, "cnn"));
        assert!(comparison.rows.is_empty());
        assert_eq!(comparison.missing, ["mlp step", "cnn step"]);
    }

    #[test]
    fn another_device_is_said() {
        let mut other = results(1.0, "mlp");
        other.device.name = "B".into();
        let text = results(1.0, "mlp").compare(&other).to_string();
        assert!(text.starts_with("note: another device: , against B\n"), "{text}");
    }
}
