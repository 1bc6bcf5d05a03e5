//! A model on a device: run it, snapshot it, restore it, read it.

mod outcome;
mod read;
mod request;

use outcome::{evaluation, evaluations, history, measured};

pub use outcome::{Cost, Evaluation, History, KernelTime, Measured, Norms, Outcome, StopReason};
pub use read::Tensor;
pub use request::{Control, HeldOut, Progress, Run, Stop};
pub(crate) use request::{check_beta, check_every};

use crate::compile::{Options, compile};
use crate::data::Dataset;
use crate::data::order::sequential_order;
use crate::device::{Between, Buffers, Finished, Gpu, List, Pace, Program};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::layout::{MAX_REPLICAS, Record, Role, State, View};
use crate::ops::Loss;
use crate::optim::Optimizer;
use crate::plan::{Dispatch, Plan};
use crate::schedule::{Past, Schedule};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Bytes of outputs that are brought together on the device before the host reads them.
const COLLECTED: usize = 16 << 20;
/// The stop rule of a run that ends with its schedule alone.
const NEVER: u32 = 3;

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
    /// Updates made: with the micro-batches of each, they key dropout.
    steps: u32,
    /// For Adam's bias correction.
    past: Past,
}

/// Parameters, optimizer slots, running statistics, and the counters that go with them: all that a run changes.
pub struct Snapshot {
    buffers: Buffers,
    counters: Vec<Counters>,
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
        let options = options.tuning(gpu.choose(options.tuning)?);
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
        self.copy(self.optimizer, self.options.replicas(replicas), true).await
    }

    /// A session of this one's model, weights, statistics and step count, under another optimizer or with other batches. With
    /// `same`, the optimizer may differ in momentum and decay alone, and its state goes along; else it begins anew.
    pub(crate) async fn sibling(&self, optimizer: Optimizer, batch: usize, same: bool) -> Result<Self> {
        self.copy(optimizer, Options { batch, ..self.options }, same).await
    }

    /// As [`replicate`](Self::replicate) of a single replica, with every parameter's norms measured ([`Options::layers`]).
    pub(crate) async fn watched(&self, replicas: usize) -> Result<Self> {
        self.copy(self.optimizer, self.options.replicas(replicas).layers(true), true).await
    }

    /// As [`replicate`](Self::replicate) of a single replica, for one that keeps its gradients ([`Options::gradients`]).
    pub(crate) async fn with_gradients(&self) -> Result<Self> {
        self.copy(self.optimizer, self.options.replicas(1).gradients(true), true).await
    }

    async fn copy(&self, optimizer: Optimizer, options: Options, same: bool) -> Result<Self> {
        let plan = compile(&self.model, self.loss, &optimizer, &options)?;
        let mut program = Program::new(self.gpu(), plan).await?;
        program.adopt(&self.program, same);
        let Counters { steps, past } = self.counters[0];
        let counters = Counters { steps, past: if same { past } else { Past::NONE } };
        Ok(Self {
            program,
            model: self.model.clone(),
            loss: self.loss,
            optimizer,
            options,
            counters: vec![counters; options.replicas],
        })
    }

    /// Names of the parameters, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.plan().params.iter().map(|p| p.name.clone()).collect()
    }

    /// Copies that the device has room for side by side: no buffer may pass what one kernel can bind.
    pub(crate) fn most_replicas(&self) -> usize {
        let largest = self.plan().memory().iter().map(|m| m.1).max().unwrap_or(0);
        let room = self.gpu().adapter().max_binding / largest.max(1);
        (room as usize).clamp(1, MAX_REPLICAS)
    }

    /// The model that was compiled.
    pub fn model(&self) -> &Graph {
        &self.model
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

    /// Copies a dataset to the device and makes the kernels of a step and of an evaluation over it, which the first run would else
    /// do. In a browser, and with most GPUs' drivers, that is where they are compiled; Mesa's CPU driver compiles at the first
    /// launch.
    ///
    /// # Errors
    /// As [`upload`](Self::upload), or the driver refuses a kernel.
    pub async fn warm_up(&mut self, data: &Dataset) -> Result<()> {
        self.upload(data).await?;
        let accumulates = self.options.accumulate > 1;
        for list in [List::Step, List::Micro, List::Flush, List::Eval] {
            if list != List::Micro || accumulates {
                self.program.compile(list, data.id()).await?;
            }
        }
        Ok(())
    }

    /// Frees the device's copy of a dataset, which a later run would make anew.
    pub fn forget(&mut self, data: &Dataset) {
        self.program.forget(data.id());
    }

    fn state(&self, replica: usize, steps: usize, data: &Dataset) -> State {
        State {
            steps: steps as u32,
            running: 1,
            rng_step: self.counters[replica].steps.wrapping_mul(self.options.accumulate as u32),
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
        self.run_watching(data, run, None, control).await
    }

    /// As [`run`](Self::run), and on the way the loss over data that is held out: before every so many steps, at the weights
    /// of that moment, with the bits of [`evaluate`](Self::evaluate), without a host wait. The run itself gives the bits that
    /// it gives without.
    ///
    /// # Errors
    /// As [`run`](Self::run), held-out data that does not fit the model, or evaluations before every 0 steps or of more rows
    /// than a run can order.
    pub async fn run_held_out(
        &mut self,
        data: &Dataset,
        run: &Run<'_>,
        held_out: HeldOut<'_>,
        control: Control<'_>,
    ) -> Result<Outcome> {
        self.run_watching(data, run, Some(held_out), control).await
    }

    pub(crate) async fn run_watching(
        &mut self,
        data: &Dataset,
        run: &Run<'_>,
        held_out: Option<HeldOut<'_>>,
        control: Control<'_>,
    ) -> Result<Outcome> {
        let steps = self.check_run(data, run)?;
        self.prepare(List::Step, data, run, steps, None).await?;
        let between = match held_out {
            None => Between::Nothing,
            Some(held_out) => self.prepare_inside(held_out, steps).await?,
        };
        let finished = self.drive(List::Step, data, steps, between, control).await?;
        self.count(&finished.states, run.schedules);
        let mut outcome = self.outcome(&finished, steps, self.program.plan.launches())?;
        if let Between::Evaluate { period, batches, .. } = between {
            let each = finished.evaluations.chunks(batches * steps.div_ceil(period));
            for (history, records) in outcome.histories.iter_mut().zip(each) {
                history.held_out = evaluations(records, batches, period, history.steps.len());
            }
        }
        Ok(outcome)
    }

    /// Writes the order and the states of the evaluations inside a run, and makes their launches. Each goes through the same
    /// batches; a replica's state counts the batches of all of them.
    async fn prepare_inside(&mut self, held_out: HeldOut<'_>, steps: usize) -> Result<Between<'static>> {
        let HeldOut { data, every } = held_out;
        let times = self.check_held_out(held_out, steps)?;
        let order = sequential_order(data.len(), self.options.batch);
        let batches = order.len() / self.options.batch;
        let all = times * batches;
        let state = |r| State { schedule_base: (r * all) as u32, ..self.state(r, all, data) };
        let states: Vec<State> = (0..self.options.replicas).map(state).collect();
        self.program.prepare_inside(data, &order.repeat(times), &states).await?;
        Ok(Between::Evaluate { period: every, batches, data: data.id() })
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
        let between = Between::Restore { period, snapshot };
        let finished = self.drive(List::Step, data, steps, between, control).await;
        self.program.restore(snapshot);
        self.outcome(&finished?, steps, self.program.plan.launches())
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
        let finished = self.drive(List::Forward, data, steps, Between::Nothing, control).await?;
        let mut outcome =
            self.outcome(&finished, steps, self.options.accumulate * (self.program.plan.forward + 1))?;
        let measured = outcome.histories.iter_mut().flat_map(|h| &mut h.steps);
        measured.for_each(|m| m.grad_norm = None);
        outcome.histories.iter_mut().for_each(|h| h.layers.clear());
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
        let tensors = self.program.plan.layers;
        let histories = (0..self.options.replicas).map(|r| history(finished, r, steps, tensors)).collect();
        let cost = Cost {
            dispatches_per_step,
            submits: finished.submits,
            waits: finished.waits,
            paced: finished.paced,
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
        let rows = steps * self.options.effective_batch();
        let shared = run.order.len() == rows;
        let mut schedule = Vec::with_capacity(replicas * steps);
        let mut states = Vec::with_capacity(replicas);
        for replica in 0..replicas {
            let rates = &run.schedules[replica.min(run.schedules.len() - 1)];
            let past = self.counters[replica].past;
            schedule.extend(rates.rows(&self.optimizer, past, run.beta, period));
            states.push(State {
                schedule_base: (replica * steps) as u32,
                order_base: if shared { 0 } else { (replica * rows) as u32 },
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
        between: Between<'_>,
        control: Control<'_>,
    ) -> Result<Finished> {
        let mut progress = control.progress;
        let told = progress.is_some();
        let mut tell = |states: &[State], records: &[Record]| {
            if let (Some(progress), Some(s)) = (&mut progress, states.first()) {
                let (step, loss, lr) = (s.step as usize, f64::from(s.last), f64::from(s.lr));
                let rows = records.len() / states.len(); // none, if no step ended
                let new = (0..states.len()).map(|r| measured(&records[r * rows..][..rows])).collect();
                progress(Progress { step, steps, loss, lr, new });
            }
        };
        let cancelled = || control.cancel.is_some_and(|c| c.load(Ordering::Relaxed));
        let pace = Pace { progress: told.then_some(&mut tell), cancelled: &cancelled };
        self.program.run(list, data.id(), steps, between, pace).await
    }

    /// Moves the host's counters on by what the device did.
    fn count(&mut self, states: &[State], schedules: &[Schedule]) {
        for (replica, state) in states.iter().enumerate() {
            let rates = &schedules[replica.min(schedules.len() - 1)];
            let counters = &mut self.counters[replica];
            counters.steps = counters.steps.wrapping_add(state.step);
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
        let finished = self.infer(data, &order, Between::Nothing).await?;
        let batches = order.len() / self.options.batch;
        Ok(finished.history.chunks(batches).take(self.options.replicas).map(evaluation).collect())
    }

    /// The model's outputs for every sample, (samples, outputs) row-major, of one replica, with running statistics and
    /// without dropout: logits for a classifier. They are read back 16 MiB at a time, or a batch where that is more.
    ///
    /// # Errors
    /// The dataset does not fit the model, no such replica, or the device failed.
    pub async fn predict(&mut self, data: &Dataset, replica: usize) -> Result<Vec<f32>> {
        self.check_data(data)?;
        self.check_replica(replica)?;
        let plan = self.program.plan.clone();
        let batch = plan.batch;
        let offset = plan.output_view.offset + replica * plan.output_stride;
        let view = View { offset, len: batch * plan.outputs, ..plan.output_view };
        // A batch leaves its outputs, and a record and a row of a schedule for each replica.
        let bytes = (4 * view.len).max(plan.replicas * size_of::<Record>());
        let batches = (COLLECTED / bytes).max(1);
        let mut outputs = Vec::with_capacity(data.len() * plan.outputs);
        for rows in sequential_order(data.len(), batch).chunks(batches * batch) {
            let steps = rows.len() / batch;
            let into = self.program.collector(&view, steps).await?;
            self.infer(data, rows, Between::Collect { view, into: &into }).await?;
            outputs.extend_from_slice(&self.program.collected(&into).await?[..steps * view.len]);
        }
        outputs.truncate(data.len() * plan.outputs);
        Ok(outputs)
    }

    /// Runs the evaluation's launches over rows of a dataset, batch by batch, whatever their losses.
    async fn infer(&mut self, data: &Dataset, rows: &[u32], between: Between<'_>) -> Result<Finished> {
        let steps = rows.len() / self.options.batch;
        let replicas = self.options.replicas;
        let schedule = vec![Default::default(); replicas * steps];
        let state =
            |r| State { schedule_base: (r * steps) as u32, stop_rule: NEVER, ..self.state(r, steps, data) };
        let states: Vec<State> = (0..replicas).map(state).collect();
        self.program.prepare(List::Eval, data, rows, &schedule, &states).await?;
        self.drive(List::Eval, data, steps, between, Control::default()).await
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
}
