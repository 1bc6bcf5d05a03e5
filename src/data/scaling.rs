//! Scale and shift: the line that takes raw inputs to what the model sees.

use super::{Dataset, Inputs, next_id};
use crate::error::{Error, Result};

impl Dataset {
    /// This dataset with `raw * scale + shift` as its inputs. Replaces an earlier scaling (it always starts
    /// from the raw numbers); the result has a new id.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if `scale` is zero, or either number is NaN or infinite.
    pub fn with_scaling(self, scale: f32, shift: f32) -> Result<Self> {
        if !scale.is_finite() || scale == 0.0 {
            return Err(Error::argument("scale", format!("is {scale}; use a finite number other than 0")));
        }
        if !shift.is_finite() {
            return Err(Error::argument("shift", format!("is {shift}; use a finite number")));
        }
        Ok(self.scaled(scale, shift))
    }

    /// This dataset scaled to mean 0 and standard deviation 1 over all raw inputs together, with the
    /// population's standard deviation (divided by n). Inputs that do not vary are only centred.
    pub fn standardized(self) -> Self {
        let (mean, deviation) = mean_and_deviation(self.inputs());
        let (scale, shift) = line_to_standard(mean, deviation);
        self.scaled(scale, shift)
    }

    /// This dataset with the scale and shift of `other`: test data takes the training statistics.
    pub fn scaled_like(self, other: &Dataset) -> Self {
        self.scaled(other.scale, other.shift)
    }

    fn scaled(self, scale: f32, shift: f32) -> Self {
        Self { id: next_id(), scale, shift, ..self }
    }
}

/// Scale and shift for inputs of this mean and deviation. Where 32 bits cannot hold the scale (the inputs
/// are equal, or differ by next to nothing), the scale stays 1.
fn line_to_standard(mean: f64, deviation: f64) -> (f32, f32) {
    let (scale, shift) = ((1.0 / deviation) as f32, (-mean / deviation) as f32);
    if scale.is_normal() && shift.is_finite() { (scale, shift) } else { (1.0, -mean as f32) }
}

fn mean_and_deviation(inputs: &Inputs) -> (f64, f64) {
    match inputs {
        Inputs::U8(values) => of_bytes(values),
        Inputs::F32(values) => of_floats(values),
    }
}

/// Exact: the sums of a histogram are whole numbers.
fn of_bytes(values: &[u8]) -> (f64, f64) {
    let mut histogram = [0u64; 256];
    values.iter().for_each(|&value| histogram[usize::from(value)] += 1);
    let sum_of = |weight: fn(u128) -> u128| -> f64 {
        (0..).zip(histogram).map(|(value, n)| weight(value) * u128::from(n)).sum::<u128>() as f64
    };
    let n = values.len() as f64;
    let (mean, square) = (sum_of(|value| value) / n, sum_of(|value| value * value) / n);
    (mean, (square - mean * mean).max(0.0).sqrt())
}

/// Two passes: the mean first, since squares of large numbers hide a small deviation.
fn of_floats(values: &[f32]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
    let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::Targets;
    use super::*;

    fn dataset(inputs: Inputs) -> Dataset {
        let targets = Targets::Values { values: vec![0.0; inputs.len()], width: 1 };
        Dataset::new("d", [1], inputs, targets).unwrap()
    }

    fn seen(data: &Dataset) -> Vec<f64> {
        let (scale, shift) = (f64::from(data.scale()), f64::from(data.shift()));
        match data.inputs() {
            Inputs::U8(values) => values.iter().map(|&v| f64::from(v) * scale + shift).collect(),
            Inputs::F32(values) => values.iter().map(|&v| f64::from(v) * scale + shift).collect(),
        }
    }

    fn assert_standard(data: &Dataset) {
        let seen = seen(data);
        let n = seen.len() as f64;
        let mean = seen.iter().sum::<f64>() / n;
        let variance = seen.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-5, "mean {mean}, variance {variance}");
    }

    #[test]
    fn standardized_inputs_have_mean_0_and_deviation_1() {
        assert_standard(&dataset(Inputs::U8(vec![0, 3, 200, 255, 17])).standardized());
        assert_standard(&dataset(Inputs::F32(vec![-1.5, 0.25, 3.0, 80.0])).standardized());
    }

    #[test]
    fn a_known_case_gives_the_known_line() {
        let data = dataset(Inputs::U8(vec![2, 4, 4, 4, 5, 5, 7, 9])).standardized(); // mean 5, deviation 2
        assert_eq!((data.scale(), data.shift()), (0.5, -2.5));
    }

    #[test]
    fn inputs_that_do_not_vary_are_only_centred() {
        let bytes = dataset(Inputs::U8(vec![7; 4])).standardized();
        assert_eq!((bytes.scale(), bytes.shift()), (1.0, -7.0));
        let floats = dataset(Inputs::F32(vec![1e-42, 0.0])).standardized(); // 1 / deviation overflows
        assert_eq!(floats.scale(), 1.0);
        assert!(floats.shift().is_finite());
    }

    #[test]
    fn extreme_inputs_keep_a_finite_line() {
        let large = dataset(Inputs::F32(vec![f32::MAX, f32::MIN])).standardized();
        assert!(large.scale().is_finite() && large.scale() > 0.0 && large.shift() == 0.0);
    }

    #[test]
    fn standardizing_twice_starts_from_the_raw_numbers() {
        let once = dataset(Inputs::U8(vec![1, 2, 3])).standardized();
        let twice = once.clone().standardized();
        assert_eq!((once.scale(), once.shift()), (twice.scale(), twice.shift()));
    }

    #[test]
    fn test_data_takes_the_training_line_and_a_new_id() {
        let train = dataset(Inputs::U8(vec![0, 10])).standardized();
        let raw = dataset(Inputs::U8(vec![100, 101]));
        let test = raw.clone().scaled_like(&train);
        assert_eq!((test.scale(), test.shift()), (train.scale(), train.shift()));
        assert_ne!(test.id(), raw.id());
    }

    #[test]
    fn scalings_that_lose_the_inputs_are_refused() {
        let data = dataset(Inputs::U8(vec![1, 2]));
        let refused = |scale, shift| data.clone().with_scaling(scale, shift).unwrap_err().to_string();
        assert_eq!(refused(0.0, 1.0), "scale: is 0; use a finite number other than 0");
        assert_eq!(refused(f32::NAN, 1.0), "scale: is NaN; use a finite number other than 0");
        assert_eq!(refused(1.0, f32::INFINITY), "shift: is inf; use a finite number");
        let scaled = data.with_scaling(2.0, -1.0).unwrap();
        assert_eq!(seen(&scaled), [1.0, 3.0]);
    }
}
