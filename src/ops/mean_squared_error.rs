//! Mean squared error; forward and backward are one launch.

use super::LossTensors;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::dims;
use crate::plan::{Call, Emit, Operand, TensorId, Value, check_turns, flat_groups};

dims! { Dims { b: u32, k: u32, rz: u32, rr: u32, samples: u32 } }

pub(super) fn emit(cx: &mut Emit, z: TensorId, outputs: usize) -> Result<LossTensors> {
    check_turns("mean_squared_error", 3 * outputs as u64)?;
    let dz = cx.tensor(cx.batch * outputs);
    let rows = cx.tensor(2 * cx.batch);
    let dims = Dims {
        b: cx.batch as u32,
        k: outputs as u32,
        rz: cx.stride(Value::Tensor(z)),
        rr: cx.stride(Value::Tensor(rows)),
        samples: (cx.batch * cx.accumulate) as u32,
    };
    cx.call(Call {
        kernel: Kernel::MeanSquaredError,
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
        groups: flat_groups("mean_squared_error", cx.batch, cx.replicas)?,
        note: format!("loss and its gradient, {outputs} outputs"),
        flops: 3 * (cx.batch * outputs) as u64,
    });
    Ok(LossTensors { dz, rows })
}
