//! What a step's update does to each parameter tensor: two launches before the update, where they are asked for.

use super::update::{Rule, rule};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::{ALIGN, dims};
use crate::optim::Optimizer;
use crate::plan::{Call, Emit, Operand, Value, check_turns, flat_groups};

dims! {
    Dims {
        blocks: u32, replicas: u32, plane: u32, rp: u32, beta2: f32, eps: f32, nesterov: u32, decoupled: u32,
        first: u32, tensors: u32,
    }
}

pub(crate) fn layer_norms(cx: &mut Emit, optimizer: &Optimizer) -> Result<()> {
    let (blocks, tensors) = (cx.params.stride / ALIGN, cx.params.slots.len());
    let largest = cx.params.slots.iter().map(|s| s.len).max().unwrap_or(0);
    check_turns("layer_norms", largest.div_ceil(ALIGN * 64) as u64)?;
    let parts = cx.tensor(4 * blocks);
    let Rule { beta2, eps, nesterov, decoupled } = rule(optimizer);
    let dims = Dims {
        blocks: blocks as u32,
        replicas: cx.replicas as u32,
        plane: (cx.replicas * cx.params.stride / 4) as u32,
        rp: cx.stride(Value::Tensor(parts)),
        beta2,
        eps,
        nesterov,
        decoupled,
        first: (cx.block_rows - tensors) as u32,
        tensors: tensors as u32,
    };
    let kernel = match optimizer {
        Optimizer::Sgd(_) => Kernel::SgdNorms,
        Optimizer::Adam(_) => Kernel::AdamNorms,
    };
    cx.call(Call {
        kernel,
        act: u32::from(cx.grouped),
        dims: dims.words(),
        operands: vec![
            Operand::State,
            Operand::Blocks,
            Operand::AllGrads,
            Operand::AllParams,
            Operand::AllMoments,
            Operand::Tensor(parts),
        ],
        bases: vec![],
        groups: flat_groups("layer_norms", blocks, cx.replicas)?,
        note: "norms of gradients, updates and weights".into(),
        flops: (12 + 6 * optimizer.slots()) as u64 * cx.params.stride as u64,
    });
    cx.call(Call {
        kernel: Kernel::LayerNorms,
        act: 0,
        dims: dims.words(),
        operands: vec![Operand::State, Operand::Blocks, Operand::Tensor(parts), Operand::History],
        bases: vec![],
        groups: [tensors as u32, 1, cx.replicas as u32],
        note: format!("the same, of {tensors} tensors"),
        flops: 4 * blocks as u64,
    });
    Ok(())
}
