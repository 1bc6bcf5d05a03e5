//! `rangefinder bench`.

use super::Folder;
use serde_json::Value;

#[test]
fn a_profile_stands_under_the_ceilings_of_its_run() {
    let folder = Folder::new();
    let found = folder.json("bench --profile --quick --json --plot roof.svg mlp");
    let (profile, steps) = (&found["profile"], found["steps"].as_array().unwrap());
    assert_eq!((steps.len(), &steps[0]["model"]), (1, &"mlp".into()));
    let kernels = profile["kernels"].as_array().unwrap();
    assert_eq!(kernels.len(), steps[0]["dispatches"].as_u64().unwrap() as usize);
    let number = |row: &Value, key: &str| row[key].as_f64().unwrap();
    assert!((kernels.iter().map(|k| number(k, "share")).sum::<f64>() - 1.0).abs() < 1e-9);
    let (gflops, gbps) = (number(&profile["ceiling"], "gflops"), number(&profile["ceiling"], "gbps"));
    // The ceilings are of rows of the same object.
    for (key, peak) in [("gflops_by", gflops), ("gbps_by", gbps)] {
        let by = profile["ceiling"][key].as_str().unwrap();
        let rows = found["kernels"].as_array().unwrap();
        let of = |r: &&Value| {
            by == format!("{}, {}", r["kernel"].as_str().unwrap(), r["workload"].as_str().unwrap())
        };
        let count = if key == "gflops_by" { "flops" } else { "bytes" };
        let best = rows.iter().filter(of).map(|r| number(r, count) / number(&r["us"], "min") / 1e3);
        assert!((best.fold(0.0, f64::max) / peak - 1.0).abs() < 1e-9, "{key}");
    }
    for (kernel, row) in kernels.iter().zip(steps[0]["kernels"].as_array().unwrap()) {
        let us = number(&row["us"], "median");
        let floor = (number(row, "flops") / gflops).max(number(row, "bytes") / gbps) / 1e3;
        assert!((number(kernel, "of_roof") - floor / us).abs() < 1e-9, "{kernel}");
        assert!((number(kernel, "of_gflops") - number(kernel, "gflops") / gflops).abs() < 1e-9);
    }
    let svg = folder.read("roof.svg");
    for part in ["GFLOP/s", "mlp step", "this run&#39;s ceilings"] {
        assert!(svg.contains(part), "{part}");
    }
    // Whatever kernels this device has for the step, each is named.
    for kernel in kernels {
        assert!(svg.contains(&format!(">{}", kernel["kernel"].as_str().unwrap())), "{kernel}");
    }
    folder.refused("bench --profile matmul", 2, "there are mlp step, cnn step");
    folder.misused("bench --plot roof.svg", "--profile");
}
