//! Softmax and negative log-likelihood of `logits[B,K]` with one label per row, as `torch.nn.CrossEntropyLoss`.

/// The shape of one classification loss.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy {
    /// Rows of the batch.
    pub b: usize,
    /// Classes.
    pub k: usize,
}

impl CrossEntropy {
    /// `loss[b] = log(sum_k e^logits[b,k]) - logits[b,label]`, the sum taken after subtracting the row's maximum.
    pub fn row_losses(&self, logits: &[f64], labels: &[u32]) -> Vec<f64> {
        let loss = |b: usize| {
            let row = self.row(logits, b);
            log_sum_exp(row) - row[labels[b] as usize]
        };
        (0..self.b).map(loss).collect()
    }

    /// The mean of the rows' losses.
    pub fn mean(&self, logits: &[f64], labels: &[u32]) -> f64 {
        self.row_losses(logits, labels).iter().sum::<f64>() / self.b as f64
    }

    /// The gradient of the mean: `dlogits[b,k] = (softmax(logits[b])[k] - (k == label)) / B`.
    pub fn dlogits(&self, logits: &[f64], labels: &[u32]) -> Vec<f64> {
        let mut dlogits = vec![0.0; self.b * self.k];
        for b in 0..self.b {
            let row = self.row(logits, b);
            let normaliser = log_sum_exp(row);
            for k in 0..self.k {
                let probability = (row[k] - normaliser).exp();
                let target = if k == labels[b] as usize { 1.0 } else { 0.0 };
                dlogits[b * self.k + k] = (probability - target) / self.b as f64;
            }
        }
        dlogits
    }

    /// Per row whether the largest logit is the label's; of equals the first counts as the largest.
    pub fn correct(&self, logits: &[f64], labels: &[u32]) -> Vec<bool> {
        (0..self.b).map(|b| first_largest(self.row(logits, b)) == labels[b] as usize).collect()
    }

    /// Row `b` of the logits.
    fn row<'a>(&self, logits: &'a [f64], b: usize) -> &'a [f64] {
        &logits[b * self.k..(b + 1) * self.k]
    }
}

/// `log(sum(e^row))`, shifted by the largest element so that nothing overflows.
fn log_sum_exp(row: &[f64]) -> f64 {
    let largest = row[first_largest(row)];
    largest + row.iter().map(|logit| (logit - largest).exp()).sum::<f64>().ln()
}

/// The index of the largest element, the first of equals.
fn first_largest(row: &[f64]) -> usize {
    let mut best = 0;
    for (k, &logit) in row.iter().enumerate() {
        if logit > row[best] {
            best = k;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::CrossEntropy;
    use crate::reference::finite_difference::{assert_gradient, wave};

    #[test]
    fn equal_logits_cost_the_log_of_the_classes() {
        let loss = CrossEntropy { b: 2, k: 4 };
        assert!((loss.mean(&[7.0; 8], &[0, 3]) - 4f64.ln()).abs() < 1e-15);
        assert_eq!(loss.correct(&[7.0; 8], &[0, 3]), [true, false]);
    }

    #[test]
    fn huge_logits_stay_finite() {
        let loss = CrossEntropy { b: 2, k: 2 };
        let logits = [1e4, -1e4, 1e4, -1e4];
        assert_eq!(loss.row_losses(&logits, &[0, 1]), [0.0, 2e4]);
        assert_eq!(loss.dlogits(&logits, &[0, 1]), [0.0, 0.0, 0.5, -0.5]);
    }

    #[test]
    fn the_gradient_is_the_central_difference() {
        let loss = CrossEntropy { b: 5, k: 3 };
        let labels = [2, 0, 1, 1, 2];
        let logits: Vec<f64> = wave(15, 1).iter().map(|x| 3.0 * x).collect();
        assert_gradient(&loss.dlogits(&logits, &labels), |logits| loss.mean(logits, &labels), &logits);
    }
}
