//! A model: its learning rate found, trained, asked.

use super::dataset::Dataset;
use super::gpu::Gpu;
use super::object::{Fields, array, number, object};
use super::{layers, report};
use crate::data::order::batch_order;
use crate::finder::{Mode, RangeTest, Verify};
use crate::models::{cnn, mlp};
use crate::{Adam, Control, Error, Graph, Inputs, Loss, Optimizer, Options, Progress, Run, Schedule};
use crate::{Profile, Session, Sgd, Snapshot, Stop, Targets, Tensor};
use js_sys::{Float32Array, Function, Object};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasm_bindgen::prelude::*;

/// Set to end a run.
#[wasm_bindgen]
#[derive(Default)]
pub struct Cancel(Arc<AtomicBool>);

#[wasm_bindgen]
impl Cancel {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Cancel {
        Self::default()
    }

    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What was thrown at us: by the engine, or by the page's own callback.
type Thrown = JsValue;

/// The page's callback, and what it threw: that ends the run.
struct Listener<'a> {
    callback: Option<Function>,
    cancel: &'a AtomicBool,
    thrown: Option<JsValue>,
    /// Points told.
    told: usize,
}

impl<'a> Listener<'a> {
    fn new(callback: Option<Function>, cancel: &'a AtomicBool) -> Self {
        Self { callback, cancel, thrown: None, told: 0 }
    }

    fn tell(&mut self, stage: &str, now: &Progress) {
        let Some(callback) = &self.callback else { return };
        let event = report::progress(stage, self.told, now);
        self.told += now.new.first().map_or(0, Vec::len);
        if let Err(thrown) = callback.call1(&JsValue::NULL, &event) {
            self.thrown.get_or_insert(thrown);
            self.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// The result of a run, or what the callback threw.
    fn result<T>(&mut self, result: Result<T, Error>) -> Result<T, Thrown> {
        match self.thrown.take() {
            Some(thrown) => Err(thrown),
            None => result.map_err(Thrown::from),
        }
    }
}

/// A compiled model with its weights.
#[wasm_bindgen]
pub struct Model {
    session: Session,
    snapshots: HashMap<u32, Snapshot>,
    next: u32,
}

fn graph(data: &crate::Dataset, model: &JsValue) -> Result<Graph, Error> {
    let classes = data.classes().unwrap_or(1);
    match model.as_string().as_deref() {
        Some("mlp") => mlp(data.shape(), classes),
        Some("cnn") => cnn(data.shape(), classes),
        _ => layers::graph(data.shape(), model),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Sgd,
    Adam,
    AdamW,
}

/// As the command: momentum 0.9 unless told otherwise.
fn optimizer(options: JsValue) -> Result<Optimizer, Error> {
    let mut fields = Fields::new("optimizer", options)?;
    let kinds = [("sgd", Kind::Sgd), ("adam", Kind::Adam), ("adamw", Kind::AdamW)];
    let kind = fields.word("kind", &kinds)?.unwrap_or(Kind::Sgd);
    let decay = fields.number("weightDecay")?;
    let share = |name: &str, value: f64| match (0.0..1.0).contains(&value) {
        true => Ok(value),
        false => Err(Error::argument(name, format!("{value} is not from 0 to below 1"))),
    };
    let above = |name: &str, value: f64| match value >= 0.0 && value.is_finite() {
        true => Ok(value),
        false => Err(Error::argument(name, format!("{value} is not a number from 0 on"))),
    };
    let optimizer = match kind {
        Kind::Sgd => {
            let momentum = share("momentum", fields.number("momentum")?.unwrap_or(0.9))?;
            let nesterov = fields.flag("nesterov")?.unwrap_or(false);
            Sgd { momentum, nesterov, weight_decay: above("weightDecay", decay.unwrap_or(0.0))? }.into()
        }
        Kind::Adam | Kind::AdamW => {
            let decoupled = matches!(kind, Kind::AdamW);
            let usual = if decoupled { 0.01 } else { 0.0 };
            let usual_adam = Adam::default();
            Adam {
                beta1: share("beta1", fields.number("beta1")?.unwrap_or(usual_adam.beta1))?,
                beta2: share("beta2", fields.number("beta2")?.unwrap_or(usual_adam.beta2))?,
                eps: above("epsilon", fields.number("epsilon")?.unwrap_or(usual_adam.eps))?,
                weight_decay: above("weightDecay", decay.unwrap_or(usual))?,
                decoupled,
            }
            .into()
        }
    };
    fields.done()?;
    Ok(optimizer)
}

fn range_test(fields: &mut Fields) -> Result<RangeTest, Error> {
    let modes = [Mode::Sweep, Mode::SameBatch, Mode::Restart, Mode::Frozen, Mode::Replicas];
    let usual = RangeTest::default();
    Ok(RangeTest {
        mode: fields.word("mode", &modes.map(|mode| (mode.name(), mode)))?.unwrap_or(usual.mode),
        from: fields.number("from")?.unwrap_or(usual.from),
        to: fields.number("to")?.unwrap_or(usual.to),
        steps: fields.count("steps")?.unwrap_or(usual.steps),
        probe: fields.count("probe")?,
        seeds: fields.count("seeds")?.unwrap_or(usual.seeds),
        ..usual
    })
}

#[derive(Clone, Copy)]
enum Course {
    OneCycle,
    Constant,
    Cosine,
}

/// A part of a training: its schedule and batches, and where it ends.
struct Part {
    schedule: Schedule,
    order: Vec<u32>,
    from: usize,
    until: usize,
    steps: usize,
}

/// The whole training is planned, and the part from `from` to `until` of it is cut out: one part after the other gives what
/// one run of all gives.
fn part(session: &Session, data: &crate::Dataset, options: JsValue) -> Result<Part, Error> {
    let mut fields = Fields::new("train", options)?;
    let lr = Fields::needed(fields.number("lr")?, "lr", "train")?;
    let courses =
        [("one-cycle", Course::OneCycle), ("constant", Course::Constant), ("cosine", Course::Cosine)];
    let course = fields.word("schedule", &courses)?.unwrap_or(Course::OneCycle);
    let (epochs, steps) = (fields.count("epochs")?, fields.count("steps")?);
    let (from, until) = (fields.count("from")?.unwrap_or(0), fields.count("until")?);
    let seed = fields.seed("seed")?.unwrap_or(session.options().seed);
    fields.done()?;
    let batch = session.options().batch;
    let steps = steps.unwrap_or(epochs.unwrap_or(3) * (data.len() / batch));
    let until = until.unwrap_or(steps);
    if !(lr > 0.0 && lr.is_finite()) {
        return Err(Error::argument("lr", format!("{lr} is no rate to train with; it must be above 0")));
    }
    if from >= until || until > steps {
        let detail = format!("from {from} until {until} is no part of {steps} steps");
        return Err(Error::argument("steps", detail));
    }
    let order = batch_order(data.len(), batch, steps, seed)?;
    let optimizer = session.optimizer();
    let whole = match course {
        Course::OneCycle => Schedule::one_cycle(lr, steps, optimizer),
        Course::Constant => Schedule::constant(lr, steps, optimizer),
        Course::Cosine => Schedule::cosine(lr, steps, optimizer),
    };
    let cut = |values: &[f64]| values[from..until].to_vec();
    let schedule = Schedule {
        lr: cut(&whole.lr),
        momentum: cut(&whole.momentum),
        weight_decay: cut(&whole.weight_decay),
    };
    Ok(Part { schedule, order: order[from * batch..until * batch].to_vec(), from, until, steps })
}

/// Milliseconds between two calls.
fn since(start: web_time::Instant) -> f64 {
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
        let options = Options { clip, profile, ..Options::batch(batch).seed(seed) };
        let graph = graph(&data.data, &model)?;
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
        let listens = listener.callback.is_some();
        let mut tell = |now: Progress| listener.tell("sweep", &now);
        let control = Control { progress: listens.then_some(&mut tell), cancel: Some(cancel) };
        let found = test.run_with(&mut self.session, &data.data, control).await;
        let found = listener.result(found)?;
        let mut verified = None;
        // Short runs side by side: where there is room for one alone, there is nothing to compare.
        let usual = Verify::default();
        let rates = usual.rates.min(self.session.most_replicas());
        if let (Ok(suggestion), true) = (&found.suggestion, verify && rates > 1) {
            let verify = Verify { rates, ..usual };
            // Their steps are no points of the curve.
            let mut tell = |now: Progress| listener.tell("verify", &Progress { new: Vec::new(), ..now });
            let control = Control { progress: listens.then_some(&mut tell), cancel: Some(cancel) };
            let result = verify.run(&self.session, &data.data, &held_out.data, suggestion.lr, control).await;
            verified = Some(listener.result(result)?);
        }
        Ok(report::report(&test, &found, verified.as_ref(), since(start)))
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
        let mut listener = Listener { told: from, ..Listener::new(callback, cancel) };
        let listens = listener.callback.is_some();
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
            ("seconds", number(since(start))),
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
