//! The largest curvature of losses whose curvature is known.

use crate::common::{block, gpu, regression, train};
use rangefinder::{
    Adam, Control, CurvatureTest, Dataset, Graph, Linear, Loss, Op, Optimizer, Options, RangeTest, Session,
    Sgd, digits, models,
};

const FEATURES: usize = 5;
const ROWS: usize = 5;

/// A linear model and the mean squared error: a quadratic whose Hessian is `2 x'x / rows`, here diagonal with the
/// squares of `scales`, twice over the rows.
fn quadratic(optimizer: impl Into<Optimizer>, scales: [f32; FEATURES]) -> (Session, Dataset) {
    let mut graph = Graph::new(&[FEATURES]).unwrap();
    let input = graph.input();
    graph.add(Op::Linear(Linear { out: 1, bias: false }), &[input]).unwrap();
    let x =
        (0..ROWS * FEATURES).map(|i| if i / FEATURES == i % FEATURES { scales[i % FEATURES] } else { 0.0 });
    let data = regression(&[FEATURES], x.collect(), vec![1.0; ROWS], 1);
    let options = Options::batch(ROWS);
    let session =
        block(Session::compile(gpu(), &graph, Loss::MeanSquaredError, optimizer.into(), options)).unwrap();
    (session, data)
}

fn close(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 0.02, "{found} for {expected}");
}

#[test]
fn of_a_quadratic_within_two_percent() {
    for (scales, lambda) in
        [([1.0, 2.0, 3.0, 5.0, 0.5], 10.0), ([0.1, 0.2, 0.05, 0.01, 0.15], 2.0 * 0.04 / 5.0)]
    {
        let (mut session, data) = quadratic(Sgd::plain(), scales);
        let found = block(CurvatureTest::default().run(&mut session, &data, Control::default())).unwrap();
        close(found.lambda_max, lambda);
        close(found.limit.unwrap(), 2.0 / lambda);
        assert!(found.converged, "{found:?}");
    }
}

/// Gradient descent comes back below the limit and leaves above it: the limit means what it says.
#[test]
fn the_limit_is_where_descent_stops_coming_back() {
    for optimizer in [Sgd::plain(), Sgd::momentum(0.9), Sgd::nesterov(0.9)] {
        let (mut session, data) = quadratic(optimizer, [1.0, 2.0, 3.0, 5.0, 0.5]);
        let limit = block(CurvatureTest::default().run(&mut session, &data, Control::default()))
            .unwrap()
            .limit
            .unwrap();
        for (share, comes_back) in [(0.9, true), (1.1, false)] {
            let (mut session, data) = quadratic(optimizer, [1.0, 2.0, 3.0, 5.0, 0.5]);
            let history = &train(&mut session, &data, &[share * limit; 200]).histories[0];
            let (first, last) = (history.steps[0].loss, history.steps.last().unwrap().loss);
            assert_eq!(
                last.is_finite() && last < first,
                comes_back,
                "{optimizer:?} at {share} of the limit: {first} {last}"
            );
        }
    }
}

/// With Adam the Hessian is preconditioned by the second moments: rescaling a feature rescales neither.
#[test]
fn of_adam_once_it_has_moments() {
    let (mut session, data) = quadratic(Adam::default(), [1.0, 2.0, 3.0, 5.0, 0.5]);
    let fresh = block(CurvatureTest::default().run(&mut session, &data, Control::default())).unwrap();
    assert_eq!(fresh.limit, None, "no moments, no preconditioner");
    train(&mut session, &data, &[1e-3; 20]);
    let later = block(CurvatureTest::default().run(&mut session, &data, Control::default())).unwrap();
    assert!(later.limit.unwrap() > 0.0 && later.lambda_max != fresh.lambda_max, "{later:?}");
}

#[test]
fn the_session_is_left_as_it_was() {
    let data = digits();
    let model = models::cnn(data.shape(), 10).unwrap();
    let options = Options::batch(32);
    let session = Session::compile(gpu(), &model, Loss::CrossEntropy, Sgd::momentum(0.9), options);
    let mut session = block(session).unwrap();
    train(&mut session, &data, &[0.01; 3]);
    let before = block(session.fingerprint()).unwrap();
    let found = block(CurvatureTest::default().run(&mut session, &data, Control::default())).unwrap();
    assert!(found.lambda_max > 0.0 && found.iterations <= 50, "{found:?}");
    assert_eq!(block(session.fingerprint()).unwrap(), before);
    // And a cancel leaves it so too.
    let cancel = std::sync::atomic::AtomicBool::new(true);
    let control = Control { cancel: Some(&cancel), ..Control::default() };
    assert!(block(CurvatureTest::default().run(&mut session, &data, control)).is_err());
    assert_eq!(block(session.fingerprint()).unwrap(), before);
    assert!(block(RangeTest::default().run(&mut session, &data)).unwrap().restored());
}
