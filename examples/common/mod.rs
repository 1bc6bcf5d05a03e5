//! What the two examples share: everything but the model.

use rangefinder::{
    Control, Dataset, Error, Gpu, Graph, Loss, Options, RangeTest, Result, Session, Sgd, Training, digits,
    mnist,
};
use std::path::Path;
use std::process::ExitCode;

/// The training and the test part of a dataset, and how often to go through it.
fn data(name: &str) -> Result<(Dataset, Dataset, usize)> {
    match name.strip_prefix("mnist:") {
        Some(dir) => mnist(Path::new(dir)).map(|(train, test)| (train, test, 2)),
        None => digits().split(0.2, 0).map(|(train, test)| (train, test, 30)),
    }
}

async fn run(model: fn(&[usize], usize) -> Result<Graph>, name: &str) -> Result<()> {
    let (train, test, epochs) = data(name)?;
    let gpu = Gpu::new().await?;
    println!("{} samples of {}, on {}", train.len(), train.name(), gpu.adapter());
    let model = model(train.shape(), train.classes().unwrap_or(1))?;
    let options = Options::batch(64);
    let mut session = Session::compile(&gpu, &model, Loss::CrossEntropy, Sgd::momentum(0.9), options).await?;

    // The range test suggests a rate, and short runs on data that they do not train on look around it.
    let (seen, held_out) = train.clone().split((512.0 / train.len() as f64).min(0.1), 0)?;
    let report = RangeTest::default().run(&mut session, &seen).await?;
    match &report.suggestion {
        Ok(found) => {
            println!(
                "suggested rate {:.2e} ({:.1e} to {:.1e}); {}",
                found.lr, found.low, found.high, found.reason
            )
        }
        Err(refusal) => println!("no suggestion: {}", refusal.reason),
    }
    let verified = report.verify(&session, &seen, &held_out, Control::default()).await?;
    let Some(good) = verified.and_then(|verified| verified.good) else {
        return Err(Error::Data { source_name: name.into(), detail: "no short run lowers the loss".into() });
    };
    let peak = good.one_cycle_peak();
    println!("rates from {:.1e} to {:.1e} train well; a one-cycle's peak is {peak:.2e}", good.low, good.high);

    let training = Training::one_cycle(epochs, peak);
    let outcome = training.run(&mut session, &train, Control::default()).await?;
    let steps = &outcome.histories[0].steps;
    let last = steps.last().map_or(f64::NAN, |m| m.smoothed);
    println!("{} steps in {:.1} s, loss {last:.4}", steps.len(), outcome.cost.wall.as_secs_f64());
    for evaluation in session.evaluate(&test).await? {
        println!("test accuracy {:.2} %", 100.0 * evaluation.accuracy.unwrap_or(f64::NAN));
    }
    Ok(())
}

/// Runs an example on the data that the command line names.
pub fn main(model: fn(&[usize], usize) -> Result<Graph>) -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_else(|| "digits".into());
    match pollster::block_on(run(model, &name)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
