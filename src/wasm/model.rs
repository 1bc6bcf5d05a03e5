//! A model: its learning rate found, trained, asked.

use super::dataset::Dataset;
use super::gpu::Gpu;
use super::listener::{Cancel, Listener, Thrown};
use super::object::{Fields, array, number, object};
use super::settings::{Part, optimizer, part, range_test};
use super::{layers, report};
use crate::data::order::batch_order;
use crate::{Control, Error, Inputs, Loss, Options, Profile, Progress, Run};
use crate::{Session, Snapshot, Stop, Targets, Tensor, Tuning};
use js_sys::{Float32Array, Function, Object};
use std::collections::HashMap;
use wasm_bindgen::prelude::*;

/// A compiled model with its weights.
#[wasm_bindgen]
pub struct Model {
    session: Session,
    snapshots: HashMap<u32, Snapshot>,
    next: u32,
}

fn seconds_since(start: web_time::Instant) -> f64 {
    start.elapsed().as_secs_f64()
}

#[wasm_bindgen]
impl Model {
    /// `model` is a name or a list of layers.
    pub async fn create(gpu: &Gpu, data: &Dataset, model: JsValue, options: JsValue) -> Result<Model, Error> {
        let mut fields = Fields::new("model", options)?;
        let batch = fields.count("batch")?.unwrap_or(64);
        let seed = fields.seed("seed")?.unwrap_or(0);
        let clip = fields.number("clip")?;
        let profiles = [("portable", Profile::Portable), ("tiled", Profile::Tiled)];
        let profile = fields.word("profile", &profiles)?;
        let optimizer = optimizer(fields.any("optimizer"))?;
        fields.done()?;
        if let Some(clip) = clip.filter(|&clip| !(clip > 0.0 && clip.is_finite())) {
            return Err(Error::argument("clip", format!("{clip} is no norm to clip to; it must be above 0")));
        }
        batch_order(data.data.len(), batch, 1, seed)?; // before anything takes time
        let tuning = profile.map(Tuning::of);
        let options = Options { clip, tuning, ..Options::batch(batch).seed(seed) };
        let graph = layers::graph(&data.data, &model)?;
        let session = Session::compile(&gpu.0, &graph, Loss::CrossEntropy, optimizer, options).await?;
        Ok(Self { session, snapshots: HashMap::new(), next: 0 })
    }

    pub fn parameters(&self) -> usize {
        self.session.plan().parameters()
    }

    pub fn plan(&self) -> String {
        self.session.plan().to_string()
    }

    pub fn steps(&self) -> usize {
        self.session.steps_done()
    }

    /// Compiles the kernels of a range test and of a training ahead.
    pub async fn warm_up(&mut self, data: &Dataset) -> Result<(), Error> {
        self.session.warm_up(&data.data).await
    }

    /// A range test over `data`; short runs around its suggestion, unless told otherwise, are judged by `held_out`.
    pub async fn find(
        &mut self,
        data: &Dataset,
        held_out: &Dataset,
        options: JsValue,
        callback: Option<Function>,
        cancel: &Cancel,
    ) -> Result<JsValue, Thrown> {
        let mut fields = Fields::new("find", options)?;
        let test = range_test(&mut fields)?;
        let verify = fields.flag("verify")?.unwrap_or(true);
        fields.done()?;
        let start = web_time::Instant::now();
        let cancel = &cancel.0;
        let mut listener = Listener::new(callback, cancel);
        let listens = listener.listens();
        let mut tell = |now: Progress| listener.tell("sweep", &now);
        let control = Control { progress: listens.then_some(&mut tell), cancel: Some(cancel) };
        let found = test.run_with(&mut self.session, &data.data, control).await;
        let found = listener.result(found)?;
        let mut verified = None;
        if verify {
            // Their steps are no points of the curve.
            let mut tell = |now: Progress| listener.tell("verify", &Progress { new: Vec::new(), ..now });
            let control = Control { progress: listens.then_some(&mut tell), cancel: Some(cancel) };
            let result = found.verify(&self.session, &data.data, &held_out.data, control).await;
            verified = listener.result(result)?;
        }
        Ok(report::report(&test, &found, verified.as_ref(), self.session.optimizer(), seconds_since(start)))
    }

    /// Trains, or a part of it.
    pub async fn train(
        &mut self,
        data: &Dataset,
        held_out: &Dataset,
        options: JsValue,
        callback: Option<Function>,
        cancel: &Cancel,
    ) -> Result<JsValue, Thrown> {
        let start = web_time::Instant::now();
        let Part { schedule, order, from, until, steps } = part(&self.session, &data.data, options)?;
        let cancel = &cancel.0;
        let mut listener = Listener::new(callback, cancel);
        listener.told = from;
        let listens = listener.listens();
        let mut tell = |now: Progress| {
            listener.tell("train", &Progress { step: from + now.step, steps, ..now });
        };
        let control = Control { progress: listens.then_some(&mut tell), cancel: Some(cancel) };
        let schedules = [schedule];
        let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
        let outcome = self.session.run(&data.data, &run, control).await;
        let outcome = listener.result(outcome)?;
        let history = &outcome.histories[0];
        // The mean of the last epoch's batches, or of what there is.
        let epoch = (data.data.len() / self.session.options().batch).clamp(1, history.steps.len().max(1));
        let last = &history.steps[history.steps.len() - epoch.min(history.steps.len())..];
        let n = last.len() as f64;
        let loss = last.iter().map(|m| m.loss).sum::<f64>() / n;
        let accuracy = last.iter().map(|m| m.accuracy).sum::<Option<f64>>().map(|sum| sum / n);
        // In the middle of a training nobody asks, and it takes time.
        let judged =
            if until == steps { Some(self.session.evaluate(&held_out.data).await?[0]) } else { None };
        Ok(object([
            ("step", (from + history.steps.len()).into()),
            ("steps", steps.into()),
            ("loss", number(loss)),
            ("accuracy", number(accuracy)),
            ("heldOutLoss", number(judged.map(|e| e.loss))),
            ("heldOutAccuracy", number(judged.and_then(|e| e.accuracy))),
            ("stopped", history.stopped.map_or(JsValue::NULL, |(_, reason)| reason.to_string().into())),
            ("seconds", number(seconds_since(start))),
        ]))
    }

    /// Probabilities of the classes, (rows, classes), for rows of inputs as the model sees them.
    pub async fn predict(&mut self, inputs: Vec<f32>) -> Result<Float32Array, Error> {
        let model = self.session.model();
        let shape = model.shape(model.input()).to_vec();
        let outputs = model.shape(model.output()).iter().product();
        let features: usize = shape.iter().product();
        if inputs.is_empty() || inputs.len() % features != 0 {
            let detail = format!("{} numbers are no whole rows of {features}", inputs.len());
            return Err(Error::argument("inputs", detail));
        }
        let labels = vec![0; inputs.len() / features];
        let targets = Targets::Classes { labels, classes: outputs };
        let data = crate::Dataset::new("inputs", shape, Inputs::F32(inputs), targets)?;
        let logits = self.session.predict(&data, 0).await;
        self.session.forget(&data);
        let mut rows = logits?;
        rows.chunks_mut(outputs).for_each(softmax);
        Ok(Float32Array::from(&rows[..]))
    }

    pub async fn evaluate(&mut self, data: &Dataset) -> Result<JsValue, Error> {
        let judged = self.session.evaluate(&data.data).await?[0];
        Ok(object([("loss", number(judged.loss)), ("accuracy", number(judged.accuracy))]))
    }

    /// By name: values and shape.
    pub async fn weights(&self) -> Result<JsValue, Error> {
        let tensors = self.session.weights(0).await?;
        let tensor = |t: &Tensor| {
            let values = Float32Array::from(&t.data[..]);
            let shape = array(t.shape.iter().map(|&n| n.into()));
            array([t.name.as_str().into(), values.into(), shape])
        };
        Ok(array(tensors.iter().map(tensor)))
    }

    pub fn set_weights(&mut self, weights: Object) -> Result<(), Error> {
        let tensor = |pair: JsValue| {
            let pair: js_sys::Array = pair.unchecked_into();
            let name = pair.get(0).as_string().unwrap_or_default();
            let Ok(values) = pair.get(1).dyn_into::<Float32Array>() else {
                return Err(Error::argument(name, "is no Float32Array"));
            };
            Ok(Tensor { name, shape: Vec::new(), data: values.to_vec() })
        };
        let tensors = Object::entries(&weights).iter().map(tensor).collect::<Result<Vec<_>, _>>()?;
        self.session.set_weights(0, &tensors)
    }

    /// Keeps what training changes, and returns its number.
    pub async fn snapshot(&mut self) -> Result<u32, Error> {
        let snapshot = self.session.snapshot().await?;
        self.next += 1;
        self.snapshots.insert(self.next, snapshot);
        Ok(self.next)
    }

    pub fn restore(&mut self, number: u32) -> Result<(), Error> {
        let Some(snapshot) = self.snapshots.get(&number) else {
            return Err(Error::argument("snapshot", format!("there is no number {number}")));
        };
        self.session.restore(snapshot);
        Ok(())
    }

    /// Frees a snapshot.
    pub fn forget(&mut self, number: u32) {
        self.snapshots.remove(&number);
    }
}

/// exp(x) / sum of exp, from the largest down.
fn softmax(row: &mut [f32]) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|x| *x = (*x - most).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}
