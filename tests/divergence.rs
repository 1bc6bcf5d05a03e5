//! When a run ends early: a loss that is not finite, and the two rules for a loss that rises.

use crate::common::{block, fill, regression, rows_in_turn, session, set_weights, train, weights};
use rangefinder::{
    Adam, Control, Dataset, Graph, History, Linear, Loss, Measured, Op, Optimizer, Options, RangeTest, Run,
    Schedule, Sequential, Session, Sgd, Stop, StopReason, digits,
};

fn deep(layers: Sequential, optimizer: impl Into<Optimizer>) -> Session {
    let model = layers.linear(10).build().unwrap();
    session(&model, Loss::CrossEntropy, optimizer, Options::batch(32))
}

fn mlp(optimizer: impl Into<Optimizer>) -> Session {
    deep(Sequential::image(1, 8, 8).flatten().linear(32).relu(), optimizer)
}

/// Without relu no unit can die: weights of 1e18 make logits of 1e54.
fn explosive(optimizer: impl Into<Optimizer>) -> Session {
    deep(Sequential::image(1, 8, 8).flatten().linear(16).linear(16), optimizer)
}

fn finite(session: &Session) -> bool {
    weights(session).iter().flat_map(|t| &t.data).all(|v| v.is_finite())
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_at_its_step() {
    for optimizer in [Sgd::plain().into(), Sgd::momentum(0.9).into(), Optimizer::from(Adam::default())] {
        let mut session = explosive(optimizer);
        // Three steps that are harmless, then a rate that breaks the model.
        let mut rates = vec![1e-3; 3];
        rates.extend([1e20; 30]);
        let history = train(&mut session, &digits(), &rates).histories.remove(0);
        let (step, reason) = history.stopped.expect("1e20 is too large a rate");
        assert_eq!(reason, StopReason::LossNotFinite, "{optimizer}");
        assert_eq!(step, 4, "{optimizer}: the step after the first update at the large rate");
        assert_eq!(history.steps.len(), step + 1, "{optimizer}: the history ends with the step that stopped");
        let (last, before) = history.steps.split_last().unwrap();
        assert!(!last.loss.is_finite(), "{optimizer}: {last:?}");
        assert!(before.iter().all(|m| m.loss.is_finite()), "{optimizer}");
        assert_eq!(last.grad_norm, None, "{optimizer}: no update was made");
        assert!(finite(&session), "{optimizer}: the update of the last step was skipped");
        assert_eq!(session.steps_done(), step, "{optimizer}: updates made");
    }
}

/// A gradient that overflows stops the run before its update where its norm is known before: with clipping.
#[test]
fn a_gradient_that_is_not_finite_ends_the_run() {
    let model = Sequential::features(1).linear(1).build().unwrap();
    let options = Options::batch(1).clip(1.0);
    let mut session = session(&model, Loss::MeanSquaredError, Sgd::plain(), options);
    set_weights(&mut session, &[vec![1.0], vec![0.0]]);
    // The loss is 1e30; the gradient 2e15 * 1e15 squares to more than f32 holds.
    let data = regression(&[1], vec![1e15], vec![0.0], 1);
    let history = train(&mut session, &data, &[0.1; 3]).histories.remove(0);
    assert_eq!(history.stopped, Some((0, StopReason::GradientNotFinite)));
    assert!(history.steps[0].loss.is_finite(), "{:?}", history.steps[0]);
    assert_eq!(weights(&session)[0].data, [1.0], "no update was made");
}

/// Without clipping the norm is known a step later: the run ends then, also where the loss is finite all the time.
#[test]
fn a_gradient_that_was_not_finite_ends_the_run_at_the_next_step() {
    let model = Sequential::features(1).linear(1).build().unwrap();
    let mut session = session(&model, Loss::MeanSquaredError, Sgd::plain(), Options::batch(1));
    set_weights(&mut session, &[vec![1.0], vec![0.0]]);
    let data = regression(&[1], vec![1e15], vec![0.0], 1);
    let history = train(&mut session, &data, &[1e-32; 3]).histories.remove(0);
    assert_eq!(history.stopped, Some((1, StopReason::GradientNotFinite)));
    assert!(history.steps.iter().all(|m| m.loss.is_finite()), "{history:?}");
    assert_eq!((history.steps[0].grad_norm, history.steps[1].grad_norm), (Some(f64::INFINITY), None));
    assert_eq!(session.steps_done(), 1, "the update of step 1 was not made");
}

/// Both at once: of one row x, y = w x, and loss (w x - target)^2 + noise^2, where the noise is a pair of targets around
/// the true one, which cancel in the gradient.
fn line(scale: f32, noise: f32) -> (Session, Dataset) {
    let mut graph = Graph::new(&[3]).unwrap();
    let input = graph.input();
    graph.add(Op::Linear(Linear { out: 1, bias: false }), &[input]).unwrap();
    let mut session = session(&graph, Loss::MeanSquaredError, Sgd::plain(), Options::batch(8));
    set_weights(&mut session, &[vec![0.5 * scale, -0.25 * scale, 0.125 * scale]]);
    let (mut inputs, mut targets) = (vec![], vec![]);
    for row in fill(24, 1, 1.0).chunks(3) {
        let y = scale * (row[0] + 0.5 * row[1] - 0.25 * row[2]);
        for sign in [-1.0, 1.0] {
            inputs.extend_from_slice(row);
            targets.push(y + sign * noise);
        }
    }
    (session, regression(&[3], inputs, targets, 1))
}

fn run(session: &mut Session, data: &Dataset, rates: Vec<f64>, stop: Stop) -> History {
    let order = rows_in_turn(data, session.options().batch, 0..rates.len());
    let schedules = [Schedule::rates(rates, session.optimizer())];
    let run = Run { schedules: &schedules, order: &order, beta: 0.9, stop };
    block(session.run(data, &run, Control::default())).unwrap().histories.remove(0)
}

/// 100 rates from 0.001 to 1000: the loss falls, then rises.
fn sweep() -> Vec<f64> {
    (0..100).map(|i| 1e-3 * 1e6f64.powf(f64::from(i) / 99.0)).collect()
}

fn swept(scale: f32, noise: f32, stop: Stop) -> History {
    let (mut session, data) = line(scale, noise);
    run(&mut session, &data, sweep(), stop)
}

/// The first step whose smoothed loss is above `factor` times its best.
fn first_above(steps: &[Measured], factor: f64) -> Option<usize> {
    let mut best = f64::INFINITY;
    steps.iter().position(|m| {
        best = best.min(m.smoothed);
        m.smoothed > factor * best
    })
}

#[test]
fn fastais_rule_stops_at_a_multiple_of_the_best() {
    let full = swept(1.0, 0.0, Stop::NotFinite);
    let mut stops = Vec::new();
    for factor in [1.1, 4.0, 1e3] {
        let expected = first_above(&full.steps, factor).expect("the sweep diverges");
        let history = swept(1.0, 0.0, Stop::Best(factor));
        assert_eq!(history.stopped, Some((expected, StopReason::Diverged)), "{factor}");
        assert_eq!(history.steps.len(), expected + 1);
        assert_eq!(history.steps[..expected], full.steps[..expected], "until then both are one run");
        stops.push(expected);
    }
    assert!(stops[0] < stops[1] && stops[1] < stops[2], "each factor has its step: {stops:?}");
}

/// Our rule in f64, over the losses of a run that was not stopped: it may give back `factor` of the fall, or of so many
/// times the noise.
fn first_rise(steps: &[Measured], factor: f64, noises: f64) -> Option<usize> {
    let losses: Vec<f64> = steps.iter().map(|m| m.loss).collect();
    let differences = losses.windows(2).take(10).map(|w| (w[1] - w[0]).abs());
    let noise = differences.sum::<f64>() / 10.0;
    let medians: Vec<f64> = losses
        .windows(5)
        .map(|w| {
            let mut w = w.to_vec();
            w.sort_by(f64::total_cmp);
            w[2]
        })
        .collect();
    (10..losses.len()).find(|t| {
        let so_far = &medians[..=t - 4];
        let lowest = so_far.iter().copied().fold(f64::INFINITY, f64::min);
        so_far[t - 4] > lowest + factor * (medians[0] - lowest).max(noises * noise)
    })
}

#[test]
fn our_rule_stops_where_the_fall_is_given_back() {
    for (scale, noise) in [(1.0, 0.0), (1.0, 3.0), (16.0, 0.5)] {
        let full = swept(scale, noise, Stop::NotFinite);
        let expected = first_rise(&full.steps, 0.9, 8.0).expect("the sweep diverges");
        let history = swept(scale, noise, Stop::Rise(0.9));
        assert_eq!(history.stopped, Some((expected, StopReason::Diverged)), "{scale}, {noise}");
        assert_eq!(history.steps.len(), expected + 1);
        assert!(expected < 99, "before the end of the sweep");
    }
}

/// Where nothing fell, the noise between batches is the scale: steps at rate zero, where two batches alternate, then one
/// just above the largest stable rate, from near the best weights.
#[test]
fn our_rule_measures_a_rise_by_the_noise_where_nothing_fell() {
    let swept = |stop| {
        let (mut session, data) = line(1.0, 0.0);
        set_weights(&mut session, &[vec![1.1, 0.5, -0.25]]);
        let rates = (0..100).map(|t| if t < 20 { 0.0 } else { 1.5 }).collect();
        run(&mut session, &data, rates, stop)
    };
    let full = swept(Stop::NotFinite);
    let [expected, half] = [8.0, 4.0].map(|noises| first_rise(&full.steps, 0.9, noises));
    assert!(expected.is_some() && half < expected, "the noise decides: {half:?}, {expected:?}");
    assert_eq!(swept(Stop::Rise(0.9)).stopped, expected.map(|step| (step, StopReason::Diverged)));
}

/// A loss times 256, the weights and targets times 16: the same training, and to the bit the same stop.
#[test]
fn the_scale_of_the_loss_changes_nothing() {
    let (one, scaled) = (swept(1.0, 0.0, Stop::Rise(0.9)), swept(16.0, 0.0, Stop::Rise(0.9)));
    assert_eq!(one.stopped, scaled.stopped);
    for (a, b) in one.steps.iter().zip(&scaled.steps) {
        assert_eq!(256.0 * a.loss, b.loss);
    }
}

/// A loss that is 9 too high everywhere. Four times the best would be long past the minimum.
#[test]
fn the_offset_of_the_loss_changes_nothing() {
    let stop = |noise, rule| swept(1.0, noise, rule).stopped.expect("the sweep diverges").0;
    let (plain, offset) = (stop(0.0, Stop::Rise(0.9)), stop(3.0, Stop::Rise(0.9)));
    assert!(plain.abs_diff(offset) <= 1, "steps {plain} and {offset}");
    let (plain, offset) = (stop(0.0, Stop::Best(4.0)), stop(3.0, Stop::Best(4.0)));
    assert!(offset > plain + 1, "fastai's rule depends on it: steps {plain} and {offset}");
}

/// At rate zero the loss only wobbles from batch to batch: that is no divergence, however long.
#[test]
fn noise_alone_does_not_stop_a_run() {
    let mut session = mlp(Sgd::plain());
    let history = run(&mut session, &digits(), vec![0.0; 300], Stop::Rise(0.9));
    assert_eq!((history.steps.len(), history.stopped), (300, None));
    // Nor does a loss that stays exactly where it is.
    let (mut session, data) = line(1.0, 1.0);
    let data = data.subset(&[0; 8]).unwrap();
    let history = run(&mut session, &data, vec![0.0; 100], Stop::Rise(0.9));
    assert_eq!((history.steps.len(), history.stopped), (100, None));
}

/// From the best weights there is nothing to fall; when it rises the run still ends.
#[test]
fn a_loss_that_never_falls_still_stops_when_it_rises() {
    let (mut session, data) = line(1.0, 0.0);
    set_weights(&mut session, &[vec![1.001, 0.5, -0.25]]);
    let mut rates = vec![0.0; 20];
    rates.extend([100.0; 60]);
    let history = run(&mut session, &data, rates, Stop::Rise(0.9));
    let (step, reason) = history.stopped.expect("a rate of 100 diverges");
    assert_eq!(reason, StopReason::Diverged);
    assert!((20..40).contains(&step), "step {step}");
}

/// The range test reports the stop, and leaves the loss that is not finite out of its points.
#[test]
fn a_range_test_reports_the_stop() {
    let mut session = explosive(Sgd::plain());
    let test = RangeTest { from: 1e-3, to: 1e25, steps: 60, stop: Stop::NotFinite, ..RangeTest::default() };
    let report = block(test.run(&mut session, &digits())).unwrap();
    let (step, reason) = report.stopped.expect("1e25 is too large a rate");
    assert_eq!(reason, StopReason::LossNotFinite);
    assert_eq!(report.points.len(), step, "all points before it");
    assert!(report.points.iter().all(|p| p.loss.is_finite()));
}
