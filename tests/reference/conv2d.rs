//! Cross-correlation of `x[B,C,H,W]` with `w[O,C,KH,KW]`, as `torch.nn.Conv2d` with one group and zero padding.

/// The shape of one convolution applied to one batch. Pairs are (vertical, horizontal).
#[derive(Clone, Copy, Debug)]
pub struct Conv2d {
    /// Images of the batch.
    pub b: usize,
    /// Input channels.
    pub c: usize,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Output channels.
    pub o: usize,
    /// Kernel height.
    pub kh: usize,
    /// Kernel width.
    pub kw: usize,
    /// Distance between neighbouring windows.
    pub stride: [usize; 2],
    /// Zeros added on each side.
    pub padding: [usize; 2],
    /// Distance between neighbouring taps of the kernel.
    pub dilation: [usize; 2],
}

/// One product of the convolution: `y[output] += x[input] * w[weight]`, as flat indices.
struct Tap {
    output: usize,
    input: usize,
    weight: usize,
}

impl Conv2d {
    /// Output height.
    pub fn out_h(&self) -> usize {
        (self.h + 2 * self.padding[0] - self.dilation[0] * (self.kh - 1) - 1) / self.stride[0] + 1
    }

    /// Output width.
    pub fn out_w(&self) -> usize {
        (self.w + 2 * self.padding[1] - self.dilation[1] * (self.kw - 1) - 1) / self.stride[1] + 1
    }

    /// Elements of `x[B,C,H,W]`.
    pub fn x_len(&self) -> usize {
        self.b * self.c * self.h * self.w
    }

    /// Elements of `w[O,C,KH,KW]`.
    pub fn w_len(&self) -> usize {
        self.o * self.c * self.kh * self.kw
    }

    /// Elements of `y[B,O,out_h,out_w]`.
    pub fn y_len(&self) -> usize {
        self.b * self.o * self.out_h() * self.out_w()
    }

    /// `y[b,o,p,q] = bias[o] + sum_{c,k,l} x[b,c,row,column] w[o,c,k,l]`.
    pub fn forward(&self, x: &[f64], w: &[f64], bias: &[f64]) -> Vec<f64> {
        let area = self.out_h() * self.out_w();
        let mut y: Vec<f64> = (0..self.y_len()).map(|i| bias[i / area % self.o]).collect();
        self.for_each_tap(|tap| y[tap.output] += x[tap.input] * w[tap.weight]);
        y
    }

    /// Every product that reads an input hands its weight back to it.
    pub fn dx(&self, dy: &[f64], w: &[f64]) -> Vec<f64> {
        let mut dx = vec![0.0; self.x_len()];
        self.for_each_tap(|tap| dx[tap.input] += dy[tap.output] * w[tap.weight]);
        dx
    }

    /// Every product that uses a weight hands its input back to it.
    pub fn dw(&self, dy: &[f64], x: &[f64]) -> Vec<f64> {
        let mut dw = vec![0.0; self.w_len()];
        self.for_each_tap(|tap| dw[tap.weight] += dy[tap.output] * x[tap.input]);
        dw
    }

    /// `db[o] = sum_{b,p,q} dy[b,o,p,q]`.
    pub fn db(&self, dy: &[f64]) -> Vec<f64> {
        let area = self.out_h() * self.out_w();
        let mut db = vec![0.0; self.o];
        for (i, gradient) in dy.iter().enumerate() {
            db[i / area % self.o] += gradient;
        }
        db
    }

    /// Visits every product whose input lies inside the image.
    fn for_each_tap(&self, mut visit: impl FnMut(Tap)) {
        for b in 0..self.b {
            for o in 0..self.o {
                for p in 0..self.out_h() {
                    for q in 0..self.out_w() {
                        let output = ((b * self.o + o) * self.out_h() + p) * self.out_w() + q;
                        self.for_each_tap_of(b, o, [p, q], |input, weight| {
                            visit(Tap { output, input, weight })
                        });
                    }
                }
            }
        }
    }

    /// Visits the products of one output element as (input, weight).
    fn for_each_tap_of(&self, b: usize, o: usize, [p, q]: [usize; 2], mut visit: impl FnMut(usize, usize)) {
        for c in 0..self.c {
            for k in 0..self.kh {
                for l in 0..self.kw {
                    let Some(row) = self.source(0, p, k, self.h) else { continue };
                    let Some(column) = self.source(1, q, l, self.w) else { continue };
                    let input = ((b * self.c + c) * self.h + row) * self.w + column;
                    let weight = ((o * self.c + c) * self.kh + k) * self.kw + l;
                    visit(input, weight);
                }
            }
        }
    }

    /// The input position along `axis` that `tap` of the window at `out` reads, or nothing inside the padding.
    fn source(&self, axis: usize, out: usize, tap: usize, size: usize) -> Option<usize> {
        let padded = out * self.stride[axis] + tap * self.dilation[axis];
        padded.checked_sub(self.padding[axis]).filter(|&position| position < size)
    }
}

#[cfg(test)]
mod tests {
    use super::Conv2d;
    use crate::reference::finite_difference::{assert_gradient, dot, wave};

    const PLAIN: Conv2d = Conv2d {
        b: 1,
        c: 1,
        h: 3,
        w: 3,
        o: 1,
        kh: 2,
        kw: 2,
        stride: [1, 1],
        padding: [0, 0],
        dilation: [1, 1],
    };

    #[test]
    fn a_window_by_hand() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let y = PLAIN.forward(&x, &[1.0, 0.0, 0.0, -1.0], &[10.0]);
        assert_eq!(y, [6.0, 6.0, 6.0, 6.0]);
    }

    #[test]
    fn padding_reads_zeros() {
        let padded = Conv2d { padding: [1, 1], ..PLAIN };
        let y = padded.forward(&[1.0; 9], &[1.0; 4], &[0.0]);
        assert_eq!((padded.out_h(), padded.out_w()), (4, 4));
        assert_eq!(y, [1.0, 2.0, 2.0, 1.0, 2.0, 4.0, 4.0, 2.0, 2.0, 4.0, 4.0, 2.0, 1.0, 2.0, 2.0, 1.0]);
    }

    #[test]
    fn gradients_are_the_central_differences() {
        let uneven = Conv2d { b: 2, c: 2, h: 6, w: 7, o: 3, kh: 2, kw: 3, ..PLAIN };
        let shapes = [
            PLAIN,
            uneven,
            Conv2d { stride: [2, 3], padding: [1, 2], ..uneven },
            Conv2d { padding: [0, 1], dilation: [3, 2], ..uneven },
        ];
        for conv in shapes {
            let x = wave(conv.x_len(), 1);
            let w = wave(conv.w_len(), 2);
            let bias = wave(conv.o, 3);
            let dy = wave(conv.y_len(), 4);
            assert_gradient(&conv.dx(&dy, &w), |x| dot(&dy, &conv.forward(x, &w, &bias)), &x);
            assert_gradient(&conv.dw(&dy, &x), |w| dot(&dy, &conv.forward(&x, w, &bias)), &w);
            assert_gradient(&conv.db(&dy), |bias| dot(&dy, &conv.forward(&x, &w, bias)), &bias);
        }
    }
}
