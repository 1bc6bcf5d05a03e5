//! What is to be trained, made from what was typed.

use super::args::{self, ModelName, Multipliers, OptimizerName, Source};
use crate::Graph;
use crate::Options;
use crate::data::order::batch_order;
use crate::data::{Dataset, cifar10, digits, mnist, moons, spirals};
use crate::models::{cnn, mlp, resnet9};
use crate::{Adam, Optimizer, Sgd};
use crate::{Error, Result};

/// Points of the generated datasets, and how far they scatter.
const POINTS: usize = 2000;
const NOISE: f64 = 0.1;
/// Share of the digits that is held out for tests and short runs.
const DIGITS_HELD_OUT: f64 = 0.2;
/// Share of other training data that is held out for the short runs, and the most samples of it: more would take time
/// and decide nothing.
const HELD_OUT: f64 = 0.1;
const MOST_HELD_OUT: f64 = 512.0;

/// Data, model, optimizer and what goes with them.
pub(super) struct Subject {
    /// What is trained on.
    pub data: Dataset,
    /// What nothing is trained on: short runs are judged by it.
    pub held_out: Dataset,
    pub data_name: &'static str,
    pub model: Graph,
    pub model_name: &'static str,
    pub optimizer: Optimizer,
    pub options: Options,
}

impl Subject {
    /// Checks the settings, loads the data and builds the model.
    ///
    /// # Errors
    /// A setting outside what it can be, data that cannot be read, or a model that does not fit it.
    pub fn new(args: &args::Subject) -> Result<Self> {
        let optimizer = optimizer(args.optimizer, args.momentum, args.weight_decay)?;
        let options = Options { clip: args.clip, ..Options::batch(args.batch).seed(args.seed) };
        let options = options.accumulate(args.accumulate);
        options.check()?;
        let (data, held_out) = load(&args.data, args.seed)?;
        let (rows, samples) = (options.effective_batch(), data.len());
        if options.accumulate > 1 && rows > samples {
            let (n, batch) = (options.accumulate, options.batch);
            let detail = format!("{n} batches of {batch} are {rows} samples, the dataset has {samples}");
            return Err(Error::argument("accumulate", detail));
        }
        // One step is enough to hear that it is too large, before a GPU is looked for.
        batch_order(data.len(), options.effective_batch(), 1, args.seed)?;
        let points = data.shape().len() == 1;
        let name = args.model.unwrap_or(if points { ModelName::Mlp } else { ModelName::Cnn });
        let classes = data.classes().unwrap_or(1);
        let (mut model, model_name) = match name {
            ModelName::Mlp => (mlp(data.shape(), classes)?, "mlp"),
            ModelName::Cnn => (cnn(data.shape(), classes)?, "cnn"),
            ModelName::Resnet9 => (resnet9(data.shape(), classes)?, "resnet9"),
        };
        multiply(&mut model, "rate multipliers", args.rate_multipliers.as_ref(), Graph::multiply_rate)?;
        multiply(&mut model, "decay multipliers", args.decay_multipliers.as_ref(), Graph::multiply_decay)?;
        Ok(Self { data, held_out, data_name: args.data.name(), model, model_name, optimizer, options })
    }

    /// "CNN on digits, SGD momentum 0.9, batch 64".
    pub fn title(&self) -> String {
        let (model, data, optimizer) = (self.model_name.to_uppercase(), self.data_name, self.optimizer);
        let clip = self.options.clip.map(|c| format!(", clipped to {c}")).unwrap_or_default();
        format!("{model} on {data}, {optimizer}{clip}, {}", self.batch())
    }

    /// "batch 64", or "batch 16 x 4" of several micro-batches a step.
    pub fn batch(&self) -> String {
        let Options { batch, accumulate, .. } = self.options;
        let times = if accumulate > 1 { format!(" x {accumulate}") } else { String::new() };
        format!("batch {batch}{times}")
    }
}

/// Sets the multipliers of a model's parameters.
fn multiply(
    model: &mut Graph,
    option: &str,
    list: Option<&Multipliers>,
    set: fn(&mut Graph, &str, f64) -> Result<()>,
) -> Result<()> {
    match list {
        None => Ok(()),
        Some(Multipliers::Named(pairs)) => pairs.iter().try_for_each(|(part, by)| set(model, part, *by)),
        Some(Multipliers::Layers(numbers)) => {
            let parameters = model.parameters();
            let mut layers: Vec<&str> = parameters.iter().filter_map(|p| p.name.split('.').next()).collect();
            layers.dedup();
            if layers.len() != numbers.len() {
                let (given, names) = (numbers.len(), layers.join(", "));
                return Err(Error::argument(option, format!("{given} for {} layers: {names}", layers.len())));
            }
            layers.iter().zip(numbers).try_for_each(|(layer, by)| set(model, &format!("{layer}."), *by))
        }
    }
}

/// The training part of a dataset, and what is held out of it.
fn load(source: &Source, seed: u64) -> Result<(Dataset, Dataset)> {
    let data = match source {
        Source::Digits => return digits().split(DIGITS_HELD_OUT, seed),
        Source::Moons => moons(POINTS, NOISE, seed)?,
        Source::Spirals => spirals(POINTS, 3, NOISE / 2.0, seed)?,
        Source::Mnist(dir) => mnist(dir)?.0,
        Source::Cifar10(dir) => cifar10(dir)?.0,
    };
    if data.len() < 2 {
        let detail = "holds 1 sample; there must be one to train on, and another to hold out";
        return Err(Error::data(source.name(), detail));
    }
    let share = HELD_OUT.min(MOST_HELD_OUT / data.len() as f64);
    data.split(share, seed)
}

pub(super) fn optimizer(
    name: OptimizerName,
    momentum: Option<f64>,
    weight_decay: Option<f64>,
) -> Result<Optimizer> {
    if name == OptimizerName::Sgd && momentum.is_some() {
        return Err(Error::argument("momentum", "sgd has none; add --optimizer momentum"));
    }
    let momentum = momentum.unwrap_or(0.9);
    if !(0.0..1.0).contains(&momentum) {
        return Err(Error::argument("momentum", format!("{momentum} is not from 0 to below 1")));
    }
    let usual = if name == OptimizerName::Adamw { 0.01 } else { 0.0 };
    let weight_decay = weight_decay.unwrap_or(usual);
    if !(weight_decay >= 0.0 && weight_decay.is_finite()) {
        return Err(Error::argument("weight decay", format!("{weight_decay} is not a number from 0 on")));
    }
    let adam = Adam { beta1: momentum, weight_decay, ..Adam::default() };
    Ok(match name {
        OptimizerName::Sgd => Sgd::plain().weight_decay(weight_decay).into(),
        OptimizerName::Momentum => Sgd::momentum(momentum).weight_decay(weight_decay).into(),
        OptimizerName::Nesterov => Sgd::nesterov(momentum).weight_decay(weight_decay).into(),
        OptimizerName::Adam => adam.into(),
        OptimizerName::Adamw => Adam { decoupled: true, ..adam }.into(),
    })
}
