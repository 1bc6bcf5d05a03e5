//! Updates that are made where the gradient is, against the same plan with the gradients kept: to the bit.

use crate::common::{bits, block, fill, gpu, regression, rows_in_turn, session, train};
use rangefinder::{
    Activation, Adam, Control, Dataset, Graph, History, Loss, Optimizer, Options, Profile, Run, Schedule,
    Sequential, Session, Sgd, Stop, compile, digits,
};

/// The profiles with kernels that update where they make the gradient.
fn profiles() -> Vec<Profile> {
    let able = |p: &Profile| matches!(p, Profile::Broadcast | Profile::Mirrored);
    gpu().profiles().into_iter().filter(able).collect()
}

fn optimizers() -> [Optimizer; 6] {
    let decayed = Adam { weight_decay: 0.1, ..Adam::default() };
    [
        Sgd::plain().into(),
        Sgd::momentum(0.9).weight_decay(0.1).into(),
        Sgd::nesterov(0.9).weight_decay(0.1).into(),
        Adam::default().into(),
        decayed.into(),
        Adam::w(0.1).into(),
    ]
}

/// The kernels of a step.
fn kernels(session: &Session) -> Vec<&'static str> {
    session.plan().step.iter().map(|d| d.kernel.name()).collect()
}

/// A run leaves the same in every replica, whether its gradients are kept or not: losses, weights, moments.
#[track_caller]
fn check(model: &Graph, loss: Loss, optimizer: Optimizer, options: Options, data: &Dataset, fused: usize) {
    let what = format!("{optimizer}, {:?}", options.tuning.unwrap().profile);
    let rates: Vec<f64> = (0..6).map(|t| 0.003 * 1.3f64.powi(t)).collect();
    let run = |options: Options| {
        let mut session = session(model, loss, optimizer, options);
        let order = rows_in_turn(data, options.batch, 0..rates.len());
        let each = |r: usize| rates.iter().map(|lr| lr * (r + 1) as f64).collect();
        let schedules: Vec<_> = (0..options.replicas).map(|r| Schedule::rates(each(r), &optimizer)).collect();
        let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
        let histories = block(session.run(data, &run, Control::default())).unwrap().histories;
        (session, histories)
    };
    let ((with, found), (kept, expected)) = (run(options), run(options.gradients(true)));
    let made = |session: &Session| {
        kernels(session).iter().filter(|k| k.contains("_sgd_") || k.contains("_adam_")).count()
    };
    assert_eq!((made(&with), made(&kept)), (fused, 0), "{what}: {:?}", kernels(&with));
    for (r, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let losses = |h: &History| h.steps.iter().map(|m| m.loss.to_bits()).collect::<Vec<_>>();
        assert_eq!(losses(found), losses(expected), "{what}: losses of replica {r}");
        let weights = |s: &Session| bits(&block(s.weights(r)).unwrap());
        assert_eq!(weights(&with), weights(&kept), "{what}: weights of replica {r}");
        for (found, expected) in found.steps.iter().zip(&expected.steps) {
            let (found, expected) = (found.grad_norm.unwrap(), expected.grad_norm.unwrap());
            assert!((found / expected - 1.0).abs() < 1e-5, "{what}: norm {found} for {expected}");
        }
    }
    // The whole arenas, padding included.
    assert_eq!(block(with.fingerprint()).unwrap(), block(kept.fingerprint()).unwrap(), "{what}: moments");
}

/// Rows and columns around the tiles of 16 x 64, batches around the eight rows of a turn, with and without biases; and inputs that
/// do not come in eights, whose gradients are kept.
#[test]
fn around_the_edges_of_a_tile() {
    for profile in profiles() {
        for optimizer in [Optimizer::from(Sgd::momentum(0.9)), Adam::default().into()] {
            for (b, i, o, bias) in [
                (1, 8, 4, true),
                (7, 24, 20, false),
                (8, 64, 16, true),
                (17, 72, 36, true),
                (65, 136, 68, true),
                (33, 40, 10, true),
                (5, 8, 1, true),
                (17, 16, 3, false),
                (70, 136, 35, true),
                (17, 36, 36, true),
                (33, 12, 10, false),
            ] {
                let mut graph = Graph::new(&[i]).unwrap();
                let input = graph.input();
                graph.add(rangefinder::Op::Linear(rangefinder::Linear { out: o, bias }), &[input]).unwrap();
                let data = regression(&[i], fill(3 * b * i, 1, 1.0), fill(3 * b * o, 2, 1.0), o);
                let options = Options::batch(b).profile(profile);
                let fused = usize::from(i % 8 == 0);
                check(&graph, Loss::MeanSquaredError, optimizer, options, &data, fused);
            }
        }
    }
}

/// Every optimizer's formula, in a network where three layers update themselves, with groups of their own, in three replicas.
#[test]
fn in_groups_and_replicas() {
    for profile in profiles() {
        for optimizer in optimizers() {
            let layers =
                Sequential::image(1, 8, 8).flatten().linear(40).rate(0.25).activation(Activation::Tanh);
            let mut graph = layers.linear(24).relu().linear(10).build().unwrap();
            graph.multiply_decay("bias", 0.5).unwrap();
            let options = Options::batch(21).replicas(3).profile(profile);
            check(&graph, Loss::CrossEntropy, optimizer, options, &digits(), 3);
        }
    }
}

/// Layers that leave their gradients in memory, before, between and behind those that do not: each row of them is a launch.
#[test]
fn between_other_layers() {
    for profile in profiles() {
        for optimizer in [Optimizer::from(Sgd::momentum(0.9)), Adam::w(0.1).into()] {
            let features = Sequential::image(1, 8, 8).conv2d(4, 3).relu().max_pool(2).flatten();
            let layers = features.linear(24).batch_norm().relu().linear(24).relu().linear(17).relu();
            let graph = layers.linear(10).build().unwrap();
            let options = Options::batch(32).replicas(2).profile(profile);
            check(&graph, Loss::CrossEntropy, optimizer, options, &digits(), 3);
            let session = session(&graph, Loss::CrossEntropy, optimizer, options);
            let alone = kernels(&session).iter().filter(|k| ["sgd", "adam"].contains(k)).count();
            assert_eq!(alone, 3, "convolution; batch norm; the layer behind 17: {:?}", kernels(&session));
        }
    }
}

/// What a layer adds to its output takes over the gradient that arrives, and another reader then adds to it: such a layer makes
/// its own at once.
#[test]
fn behind_a_sum() {
    for profile in profiles() {
        let layers = Sequential::image(1, 8, 8).flatten().linear(24);
        let layers = layers.residual(|f| f.linear(16).relu().linear(24));
        let graph = layers.relu().linear(10).build().unwrap();
        let options = Options::batch(32).replicas(2).profile(profile);
        check(&graph, Loss::CrossEntropy, Sgd::momentum(0.9).into(), options, &digits(), 3);
    }
}

/// A model that is put back on the device between steps: the batch that a gradient belongs to is counted by the tick before it.
#[test]
fn under_a_probe() {
    for profile in profiles() {
        let model = Sequential::image(1, 8, 8).flatten().linear(16).relu().linear(10).build().unwrap();
        let run = |options: Options| {
            let mut session = session(&model, Loss::CrossEntropy, Sgd::momentum(0.9), options);
            train(&mut session, &digits(), &[0.1; 3]);
            let order = rows_in_turn(&digits(), 32, 0..12);
            let schedules =
                [Schedule::rates((0..12).map(|t| 0.1 * 1.2f64.powi(t)).collect(), session.optimizer())];
            let run = Run { schedules: &schedules, order: &order, beta: 0.98, stop: Stop::NotFinite };
            let history =
                block(session.probe(&digits(), &run, 4, Control::default())).unwrap().histories.remove(0);
            let losses: Vec<u64> = history.steps.iter().map(|m| m.loss.to_bits()).collect();
            (losses, block(session.fingerprint()).unwrap())
        };
        let options = Options::batch(32).profile(profile);
        assert_eq!(run(options), run(options.gradients(true)), "{profile:?}");
    }
}

/// Whoever reads gradients beside the update finds them in memory.
#[test]
fn gradients_that_are_read_are_kept() {
    let model = Sequential::features(8).linear(16).relu().linear(4).build().unwrap();
    let mirrored = Options::batch(8).profile(Profile::Mirrored);
    let step = |options: Options| {
        let plan = compile(&model, Loss::CrossEntropy, &Sgd::plain().into(), &options).unwrap();
        plan.step.iter().map(|d| d.kernel.name()).collect::<Vec<_>>()
    };
    assert_eq!(step(mirrored)[3..], ["tick", "linear_sgd_broadcast", "linear_sgd_broadcast"]);
    let kept = [
        mirrored.gradients(true),
        mirrored.clip(1.0),
        mirrored.accumulate(2),
        mirrored.layers(true),
        // A sum in slices is added up by the update.
        Options { batch: 1024, ..mirrored },
        mirrored.profile(Profile::Portable),
        mirrored.profile(Profile::Tiled),
    ];
    for options in kept {
        assert_eq!(step(options).last(), Some(&"sgd"), "{options:?}");
    }
}

#[test]
fn gradients_that_are_not_kept_cannot_be_read() {
    let model = Sequential::features(8).linear(4).build().unwrap();
    let session = session(&model, Loss::CrossEntropy, Sgd::plain(), Options::batch(8));
    let expected = "gradients: this session does not keep them; compile it with `gradients` in its options";
    assert_eq!(block(session.gradients(0)).unwrap_err().to_string(), expected);
}
