//! What `--grid` takes: a setting, and the values that it is to have.

use super::OptimizerName;
use clap::ValueEnum;
use std::str::FromStr;

/// The setting that is varied.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) enum Grid {
    Momentum(Vec<f64>),
    WeightDecay(Vec<f64>),
    Batch(Vec<usize>),
    Optimizer(Vec<OptimizerName>),
}

impl FromStr for Grid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, values) = text.split_once('=').map_or((text, None), |(name, values)| (name, Some(values)));
        Ok(match name {
            "momentum" => Self::Momentum(numbers(values.unwrap_or("0.85,0.9,0.95,0.99"))?),
            "weight-decay" => Self::WeightDecay(numbers(values.unwrap_or("0,1e-5,1e-4,1e-3"))?),
            "batch" => Self::Batch(numbers(values.unwrap_or("16,64,256"))?),
            "optimizer" => Self::Optimizer(each(values.unwrap_or("sgd,momentum,adam,adamw"), |name| {
                let unknown = || "is no optimizer; use sgd, momentum, nesterov, adam or adamw".to_string();
                OptimizerName::from_str(name, false).map_err(|_| unknown())
            })?),
            _ => return Err("no such grid; use momentum, weight-decay, batch or optimizer".into()),
        })
    }
}

fn numbers<T: FromStr + PartialEq>(values: &str) -> Result<Vec<T>, String> {
    each(values, |text| text.parse().map_err(|_| "is not a number that can stand there".to_string()))
}

/// Every value between commas, once.
fn each<T: PartialEq>(values: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let mut all = Vec::new();
    for text in values.split(',').map(str::trim) {
        let value = read(text).map_err(|why| format!("`{text}` {why}"))?;
        if all.contains(&value) {
            return Err(format!("`{text}` is there twice"));
        }
        all.push(value);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_read() {
        let read = |text: &str| text.parse::<Grid>();
        assert_eq!(read("momentum"), Ok(Grid::Momentum(vec![0.85, 0.9, 0.95, 0.99])));
        assert_eq!(read("momentum=.5, .9"), Ok(Grid::Momentum(vec![0.5, 0.9])));
        assert_eq!(read("weight-decay=0,1e-4"), Ok(Grid::WeightDecay(vec![0.0, 1e-4])));
        assert_eq!(read("batch"), Ok(Grid::Batch(vec![16, 64, 256])));
        let two = vec![OptimizerName::Sgd, OptimizerName::Adamw];
        assert_eq!(read("optimizer=sgd,adamw"), Ok(Grid::Optimizer(two)));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let refused = |text: &str| text.parse::<Grid>().unwrap_err();
        assert_eq!(refused("depth=1"), "no such grid; use momentum, weight-decay, batch or optimizer");
        assert_eq!(refused("momentum="), "`` is not a number that can stand there");
        assert_eq!(refused("batch=16,-1"), "`-1` is not a number that can stand there");
        assert_eq!(refused("batch=16,16"), "`16` is there twice");
        assert!(refused("optimizer=lion").starts_with("`lion` is no optimizer; use sgd"));
    }
}
