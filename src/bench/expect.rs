//! What a class of device should give: wide ranges, each with where it comes from. What nobody has published and we
//! have not measured has no range.

use super::Results;
use std::fmt;

/// What is known of one measure on one class of device.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    /// As [`Adapter::kind`](crate::Adapter) has it; "" for all.
    class: &'static str,
    measure: Measure,
    /// The worst and the best value that is still of the class.
    worst: f64,
    best: f64,
    source: &'static str,
}

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Matmul,
    Conv,
    Encode,
    Dispatch,
    MlpStep,
    CnnStep,
    MlpTest,
    CnnTest,
}

use Measure::{CnnStep, CnnTest, Conv, Dispatch, Encode, Matmul, MlpStep, MlpTest};

const MEASURES: [(Measure, &str, &str); 8] = [
    (Matmul, "matmul 1024x1024x1024 forward", "GFLOP/s"),
    (Conv, "conv2d 64x32x14x14->64 forward", "GFLOP/s"),
    (Encode, "host time to record a dispatch", "us"),
    (Dispatch, "mlp step, time a dispatch", "us"),
    (MlpStep, "mlp step", "ms"),
    (CnnStep, "cnn step", "ms"),
    (MlpTest, "mlp range test", "ms"),
    (CnnTest, "cnn range test", "ms"),
];

const fn range(
    class: &'static str,
    measure: Measure,
    [worst, best]: [f64; 2],
    source: &'static str,
) -> Range {
    Range { class, measure, worst, best, source }
}

const RANGES: &[Range] = &[
    range(
        "CPU",
        Matmul,
        [1.4, 45.0],
        "lavapipe on 2 cores: register tiles over buffers 1.4, over textures 44",
    ),
    range("CPU", Conv, [0.2, 20.0], "lavapipe on 2 cores: one output an invocation 0.2, implicit GEMM 20"),
    range(
        "integrated GPU",
        Matmul,
        [360.0, 2500.0],
        "llama.cpp on M2 360, FL33TW00D's matmuls on M1 860, gpu.cpp on M1 Max 2500",
    ),
    range(
        "discrete GPU",
        Matmul,
        [1000.0, 20000.0],
        "burn on A100 1570, llama.cpp on Arc B580 2000; top: half a peak",
    ),
    range("", Encode, [5.0, 0.1], "gfx-rs issue 5766: 1.95; lavapipe's machine: 0.15 to 1"),
    range(
        "discrete GPU",
        Dispatch,
        [24.0, 0.5],
        "meganeura on RTX 3050: 0.55 to 1.65 and up; 24: a submit for each",
    ),
    range("integrated GPU", Dispatch, [32.0, 0.5], "arXiv 2604.02344: 32 is a submit for each (Metal)"),
];

/// How a measure stands to its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Inside the range.
    Within,
    /// Worse than any of the class should be: something is wrong with the kernel, the driver or the machine's load.
    Below,
    /// Better than the range: widen it, with the number.
    Above,
    /// Nothing to compare with yet.
    NoReference,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Within => "within",
            Self::Below => "BELOW what it should give,",
            Self::Above => "above what was known,",
            Self::NoReference => "no reference yet",
        })
    }
}

/// A measure of some results, and how it stands to its class.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// What was measured.
    pub measure: &'static str,
    /// "GFLOP/s", "us", "ms".
    pub unit: &'static str,
    /// What it was.
    pub value: f64,
    /// The worst and the best of the class; `None` without a reference.
    pub range: Option<(f64, f64)>,
    /// How they compare.
    pub verdict: Verdict,
    /// Where the range comes from; empty without one.
    pub source: &'static str,
}

/// The verdicts on all that was measured and has a name here.
pub fn expected(results: &Results) -> Vec<Expected> {
    let judge = |&(measure, name, unit): &(Measure, &'static str, &'static str)| {
        let value = value(results, measure)?;
        let of = |r: &&Range| r.measure == measure && (r.class.is_empty() || r.class == results.device.kind);
        let range = RANGES.iter().find(of);
        Some(Expected {
            measure: name,
            unit,
            value,
            range: range.map(|r| (r.worst, r.best)),
            verdict: range.map_or(Verdict::NoReference, |r| verdict(value, r)),
            source: range.map_or("", |r| r.source),
        })
    };
    MEASURES.iter().filter_map(judge).collect()
}

/// A worst value above the best one means that smaller is better.
fn verdict(value: f64, range: &Range) -> Verdict {
    let sign = (range.best - range.worst).signum();
    let past = |bound: f64| sign * (value - bound);
    match () {
        () if past(range.worst) < 0.0 => Verdict::Below,
        () if past(range.best) > 0.0 => Verdict::Above,
        () => Verdict::Within,
    }
}

fn value(results: &Results, measure: Measure) -> Option<f64> {
    let kernel = |workload: &str, kernel: &str| {
        let mut rows = results.kernels.iter().filter(|r| r.workload == workload);
        rows.find(|r| r.kernel.starts_with(kernel)).map(super::KernelRow::gflops)
    };
    let test = |model: &str| results.range_tests.iter().find(|r| r.model == model).map(|r| r.wall_ms.median);
    match measure {
        Matmul => kernel("matmul 1024x1024x1024", "linear"),
        Conv => kernel("conv2d 64x32x14x14->64", "conv2d"),
        Encode => results.step("mlp").map(|s| s.encode_us.median),
        Dispatch => results.step("mlp").map(super::StepRow::us_per_dispatch),
        MlpStep => results.step("mlp").map(|s| s.ms.median),
        CnnStep => results.step("cnn").map(|s| s.ms.median),
        MlpTest => test("mlp"),
        CnnTest => test("cnn"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Device, KernelRow, Stat};

    fn matmul(kind: &str, us: f64) -> Verdict {
        let row = KernelRow {
            workload: "matmul 1024x1024x1024".into(),
            kernel: "linear".into(),
            us: Stat::of(vec![us]),
            flops: 2 << 30,
            ..Default::default()
        };
        let device = Device { kind: kind.into(), ..Default::default() };
        expected(&Results { device, kernels: vec![row], ..Default::default() })[0].verdict
    }

    #[test]
    fn throughput_is_judged_by_class() {
        assert_eq!(matmul("CPU", 1e6), Verdict::Within); // 2.1 GFLOP/s
        assert_eq!(matmul("CPU", 1e7), Verdict::Below);
        assert_eq!(matmul("discrete GPU", 1e6), Verdict::Below);
        assert_eq!(matmul("integrated GPU", 500.0), Verdict::Above);
        assert_eq!(matmul("virtual GPU", 500.0), Verdict::NoReference);
    }

    #[test]
    fn of_times_the_smaller_is_the_better() {
        let range = range("", Encode, [5.0, 0.1], "");
        assert_eq!(verdict(6.0, &range), Verdict::Below);
        assert_eq!(verdict(1.0, &range), Verdict::Within);
        assert_eq!(verdict(0.01, &range), Verdict::Above);
    }
}
