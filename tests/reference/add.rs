//! `y = left + right`, elementwise: the join of a residual connection.

/// `y[i] = left[i] + right[i]`.
pub fn forward(left: &[f64], right: &[f64]) -> Vec<f64> {
    assert_eq!(left.len(), right.len(), "a residual join needs two tensors of one shape");
    left.iter().zip(right).map(|(left, right)| left + right).collect()
}

/// The gradient of the left operand: `dy` itself.
pub fn dleft(dy: &[f64]) -> Vec<f64> {
    dy.to_vec()
}

/// The gradient of the right operand: `dy` itself.
pub fn dright(dy: &[f64]) -> Vec<f64> {
    dy.to_vec()
}

#[cfg(test)]
mod tests {
    use super::{dleft, dright, forward};
    use crate::reference::finite_difference::{assert_gradient, dot, wave};

    #[test]
    fn gradients_are_the_central_differences() {
        let left = wave(7, 1);
        let right = wave(7, 2);
        let dy = wave(7, 3);
        assert_gradient(&dleft(&dy), |left| dot(&dy, &forward(left, &right)), &left);
        assert_gradient(&dright(&dy), |right| dot(&dy, &forward(&left, right)), &right);
    }
}
