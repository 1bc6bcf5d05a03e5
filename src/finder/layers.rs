//! What the updates of a sweep do to each parameter tensor.

use crate::session::{History, Norms};

/// The norms of every parameter tensor's gradient, update and weights at every rate of a sweep.
///
/// A ratio of update to weights of about 1e-3 is customary (Stanford's CS231n, "Neural Networks Part 3", "Ratio of
/// weights:updates"): a rule of thumb, for plain SGD, that shows a layer which is left behind or torn along.
#[derive(Clone, Debug, PartialEq)]
pub struct Layers {
    /// "conv2d1.weight", ..., in the model's order.
    pub names: Vec<String>,
    /// One row a step of the sweep, in order, with a column for each tensor; over several seeds their mean. A step that ended the
    /// sweep has a row too, without updates.
    pub rows: Vec<Vec<Norms>>,
    /// What was not finite first; `None` where all was.
    pub first: Option<NotFinite>,
}

/// The first step at which a norm was not finite (or beyond f32), and which tensors' it was.
#[derive(Clone, Debug, PartialEq)]
pub struct NotFinite {
    /// Index of the step.
    pub step: usize,
    /// Weights, which an earlier update has made so, or gradients while all weights were finite.
    pub of: Part,
    /// Names of the tensors, first things first: weights in the order of the forward pass, gradients of the backward pass.
    pub names: Vec<String>,
}

/// Of what a norm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The tensor itself.
    Weights,
    /// Its gradient.
    Gradient,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Weights => "the weights",
            Self::Gradient => "the gradient",
        })
    }
}

impl Layers {
    /// Of the histories of one sweep, or of several seeds, whose mean it is as far as the shortest goes.
    pub(super) fn new(names: Vec<String>, histories: &[History]) -> Self {
        let steps = histories.iter().map(|h| h.layers.len()).min().unwrap_or(0);
        let row = |step: usize| (0..names.len()).map(|tensor| mean(histories, step, tensor)).collect();
        let rows: Vec<Vec<Norms>> = (0..steps).map(row).collect();
        let first = first(&names, &rows);
        Self { names, rows, first }
    }
}

fn mean(histories: &[History], step: usize, tensor: usize) -> Norms {
    let n = histories.len() as f64;
    let of = |f: fn(&Norms) -> f64| histories.iter().map(|h| f(&h.layers[step][tensor])).sum::<f64>() / n;
    let update = histories.iter().map(|h| h.layers[step][tensor].update).sum::<Option<f64>>();
    Norms { gradient: of(|x| x.gradient), update: update.map(|sum| sum / n), weights: of(|x| x.weights) }
}

fn first(names: &[String], rows: &[Vec<Norms>]) -> Option<NotFinite> {
    let wrong = |row: &[Norms], f: fn(&Norms) -> f64| -> Vec<String> {
        let all = names.iter().zip(row);
        all.filter(|(_, norms)| !f(norms).is_finite()).map(|(name, _)| name.clone()).collect()
    };
    rows.iter().enumerate().find_map(|(step, row)| {
        let weights = wrong(row, |n| n.weights);
        if !weights.is_empty() {
            return Some(NotFinite { step, of: Part::Weights, names: weights });
        }
        let mut gradients = wrong(row, |n| n.gradient);
        gradients.reverse();
        (!gradients.is_empty()).then_some(NotFinite { step, of: Part::Gradient, names: gradients })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norms(gradient: f64, weights: f64) -> Norms {
        Norms { gradient, update: Some(0.5 * gradient), weights }
    }

    fn history(layers: Vec<Vec<Norms>>) -> History {
        History { steps: Vec::new(), stopped: None, held_out: Vec::new(), layers }
    }

    #[test]
    fn the_first_that_is_not_finite_is_found_in_the_order_of_events() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let fine = vec![norms(1.0, 1.0); 3];
        let of = |rows: Vec<Vec<Norms>>| Layers::new(names.clone(), &[history(rows)]).first;
        assert_eq!(of(vec![fine.clone(), fine.clone()]), None);
        // The backward pass comes to c first.
        let gradients = vec![norms(1.0, 1.0), norms(f64::NAN, 1.0), norms(f64::INFINITY, 1.0)];
        let weights = vec![norms(f64::NAN, 1.0), norms(1.0, f64::INFINITY), norms(1.0, f64::NAN)];
        let found = |step, of, names: &[&str]| {
            Some(NotFinite { step, of, names: names.iter().map(|n| n.to_string()).collect() })
        };
        let both = of(vec![fine.clone(), gradients, weights.clone()]);
        assert_eq!(both, found(1, Part::Gradient, &["c", "b"]));
        assert_eq!(of(vec![weights]), found(0, Part::Weights, &["b", "c"]));
    }

    #[test]
    fn seeds_are_averaged_as_far_as_all_go() {
        let ended = Norms { update: None, ..norms(5.0, 6.0) };
        let two = [
            history(vec![vec![norms(1.0, 2.0)], vec![norms(1.0, 2.0)], vec![norms(9.0, 9.0)]]),
            history(vec![vec![norms(3.0, 4.0)], vec![ended]]),
        ];
        let layers = Layers::new(vec!["a".into()], &two);
        assert_eq!(layers.rows, [[norms(2.0, 3.0)], [Norms { update: None, ..norms(3.0, 4.0) }]]);
        assert_eq!(layers.rows[0][0].ratio(), Some(1.0 / 3.0));
        assert_eq!(Norms { weights: 0.0, ..norms(1.0, 1.0) }.ratio(), None);
    }
}
