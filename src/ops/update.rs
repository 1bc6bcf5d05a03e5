//! The optimizer's step: one launch over all parameters, which also sums the split-K slices of the gradients.

use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::{dims, padded};
use crate::optim::Optimizer;
use crate::plan::{Call, Emit, Operand, Profile, flat_groups};

dims! {
    Dims { count: u32, replicas: u32, plane: u32, rn: u32, beta2: f32, eps: f32, nesterov: u32, decoupled: u32, turns: u32 }
}

/// Vectors of four words that one of a workgroup's 64 invocations updates.
pub(super) fn turns(profile: Profile) -> usize {
    match profile {
        Profile::Portable | Profile::Tiled => 4,
        Profile::Broadcast | Profile::Mirrored => 8,
    }
}

/// Workgroups that share one replica's parameters: the partial sums of its gradient norm.
pub(crate) fn norm_groups(param_words: usize, profile: Profile) -> usize {
    param_words.div_ceil(256 * turns(profile))
}

pub(super) fn dims(cx: &Emit, optimizer: &Optimizer) -> Dims {
    let count = cx.params.stride / 4;
    let base = Dims {
        count: count as u32,
        replicas: cx.replicas as u32,
        plane: (cx.replicas * count) as u32,
        rn: padded(cx.norm_groups) as u32,
        turns: turns(cx.profile()) as u32,
        ..Dims::default()
    };
    match optimizer {
        Optimizer::Sgd(sgd) => Dims { nesterov: u32::from(sgd.nesterov), ..base },
        Optimizer::Adam(adam) => Dims {
            beta2: adam.beta2 as f32,
            eps: adam.eps as f32,
            decoupled: u32::from(adam.decoupled),
            ..base
        },
    }
}

pub(crate) fn update(cx: &mut Emit, optimizer: &Optimizer) -> Result<()> {
    let kernel = match optimizer {
        Optimizer::Sgd(_) => Kernel::Sgd,
        Optimizer::Adam(_) => Kernel::Adam,
    };
    cx.call(Call {
        kernel,
        act: u32::from(cx.grouped),
        dims: dims(cx, optimizer).words(),
        operands: vec![
            Operand::State,
            Operand::Blocks,
            Operand::AllGrads,
            Operand::AllParams,
            Operand::Moments,
            Operand::Norms,
            Operand::AllParams,
            Operand::Moments,
        ],
        bases: vec![],
        groups: flat_groups("update", 64 * cx.norm_groups, cx.replicas)?,
        note: format!("{optimizer}"),
        flops: (6 + 6 * optimizer.slots()) as u64 * cx.params.stride as u64,
    });
    Ok(())
}

/// The gradient's norm before the update, for a run that clips by it.
pub(crate) fn grad_norm(cx: &mut Emit, optimizer: &Optimizer) -> Result<()> {
    cx.call(Call {
        kernel: Kernel::GradNorm,
        act: 0,
        dims: dims(cx, optimizer).words(),
        operands: vec![Operand::Blocks, Operand::AllGrads, Operand::Norms],
        bases: vec![],
        groups: flat_groups("grad_norm", 64 * cx.norm_groups, cx.replicas)?,
        note: "norm of the gradient".into(),
        flops: 2 * cx.params.stride as u64,
    });
    Ok(())
}
