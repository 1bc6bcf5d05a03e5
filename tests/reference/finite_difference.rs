//! Central differences: the second opinion on every analytic gradient of this folder.

/// The step. Near the cube root of the machine epsilon truncation and rounding cost about the same, some 1e-10.
const STEP: f64 = 1e-5;

/// How far an analytic gradient may be from its central difference, relative to the larger of 1 and its size.
const TOLERANCE: f64 = 1e-7;

/// The gradient of the scalar function `f` at `x`, one coordinate at a time: `(f(x + h) - f(x - h)) / 2h`.
pub fn gradient(f: impl Fn(&[f64]) -> f64, x: &[f64]) -> Vec<f64> {
    let mut moved = x.to_vec();
    let mut out = Vec::with_capacity(x.len());
    for (i, &centre) in x.iter().enumerate() {
        moved[i] = centre + STEP;
        let above = f(&moved);
        moved[i] = centre - STEP;
        let below = f(&moved);
        moved[i] = centre;
        out.push((above - below) / (2.0 * STEP));
    }
    out
}

/// Panics unless `analytic` is the gradient of `f` at `x`.
#[track_caller]
pub fn assert_gradient(analytic: &[f64], f: impl Fn(&[f64]) -> f64, x: &[f64]) {
    let numeric = gradient(f, x);
    assert_eq!(analytic.len(), numeric.len(), "a gradient has one element per input");
    for (i, (&a, &n)) in analytic.iter().zip(&numeric).enumerate() {
        let allowed = TOLERANCE * n.abs().max(1.0);
        assert!((a - n).abs() <= allowed, "element {i}: analytic {a}, central difference {n}");
    }
}

/// `sum(a * b)`. With `a = dy` and `b = y` it is the scalar whose gradient the backward functions give.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "a dot product needs two vectors of one length");
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `len` numbers in (-1, 1) without a pattern that a kernel could share; another `seed` gives other numbers.
pub fn wave(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| (i as f64 * 1.7 + seed as f64 * 0.9 + 0.3).sin()).collect()
}

#[cfg(test)]
mod tests {
    use super::{assert_gradient, dot, gradient, wave};

    #[test]
    fn the_gradient_of_a_cubic_is_found() {
        let found = gradient(|x| x[0].powi(3) + 2.0 * x[0] * x[1], &[0.5, -2.0]);
        assert!((found[0] - (0.75 - 4.0)).abs() < 1e-9);
        assert!((found[1] - 1.0).abs() < 1e-9);
    }

    #[test]
    #[should_panic(expected = "element 1")]
    fn a_wrong_gradient_is_named() {
        let x = wave(3, 0);
        assert_gradient(&[1.0, 1.1, 1.0], |x| dot(&[1.0, 1.0, 1.0], x), &x);
    }
}
