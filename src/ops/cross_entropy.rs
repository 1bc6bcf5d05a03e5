//! Softmax cross-entropy from logits, in log-sum-exp form; forward and backward are one launch.

use super::LossTensors;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, TensorId, Value, check_turns, flat_groups};

dims! { Dims { b: u32, k: u32, rz: u32, rr: u32, samples: u32 } }

pub(super) fn emit(cx: &mut Emit, z: TensorId, classes: usize) -> Result<LossTensors> {
    check_turns("cross_entropy", 3 * classes as u64)?;
    let dz = cx.tensor(cx.batch * classes);
    let rows = cx.tensor(2 * cx.batch);
    let dims = Dims {
        b: cx.batch as u32,
        k: classes as u32,
        rz: cx.stride(Value::Tensor(z)),
        rr: cx.stride(Value::Tensor(rows)),
        samples: (cx.batch * cx.accumulate) as u32,
    };
    cx.call(Call {
        kernel: Kernel::CrossEntropy,
        act: 0,
        dims: dims.words(),
        operands: vec![
            Operand::State,
            Operand::Order,
            Operand::Targets,
            Operand::Tensor(z),
            Operand::Tensor(dz),
            Operand::Tensor(rows),
        ],
        bases: vec![],
        groups: flat_groups("cross_entropy", cx.batch, cx.replicas)?,
        note: format!("loss and its gradient, {classes} classes"),
        flops: 5 * (cx.batch * classes) as u64,
    });
    Ok(LossTensors { dz, rows })
}
