//! From a model, a loss and an optimizer to a [`Plan`]: fusion, forward, a reverse walk, and the step's end.

mod fuse;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::layout::{ALIGN, Arena, MAX_REPLICAS, MIRROR_ROW, Role, padded};
use crate::ops::{
    Backward, Forward, Grad, Layer, Loss, LossTensors, Norm, Op, dims_text, gather, grad_norm, norm_groups,
    tick, update,
};
use crate::optim::Optimizer;
use crate::plan::{Emit, Operand, ParamSlot, Plan, Profile, TensorId, Value, place};
use fuse::Fusion;

/// What a session is compiled for, beside the model, the loss and the optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Rows of a batch.
    pub batch: usize,
    /// Copies of the model trained side by side; default 1, at most 128.
    pub replicas: usize,
    /// Seed of the weights, of dropout, and of the batch order where none is given; default 0.
    pub seed: u64,
    /// Clip the gradient to this global norm (Pascanu et al., arXiv:1211.5063); default never.
    pub clip: Option<f64>,
    /// Which kernels to use; default the best for the session's device ([`Profile::Portable`] without one).
    pub profile: Option<Profile>,
}

impl Options {
    /// Batches of `batch` rows; everything else by default.
    pub fn batch(batch: usize) -> Self {
        Self { batch, replicas: 1, seed: 0, clip: None, profile: None }
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

    /// These kernels, whatever the device.
    pub fn profile(self, profile: Profile) -> Self {
        Self { profile: Some(profile), ..self }
    }

    fn check(&self) -> Result<()> {
        if self.batch == 0 || self.batch > 1 << 20 {
            return Err(Error::argument("batch", format!("{} is not from 1 to {}", self.batch, 1 << 20)));
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
    let eval = Compiler::new(graph, options, optimizer, false).eval(loss, outputs)?;
    Ok(assemble(graph, loss, optimizer, options, training, eval, outputs))
}

/// Where the parts of a step end: its forward pass and loss before `forward`, its backward pass before `tick`. The update
/// follows, and the launch that closes a run.
struct Ends {
    forward: usize,
    tick: usize,
}

/// The walk over a graph that appends to one list of launches.
struct Compiler<'a> {
    graph: &'a Graph,
    fusion: Fusion,
    cx: Emit,
    labels: Vec<String>,
    clip: bool,
    /// Of each node: its value, what its forward pass saved.
    values: Vec<Option<Value>>,
    saved: Vec<Option<TensorId>>,
}

impl<'a> Compiler<'a> {
    fn new(graph: &'a Graph, options: &Options, optimizer: &Optimizer, training: bool) -> Self {
        let mut params = Arena::default();
        for param in &graph.params {
            params.push(param.len());
        }
        let mut buffers = Arena::default();
        for &(len, _) in &graph.buffers {
            buffers.push(len);
        }
        let cx = Emit {
            batch: options.batch,
            replicas: options.replicas,
            profile: options.profile.unwrap_or_default(),
            training,
            tensors: Vec::new(),
            calls: Vec::new(),
            grads: graph.params.iter().map(|_| None).collect(),
            grad_words: 0,
            norm_groups: norm_groups(params.stride, options.profile.unwrap_or_default()),
            optimizer_slots: optimizer.slots(),
            params,
            buffers,
        };
        let nodes = graph.nodes.len();
        Self {
            graph,
            fusion: Fusion::of(graph, options.profile.unwrap_or_default()),
            cx,
            labels: (0..nodes).map(|n| label(graph, n)).collect(),
            clip: options.clip.is_some(),
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
            act: self.fusion.act[n],
            pool: self.fusion.pool[n],
        };
        f(&mut self.cx, &layer)
    }

    /// Launches of the forward pass; the output's tensor.
    fn forward(&mut self) -> Result<TensorId> {
        for n in 0..self.graph.nodes.len() {
            let node = &self.graph.nodes[n];
            let value = match &node.op {
                Op::Input if self.fusion.gathered_by_readers => Value::Data,
                Op::Input => Value::Tensor(gather(&mut self.cx, node.shape.iter().product())?),
                _ if self.fusion.is_alias[n] => self.input_value(n),
                // Evaluated, dropout does nothing.
                Op::Dropout(_) if !self.cx.training => self.input_value(n),
                op => {
                    let op = op.clone();
                    let Forward { y, saved } = self.layer(n, |cx, layer| op.forward(cx, layer))?;
                    self.saved[n] = saved;
                    Value::Tensor(y)
                }
            };
            self.values[n] = Some(value);
        }
        match self.values.last() {
            Some(Some(Value::Tensor(t))) => Ok(*t),
            _ => Err(Error::shape("model", "has no layer that computes anything")),
        }
    }

    /// The value of a node's only input, which was made before it.
    fn input_value(&self, n: usize) -> Value {
        self.values[self.graph.nodes[n].inputs[0]].unwrap_or(Value::Data)
    }

    /// The reverse walk: each node turns the gradient of its output into those of its inputs and parameters.
    fn backward(&mut self, dz: TensorId) -> Result<()> {
        let count = self.graph.nodes.len();
        let mut grads: Vec<Option<TensorId>> = vec![None; count];
        grads[count - 1] = Some(dz);
        for n in (1..count).rev() {
            let Some(dy) = grads[n] else { continue }; // nobody reads the node
            if self.fusion.is_alias[n] {
                // A view, an activation whose slope was applied by its readers, or a pool that its maker undoes: the gradient is its
                // input's.
                grads[self.graph.nodes[n].inputs[0]] = Some(dy);
                continue;
            }
            let adopted = self.adopt(n, dy, &mut grads);
            let dx = self.destinations(n, adopted, &mut grads);
            let op = self.graph.nodes[n].op.clone();
            let saved = self.saved[n];
            self.layer(n, |cx, layer| op.backward(cx, layer, &Backward { dy, saved, dx: &dx }))?;
        }
        Ok(())
    }

    /// A sum's gradient is that of each of its inputs. One of them takes the tensor over, without a launch, if no slope is in
    /// between and no other reader has left anything: nobody reads it for the sum any more once the other input has its copy.
    fn adopt(&self, n: usize, dy: TensorId, grads: &mut [Option<TensorId>]) -> Option<usize> {
        let node = &self.graph.nodes[n];
        let source = |i: usize| self.fusion.source(self.graph, node.inputs[i]);
        if node.op != Op::Add || source(0) == source(1) {
            return None;
        }
        let free = |&i: &usize| {
            let tensor = matches!(self.values[node.inputs[i]], Some(Value::Tensor(_)));
            tensor && self.fusion.act[source(i)].is_none() && grads[source(i)].is_none()
        };
        let input = (0..2).find(free)?;
        grads[source(input)] = Some(dy);
        Some(input)
    }

    /// Where node `n` puts the gradient of each of its inputs: into a new tensor, or onto what another reader left. The input
    /// that has adopted the gradient of the node itself wants nothing more.
    fn destinations(
        &mut self,
        n: usize,
        adopted: Option<usize>,
        grads: &mut [Option<TensorId>],
    ) -> Vec<Option<Grad>> {
        let graph = self.graph;
        let mut to = Vec::new();
        for (i, &input) in graph.nodes[n].inputs.iter().enumerate() {
            let Some(Value::Tensor(value)) = self.values[input].filter(|_| adopted != Some(i)) else {
                to.push(None); // the dataset has no gradient
                continue;
            };
            let source = self.fusion.source(graph, input);
            let len = self.cx.tensors[value.0].len;
            let accumulate = grads[source].is_some();
            let tensor = *grads[source].get_or_insert_with(|| self.cx.tensor(len));
            to.push(Some(Grad { tensor, accumulate, act: self.fusion.act[source] }));
        }
        to
    }

    /// A training step: the finished list, and the launch that closes a run.
    fn step(mut self, loss: Loss, optimizer: &Optimizer, outputs: usize) -> Result<(Emit, Ends)> {
        let z = self.forward()?;
        let LossTensors { dz, rows } = loss.emit(&mut self.cx, z, outputs)?;
        let forward = self.cx.calls.len();
        self.backward(dz)?;
        let accuracy = loss == Loss::CrossEntropy;
        let norm = if self.clip { Norm::Now } else { Norm::Late };
        if self.clip {
            grad_norm(&mut self.cx, optimizer)?;
        }
        let ends = Ends { forward, tick: self.cx.calls.len() };
        tick(&mut self.cx, rows, accuracy, norm, false)?;
        update(&mut self.cx, optimizer)?;
        tick(&mut self.cx, rows, accuracy, norm, true)?;
        Ok((self.cx, ends))
    }

    /// One batch of an evaluation.
    fn eval(mut self, loss: Loss, outputs: usize) -> Result<(Emit, TensorId)> {
        let z = self.forward()?;
        let LossTensors { rows, .. } = loss.emit(&mut self.cx, z, outputs)?;
        tick(&mut self.cx, rows, loss == Loss::CrossEntropy, Norm::Never, false)?;
        Ok((self.cx, z))
    }
}

/// "conv2d 1: 1x8x8 -> 16x8x8".
fn label(graph: &Graph, n: usize) -> String {
    let node = &graph.nodes[n];
    let input = node.inputs.first().map(|&i| dims_text(&graph.nodes[i].shape)).unwrap_or_default();
    format!("{} {n}: {input} -> {}", node.op.name(), dims_text(&node.shape))
}

/// For each 64-word block of the parameters: where its gradient is, in vec4s (see `shaders/update.wgsl`).
fn blocks(cx: &Emit) -> Vec<[u32; 4]> {
    let mut blocks = vec![[0; 4]; cx.params.stride / 64];
    for (slot, grad) in cx.params.slots.iter().zip(&cx.grads) {
        let Some(grad) = grad else { continue }; // never reached by the loss: no slices, a gradient of zero
        for b in 0..grad.len / 64 {
            blocks[slot.offset / 64 + b] =
                [(grad.offset / 4 + 16 * b) as u32, (grad.len / 4) as u32, grad.slices as u32, 0];
        }
    }
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
    let align = if training.profile == Profile::Mirrored { MIRROR_ROW } else { ALIGN };
    let (places, colours) = place(&training.calls, &training.tensors, replicas, align);
    let (eval_places, eval_colours) = place(&eval.calls, &eval.tensors, replicas, align);
    let mut list = training.dispatches(&places);
    let flush = list.split_off(ends.tick + 2).remove(0);

    let arena = replicas * training.params.stride;
    let mut sizes = vec![
        (Role::Params, arena),
        (Role::Moments, optimizer.slots() * arena),
        (Role::Buffers, replicas * training.buffers.stride),
        (Role::Grads, training.grad_words),
        (Role::Norms, replicas * padded(training.norm_groups)),
        (Role::Blocks, training.params.stride / 64 * 4),
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
    Plan {
        step: list,
        forward: ends.forward,
        tick: ends.tick,
        flush,
        eval: eval.dispatches(&eval_places),
        batch: options.batch,
        replicas,
        profile: training.profile,
        params: (0..graph.params.len()).map(name).collect(),
        buffers: graph.buffers.iter().enumerate().map(statistics).collect(),
        blocks: blocks(&training),
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
            "{} -> {outputs}, {}, {optimizer}, batch {}{copies}",
            dims_text(&graph.nodes[0].shape),
            loss.name(),
            options.batch
        ),
    }
}
