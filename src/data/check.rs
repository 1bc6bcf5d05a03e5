//! What has to hold before a dataset exists. Each check names the dataset and the first thing wrong with it.

use super::{Inputs, Targets};
use crate::error::{Error, Result};

/// Row numbers are `u32` and the last one means "no row" (see [`super::order`]): so many have a number.
const MAX_SAMPLES: u64 = u32::MAX as u64;

/// The number of features of a sample of this shape.
pub(super) fn features(name: &str, shape: &[usize]) -> Result<usize> {
    if shape.is_empty() || shape.contains(&0) {
        return Err(Error::data(
            name,
            format!("a sample of shape {shape:?} has no numbers; use [1] or more"),
        ));
    }
    shape
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .ok_or_else(|| Error::data(name, format!("a sample of shape {shape:?} is too large to address")))
}

/// The number of samples, at least one and all of them whole.
pub(super) fn samples(name: &str, features: usize, inputs: &Inputs) -> Result<usize> {
    let (samples, rest) = (inputs.len() / features, inputs.len() % features);
    if inputs.is_empty() {
        return Err(Error::data(name, "has no samples"));
    }
    if rest != 0 {
        let detail = format!("{} inputs are not a whole number of samples of {features}", inputs.len());
        return Err(Error::data(name, detail));
    }
    count(name, samples)
}

/// `samples` again, if that many rows can be numbered.
pub(super) fn count(name: &str, samples: usize) -> Result<usize> {
    if samples as u64 > MAX_SAMPLES {
        return Err(Error::data(name, format!("has {samples} samples; the limit is {MAX_SAMPLES}")));
    }
    Ok(samples)
}

/// Every input is finite.
pub(super) fn inputs(name: &str, features: usize, inputs: &Inputs) -> Result<()> {
    let Inputs::F32(values) = inputs else { return Ok(()) };
    match first_non_finite(values) {
        None => Ok(()),
        Some((at, value)) => {
            let (sample, feature) = (at / features, at % features);
            let detail = format!("sample {sample}, feature {feature} is {value}; inputs must be finite");
            Err(Error::data(name, detail))
        }
    }
}

/// One target per sample, every one of them possible.
pub(super) fn targets(name: &str, samples: usize, targets: &Targets) -> Result<()> {
    match targets {
        Targets::Classes { labels, classes } => self::labels(name, samples, labels, *classes),
        Targets::Values { values, width } => self::values(name, samples, values, *width),
    }
}

fn labels(name: &str, samples: usize, labels: &[u32], classes: usize) -> Result<()> {
    if classes == 0 {
        return Err(Error::data(name, "has 0 classes; use 1 or more"));
    }
    if labels.len() != samples {
        return Err(Error::data(name, format!("{samples} samples but {} labels", labels.len())));
    }
    match labels.iter().position(|&label| label as usize >= classes) {
        None => Ok(()),
        Some(sample) => {
            let detail =
                format!("sample {sample} has label {}, but there are {classes} classes", labels[sample]);
            Err(Error::data(name, format!("{detail} (0 to {})", classes - 1)))
        }
    }
}

fn values(name: &str, samples: usize, values: &[f32], width: usize) -> Result<()> {
    if width == 0 {
        return Err(Error::data(name, "targets have width 0; use 1 or more"));
    }
    if !values.len().is_multiple_of(width) || values.len() / width != samples {
        let detail = format!("{samples} samples but {} target values of width {width}", values.len());
        return Err(Error::data(name, detail));
    }
    match first_non_finite(values) {
        None => Ok(()),
        Some((at, value)) => {
            let (sample, column) = (at / width, at % width);
            let detail = format!("sample {sample}, target {column} is {value}; targets must be finite");
            Err(Error::data(name, detail))
        }
    }
}

fn first_non_finite(values: &[f32]) -> Option<(usize, f32)> {
    values.iter().copied().enumerate().find(|(_, value)| !value.is_finite())
}

/// An empty vector with room for `len` elements, or an error about the setting `name` instead of an abort.
pub(super) fn reserve<T>(name: &str, len: usize) -> Result<Vec<T>> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len)
        .map_err(|_| Error::argument(name, format!("{len} elements do not fit in memory; use less")))?;
    Ok(vec)
}

#[cfg(test)]
mod tests {
    use super::super::Dataset;
    use super::*;

    fn two_labels() -> Targets {
        Targets::Classes { labels: vec![0, 1], classes: 2 }
    }

    fn refused(shape: &[usize], inputs: Inputs, targets: Targets) -> String {
        Dataset::new("d", shape, inputs, targets).unwrap_err().to_string()
    }

    #[test]
    fn shapes_without_numbers_are_refused() {
        let inputs = || Inputs::U8(vec![1, 2]);
        let no_numbers = "d: a sample of shape [1, 0] has no numbers; use [1] or more";
        assert_eq!(refused(&[1, 0], inputs(), two_labels()), no_numbers);
        assert!(refused(&[], inputs(), two_labels()).contains("shape [] has no numbers"));
        assert!(refused(&[usize::MAX, 2], inputs(), two_labels()).contains("too large to address"));
    }

    #[test]
    fn lengths_that_disagree_are_named_with_both_numbers() {
        assert_eq!(refused(&[2], Inputs::U8(vec![]), two_labels()), "d: has no samples");
        let odd = refused(&[2], Inputs::U8(vec![1, 2, 3]), two_labels());
        assert_eq!(odd, "d: 3 inputs are not a whole number of samples of 2");
        let more = refused(&[1], Inputs::U8(vec![1, 2, 3]), two_labels());
        assert_eq!(more, "d: 3 samples but 2 labels");
        let values = Targets::Values { values: vec![1.0, 2.0, 3.0], width: 2 };
        let uneven = refused(&[1], Inputs::U8(vec![1]), values);
        assert_eq!(uneven, "d: 1 samples but 3 target values of width 2");
    }

    #[test]
    fn more_rows_than_numbers_for_them_are_refused() {
        let most = u32::MAX as usize;
        assert_eq!(count("d", most).unwrap(), most);
        let text = count("d", most + 1).unwrap_err().to_string();
        assert_eq!(text, "d: has 4294967296 samples; the limit is 4294967295");
    }

    #[test]
    fn numbers_that_are_not_finite_are_named() {
        let nan = Inputs::F32(vec![0.0, 1.0, 2.0, f32::NAN]);
        assert_eq!(refused(&[2], nan, two_labels()), "d: sample 1, feature 1 is NaN; inputs must be finite");
        let inf = Inputs::F32(vec![f32::NEG_INFINITY, 1.0]);
        assert_eq!(refused(&[1], inf, two_labels()), "d: sample 0, feature 0 is -inf; inputs must be finite");
        let targets = Targets::Values { values: vec![0.0, 0.0, f32::INFINITY, 0.0], width: 2 };
        let text = refused(&[1], Inputs::U8(vec![1, 2]), targets);
        assert_eq!(text, "d: sample 1, target 0 is inf; targets must be finite");
    }

    #[test]
    fn labels_and_widths_that_cannot_be_are_refused() {
        let label = Targets::Classes { labels: vec![0, 3], classes: 3 };
        let text = refused(&[1], Inputs::U8(vec![1, 2]), label);
        assert_eq!(text, "d: sample 1 has label 3, but there are 3 classes (0 to 2)");
        let none = Targets::Classes { labels: vec![0], classes: 0 };
        assert_eq!(refused(&[1], Inputs::U8(vec![1]), none), "d: has 0 classes; use 1 or more");
        let narrow = Targets::Values { values: vec![], width: 0 };
        assert_eq!(refused(&[1], Inputs::U8(vec![1]), narrow), "d: targets have width 0; use 1 or more");
    }

    #[test]
    fn a_vector_too_large_for_memory_is_an_error_not_an_abort() {
        let text = reserve::<u32>("steps", usize::MAX).unwrap_err().to_string();
        assert!(text.starts_with("steps: ") && text.ends_with("do not fit in memory; use less"), "{text}");
        assert!(reserve::<u32>("steps", 3).unwrap().capacity() >= 3);
    }
}
