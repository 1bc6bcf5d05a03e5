//! From a model, a loss and an optimizer to a [`Plan`]: fusion, forward, a reverse walk, and the step's end.

mod fuse;

use crate::error::{Error, Result};
use crate::graph::{Graph, Multipliers};
use crate::layout::{ALIGN, Arena, MAX_REPLICAS, MIRROR_ROW, Role, Slot, padded};
use crate::ops::{
    Backward, End, Forward, Grad, Layer, Loss, LossTensors, Norm, Op, Update, accumulate, dims_text, gather,
    grad_norm, layer_norms, residual_gradient, tick, updates,
};
use crate::optim::Optimizer;
use crate::plan::{Dispatch, Emit, Operand, ParamSlot, Plan, Profile, TensorId, Tuning, Value, place};
use fuse::Fusion;

/// Most rows of a step: their number is still exact in f32.
const MOST_ROWS: usize = 1 << 24;

/// What a session is compiled for, beside the model, the loss and the optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Rows of a batch: of each micro-batch, where a step accumulates several.
    pub batch: usize,
    /// Micro-batches whose gradients make up one step; default 1. See [`accumulate`](Self::accumulate).
    pub accumulate: usize,
    /// Copies of the model trained side by side; default 1, at most 128.
    pub replicas: usize,
    /// Seed of the weights, of dropout, and of the batch order where none is given; default 0.
    pub seed: u64,
    /// Clip the gradient to this global norm (Pascanu et al., arXiv:1211.5063); default never.
    pub clip: Option<f64>,
    /// Measure the norms of each parameter's gradient, update and weights at every step, in
    /// [`History::layers`](crate::History::layers); default no. Two launches more.
    pub layers: bool,
    /// Keep each step's gradient in memory, for [`Session::gradients`](crate::Session::gradients); default no. Without, some
    /// kernels make a parameter's update where they make its gradient.
    pub gradients: bool,
    /// Which kernels to use for which shapes; default the session's device's ([`Profile::Portable`]'s without one).
    pub tuning: Option<Tuning>,
}

impl Options {
    /// Batches of `batch` rows; everything else by default.
    pub fn batch(batch: usize) -> Self {
        Self {
            batch,
            accumulate: 1,
            replicas: 1,
            seed: 0,
            clip: None,
            layers: false,
            gradients: false,
            tuning: None,
        }
    }

    /// Steps of `micro_batches` batches each: an effective batch larger than what fits into memory at once. A step's loss, its
    /// gradient, and the norm that is clipped are those of the mean over all its rows; every micro-batch is full. Batch
    /// normalisation sees each micro-batch alone, as in PyTorch, and moves its running statistics with each; dropout
    /// draws anew for each.
    pub fn accumulate(self, micro_batches: usize) -> Self {
        Self { accumulate: micro_batches, ..self }
    }

    /// Rows of a step: of all its micro-batches.
    pub fn effective_batch(&self) -> usize {
        self.batch * self.accumulate
    }

    /// `replicas` copies of the model side by side.
    pub fn replicas(self, replicas: usize) -> Self {
        Self { replicas, ..self }
    }

    /// Another seed.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Clip the gradient to a global norm.
    pub fn clip(self, norm: f64) -> Self {
        Self { clip: Some(norm), ..self }
    }

    /// Measure each parameter's norms, or do not.
    pub fn layers(self, layers: bool) -> Self {
        Self { layers, ..self }
    }

    /// Keep each step's gradient to be read, or do not.
    pub fn gradients(self, gradients: bool) -> Self {
        Self { gradients, ..self }
    }

    /// A profile's kernels, whatever the device.
    pub fn profile(self, profile: Profile) -> Self {
        self.tuning(Tuning::of(profile))
    }

    /// These kernels, whatever the device.
    pub fn tuning(self, tuning: Tuning) -> Self {
        Self { tuning: Some(tuning), ..self }
    }

    /// Are these settings possible, whatever the model?
    ///
    /// # Errors
    /// The first that is not, and what it can be.
    pub fn check(&self) -> Result<()> {
        self.tuning.map_or(Ok(()), |tuning| tuning.check())?;
        if self.batch == 0 || self.batch > 1 << 20 {
            return Err(Error::argument("batch", format!("{} is not from 1 to {}", self.batch, 1 << 20)));
        }
        if self.accumulate == 0 || self.accumulate > MOST_ROWS / self.batch {
            let detail = format!(
                "{} micro-batches of {}; it must be at least 1, and a step can have {MOST_ROWS} rows",
                self.accumulate, self.batch
            );
            return Err(Error::argument("accumulate", detail));
        }
        if self.replicas == 0 || self.replicas > MAX_REPLICAS {
            return Err(Error::argument(
                "replicas",
                format!("{} is not from 1 to {MAX_REPLICAS}", self.replicas),
            ));
        }
        match self.clip {
            Some(c) if !(c > 0.0 && c.is_finite()) => {
                Err(Error::argument("clip", format!("{c} is no norm to clip to; it must be above 0")))
            }
            _ => Ok(()),
        }
    }
}

/// Compiles a plan: pure, without a device.
///
/// # Errors
/// The model has no layer or does not end in a flat output, a batch of 0, or a size past what every device takes.
pub fn compile(graph: &Graph, loss: Loss, optimizer: &Optimizer, options: &Options) -> Result<Plan> {
    options.check()?;
    let outputs = match graph.nodes.as_slice() {
        [_] => return Err(Error::shape("model", "has no layer")),
        [.., last] => match *last.shape {
            [outputs] => outputs,
            _ => {
                let detail =
                    format!("ends in {}; put flatten() and linear() at its end", dims_text(&last.shape));
                return Err(Error::shape(loss.name(), detail));
            }
        },
        [] => unreachable!("a graph starts with its input"),
    };
    if graph.params.is_empty() {
        return Err(Error::shape("model", "has no parameter to learn"));
    }
    let training = Compiler::new(graph, options, optimizer, true).step(loss, optimizer, outputs)?;
    let mut eval = Compiler::new(graph, options, optimizer, false);
    eval.cx.norm_parts = training.0.norm_parts;
    let eval = eval.eval(loss, outputs)?;
    Ok(assemble(graph, loss, optimizer, options, training, eval, outputs))
}

/// Where the parts of a step end: its forward pass and loss before `forward`, its backward pass before `backward`, what carries
/// a micro-batch into the next before `carry`. Then come the norm, if it is wanted before `tick`, the update, and the launch
/// that closes a run, at `flush`.
struct Ends {
    forward: usize,
    backward: usize,
    carry: usize,
    tick: usize,
    flush: usize,
}

/// The walk over a graph that appends to one list of launches.
struct Compiler<'a> {
    graph: &'a Graph,
    fusion: Fusion,
    cx: Emit,
    labels: Vec<String>,
    clip: bool,
    layers: bool,
    /// Are gradients kept to be read?
    gradients: bool,
    /// Of each node: its value, what its forward pass saved.
    values: Vec<Option<Value>>,
    saved: Vec<Option<TensorId>>,
}

impl<'a> Compiler<'a> {
    fn new(graph: &'a Graph, options: &Options, optimizer: &Optimizer, training: bool) -> Self {
        let groups = groups(graph).len();
        let mut params = Arena::default();
        for param in &graph.params {
            params.push(param.len());
        }
        let mut buffers = Arena::default();
        for &(len, _) in &graph.buffers {
            buffers.push(len);
        }
        let tuning = options.tuning.unwrap_or_else(|| Tuning::of(Profile::default()));
        let cx = Emit {
            batch: options.batch,
            accumulate: if training { options.accumulate } else { 1 },
            replicas: options.replicas,
            tuning,
            training,
            tensors: Vec::new(),
            calls: Vec::new(),
            grads: graph.params.iter().map(|_| None).collect(),
            grad_words: 0,
            norm_parts: 0,
            updates: Vec::new(),
            updated: vec![false; graph.params.len()],
            block_rows: params.stride / 64 + groups + if options.layers { params.slots.len() } else { 0 },
            grouped: groups > 0,
            optimizer_slots: optimizer.slots(),
            params,
            buffers,
        };
        let nodes = graph.nodes.len();
        Self {
            graph,
            fusion: Fusion::of(graph, tuning.profile),
            cx,
            labels: (0..nodes).map(|n| label(graph, n)).collect(),
            clip: options.clip.is_some(),
            layers: options.layers,
            gradients: options.gradients,
            values: vec![None; nodes],
            saved: vec![None; nodes],
        }
    }

    /// Runs `f` with what node `n`'s op may see of it.
    fn layer<T>(&mut self, n: usize, f: impl FnOnce(&mut Emit, &Layer<'_>) -> Result<T>) -> Result<T> {
        let node = &self.graph.nodes[n];
        let inputs: Vec<Value> = node.inputs.iter().filter_map(|&i| self.values[i]).collect();
        let shapes: Vec<&[usize]> = node.inputs.iter().map(|&i| &*self.graph.nodes[i].shape).collect();
        let layer = Layer {
            label: &self.labels[n],
            index: n as u32,
            inputs: &inputs,
            input_shapes: &shapes,
            shape: &node.shape,
            params: &node.params,
            buffers: &node.buffers,
            epilogue: self.fusion.epilogues[n],
            residual: self.fusion.epilogues[n].residual.and_then(|r| self.values[r]),
        };
        f(&mut self.cx, &layer)
    }

    /// Launches of the forward pass; the output's tensor.
    fn forward(&mut self) -> Result<TensorId> {
        let first = self.values.iter().take_while(|value| value.is_some()).count();
        (first..self.graph.nodes.len()).try_for_each(|n| self.forward_of(n))?;
        match self.values.last() {
            Some(Some(Value::Tensor(t))) => Ok(*t),
            _ => Err(Error::shape("model", "has no layer that computes anything")),
        }
    }

    /// The launches of one node.
    fn forward_of(&mut self, n: usize) -> Result<()> {
        let node = &self.graph.nodes[n];
        let value = match &node.op {
            _ if let Some(input) = self.fusion.aliases[n] => self.value(input),
            Op::Input if self.fusion.gathered_by_readers => Value::Data,
            Op::Input => Value::Tensor(gather(&mut self.cx, node.shape.iter().product())?),
            // Evaluated, dropout does nothing.
            Op::Dropout(_) if !self.cx.training => self.value(node.inputs[0]),
            op => {
                let op = op.clone();
                let Forward { y, saved } = self.layer(n, |cx, layer| op.forward(cx, layer))?;
                self.saved[n] = saved;
                Value::Tensor(y)
            }
        };
        self.values[n] = Some(value);
        Ok(())
    }

    /// The forward pass and the loss of a training step: where one kernel is both the last layer and the loss, the output itself is
    /// never stored.
    fn forward_to_loss(&mut self, loss: Loss, outputs: usize) -> Result<LossTensors> {
        let last = self.graph.nodes.len() - 1;
        (0..last).try_for_each(|n| self.forward_of(n))?;
        if self.fusion.aliases[last].is_none() && !matches!(self.graph.nodes[last].op, Op::Input) {
            let op = self.graph.nodes[last].op.clone();
            if let Some(tensors) = self.layer(last, |cx, layer| loss.emit_with(cx, layer, &op))? {
                self.values[last] = Some(Value::Tensor(tensors.dz)); // stands in: nobody reads the output
                return Ok(tensors);
            }
        }
        let z = self.forward()?;
        loss.emit(&mut self.cx, z, outputs)
    }

    /// The value of a node that has been made.
    fn value(&self, n: usize) -> Value {
        self.values[n].unwrap_or(Value::Data)
    }

    /// The reverse walk: each node turns the gradient of its output into those of its inputs and parameters.
    fn backward(&mut self, dz: TensorId, optimizer: &Optimizer) -> Result<()> {
        let count = self.graph.nodes.len();
        let mut grads: Vec<Option<TensorId>> = vec![None; count];
        grads[count - 1] = Some(dz);
        for n in (1..count).rev() {
            let Some(dy) = grads[n] else { continue }; // nobody reads the node
            if let Some(input) = self.fusion.aliases[n] {
                // A view, or what its maker applied and, but for a slope that its readers have applied, undoes: the gradient is its
                // input's.
                grads[input] = Some(dy);
                continue;
            }
            let adopted = self.adopt(n, dy, &mut grads);
            let dx = self.destinations(n, adopted, &mut grads);
            let op = self.graph.nodes[n].op.clone();
            let Some(Value::Tensor(y)) = self.values[n] else { unreachable!("what launches makes a tensor") };
            let saved = self.saved[n];
            let multipliers = |&p: &usize| {
                let Multipliers { rate, decay } = self.graph.params[p].multipliers;
                [rate as f32, decay as f32]
            };
            let multipliers = self.graph.nodes[n].params.iter().map(multipliers).collect();
            let update = Some(Update { optimizer, multipliers }).filter(|_| self.forgets_gradients(n));
            let update = update.as_ref();
            self.layer(n, |cx, layer| op.backward(cx, layer, &Backward { dy, y, saved, dx: &dx, update }))?;
            self.residual(n, dy, &mut grads)?;
        }
        Ok(())
    }

    /// Is the update the only reader of the gradients of node `n`'s parameters, and can it make them at the step's end? Clipping
    /// wants the norm of all gradients before it, and what a node adds to its output may take over the tensor that it needs.
    fn forgets_gradients(&self, n: usize) -> bool {
        let read = self.gradients || self.layers || self.clip || self.cx.accumulate > 1;
        !read && self.fusion.epilogues[n].residual.is_none()
    }

    /// A sum's gradient is that of each of its inputs. One of them takes the tensor over, without a launch: nobody reads it for the
    /// sum any more once the other input has its copy.
    fn adopt(&self, n: usize, dy: TensorId, grads: &mut [Option<TensorId>]) -> Option<usize> {
        let node = &self.graph.nodes[n];
        let [source, other] = match node.inputs[..] {
            [a, b] => [a, b].map(|i| self.fusion.source(i)),
            _ => return None,
        };
        if source == other {
            return None;
        }
        (0..2).find(|&i| self.take_over(node.inputs[i], dy, grads))
    }

    /// Makes the gradient of a sum that of one of the values in it, if no slope is in between and no other reader of the value has
    /// left anything.
    fn take_over(&self, value: usize, dy: TensorId, grads: &mut [Option<TensorId>]) -> bool {
        let source = self.fusion.source(value);
        let tensor = matches!(self.values[value], Some(Value::Tensor(_)));
        let free = tensor && self.fusion.epilogues[source].act.is_none() && grads[source].is_none();
        if free {
            grads[source] = Some(dy);
        }
        free
    }

    /// The value that node `n` itself adds to its output has the same gradient: it takes the tensor over, which `n` has read by
    /// now, or is given a copy.
    fn residual(&mut self, n: usize, dy: TensorId, grads: &mut [Option<TensorId>]) -> Result<()> {
        let Some(value) = self.fusion.epilogues[n].residual else { return Ok(()) };
        if self.take_over(value, dy, grads) {
            return Ok(());
        }
        let Some(grad) = self.destination(value, grads) else { return Ok(()) };
        self.layer(n, |cx, layer| residual_gradient(cx, layer, dy, &grad))
    }

    /// Where node `n` puts the gradient of each of its inputs: into a new tensor, or onto what another reader left. The input
    /// that has adopted the gradient of the node itself wants nothing more.
    fn destinations(
        &mut self,
        n: usize,
        adopted: Option<usize>,
        grads: &mut [Option<TensorId>],
    ) -> Vec<Option<Grad>> {
        let inputs = self.graph.nodes[n].inputs.iter().enumerate();
        let to = |(i, &input)| if adopted == Some(i) { None } else { self.destination(input, grads) };
        inputs.map(to).collect()
    }

    /// Where a reader of node `n` puts the gradient of its value; the dataset has none.
    fn destination(&mut self, n: usize, grads: &mut [Option<TensorId>]) -> Option<Grad> {
        let Some(Value::Tensor(value)) = self.values[n] else { return None };
        let source = self.fusion.source(n);
        let len = self.cx.tensors[value.0].len;
        let accumulate = grads[source].is_some();
        let tensor = *grads[source].get_or_insert_with(|| self.cx.tensor(len));
        Some(Grad { tensor, accumulate, act: self.fusion.epilogues[source].act })
    }

    /// A training step: the finished list, and the launch that closes a run.
    fn step(mut self, loss: Loss, optimizer: &Optimizer, outputs: usize) -> Result<(Emit, Ends)> {
        let LossTensors { dz, rows } = self.forward_to_loss(loss, outputs)?;
        let forward = self.cx.calls.len();
        self.backward(dz, optimizer)?;
        let updates = updates(&mut self.cx, optimizer)?;
        let backward = self.cx.calls.len();
        let accuracy = loss == Loss::CrossEntropy;
        if self.cx.accumulate > 1 {
            accumulate(&mut self.cx)?;
            tick(&mut self.cx, rows, accuracy, Norm::Never, End::MicroBatch)?;
        }
        let carry = self.cx.calls.len();
        let norm = if self.clip { Norm::Now } else { Norm::Late };
        if self.clip {
            grad_norm(&mut self.cx, optimizer)?;
        }
        let end = self.cx.calls.len();
        tick(&mut self.cx, rows, accuracy, norm, End::Step)?;
        if self.layers {
            layer_norms(&mut self.cx, optimizer)?;
        }
        self.cx.calls.extend(updates);
        let ends = Ends { forward, backward, carry, tick: end, flush: self.cx.calls.len() };
        tick(&mut self.cx, rows, accuracy, norm, End::Run)?;
        Ok((self.cx, ends))
    }

    /// One batch of an evaluation.
    fn eval(mut self, loss: Loss, outputs: usize) -> Result<(Emit, TensorId)> {
        let z = self.forward()?;
        let LossTensors { rows, .. } = loss.emit(&mut self.cx, z, outputs)?;
        tick(&mut self.cx, rows, loss == Loss::CrossEntropy, Norm::Never, End::Step)?;
        Ok((self.cx, z))
    }
}

/// "conv2d 1: 1x8x8 -> 16x8x8".
fn label(graph: &Graph, n: usize) -> String {
    let node = &graph.nodes[n];
    let input = node.inputs.first().map(|&i| dims_text(&graph.nodes[i].shape)).unwrap_or_default();
    format!("{} {n}: {input} -> {}", node.op.name(), dims_text(&node.shape))
}

/// The parameter groups beside that of multiplier 1, in the order in which they come up.
fn groups(graph: &Graph) -> Vec<Multipliers> {
    let mut groups = Vec::new();
    for param in &graph.params {
        if param.multipliers != Multipliers::ONE && !groups.contains(&param.multipliers) {
            groups.push(param.multipliers);
        }
    }
    groups
}

/// For each 64-word block of the parameters: where its gradient is, in vec4s, and which row holds its group's multipliers; then
/// those rows (see `shaders/update.wgsl`). Where layers are measured, last each tensor's first block, and how many it has.
fn blocks(cx: &Emit, graph: &Graph, layers: bool) -> Vec<[u32; 4]> {
    let groups = groups(graph);
    let first = cx.params.stride / 64;
    let mut blocks = vec![[0; 4]; first];
    for ((slot, grad), param) in cx.params.slots.iter().zip(&cx.grads).zip(&graph.params) {
        let place = groups.iter().position(|group| *group == param.multipliers);
        let group = place.map_or(0, |place| first + place) as u32;
        let rows = &mut blocks[slot.offset / 64..][..padded(slot.len) / 64];
        for (b, row) in rows.iter_mut().enumerate() {
            *row = match grad {
                Some(grad) => {
                    [(grad.offset / 4 + 16 * b) as u32, (grad.len / 4) as u32, grad.slices as u32, group]
                }
                // Never reached by the loss: no slices, a gradient of zero.
                None => [0, 0, 0, group],
            };
        }
    }
    let row = |group: &Multipliers| [(group.rate as f32).to_bits(), (group.decay as f32).to_bits(), 0, 0];
    blocks.extend(groups.iter().map(row));
    let span = |slot: &Slot| [(slot.offset / 64) as u32, (padded(slot.len) / 64) as u32, 0, 0];
    blocks.extend(cx.params.slots.iter().filter(|_| layers).map(span));
    blocks
}

fn assemble(
    graph: &Graph,
    loss: Loss,
    optimizer: &Optimizer,
    options: &Options,
    (training, ends): (Emit, Ends),
    (eval, z): (Emit, TensorId),
    outputs: usize,
) -> Plan {
    let replicas = options.replicas;
    let align = if training.profile() == Profile::Mirrored { MIRROR_ROW } else { ALIGN };
    let (places, colours) = place(&training.calls, &training.tensors, replicas, align);
    let (eval_places, eval_colours) = place(&eval.calls, &eval.tensors, replicas, align);
    let mut list = training.dispatches(&places);
    let flush = list.split_off(ends.flush).remove(0);
    let carry: Vec<Dispatch> = list.drain(ends.backward..ends.carry).collect();

    let arena = replicas * training.params.stride;
    let mut sizes = vec![
        (Role::Params, arena),
        (Role::Moments, optimizer.slots() * arena),
        (Role::Buffers, replicas * training.buffers.stride),
        (Role::Grads, training.grad_words),
        (Role::Norms, padded(replicas * training.norm_parts)),
        (Role::Blocks, 4 * training.block_rows),
    ];
    for colour in 0..colours.len().max(eval_colours.len()) {
        let most = |sizes: &[usize]| sizes.get(colour).copied().unwrap_or(0);
        sizes.push((Role::Acts(colour), most(&colours).max(most(&eval_colours))));
    }

    let slot = |name: String, shape: Vec<usize>, slot: usize| ParamSlot { name, shape, slot };
    let name = |p: usize| slot(graph.param_name(p), graph.params[p].spec.shape.clone(), p);
    let statistics = |(i, &(len, node)): (usize, &(usize, usize))| {
        slot(format!("{}{node}.running", graph.nodes[node].op.name()), vec![len / 2, 2], i)
    };
    sizes.iter_mut().for_each(|size| size.1 = size.1.next_multiple_of(align));
    let copies = if replicas > 1 { format!(", {replicas} replicas") } else { String::new() };
    let times = if options.accumulate > 1 { format!(" x {}", options.accumulate) } else { String::new() };
    Plan {
        step: list,
        forward: ends.forward,
        backward: ends.backward,
        accumulate: options.accumulate,
        tick: ends.tick - carry.len(),
        carry,
        flush,
        eval: eval.dispatches(&eval_places),
        batch: options.batch,
        replicas,
        profile: training.profile(),
        params: (0..graph.params.len()).map(name).collect(),
        buffers: graph.buffers.iter().enumerate().map(statistics).collect(),
        blocks: blocks(&training, graph, options.layers),
        layers: if options.layers { graph.params.len() } else { 0 },
        optimizer_slots: optimizer.slots(),
        param_arena: training.params,
        buffer_arena: training.buffers,
        sizes,
        features: graph.nodes[0].shape.iter().product(),
        outputs,
        output_view: eval.view(Operand::Tensor(z), &eval_places),
        output_stride: eval.stride(Value::Tensor(z)) as usize,
        grads: training.grads,
        summary: format!(
            "{} -> {outputs}, {}, {optimizer}, batch {}{times}{copies}",
            dims_text(&graph.nodes[0].shape),
            loss.name(),
            options.batch
        ),
    }
}
