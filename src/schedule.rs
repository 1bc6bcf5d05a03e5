//! What each step of a run uses: rate, momentum, weight decay. Computed once on the host, in f64.

use crate::error::{Error, Result};
use crate::layout::Hyper;
use crate::optim::Optimizer;

/// Learning rate, momentum (or beta1) and weight decay of every step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Rate of each update.
    pub lr: Vec<f64>,
    /// SGD momentum or Adam's beta1 of each update; as long as `lr`.
    pub momentum: Vec<f64>,
    /// Weight decay of each update; as long as `lr`.
    pub weight_decay: Vec<f64>,
}

/// Where a cosine from `a` to `b` is at `t` in [0, 1].
fn cosine(a: f64, b: f64, t: f64) -> f64 {
    b + (a - b) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos())
}

impl Schedule {
    /// These rates, with the optimizer's own momentum and decay.
    pub fn rates(lr: Vec<f64>, optimizer: &Optimizer) -> Self {
        let steps = lr.len();
        Self {
            lr,
            momentum: vec![optimizer.momentum(); steps],
            weight_decay: vec![optimizer.weight_decay(); steps],
        }
    }

    /// One rate throughout.
    pub fn constant(lr: f64, steps: usize, optimizer: &Optimizer) -> Self {
        Self::rates(vec![lr; steps], optimizer)
    }

    /// The one-cycle policy (Smith & Topin, arXiv:1708.07120) with cosine arcs: the rate climbs from `max_lr / 25` to
    /// `max_lr` over the first quarter and falls to `max_lr / 1e5`, while the momentum falls from 0.95 to 0.85 and
    /// returns. Plain SGD without momentum keeps none.
    pub fn one_cycle(max_lr: f64, steps: usize, optimizer: &Optimizer) -> Self {
        let rise = (steps / 4).max(1);
        let arc = |i: usize, start: f64, middle: f64, end: f64| {
            if i < rise {
                cosine(start, middle, i as f64 / rise as f64)
            } else {
                cosine(middle, end, (i - rise) as f64 / (steps - rise).saturating_sub(1).max(1) as f64)
            }
        };
        let mut schedule = Self::constant(max_lr, steps, optimizer);
        for i in 0..steps {
            schedule.lr[i] = arc(i, max_lr / 25.0, max_lr, max_lr / 1e5);
            if optimizer.momentum() > 0.0 {
                schedule.momentum[i] = arc(i, 0.95, 0.85, 0.95);
            }
        }
        schedule
    }

    /// From `max_lr` to 0 along half a cosine (Loshchilov & Hutter, arXiv:1608.03983, without restarts).
    pub fn cosine(max_lr: f64, steps: usize, optimizer: &Optimizer) -> Self {
        let rate = |i: usize| cosine(max_lr, 0.0, i as f64 / steps as f64);
        Self::rates((0..steps).map(rate).collect(), optimizer)
    }

    /// Updates in the run.
    pub fn steps(&self) -> usize {
        self.lr.len()
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.lr.is_empty() {
            return Err(Error::argument("steps", "0 steps; a run needs at least 1"));
        }
        for (name, values) in
            [("lr", &self.lr), ("momentum", &self.momentum), ("weight decay", &self.weight_decay)]
        {
            if values.len() != self.lr.len() {
                let detail = format!("{} values for {} steps", values.len(), self.lr.len());
                return Err(Error::argument(name, detail));
            }
            if let Some((i, v)) = values.iter().enumerate().find(|(_, v)| !(v.is_finite() && **v >= 0.0)) {
                return Err(Error::argument(name, format!("{v} at step {i}; it must be 0 or more")));
            }
        }
        Ok(())
    }

    /// The rows that the GPU reads. `past` is what bias correction knows of earlier steps, and `beta` the smoothing.
    /// With a `period`, every so many steps the past is what it was at the start.
    pub(crate) fn rows(
        &self,
        optimizer: &Optimizer,
        start: Past,
        beta: f64,
        period: Option<usize>,
    ) -> Vec<Hyper> {
        let mut past = start;
        let mut ewa = 1.0;
        let row = |i: usize| {
            if period.is_some_and(|p| i.is_multiple_of(p)) {
                past = start;
            }
            past = past.after(self.momentum[i], optimizer.beta2());
            ewa *= beta;
            Hyper {
                lr: self.lr[i] as f32,
                momentum: self.momentum[i] as f32,
                weight_decay: self.weight_decay[i] as f32,
                correction1: (1.0 - past.beta1) as f32,
                correction2: (1.0 - past.beta2) as f32,
                ewa_correction: (1.0 / (1.0 - ewa)) as f32,
                pad: [0.0; 2],
            }
        };
        (0..self.steps()).map(row).collect()
    }
}

/// The products of all betas used so far: what is missing in Adam's moments. With a constant beta it is `beta^t`;
/// under a schedule of betas it is their product, which is what the moment's weights sum to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Past {
    pub beta1: f64,
    pub beta2: f64,
}

impl Past {
    pub const NONE: Self = Self { beta1: 1.0, beta2: 1.0 };

    pub fn after(self, beta1: f64, beta2: f64) -> Self {
        Self { beta1: self.beta1 * beta1, beta2: self.beta2 * beta2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{Adam, Sgd};

    #[test]
    fn one_cycle_rises_falls_and_ends_low() {
        let schedule = Schedule::one_cycle(1.0, 100, &Sgd::momentum(0.9).into());
        assert!((schedule.lr[0] - 0.04).abs() < 1e-12);
        assert!((schedule.lr[25] - 1.0).abs() < 1e-12);
        assert!((schedule.lr[99] - 1e-5).abs() < 1e-12);
        assert!((schedule.momentum[25] - 0.85).abs() < 1e-12);
        assert!((schedule.momentum[99] - 0.95).abs() < 1e-12);
        assert!(schedule.lr.windows(2).take(25).all(|w| w[0] < w[1]));
        for steps in 1..6 {
            assert!(Schedule::one_cycle(1.0, steps, &Adam::default().into()).check().is_ok());
        }
    }

    #[test]
    fn a_cosine_falls_to_nothing() {
        let schedule = Schedule::cosine(0.5, 4, &Sgd::plain().into());
        let expected = [0.5, 0.25 * (1.0 + 0.5f64.sqrt()), 0.25, 0.25 * (1.0 - 0.5f64.sqrt())];
        assert!(schedule.lr.iter().zip(expected).all(|(lr, e)| (lr - e).abs() < 1e-12), "{:?}", schedule.lr);
    }

    #[test]
    fn corrections_are_those_of_adam_and_go_on_after_earlier_steps() {
        let optimizer = Adam::default().into();
        let schedule = Schedule::constant(0.1, 3, &optimizer);
        let rows = schedule.rows(&optimizer, Past::NONE, 0.98, None);
        for (t, row) in rows.iter().enumerate() {
            let t = t as i32 + 1;
            assert_eq!(row.correction1, (1.0 - 0.9f64.powi(t)) as f32);
            assert_eq!(row.correction2, (1.0 - 0.999f64.powi(t)) as f32);
            assert_eq!(row.ewa_correction, (1.0 / (1.0 - 0.98f64.powi(t))) as f32);
        }
        let later = schedule.rows(&optimizer, Past { beta1: 0.81, beta2: 0.998001 }, 0.98, None);
        assert_eq!(later[0].correction1, (1.0 - 0.9f64.powi(3)) as f32);
        let probes = schedule.rows(&optimizer, Past::NONE, 0.98, Some(2));
        assert_eq!(probes[2].correction1, rows[0].correction1, "each probe begins anew");
        assert_eq!(later[0].ewa_correction, rows[0].ewa_correction, "smoothing starts anew with each run");
    }

    #[test]
    fn impossible_values_are_named() {
        let mut schedule = Schedule::constant(0.1, 3, &Sgd::plain().into());
        schedule.lr[2] = f64::NAN;
        assert_eq!(schedule.check().unwrap_err().to_string(), "lr: NaN at step 2; it must be 0 or more");
        assert!(Schedule::rates(vec![], &Sgd::plain().into()).check().is_err());
    }
}
