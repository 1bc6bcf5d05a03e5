//! The frozen mode: the loss along one update direction, with the weights where they are.

use super::curve::{Curve, Waves, point, smooth, total};
use super::told::Told;
use super::{Point, RangeTest};
use crate::data::Dataset;
use crate::data::order::batch_order;
use crate::error::Result;
use crate::schedule::Schedule;
use crate::session::{Control, Cost, Outcome, Run, Session, Stop, StopReason, Tensor};

/// Share of the promised descent that Armijo's rule asks for (Nocedal & Wright, section 3.1).
const ARMIJO: f64 = 1e-4;

/// The loss along `w0 - lr u`, where `u` is the optimizer's update at a rate of 1 on one batch. It answers for one step on
/// one batch: rates that are best for a single step are known to be poor for training (they follow the steepest directions
/// and no others), so this is a view of the landscape, not a rate to train with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Loss at `lr = 0`.
    pub initial: f64,
    /// `g'u`: how fast the loss falls along the line at `lr = 0`.
    pub slope: f64,
    /// The rate of the lowest loss.
    pub argmin: Option<f64>,
    /// The largest rate, from the smallest on, whose loss is at most `initial - 1e-4 lr g'u` (Armijo).
    pub armijo: Option<f64>,
    /// The smallest rate whose loss is above `initial`.
    pub rises: Option<f64>,
    /// `u'Hu` of the parabola `initial - lr g'u + lr^2 u'Hu / 2` that fits the losses up to twice the lowest one's rate.
    pub curvature: Option<f64>,
}

/// One step at a rate of 1, of a copy: the weights before it, the update, and `g'u`.
async fn direction(
    session: &Session,
    data: &Dataset,
    order: &[u32],
) -> Result<(Vec<Tensor>, Vec<Vec<f32>>, f64)> {
    let before = session.weights(0).await?;
    let mut copy = session.with_gradients().await?;
    let schedules = [Schedule::constant(1.0, 1, session.optimizer())];
    let run = Run { schedules: &schedules, order, beta: 0.0, stop: Stop::NotFinite };
    copy.run(data, &run, Control::default()).await?;
    let (after, gradient) = (copy.weights(0).await?, copy.gradients(0).await?);
    let mut slope = 0.0;
    let mut update = Vec::new();
    for ((w0, w1), g) in before.iter().zip(&after).zip(&gradient) {
        let u: Vec<f32> = w0.data.iter().zip(&w1.data).map(|(a, b)| a - b).collect();
        slope += u.iter().zip(&g.data).map(|(u, g)| f64::from(*u) * f64::from(*g)).sum::<f64>();
        update.push(u);
    }
    Ok((before, update, slope))
}

/// `w0 - lr u`.
fn moved(weights: &[Tensor], update: &[Vec<f32>], lr: f64) -> Vec<Tensor> {
    let step = |(w, u): (&Tensor, &Vec<f32>)| Tensor {
        data: w.data.iter().zip(u).map(|(w, u)| (f64::from(*w) - lr * f64::from(*u)) as f32).collect(),
        ..w.clone()
    };
    weights.iter().zip(update).map(step).collect()
}

/// The loss of every rate by forward passes alone, many rates at once.
pub(super) async fn line(
    test: &RangeTest,
    rates: &[f64],
    session: &mut Session,
    data: &Dataset,
    mut told: Told<'_>,
) -> Result<Curve> {
    let order = batch_order(data.len(), session.options().effective_batch(), 1, test.seed(session))?;
    let (weights, update, slope) = direction(session, data, &order).await?;
    let momentum = session.optimizer().momentum();
    let all: Vec<f64> = std::iter::once(0.0).chain(rates.iter().copied()).collect();
    let mut measured = Vec::new();
    let mut costs: Vec<Cost> = Vec::new();
    let mut waves = Waves::new(session, all.len());
    while measured.len() < all.len() {
        let wave = &all[measured.len()..][..waves.size().min(all.len() - measured.len())];
        let mut copies = session.replicate(wave.len()).await?;
        for (replica, &lr) in wave.iter().enumerate() {
            copies.set_weights(replica, &moved(&weights, &update, lr))?;
        }
        let schedules = [Schedule::constant(0.0, 1, session.optimizer())];
        let run = Run { schedules: &schedules, order: &order, beta: 0.0, stop: Stop::NotFinite };
        let control = Control { progress: None, cancel: told.cancel };
        let Outcome { histories, cost } = copies.measure(data, &run, control).await?;
        waves.learn(wave.len(), cost.wall);
        costs.push(cost);
        let done = measured.len();
        measured.extend(histories.into_iter().filter_map(|h| h.steps.first().copied()));
        // The first is at a rate of 0: no point.
        let new = measured.iter().skip(done.max(1)).copied().take_while(|m| m.loss.is_finite()).collect();
        told.tell(measured.len() - 1, new);
    }
    let initial = measured.first().map_or(f64::NAN, |m| m.loss);
    let mut points: Vec<Point> = rates
        .iter()
        .zip(measured.iter().skip(1))
        .enumerate()
        .map(|(i, (&lr, m))| Point { grad_norm: None, ..point(i, lr, momentum, m) })
        .take_while(|p| p.loss.is_finite())
        .collect();
    let stopped = (points.len() < rates.len()).then_some((points.len(), StopReason::LossNotFinite));
    smooth(&mut points, test.beta);
    let line = read(initial, slope, &points);
    Ok(Curve { line: Some(line), ..Curve::new(points, stopped, total(&costs)) })
}

/// What the losses along the line say.
fn read(initial: f64, slope: f64, points: &[Point]) -> Line {
    let lowest = points.iter().min_by(|a, b| a.loss.total_cmp(&b.loss)).filter(|p| p.loss < initial);
    let descends = |p: &&Point| p.loss <= initial - ARMIJO * p.lr * slope;
    let rises = points.iter().find(|p| p.loss > initial + rounding(initial));
    // Least squares for the one unknown: c in loss - initial + lr slope = c lr^2 / 2.
    let curvature = lowest.and_then(|lowest| {
        let near = points.iter().filter(|p| p.lr <= 2.0 * lowest.lr);
        let (top, bottom) = near.fold((0.0, 0.0), |(top, bottom), p| {
            let x = 0.5 * p.lr * p.lr;
            (top + x * (p.loss - initial + p.lr * slope), bottom + x * x)
        });
        (bottom > 0.0).then_some(top / bottom)
    });
    Line {
        initial,
        slope,
        argmin: lowest.map(|p| p.lr),
        armijo: points
            .iter()
            .take_while(|p| p.lr < rises.map_or(f64::INFINITY, |r| r.lr))
            .filter(descends)
            .last()
            .map(|p| p.lr),
        rises: rises.map(|p| p.lr),
        curvature,
    }
}

/// Below this a difference of two f32 losses means nothing.
fn rounding(loss: f64) -> f64 {
    4.0 * f64::from(f32::EPSILON) * loss.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parabola(a: f64, c: f64) -> Vec<Point> {
        let at = |i: i32| {
            let lr = 10f64.powf(-4.0 + f64::from(i) / 10.0);
            let loss = 2.0 - a * lr + 0.5 * c * lr * lr;
            Point { step: 0, lr, loss, smoothed: loss, accuracy: None, grad_norm: None, momentum: 0.0 }
        };
        (0..60).map(at).collect()
    }

    #[test]
    fn a_parabola_is_read_exactly() {
        let line = read(2.0, 3.0, &parabola(3.0, 6.0));
        assert!((line.curvature.unwrap() - 6.0).abs() < 1e-9);
        assert!((line.argmin.unwrap() / 0.5).log10().abs() < 0.06, "{line:?}");
        // The loss is back at its start at lr = 2 a / c = 1.
        assert!((line.rises.unwrap().log10() - 0.0).abs() < 0.11, "{line:?}");
        assert!(line.armijo.unwrap() < line.rises.unwrap() && line.armijo.unwrap() > 0.7, "{line:?}");
    }

    #[test]
    fn an_uphill_direction_has_no_minimum() {
        let line = read(2.0, -3.0, &parabola(-3.0, 6.0));
        assert_eq!((line.argmin, line.curvature), (None, None));
        assert!(line.rises.is_some());
    }
}
