//! Inverted dropout with a given mask, as `torch.nn.Dropout` in training mode. Which elements are dropped is the
//! engine's choice (counter-based random numbers), so the mask is an input here.

/// `y = x / (1 - p)` where the mask is 1, and 0 where it is 0.
pub fn forward(x: &[f64], mask: &[f64], p: f64) -> Vec<f64> {
    x.iter().zip(mask).map(|(&x, &keep)| scaled(x, keep, p)).collect()
}

/// `dx = dy / (1 - p)` where the mask is 1, and 0 where it is 0.
pub fn dx(dy: &[f64], mask: &[f64], p: f64) -> Vec<f64> {
    dy.iter().zip(mask).map(|(&dy, &keep)| scaled(dy, keep, p)).collect()
}

/// `value keep / (1 - p)`. A dropped element is 0 even at `p = 1`, where the scale is infinite.
fn scaled(value: f64, keep: f64, p: f64) -> f64 {
    if keep == 0.0 { 0.0 } else { value * keep / (1.0 - p) }
}

#[cfg(test)]
mod tests {
    use super::{dx, forward};
    use crate::reference::finite_difference::{assert_gradient, dot, wave};

    #[test]
    fn what_stays_is_scaled_up() {
        assert_eq!(forward(&[3.0, 4.0], &[1.0, 0.0], 0.25), [4.0, 0.0]);
        assert_eq!(forward(&[3.0, 4.0], &[0.0, 0.0], 1.0), [0.0, 0.0]);
    }

    #[test]
    fn the_gradient_is_the_central_difference() {
        let x = wave(7, 1);
        let dy = wave(7, 2);
        let mask = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0];
        assert_gradient(&dx(&dy, &mask, 0.3), |x| dot(&dy, &forward(x, &mask, 0.3)), &x);
    }
}
