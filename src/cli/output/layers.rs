//! What a sweep's updates did to each parameter: as a table, as JSON, as CSV.

use super::text::{NAMES, entry};
use crate::Norms;
use crate::cli::find::Found;
use crate::cli::terminal::Screen;
use crate::finder::{Layers, NotFinite};
use serde::Serialize;
use std::io;

/// Rates beside the suggested one, as multiples of it.
const AROUND: [f64; 4] = [0.01, 0.1, 1.0, 10.0];
/// Width of a column.
const COLUMN: usize = 10;

/// Update to weights at a handful of rates; nothing where it was not asked for.
pub(in crate::cli) fn table(found: &Found, screen: &Screen) -> String {
    let Some(Ratios { head, rows, first }) = ratios(found) else { return String::new() };
    let mut text = "\n".to_string() + &entry("update / weights", ABOUT, screen);
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max(NAMES);
    let cells = |name: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>COLUMN$}")).collect();
        format!("{name:<width$}{cells}\n")
    };
    text += &cells("", &head);
    text += &rows.iter().map(|(name, row)| cells(name, row)).collect::<String>();
    match first {
        Some(first) => text + &entry("not finite", &first, screen),
        None => text,
    }
}

/// What the ratios are.
pub(in crate::cli) const ABOUT: &str = "norm of a step's update to that of the weights, by learning rate (* the suggested one); \
    a rule of thumb is 1e-3 (Stanford CS231n)";

/// Update to weights at a handful of rates.
pub(in crate::cli) struct Ratios<'a> {
    pub head: Vec<String>,
    /// Parameter by parameter.
    pub rows: Vec<(&'a str, Vec<String>)>,
    /// Where it broke first, if it did.
    pub first: Option<String>,
}

/// `None` where they were not asked for.
pub(in crate::cli) fn ratios<'a>(found: &'a Found) -> Option<Ratios<'a>> {
    let layers = found.report.layers.as_ref()?;
    let rates = found.rates();
    let chosen = found.report.suggestion.as_ref().ok().map(|s| s.lr);
    let steps = shown(layers, &rates, chosen);
    let head = |&step: &usize| {
        let mark = if Some(step) == chosen.and_then(|lr| nearest(&rates, lr)) { "*" } else { "" };
        format!("{mark}{:.1e}", rates[step])
    };
    let row = |(tensor, name): (usize, &'a String)| {
        let ratio =
            |&step: &usize| layers.rows[step][tensor].ratio().map_or("-".into(), |r| format!("{r:.1e}"));
        (name.as_str(), steps.iter().map(ratio).collect())
    };
    Some(Ratios {
        head: steps.iter().map(head).collect(),
        rows: layers.names.iter().enumerate().map(row).collect(),
        first: layers.first.as_ref().map(|first| broke(first, &rates)),
    })
}

/// Where it broke first.
fn broke(first: &NotFinite, rates: &[f64]) -> String {
    let NotFinite { step, of, names } = first;
    let others = match names.len() {
        0 | 1 => String::new(),
        n => format!(", and of {} more", n - 1),
    };
    let (rate, name) =
        (rates.get(*step).copied().unwrap_or(f64::NAN), names.first().map_or("", String::as_str));
    format!("first at step {step}, {rate:.2e}: {of} of {name}{others}")
}

/// The steps of the table: around the suggestion and at the end, or evenly spread where there is none.
fn shown(layers: &Layers, rates: &[f64], chosen: Option<f64>) -> Vec<usize> {
    let updated = |row: &Vec<Norms>| row.iter().any(|n| n.update.is_some());
    let Some(last) = layers.rows.iter().rposition(updated) else { return Vec::new() };
    let mut steps: Vec<usize> = match chosen {
        Some(lr) => AROUND.iter().filter_map(|times| nearest(rates, lr * times)).collect(),
        None => (0..4).map(|i| i * last / 4).collect(),
    };
    steps.push(last);
    steps.retain(|step| *step <= last);
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// The step of the rate nearest to this one, as a ratio.
fn nearest(rates: &[f64], lr: f64) -> Option<usize> {
    let distance = |rate: f64| if rate > 0.0 { (rate / lr).ln().abs() } else { f64::INFINITY };
    let steps = rates.iter().enumerate();
    steps.min_by(|a, b| distance(*a.1).total_cmp(&distance(*b.1))).map(|(step, _)| step)
}

/// Every number: for each quantity a row a step, a column a parameter.
#[derive(Serialize)]
pub(in crate::cli) struct Object<'a> {
    names: &'a [String],
    lr: Vec<f64>,
    gradient: Vec<Vec<f64>>,
    /// Null where a step made none.
    update: Vec<Vec<Option<f64>>>,
    weights: Vec<Vec<f64>>,
    first_not_finite: Option<First<'a>>,
}

#[derive(Serialize)]
struct First<'a> {
    step: usize,
    of: &'a str,
    names: &'a [String],
}

impl<'a> Object<'a> {
    pub fn new(layers: &'a Layers, rates: Vec<f64>) -> Self {
        let first = |first: &'a NotFinite| First {
            step: first.step,
            of: match first.of {
                crate::Part::Weights => "weights",
                crate::Part::Gradient => "gradient",
            },
            names: &first.names,
        };
        let all = |f: fn(&Norms) -> f64| layers.rows.iter().map(|row| row.iter().map(f).collect()).collect();
        Self {
            names: &layers.names,
            lr: rates.into_iter().take(layers.rows.len()).collect(),
            gradient: all(|n| n.gradient),
            update: layers.rows.iter().map(|row| row.iter().map(|n| n.update).collect()).collect(),
            weights: all(|n| n.weights),
            first_not_finite: layers.first.as_ref().map(first),
        }
    }
}

/// A header and a line for each step and parameter; what was not measured is empty.
///
/// # Errors
/// None that memory does not cause.
pub(in crate::cli) fn rows(layers: &Layers, rates: Vec<f64>) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(["step", "lr", "parameter", "gradient", "update", "weights", "ratio"])?;
    for (step, (row, lr)) in layers.rows.iter().zip(rates).enumerate() {
        for (name, norms) in layers.names.iter().zip(row) {
            let Norms { gradient, update, weights } = *norms;
            writer.serialize((step, lr, name, gradient, update, weights, norms.ratio()))?;
        }
    }
    writer.into_inner().map_err(|e| e.into_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(updates: &[Option<f64>]) -> Layers {
        let row = |update: &Option<f64>| vec![Norms { gradient: 2.0, update: *update, weights: 4.0 }];
        Layers { names: vec!["linear1.weight".into()], rows: updates.iter().map(row).collect(), first: None }
    }

    #[test]
    fn steps_are_those_around_the_suggestion_and_the_last_with_an_update() {
        let rates: Vec<f64> = (0..41).map(|i| 1e-3 * 10f64.powf(f64::from(i) / 10.0)).collect();
        let all = layers(&[Some(1.0); 41]);
        assert_eq!(shown(&all, &rates, Some(0.1)), [0, 10, 20, 30, 40]);
        let ended = layers(&[[Some(1.0); 25].to_vec(), vec![None]].concat());
        assert_eq!(shown(&ended, &rates, Some(0.1)), [0, 10, 20, 24]);
        assert_eq!(shown(&ended, &rates, None), [0, 6, 12, 18, 24]);
        assert_eq!(shown(&layers(&[None]), &rates, None), Vec::<usize>::new());
    }

    #[test]
    fn csv_has_a_line_for_each_step_and_parameter() {
        let rows = rows(&layers(&[Some(1.0), None]), vec![0.1, 0.2, 0.3]).expect("memory takes it");
        let text = String::from_utf8(rows).expect("UTF-8");
        let header = "step,lr,parameter,gradient,update,weights,ratio";
        assert_eq!(
            text,
            format!("{header}\n0,0.1,linear1.weight,2.0,1.0,4.0,0.25\n1,0.2,linear1.weight,2.0,,4.0,\n")
        );
    }

    #[test]
    fn what_broke_first_is_named() {
        let names = vec!["linear4.bias".to_string(), "linear4.weight".to_string()];
        let first = NotFinite { step: 1, of: crate::Part::Gradient, names };
        assert_eq!(
            broke(&first, &[0.1, 20.0]),
            "first at step 1, 2.00e1: the gradient of linear4.bias, and of 1 more"
        );
    }
}
