//! The mean squared distance of `prediction[B,D]` from `target[B,D]`, as `torch.nn.MSELoss`: one mean over all `B D`
//! elements.

/// The shape of one regression loss.
#[derive(Clone, Copy, Debug)]
pub struct MeanSquaredError {
    /// Rows of the batch.
    pub b: usize,
    /// Elements of a row.
    pub d: usize,
}

impl MeanSquaredError {
    /// `loss[b] = sum_d (prediction[b,d] - target[b,d])^2 / D`.
    pub fn row_losses(&self, prediction: &[f64], target: &[f64]) -> Vec<f64> {
        let mut losses = vec![0.0; self.b];
        for (b, loss) in losses.iter_mut().enumerate() {
            for d in 0..self.d {
                let i = b * self.d + d;
                *loss += (prediction[i] - target[i]).powi(2) / self.d as f64;
            }
        }
        losses
    }

    /// The mean of the rows' losses, which is the mean over all elements.
    pub fn mean(&self, prediction: &[f64], target: &[f64]) -> f64 {
        self.row_losses(prediction, target).iter().sum::<f64>() / self.b as f64
    }

    /// The gradient of the mean: `2 (prediction - target) / (B D)`.
    pub fn dprediction(&self, prediction: &[f64], target: &[f64]) -> Vec<f64> {
        let elements = (self.b * self.d) as f64;
        prediction.iter().zip(target).map(|(p, t)| 2.0 * (p - t) / elements).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::MeanSquaredError;
    use crate::reference::finite_difference::{assert_gradient, wave};

    #[test]
    fn the_mean_is_over_all_elements() {
        let loss = MeanSquaredError { b: 2, d: 2 };
        let (prediction, target) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 3.0, 0.0]);
        assert_eq!(loss.row_losses(&prediction, &target), [2.0, 8.0]);
        assert_eq!(loss.mean(&prediction, &target), 5.0);
    }

    #[test]
    fn the_gradient_is_the_central_difference() {
        let loss = MeanSquaredError { b: 3, d: 5 };
        let prediction = wave(15, 1);
        let target = wave(15, 2);
        assert_gradient(&loss.dprediction(&prediction, &target), |p| loss.mean(p, &target), &prediction);
    }
}
