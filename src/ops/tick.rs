//! The end of a step: mean loss, smoothing, stop test, history, the next hyperparameters.

use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, TensorId, Value, check_turns};

dims! {
    Dims {
        b: u32, norms: u32, rr: u32, replicas: u32, has_accuracy: u32, norm_lag: u32, has_norm: u32, flush: u32,
        batches: u32, micro: u32,
    }
}

/// When a gradient norm is known, relative to the tick of its step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Norm {
    /// No gradients: an evaluation.
    Never,
    /// The update leaves it behind: one tick late.
    Late,
    /// Computed before the tick, since the update is clipped by it.
    Now,
}

/// What a tick ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A micro-batch of a step, not its last.
    MicroBatch,
    /// A step.
    Step,
    /// The run: what its last update left behind is filed.
    Run,
}

pub(crate) fn tick(cx: &mut Emit, rows: TensorId, accuracy: bool, norm: Norm, end: End) -> Result<()> {
    let norms = if norm == Norm::Never { 0 } else { cx.norm_parts };
    check_turns("tick", (cx.batch + norms).div_ceil(8) as u64 + 16)?;
    let dims = Dims {
        b: cx.batch as u32,
        norms: norms as u32,
        rr: cx.stride(Value::Tensor(rows)),
        replicas: cx.replicas as u32,
        has_accuracy: u32::from(accuracy),
        norm_lag: u32::from(norm == Norm::Late),
        has_norm: u32::from(norm != Norm::Never),
        flush: u32::from(end == End::Run),
        batches: cx.accumulate as u32,
        micro: u32::from(end == End::MicroBatch),
    };
    cx.call(Call {
        kernel: Kernel::Tick,
        act: 0,
        dims: dims.words(),
        operands: vec![
            Operand::State,
            Operand::Tensor(rows),
            Operand::Norms,
            Operand::Schedule,
            Operand::History,
        ],
        bases: vec![],
        groups: [1, 1, cx.replicas as u32],
        note: match end {
            End::MicroBatch => "sum of the losses so far".into(),
            End::Step => "mean loss, stop test, history".into(),
            End::Run => "the last gradient norm".into(),
        },
        flops: (2 * cx.batch + 2 * norms) as u64,
    });
    Ok(())
}
