//! Datasets in memory, where they come from, and the order in which a run reads them.
//!
//! A [`Dataset`] keeps its numbers as they were stored (`u8` stays `u8`) together with one scale and one
//! shift; the model sees `raw * scale + shift`. Everything that reads files or makes points is a function
//! here; everything random is seeded.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Result;

mod check;
mod cifar;
mod digits;
pub(crate) mod file;
mod idx;
pub mod order;
pub(crate) mod rng;
mod scaling;
mod split;
mod synthetic;
mod table;
#[cfg(test)]
mod testing;

pub use cifar::cifar10;
pub use digits::digits;
pub use idx::mnist;
pub use synthetic::{moons, spirals};
pub use table::csv;

/// The raw inputs of a dataset, sample after sample, row-major. What the model sees is
/// `raw * scale + shift`, see [`Dataset::scale`].
#[derive(Debug, Clone, PartialEq)]
pub enum Inputs {
    /// Bytes, as image files hold them. They stay bytes on the GPU.
    U8(Vec<u8>),
    /// Finite 32-bit floats.
    F32(Vec<f32>),
}

impl Inputs {
    /// How many numbers there are: samples times features.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a model should answer for each sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// One class per sample.
    Classes {
        /// The class of each sample, `0..classes`.
        labels: Vec<u32>,
        /// How many classes there are, whether or not each one occurs.
        classes: usize,
    },
    /// `width` finite numbers per sample (a regression), sample after sample.
    Values {
        /// The numbers, samples times `width` of them.
        values: Vec<f32>,
        /// How many numbers belong to one sample.
        width: usize,
    },
}

/// Samples of one shape and their targets.
///
/// A clone is cheap (the numbers are shared) and keeps the [`id`](Self::id). Samples and features are
/// counted from 0, in messages too.
#[derive(Clone)]
pub struct Dataset {
    id: u64,
    name: String,
    shape: Vec<usize>,
    inputs: Arc<Inputs>,
    targets: Arc<Targets>,
    scale: f32,
    shift: f32,
}

impl Dataset {
    /// A dataset from its parts, with scale 1 and shift 0.
    ///
    /// `name` is what messages call it. `shape` is that of one sample: `[features]`, or
    /// `[channels, height, width]` for an image. `inputs` holds samples times features numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Data`](crate::error::Error::Data) if there are no samples, a dimension (or the number of
    /// classes, or the width of the targets) is zero, the lengths do not agree, an input or a target is
    /// NaN or infinite, or a label is not below the number of classes.
    pub fn new(
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        inputs: Inputs,
        targets: Targets,
    ) -> Result<Self> {
        let (name, shape) = (name.into(), shape.into());
        let features = check::features(&name, &shape)?;
        let samples = check::samples(&name, features, &inputs)?;
        check::inputs(&name, features, &inputs)?;
        check::targets(&name, samples, &targets)?;
        let (inputs, targets) = (Arc::new(inputs), Arc::new(targets));
        Ok(Self { id: next_id(), name, shape, inputs, targets, scale: 1.0, shift: 0.0 })
    }

    /// A number that clones share and no other dataset of this process has. Scaling, splitting and taking
    /// a subset make a new one: an equal id means equal numbers for the model.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape of one sample, for example `[1, 8, 8]` (channels, height, width) or `[2]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many samples there are; at least 1.
    pub fn len(&self) -> usize {
        self.inputs.len() / self.features()
    }

    /// Whether there are no samples: never, since [`Dataset::new`] refuses that.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many numbers one sample has: the product of its shape; at least 1.
    pub fn features(&self) -> usize {
        self.shape.iter().product()
    }

    /// The raw inputs.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// The targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// What a raw input is multiplied by before the model sees it.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// What is added to a raw input after the multiplication.
    pub fn shift(&self) -> f32 {
        self.shift
    }

    /// How many classes there are; `None` if the targets are values.
    pub fn classes(&self) -> Option<usize> {
        match *self.targets {
            Targets::Classes { classes, .. } => Some(classes),
            Targets::Values { .. } => None,
        }
    }
}

/// A summary: the numbers themselves would fill the screen.
impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("samples", &self.len())
            .field("shape", &self.shape)
            .field("classes", &self.classes())
            .field("scale", &self.scale)
            .field("shift", &self.shift)
            .finish_non_exhaustive()
    }
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> Dataset {
        let targets = Targets::Classes { labels: vec![0, 1, 1], classes: 2 };
        Dataset::new("points", [2], Inputs::F32(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), targets).unwrap()
    }

    #[test]
    fn accessors_answer_what_was_given() {
        let points = points();
        assert_eq!((points.name(), points.shape()), ("points", &[2][..]));
        assert_eq!((points.len(), points.features(), points.is_empty()), (3, 2, false));
        assert_eq!((points.scale(), points.shift()), (1.0, 0.0));
        assert_eq!(points.classes(), Some(2));
        assert_eq!(points.inputs().len(), 6);
        assert!(!points.inputs().is_empty());
    }

    #[test]
    fn values_have_no_classes() {
        let targets = Targets::Values { values: vec![0.5, -0.5, 1.0, 2.0], width: 2 };
        let data = Dataset::new("line", [1], Inputs::U8(vec![1, 2]), targets).unwrap();
        assert_eq!((data.len(), data.classes()), (2, None));
    }

    #[test]
    fn a_clone_keeps_the_id_and_the_numbers_and_a_construction_has_its_own() {
        let first = points();
        let clone = first.clone();
        assert_eq!(clone.id(), first.id());
        assert!(Arc::ptr_eq(&clone.inputs, &first.inputs));
        assert!(Arc::ptr_eq(&clone.targets, &first.targets));
        assert_ne!(points().id(), first.id());
    }

    #[test]
    fn debug_is_a_summary() {
        let text = format!("{:?}", points());
        assert!(text.contains("\"points\", samples: 3, shape: [2], classes: Some(2)"), "{text}");
        assert!(text.len() < 200, "{text}");
    }
}
