//! Batch normalisation of `x[B,C,S]` per channel, as `torch.nn.BatchNorm1d` (S = 1) and `BatchNorm2d` (S = H W).

/// The shape and the two constants of one batch normalisation.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// Rows of the batch.
    pub b: usize,
    /// Channels.
    pub c: usize,
    /// Elements of one channel of one row.
    pub s: usize,
    /// Added to the variance under the root.
    pub eps: f64,
    /// Share of the batch's statistics in the new running statistics.
    pub momentum: f64,
}

/// What the forward pass in training mode gives.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The output, `[B,C,S]`.
    pub y: Vec<f64>,
    /// The batch's mean per channel.
    pub mean: Vec<f64>,
    /// The batch's biased variance per channel (divided by `B S`): the one that normalises.
    pub var: Vec<f64>,
}

/// Running statistics per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// The running mean.
    pub mean: Vec<f64>,
    /// The running unbiased variance.
    pub var: Vec<f64>,
}

impl Running {
    /// Where PyTorch starts: mean 0, variance 1.
    pub fn new(c: usize) -> Running {
        Running { mean: vec![0.0; c], var: vec![1.0; c] }
    }
}

impl BatchNorm {
    /// The shape with PyTorch's default constants: `eps` 1e-5, `momentum` 0.1.
    pub const fn new(b: usize, c: usize, s: usize) -> BatchNorm {
        BatchNorm { b, c, s, eps: 1e-5, momentum: 0.1 }
    }

    /// Elements of `x[B,C,S]`.
    pub fn x_len(&self) -> usize {
        self.b * self.c * self.s
    }

    /// Training mode: `y = gamma (x - mean) / sqrt(var + eps) + beta` with the batch's own mean and biased variance.
    pub fn forward(&self, x: &[f64], gamma: &[f64], beta: &[f64]) -> Forward {
        let mean = self.mean(x);
        let var = self.biased_variance(x, &mean);
        let y = self.affine(x, gamma, beta, &mean, &var);
        Forward { y, mean, var }
    }

    /// `running = (1 - momentum) running + momentum batch`. The variance goes in unbiased, divided by `B S - 1`.
    pub fn update_running(&self, running: &Running, forward: &Forward) -> Running {
        let count = self.count();
        assert!(count > 1.0, "the unbiased variance of one value does not exist");
        let unbiased: Vec<f64> = forward.var.iter().map(|var| var * count / (count - 1.0)).collect();
        let blend = |old: &f64, new: &f64| (1.0 - self.momentum) * old + self.momentum * new;
        Running {
            mean: running.mean.iter().zip(&forward.mean).map(|(old, new)| blend(old, new)).collect(),
            var: running.var.iter().zip(&unbiased).map(|(old, new)| blend(old, new)).collect(),
        }
    }

    /// The gradient through the normalisation, the batch's mean and variance included. With `n = B S`,
    /// `xhat = (x - mean) / sqrt(var + eps)` and sums over the channel:
    /// `dx = gamma / sqrt(var + eps) * (dy - sum(dy) / n - xhat sum(dy xhat) / n)`.
    pub fn dx(&self, dy: &[f64], x: &[f64], gamma: &[f64]) -> Vec<f64> {
        let mean = self.mean(x);
        let var = self.biased_variance(x, &mean);
        let xhat = self.normalised(x, &mean, &var);
        let dgamma = self.dgamma(dy, x);
        let dbeta = self.dbeta(dy);
        let n = self.count();
        let mut dx = vec![0.0; self.x_len()];
        self.for_each(|c, i| {
            let centred = dy[i] - dbeta[c] / n - xhat[i] * dgamma[c] / n;
            dx[i] = gamma[c] / (var[c] + self.eps).sqrt() * centred;
        });
        dx
    }

    /// `dgamma[c] = sum(dy xhat)` over the channel.
    pub fn dgamma(&self, dy: &[f64], x: &[f64]) -> Vec<f64> {
        let mean = self.mean(x);
        let var = self.biased_variance(x, &mean);
        let xhat = self.normalised(x, &mean, &var);
        let mut dgamma = vec![0.0; self.c];
        self.for_each(|c, i| dgamma[c] += dy[i] * xhat[i]);
        dgamma
    }

    /// `dbeta[c] = sum(dy)` over the channel.
    pub fn dbeta(&self, dy: &[f64]) -> Vec<f64> {
        let mut dbeta = vec![0.0; self.c];
        self.for_each(|c, i| dbeta[c] += dy[i]);
        dbeta
    }

    /// Evaluation mode: the running statistics in place of the batch's.
    pub fn forward_eval(&self, x: &[f64], gamma: &[f64], beta: &[f64], running: &Running) -> Vec<f64> {
        self.affine(x, gamma, beta, &running.mean, &running.var)
    }

    /// The mean per channel.
    fn mean(&self, x: &[f64]) -> Vec<f64> {
        let mut mean = vec![0.0; self.c];
        self.for_each(|c, i| mean[c] += x[i] / self.count());
        mean
    }

    /// The mean squared distance from the mean per channel.
    fn biased_variance(&self, x: &[f64], mean: &[f64]) -> Vec<f64> {
        let mut var = vec![0.0; self.c];
        self.for_each(|c, i| var[c] += (x[i] - mean[c]).powi(2) / self.count());
        var
    }

    /// `xhat = (x - mean) / sqrt(var + eps)`.
    fn normalised(&self, x: &[f64], mean: &[f64], var: &[f64]) -> Vec<f64> {
        let mut xhat = vec![0.0; self.x_len()];
        self.for_each(|c, i| xhat[i] = (x[i] - mean[c]) / (var[c] + self.eps).sqrt());
        xhat
    }

    /// `gamma xhat + beta`.
    fn affine(&self, x: &[f64], gamma: &[f64], beta: &[f64], mean: &[f64], var: &[f64]) -> Vec<f64> {
        let xhat = self.normalised(x, mean, var);
        let mut y = vec![0.0; self.x_len()];
        self.for_each(|c, i| y[i] = gamma[c] * xhat[i] + beta[c]);
        y
    }

    /// Elements per channel.
    fn count(&self) -> f64 {
        (self.b * self.s) as f64
    }

    /// Visits every element as (channel, flat index).
    fn for_each(&self, mut visit: impl FnMut(usize, usize)) {
        for b in 0..self.b {
            for c in 0..self.c {
                for s in 0..self.s {
                    visit(c, (b * self.c + c) * self.s + s);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchNorm, Running};
    use crate::reference::finite_difference::{assert_gradient, dot, wave};

    #[test]
    fn two_values_become_minus_one_and_one() {
        let norm = BatchNorm { eps: 0.0, ..BatchNorm::new(2, 1, 1) };
        let forward = norm.forward(&[3.0, 7.0], &[10.0], &[0.5]);
        assert_eq!(forward.y, [-9.5, 10.5]);
        assert_eq!((forward.mean[0], forward.var[0]), (5.0, 4.0));
    }

    #[test]
    fn the_running_variance_is_unbiased() {
        let norm = BatchNorm { momentum: 0.25, ..BatchNorm::new(2, 1, 1) };
        let forward = norm.forward(&[3.0, 7.0], &[1.0], &[0.0]);
        let running = norm.update_running(&Running::new(1), &forward);
        assert_eq!(running, Running { mean: vec![1.25], var: vec![0.75 + 0.25 * 8.0] });
    }

    #[test]
    fn evaluation_uses_the_running_statistics() {
        let norm = BatchNorm { eps: 0.0, ..BatchNorm::new(1, 2, 1) };
        let running = Running { mean: vec![1.0, 2.0], var: vec![4.0, 9.0] };
        assert_eq!(norm.forward_eval(&[5.0, 5.0], &[1.0, 2.0], &[0.0, 1.0], &running), [2.0, 3.0]);
    }

    #[test]
    fn gradients_are_the_central_differences() {
        for norm in [BatchNorm::new(5, 2, 1), BatchNorm::new(3, 2, 4), BatchNorm::new(1, 3, 7)] {
            let x = wave(norm.x_len(), 1);
            let gamma = wave(norm.c, 2);
            let beta = wave(norm.c, 3);
            let dy = wave(norm.x_len(), 4);
            assert_gradient(&norm.dx(&dy, &x, &gamma), |x| dot(&dy, &norm.forward(x, &gamma, &beta).y), &x);
            assert_gradient(
                &norm.dgamma(&dy, &x),
                |gamma| dot(&dy, &norm.forward(&x, gamma, &beta).y),
                &gamma,
            );
            assert_gradient(&norm.dbeta(&dy), |beta| dot(&dy, &norm.forward(&x, &gamma, beta).y), &beta);
        }
    }
}
