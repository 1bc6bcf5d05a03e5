//! Gradient accumulation: what a micro-batch adds to its step's gradient, carried into the next.

use super::update::{turns, workgroups};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, flat_groups};

dims! { Dims { count: u32, replicas: u32, batches: u32, turns: u32 } }

pub(crate) fn accumulate(cx: &mut Emit) -> Result<()> {
    let dims = Dims {
        count: (cx.params.stride / 4) as u32,
        replicas: cx.replicas as u32,
        batches: cx.accumulate as u32,
        turns: turns(cx.profile()) as u32,
    };
    cx.call(Call {
        kernel: Kernel::Accumulate,
        act: 0,
        dims: dims.words(),
        operands: vec![Operand::State, Operand::Blocks, Operand::AllGrads, Operand::AllGrads],
        bases: vec![],
        groups: flat_groups("accumulate", 64 * workgroups(cx.params.stride, cx.profile()), cx.replicas)?,
        note: "the step's gradient so far".into(),
        flops: (cx.grad_words / cx.replicas) as u64,
    });
    Ok(())
}
