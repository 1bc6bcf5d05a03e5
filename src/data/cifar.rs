//! CIFAR-10, from the files of its "binary version".
//!
//! Format: records without a header, each 1 label byte and 3,072 pixels: the red plane of 32x32, row-major,
//! then green, then blue.

use std::path::{Path, PathBuf};

use super::file::{self, DataFile};
use super::{Dataset, Inputs, Targets};
use crate::error::Result;

const CLASSES: usize = 10;
const SHAPE: [usize; 3] = [3, 32, 32];
const RECORD: usize = 1 + 3 * 32 * 32;
const TRAIN_FILES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST_FILE: &str = "test_batch.bin";

/// Training and test data from a directory with CIFAR-10's binary version: shape `[3, 32, 32]` (planes red,
/// green, blue), bytes, 10 classes.
///
/// Training data is `data_batch_1.bin` and as many of the batches 2 to 5 as follow it (a subset may have
/// fewer than five), test data is `test_batch.bin`; each may be gzipped, with or without `.gz` behind the
/// name. Both parts are standardized with the mean and deviation of the training images, over all three
/// colours together.
///
/// # Errors
///
/// [`Error::Data`](crate::error::Error::Data) naming the directory or the file: one is missing (also a batch
/// before one that is there), truncated, corrupt, too large (1 GiB) or has a label above 9.
/// [`Error::Io`](crate::error::Error::Io) if the system fails to read one.
pub fn cifar10(dir: &Path) -> Result<(Dataset, Dataset)> {
    let contents = "data_batch_1.bin to data_batch_5.bin and test_batch.bin, plain or with .gz";
    let dir = file::directory(dir, contents)?;
    let train_paths = train_paths(dir)?;
    let test_path = file::find_required(dir, &[TEST_FILE])?;
    let train = dataset("cifar10 train", &train_paths)?.standardized();
    let test = dataset("cifar10 test", &[test_path])?.scaled_like(&train);
    Ok((train, test))
}

/// The batches from 1 on. One that is missing between two is no subset but a mistake.
fn train_paths(dir: &Path) -> Result<Vec<PathBuf>> {
    let found = TRAIN_FILES.map(|name| file::find(dir, &[name]));
    let last = found.iter().rposition(Option::is_some).unwrap_or(0);
    TRAIN_FILES[..=last].iter().map(|name| file::find_required(dir, &[name])).collect()
}

fn dataset(name: &str, paths: &[PathBuf]) -> Result<Dataset> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for path in paths {
        read_batch(path, &mut pixels, &mut labels)?;
    }
    Dataset::new(name, SHAPE, Inputs::U8(pixels), Targets::Classes { labels, classes: CLASSES })
}

/// Appends the records of one file.
fn read_batch(path: &Path, pixels: &mut Vec<u8>, labels: &mut Vec<u32>) -> Result<()> {
    let mut file = DataFile::open(path)?;
    let bytes = file.rest()?;
    let (records, leftover) = bytes.as_chunks::<RECORD>();
    check_records(&file, records, leftover.len())?;
    for [label, planes @ ..] in records {
        labels.push(u32::from(*label));
        pixels.extend_from_slice(planes);
    }
    Ok(())
}

fn check_records(file: &DataFile, records: &[[u8; RECORD]], leftover: usize) -> Result<()> {
    let count = records.len();
    if leftover > 0 {
        let detail = format!("{count} whole records of {RECORD} bytes, then {leftover} bytes");
        return Err(file.error(format!("is truncated or not CIFAR-10's binary version: {detail}")));
    }
    if count == 0 {
        return Err(file.error("is empty"));
    }
    match records.iter().position(|record| usize::from(record[0]) >= CLASSES) {
        None => Ok(()),
        Some(at) => {
            let label = records[at][0];
            Err(file.error(format!("record {at} has label {label}; labels are 0 to {}", CLASSES - 1)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TempDir, gzip, real_data};
    use super::*;

    /// One record for each label; its pixels are its label plus 0, 1 and 2 in the three planes.
    fn batch(labels: &[u8]) -> Vec<u8> {
        let record = |&label: &u8| {
            let planes = (0..3).flat_map(move |plane| [label + plane; 1024]);
            std::iter::once(label).chain(planes)
        };
        labels.iter().flat_map(record).collect()
    }

    fn small() -> TempDir {
        let dir = TempDir::new();
        dir.write(TRAIN_FILES[0], &batch(&[3, 9]));
        dir.write(TEST_FILE, &gzip(&batch(&[1])));
        dir
    }

    fn refused(name: &str, bytes: &[u8]) -> String {
        let dir = small();
        let path = dir.write(name, bytes);
        let text = cifar10(dir.path()).unwrap_err().to_string();
        text.strip_prefix(&format!("{}: ", path.display())).expect("the file is named").to_owned()
    }

    #[test]
    fn the_real_subset_is_read() {
        let (train, test) = cifar10(&real_data("cifar10")).unwrap();
        assert_eq!((train.name(), train.len(), train.shape()), ("cifar10 train", 10_000, &[3, 32, 32][..]));
        assert_eq!((test.name(), test.len(), test.classes()), ("cifar10 test", 2_000, Some(10)));
        let deviation = 1.0 / train.scale() / 255.0;
        let mean = -train.shift() * deviation;
        // The whole of CIFAR-10: 0.4734 and 0.2516 over the three colours.
        assert!((mean - 0.4734).abs() < 0.01 && (deviation - 0.2516).abs() < 0.01, "{mean}, {deviation}");
        assert_eq!((train.scale(), train.shift()), (test.scale(), test.shift()));
    }

    #[test]
    fn records_become_planes_and_labels() {
        let (train, test) = cifar10(small().path()).unwrap();
        assert_eq!(train.targets(), &Targets::Classes { labels: vec![3, 9], classes: 10 });
        let Inputs::U8(pixels) = test.inputs() else { panic!("bytes expected") };
        assert_eq!(*pixels, [[1; 1024], [2; 1024], [3; 1024]].concat());
    }

    #[test]
    fn batches_are_read_in_order() {
        let dir = small();
        dir.write("data_batch_2.bin.gz", &gzip(&batch(&[7])));
        let (train, _) = cifar10(dir.path()).unwrap();
        assert_eq!(train.targets(), &Targets::Classes { labels: vec![3, 9, 7], classes: 10 });
    }

    #[test]
    fn missing_files_are_named() {
        let dir = small();
        let text = |path: &Path| cifar10(path).unwrap_err().to_string();
        assert!(text(&dir.join("none")).contains("no such directory; it should hold data_batch_1.bin to"));
        dir.write(TRAIN_FILES[2], &batch(&[0]));
        assert!(text(dir.path()).ends_with(": has no data_batch_2.bin, plain or with .gz"));
        let empty = TempDir::new();
        assert!(text(empty.path()).ends_with(": has no data_batch_1.bin, plain or with .gz"));
        empty.write(TRAIN_FILES[0], &batch(&[0]));
        assert!(text(empty.path()).ends_with(": has no test_batch.bin, plain or with .gz"));
    }

    #[test]
    fn damaged_files_are_told() {
        let two = batch(&[1, 2]);
        let cut =
            "is truncated or not CIFAR-10's binary version: 1 whole records of 3073 bytes, then 3072 bytes";
        assert_eq!(refused(TRAIN_FILES[0], &two[..two.len() - 1]), cut);
        assert_eq!(refused(TRAIN_FILES[0], &[]), "is empty");
        assert_eq!(refused(TRAIN_FILES[0], &batch(&[1, 10])), "record 1 has label 10; labels are 0 to 9");
        let packed = gzip(&two);
        let text = refused(TRAIN_FILES[0], &packed[..packed.len() - 4]);
        assert_eq!(text, "is truncated: its gzip data ends after 6146 unpacked bytes");
    }
}
