//! What stands around the curve: the other rules' answers in a row above it, and Smith's axis, accuracy, on the right.

use super::{BLANK, Cell, Ink, Plot, dot};
use crate::cli::output::{SIGNS, named};
use crate::cli::plot::{centred, drawable};

/// Width of the labels of an axis of accuracies.
pub(super) const RIGHT: usize = 6;

impl Plot<'_> {
    /// A sign for each answer, over its rate; one that is taken already, beside it. Off the axis they stand at its end.
    /// `None` where no rule has an answer.
    pub(super) fn answers(&self) -> Option<Vec<Cell>> {
        let rules = named(self.figure.rules).into_iter().zip(SIGNS);
        let rules = rules.filter_map(|((_, rate), sign)| Some((sign, rate?)));
        let smith = self.figure.smith.into_iter().flat_map(|s| [('[', s.base_lr), (']', s.max_lr)]);
        let mut cells = vec![BLANK; self.columns];
        let mut any = false;
        for (sign, rate) in rules.chain(smith) {
            let Some(column) = self.column(rate) else { continue };
            // Nearest first: itself, then one to the right, one to the left, two to the right ...
            let near = (0..=2 * cells.len()).map(|i| match i % 2 {
                0 => column.checked_sub(i / 2),
                _ => Some(column + i / 2 + 1),
            });
            let free = near.flatten().find(|&at| cells.get(at) == Some(&BLANK));
            if let Some(cell) = free.and_then(|at| cells.get_mut(at)) {
                *cell = (sign, Ink::Plain);
                any = true;
            }
        }
        any.then_some(cells)
    }

    /// Accuracies as shares of both axes, averaged for the eye; nothing where there are none.
    pub(super) fn accuracies(&self) -> Vec<Option<(f64, f64)>> {
        let points = self.figure.points;
        let shares: Vec<Option<f64>> = points.iter().map(|p| p.accuracy.filter(|&a| drawable(a))).collect();
        let spot = |(lr, share): (f64, Option<f64>)| Some((self.rates.place(lr)?, share?.clamp(0.0, 1.0)));
        points.iter().map(|p| p.lr).zip(centred(&shares)).map(spot).collect()
    }

    /// The labels to the right of each row.
    pub(super) fn right(&self) -> Vec<Vec<Cell>> {
        let mut rows = vec![String::from("│"); self.rows];
        for percent in [0, 50, 100] {
            if let Some(row) = dot(1.0 - f64::from(percent) / 100.0, self.rows) {
                rows[row] = format!("├{percent:>3} %");
            }
        }
        rows.iter().map(|row| row.chars().map(|c| (c, Ink::Accuracy)).collect()).collect()
    }
}
