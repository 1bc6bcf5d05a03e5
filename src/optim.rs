//! Optimizers as data. What changes from step to step (rate, momentum, decay) is the schedule's, not theirs.

use std::fmt;

/// Stochastic gradient descent.
///
/// `g += weight_decay p;  m = momentum m + g;  p -= lr (nesterov ? g + momentum m : m)`, in PyTorch's order: decay
/// is added to the gradient, and the rate multiplies the momentum buffer rather than entering it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Momentum that a constant schedule uses; 0 for none.
    pub momentum: f64,
    /// Look-ahead form (Sutskever et al., ICML 2013).
    pub nesterov: bool,
    /// L2 penalty; default 0.
    pub weight_decay: f64,
}

impl Sgd {
    /// Plain gradient descent.
    pub fn plain() -> Self {
        Self::momentum(0.0)
    }

    /// With heavy-ball momentum.
    pub fn momentum(momentum: f64) -> Self {
        Self { momentum, nesterov: false, weight_decay: 0.0 }
    }

    /// With Nesterov momentum.
    pub fn nesterov(momentum: f64) -> Self {
        Self { nesterov: true, ..Self::momentum(momentum) }
    }

    /// With an L2 penalty.
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay, ..self }
    }
}

/// Adam (Kingma & Ba, arXiv:1412.6980) and AdamW (Loshchilov & Hutter, arXiv:1711.05101).
///
/// `m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)`: `eps`
/// stands outside the root, after bias correction. Adam adds `weight_decay p` to `g`; AdamW first does
/// `p -= lr weight_decay p`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the first moment that a constant schedule uses; default 0.9.
    pub beta1: f64,
    /// Decay of the second moment; default 0.999.
    pub beta2: f64,
    /// Default 1e-8.
    pub eps: f64,
    /// Default 0; 0.01 for AdamW.
    pub weight_decay: f64,
    /// Decay the weights themselves (AdamW) rather than the gradient.
    pub decoupled: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false }
    }
}

impl Adam {
    /// AdamW: decoupled weight decay.
    pub fn w(weight_decay: f64) -> Self {
        Self { weight_decay, decoupled: true, ..Self::default() }
    }
}

/// An optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Gradient descent, with or without momentum.
    Sgd(Sgd),
    /// Adam or AdamW.
    Adam(Adam),
}

impl From<Sgd> for Optimizer {
    fn from(sgd: Sgd) -> Self {
        Self::Sgd(sgd)
    }
}

impl From<Adam> for Optimizer {
    fn from(adam: Adam) -> Self {
        Self::Adam(adam)
    }
}

impl Optimizer {
    /// Momentum or beta1 of a constant schedule.
    pub fn momentum(&self) -> f64 {
        match self {
            Self::Sgd(sgd) => sgd.momentum,
            Self::Adam(adam) => adam.beta1,
        }
    }

    /// Weight decay of a constant schedule.
    pub fn weight_decay(&self) -> f64 {
        match self {
            Self::Sgd(sgd) => sgd.weight_decay,
            Self::Adam(adam) => adam.weight_decay,
        }
    }

    /// Decay of the second moment, where there is one.
    pub(crate) fn beta2(&self) -> f64 {
        match self {
            Self::Sgd(_) => 0.0,
            Self::Adam(adam) => adam.beta2,
        }
    }

    /// Numbers kept for each parameter.
    pub(crate) fn slots(&self) -> usize {
        match self {
            Self::Sgd(_) => 1,
            Self::Adam(_) => 2,
        }
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sgd(Sgd { momentum, .. }) if *momentum == 0.0 => write!(f, "SGD")?,
            Self::Sgd(Sgd { momentum, nesterov: true, .. }) => write!(f, "SGD Nesterov {momentum}")?,
            Self::Sgd(Sgd { momentum, .. }) => write!(f, "SGD momentum {momentum}")?,
            Self::Adam(Adam { decoupled: true, .. }) => write!(f, "AdamW")?,
            Self::Adam(_) => write!(f, "Adam")?,
        }
        if self.weight_decay() > 0.0 {
            write!(f, ", weight decay {}", self.weight_decay())?;
        }
        Ok(())
    }
}
