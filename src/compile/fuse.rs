//! Which layers need no launch of their own.

use crate::graph::Graph;
use crate::ops::{Activation, Epilogue, Op};
use crate::plan::Profile;

pub(super) struct Fusion {
    /// What each node's own kernel does to its output beside.
    pub epilogues: Vec<Epilogue>,
    /// Of the nodes that launch nothing, the input whose tensor is theirs too: of views, and of what the node before applies.
    pub aliases: Vec<Option<usize>>,
    /// Every reader of the input gathers the batch while it loads: no copy of the batch is needed.
    pub gathered_by_readers: bool,
}

impl Fusion {
    pub fn of(graph: &Graph, profile: Profile) -> Self {
        let consumers = graph.consumers();
        let nodes = graph.nodes.len();
        let gathers = |&r: &usize| graph.nodes[r].op.gathers();
        let mut fusion = Self {
            epilogues: vec![Epilogue::default(); nodes],
            aliases: vec![None; nodes],
            gathered_by_readers: readers(graph, &consumers, 0).iter().all(gathers),
        };
        for (n, node) in graph.nodes.iter().enumerate() {
            match node.op {
                Op::Flatten | Op::Reshape(_) => fusion.aliases[n] = Some(node.inputs[0]),
                Op::Activation(act) => fusion.activation(graph, &consumers, n, act),
                Op::MaxPool(_) => fusion.pool(graph, &consumers, n, profile),
                Op::Add => fusion.residual(graph, &consumers, n),
                _ => {}
            }
        }
        fusion
    }

    /// Has the layer before activation `n` apply it, if it can.
    fn activation(&mut self, graph: &Graph, consumers: &[Vec<usize>], n: usize, act: Activation) {
        let before = graph.nodes[n].inputs[0];
        if graph.nodes[before].op.owns_slope() && consumers[before].len() == 1 {
            self.epilogues[before].own = Some(act);
        } else if fuses(graph, consumers, n, n, act) {
            // Of a sum that another layer adds up it is that one's.
            let maker = self.source(before);
            self.epilogues[maker].act = Some(act);
        } else {
            return;
        }
        self.aliases[n] = Some(before);
    }

    /// Has the layer before max-pool `n` apply it, if it can: directly or behind an activation. Nothing else may read what is
    /// between, and its pool must come before any slope that is the readers' to apply, which they then take at the pooled value.
    fn pool(&mut self, graph: &Graph, consumers: &[Vec<usize>], n: usize, profile: Profile) {
        let before = graph.nodes[n].inputs[0];
        let (maker, act) = match graph.nodes[before].op {
            Op::Activation(act) => (graph.nodes[before].inputs[0], Some((before, act))),
            _ => (before, None),
        };
        let Some(&input) = graph.nodes[maker].inputs.first() else { return };
        let [input, shape] = [input, maker].map(|i| &*graph.nodes[i].shape);
        let op = &graph.nodes[maker].op;
        let able = op.fuses_pool(&graph.nodes[n].op, profile, input, shape);
        let alone = consumers[before].len() == 1;
        // What grows with its input has its largest value where that is largest.
        let passes = act.is_none_or(|(a, act)| match op.owns_slope() {
            true => self.aliases[a].is_some() && act.fusable(),
            false => fuses(graph, consumers, a, n, act),
        });
        if able && alone && passes {
            self.epilogues[maker].pool = true;
            self.aliases[n] = Some(before);
        }
    }

    /// Has the layer right before sum `n` add the other value, if it can: to its bare output, or behind an activation whose slope
    /// it applies by itself. Nothing else may read what is between, and nothing but views and that activation may stand there: so
    /// the other value has been made before that layer is launched.
    fn residual(&mut self, graph: &Graph, consumers: &[Vec<usize>], n: usize) {
        let [a, b] = graph.nodes[n].inputs[..] else { return };
        for (before, other) in [(a, b), (b, a)] {
            let maker = self.source(before);
            let free = Epilogue { own: self.epilogues[maker].own, ..Epilogue::default() };
            let able = graph.nodes[maker].op.fuses_residual() && self.epilogues[maker] == free;
            let alone = (maker..n).all(|i| self.source(i) == maker && consumers[i].len() == 1);
            if able && alone {
                self.epilogues[maker].residual = Some(other);
                self.aliases[n] = Some(before);
                return;
            }
        }
    }

    /// The node whose kernel makes the value of node `n`: `n` itself, or what it is an alias of.
    pub fn source(&self, n: usize) -> usize {
        self.aliases[n].map_or(n, |input| self.source(input))
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
