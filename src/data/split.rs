//! Parts of a dataset: a subset by row numbers, and the seeded split into training and test data.

use super::rng::Rng;
use super::{Dataset, Inputs, Targets};
use crate::error::{Error, Result};

impl Dataset {
    /// The samples with these row numbers, in this order; a number may occur twice. Keeps name, scale and
    /// shift; has a new id.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if `indices` is empty or holds a number that is not below [`len`](Self::len).
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        if let Some(index) = indices.iter().find(|&&index| index >= self.len()) {
            let detail = format!("has no sample {index}; there are {} (0 to {})", self.len(), self.len() - 1);
            return Err(Error::data(self.name(), detail));
        }
        let inputs = pick_inputs(self.inputs(), self.features(), indices);
        let targets = pick_targets(self.targets(), indices);
        let part = Self::new(self.name(), self.shape(), inputs, targets)?;
        Ok(part.scaled_like(self))
    }

    /// Training and test data: shuffles the samples by `seed` and puts `test_fraction` of them, rounded
    /// up, into the second part. The parts are called "NAME train" and "NAME test" and keep this dataset's
    /// scale and shift; classes are not balanced.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if `test_fraction` is not between 0 and 1, or leaves one part empty.
    pub fn split(self, test_fraction: f64, seed: u64) -> Result<(Self, Self)> {
        let test = test_count(self.len(), test_fraction)?;
        let mut rows: Vec<usize> = (0..self.len()).collect();
        Rng::stream(seed, "split", 0).shuffle(&mut rows);
        let (test_rows, train_rows) = rows.split_at(test);
        Ok((self.part("train", train_rows)?, self.part("test", test_rows)?))
    }

    fn part(&self, suffix: &str, rows: &[usize]) -> Result<Self> {
        let part = self.subset(rows)?;
        Ok(Self { name: format!("{} {suffix}", self.name), ..part })
    }
}

/// How many of `samples` are test data, rounded up as scikit-learn does; but 0.07 of 100 is 7, where 64-bit
/// floats say a hair more.
fn test_count(samples: usize, fraction: f64) -> Result<usize> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::argument("test_fraction", format!("is {fraction}; use a number between 0 and 1")));
    }
    let test = (samples as f64 * fraction - 1e-9).ceil().max(0.0) as usize;
    if test == 0 || test >= samples {
        let detail = format!("{fraction} of {samples} samples leaves {test} for the test");
        let train = samples.saturating_sub(test);
        return Err(Error::argument(
            "test_fraction",
            format!("{detail} and {train} for training; both need some"),
        ));
    }
    Ok(test)
}

fn pick_inputs(inputs: &Inputs, features: usize, rows: &[usize]) -> Inputs {
    match inputs {
        Inputs::U8(values) => Inputs::U8(pick(values, features, rows)),
        Inputs::F32(values) => Inputs::F32(pick(values, features, rows)),
    }
}

fn pick_targets(targets: &Targets, rows: &[usize]) -> Targets {
    match targets {
        Targets::Classes { labels, classes } => {
            Targets::Classes { labels: pick(labels, 1, rows), classes: *classes }
        }
        Targets::Values { values, width } => {
            Targets::Values { values: pick(values, *width, rows), width: *width }
        }
    }
}

fn pick<T: Copy>(values: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    rows.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sample i is `[2 i, 2 i + 1]`, its target `[i, -i]`.
    fn numbered(samples: usize) -> Dataset {
        let inputs = Inputs::F32((0..2 * samples).map(|i| i as f32).collect());
        let values = (0..samples).flat_map(|i| [i as f32, -(i as f32)]).collect();
        Dataset::new("n", [2], inputs, Targets::Values { values, width: 2 }).unwrap()
    }

    fn first_targets(data: &Dataset) -> Vec<usize> {
        let Targets::Values { values, .. } = data.targets() else { panic!("values expected") };
        values.iter().step_by(2).map(|&v| v as usize).collect()
    }

    #[test]
    fn a_subset_takes_rows_in_order_with_their_targets() {
        let data = numbered(4).with_scaling(2.0, 1.0).unwrap();
        let part = data.subset(&[3, 0, 3]).unwrap();
        assert_eq!(part.inputs(), &Inputs::F32(vec![6.0, 7.0, 0.0, 1.0, 6.0, 7.0]));
        assert_eq!(
            part.targets(),
            &Targets::Values { values: vec![3.0, -3.0, 0.0, -0.0, 3.0, -3.0], width: 2 }
        );
        assert_eq!((part.scale(), part.shift(), part.name()), (2.0, 1.0, "n"));
        assert_ne!(part.id(), data.id());
    }

    #[test]
    fn a_subset_of_classes_keeps_their_number() {
        let targets = Targets::Classes { labels: vec![0, 4, 2], classes: 5 };
        let data = Dataset::new("c", [1], Inputs::U8(vec![10, 11, 12]), targets).unwrap();
        let part = data.subset(&[2, 1]).unwrap();
        assert_eq!(part.inputs(), &Inputs::U8(vec![12, 11]));
        assert_eq!(part.targets(), &Targets::Classes { labels: vec![2, 4], classes: 5 });
    }

    #[test]
    fn subsets_of_nothing_or_of_rows_beyond_are_refused() {
        let data = numbered(4);
        assert_eq!(data.subset(&[]).unwrap_err().to_string(), "n: has no samples");
        let beyond = data.subset(&[1, 4]).unwrap_err().to_string();
        assert_eq!(beyond, "n: has no sample 4; there are 4 (0 to 3)");
    }

    #[test]
    fn a_split_is_a_partition_with_names_and_sizes() {
        let (train, test) = numbered(10).split(0.25, 7).unwrap();
        assert_eq!((train.name(), train.len()), ("n train", 7));
        assert_eq!((test.name(), test.len()), ("n test", 3));
        let mut rows = [first_targets(&train), first_targets(&test)].concat();
        rows.sort_unstable();
        assert_eq!(rows, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_split_follows_its_seed_and_keeps_the_scaling() {
        let split = |seed| numbered(50).with_scaling(3.0, 0.5).unwrap().split(0.2, seed).unwrap();
        let (train, test) = split(1);
        assert_eq!(first_targets(&train), first_targets(&split(1).0));
        assert_ne!(first_targets(&train), first_targets(&split(2).0));
        assert_eq!((test.scale(), test.shift()), (3.0, 0.5));
    }

    #[test]
    fn test_counts_round_up_but_not_for_the_last_bit() {
        let count = |samples, fraction| test_count(samples, fraction).unwrap();
        assert_eq!((count(1797, 0.2), count(100, 0.07), count(10, 0.3), count(2, 0.5)), (360, 7, 3, 1));
    }

    #[test]
    fn fractions_that_leave_a_part_empty_are_refused() {
        let refused = |samples, fraction| test_count(samples, fraction).unwrap_err().to_string();
        assert_eq!(refused(10, 1.0), "test_fraction: is 1; use a number between 0 and 1");
        assert_eq!(refused(10, f64::NAN), "test_fraction: is NaN; use a number between 0 and 1");
        let all = "test_fraction: 0.9 of 2 samples leaves 2 for the test and 0 for training; both need some";
        assert_eq!(refused(2, 0.9), all);
        assert!(refused(1, 1e-12).contains("leaves 0 for the test and 1 for training"));
    }
}
