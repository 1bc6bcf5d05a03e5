//! Synthetic data of the shapes that the workloads take.

use crate::data::rng::Rng;
use crate::data::{Dataset, Inputs, Targets};
use crate::error::Result;

/// Images of bytes, (channels, height, width), in 10 classes: a random pattern for each class under noise, so that there is
/// something to learn. Scaled to 0..1.
pub(super) fn images(samples: usize, shape: [usize; 3]) -> Result<Dataset> {
    let size: usize = shape.iter().product();
    let mut rng = Rng::stream(0, "bench images", 0);
    let patterns: Vec<u8> = (0..10 * size).map(|_| rng.next_u64() as u8).collect();
    let mut pixels = Vec::with_capacity(samples * size);
    let mut labels = Vec::with_capacity(samples);
    for _ in 0..samples {
        let class = rng.below(10) as usize;
        labels.push(class as u32);
        pixels.extend(patterns[class * size..][..size].iter().map(|&p| p / 2 + (rng.next_u64() >> 57) as u8));
    }
    let targets = Targets::Classes { labels, classes: 10 };
    let name = format!("synthetic {}x{}", shape[1], shape[2]);
    Dataset::new(name, shape, Inputs::U8(pixels), targets)?.with_scaling(1.0 / 255.0, 0.0)
}

/// One batch of normal numbers with labels, for a model of any input and output.
pub(super) fn batch(shape: &[usize], rows: usize, classes: usize) -> Result<Dataset> {
    let mut rng = Rng::stream(0, "bench batch", 0);
    let len = rows * shape.iter().product::<usize>();
    let inputs = Inputs::F32((0..len).map(|_| rng.normal() as f32).collect());
    let labels = (0..rows).map(|_| rng.below(classes as u64) as u32).collect();
    Dataset::new("synthetic batch", shape, inputs, Targets::Classes { labels, classes })
}
