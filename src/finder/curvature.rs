//! The largest curvature of the loss, and the rate at which a step across it would no longer come back.

use crate::data::Dataset;
use crate::data::order::batch_order;
use crate::data::rng::Rng;
use crate::error::{Error, Result};
use crate::optim::Optimizer;
use crate::schedule::Schedule;
use crate::session::{Control, Run, Session, Snapshot, Stop, Tensor};
use std::sync::atomic::Ordering;

/// The largest eigenvalue of the Hessian over one batch, by Lanczos' iteration. A product with the Hessian is a central
/// difference of the gradient, `(g(w + e v) - g(w - e v)) / 2e`: two gradients, no second derivatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvatureTest {
    /// Most products; default 50.
    pub iterations: usize,
    /// Stop when the estimate changes by less than this share, twice in a row; default 1e-3.
    pub tolerance: f64,
    /// Length of the difference, as a share of `1 + |w|`; default 1e-3. Smaller drowns in rounding, larger bends.
    pub step: f64,
    /// Seed of the batch and of the first vector; default the session's.
    pub seed: Option<u64>,
}

impl Default for CurvatureTest {
    fn default() -> Self {
        Self { iterations: 50, tolerance: 1e-3, step: 1e-3, seed: None }
    }
}

/// What the iteration found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curvature {
    /// The largest eigenvalue; negative where the loss curves down in every direction. Where parameters learn at multiples of the
    /// rate, of the Hessian with its rows scaled by them.
    pub lambda_max: f64,
    /// The largest stable rate on a quadratic of this curvature, with the optimizer's momentum: `2 / lambda` for gradient
    /// descent, `2 (1 + b) / lambda` with heavy-ball momentum, `2 (1 + b) / ((1 + 2 b) lambda)` with Nesterov's (Cohen et al.,
    /// arXiv:2103.00065). For Adam, `2 (1 + b) / ((1 - b) lambda)` of the Hessian preconditioned by its second moments
    /// (arXiv:2207.14484), which it has only after some steps. `None` where there is no such limit.
    pub limit: Option<f64>,
    /// The formula of `limit`, in λ and the momentum β; empty where there is none.
    pub formula: &'static str,
    /// Products that were taken.
    pub iterations: usize,
    /// Did the estimate settle?
    pub converged: bool,
}

/// The gradient of a copy of the session over one batch, anywhere.
struct Gradient<'a> {
    session: Session,
    data: &'a Dataset,
    order: Vec<u32>,
    start: Snapshot,
    weights: Vec<Tensor>,
}

impl<'a> Gradient<'a> {
    async fn new(session: &Session, data: &'a Dataset, seed: u64) -> Result<Self> {
        let session = session.with_gradients().await?;
        let order = batch_order(data.len(), session.options().effective_batch(), 1, seed)?;
        let start = session.snapshot().await?;
        let weights = session.weights(0).await?;
        Ok(Self { session, data, order, start, weights })
    }

    /// The gradient at `w + scale v`.
    async fn at(&mut self, scale: f64, v: &[f64]) -> Result<Vec<f64>> {
        self.session.restore(&self.start); // with it the random numbers: every gradient sees the same dropout
        let mut from = v.iter();
        let mut moved = self.weights.clone();
        for weight in moved.iter_mut().flat_map(|t| &mut t.data) {
            *weight = (f64::from(*weight) + scale * from.next().copied().unwrap_or(0.0)) as f32;
        }
        self.session.set_weights(0, &moved)?;
        let schedules = [Schedule::constant(0.0, 1, self.session.optimizer())];
        let run = Run { schedules: &schedules, order: &self.order, beta: 0.0, stop: Stop::NotFinite };
        self.session.run(self.data, &run, Control::default()).await?;
        let gradients = self.session.gradients(0).await?;
        Ok(gradients.iter().flat_map(|t| t.data.iter().map(|g| f64::from(*g))).collect())
    }
}

/// Lanczos' iteration: an orthonormal basis in which a symmetric matrix is tridiagonal. Its largest eigenvalue approaches the
/// matrix's far sooner than a power iteration, and from the right end: near a random start a network's Hessian has negative
/// eigenvalues about as large as its positive ones, between which a power iteration does not decide.
struct Lanczos {
    basis: Vec<Vec<f64>>,
    diagonal: Vec<f64>,
    /// Below the diagonal.
    off: Vec<f64>,
}

impl Lanczos {
    fn new(start: Vec<f64>) -> Self {
        let size = norm(&start);
        let first = start.into_iter().map(|x| x / size).collect();
        Self { basis: vec![first], diagonal: Vec::new(), off: Vec::new() }
    }

    /// The vector whose product is wanted.
    fn vector(&self) -> &[f64] {
        &self.basis[self.basis.len() - 1]
    }

    fn products(&self) -> usize {
        self.diagonal.len()
    }

    /// Takes the matrix's product with `vector`. True when nothing is left to explore.
    fn take(&mut self, mut product: Vec<f64>) -> bool {
        let scale = norm(&product);
        self.diagonal.push(dot(&product, self.vector()));
        // Against every earlier vector, twice: the recurrence alone loses its orthogonality to rounding.
        for _ in 0..2 {
            for earlier in &self.basis {
                let share = dot(&product, earlier);
                product.iter_mut().zip(earlier).for_each(|(p, e)| *p -= share * e);
            }
        }
        let size = norm(&product);
        // What f32 gradients leave of nothing.
        if size <= 1e-5 * scale || self.basis.len() == product.len() {
            return true;
        }
        product.iter_mut().for_each(|p| *p /= size);
        self.off.push(size);
        self.basis.push(product);
        false
    }

    /// Largest eigenvalue of the tridiagonal matrix, by bisection: below `x` there are as many eigenvalues as the sequence
    /// `d_i - x - off_i^2 / q_(i-1)` has negative terms (Sturm).
    fn largest(&self) -> f64 {
        let n = self.diagonal.len();
        let reach = |i: usize| {
            let off = |j: Option<usize>| j.and_then(|j| self.off[..n - 1].get(j)).map_or(0.0, |o| o.abs());
            off(i.checked_sub(1)) + off(Some(i))
        };
        let (mut low, mut high) = (0..n).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), i| {
            (f64::min(low, self.diagonal[i] - reach(i)), f64::max(high, self.diagonal[i] + reach(i)))
        });
        let all_below = |x: f64| {
            let mut q = 1.0;
            (0..n).all(|i| {
                let off = if i == 0 { 0.0 } else { self.off[i - 1] };
                q = self.diagonal[i] - x - off * off / q;
                q < 0.0
            })
        };
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if all_below(middle) { high = middle } else { low = middle }
        }
        0.5 * (low + high)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(v: &[f64]) -> f64 {
    dot(v, v).sqrt()
}

impl CurvatureTest {
    /// Measures the curvature at the session's weights, and leaves the session as it was.
    ///
    /// # Errors
    /// A dataset that does not fit, a loss that is not finite there, a failing device, or a cancel.
    pub async fn run(
        &self,
        session: &mut Session,
        data: &Dataset,
        control: Control<'_>,
    ) -> Result<Curvature> {
        let seed = self.seed.unwrap_or(session.options().seed);
        let optimizer = *session.optimizer();
        let moments = session.second_moments(optimizer.beta2()).await?;
        let adapted = moments.is_some();
        // P^-1 of a step lr P^-1 g. Symmetric: P^-1/2 H P^-1/2 has the eigenvalues of P^-1 H.
        let mut scales = session.rate_multipliers();
        if let (Optimizer::Adam(adam), Some(moments)) = (&optimizer, moments) {
            scales.iter_mut().zip(moments).for_each(|(scale, v)| *scale /= v.sqrt() + adam.eps);
        }
        scales.iter_mut().for_each(|scale| *scale = scale.sqrt());
        let precondition = Some(scales).filter(|scales| scales.iter().any(|scale| *scale != 1.0));
        let mut gradient = Gradient::new(session, data, seed).await?;
        let length = norm(
            &gradient.weights.iter().flat_map(|t| t.data.iter().map(|w| f64::from(*w))).collect::<Vec<_>>(),
        );
        let count = gradient.weights.iter().map(|t| t.data.len()).sum();
        let mut rng = Rng::stream(seed, "curvature", 0);
        let mut lanczos = Lanczos::new((0..count).map(|_| rng.normal()).collect());
        let (mut lambda, mut settled) = (f64::NAN, 0);
        while lanczos.products() < self.iterations && settled < 2 {
            if control.cancel.is_some_and(|c| c.load(Ordering::Relaxed)) {
                return Err(Error::Cancelled);
            }
            let product =
                self.product(&mut gradient, lanczos.vector(), precondition.as_deref(), length).await?;
            if !product.iter().all(|h| h.is_finite()) || norm(&product) == 0.0 {
                let detail = "the gradient is zero or not finite here; there is no curvature";
                return Err(Error::data(data.name(), detail));
            }
            let whole = lanczos.take(product);
            let estimate = lanczos.largest();
            settled =
                if (estimate - lambda).abs() <= self.tolerance * estimate.abs() { settled + 1 } else { 0 };
            lambda = estimate;
            if whole {
                settled = 2; // the vectors span all that the first one reaches: the answer is exact
            }
        }
        let (iterations, converged) = (lanczos.products(), settled == 2);
        let (limit, formula) = limit(&optimizer, lambda, adapted).unzip();
        let formula = formula.unwrap_or_default();
        Ok(Curvature { lambda_max: lambda, limit, formula, iterations, converged })
    }

    /// `H v`, or `P^-1/2 H P^-1/2 v`.
    async fn product(
        &self,
        gradient: &mut Gradient<'_>,
        v: &[f64],
        precondition: Option<&[f64]>,
        length: f64,
    ) -> Result<Vec<f64>> {
        let scaled = |v: &[f64]| match precondition {
            Some(p) => v.iter().zip(p).map(|(v, p)| v * p).collect(),
            None => v.to_vec(),
        };
        let direction: Vec<f64> = scaled(v);
        let e = self.step * (1.0 + length) / norm(&direction).max(f64::MIN_POSITIVE);
        let (ahead, behind) = (gradient.at(e, &direction).await?, gradient.at(-e, &direction).await?);
        let difference: Vec<f64> = ahead.iter().zip(&behind).map(|(a, b)| (a - b) / (2.0 * e)).collect();
        Ok(scaled(&difference))
    }
}

/// The largest stable rate, and its formula.
fn limit(optimizer: &Optimizer, lambda: f64, preconditioned: bool) -> Option<(f64, &'static str)> {
    let b = optimizer.momentum();
    let (stable, formula) = match optimizer {
        Optimizer::Sgd(_) if b == 0.0 => (2.0, "2/λ"),
        Optimizer::Sgd(sgd) if sgd.nesterov => (2.0 * (1.0 + b) / (1.0 + 2.0 * b), "2(1+β)/((1+2β)λ)"),
        Optimizer::Sgd(_) => (2.0 * (1.0 + b), "2(1+β)/λ"),
        Optimizer::Adam(_) if preconditioned => (2.0 * (1.0 + b) / (1.0 - b), "2(1+β)/((1−β)λ)"),
        Optimizer::Adam(_) => return None,
    };
    (lambda > 0.0).then_some((stable / lambda, formula))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{Adam, Sgd};

    /// The product of a symmetric matrix.
    fn times(matrix: &[[f64; 4]; 4], v: &[f64]) -> Vec<f64> {
        matrix.iter().map(|row| dot(row, v)).collect()
    }

    #[test]
    fn the_largest_eigenvalue_is_found_beside_a_larger_negative_one() {
        // A reflection Q = 1 - 2 u u' of diag(-7, 3, 1, -2): the eigenvalues stay.
        let u = [0.5, 0.5, -0.5, 0.5];
        let d = [-7.0, 3.0, 1.0, -2.0];
        let q = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * u[i] * u[j];
        let entry = |i: usize, j: usize| (0..4).map(|k| q(i, k) * d[k] * q(j, k)).sum();
        let matrix: [[f64; 4]; 4] = std::array::from_fn(|i| std::array::from_fn(|j| entry(i, j)));
        let mut lanczos = Lanczos::new(vec![1.0, 0.3, -0.2, 0.7]);
        while !lanczos.take(times(&matrix, lanczos.vector())) {}
        assert!((lanczos.largest() - 3.0).abs() < 1e-9, "{}", lanczos.largest());
        assert!(lanczos.products() <= 4);
    }

    #[test]
    fn limits_are_those_of_the_papers() {
        let limit = |optimizer: Optimizer, preconditioned| Some(limit(&optimizer, 4.0, preconditioned)?.0);
        let near = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 1e-12, "{a:?} {b}");
        near(limit(Sgd::plain().into(), false), 0.5);
        near(limit(Sgd::momentum(0.9).into(), false), 0.95);
        near(limit(Sgd::nesterov(0.9).into(), false), 3.8 / 2.8 / 4.0);
        near(limit(Adam::default().into(), true), 38.0 / 4.0);
        assert_eq!(limit(Adam::default().into(), false), None);
        assert_eq!(super::limit(&Sgd::plain().into(), -1.0, false), None);
    }
}
