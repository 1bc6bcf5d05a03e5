//! A model as data: nodes in the order in which they were added, each checked as it is added.

use crate::error::{Error, Result};
use crate::init::Init;
use crate::ops::{Activation, Op, ParamSpec, dims_text};

/// A node of a [`Graph`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NodeId(usize);

/// One layer in its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub op: Op,
    pub inputs: Vec<usize>,
    /// Of one sample of the output.
    pub shape: Vec<usize>,
    /// Into the graph's parameters.
    pub params: Vec<usize>,
    /// Into the graph's running statistics.
    pub buffers: Vec<usize>,
}

/// A parameter, and the node that owns it.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub spec: ParamSpec,
    pub node: usize,
    pub multipliers: Multipliers,
}

/// What a parameter's learning rate and weight decay are, as multiples of the run's: its parameter group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Multipliers {
    pub rate: f64,
    pub decay: f64,
}

impl Multipliers {
    pub const ONE: Self = Self { rate: 1.0, decay: 1.0 };
}

impl Param {
    pub fn len(&self) -> usize {
        self.spec.shape.iter().product()
    }
}

/// A parameter of a [`Graph`].
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Layer and parameter: "conv2d1.weight".
    pub name: String,
    /// Shape, PyTorch's layout: (out, in, ...).
    pub shape: Vec<usize>,
    /// Its learning rate, as a multiple of the run's.
    pub rate: f64,
    /// Its weight decay, as a multiple of the run's.
    pub decay: f64,
}

/// A model: any directed graph of layers from one input to one output.
///
/// ```
/// use rangefinder::{Activation, Conv2d, Graph, Linear, Op};
///
/// let mut graph = Graph::new(&[3, 32, 32])?;
/// let x = graph.add(Op::Conv2d(Conv2d::new(16, 3).padding(1)), &[graph.input()])?;
/// let y = graph.add(Op::Conv2d(Conv2d::new(16, 3).padding(1)), &[x])?;
/// let sum = graph.add(Op::Add, &[x, y])?; // a residual connection
/// let flat = graph.add(Op::Flatten, &[sum])?;
/// graph.add(Op::Linear(Linear::new(10)), &[flat])?; // the last node is the output
/// # Ok::<(), rangefinder::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) params: Vec<Param>,
    /// Words of each set of running statistics, and the node that owns it.
    pub(crate) buffers: Vec<(usize, usize)>,
    pub(crate) init: Init,
}

impl Graph {
    /// A model of samples of `shape`: `[features]` or `[channels, height, width]`.
    ///
    /// # Errors
    /// No axis, an axis of length 0, or more elements than a 32-bit index reaches.
    pub fn new(shape: &[usize]) -> Result<Self> {
        let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        match elements {
            _ if shape.is_empty() || shape.contains(&0) => {
                Err(Error::shape("input", format!("{shape:?} has no element; every axis needs at least 1")))
            }
            Some(n) if n <= 1 << 30 => {
                let input = Node {
                    op: Op::Input,
                    inputs: Vec::new(),
                    shape: shape.to_vec(),
                    params: Vec::new(),
                    buffers: Vec::new(),
                };
                Ok(Self {
                    nodes: vec![input],
                    params: Vec::new(),
                    buffers: Vec::new(),
                    init: Init::default(),
                })
            }
            _ => Err(Error::shape("input", format!("{} is too large a sample", dims_text(shape)))),
        }
    }

    /// The node that stands for the samples.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// The node added last: the model's output.
    pub fn output(&self) -> NodeId {
        NodeId(self.nodes.len() - 1)
    }

    /// Shape of one sample of a node.
    pub fn shape(&self, node: NodeId) -> &[usize] {
        &self.nodes[node.0].shape
    }

    /// How the weights start; default [`Init::Torch`].
    pub fn set_init(&mut self, init: Init) {
        self.init = init;
    }

    /// Lets every parameter whose name holds `part` ("conv2d" or "linear7." or "bias") learn at this multiple of the run's rate;
    /// 0 freezes it. What is swept, suggested and reported stays the rate of multiplier 1.
    ///
    /// # Errors
    /// A multiplier that is negative or not finite, or a part that no name holds.
    pub fn multiply_rate(&mut self, part: &str, multiplier: f64) -> Result<()> {
        self.multiply("rate multipliers", part, multiplier, |m| &mut m.rate)
    }

    /// The same for the weight decay. A decay of 0 for "bias" and "batch_norm" is customary.
    ///
    /// # Errors
    /// As [`multiply_rate`](Self::multiply_rate).
    pub fn multiply_decay(&mut self, part: &str, multiplier: f64) -> Result<()> {
        self.multiply("decay multipliers", part, multiplier, |m| &mut m.decay)
    }

    fn multiply(
        &mut self,
        what: &str,
        part: &str,
        multiplier: f64,
        of: fn(&mut Multipliers) -> &mut f64,
    ) -> Result<()> {
        if !(multiplier >= 0.0 && multiplier.is_finite()) {
            return Err(Error::argument(what, format!("{multiplier} for `{part}`; it must be 0 or more")));
        }
        let names: Vec<String> = self.parameters().into_iter().map(|p| p.name).collect();
        if !names.iter().any(|name| name.contains(part)) {
            let detail = format!("no parameter's name holds `{part}`; there are {}", names.join(", "));
            return Err(Error::argument(what, detail));
        }
        for (name, param) in names.iter().zip(&mut self.params) {
            if name.contains(part) {
                *of(&mut param.multipliers) = multiplier;
            }
        }
        Ok(())
    }

    /// All parameters, in order.
    pub fn parameters(&self) -> Vec<Parameter> {
        let of = |(index, param): (usize, &Param)| Parameter {
            name: self.param_name(index),
            shape: param.spec.shape.clone(),
            rate: param.multipliers.rate,
            decay: param.multipliers.decay,
        };
        self.params.iter().enumerate().map(of).collect()
    }

    /// Adds a layer on `inputs`, and returns its node.
    ///
    /// # Errors
    /// The layer does not fit its inputs: the message names the layer, its number and the shapes.
    pub fn add(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        let index = self.nodes.len();
        let numbered = |error| match error {
            Error::Shape { op, detail } => Error::shape(format!("{op} (layer {index})"), detail),
            other => other,
        };
        let wanted = if op == Op::Add { 2 } else { 1 };
        if inputs.len() != wanted || inputs.iter().any(|i| i.0 >= index) || op == Op::Input {
            let detail = format!("takes {wanted} earlier node(s) as input, got {}", inputs.len());
            return Err(numbered(Error::shape(op.name(), detail)));
        }
        let shapes: Vec<&[usize]> = inputs.iter().map(|i| self.shape(*i)).collect();
        let shape = op.shape(&shapes).map_err(numbered)?;
        let specs = op.params(shapes[0]);
        let buffer = op.buffer_len(shapes[0]);

        let first = self.params.len();
        self.params.extend(specs.into_iter().map(|spec| Param {
            spec,
            node: index,
            multipliers: Multipliers::ONE,
        }));
        let params = (first..self.params.len()).collect();
        let buffers = buffer.iter().map(|_| self.buffers.len()).collect();
        self.buffers.extend(buffer.map(|len| (len, index)));
        let inputs = inputs.iter().map(|i| i.0).collect();
        self.nodes.push(Node { op, inputs, shape, params, buffers });
        Ok(NodeId(index))
    }

    /// Adds an activation behind a node.
    pub fn activation(&mut self, act: Activation, input: NodeId) -> Result<NodeId> {
        self.add(Op::Activation(act), &[input])
    }

    /// The nodes that read each node.
    pub(crate) fn consumers(&self) -> Vec<Vec<usize>> {
        let mut consumers = vec![Vec::new(); self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&input| consumers[input].push(i));
        }
        consumers
    }

    /// The activation behind a node, if one follows directly (a batch normalisation between them is looked through).
    fn behind(&self, node: usize, consumers: &[Vec<usize>]) -> Option<Activation> {
        consumers[node].iter().find_map(|&next| match &self.nodes[next].op {
            Op::Activation(act) => Some(*act),
            Op::BatchNorm(_) => self.behind(next, consumers),
            _ => None,
        })
    }

    /// Starting values of every parameter, from a seed.
    pub(crate) fn initial(&self, seed: u64) -> Vec<Vec<f32>> {
        let consumers = self.consumers();
        let value = |(index, param): (usize, &Param)| {
            let behind = self.behind(param.node, &consumers);
            self.init.fill(param.spec.fill, param.len(), behind, seed, index)
        };
        self.params.iter().enumerate().map(value).collect()
    }

    /// "conv2d1.weight": the op, its place in the graph, the parameter.
    pub(crate) fn param_name(&self, param: usize) -> String {
        let Param { spec, node, .. } = &self.params[param];
        format!("{}{}", self.layer_name(NodeId(*node)), spec.name)
    }

    /// "conv2d1.": what the names of a layer's parameters begin with.
    pub(crate) fn layer_name(&self, node: NodeId) -> String {
        format!("{}{}.", self.nodes[node.0].op.name(), node.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Conv2d, Linear};

    #[test]
    fn shapes_are_checked_as_layers_are_added() {
        let mut graph = Graph::new(&[3, 8, 8]).unwrap();
        let x = graph.add(Op::Conv2d(Conv2d::new(4, 3)), &[graph.input()]).unwrap();
        assert_eq!(graph.shape(x), [4, 6, 6]);
        let error = graph.add(Op::Add, &[x, graph.input()]).unwrap_err().to_string();
        assert_eq!(error, "add (layer 2): both inputs must have one shape; they are 4x6x6 and 3x8x8");
        let error = graph.add(Op::Linear(Linear::new(10)), &[x]).unwrap_err().to_string();
        assert_eq!(
            error,
            "linear (layer 2): needs a flat input; its input is 4x6x6: put flatten() before it"
        );
        let error = graph.add(Op::Conv2d(Conv2d::new(4, 7)), &[x]).unwrap_err().to_string();
        assert!(error.contains("7x7") && error.contains("4x6x6"), "{error}");
        assert_eq!(graph.nodes.len(), 2, "a refused layer leaves nothing behind");
    }

    #[test]
    fn multipliers_go_by_name_and_the_last_word_counts() {
        let mut graph = Graph::new(&[3, 8, 8]).unwrap();
        let x = graph.add(Op::Conv2d(Conv2d::new(4, 8)), &[graph.input()]).unwrap();
        let flat = graph.add(Op::Flatten, &[x]).unwrap();
        graph.add(Op::Linear(Linear::new(10)), &[flat]).unwrap();
        graph.multiply_rate("", 0.5).unwrap();
        graph.multiply_rate("conv2d", 0.1).unwrap();
        graph.multiply_decay("bias", 0.0).unwrap();
        let found: Vec<_> = graph.parameters().iter().map(|p| (p.rate, p.decay)).collect();
        assert_eq!(found, [(0.1, 1.0), (0.1, 0.0), (0.5, 1.0), (0.5, 0.0)]);
        let error = graph.multiply_rate("dense", 0.1).unwrap_err().to_string();
        let names = "conv2d1.weight, conv2d1.bias, linear3.weight, linear3.bias";
        assert_eq!(error, format!("rate multipliers: no parameter's name holds `dense`; there are {names}"));
        let error = graph.multiply_decay("bias", -1.0).unwrap_err().to_string();
        assert_eq!(error, "decay multipliers: -1 for `bias`; it must be 0 or more");
        assert!(graph.multiply_rate("bias", f64::NAN).is_err());
    }

    #[test]
    fn impossible_inputs_are_refused() {
        for shape in [&[][..], &[0], &[3, 0, 8], &[usize::MAX, 2], &[1 << 31]] {
            assert!(Graph::new(shape).is_err(), "{shape:?}");
        }
    }
}
