//! A model from its name, or from a list of layers.

use super::object::Fields;
use crate::models::{cnn, mlp};
use crate::{Activation, Dropout, Error, Graph, Op, Sequential};
use js_sys::Array;
use wasm_bindgen::prelude::*;

/// What a layer's `kind` may be.
#[derive(Clone, Copy)]
enum Kind {
    Linear,
    Conv2d,
    MaxPool,
    AvgPool,
    BatchNorm,
    Dropout,
    Flatten,
    Activation(Activation),
}

const KINDS: [(&str, Kind); 12] = [
    ("linear", Kind::Linear),
    ("conv2d", Kind::Conv2d),
    ("maxPool", Kind::MaxPool),
    ("avgPool", Kind::AvgPool),
    ("batchNorm", Kind::BatchNorm),
    ("dropout", Kind::Dropout),
    ("flatten", Kind::Flatten),
    ("relu", Kind::Activation(Activation::Relu)),
    ("tanh", Kind::Activation(Activation::Tanh)),
    ("sigmoid", Kind::Activation(Activation::Sigmoid)),
    ("gelu", Kind::Activation(Activation::Gelu)),
    ("silu", Kind::Activation(Activation::Silu)),
];

/// A model that the crate brings along, or a list of layers.
pub(super) fn graph(data: &crate::Dataset, model: &JsValue) -> Result<Graph, Error> {
    let classes = data.classes().unwrap_or(1);
    match model.as_string().as_deref() {
        Some("mlp") => mlp(data.shape(), classes),
        Some("cnn") => cnn(data.shape(), classes),
        _ => chain(data.shape(), model),
    }
}

/// The chain of these layers behind samples of `shape`.
fn chain(shape: &[usize], layers: &JsValue) -> Result<Graph, Error> {
    if !Array::is_array(layers) {
        let detail =
            "is none of \"mlp\", \"cnn\" and a list of layers such as { kind: \"linear\", features: 10 }";
        return Err(Error::argument("model", detail));
    }
    let mut model = Sequential::samples(shape);
    for description in Array::from(layers).iter() {
        model = layer(model, description)?;
    }
    model.build()
}

fn layer(model: Sequential, description: JsValue) -> Result<Sequential, Error> {
    let mut fields = Fields::new("layer", description)?;
    let kind = Fields::needed(fields.word("kind", &KINDS)?, "kind", "a layer")?;
    let model = match kind {
        Kind::Linear => model.linear(Fields::needed(fields.count("features")?, "features", "linear")?),
        Kind::Conv2d => {
            let channels = Fields::needed(fields.count("channels")?, "channels", "conv2d")?;
            model.conv2d(channels, fields.count("kernel")?.unwrap_or(3))
        }
        Kind::MaxPool => model.max_pool(fields.count("size")?.unwrap_or(2)),
        Kind::AvgPool => model.avg_pool(fields.count("size")?.unwrap_or(2)),
        Kind::BatchNorm => model.batch_norm(),
        Kind::Dropout => {
            let p = Fields::needed(fields.number("rate")?, "rate", "dropout")? as f32;
            model.layer(Op::Dropout(Dropout { p }))
        }
        Kind::Flatten => model.flatten(),
        Kind::Activation(act) => model.activation(act),
    };
    fields.done()?;
    Ok(model)
}
