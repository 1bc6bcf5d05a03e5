//! `y[B,O] = x[B,I] w[O,I]^T + bias[O]`, as `torch.nn.Linear`.

/// The shape of one linear layer applied to one batch.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    /// Rows of the batch.
    pub b: usize,
    /// Inputs per row.
    pub i: usize,
    /// Outputs per row.
    pub o: usize,
}

impl Linear {
    /// `y[b,o] = bias[o] + sum_i x[b,i] w[o,i]`.
    pub fn forward(&self, x: &[f64], w: &[f64], bias: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; self.b * self.o];
        for b in 0..self.b {
            for o in 0..self.o {
                let mut sum = bias[o];
                for i in 0..self.i {
                    sum += x[b * self.i + i] * w[o * self.i + i];
                }
                y[b * self.o + o] = sum;
            }
        }
        y
    }

    /// `dx[b,i] = sum_o dy[b,o] w[o,i]`.
    pub fn dx(&self, dy: &[f64], w: &[f64]) -> Vec<f64> {
        let mut dx = vec![0.0; self.b * self.i];
        for b in 0..self.b {
            for i in 0..self.i {
                for o in 0..self.o {
                    dx[b * self.i + i] += dy[b * self.o + o] * w[o * self.i + i];
                }
            }
        }
        dx
    }

    /// `dw[o,i] = sum_b dy[b,o] x[b,i]`.
    pub fn dw(&self, dy: &[f64], x: &[f64]) -> Vec<f64> {
        let mut dw = vec![0.0; self.o * self.i];
        for o in 0..self.o {
            for i in 0..self.i {
                for b in 0..self.b {
                    dw[o * self.i + i] += dy[b * self.o + o] * x[b * self.i + i];
                }
            }
        }
        dw
    }

    /// `db[o] = sum_b dy[b,o]`.
    pub fn db(&self, dy: &[f64]) -> Vec<f64> {
        let mut db = vec![0.0; self.o];
        for b in 0..self.b {
            for (o, sum) in db.iter_mut().enumerate() {
                *sum += dy[b * self.o + o];
            }
        }
        db
    }
}

#[cfg(test)]
mod tests {
    use super::Linear;
    use crate::reference::finite_difference::{assert_gradient, dot, wave};

    #[test]
    fn a_product_by_hand() {
        let layer = Linear { b: 1, i: 2, o: 3 };
        let y = layer.forward(&[2.0, 3.0], &[1.0, 0.0, 0.0, 1.0, 1.0, -1.0], &[0.5, 0.0, 0.0]);
        assert_eq!(y, [2.5, 3.0, -1.0]);
    }

    #[test]
    fn gradients_are_the_central_differences() {
        for layer in [Linear { b: 1, i: 1, o: 1 }, Linear { b: 3, i: 5, o: 2 }] {
            let x = wave(layer.b * layer.i, 1);
            let w = wave(layer.o * layer.i, 2);
            let bias = wave(layer.o, 3);
            let dy = wave(layer.b * layer.o, 4);
            assert_gradient(&layer.dx(&dy, &w), |x| dot(&dy, &layer.forward(x, &w, &bias)), &x);
            assert_gradient(&layer.dw(&dy, &x), |w| dot(&dy, &layer.forward(&x, w, &bias)), &w);
            assert_gradient(&layer.db(&dy), |bias| dot(&dy, &layer.forward(&x, &w, bias)), &bias);
        }
    }
}
