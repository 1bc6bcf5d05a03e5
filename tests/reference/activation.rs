//! The elementwise nonlinearities: each with its value and its derivative, as `torch.nn.functional`.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// One of the nonlinearities, so that a test can loop over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `x` times the normal distribution function of `x`, in the exact form (PyTorch's default, not the tanh form).
    Gelu,
    /// `x sigmoid(x)`.
    Silu,
}

impl Activation {
    /// All of them.
    pub const ALL: [Activation; 5] =
        [Activation::Relu, Activation::Tanh, Activation::Sigmoid, Activation::Gelu, Activation::Silu];

    /// The function at `x`.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Activation::Relu => relu(x),
            Activation::Tanh => tanh(x),
            Activation::Sigmoid => sigmoid(x),
            Activation::Gelu => gelu(x),
            Activation::Silu => silu(x),
        }
    }

    /// The derivative at `x` (not at the output).
    pub fn derivative(self, x: f64) -> f64 {
        match self {
            Activation::Relu => relu_derivative(x),
            Activation::Tanh => tanh_derivative(x),
            Activation::Sigmoid => sigmoid_derivative(x),
            Activation::Gelu => gelu_derivative(x),
            Activation::Silu => silu_derivative(x),
        }
    }

    /// `y[i] = f(x[i])`.
    pub fn forward(self, x: &[f64]) -> Vec<f64> {
        x.iter().map(|&x| self.value(x)).collect()
    }

    /// `dx[i] = dy[i] f'(x[i])`.
    pub fn dx(self, dy: &[f64], x: &[f64]) -> Vec<f64> {
        dy.iter().zip(x).map(|(&dy, &x)| dy * self.derivative(x)).collect()
    }
}

/// `max(x, 0)`.
pub fn relu(x: f64) -> f64 {
    if x > 0.0 { x } else { 0.0 }
}

/// 1 where `x > 0`, and 0 elsewhere; at 0 itself PyTorch takes 0.
pub fn relu_derivative(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else { 0.0 }
}

/// The hyperbolic tangent.
pub fn tanh(x: f64) -> f64 {
    x.tanh()
}

/// `1 - tanh(x)^2`.
pub fn tanh_derivative(x: f64) -> f64 {
    1.0 - x.tanh() * x.tanh()
}

/// `1 / (1 + e^-x)`.
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `s (1 - s)` with `s = sigmoid(x)`.
pub fn sigmoid_derivative(x: f64) -> f64 {
    sigmoid(x) * (1.0 - sigmoid(x))
}

/// `x P(x)` with `P` the normal distribution function.
pub fn gelu(x: f64) -> f64 {
    x * normal_cdf(x)
}

/// `P(x) + x p(x)` with `p` the normal density.
pub fn gelu_derivative(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    normal_cdf(x) + x * density
}

/// `x sigmoid(x)`.
pub fn silu(x: f64) -> f64 {
    x * sigmoid(x)
}

/// `s (1 + x (1 - s))` with `s = sigmoid(x)`.
pub fn silu_derivative(x: f64) -> f64 {
    sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))
}

/// The normal distribution function, `(1 + erf(x / sqrt 2)) / 2`.
fn normal_cdf(x: f64) -> f64 {
    0.5 * (1.0 + erf(x * FRAC_1_SQRT_2))
}

/// The error function, `2 / sqrt(pi)` times the integral of `e^(-t^2)` from 0 to `x`, to a few units in the last place.
///
/// The series is `2 / sqrt(pi) e^(-x^2) sum_n 2^n x^(2n+1) / (1 3 5 ... (2n+1))`. All its terms have one sign, so that
/// nothing cancels, unlike in the Taylor series. Beyond 6 the result rounds to 1.
pub fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x.abs() > 6.0 {
        return x.signum();
    }
    let mut term = x;
    let mut sum = x;
    let mut odd = 1.0;
    while term.abs() > sum.abs() * 1e-17 {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::{Activation, erf};
    use crate::reference::finite_difference::{assert_gradient, dot, wave};

    #[test]
    fn erf_has_its_tabulated_values() {
        let table = [
            (0.0, 0.0),
            (1e-8, 1.128_379_167_095_512_6e-8),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (3.5, 0.999_999_256_901_627_7),
            (7.0, 1.0),
        ];
        for (x, expected) in table {
            assert!((erf(x) - expected).abs() <= 2e-15 * expected, "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert!(erf(f64::NAN).is_nan());
    }

    #[test]
    fn relu_has_slope_zero_at_zero() {
        assert_eq!(Activation::Relu.derivative(0.0), 0.0);
    }

    #[test]
    fn large_inputs_stay_finite() {
        for activation in Activation::ALL {
            for x in [-800.0, 800.0] {
                assert!(activation.value(x).is_finite(), "{activation:?}({x})");
                assert!(activation.derivative(x).is_finite(), "{activation:?}'({x})");
            }
        }
    }

    #[test]
    fn derivatives_are_the_central_differences() {
        let x: Vec<f64> = wave(40, 1).iter().map(|x| 4.0 * x).collect();
        let dy = wave(40, 2);
        for activation in Activation::ALL {
            assert_gradient(&activation.dx(&dy, &x), |x| dot(&dy, &activation.forward(x)), &x);
        }
    }
}
