//! Each optimizer against PyTorch's trajectories: ten steps over given gradients, with clipping and with rates that grow.
//!
//! The model is five weights, and row b of a batch is `SMALL` in place b: the output is `SMALL w[b]`, and with the target
//! `-5 g[b] / (2 SMALL)` the gradient of the mean squared error is `g[b] + 2 / 5 SMALL^2 w[b]`, g to all digits of f32.

use crate::common::{
    assert_close, bits, block, fill, regression, rows_in_turn, session, set_weights, train, weights, widened,
};
use crate::golden::Trajectory;
use crate::golden::values::TRAJECTORIES;
use crate::golden_runs::engine;
use crate::reference::optim::{Sgd as Reference, State};
use rangefinder::{
    Activation, Adam, Control, Dataset, Graph, Linear, Loss, Op, Optimizer, Options, Run, Schedule,
    Sequential, Session, Sgd, Stop,
};

const WEIGHTS: usize = 5;
const STEPS: usize = 10;
const SMALL: f32 = 1.0 / 4096.0;

/// Ten steps of f32 against f64.
const TOLERANCE: f64 = 1e-5;

/// The gradient of a step.
fn gradient(step: usize) -> Vec<f32> {
    fill(WEIGHTS, 41 + step as u32, 1.0)
}

/// Row `5 step + b` makes the gradient of weight b in a step.
fn data() -> Dataset {
    let one_hot = (0..WEIGHTS * WEIGHTS).map(|i| if i / WEIGHTS == i % WEIGHTS { SMALL } else { 0.0 });
    let inputs = one_hot.cycle().take(STEPS * WEIGHTS * WEIGHTS).collect();
    let targets = (0..STEPS).flat_map(gradient).map(|g| -g * 2.5 / SMALL).collect();
    regression(&[WEIGHTS], inputs, targets, 1)
}

fn five_weights(optimizer: Optimizer, clip: Option<f64>) -> Session {
    let mut graph = Graph::new(&[WEIGHTS]).unwrap();
    let input = graph.input();
    graph.add(Op::Linear(Linear { out: 1, bias: false }), &[input]).unwrap();
    let options = Options { clip, ..Options::batch(WEIGHTS).gradients(true) };
    let mut session = session(&graph, Loss::MeanSquaredError, optimizer, options);
    set_weights(&mut session, &[fill(WEIGHTS, 40, 1.0)]);
    session
}

fn end(session: &Session) -> Vec<f64> {
    widened(&weights(session)[0].data)
}

#[test]
fn the_gradient_is_the_one_given() {
    let mut session = five_weights(Sgd::plain().into(), None);
    train(&mut session, &data(), &[0.0]);
    let found = widened(&block(session.gradients(0)).unwrap()[0].data);
    assert_close(&found, &widened(&gradient(0)), 1e-6, "gradient");
}

#[track_caller]
fn check(trajectory: &Trajectory) {
    let (optimizer, lr) = engine(&trajectory.optimizer);
    let mut session = five_weights(optimizer, trajectory.max_norm);
    let rates: Vec<f64> = (0..STEPS).map(|t| lr * trajectory.growth.powi(t as i32)).collect();
    train(&mut session, &data(), &rates);
    assert_close(&end(&session), &trajectory.end, TOLERANCE, &format!("{trajectory:?}"));
}

#[test]
fn trajectories_are_pytorchs() {
    for trajectory in &TRAJECTORIES {
        check(trajectory);
    }
}

/// Clipping is to the norm, measured before it; the history keeps the norm as it was.
#[test]
fn clipping_reports_the_norm_before_it() {
    let mut session = five_weights(Sgd::plain().into(), Some(0.5));
    let history = train(&mut session, &data(), &[0.1; STEPS]).histories.remove(0);
    for (t, step) in history.steps.iter().enumerate() {
        let norm = crate::reference::optim::global_norm(&widened(&gradient(t)));
        assert_close(&[step.grad_norm.unwrap()], &[norm], TOLERANCE, &format!("norm of step {t}"));
    }
}

/// Ten steps in one run, or in two: momentum and bias correction go on where they were.
#[test]
fn a_run_goes_on_where_the_last_one_ended() {
    for optimizer in [Sgd::momentum(0.9).into(), Adam::default().into(), Optimizer::from(Adam::w(0.1))] {
        let mut whole = five_weights(optimizer, None);
        train(&mut whole, &data(), &[0.01; STEPS]);
        let mut parts = five_weights(optimizer, None);
        train(&mut parts, &data(), &[0.01; 4]);
        train(&mut parts, &data(), &[0.01; 6]);
        assert_eq!(end(&whole), end(&parts), "{optimizer}");
        assert_eq!(block(whole.fingerprint()).unwrap(), block(parts.fingerprint()).unwrap(), "{optimizer}");
    }
}

fn run(session: &mut Session, schedule: Schedule) {
    let data = data();
    let order = rows_in_turn(&data, WEIGHTS, 0..STEPS);
    let run = Run { schedules: &[schedule], order: &order, beta: 0.98, stop: Stop::NotFinite };
    block(session.run(&data, &run, Control::default())).unwrap();
}

/// Multipliers of 1 change no bit, a rate of 0 freezes to the bit, and a multiple of the rate is that multiple: under powers of
/// two exactly.
#[test]
fn multipliers_multiply() {
    let data = regression(&[6], fill(60, 1, 1.0), fill(20, 2, 1.0), 2);
    for optimizer in [Sgd::nesterov(0.9).weight_decay(0.1).into(), Optimizer::from(Adam::w(0.1))] {
        for clip in [None, Some(0.1)] {
            let run = |rate: f64, first: f64, all: f64| {
                let layers = Sequential::features(6).linear(5).rate(first).activation(Activation::Tanh);
                let mut graph = layers.linear(2).build().unwrap();
                if all != 1.0 {
                    graph.multiply_rate("", all).unwrap();
                }
                let options = Options { clip, ..Options::batch(5).replicas(2) };
                let mut session = session(&graph, Loss::MeanSquaredError, optimizer, options);
                let history = train(&mut session, &data, &[rate; 6]).histories.remove(1);
                let replicas = [block(session.weights(0)).unwrap(), block(session.weights(1)).unwrap()];
                assert_eq!(bits(&replicas[0]), bits(&replicas[1]), "{optimizer}");
                let losses: Vec<f64> = history.steps.iter().map(|m| m.loss).collect();
                (losses, bits(&replicas[0]))
            };
            let plain = run(0.01, 1.0, 1.0);
            assert_eq!(run(0.04, 1.0, 0.25), plain, "{optimizer}: a quarter of four times the rate");
            let frozen = run(0.01, 0.0, 1.0);
            assert_eq!(frozen.1[..2], run(0.0, 1.0, 1.0).1[..2], "{optimizer}: the first layer stays");
            assert_ne!(frozen.1[2..], plain.1[2..], "{optimizer}: and the second learns, elsewhere");
            assert_ne!(run(0.01, 0.5, 1.0).1, plain.1, "{optimizer}");
        }
    }
}

/// Momentum and decay of each step come from the schedule, not from the optimizer.
#[test]
fn momentum_and_decay_follow_the_schedule() {
    let optimizer: Optimizer = Sgd::nesterov(0.9).into();
    let mut schedule = Schedule::constant(0.1, STEPS, &optimizer);
    let (mut w, mut state) = (widened(&fill(WEIGHTS, 40, 1.0)), State::new(WEIGHTS));
    for t in 0..STEPS {
        schedule.momentum[t] = 0.05 * t as f64;
        schedule.weight_decay[t] = 0.02 * t as f64;
        let (momentum, weight_decay) = (schedule.momentum[t], schedule.weight_decay[t]);
        let step = Reference { lr: 0.1, momentum, weight_decay, nesterov: true };
        step.step(&mut w, &widened(&gradient(t)), &mut state.m);
    }
    let mut session = five_weights(optimizer, None);
    run(&mut session, schedule);
    assert_close(&end(&session), &w, TOLERANCE, "Nesterov under a schedule of momentum and decay");
}

/// Under a changing beta1 the first moment lacks the product of all of them, not a power of the last.
#[test]
fn bias_correction_follows_a_schedule_of_betas() {
    let adam = Adam::default();
    let mut schedule = Schedule::constant(0.1, STEPS, &adam.into());
    let (mut w, mut m, mut v) = (widened(&fill(WEIGHTS, 40, 1.0)), [0.0; WEIGHTS], [0.0; WEIGHTS]);
    let (mut missing1, mut missing2) = (1.0, 1.0);
    for t in 0..STEPS {
        let beta1 = 0.95 - 0.05 * t as f64;
        schedule.momentum[t] = beta1;
        missing1 *= beta1;
        missing2 *= adam.beta2;
        for (i, g) in widened(&gradient(t)).into_iter().enumerate() {
            m[i] = beta1 * m[i] + (1.0 - beta1) * g;
            v[i] = adam.beta2 * v[i] + (1.0 - adam.beta2) * g * g;
            w[i] -= 0.1 * m[i] / (1.0 - missing1) / ((v[i] / (1.0 - missing2)).sqrt() + adam.eps);
        }
    }
    let mut session = five_weights(adam.into(), None);
    run(&mut session, schedule);
    assert_close(&end(&session), &w, TOLERANCE, "Adam under a schedule of beta1");
}
