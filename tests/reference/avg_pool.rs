//! The mean of each window of `x[B,C,H,W]`, as `torch.nn.AvgPool2d` with `count_include_pad = True`, its default.

/// The shape of one average pooling applied to one batch. Pairs are (vertical, horizontal).
#[derive(Clone, Copy, Debug)]
pub struct AvgPool {
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
    /// Zeros added on each side; they count in the mean. At most half the kernel, as in PyTorch.
    pub padding: [usize; 2],
}

impl AvgPool {
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

    /// `y = sum of the window / (KH KW)`.
    pub fn forward(&self, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; self.y_len()];
        self.for_each_pair(|output, input| y[output] += x[input] / self.window());
        y
    }

    /// Each element of a window gets `1 / (KH KW)` of its gradient.
    pub fn dx(&self, dy: &[f64]) -> Vec<f64> {
        let mut dx = vec![0.0; self.x_len()];
        self.for_each_pair(|output, input| dx[input] += dy[output] / self.window());
        dx
    }

    /// Elements of a window, those in the padding included.
    fn window(&self) -> f64 {
        (self.kernel[0] * self.kernel[1]) as f64
    }

    /// Visits every (output, input) pair in which the output's window holds the input, as flat indices.
    fn for_each_pair(&self, mut visit: impl FnMut(usize, usize)) {
        for plane in 0..self.b * self.c {
            for p in 0..self.out_h() {
                for q in 0..self.out_w() {
                    let output = (plane * self.out_h() + p) * self.out_w() + q;
                    self.for_each_input(plane, p, q, |input| visit(output, input));
                }
            }
        }
    }

    /// Visits the elements of one window that lie inside the image.
    fn for_each_input(&self, plane: usize, p: usize, q: usize, mut visit: impl FnMut(usize)) {
        for k in 0..self.kernel[0] {
            for l in 0..self.kernel[1] {
                let Some(row) = inside(p * self.stride[0] + k, self.padding[0], self.h) else { continue };
                let Some(column) = inside(q * self.stride[1] + l, self.padding[1], self.w) else { continue };
                visit((plane * self.h + row) * self.w + column);
            }
        }
    }
}

/// The position in the image of a position in the padded image, or nothing inside the padding.
fn inside(padded: usize, padding: usize, size: usize) -> Option<usize> {
    padded.checked_sub(padding).filter(|&position| position < size)
}

#[cfg(test)]
mod tests {
    use super::AvgPool;
    use crate::reference::finite_difference::{assert_gradient, dot, wave};

    #[test]
    fn padding_counts_in_the_mean() {
        let pool = AvgPool { b: 1, c: 1, h: 1, w: 4, kernel: [1, 2], stride: [1, 2], padding: [0, 1] };
        assert_eq!(pool.forward(&[2.0, 4.0, 6.0, 8.0]), [1.0, 5.0, 4.0]);
        assert_eq!(pool.dx(&[2.0, 4.0, 6.0]), [1.0, 2.0, 2.0, 3.0]);
    }

    #[test]
    fn the_gradient_is_the_central_difference() {
        let pool = AvgPool { b: 2, c: 3, h: 5, w: 7, kernel: [3, 2], stride: [2, 1], padding: [1, 1] };
        let x = wave(pool.x_len(), 1);
        let dy = wave(pool.y_len(), 2);
        assert_gradient(&pool.dx(&dy), |x| dot(&dy, &pool.forward(x)), &x);
    }
}
