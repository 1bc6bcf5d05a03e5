//! The optimizers over one flat vector of weights, with the formulas and the order of operations of `torch.optim`.
//!
//! A range test changes the learning rate at every step, so an optimizer here is a set of plain numbers for one step
//! and what it remembers is a separate [`State`].

/// Stochastic gradient descent with momentum. At `momentum` 0 the step is that of plain descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f64,
    /// Share of the old velocity in the new one.
    pub momentum: f64,
    /// L2 decay, added to the gradient.
    pub weight_decay: f64,
    /// Whether the step looks ahead along the new velocity.
    pub nesterov: bool,
}

impl Sgd {
    /// Plain descent.
    pub const fn new(lr: f64) -> Sgd {
        Sgd { lr, momentum: 0.0, weight_decay: 0.0, nesterov: false }
    }

    /// One step. `velocity` starts at zero, which equals PyTorch's first step (`velocity = g`).
    ///
    /// ```text
    /// g        = g + weight_decay w
    /// velocity = momentum velocity + g
    /// w        = w - lr velocity                     or, with nesterov,
    /// w        = w - lr (g + momentum velocity)
    /// ```
    pub fn step(&self, w: &mut [f64], g: &[f64], velocity: &mut [f64]) {
        for i in 0..w.len() {
            let g = g[i] + self.weight_decay * w[i];
            velocity[i] = self.momentum * velocity[i] + g;
            let direction = if self.nesterov { g + self.momentum * velocity[i] } else { velocity[i] };
            w[i] -= self.lr * direction;
        }
    }
}

/// Where Adam's weight decay goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// Into the gradient, and so through the moments: `torch.optim.Adam`.
    L2,
    /// Straight onto the weights, before the step: `torch.optim.AdamW`.
    Decoupled,
}

/// Adam and AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Share of the old first moment in the new one.
    pub beta1: f64,
    /// Share of the old second moment in the new one.
    pub beta2: f64,
    /// Added to the root of the corrected second moment.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Where the weight decay goes.
    pub decay: Decay,
}

impl Adam {
    /// Adam with PyTorch's defaults: betas 0.9 and 0.999, eps 1e-8, no decay.
    pub const fn new(lr: f64) -> Adam {
        Adam { lr, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decay: Decay::L2 }
    }

    /// AdamW with PyTorch's defaults: betas 0.9 and 0.999, eps 1e-8, decoupled decay 0.01.
    pub const fn adam_w(lr: f64) -> Adam {
        Adam { weight_decay: 0.01, decay: Decay::Decoupled, ..Adam::new(lr) }
    }

    /// One step; `t` counts from 1, `m` and `v` start at zero.
    ///
    /// ```text
    /// g = g + weight_decay w                         (L2)
    /// w = w - lr weight_decay w                      (decoupled)
    /// m = beta1 m + (1 - beta1) g
    /// v = beta2 v + (1 - beta2) g^2
    /// w = w - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
    /// ```
    pub fn step(&self, w: &mut [f64], g: &[f64], m: &mut [f64], v: &mut [f64], t: i32) {
        let correction1 = 1.0 - self.beta1.powi(t);
        let correction2 = 1.0 - self.beta2.powi(t);
        for i in 0..w.len() {
            let mut g = g[i];
            match self.decay {
                Decay::L2 => g += self.weight_decay * w[i],
                Decay::Decoupled => w[i] -= self.lr * self.weight_decay * w[i],
            }
            m[i] = self.beta1 * m[i] + (1.0 - self.beta1) * g;
            v[i] = self.beta2 * v[i] + (1.0 - self.beta2) * g * g;
            let denominator = v[i].sqrt() / correction2.sqrt() + self.eps;
            w[i] -= self.lr / correction1 * m[i] / denominator;
        }
    }
}

/// Either family, so that a test can hold a list of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// SGD, one moment.
    Sgd(Sgd),
    /// Adam or AdamW, two moments.
    Adam(Adam),
}

/// What an optimizer remembers between steps.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Steps taken.
    pub t: i32,
    /// SGD's velocity, or Adam's first moment.
    pub m: Vec<f64>,
    /// Adam's second moment; SGD leaves it zero.
    pub v: Vec<f64>,
}

impl State {
    /// The memory of an optimizer of `len` weights before its first step.
    pub fn new(len: usize) -> State {
        State { t: 0, m: vec![0.0; len], v: vec![0.0; len] }
    }
}

impl Optimizer {
    /// Learning rate.
    pub fn lr(&self) -> f64 {
        match self {
            Optimizer::Sgd(sgd) => sgd.lr,
            Optimizer::Adam(adam) => adam.lr,
        }
    }

    /// The same optimizer with another learning rate.
    pub fn with_lr(self, lr: f64) -> Optimizer {
        match self {
            Optimizer::Sgd(sgd) => Optimizer::Sgd(Sgd { lr, ..sgd }),
            Optimizer::Adam(adam) => Optimizer::Adam(Adam { lr, ..adam }),
        }
    }

    /// One step.
    pub fn step(&self, w: &mut [f64], g: &[f64], state: &mut State) {
        state.t += 1;
        match self {
            Optimizer::Sgd(sgd) => sgd.step(w, g, &mut state.m),
            Optimizer::Adam(adam) => adam.step(w, g, &mut state.m, &mut state.v, state.t),
        }
    }
}

/// The Euclidean norm of all gradients taken as one vector.
pub fn global_norm(g: &[f64]) -> f64 {
    g.iter().map(|g| g * g).sum::<f64>().sqrt()
}

/// What `torch.nn.utils.clip_grad_norm_` multiplies every gradient by: `max_norm / (norm + 1e-6)`, at most 1.
pub fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    (max_norm / (norm + 1e-6)).min(1.0)
}

/// The gradients after clipping by their global norm.
pub fn clipped(g: &[f64], max_norm: f64) -> Vec<f64> {
    let factor = clip_factor(global_norm(g), max_norm);
    g.iter().map(|g| g * factor).collect()
}

#[cfg(test)]
mod tests {
    use super::{Adam, Optimizer, Sgd, State, clip_factor, clipped, global_norm};

    /// The weight after some steps from 1 with these gradients.
    fn after(optimizer: Optimizer, gradients: &[f64]) -> f64 {
        let mut w = [1.0];
        let mut state = State::new(1);
        for g in gradients {
            optimizer.step(&mut w, &[*g], &mut state);
        }
        w[0]
    }

    #[test]
    fn momentum_by_hand() {
        let sgd = Sgd { momentum: 0.5, ..Sgd::new(0.25) };
        assert_eq!(after(Optimizer::Sgd(sgd), &[1.0]), 0.75);
        assert_eq!(after(Optimizer::Sgd(sgd), &[1.0, 1.0]), 0.75 - 0.25 * 1.5);
        let nesterov = Sgd { nesterov: true, ..sgd };
        assert_eq!(after(Optimizer::Sgd(nesterov), &[1.0]), 1.0 - 0.25 * 1.5);
    }

    #[test]
    fn sgd_decays_into_the_velocity() {
        let sgd = Sgd { momentum: 0.5, weight_decay: 0.5, ..Sgd::new(0.5) };
        assert_eq!(after(Optimizer::Sgd(sgd), &[0.0]), 0.75);
        assert_eq!(after(Optimizer::Sgd(sgd), &[0.0, 0.0]), 0.75 - 0.5 * (0.25 + 0.375));
    }

    #[test]
    fn the_first_step_of_adam_is_the_rate() {
        let moved = 1.0 - after(Optimizer::Adam(Adam::new(0.01)), &[123.0]);
        assert!((moved - 0.01).abs() < 1e-11);
    }

    #[test]
    fn only_decoupled_decay_shrinks_by_rate_times_decay() {
        let adam_w = Adam { weight_decay: 0.5, ..Adam::adam_w(0.25) };
        assert_eq!(after(Optimizer::Adam(adam_w), &[0.0]), 0.875);
        let adam = Adam { weight_decay: 0.5, ..Adam::new(0.25) };
        assert!((after(Optimizer::Adam(adam), &[0.0]) - 0.75).abs() < 1e-7);
    }

    #[test]
    fn another_rate_changes_nothing_else() {
        for optimizer in [Optimizer::Sgd(Sgd::new(0.5)), Optimizer::Adam(Adam::adam_w(0.5))] {
            assert_eq!(optimizer.with_lr(2.0).lr(), 2.0);
            assert_eq!(optimizer.with_lr(2.0).with_lr(0.5), optimizer);
        }
    }

    #[test]
    fn clipping_only_shrinks() {
        assert_eq!(global_norm(&[3.0, 4.0]), 5.0);
        assert_eq!(clip_factor(0.5, 1.0), 1.0);
        assert_eq!(clipped(&[3.0, 4.0], 10.0), [3.0, 4.0]);
        assert!((global_norm(&clipped(&[3.0, 4.0], 1.0)) - 1.0).abs() < 1e-6);
    }
}
