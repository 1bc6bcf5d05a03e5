//! Which rows each step reads, decided before the run: the GPU is told once and never asks.

use super::check;
use super::rng::Rng;
use crate::error::{Error, Result};

/// The row number that means "no row", see [`sequential_order`].
pub const NO_ROW: u32 = u32::MAX;

/// The rows of a whole run: `steps * batch` numbers below `samples`, those of step t at `t * batch`.
///
/// Every epoch is a fresh permutation of all rows, cut into whole batches; the rows left over are dropped,
/// so no batch mixes epochs or holds a row twice. An epoch's order depends on `samples`, `seed` and the
/// epoch's number alone: a longer run begins like a shorter one.
///
/// # Errors
///
/// [`Error::Argument`] if `batch` is 0 or larger than `samples`, if `samples` cannot be numbered with 32
/// bits, or if the whole order does not fit in memory.
pub fn batch_order(samples: usize, batch: usize, steps: usize, seed: u64) -> Result<Vec<u32>> {
    check_batch(samples, batch)?;
    let total = steps.saturating_mul(batch);
    let mut rows = check::reserve("steps", total)?;
    let whole = samples / batch * batch;
    let mut epoch = 0;
    while rows.len() < total {
        let order = epoch_order(samples, seed, epoch);
        rows.extend_from_slice(&order[..whole.min(total - rows.len())]);
        epoch += 1;
    }
    Ok(rows)
}

/// One batch, repeated: the first batch of [`batch_order`] under the same seed, `steps` times.
///
/// # Errors
///
/// As [`batch_order`].
pub fn same_batch_order(samples: usize, batch: usize, steps: usize, seed: u64) -> Result<Vec<u32>> {
    check_batch(samples, batch)?;
    let total = steps.saturating_mul(batch);
    let mut rows = check::reserve("steps", total)?;
    let order = epoch_order(samples, seed, 0);
    rows.extend(order[..batch].iter().cycle().take(total));
    Ok(rows)
}

/// Every row once, in order, for an evaluation: `samples` rounded up to whole batches, the last batch
/// filled up with [`NO_ROW`]. A `batch` of 0 counts as 1; `samples` is at most `u32::MAX`, as every
/// [`Dataset`](super::Dataset) ensures.
pub fn sequential_order(samples: usize, batch: usize) -> Vec<u32> {
    let padded = samples.next_multiple_of(batch.max(1));
    (0..padded).map(|row| if row < samples { row as u32 } else { NO_ROW }).collect()
}

/// How many epochs `steps` steps of [`batch_order`] are: `steps / (samples / batch)`, the inner division
/// rounded down. 0 where there is no whole batch.
pub fn epochs(samples: usize, batch: usize, steps: usize) -> f64 {
    match samples.checked_div(batch) {
        None | Some(0) => 0.0,
        Some(steps_per_epoch) => steps as f64 / steps_per_epoch as f64,
    }
}

fn epoch_order(samples: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..samples as u32).collect();
    Rng::stream(seed, "batch order", epoch).shuffle(&mut rows);
    rows
}

fn check_batch(samples: usize, batch: usize) -> Result<()> {
    check::count("dataset", samples)?;
    if batch == 0 {
        return Err(Error::argument("batch", "is 0; use 1 or more"));
    }
    if batch > samples {
        let detail = format!("{batch} is larger than the dataset ({samples} samples)");
        return Err(Error::argument("batch", format!("{detail}; use --batch {samples} or less")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_epoch_is_a_permutation_cut_into_whole_batches() {
        let rows = batch_order(10, 3, 9, 1).unwrap(); // 3 batches an epoch, one row left over
        assert_eq!(rows.len(), 27);
        for epoch in rows.chunks(9) {
            assert_eq!(epoch.iter().collect::<HashSet<_>>().len(), 9, "{epoch:?}");
            assert!(epoch.iter().all(|&row| row < 10));
        }
        assert_ne!(rows[..9], rows[9..18]);
    }

    #[test]
    fn all_rows_are_read_when_the_batches_fit() {
        let mut rows = batch_order(12, 4, 3, 5).unwrap();
        rows.sort_unstable();
        assert_eq!(rows, (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn the_rows_left_over_differ_from_epoch_to_epoch() {
        let rows = batch_order(5, 2, 40, 8).unwrap();
        assert_eq!(rows.iter().collect::<HashSet<_>>().len(), 5, "a row is never read");
    }

    #[test]
    fn a_longer_run_begins_like_a_shorter_one_and_seeds_differ() {
        let long = batch_order(100, 7, 50, 3).unwrap();
        assert_eq!(batch_order(100, 7, 20, 3).unwrap(), long[..140]);
        assert_ne!(batch_order(100, 7, 20, 4).unwrap(), long[..140]);
        assert!(batch_order(100, 7, 0, 3).unwrap().is_empty());
    }

    #[test]
    fn an_order_is_the_same_on_every_machine() {
        // From a second implementation, in Python, of the generator, the stream and the shuffle.
        assert_eq!(batch_order(8, 4, 2, 0).unwrap(), [7, 1, 4, 5, 2, 3, 0, 6]);
    }

    #[test]
    fn the_same_batch_is_the_first_one_again_and_again() {
        let first = batch_order(50, 4, 1, 9).unwrap();
        assert_eq!(same_batch_order(50, 4, 3, 9).unwrap(), [&first[..], &first, &first].concat());
        assert!(same_batch_order(50, 4, 0, 9).unwrap().is_empty());
    }

    #[test]
    fn an_evaluation_reads_every_row_once_and_pads_the_last_batch() {
        assert_eq!(sequential_order(5, 3), [0, 1, 2, 3, 4, NO_ROW]);
        assert_eq!(sequential_order(4, 2), [0, 1, 2, 3]);
        assert_eq!(sequential_order(1, 4), [0, NO_ROW, NO_ROW, NO_ROW]);
        assert_eq!(sequential_order(2, 0), [0, 1]);
        assert!(sequential_order(0, 4).is_empty());
    }

    #[test]
    fn epochs_count_whole_batches() {
        assert_eq!(epochs(10, 3, 9), 3.0);
        assert_eq!(epochs(10, 4, 3), 1.5);
        assert_eq!((epochs(3, 4, 9), epochs(3, 0, 9)), (0.0, 0.0));
    }

    #[test]
    fn batches_that_cannot_be_are_refused() {
        let large = batch_order(1437, 4096, 10, 0).unwrap_err().to_string();
        assert_eq!(large, "batch: 4096 is larger than the dataset (1437 samples); use --batch 1437 or less");
        assert_eq!(same_batch_order(1437, 4096, 10, 0).unwrap_err().to_string(), large);
        assert_eq!(batch_order(5, 0, 1, 0).unwrap_err().to_string(), "batch: is 0; use 1 or more");
        let endless = batch_order(5, 5, usize::MAX, 0).unwrap_err().to_string();
        assert!(endless.contains("do not fit in memory"), "{endless}");
        assert!(
            batch_order(usize::MAX, 5, 1, 0).unwrap_err().to_string().contains("the limit is 4294967295")
        );
    }
}
