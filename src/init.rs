//! How weights start: seeded, one independent stream of random numbers a parameter.

use crate::data::rng::Rng;
use crate::ops::{Activation, Fill};

/// Distribution of the weights of linear and convolution layers. Biases start at zero, batch normalisation at (1, 0).
///
/// The gain of all but the first is that of the activation behind the layer, as in PyTorch's `calculate_gain`: sqrt(2)
/// for relu, gelu and silu, 5/3 for tanh, 1 otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Init {
    /// U(-a, a), a = 1 / sqrt(fan_in): Kaiming's with the slope sqrt(5), what PyTorch's layers start with. The default:
    /// the first loss of a classifier is then near ln(classes), and a range test does not begin by undoing the start.
    #[default]
    Torch,
    /// U(-a, a), a = gain sqrt(3 / fan_in) (He et al., arXiv:1502.01852).
    KaimingUniform,
    /// N(0, gain^2 / fan_in).
    KaimingNormal,
    /// U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio, AISTATS 2010).
    XavierUniform,
    /// N(0, gain^2 2 / (fan_in + fan_out)).
    XavierNormal,
}

fn gain(behind: Option<Activation>) -> f64 {
    match behind {
        Some(Activation::Relu | Activation::Gelu | Activation::Silu) => 2f64.sqrt(),
        Some(Activation::Tanh) => 5.0 / 3.0,
        Some(Activation::Sigmoid) | None => 1.0,
    }
}

impl Init {
    /// The `index`-th parameter's `len` starting values.
    pub(crate) fn fill(
        self,
        fill: Fill,
        len: usize,
        behind: Option<Activation>,
        seed: u64,
        index: usize,
    ) -> Vec<f32> {
        let (fan_in, fan_out) = match fill {
            Fill::Zeros => return vec![0.0; len],
            Fill::Ones => return vec![1.0; len],
            Fill::Weight { fan_in, fan_out } => (fan_in as f64, fan_out as f64),
        };
        let gain = gain(behind);
        let (deviation, normal) = match self {
            Self::Torch => (1.0 / (3.0 * fan_in).sqrt(), false),
            Self::KaimingUniform => (gain / fan_in.sqrt(), false),
            Self::KaimingNormal => (gain / fan_in.sqrt(), true),
            Self::XavierUniform => (gain * (2.0 / (fan_in + fan_out)).sqrt(), false),
            Self::XavierNormal => (gain * (2.0 / (fan_in + fan_out)).sqrt(), true),
        };
        let mut rng = Rng::stream(seed, "init", index as u64);
        let draw = |_| {
            let unit = if normal { rng.normal() } else { 3f64.sqrt() * (2.0 * rng.uniform() - 1.0) };
            (deviation * unit) as f32
        };
        (0..len).map(draw).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_the_papers() {
        let fill = Fill::Weight { fan_in: 400, fan_out: 100 };
        for (init, deviation) in [
            (Init::Torch, (1.0f64 / 1200.0).sqrt()),
            (Init::KaimingUniform, (2.0f64 / 400.0).sqrt()),
            (Init::KaimingNormal, (2.0f64 / 400.0).sqrt()),
            (Init::XavierUniform, (2.0f64 * 2.0 / 500.0).sqrt()),
            (Init::XavierNormal, (2.0f64 * 2.0 / 500.0).sqrt()),
        ] {
            let w = init.fill(fill, 40_000, Some(Activation::Relu), 7, 3);
            let mean = w.iter().map(|v| f64::from(*v)).sum::<f64>() / 40_000.0;
            let found = (w.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / 40_000.0).sqrt();
            assert!((found / deviation - 1.0).abs() < 0.02, "{init:?}: {found} for {deviation}");
            assert!(mean.abs() < 0.02 * deviation, "{init:?}: mean {mean}");
        }
    }

    #[test]
    fn the_seed_decides() {
        let fill = Fill::Weight { fan_in: 4, fan_out: 4 };
        let draw = |seed, index| Init::default().fill(fill, 16, None, seed, index);
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }
}
