//! The first batches of MNIST, resident on the device, as common.py standardizes them.

use burn::tensor::{Device, Int, Tensor, TensorData};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::{Path, PathBuf};

pub const BATCH: usize = 64;
const SIDE: usize = 28;

/// Images (BATCH, 1, 28, 28) and their classes (BATCH).
#[derive(Clone)]
pub struct Batch {
    pub images: Tensor<4>,
    pub labels: Tensor<1, Int>,
}

/// `steps` batches in the file's order, which MNIST has shuffled, and the data's name; random bytes if there is no MNIST.
pub fn batches(steps: usize, device: &Device) -> Result<(&'static str, Vec<Batch>)> {
    let rows = steps * BATCH;
    let (name, images, labels) = match directory() {
        Some(at) => (
            "MNIST",
            idx(&at.join("train-images-idx3-ubyte.gz"), 16, rows * SIDE * SIDE)?,
            idx(&at.join("train-labels-idx1-ubyte.gz"), 8, rows)?,
        ),
        None => ("random bytes", noise(rows * SIDE * SIDE, 256), noise(rows, 10)),
    };
    let pixels: Vec<f32> = images.iter().map(|&p| (f32::from(p) / 255.0 - 0.1307) / 0.3081).collect();
    let batch = |(x, y): (&[f32], &[u8])| Batch {
        images: Tensor::from_data(TensorData::new(x.to_vec(), [BATCH, 1, SIDE, SIDE]), device),
        labels: Tensor::from_data(
            TensorData::new(y.iter().map(|&y| i32::from(y)).collect(), [BATCH]),
            device,
        ),
    };
    Ok((name, pixels.chunks(BATCH * SIDE * SIDE).zip(labels.chunks(BATCH)).map(batch).collect()))
}

/// `RANGEFINDER_DATA`, or where common.py looks; `None` if there is no MNIST.
fn directory() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data/mnist");
    let at = std::env::var_os("RANGEFINDER_DATA").map_or_else(beside, PathBuf::from);
    at.join("train-images-idx3-ubyte.gz").exists().then_some(at)
}

/// The first `len` bytes behind the header of a gzipped IDX file.
fn idx(path: &Path, header: usize, len: usize) -> Result<Vec<u8>> {
    let name = |e: Error| Error::new(e.kind(), format!("{}: {e}", path.display()));
    let mut bytes = vec![0; header + len];
    GzDecoder::new(File::open(path).map_err(name)?).read_exact(&mut bytes).map_err(name)?;
    let magic = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    if magic >> 8 != 8 {
        return Err(name(Error::new(ErrorKind::InvalidData, "is no IDX file of bytes")));
    }
    Ok(bytes.split_off(header))
}

/// Bytes below `end` from a linear congruential generator (Knuth's MMIX constants).
fn noise(len: usize, end: u64) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % end) as u8
    };
    (0..len).map(|_| next()).collect()
}
