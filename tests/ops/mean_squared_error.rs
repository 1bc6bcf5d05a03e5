//! The mean squared error: loss and gradient of given predictions.

use super::{TOLERANCE, one_hot_rows, source, transposed};
use crate::common::{assert_close, block, fill, regression, session, set_weights, train, widened};
use crate::reference::mean_squared_error::MeanSquaredError;
use rangefinder::{Graph, Loss, Options, Sgd};

#[test]
fn of_given_predictions() {
    for (b, d) in [(1, 1), (7, 5), (65, 2), (3, 129)] {
        let what = format!("mean_squared_error of {b}x{d}");
        let (prediction, target) = (fill(b * d, 1, 1.0), fill(b * d, 2, 1.0));
        let mut graph = Graph::new(&[b]).unwrap();
        source(&mut graph, d);
        let mut session =
            session(&graph, Loss::MeanSquaredError, Sgd::plain(), Options::batch(b).gradients(true));
        set_weights(&mut session, &[transposed(&prediction, d)]);
        let data = regression(&[b], one_hot_rows(b), target.clone(), d);

        let step = train(&mut session, &data, &[0.0]).histories[0].steps[0];
        let oracle = MeanSquaredError { b, d };
        let (prediction, target) = (widened(&prediction), widened(&target));
        assert_close(&[step.loss], &[oracle.mean(&prediction, &target)], TOLERANCE, &what);
        assert_eq!(step.accuracy, None, "{what}: a regression has no accuracy");
        let found = widened(&transposed(&block(session.gradients(0)).unwrap()[0].data, b));
        assert_close(&found, &oracle.dprediction(&prediction, &target), TOLERANCE, &what);

        let evaluation = block(session.evaluate(&data)).unwrap()[0];
        assert_close(&[evaluation.loss], &[oracle.mean(&prediction, &target)], TOLERANCE, &what);
        assert_eq!(evaluation.accuracy, None);
    }
}
