//! Reading a session, and writing its weights.

use super::Session;
use crate::error::{Error, Result};
use crate::layout::Role;
use crate::ops::dims_text;
use crate::plan::ParamSlot;

/// A parameter's or a running statistic's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Layer and parameter: "conv2d1.weight".
    pub name: String,
    /// Shape, PyTorch's layout: (out, in, ...).
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

impl Session {
    /// The gradient of the mean loss with respect to each parameter, from the latest step that a replica ran, before
    /// clipping and decay.
    ///
    /// # Errors
    /// No such replica, a session that does not keep its gradients ([`Options::gradients`](crate::Options::gradients)), or the
    /// device failed.
    pub async fn gradients(&self, replica: usize) -> Result<Vec<Tensor>> {
        self.check_replica(replica)?;
        if !self.options.gradients {
            let detail = "this session does not keep them; compile it with `gradients` in its options";
            return Err(Error::argument("gradients", detail));
        }
        let words = self.program.read(Role::Grads).await?;
        let plan = &self.program.plan;
        let gradient = |p: &ParamSlot| {
            let mut data = vec![0.0; plan.param_arena.slots[p.slot].len];
            if let Some(grad) = &plan.grads[p.slot] {
                for slice in 0..grad.slices {
                    let start = grad.offset + (slice * plan.replicas + replica) * grad.len;
                    data.iter_mut().zip(&words[start..]).for_each(|(sum, w)| *sum += f32::from_bits(*w));
                }
            }
            Tensor { name: p.name.clone(), shape: p.shape.clone(), data }
        };
        Ok(plan.params.iter().map(gradient).collect())
    }

    /// A hash of all that a run changes: equal for equal bits.
    ///
    /// # Errors
    /// The device failed.
    pub async fn fingerprint(&self) -> Result<u64> {
        let mut hash = Fnv::default();
        for role in [Role::Params, Role::Moments, Role::Buffers] {
            self.program.read(role).await?.into_iter().for_each(|word| hash.add(u64::from(word)));
        }
        for counters in &self.counters {
            hash.add(u64::from(counters.steps));
            hash.add(counters.past.beta1.to_bits());
            hash.add(counters.past.beta2.to_bits());
        }
        Ok(hash.0)
    }

    /// The parameters of a replica.
    ///
    /// # Errors
    /// No such replica, or the device failed.
    pub async fn weights(&self, replica: usize) -> Result<Vec<Tensor>> {
        self.tensors(Role::Params, replica).await
    }

    /// The running statistics of a replica: (mean, variance) for each channel.
    ///
    /// # Errors
    /// No such replica, or the device failed.
    pub async fn statistics(&self, replica: usize) -> Result<Vec<Tensor>> {
        self.tensors(Role::Buffers, replica).await
    }

    /// Adam's second moments of replica 0, bias-corrected, parameter by parameter in their order; `None` before the first step,
    /// and for an optimizer that has none.
    pub(crate) async fn second_moments(&self, beta2: f64) -> Result<Option<Vec<f64>>> {
        let plan = &self.program.plan;
        if plan.optimizer_slots < 2 || self.counters[0].steps == 0 {
            return Ok(None);
        }
        let words = self.program.read(Role::Moments).await?;
        let second = plan.replicas * plan.param_arena.stride;
        let correction = 1.0 - beta2.powi(self.counters[0].steps as i32);
        let values = plan.params.iter().flat_map(|p| {
            let slot = &plan.param_arena.slots[p.slot];
            words[second + slot.offset..][..slot.len]
                .iter()
                .map(|w| f64::from(f32::from_bits(*w)) / correction)
        });
        Ok(Some(values.collect()))
    }

    /// Of each number of the parameters, in their order: its rate as a multiple of the run's.
    pub(crate) fn rate_multipliers(&self) -> Vec<f64> {
        let params = &self.model.params;
        params.iter().flat_map(|p| std::iter::repeat_n(p.multipliers.rate, p.len())).collect()
    }

    async fn tensors(&self, role: Role, replica: usize) -> Result<Vec<Tensor>> {
        self.check_replica(replica)?;
        let words = self.program.read(role).await?;
        let plan = &self.program.plan;
        let (slots, arena) = match role {
            Role::Params => (&plan.params, &plan.param_arena),
            _ => (&plan.buffers, &plan.buffer_arena),
        };
        let tensor = |p: &ParamSlot| {
            let slot = &arena.slots[p.slot];
            let start = replica * arena.stride + slot.offset;
            let data = words[start..start + slot.len].iter().map(|w| f32::from_bits(*w)).collect();
            Tensor { name: p.name.clone(), shape: p.shape.clone(), data }
        };
        Ok(slots.iter().map(tensor).collect())
    }

    /// Overwrites parameters of a replica, by name. The optimizer's state stays.
    ///
    /// # Errors
    /// An unknown name, or another number of values: nothing is then written.
    pub fn set_weights(&mut self, replica: usize, tensors: &[Tensor]) -> Result<()> {
        self.check_replica(replica)?;
        let plan = self.program.plan.clone();
        let find = |t: &Tensor| {
            let Some(index) = plan.params.iter().position(|p| p.name == t.name) else {
                let names: Vec<_> = plan.params.iter().map(|p| p.name.as_str()).collect();
                let detail = format!("the model has no such parameter; it has {}", names.join(", "));
                return Err(Error::argument(t.name.clone(), detail));
            };
            let wants = &plan.params[index].shape;
            if t.data.len() != wants.iter().product::<usize>() {
                let detail = format!("{} values for shape {}", t.data.len(), dims_text(wants));
                return Err(Error::argument(t.name.clone(), detail));
            }
            Ok(index)
        };
        let found = tensors.iter().map(find).collect::<Result<Vec<_>>>()?;
        for (index, tensor) in found.into_iter().zip(tensors) {
            self.write_param(index, replica..replica + 1, &tensor.data);
        }
        Ok(())
    }
}

/// FNV-1a, word by word.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x100_0000_01b3);
    }
}
