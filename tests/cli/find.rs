//! `rangefinder find`: one sweep, what it found, and what is printed and written.

use super::{Folder, RULES, assert_keys, done};
use serde_json::Value;
use std::fs;
use std::path::Path;

#[test]
fn a_sweep_of_the_digits_suggests_a_rate() {
    let text = Folder::new().done("find --verify-restore");
    let rows = [
        "CNN on digits, SGD momentum 0.9, batch 64",
        "three readings  ",
        "fastai valley  ",
        "min gradient  ",
        "Smith's pair  ",
        "├100 %",
        "⠂ accuracy",
        "▲ suggested ",
        "times through the dataset, in a new order",
        " before, ",
        " a step of ",
        "adapter  ",
    ];
    for row in rows {
        assert!(text.contains(row), "{row}\n{text}");
    }
    assert!(!text.contains('\x1b') && !text.contains("no suggestion"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

/// Where other devices compile kernels ahead (Mesa's CPU driver), they compile those that the run needs, and no others: the
/// driver's cache holds one a launch of this plan. From it the next run has the same bits.
#[test]
fn a_cold_cache_gives_the_bits_of_a_warm_one() {
    fn entries(folder: &Path) -> usize {
        let each = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        each.map(|path| if path.is_dir() { entries(&path) } else { 1 }).sum()
    }
    let folder = Folder::new();
    let cache = folder.0.join("cache");
    let run = |csv: &str| {
        let args = format!("find --model cnn --steps 12 --no-verify --csv {csv}");
        done(folder.command(&args).env("MESA_SHADER_CACHE_DIR", &cache).output().as_ref().unwrap());
        folder.read(csv)
    };
    let cold = run("cold.csv");
    let kept = entries(&cache);
    assert!(kept <= 15 + 2, "{kept} files for 15 kernels; an index and a marker may be among them");
    assert_eq!(run("warm.csv"), cold);
    assert_eq!(entries(&cache), kept, "the second run compiled something");
}

#[test]
fn json_has_everything() {
    let found = Folder::new().json("find --data moons --json");
    let step = &found["history"][3];
    assert_eq!((&step["step"], &step["momentum"]), (&3.into(), &0.9.into()));
    for key in ["lr", "loss", "smoothed", "accuracy", "grad_norm"] {
        assert!(step[key].is_f64(), "{key}: {step}");
    }
    assert_eq!(found["history"][0]["lr"], 1e-7);
    for key in ["lr", "low", "high", "score"] {
        assert!(found["suggestion"][key].as_f64() > Some(0.0), "{key}");
    }
    assert!(found["suggestion"]["rule"].is_string() && found["suggestion"]["reason"].is_string());
    assert!(found["refusal"].is_null());
    for rule in RULES {
        assert!(found["rules"][rule].is_f64() || found["rules"][rule].is_null(), "{rule}");
        assert!(found["rules"].get(rule).is_some(), "{rule}");
    }
    assert!(
        found["smith"].is_null() || found["smith"]["base_lr"].as_f64() < found["smith"]["max_lr"].as_f64()
    );
    let stopped = &found["stopped"];
    assert!(stopped.is_null() || stopped["step"].is_u64() && stopped["reason"].is_string());
    assert_eq!((&found["restored"], &found["mode"]), (&true.into(), &"sweep".into()));
    assert_eq!(found["fingerprints"]["before"], found["fingerprints"]["after"]);
    assert!(found["adapter"].is_string() && found["ms_per_step"].as_f64() > Some(0.0));
    for key in ["dispatches_per_step", "submits", "host_waits", "paced_waits", "steps", "batch", "seed"] {
        assert!(found[key].is_u64(), "{key}");
    }
}

/// Ten times the multipliers, a tenth of the rates: the curve has moved along the axis, to the same losses.
#[test]
fn rates_are_those_of_multiplier_1() {
    let folder = Folder::new();
    let find = |args: &str| {
        folder.json(&format!("find --data moons --json --no-verify --steps 60 --stop finite {args}"))
    };
    let plain = find("--from 1e-6 --to 1 --weight-decay 0.01 --optimizer adamw");
    let layers = find(
        "--from 1e-7 --to 0.1 --weight-decay 0.1 --optimizer adamw --rate-multipliers 10,10,10 --decay-multipliers weight=0.1,bias=0.1",
    );
    for step in [0, 20, 40] {
        let loss = |found: &Value| found["history"][step]["loss"].as_f64().unwrap();
        assert!((loss(&plain) - loss(&layers)).abs() < 1e-4, "step {step}");
    }
    // Of rules that look at nothing but the curve: what is customary does not move along.
    for rule in ["fastai_valley", "fastai_minimum"] {
        let rate = |found: &Value| found["rules"][rule].as_f64().unwrap();
        let ratio = rate(&plain) / rate(&layers);
        assert!((ratio - 10.0).abs() < 0.01, "{rule}: {ratio}");
    }
    assert!(plain["rate_multipliers"].is_null() && plain["decay_multipliers"].is_null());
    assert_eq!(layers["rate_multipliers"]["linear2.weight"], 10.0);
    assert_eq!(layers["decay_multipliers"]["linear2.bias"], 0.1);
    let text = folder.done("find --data moons --steps 20 --no-verify --rate-multipliers linear2=0.5");
    assert!(text.contains("multiplier 1") && text.contains("linear2.weight 0.5"), "{text}");
}

/// As a table, as JSON and as CSV.
#[test]
fn layers_are_measured_where_they_are_asked_for() {
    let folder = Folder::new();
    let args = "find --data moons --steps 30 --no-verify";
    assert!(folder.json(&format!("{args} --json"))["layers"].is_null());
    let found = folder.json(&format!("{args} --json --layers"));
    let layers = &found["layers"];
    let count = |value: &Value| value.as_array().map_or(0, Vec::len);
    let names = [
        "linear2.weight",
        "linear2.bias",
        "linear4.weight",
        "linear4.bias",
        "linear6.weight",
        "linear6.bias",
    ];
    assert_eq!(layers["names"], Value::from(names.to_vec()));
    let rows = count(&layers["lr"]);
    assert!(rows >= count(&found["history"]), "{rows}");
    for key in ["gradient", "update", "weights"] {
        assert_eq!((count(&layers[key]), count(&layers[key][0])), (rows, 6), "{key}");
        assert!(layers[key][3][0].as_f64() > Some(0.0), "{key}");
    }
    let table = folder.done(&format!("{args} --layers-csv layers.csv"));
    assert!(table.contains("update / weights") && table.contains("linear6.weight  "), "{table}");
    let csv = folder.read("layers.csv");
    assert!(
        csv.starts_with("step,lr,parameter,gradient,update,weights,ratio\n0,1e-7,linear2.weight,"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 1 + 6 * rows);
}

#[test]
fn a_refusal_is_a_result() {
    let folder = Folder::new();
    // From rates that do nothing to rates that do nothing; on one batch, whose loss has no noise to fall by.
    let args = "find --data moons --mode same-batch --from 1e-12 --to 1e-10 --steps 20";
    let found = folder.json(&format!("{args} --json"));
    assert!(found["suggestion"].is_null() && found["refusal"].is_string());
    assert!(found["verification"].is_null() && found["learning_rate"].is_null());
    assert_eq!(folder.done(&format!("{args} --quiet")), "none\n");
    assert!(folder.done(args).contains("no suggestion"));
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let folder = Folder::new();
    let history = |args: &str| folder.json(args)["history"].to_string();
    let first = history("find --steps 30 --json --seed 5");
    assert_eq!(first, history("find --steps 30 --json --seed 5"));
    assert_ne!(first, history("find --steps 30 --json --seed 6"));
}

#[test]
fn every_setting_is_used() {
    let folder = Folder::new();
    let find = |args: &str| folder.json(&format!("find --data spirals --steps 12 --json {args}"));
    let found = find("--optimizer adamw --momentum 0.8 --clip 1 --batch 32 --mode same-batch --seed 9");
    assert_eq!(
        (&found["optimizer"], &found["mode"]),
        (&"AdamW, weight decay 0.01".into(), &"same-batch".into())
    );
    assert_eq!((&found["batch"], &found["seed"], &found["clip"]), (&32.into(), &9.into(), &1.0.into()));
    assert_eq!(found["history"][0]["momentum"], 0.8);
    let parts = find("--batch 16 --accumulate 4");
    assert_eq!((&parts["batch"], &parts["accumulate"]), (&16.into(), &4.into()));
    let loss = |found: &Value| found["history"][11]["loss"].as_f64().unwrap();
    assert!((loss(&parts) - loss(&find("--batch 64"))).abs() < 1e-4, "4 times 16 is 64");
    let linear = find("--spacing linear --from 0 --to 0.11 --stop finite --optimizer sgd");
    assert_eq!(linear["history"].as_array().map(Vec::len), Some(12));
    assert!((linear["history"][1]["lr"].as_f64().unwrap() - 0.01).abs() < 1e-12);
}

#[test]
fn files_are_written() {
    let folder = Folder::new();
    folder.write("curve.csv", "old");
    let found = folder.json("find --data moons --json --csv curve.csv --plot curve.svg");
    folder.done("find --data moons --steps 10 --quiet --plot curve.png");
    assert_eq!(folder.files(), ["curve.csv", "curve.png", "curve.svg"]);
    let csv = folder.read("curve.csv");
    let steps = found["history"].as_array().unwrap();
    assert!(csv.starts_with("step,lr,loss,smoothed,accuracy,grad_norm,momentum\n0,1e-7,"));
    assert_eq!(csv.lines().count(), steps.len() + 1);
    for (line, step) in csv.lines().skip(1).zip(steps) {
        let loss: f64 = line.split(',').nth(2).unwrap().parse().unwrap();
        assert_eq!(Some(loss), step["loss"].as_f64());
    }
    let svg = folder.read("curve.svg");
    assert!(svg.starts_with("<svg") && svg.contains("local linear fit") && svg.contains("MLP on moons"));
    assert!(fs::read(folder.0.join("curve.png")).unwrap().starts_with(b"\x89PNG"));
}

/// The range ends in the fall: the curve suggests nothing, and says what to change; short runs find a rate all the same.
#[test]
fn short_runs_answer_where_the_curve_does_not() {
    let folder = Folder::new();
    let args = "find --data moons --mode same-batch --from 1e-6 --to 3e-2 --steps 40";
    let found = folder.json(&format!("{args} --json --html report.html"));
    assert!(found["suggestion"].is_null() && found["refusal"].as_str().unwrap().contains("(--to)"));
    assert!(found["guess"].as_f64() > Some(0.0));
    let rate = found["verification"]["lr"].as_f64().expect("the moons are learned");
    assert_eq!(found["learning_rate"].as_f64(), Some(rate));
    assert_eq!(folder.done(&format!("{args} -q")).trim().parse().ok(), Some(rate));
    assert!(folder.read("report.html").contains("by short runs alone"));
    let text = folder.done(args);
    for part in ["by short runs alone", "the curve suggests none", "<- good"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(folder.done(&format!("{args} -q --no-verify")), "none\n");
    // What the runs would have gone around, where there are none.
    assert!(!text.contains("a guess"), "{text}");
    let guess = format!("a guess             {:.2e}, from", found["guess"].as_f64().unwrap());
    assert!(folder.done(&format!("{args} --no-verify")).contains(&guess));
}

#[test]
fn short_runs_put_the_suggestion_to_the_test() {
    let folder = Folder::new();
    let args = "find --model mlp --from 1e-3 --steps 40";
    let found = folder.json(&format!("{args} --json --plot curve.svg"));
    let verification = &found["verification"];
    assert_keys(
        verification,
        &["high", "initial", "low", "lr", "one_cycle_peak", "runs", "steps", "tolerance"],
    );
    let runs = verification["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 9);
    for run in runs {
        assert_keys(run, &["lr", "loss", "accuracy", "good"]);
        assert_eq!(run["loss"].is_null(), run["accuracy"].is_null(), "{run}");
    }
    let number = |value: &Value| value.as_f64().unwrap();
    let [low, rate, peak, high] =
        ["low", "lr", "one_cycle_peak", "high"].map(|key| number(&verification[key]));
    for (answer, share) in [(rate, 0.25), (peak, 0.75)] {
        assert!((answer / (low * (high / low).powf(share)) - 1.0).abs() < 1e-9, "{verification}");
    }
    let good: Vec<f64> =
        runs.iter().filter(|run| run["good"] == true).map(|run| number(&run["lr"])).collect();
    // The rates end between the outermost good runs and their neighbours.
    let (first, last) = (good.first().unwrap(), good.last().unwrap());
    let apart = number(&runs[1]["lr"]) / number(&runs[0]["lr"]);
    assert!(first / apart < low && low <= *first && *last <= high && high < last * apart, "{verification}");
    assert!((number(&runs[4]["lr"]) / number(&found["suggestion"]["lr"]) - 1.0).abs() < 1e-9);
    assert_eq!((number(&found["learning_rate"]), number(&found["one_cycle_peak"])), (rate, peak));
    assert_eq!(folder.done(&format!("{args} --quiet")).trim().parse().ok(), Some(rate));
    assert!(folder.read("curve.svg").contains(">verified</text>"));
    let text = folder.done(args);
    for part in ["verified by short runs", "suggested by the curve", "<- good", "360 samples", "◆ verified"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn without_short_runs_the_curve_answers() {
    let folder = Folder::new();
    let args = "find --model mlp --from 1e-3 --steps 40 --no-verify";
    let found = folder.json(&format!("{args} --json"));
    assert!(found["verification"].is_null());
    assert_eq!(found["learning_rate"], found["suggestion"]["lr"]);
    assert!(found["learning_rate"].is_f64());
    let text = folder.done(args);
    assert!(text.contains(", suggested by the curve") && !text.contains("verified"), "{text}");
}

/// They are 10 % of other data, and 512 at most.
#[test]
fn held_out_samples_are_not_swept() {
    let found = Folder::new().json("find --data moons --steps 10 --json");
    assert_eq!(found["samples"], 1800);
}

#[test]
fn held_out_losses_are_measured_on_the_way() {
    let folder = Folder::new();
    let args = "find --data moons --no-verify --json";
    let found = folder.json(&format!("{args} --held-out-every 10 --csv curve.csv --plot curve.svg"));
    let plain = folder.json(args);
    assert_eq!(found["history"], plain["history"]);
    assert_eq!((&found["suggestion"], &plain["held_out"]), (&plain["suggestion"], &Value::Null));
    let steps = found["history"].as_array().unwrap();
    let held_out = found["held_out"].as_array().unwrap();
    assert_eq!(held_out.len(), steps.len().div_ceil(10));
    for (i, measured) in held_out.iter().enumerate() {
        assert_eq!(measured["step"], 10 * i);
        assert_eq!(measured["lr"], steps[10 * i]["lr"]);
        let (loss, accuracy) = (measured["loss"].as_f64().unwrap(), measured["accuracy"].as_f64().unwrap());
        assert!(loss > 0.0 && (0.0..=1.0).contains(&accuracy), "{measured}");
    }
    let csv = folder.read("curve.csv");
    let header = "step,lr,loss,smoothed,accuracy,grad_norm,momentum,held_out_loss,held_out_accuracy\n";
    assert!(csv.starts_with(header), "{csv}");
    assert_eq!(csv.lines().skip(1).filter(|line| !line.ends_with(",,")).count(), held_out.len());
    assert!(folder.read("curve.svg").contains("held-out loss"));
    let text = folder.done("find --data moons --held-out-every 10 --no-verify");
    assert!(text.contains("held out  ") && text.contains("○ held-out loss"), "{text}");
}

#[test]
fn curvature_is_measured_where_it_is_asked_for() {
    let folder = Folder::new();
    let args = "find --data moons --steps 20 --no-verify";
    assert!(folder.json(&format!("{args} --json"))["curvature"].is_null());
    let found = &folder.json(&format!("{args} --json --curvature"))["curvature"];
    let (lambda, limit) = (found["lambda_max"].as_f64().unwrap(), found["limit"].as_f64().unwrap());
    assert!(lambda > 0.0 && (limit * lambda - 3.8).abs() < 1e-9, "2 (1 + 0.9) with momentum 0.9: {found}");
    assert!(folder.done(&format!("{args} --curvature")).contains("\ncurvature  "));
}

#[test]
fn a_curvature_is_a_line_in_the_pictures() {
    let folder = Folder::new();
    let args = "find --data moons --steps 60 --no-verify --curvature";
    let text = folder.done(&format!("{args} --plot curve.svg"));
    assert!(text.contains("╎ stable below "), "{text}");
    let svg = folder.read("curve.svg");
    assert!(
        svg.contains(">stable below 2(1+β)/λ</text>") && svg.contains(">curvature limit</text>"),
        "{svg}"
    );
    folder.done(&format!("{args} --to 1e-3 --plot off.svg --quiet"));
    let svg = folder.read("off.svg");
    assert!(svg.contains(": off the axis</text>") && !svg.contains(">curvature limit</text>"));
}
