//! `rangefinder find --mode`.

use super::{Folder, assert_keys};

#[test]
fn restart_measures_after_its_updates() {
    let found = Folder::new().json("find --model mlp --mode restart --probe 2 --steps 20 --json");
    assert_eq!(
        (&found["mode"], &found["probe"], &found["restored"]),
        (&"restart".into(), &2.into(), &true.into())
    );
    assert_eq!(found["history"].as_array().map(Vec::len), Some(20));
    assert!(found["line"].is_null());
}

#[test]
fn frozen_reads_its_line() {
    let folder = Folder::new();
    let args = "find --model mlp --mode frozen --from 1e-3 --to 100 --steps 20";
    let found = folder.json(&format!("{args} --json"));
    assert_keys(&found["line"], &["initial", "slope", "argmin", "armijo", "rises", "curvature"]);
    for key in ["initial", "slope", "argmin", "armijo", "rises"] {
        assert!(found["line"][key].as_f64() > Some(0.0), "{key}: {}", found["line"]);
    }
    assert!(found["probe"].is_null() && found["spread"].is_null());
    let text = folder.done(args);
    for row in
        ["lowest loss at  ", "Armijo's limit  ", "above start from  ", "curvature u'Hu  ", "is no training"]
    {
        assert!(text.contains(row), "{row}\n{text}");
    }
}

#[test]
fn replicas_train_a_copy_for_each_rate() {
    let folder = Folder::new();
    let found = folder.json("find --data moons --mode replicas --probe 3 --steps 20 --json");
    assert_eq!((&found["mode"], &found["probe"]), (&"replicas".into(), &3.into()));
    assert_eq!(found["history"].as_array().map(Vec::len), Some(20));
    let text = folder.done("find --data moons --mode replicas --probe 1 --steps 10 --no-verify");
    assert!(text.contains("each after 1 update of its own copy"), "{text}");
}

#[test]
fn several_seeds_have_a_band() {
    let folder = Folder::new();
    let args = "find --data moons --seeds 3 --steps 20 --no-verify --plot curve.svg";
    let found = folder.json(&format!("{args} --json"));
    let (history, spread) = (found["history"].as_array().unwrap(), found["spread"].as_array().unwrap());
    assert_eq!((history.len(), &found["seeds"]), (spread.len(), &3.into()));
    for (step, range) in history.iter().zip(spread) {
        let (low, high) = (range[0].as_f64().unwrap(), range[1].as_f64().unwrap());
        let loss = step["loss"].as_f64().unwrap();
        assert!(low <= loss && loss <= high && low < high, "{low} {loss} {high}");
    }
    let svg = folder.read("curve.svg");
    assert!(svg.contains("range of 3 seeds") && svg.contains("<polygon"), "{svg}");
    assert!(folder.done(args).contains('░'));
    let one = folder.json("find --data moons --steps 10 --no-verify --json");
    assert!(one["spread"].is_null());
}

#[test]
fn momentum_falls_while_the_rate_rises() {
    let args = "find --data moons --cyclical-momentum --steps 20 --stop finite --no-verify --json";
    let found = Folder::new().json(args);
    let history = found["history"].as_array().unwrap();
    let momentum = |step: usize| history[step]["momentum"].as_f64().unwrap();
    assert!((momentum(0) - 0.95).abs() < 1e-12 && (momentum(19) - 0.85).abs() < 1e-12);
}

const MODES: [&str; 5] = ["sweep", "same-batch", "restart", "frozen", "replicas"];

#[test]
fn all_modes_stand_side_by_side() {
    let folder = Folder::new();
    let args = "find --model mlp --mode all --steps 20 --probe 2 --from 1e-3 --no-verify --plot all.svg";
    let found = folder.json(&format!("{args} --json"));
    assert_keys(&found, &["modes"]);
    assert_keys(&found["modes"], &MODES);
    let svg = folder.read("all.svg");
    for mode in MODES {
        assert_eq!(found["modes"][mode]["mode"], mode);
        assert_eq!(found["modes"][mode]["restored"], true, "{mode}");
        assert!(svg.contains(&format!(">{mode}</text>")), "{mode}");
    }
    // Each starts from the same weights: the first losses are of one model.
    let alone = folder.json("find --model mlp --mode same-batch --steps 20 --from 1e-3 --no-verify --json");
    assert_eq!(found["modes"]["same-batch"]["history"], alone["history"]);
    let text = folder.done(args);
    let (table, answers) = text.split_once("Is it the rate, the batch, or the learning?\n").unwrap();
    assert!(MODES.iter().all(|mode| table.contains(&format!("\n{mode} "))), "{table}");
    let names = answers.lines().filter(|line| line.starts_with("the ")).count();
    assert!(names == 3 && !answers.contains("NaN") && !answers.contains("cannot be told"), "{answers}");
    assert!(
        answers.split_whitespace().collect::<Vec<_>>().join(" ").contains("another batch is "),
        "{answers}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let quiet = folder.done(&format!("{args} --quiet"));
    assert!(quiet.lines().zip(MODES).all(|(line, mode)| line.starts_with(&format!("{mode} "))), "{quiet}");
}

#[test]
fn each_of_all_modes_takes_the_settings_that_are_its_own() {
    let settings = "--seeds 2 --probe 3 --cyclical-momentum --layers --held-out-every 4";
    let args = format!("find --data moons --mode all --steps 10 --no-verify --json {settings}");
    let found = Folder::new().json(&args);
    for (mode, moves, probes) in [
        ("sweep", true, false),
        ("same-batch", true, false),
        ("restart", false, true),
        ("frozen", false, false),
        ("replicas", false, true),
    ] {
        let found = &found["modes"][mode];
        assert_eq!(found["seeds"], if moves { 2 } else { 1 }, "{mode}");
        assert_eq!(found["probe"].as_u64(), probes.then_some(3), "{mode}");
        assert_eq!((found["layers"].is_object(), found["held_out"].is_array()), (moves, moves), "{mode}");
        let momentum = found["history"][0]["momentum"].as_f64().unwrap();
        assert!((momentum - if moves { 0.95 } else { 0.9 }).abs() < 1e-6, "{mode}: {momentum}");
    }
}

#[test]
fn settings_that_a_mode_would_ignore_are_refused() {
    let folder = Folder::new();
    folder.refused("find --seeds 0", 2, "--seeds: 0 ");
    folder.refused("find --seeds 3 --mode frozen", 2, "--seeds: frozen has one batch order");
    folder.refused("find --probe 0 --mode restart", 2, "--probe: 0 updates");
    folder.refused("find --probe 5", 2, "--probe: sweep has no probes");
    folder.refused(
        "find --probe 20000 --mode replicas",
        2,
        "--probe: 20000 updates at 100 rates are too many",
    );
    folder.refused(
        "find --cyclical-momentum --optimizer sgd",
        2,
        "--cyclical-momentum: SGD has no momentum; take one that has",
    );
    folder.refused(
        "find --cyclical-momentum --momentum 0",
        2,
        "--cyclical-momentum: SGD has no momentum; take one that has",
    );
    folder.refused("find --cyclical-momentum --mode restart", 2, "--cyclical-momentum: restart has one");
    folder.refused("find --mode all --csv curve.csv", 2, "--csv: holds one curve");
    folder.misused("find --mode melted", "same-batch, restart, frozen, replicas, all");
}
