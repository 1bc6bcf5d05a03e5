//! Optimizer, range test and training from their options.

use super::object::Fields;
use crate::data::order::batch_order;
use crate::finder::{Mode, RangeTest};
use crate::{Adam, Error, Optimizer, Schedule, Session, Sgd};
use wasm_bindgen::prelude::*;

#[derive(Clone, Copy)]
enum Kind {
    Sgd,
    Adam,
    AdamW,
}

/// As the command: momentum 0.9 unless told otherwise.
pub(super) fn optimizer(options: JsValue) -> Result<Optimizer, Error> {
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

pub(super) fn range_test(fields: &mut Fields) -> Result<RangeTest, Error> {
    let usual = RangeTest::default();
    Ok(RangeTest {
        mode: fields.word("mode", &Mode::ALL.map(|mode| (mode.name(), mode)))?.unwrap_or(usual.mode),
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
pub(super) struct Part {
    pub schedule: Schedule,
    pub order: Vec<u32>,
    pub from: usize,
    pub until: usize,
    pub steps: usize,
}

/// The whole training is planned, and the part from `from` to `until` of it is cut out: one part after the other gives what
/// one run of all gives.
pub(super) fn part(session: &Session, data: &crate::Dataset, options: JsValue) -> Result<Part, Error> {
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
