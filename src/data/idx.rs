//! MNIST, from the IDX files of its authors, and what else comes in such files (Fashion-MNIST, KMNIST).
//!
//! Format: two zero bytes, the type of the numbers (0x08: unsigned bytes), the number of dimensions, each
//! dimension as a big-endian u32, then the numbers, row-major.

use std::path::Path;

use super::file::{self, DataFile};
use super::{Dataset, Inputs, Targets};
use crate::error::{Error, Result};

const CLASSES: usize = 10;
const UNSIGNED_BYTES: u8 = 0x08;

/// The two files of a part, each under the names it is known by.
struct Part {
    name: &'static str,
    images: [&'static str; 2],
    labels: [&'static str; 2],
}

const TRAIN: Part = Part {
    name: "mnist train",
    images: ["train-images-idx3-ubyte", "train-images.idx3-ubyte"],
    labels: ["train-labels-idx1-ubyte", "train-labels.idx1-ubyte"],
};
const TEST: Part = Part {
    name: "mnist test",
    images: ["t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"],
    labels: ["t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"],
};

/// Training and test data from a directory with MNIST's four IDX files: shape `[1, 28, 28]` (the size is
/// what the files say), bytes, 10 classes.
///
/// The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same with `t10k`; a dot before
/// `idx` instead of the dash is fine, and so is gzip, with or without `.gz` behind the name. Both parts are
/// standardized with the mean and deviation of the training images (for MNIST 0.1307 and 0.3081 of full
/// white).
///
/// # Errors
///
/// [`Error::Data`] naming the directory or the file: one is missing, truncated, too long, corrupt or too
/// large (1 GiB), not an IDX file or not the right one of them, or the files do not fit together.
/// [`Error::Io`] if the system fails to read one.
pub fn mnist(dir: &Path) -> Result<(Dataset, Dataset)> {
    let names = [TRAIN.images[0], TRAIN.labels[0], TEST.images[0], TEST.labels[0]].join(", ");
    let dir = file::directory(dir, &format!("{names}, plain or with .gz"))?;
    let train = read_part(dir, &TRAIN)?.standardized();
    let test = read_part(dir, &TEST)?.scaled_like(&train);
    if train.shape() != test.shape() {
        let [train, test] = [&train, &test].map(|part| format!("{}x{}", part.shape()[1], part.shape()[2]));
        let detail = format!("training images are {train}, test images {test}");
        return Err(Error::data(dir.display().to_string(), detail));
    }
    Ok((train, test))
}

fn read_part(dir: &Path, part: &Part) -> Result<Dataset> {
    let images_path = file::find_required(dir, &part.images)?;
    let labels_path = file::find_required(dir, &part.labels)?;
    let ([count, height, width], pixels) = read_images(&images_path)?;
    let labels = read_labels(&labels_path)?;
    if labels.len() != count {
        let detail = format!("has {} labels, but {} has {count} images", labels.len(), images_path.display());
        return Err(Error::data(labels_path.display().to_string(), detail));
    }
    let targets = Targets::Classes { labels, classes: CLASSES };
    Dataset::new(part.name, [1, height, width], Inputs::U8(pixels), targets)
}

/// Count, height and width, and the pixels.
fn read_images(path: &Path) -> Result<([usize; 3], Vec<u8>)> {
    let mut file = DataFile::open(path)?;
    check_magic(&mut file, Kind::Images)?;
    let [a, b, c] = dimensions(&mut file)?;
    if a == 0 || b == 0 || c == 0 {
        return Err(file.error(format!("holds no pixels: {a} images of {b}x{c}")));
    }
    let pixels = file.body(u128::from(a) * u128::from(b) * u128::from(c))?;
    Ok(([a, b, c].map(|size| size as usize), pixels))
}

fn read_labels(path: &Path) -> Result<Vec<u32>> {
    let mut file = DataFile::open(path)?;
    check_magic(&mut file, Kind::Labels)?;
    let [count] = dimensions(&mut file)?;
    let labels = file.body(u128::from(count))?;
    if let Some(sample) = labels.iter().position(|&label| usize::from(label) >= CLASSES) {
        let detail = format!("sample {sample} has label {}; labels are 0 to {}", labels[sample], CLASSES - 1);
        return Err(file.error(detail));
    }
    Ok(labels.into_iter().map(u32::from).collect())
}

fn dimensions<const N: usize>(file: &mut DataFile) -> Result<[u32; N]> {
    let mut sizes = [0; N];
    for size in &mut sizes {
        *size = u32::from_be_bytes(file.header()?);
    }
    Ok(sizes)
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Images,
    Labels,
}

impl Kind {
    fn of(dimensions: u8) -> Option<Self> {
        match dimensions {
            3 => Some(Self::Images),
            1 => Some(Self::Labels),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Labels => "labels",
        }
    }
}

fn check_magic(file: &mut DataFile, wanted: Kind) -> Result<()> {
    let [zero, also_zero, number, dimensions] = file.header()?;
    if (zero, also_zero) != (0, 0) {
        let start = [zero, also_zero, number, dimensions].map(|byte| format!("{byte:02x}")).join(" ");
        return Err(file.error(format!("is not an IDX file: it starts with {start}, not 00 00 08")));
    }
    if number != UNSIGNED_BYTES {
        return Err(file.error(format!("holds {}, not unsigned bytes (IDX type 0x08)", type_name(number))));
    }
    match Kind::of(dimensions) {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(file.error(format!("is a file of {}, not of {}", found.name(), wanted.name()))),
        None => {
            let detail = format!("holds {dimensions}-dimensional data, not {}", wanted.name());
            Err(file.error(detail))
        }
    }
}

fn type_name(number: u8) -> String {
    let name = match number {
        0x09 => "signed bytes",
        0x0b => "16-bit integers",
        0x0c => "32-bit integers",
        0x0d => "32-bit floats",
        0x0e => "64-bit floats",
        _ => "numbers of an unknown type",
    };
    format!("{name} (IDX type 0x{number:02x})")
}

#[cfg(test)]
#[path = "idx_tests.rs"]
mod tests;
