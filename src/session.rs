//! A model on a device: run it, snapshot it, restore it, read it.

use crate::compile::{Options, compile};
use crate::data::order::sequential_order;
use crate::data::{Dataset, Targets};
use crate::device::{Buffers, Finished, Gpu, List, Pace, Probes, Program};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::layout::{MAX_REPLICAS, Record, Role, State};
use crate::ops::{Loss, dims_text};
use crate::optim::Optimizer;
use crate::plan::{Dispatch, Plan};
use crate::schedule::{Past, Schedule};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A compiled model with its weights and optimizer state, on a device.
///
/// Everything that a step does is decided when the session is compiled. [`run`](Self::run) uploads the schedule and
/// the batch order of a whole run, lets the device work, and reads the history back once.
pub struct Session {
    program: Program,
    model: Graph,
    loss: Loss,
    optimizer: Optimizer,
    options: Options,
    /// One for each replica.
    counters: Vec<Counters>,
}

/// What the host knows of a replica's past, beside what is on the device.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counters {
    /// Updates made: keys dropout.
    steps: u32,
    /// For Adam's bias correction.
    past: Past,
}

/// Parameters, optimizer slots, running statistics, and the counters that go with them: all that a run changes.
pub struct Snapshot {
    buffers: Buffers,
    counters: Vec<Counters>,
}

/// When a run ends before its schedule does. A loss or gradient that is not finite always ends it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop {
    /// Only then.
    NotFinite,
    /// The smoothed loss exceeds this multiple of its lowest value: fastai's rule, with 4. Only for positive losses.
    Best(f64),
    /// The median of the last five losses has given back this share of the largest fall so far (or has risen by that
    /// share of eight times the noise between batches, where nothing fell). The same for a loss of any scale, sign and
    /// offset.
    Rise(f64),
}

/// Why a run ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The loss was NaN or infinite.
    LossNotFinite,
    /// The gradient was NaN or infinite.
    GradientNotFinite,
    /// The loss met the rule of [`Stop`].
    Diverged,
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LossNotFinite => "the loss is not finite",
            Self::GradientNotFinite => "the gradient is not finite",
            Self::Diverged => "the loss diverged",
        })
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps in the schedule.
    pub steps: usize,
    /// Latest loss, not smoothed, of the first replica.
    pub loss: f64,
    /// Latest rate of the first replica.
    pub lr: f64,
}

/// How the caller follows a run, and ends it.
#[derive(Default)]
pub struct Control<'a> {
    /// Called now and then while the run goes on.
    pub progress: Option<&'a mut dyn FnMut(Progress)>,
    /// Set it to true, from any thread, to end the run with [`Error::Cancelled`].
    pub cancel: Option<&'a AtomicBool>,
}

/// A run: which rates, over which batches, until when.
pub struct Run<'a> {
    /// One schedule for all replicas, or one for each, of one length.
    pub schedules: &'a [Schedule],
    /// Rows of the dataset, `batch` for each step: see [`crate::data::order`]. For all replicas, or one order after the other
    /// for each.
    pub order: &'a [u32],
    /// Coefficient of the smoothed loss; fastai's is 0.98.
    pub beta: f64,
    /// When to end early.
    pub stop: Stop,
}

/// What a step measured. `loss` is that of the step's batch before its update, `lr` what the update then used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Rate of the step's update.
    pub lr: f64,
    /// Mean loss over the batch; NaN or infinite only on a last step that ended the run.
    pub loss: f64,
    /// Bias-corrected exponentially weighted average of the losses.
    pub smoothed: f64,
    /// Share of the batch classified rightly; `None` for a regression.
    pub accuracy: Option<f64>,
    /// Norm of the whole gradient; `None` on a step that made no update.
    pub grad_norm: Option<f64>,
    /// Momentum or beta1 of the step's update.
    pub momentum: f64,
}

/// What one replica's run measured.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// Every step that ran, in order.
    pub steps: Vec<Measured>,
    /// The step at which the run ended early, and why. The update of that step was not made.
    pub stopped: Option<(usize, StopReason)>,
}

/// What a run cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Kernel launches in one step.
    pub dispatches_per_step: usize,
    /// Command buffers handed to the device.
    pub submits: usize,
    /// Times the host waited for a device that had nothing left to do: 1, the final read-back.
    pub waits: usize,
    /// Time of a step, the first few left out: drivers compile kernels on first use.
    pub step: Duration,
    /// Host time to record one dispatch.
    pub encode_per_dispatch: Duration,
    /// The whole run.
    pub wall: Duration,
}

/// A run's histories, one for each replica, and its cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// One for each replica.
    pub histories: Vec<History>,
    /// Of all of them together.
    pub cost: Cost,
}

/// Device time of one of a step's dispatches.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelTime {
    /// The entry point.
    pub kernel: &'static str,
    /// The layer, its shapes, what was fused.
    pub layer: String,
    /// Median over the steps.
    pub time: Duration,
    /// Arithmetic: a multiply-add counts as two.
    pub flops: u64,
    /// Bytes that it must at least read and write.
    pub bytes: u64,
}

/// Loss and accuracy over a whole dataset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean over all rows.
    pub loss: f64,
    /// Share classified rightly; `None` for a regression.
    pub accuracy: Option<f64>,
}

/// A parameter's or a running statistic's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Layer and parameter: "conv2d1.weight".
    pub name: String,
    /// Shape, PyTorch's layout: (out, in, ...).
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

impl Session {
    /// Compiles a model, and puts its seeded starting weights on the device.
    ///
    /// # Errors
    /// The model does not fit the loss, or the device is too small for it.
    pub async fn compile(
        gpu: &Gpu,
        model: &Graph,
        loss: Loss,
        optimizer: impl Into<Optimizer>,
        options: Options,
    ) -> Result<Self> {
        let optimizer = optimizer.into();
        let options = options.profile(gpu.choose(options.profile)?);
        let plan = compile(model, loss, &optimizer, &options)?;
        let program = Program::new(gpu, plan).await?;
        let session = Self {
            program,
            model: model.clone(),
            loss,
            optimizer,
            options,
            counters: vec![Counters { steps: 0, past: Past::NONE }; options.replicas],
        };
        for (index, values) in model.initial(options.seed).iter().enumerate() {
            session.write_param(index, 0..options.replicas, values);
        }
        session.reset_statistics();
        Ok(session)
    }

    /// Running statistics start at mean 0 and variance 1.
    fn reset_statistics(&self) {
        let plan = &self.program.plan;
        for buffer in &plan.buffers {
            let slot = &plan.buffer_arena.slots[buffer.slot];
            let values: Vec<f32> = (0..slot.len).map(|i| (i % 2) as f32).collect();
            for replica in 0..plan.replicas {
                self.program.write(Role::Buffers, replica * plan.buffer_arena.stride + slot.offset, &values);
            }
        }
    }

    fn write_param(&self, index: usize, replicas: std::ops::Range<usize>, values: &[f32]) {
        let arena = &self.program.plan.param_arena;
        for replica in replicas {
            self.program.write(Role::Params, replica * arena.stride + arena.slots[index].offset, values);
        }
    }

    /// `replicas` copies of this session's only replica, side by side: the same weights, optimizer state, statistics and
    /// step count, copied on the device. Datasets are shared.
    ///
    /// # Errors
    /// This session has more than one replica, or the device has no room for the copies.
    pub async fn replicate(&self, replicas: usize) -> Result<Self> {
        if self.options.replicas != 1 {
            let detail = format!(
                "a session of {} can't be copied; copy one with a single replica",
                self.options.replicas
            );
            return Err(Error::argument("replicas", detail));
        }
        let options = self.options.replicas(replicas);
        let plan = compile(&self.model, self.loss, &self.optimizer, &options)?;
        let mut program = Program::new(self.gpu(), plan).await?;
        program.adopt(&self.program);
        Ok(Self {
            program,
            model: self.model.clone(),
            loss: self.loss,
            optimizer: self.optimizer,
            options,
            counters: vec![self.counters[0]; replicas],
        })
    }

    /// Copies that the device has room for side by side: no buffer may pass what one kernel can bind.
    pub(crate) fn most_replicas(&self) -> usize {
        let largest = self.plan().memory().iter().map(|m| m.1).max().unwrap_or(0);
        let room = self.gpu().adapter().max_binding / largest.max(1);
        (room as usize).clamp(1, MAX_REPLICAS)
    }

    /// What one step runs.
    pub fn plan(&self) -> &Plan {
        &self.program.plan
    }

    /// The optimizer that the session was compiled with.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// The options that the session was compiled with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.program.gpu
    }

    /// Updates that replica 0 has had in its life.
    pub fn steps_done(&self) -> usize {
        self.counters[0].steps as usize
    }

    /// Copies a dataset to the device ahead of its first run. Each is copied once.
    ///
    /// # Errors
    /// It does not fit the model, or the device's memory.
    pub async fn upload(&mut self, data: &Dataset) -> Result<()> {
        self.check_data(data)?;
        self.program.upload(data).await
    }

    fn check_data(&self, data: &Dataset) -> Result<()> {
        let plan = &self.program.plan;
        if data.features() != plan.features {
            let (has, wants) = (dims_text(data.shape()), dims_text(self.model.shape(self.model.input())));
            return Err(Error::data(data.name(), format!("samples are {has}, the model takes {wants}")));
        }
        match (data.targets(), self.loss) {
            (Targets::Classes { classes, .. }, Loss::CrossEntropy) if *classes > plan.outputs => {
                let detail = format!(
                    "has {classes} classes, the model {} outputs: give it at least as many",
                    plan.outputs
                );
                Err(Error::data(data.name(), detail))
            }
            (Targets::Values { width, .. }, Loss::MeanSquaredError) if *width != plan.outputs => {
                let detail = format!("has {width} values a sample, the model {} outputs", plan.outputs);
                Err(Error::data(data.name(), detail))
            }
            (Targets::Classes { .. }, Loss::CrossEntropy)
            | (Targets::Values { .. }, Loss::MeanSquaredError) => Ok(()),
            (Targets::Classes { .. }, _) => {
                Err(Error::data(data.name(), "has class labels; train it with cross-entropy"))
            }
            (Targets::Values { .. }, _) => {
                Err(Error::data(data.name(), "has values to predict; train it with the mean squared error"))
            }
        }
    }

    fn check_run(&self, data: &Dataset, run: &Run<'_>) -> Result<usize> {
        self.check_data(data)?;
        let (replicas, batch) = (self.options.replicas, self.options.batch);
        if run.schedules.len() != 1 && run.schedules.len() != replicas {
            let detail =
                format!("{} for {replicas} replicas; give one, or one for each", run.schedules.len());
            return Err(Error::argument("schedules", detail));
        }
        let steps = run.schedules[0].steps();
        for schedule in run.schedules {
            schedule.check()?;
            if schedule.steps() != steps {
                let detail = format!("one has {} steps, another {steps}", schedule.steps());
                return Err(Error::argument("schedules", detail));
            }
        }
        if run.order.len() != steps * batch && run.order.len() != replicas * steps * batch {
            let detail = format!("{} rows for {steps} steps of {batch}", run.order.len());
            return Err(Error::argument("order", detail));
        }
        if let Some(row) = run.order.iter().find(|&&r| r as usize >= data.len()) {
            let detail = format!("row {row} of a dataset of {} samples", data.len());
            return Err(Error::argument("order", detail));
        }
        if !(0.0..1.0).contains(&run.beta) {
            let detail = format!("{} is not a smoothing coefficient; it must be from 0 to below 1", run.beta);
            return Err(Error::argument("beta", detail));
        }
        Ok(steps)
    }

    fn state(&self, replica: usize, steps: usize, data: &Dataset) -> State {
        State {
            steps: steps as u32,
            running: 1,
            rng_step: self.counters[replica].steps,
            seed: self.options.seed as u32 ^ (self.options.seed >> 32) as u32,
            scale: data.scale(),
            shift: data.shift(),
            max_norm: self.options.clip.unwrap_or(0.0) as f32,
            clip: 1.0,
            ..State::default()
        }
    }

    /// Trains for the length of the schedule: uploads it and the batch order, runs on the device without waiting, and
    /// reads the history back once.
    ///
    /// # Errors
    /// The run does not fit the session, the device failed, or [`Error::Cancelled`]. The weights, and the count of their steps,
    /// are then those of the last step that ran: take a [`snapshot`](Self::snapshot) to go back.
    pub async fn run(&mut self, data: &Dataset, run: &Run<'_>, control: Control<'_>) -> Result<Outcome> {
        let steps = self.check_run(data, run)?;
        self.prepare(List::Step, data, run, steps, None).await?;
        let finished = self.drive(List::Step, data, steps, None, control).await?;
        self.count(&finished.states, run.schedules);
        self.outcome(&finished, steps, self.program.plan.step.len())
    }

    /// As [`run`](Self::run), with the model put back to where the run began before every `period`-th step, on the device:
    /// weights, optimizer state, running statistics, bias corrections and random numbers. It is put back at the end too, also
    /// after an error.
    ///
    /// # Errors
    /// As [`run`](Self::run), a period of 0, or no room for the copy.
    pub async fn probe(
        &mut self,
        data: &Dataset,
        run: &Run<'_>,
        period: usize,
        control: Control<'_>,
    ) -> Result<Outcome> {
        if period == 0 {
            return Err(Error::argument("probe", "0 steps; it must be at least 1"));
        }
        let steps = self.check_run(data, run)?;
        self.prepare(List::Step, data, run, steps, Some(period)).await?;
        let snapshot = &self.program.snapshot().await?;
        let probes = Some(Probes { period, snapshot });
        let finished = self.drive(List::Step, data, steps, probes, control).await;
        self.program.restore(snapshot);
        self.outcome(&finished?, steps, self.program.plan.step.len())
    }

    /// As [`run`](Self::run) without the backward pass and the update: the loss of each batch at the weights as they are, in
    /// training mode. Running statistics move, nothing else.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn measure(&mut self, data: &Dataset, run: &Run<'_>, control: Control<'_>) -> Result<Outcome> {
        let steps = self.check_run(data, run)?;
        self.prepare(List::Forward, data, run, steps, None).await?;
        self.forget_norms();
        let finished = self.drive(List::Forward, data, steps, None, control).await?;
        let mut outcome = self.outcome(&finished, steps, self.program.plan.forward + 1)?;
        let measured = outcome.histories.iter_mut().flat_map(|h| &mut h.steps);
        measured.for_each(|m| m.grad_norm = None);
        Ok(outcome)
    }

    /// The tick of a forward pass reads the norms that an earlier run left behind, which would end it if they were not finite.
    fn forget_norms(&self) {
        let norms = self.program.plan.memory().iter().find(|m| m.0 == Role::Norms).map_or(0, |m| m.1);
        self.program.write(Role::Norms, 0, &vec![0.0; norms as usize / 4]);
    }

    fn outcome(&self, finished: &Finished, steps: usize, dispatches_per_step: usize) -> Result<Outcome> {
        if finished.cancelled {
            return Err(Error::Cancelled);
        }
        let histories = (0..self.options.replicas).map(|r| history(finished, r, steps)).collect();
        let cost = Cost {
            dispatches_per_step,
            submits: finished.submits,
            waits: finished.waits,
            step: finished.step,
            encode_per_dispatch: finished.encode / finished.dispatches.max(1) as u32,
            wall: finished.wall,
        };
        Ok(Outcome { histories, cost })
    }

    /// Writes a run's schedule, batch order and starting states, and makes its launches.
    async fn prepare(
        &mut self,
        list: List,
        data: &Dataset,
        run: &Run<'_>,
        steps: usize,
        period: Option<usize>,
    ) -> Result<()> {
        let replicas = self.options.replicas;
        let (stop_rule, stop_factor) = match run.stop {
            Stop::NotFinite => (0, 0.0),
            Stop::Best(factor) => (1, factor as f32),
            Stop::Rise(factor) => (2, factor as f32),
        };
        let shared = run.order.len() == steps * self.options.batch;
        let mut schedule = Vec::with_capacity(replicas * steps);
        let mut states = Vec::with_capacity(replicas);
        for replica in 0..replicas {
            let rates = &run.schedules[replica.min(run.schedules.len() - 1)];
            let past = self.counters[replica].past;
            schedule.extend(rates.rows(&self.optimizer, past, run.beta, period));
            states.push(State {
                schedule_base: (replica * steps) as u32,
                order_base: if shared { 0 } else { (replica * steps * self.options.batch) as u32 },
                period: period.unwrap_or(0) as u32,
                beta: run.beta as f32,
                stop_rule,
                stop_factor,
                ..self.state(replica, steps, data)
            });
        }
        self.program.prepare(list, data, run.order, &schedule, &states).await
    }

    async fn drive(
        &self,
        list: List,
        data: &Dataset,
        steps: usize,
        probes: Option<Probes<'_>>,
        control: Control<'_>,
    ) -> Result<Finished> {
        let mut progress = control.progress;
        let mut tell = |states: &[State]| {
            if let (Some(progress), Some(s)) = (&mut progress, states.first()) {
                let (step, loss, lr) = (s.step as usize, f64::from(s.last), f64::from(s.lr));
                progress(Progress { step, steps, loss, lr });
            }
        };
        let cancelled = || control.cancel.is_some_and(|c| c.load(Ordering::Relaxed));
        let pace = Pace { progress: &mut tell, cancelled: &cancelled };
        self.program.run(list, data.id(), steps, probes, pace).await
    }

    /// Moves the host's counters on by what the device did.
    fn count(&mut self, states: &[State], schedules: &[Schedule]) {
        for (replica, state) in states.iter().enumerate() {
            let rates = &schedules[replica.min(schedules.len() - 1)];
            let counters = &mut self.counters[replica];
            counters.steps = state.rng_step;
            for &momentum in rates.momentum.iter().take(state.step as usize) {
                counters.past = counters.past.after(momentum, self.optimizer.beta2());
            }
        }
    }

    /// Runs the whole schedule with every dispatch timed on the device, in a pass of its own: slower than a
    /// [`run`](Self::run), the same arithmetic. The median of each over the steps.
    ///
    /// # Errors
    /// As [`run`](Self::run), or the device has no timestamps ([`Adapter::timestamps`](crate::Adapter)).
    pub async fn profile(&mut self, data: &Dataset, run: &Run<'_>) -> Result<Vec<KernelTime>> {
        let steps = self.check_run(data, run)?;
        self.prepare(List::Step, data, run, steps, None).await?;
        let times = self.program.profile(List::Step, data.id(), steps).await?;
        let states: Vec<State> = bytemuck::pod_collect_to_vec(&self.program.read(Role::State).await?);
        self.count(&states[..self.options.replicas], run.schedules);
        let row = |(d, time): (&Dispatch, Duration)| KernelTime {
            kernel: d.kernel.name(),
            layer: d.note.clone(),
            time,
            flops: d.flops,
            bytes: d.bytes,
        };
        Ok(self.program.plan.step.iter().zip(times).map(row).collect())
    }

    /// Loss and accuracy of each replica over a dataset, in its order, with running statistics and without dropout.
    /// Nothing of the model changes.
    ///
    /// # Errors
    /// The dataset does not fit the model, or the device failed.
    pub async fn evaluate(&mut self, data: &Dataset) -> Result<Vec<Evaluation>> {
        self.check_data(data)?;
        let order = sequential_order(data.len(), self.options.batch);
        let steps = order.len() / self.options.batch;
        let replicas = self.options.replicas;
        let schedule = vec![Default::default(); replicas * steps];
        let state = |r| State { schedule_base: (r * steps) as u32, ..self.state(r, steps, data) };
        let states: Vec<State> = (0..replicas).map(state).collect();
        self.program.prepare(List::Eval, data, &order, &schedule, &states).await?;
        let finished = self.drive(List::Eval, data, steps, None, Control::default()).await?;
        Ok((0..replicas).map(|r| evaluation(&finished.history[r * steps..][..steps])).collect())
    }

    /// The model's outputs for every sample, (samples, outputs) row-major, of one replica, with running statistics and
    /// without dropout: logits for a classifier.
    ///
    /// # Errors
    /// The dataset does not fit the model, no such replica, or the device failed.
    pub async fn predict(&mut self, data: &Dataset, replica: usize) -> Result<Vec<f32>> {
        self.check_data(data)?;
        self.check_replica(replica)?;
        let plan = self.program.plan.clone();
        let (batch, replicas) = (plan.batch, plan.replicas);
        let order = sequential_order(data.len(), batch);
        let schedule = vec![Default::default(); replicas];
        let mut outputs = Vec::with_capacity(data.len() * plan.outputs);
        for rows in order.chunks(batch) {
            let state = |r| State { schedule_base: r as u32, ..self.state(r, 1, data) };
            let states: Vec<State> = (0..replicas).map(state).collect();
            self.program.prepare(List::Eval, data, rows, &schedule, &states).await?;
            self.drive(List::Eval, data, 1, None, Control::default()).await?;
            let words = self.program.read(plan.output_view.role).await?;
            let start = plan.output_view.offset + replica * plan.output_stride;
            outputs.extend(words[start..start + batch * plan.outputs].iter().map(|w| f32::from_bits(*w)));
        }
        outputs.truncate(data.len() * plan.outputs);
        Ok(outputs)
    }

    /// The gradient of the mean loss with respect to each parameter, from the latest step that a replica ran, before
    /// clipping and decay.
    ///
    /// # Errors
    /// No such replica, or the device failed.
    pub async fn gradients(&self, replica: usize) -> Result<Vec<Tensor>> {
        self.check_replica(replica)?;
        let words = self.program.read(Role::Grads).await?;
        let plan = &self.program.plan;
        let gradient = |p: &crate::plan::ParamSlot| {
            let mut data = vec![0.0; plan.param_arena.slots[p.slot].len];
            if let Some(grad) = &plan.grads[p.slot] {
                for slice in 0..grad.slices {
                    let start = grad.offset + (slice * plan.replicas + replica) * grad.len;
                    data.iter_mut().zip(&words[start..]).for_each(|(sum, w)| *sum += f32::from_bits(*w));
                }
            }
            Tensor { name: p.name.clone(), shape: p.shape.clone(), data }
        };
        Ok(plan.params.iter().map(gradient).collect())
    }

    /// Copies all that a run changes, on the device.
    ///
    /// # Errors
    /// The device has no room for the copy.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot { buffers: self.program.snapshot().await?, counters: self.counters.clone() })
    }

    /// Puts a snapshot of this session back, bit for bit. Does not wait, and may be called in a `Drop`.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.program.restore(&snapshot.buffers);
        self.counters.clone_from(&snapshot.counters);
    }

    /// A hash of all that a run changes: equal for equal bits.
    ///
    /// # Errors
    /// The device failed.
    pub async fn fingerprint(&self) -> Result<u64> {
        let mut hash = Fnv::default();
        for role in [Role::Params, Role::Moments, Role::Buffers] {
            self.program.read(role).await?.into_iter().for_each(|word| hash.add(u64::from(word)));
        }
        for counters in &self.counters {
            hash.add(u64::from(counters.steps));
            hash.add(counters.past.beta1.to_bits());
            hash.add(counters.past.beta2.to_bits());
        }
        Ok(hash.0)
    }

    /// The parameters of a replica.
    ///
    /// # Errors
    /// No such replica, or the device failed.
    pub async fn weights(&self, replica: usize) -> Result<Vec<Tensor>> {
        self.tensors(Role::Params, replica).await
    }

    /// The running statistics of a replica: (mean, variance) for each channel.
    ///
    /// # Errors
    /// No such replica, or the device failed.
    pub async fn statistics(&self, replica: usize) -> Result<Vec<Tensor>> {
        self.tensors(Role::Buffers, replica).await
    }

    /// Adam's second moments of replica 0, bias-corrected, parameter by parameter in their order; `None` before the first step,
    /// and for an optimizer that has none.
    pub(crate) async fn second_moments(&self, beta2: f64) -> Result<Option<Vec<f64>>> {
        let plan = &self.program.plan;
        if plan.optimizer_slots < 2 || self.counters[0].steps == 0 {
            return Ok(None);
        }
        let words = self.program.read(Role::Moments).await?;
        let second = plan.replicas * plan.param_arena.stride;
        let correction = 1.0 - beta2.powi(self.counters[0].steps as i32);
        let values = plan.params.iter().flat_map(|p| {
            let slot = &plan.param_arena.slots[p.slot];
            words[second + slot.offset..][..slot.len]
                .iter()
                .map(|w| f64::from(f32::from_bits(*w)) / correction)
        });
        Ok(Some(values.collect()))
    }

    async fn tensors(&self, role: Role, replica: usize) -> Result<Vec<Tensor>> {
        self.check_replica(replica)?;
        let words = self.program.read(role).await?;
        let plan = &self.program.plan;
        let (slots, arena) = match role {
            Role::Params => (&plan.params, &plan.param_arena),
            _ => (&plan.buffers, &plan.buffer_arena),
        };
        let tensor = |p: &crate::plan::ParamSlot| {
            let slot = &arena.slots[p.slot];
            let start = replica * arena.stride + slot.offset;
            let data = words[start..start + slot.len].iter().map(|w| f32::from_bits(*w)).collect();
            Tensor { name: p.name.clone(), shape: p.shape.clone(), data }
        };
        Ok(slots.iter().map(tensor).collect())
    }

    fn check_replica(&self, replica: usize) -> Result<()> {
        if replica < self.options.replicas {
            return Ok(());
        }
        Err(Error::argument("replica", format!("{replica} of {}, counted from 0", self.options.replicas)))
    }

    /// Overwrites parameters of a replica, by name. The optimizer's state stays.
    ///
    /// # Errors
    /// An unknown name, or another number of values: nothing is then written.
    pub fn set_weights(&mut self, replica: usize, tensors: &[Tensor]) -> Result<()> {
        self.check_replica(replica)?;
        let plan = self.program.plan.clone();
        let find = |t: &Tensor| {
            let Some(index) = plan.params.iter().position(|p| p.name == t.name) else {
                let names: Vec<_> = plan.params.iter().map(|p| p.name.as_str()).collect();
                let detail = format!("the model has no such parameter; it has {}", names.join(", "));
                return Err(Error::argument(t.name.clone(), detail));
            };
            let wants = &plan.params[index].shape;
            if t.data.len() != wants.iter().product::<usize>() {
                let detail = format!("{} values for shape {}", t.data.len(), dims_text(wants));
                return Err(Error::argument(t.name.clone(), detail));
            }
            Ok(index)
        };
        let found = tensors.iter().map(find).collect::<Result<Vec<_>>>()?;
        for (index, tensor) in found.into_iter().zip(tensors) {
            self.write_param(index, replica..replica + 1, &tensor.data);
        }
        Ok(())
    }
}

fn history(finished: &Finished, replica: usize, steps: usize) -> History {
    let records = &finished.history[replica * steps..][..steps];
    let some = |v: f32| (v >= 0.0).then_some(f64::from(v));
    let measured = |r: &Record| Measured {
        lr: f64::from(r.lr),
        loss: f64::from(r.loss),
        smoothed: f64::from(r.smoothed),
        accuracy: some(r.accuracy),
        grad_norm: some(r.grad_norm),
        momentum: f64::from(r.momentum),
    };
    let ran = records.iter().take_while(|r| r.flags & Record::RAN != 0);
    let state = &finished.states[replica];
    let reason = match state.stop_reason {
        0 => None,
        1 => Some(StopReason::LossNotFinite),
        2 => Some(StopReason::GradientNotFinite),
        _ => Some(StopReason::Diverged),
    };
    History { steps: ran.map(measured).collect(), stopped: reason.map(|r| (state.stop_step as usize, r)) }
}

fn evaluation(records: &[Record]) -> Evaluation {
    let rows: f64 = records.iter().map(|r| f64::from(r.count)).sum();
    let mean = |f: fn(&Record) -> f32| {
        records.iter().map(|r| f64::from(f(r)) * f64::from(r.count)).sum::<f64>() / rows
    };
    let classifies = records.iter().all(|r| r.accuracy >= 0.0);
    Evaluation { loss: mean(|r| r.loss), accuracy: classifies.then(|| mean(|r| r.accuracy)) }
}

/// FNV-1a, word by word.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x100_0000_01b3);
    }
}
