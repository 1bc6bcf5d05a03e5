//! The optimizer's step over all parameters whose gradient is in memory, which also sums its split-K slices.

use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::{dims, padded};
use crate::optim::Optimizer;
use crate::plan::{Call, Emit, Operand, Profile, flat_groups};
use std::ops::Range;

dims! {
    Dims {
        count: u32, start: u32, end: u32, replicas: u32, plane: u32, norm0: u32, beta2: f32, eps: f32, nesterov: u32,
        decoupled: u32, turns: u32,
    }
}

/// Vectors of four words that one of a workgroup's 64 invocations updates.
pub(super) fn turns(profile: Profile) -> usize {
    match profile {
        Profile::Portable | Profile::Tiled => 4,
        Profile::Broadcast | Profile::Mirrored => 8,
    }
}

/// Workgroups that share so many words of a replica's parameters.
pub(super) fn workgroups(words: usize, profile: Profile) -> usize {
    words.div_ceil(256 * turns(profile))
}

/// What of an optimizer is the same at every step, as the shaders take it.
#[derive(Default)]
pub(super) struct Rule {
    pub beta2: f32,
    pub eps: f32,
    pub nesterov: u32,
    pub decoupled: u32,
}

pub(super) fn rule(optimizer: &Optimizer) -> Rule {
    match optimizer {
        Optimizer::Sgd(sgd) => Rule { nesterov: u32::from(sgd.nesterov), ..Rule::default() },
        Optimizer::Adam(adam) => Rule {
            beta2: adam.beta2 as f32,
            eps: adam.eps as f32,
            decoupled: u32::from(adam.decoupled),
            ..Rule::default()
        },
    }
}

/// A launch over the words `span` of each replica's parameters, whose partial sums start at `norm0`.
fn dims(cx: &Emit, optimizer: &Optimizer, span: &Range<usize>, norm0: usize) -> Dims {
    let count = cx.params.stride / 4;
    let Rule { beta2, eps, nesterov, decoupled } = rule(optimizer);
    Dims {
        count: count as u32,
        start: (span.start / 4) as u32,
        end: (span.end / 4) as u32,
        replicas: cx.replicas as u32,
        plane: (cx.replicas * count) as u32,
        norm0: norm0 as u32,
        turns: turns(cx.profile()) as u32,
        beta2,
        eps,
        nesterov,
        decoupled,
    }
}

fn groups(cx: &Emit, span: &Range<usize>) -> Result<[u32; 3]> {
    flat_groups("update", 64 * workgroups(span.len(), cx.profile()), cx.replicas)
}

/// The launches that update all parameters: one for each row of those whose gradient is in memory, and those that make it.
pub(crate) fn updates(cx: &mut Emit, optimizer: &Optimizer) -> Result<Vec<Call>> {
    let mut calls = Vec::new();
    let all: Vec<usize> = (0..cx.updated.len()).filter(|&p| !cx.updated[p]).collect();
    for row in all.chunk_by(|a, b| a + 1 == *b) {
        calls.push(update(cx, optimizer, row[0], row[row.len() - 1])?);
    }
    calls.append(&mut cx.updates);
    Ok(calls)
}

/// The update of the parameters from the first to the last.
fn update(cx: &mut Emit, optimizer: &Optimizer, first: usize, last: usize) -> Result<Call> {
    let kernel = match optimizer {
        Optimizer::Sgd(_) => Kernel::Sgd,
        Optimizer::Adam(_) => Kernel::Adam,
    };
    let end = &cx.params.slots[last];
    let span = cx.params.slots[first].offset..end.offset + padded(end.len);
    let all = span.len() == cx.params.stride;
    let (params, moments) = match all {
        true => (Operand::AllParams, Operand::AllMoments),
        false => (Operand::Params(first, last), Operand::Moments(first, last)),
    };
    let norm0 = cx.norm_parts;
    cx.norm_parts += workgroups(span.len(), cx.profile());
    Ok(Call {
        kernel,
        act: u32::from(cx.grouped),
        dims: dims(cx, optimizer, &span, norm0).words(),
        operands: vec![
            Operand::State,
            Operand::Blocks,
            Operand::AllGrads,
            params,
            moments,
            Operand::Norms,
            params,
            moments,
        ],
        bases: vec![],
        groups: groups(cx, &span)?,
        note: format!("{optimizer}"),
        flops: ((6 + 6 * optimizer.slots()) * span.len()) as u64,
    })
}

/// The gradient's norm before the update, for a run that clips by it: of all parameters, whose one update leaves the same sums in
/// the same places.
pub(crate) fn grad_norm(cx: &mut Emit, optimizer: &Optimizer) -> Result<()> {
    let span = 0..cx.params.stride;
    cx.call(Call {
        kernel: Kernel::GradNorm,
        act: 0,
        dims: dims(cx, optimizer, &span, 0).words(),
        operands: vec![Operand::Blocks, Operand::AllGrads, Operand::Norms],
        bases: vec![],
        groups: groups(cx, &span)?,
        note: "norm of the gradient".into(),
        flops: 2 * cx.params.stride as u64,
    });
    Ok(())
}
