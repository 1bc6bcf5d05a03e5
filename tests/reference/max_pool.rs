//! The largest element of each window of `x[B,C,H,W]`, as `torch.nn.MaxPool2d`.

/// The shape of one max pooling applied to one batch. Pairs are (vertical, horizontal).
#[derive(Clone, Copy, Debug)]
pub struct MaxPool {
    /// Images of the batch.
    pub b: usize,
    /// Channels.
    pub c: usize,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Size of a window.
    pub kernel: [usize; 2],
    /// Distance between neighbouring windows.
    pub stride: [usize; 2],
    /// Minus infinities added on each side: padding never wins. At most half the kernel, as in PyTorch.
    pub padding: [usize; 2],
}

impl MaxPool {
    /// Output height.
    pub fn out_h(&self) -> usize {
        (self.h + 2 * self.padding[0] - self.kernel[0]) / self.stride[0] + 1
    }

    /// Output width.
    pub fn out_w(&self) -> usize {
        (self.w + 2 * self.padding[1] - self.kernel[1]) / self.stride[1] + 1
    }

    /// Elements of `x[B,C,H,W]`.
    pub fn x_len(&self) -> usize {
        self.b * self.c * self.h * self.w
    }

    /// Elements of `y[B,C,out_h,out_w]`.
    pub fn y_len(&self) -> usize {
        self.b * self.c * self.out_h() * self.out_w()
    }

    /// `y = max of the window`.
    pub fn forward(&self, x: &[f64]) -> Vec<f64> {
        self.winners(x).into_iter().map(|winner| x[winner]).collect()
    }

    /// Each winner gets the gradient of every window that it won.
    pub fn dx(&self, dy: &[f64], x: &[f64]) -> Vec<f64> {
        let mut dx = vec![0.0; self.x_len()];
        for (gradient, winner) in dy.iter().zip(self.winners(x)) {
            dx[winner] += gradient;
        }
        dx
    }

    /// For each output element the flat index of the input that it takes.
    pub fn winners(&self, x: &[f64]) -> Vec<usize> {
        let mut winners = Vec::with_capacity(self.y_len());
        for plane in 0..self.b * self.c {
            for p in 0..self.out_h() {
                for q in 0..self.out_w() {
                    winners.push(self.winner(x, plane, p, q));
                }
            }
        }
        winners
    }

    /// The largest element of one window; of equals the first in scan order, so only a strictly larger one displaces.
    fn winner(&self, x: &[f64], plane: usize, p: usize, q: usize) -> usize {
        let mut best: Option<usize> = None;
        for k in 0..self.kernel[0] {
            for l in 0..self.kernel[1] {
                let Some(row) = inside(p * self.stride[0] + k, self.padding[0], self.h) else { continue };
                let Some(column) = inside(q * self.stride[1] + l, self.padding[1], self.w) else { continue };
                let candidate = (plane * self.h + row) * self.w + column;
                if best.is_none_or(|best| x[candidate] > x[best]) {
                    best = Some(candidate);
                }
            }
        }
        best.expect("a window holds at least one element of the image")
    }
}

/// The position in the image of a position in the padded image, or nothing inside the padding.
fn inside(padded: usize, padding: usize, size: usize) -> Option<usize> {
    padded.checked_sub(padding).filter(|&position| position < size)
}

#[cfg(test)]
mod tests {
    use super::MaxPool;
    use crate::reference::finite_difference::{assert_gradient, dot, wave};

    const ROW: MaxPool = MaxPool { b: 1, c: 1, h: 1, w: 4, kernel: [1, 2], stride: [1, 2], padding: [0, 0] };

    #[test]
    fn the_first_of_equals_wins() {
        let x = [3.0, 3.0, -1.0, -1.0];
        assert_eq!(ROW.forward(&x), [3.0, -1.0]);
        assert_eq!(ROW.dx(&[5.0, 7.0], &x), [5.0, 0.0, 7.0, 0.0]);
    }

    #[test]
    fn padding_never_wins() {
        let padded = MaxPool { padding: [0, 1], ..ROW };
        assert_eq!(padded.forward(&[-2.0, -3.0, -4.0, -5.0]), [-2.0, -3.0, -5.0]);
    }

    #[test]
    fn an_element_that_wins_twice_sums_its_gradients() {
        let overlapping = MaxPool { stride: [1, 1], ..ROW };
        assert_eq!(overlapping.dx(&[1.0, 2.0, 4.0], &[0.0, 9.0, 1.0, 0.0]), [0.0, 3.0, 4.0, 0.0]);
    }

    #[test]
    fn the_gradient_is_the_central_difference() {
        let pool = MaxPool { b: 2, c: 3, h: 5, w: 7, kernel: [3, 2], stride: [2, 1], padding: [1, 1] };
        let x = wave(pool.x_len(), 1);
        let dy = wave(pool.y_len(), 2);
        assert_gradient(&pool.dx(&dy, &x), |x| dot(&dy, &pool.forward(x)), &x);
    }
}
