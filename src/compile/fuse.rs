//! Which layers need no launch of their own.

use crate::graph::Graph;
use crate::ops::{Activation, Op};
use crate::plan::Profile;

pub(super) struct Fusion {
    /// The activation that each node's own kernel applies to its output.
    pub act: Vec<Option<Activation>>,
    /// The max-pool that each node's own kernel applies behind that.
    pub pool: Vec<bool>,
    /// Nodes that launch nothing: views, and activations and pools applied by the node before them.
    pub is_alias: Vec<bool>,
    /// Every reader of the input gathers the batch while it loads: no copy of the batch is needed.
    pub gathered_by_readers: bool,
}

impl Fusion {
    pub fn of(graph: &Graph, profile: Profile) -> Self {
        let consumers = graph.consumers();
        let nodes = graph.nodes.len();
        let mut fusion = Self {
            act: vec![None; nodes],
            pool: vec![false; nodes],
            is_alias: vec![false; nodes],
            gathered_by_readers: false,
        };
        for (n, node) in graph.nodes.iter().enumerate() {
            match node.op {
                Op::Flatten | Op::Reshape(_) => fusion.is_alias[n] = true,
                Op::Activation(act) if fuses(graph, &consumers, n, n, act) => {
                    fusion.is_alias[n] = true;
                    fusion.act[node.inputs[0]] = Some(act);
                }
                Op::MaxPool(_) => fusion.pool(graph, &consumers, n, profile),
                _ => {}
            }
        }
        fusion.gathered_by_readers =
            readers(graph, &consumers, 0).iter().all(|&r| graph.nodes[r].op.gathers());
        fusion
    }

    /// Has the layer before max-pool `n` apply it, if it can: directly or behind an activation, whose slope the pool's
    /// readers then apply to the pooled value. Nothing else may read what is between.
    fn pool(&mut self, graph: &Graph, consumers: &[Vec<usize>], n: usize, profile: Profile) {
        let before = graph.nodes[n].inputs[0];
        let (maker, act) = match graph.nodes[before].op {
            Op::Activation(act) => (graph.nodes[before].inputs[0], Some((before, act))),
            _ => (before, None),
        };
        let Some(&input) = graph.nodes[maker].inputs.first() else { return };
        let [input, shape] = [input, maker].map(|i| &*graph.nodes[i].shape);
        let able = graph.nodes[maker].op.fuses_pool(&graph.nodes[n].op, profile, input, shape);
        let alone = consumers[before].len() == 1;
        if able && alone && act.is_none_or(|(a, act)| fuses(graph, consumers, a, n, act)) {
            self.pool[maker] = true;
            self.is_alias[n] = true;
        }
    }

    /// The node whose kernel makes the value of node `n`: `n` itself, or what it is an alias of.
    pub fn source(&self, graph: &Graph, n: usize) -> usize {
        if self.is_alias[n] { self.source(graph, graph.nodes[n].inputs[0]) } else { n }
    }
}

/// Can activation `n`, whose value is read as that of node `last`, be applied by the node before it? That node's kernel must be
/// able to, nothing else may read its bare value, and every reader must apply the slope in its own backward kernel.
fn fuses(graph: &Graph, consumers: &[Vec<usize>], n: usize, last: usize, act: Activation) -> bool {
    let input = graph.nodes[n].inputs[0];
    let read = readers(graph, consumers, last);
    act.fusable()
        && graph.nodes[input].op.fuses_activation()
        && consumers[input].len() == 1
        && !read.is_empty()
        && read.iter().all(|&r| graph.nodes[r].op.applies_slope())
        && !reaches_end(graph, consumers, last)
}

/// The nodes that read the value of node `n`, also through views.
fn readers(graph: &Graph, consumers: &[Vec<usize>], n: usize) -> Vec<usize> {
    consumers[n]
        .iter()
        .flat_map(|&c| match graph.nodes[c].op {
            Op::Flatten | Op::Reshape(_) => readers(graph, consumers, c),
            _ => vec![c],
        })
        .collect()
}

/// Is the value of node `n`, perhaps through views, the model's output? Then the loss reads it, which knows no slope.
fn reaches_end(graph: &Graph, consumers: &[Vec<usize>], n: usize) -> bool {
    n + 1 == graph.nodes.len()
        || consumers[n].iter().any(|&c| graph.nodes[c].op.is_view() && reaches_end(graph, consumers, c))
}
