//! Samples and their classes.

use super::object::{self, Fields};
use crate::data::{csv, digits, moons, spirals};
use crate::{Error, Inputs, Targets};
use js_sys::Array;
use wasm_bindgen::prelude::*;

/// Points of a generated dataset, and how far they scatter, as in the command.
const POINTS: usize = 2000;
const NOISE: f64 = 0.1;

/// Samples with classes, and the classes' names.
#[wasm_bindgen]
pub struct Dataset {
    pub(super) data: crate::Dataset,
    names: Vec<String>,
}

impl Dataset {
    /// Classes by their numbers.
    fn numbered(data: crate::Dataset) -> Self {
        let names = (0..data.classes().unwrap_or(0)).map(|class| class.to_string()).collect();
        Self { data, names }
    }

    fn from_parts(
        inputs: Inputs,
        shape: Vec<u32>,
        labels: Vec<u32>,
        classes: Option<u32>,
    ) -> Result<Self, Error> {
        let classes = classes.unwrap_or_else(|| labels.iter().max().map_or(0, |most| most + 1)) as usize;
        let shape: Vec<usize> = shape.into_iter().map(|n| n as usize).collect();
        crate::Dataset::new("data", shape, inputs, Targets::Classes { labels, classes }).map(Self::numbered)
    }
}

#[wasm_bindgen]
impl Dataset {
    pub fn digits() -> Dataset {
        Self::numbered(digits())
    }

    pub fn moons(options: JsValue) -> Result<Dataset, Error> {
        let mut fields = Fields::new("moons", options)?;
        let (samples, noise, seed) =
            (fields.count("samples")?, fields.number("noise")?, fields.seed("seed")?);
        fields.done()?;
        let data = moons(samples.unwrap_or(POINTS), noise.unwrap_or(NOISE), seed.unwrap_or(0))?;
        Ok(Self::numbered(data))
    }

    pub fn spirals(options: JsValue) -> Result<Dataset, Error> {
        let mut fields = Fields::new("spirals", options)?;
        let (classes, samples) = (fields.count("classes")?, fields.count("samples")?);
        let (noise, seed) = (fields.number("noise")?, fields.seed("seed")?);
        fields.done()?;
        let (classes, noise) = (classes.unwrap_or(3), noise.unwrap_or(NOISE / 2.0));
        spirals(samples.unwrap_or(POINTS), classes, noise, seed.unwrap_or(0)).map(Self::numbered)
    }

    pub fn csv(text: &str, options: JsValue) -> Result<Dataset, Error> {
        let mut fields = Fields::new("csv", options)?;
        let target = fields.text("target")?;
        fields.done()?;
        let (data, names) = csv("CSV", text, target.as_deref())?;
        Ok(Self { data, names })
    }

    pub fn from_f32(
        inputs: Vec<f32>,
        shape: Vec<u32>,
        labels: Vec<u32>,
        classes: Option<u32>,
    ) -> Result<Dataset, Error> {
        Self::from_parts(Inputs::F32(inputs), shape, labels, classes)
    }

    /// Bytes stay bytes on the device; the model sees them with mean 0 and deviation 1.
    pub fn from_u8(
        inputs: Vec<u8>,
        shape: Vec<u32>,
        labels: Vec<u32>,
        classes: Option<u32>,
    ) -> Result<Dataset, Error> {
        let Self { data, names } = Self::from_parts(Inputs::U8(inputs), shape, labels, classes)?;
        Ok(Self { data: data.standardized(), names })
    }

    pub fn length(&self) -> usize {
        self.data.len()
    }

    pub fn shape(&self) -> Vec<u32> {
        self.data.shape().iter().map(|&n| n as u32).collect()
    }

    pub fn class_names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// As the model sees them.
    pub fn inputs(&self) -> Vec<f32> {
        let (scale, shift) = (self.data.scale(), self.data.shift());
        match self.data.inputs() {
            Inputs::F32(values) => values.iter().map(|v| v * scale + shift).collect(),
            Inputs::U8(bytes) => bytes.iter().map(|&b| f32::from(b) * scale + shift).collect(),
        }
    }

    pub fn labels(&self) -> Vec<u32> {
        match self.data.targets() {
            Targets::Classes { labels, .. } => labels.clone(),
            Targets::Values { .. } => Vec::new(),
        }
    }

    /// What remains, and what is held out.
    pub fn split(&self, options: JsValue) -> Result<Array, Error> {
        let mut fields = Fields::new("split", options)?;
        let (held_out, seed) = (fields.number("heldOut")?, fields.seed("seed")?);
        fields.done()?;
        let (train, held_out) = self.data.clone().split(held_out.unwrap_or(0.2), seed.unwrap_or(0))?;
        let part = |data| JsValue::from(Self { data, names: self.names.clone() });
        Ok(object::array([part(train), part(held_out)]).unchecked_into())
    }
}
