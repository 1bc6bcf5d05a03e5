//! Loss curves from files, whoever wrote them.

mod csv;
mod json;
mod optimizer;

use crate::data::file::DataFile;
use crate::{Error, Optimizer, Result};
use std::path::Path;

/// A curve as it was read. `lr` may be longer than `loss`: the run was planned longer, and ended by divergence.
#[derive(Debug, PartialEq)]
pub(super) struct Curve {
    /// The file, for people.
    pub name: String,
    pub lr: Vec<f64>,
    pub loss: Vec<f64>,
    pub accuracy: Option<Vec<f64>>,
    /// The loss as smoothed by whoever wrote the file.
    pub smoothed: Option<Vec<f64>>,
    /// What a JSON object says that a sweep was made with, where it is one that we know.
    pub optimizer: Option<Optimizer>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Lr,
    Loss,
    Accuracy,
    Smoothed,
}

impl Column {
    const NEEDED: [Self; 2] = [Self::Lr, Self::Loss];
    const OPTIONAL: [Self; 2] = [Self::Accuracy, Self::Smoothed];

    /// Its names, ours first, in lower case and with `_` between words.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Lr => &["lr", "learning_rate", "learningrate", "rate", "lrs", "learning_rates"],
            Self::Loss => &[
                "loss",
                "train_loss",
                "training_loss",
                "loss_train",
                "batch_loss",
                "train_loss_step",
                "raw_loss",
                "losses",
            ],
            Self::Accuracy => &[
                "accuracy",
                "acc",
                "train_accuracy",
                "training_accuracy",
                "train_acc",
                "accuracy_train",
                "train_accuracy_step",
                "train_acc_step",
                "categorical_accuracy",
                "sparse_categorical_accuracy",
            ],
            Self::Smoothed => &["smoothed"],
        }
    }

    /// The place of the best of its names among these.
    fn find<'a>(self, mut names: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
        self.names().iter().find_map(|wanted| names.clone().position(|name| plain(name) == *wanted)).or_else(
            || {
                // Lightning's "lr-Adam", and parameter groups: "lr_0", "lr/pg1".
                let group = |name: &str| self == Self::Lr && plain(name).starts_with("lr_");
                names.position(group)
            },
        )
    }

    fn missing(self, found: &str) -> String {
        let names = self.names();
        format!("no {}; found {found} (also understood: {})", names[0], names[1..].join(", "))
    }
}

/// "Train/Loss" as "train_loss".
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-', '/', '.'], "_")
}

/// Reads a curve, gzipped or not; `-` is standard input.
///
/// # Errors
/// Names the file, the line and the column, or the key.
pub(super) fn curve(path: &Path) -> Result<Curve> {
    let stdin = path == Path::new("-");
    let path = if stdin { Path::new("standard input") } else { path };
    let mut file = if stdin { DataFile::new(path, std::io::stdin()) } else { DataFile::open(path) }?;
    let name = path.display().to_string();
    let text = String::from_utf8(file.rest()?).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::data(&name, format!("byte {at} is not UTF-8; save it as CSV or JSON in UTF-8"))
    })?;
    parse(&name, text.trim_start_matches('\u{feff}'))
}

fn parse(name: &str, text: &str) -> Result<Curve> {
    let curve = match text.trim_start().chars().next() {
        None => {
            return Err(Error::data(name, "is empty; CSV with columns lr and loss, or JSON, is expected"));
        }
        Some('{' | '[') => json::parse(name, text)?,
        Some(_) => csv::parse(name, text)?,
    };
    match curve.loss.is_empty() {
        true => Err(Error::data(name, "holds no losses")),
        false => Ok(curve),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_many_names() {
        let find = |column: Column, header: &str| column.find(header.split(','));
        assert_eq!(find(Column::Lr, "epoch,Learning Rate,loss"), Some(1));
        assert_eq!(find(Column::Lr, "lr-Adam,loss"), Some(0));
        assert_eq!(find(Column::Loss, "lr,train/loss"), Some(1));
        assert_eq!(find(Column::Loss, "train_loss,lr,loss"), Some(2), "ours goes first");
        assert_eq!(find(Column::Accuracy, "lr,loss"), None);
    }

    #[test]
    fn the_kind_is_seen_from_the_text() {
        let csv = parse("f", "lr,loss\n1,2\n").expect("CSV");
        let json = parse("f", " {\"lr\": [1], \"loss\": [2]}").expect("JSON");
        assert_eq!(csv, json);
        for empty in ["", "  \n"] {
            assert!(parse("f", empty).expect_err("empty").to_string().starts_with("f: is empty"));
        }
        assert_eq!(parse("f", "lr,loss\n").expect_err("no row").to_string(), "f: holds no losses");
    }
}
