//! The command as people run it: the real program, its output, its files, its exit code.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// An empty folder, in which a command runs; gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rangefinder-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut files: Vec<_> = fs::read_dir(&self.0).unwrap().map(name).collect();
        files.sort();
        files
    }

    /// The command, with arguments that are separated by spaces.
    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rangefinder"));
        command.args(args.split_whitespace()).current_dir(&self.0).stdin(Stdio::null());
        command.env_remove("COLUMNS").env_remove("NO_COLOR");
        command.env("RANGEFINDER_PROFILE", "off"); // not what was measured on the machine that runs the tests
        // Without it Mesa says so on stderr.
        if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            command.env("XDG_RUNTIME_DIR", std::env::temp_dir());
        }
        command
    }

    #[track_caller]
    fn done(&self, args: &str) -> String {
        done(&self.command(args).output().unwrap())
    }

    #[track_caller]
    fn json(&self, args: &str) -> Value {
        serde_json::from_str(&self.done(args)).unwrap()
    }

    /// One line on stderr and nothing anywhere else.
    #[track_caller]
    fn refused(&self, args: &str, code: i32, said: &str) {
        let files = self.files();
        failed(&self.command(args).output().unwrap(), code, said);
        assert_eq!(self.files(), files, "{args} left files");
    }

    /// As clap refuses: its own words, exit code 2.
    #[track_caller]
    fn misused(&self, args: &str, said: &str) {
        let output = self.command(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn done(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "a GPU test: see `make setup`");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn failed(output: &Output, code: i32, said: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0), "{stderr}");
    assert!(stderr.starts_with("rangefinder: ") && stderr.contains(said), "{stderr}");
    assert_eq!(stderr.matches('\n').count(), 1, "{stderr}");
}

const RULES: [&str; 5] = ["fastai_valley", "fastai_steep", "fastai_slide", "fastai_minimum", "min_gradient"];

/// The losses of a clean fall around 1e-2 and a divergence near 1.
fn curve() -> (Vec<f64>, Vec<f64>) {
    let lr: Vec<f64> = (0..100).map(|i| 1e-7 * 1e8f64.powf(f64::from(i) / 99.0)).collect();
    let wobble = |i: usize| 0.01 * ((i * 7 % 5) as f64 - 2.0);
    let loss = |(i, lr): (usize, &f64)| 2.0 / (1.0 + (lr / 1e-2).powi(2)) + lr.powi(3) + wobble(i);
    let loss = lr.iter().enumerate().map(loss).collect();
    (lr, loss)
}

fn curve_csv() -> String {
    let (lr, loss) = curve();
    let rows = lr.iter().zip(loss).map(|(lr, loss)| format!("{lr:e},{loss}\n"));
    format!("Learning Rate,train_loss\n{}", rows.collect::<String>())
}

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

/// Ten times the multipliers, a tenth of the suggestion: the curve has moved along the axis, to the same losses.
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
    // From the curve alone: what is customary does not move along.
    let alone = |found: &Value| {
        folder.write("alone.json", serde_json::json!({"history": found["history"], "steps": 60}).to_string());
        folder.json("suggest alone.json --json")["suggestion"]["lr"].as_f64().unwrap()
    };
    let ratio = alone(&plain) / alone(&layers);
    assert!((ratio - 10.0).abs() < 0.5, "{ratio}");
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

#[test]
fn what_find_writes_suggest_reads() {
    let folder = Folder::new();
    let text = folder.done("find --data moons --json --csv curve.csv");
    folder.write("curve.json", &text);
    let found: Value = serde_json::from_str(&text).unwrap();
    let read = folder.json("suggest curve.json --json");
    for key in ["suggestion", "refusal", "rules", "smith"] {
        assert_eq!(read[key], found[key], "{key}");
    }
    let rate = found["suggestion"]["lr"].as_f64();
    for file in ["curve.json", "curve.csv --optimizer momentum"] {
        assert_eq!(folder.done(&format!("suggest {file} --quiet")).trim().parse().ok(), rate, "{file}");
    }
}

/// What is customary for an optimizer moves the answer, by a factor of two at most.
#[test]
fn a_curve_is_read_with_its_optimizer() {
    let folder = Folder::new();
    folder.write("curve.csv", curve_csv());
    let suggest = |args: &str| folder.json(&format!("suggest curve.csv --json {args}"))["suggestion"].clone();
    let rate = |args: &str| suggest(args)["lr"].as_f64().unwrap();
    let alone = rate("");
    assert!(!suggest("")["reason"].as_str().unwrap().contains("usual"));
    assert!(
        suggest("--optimizer adam")["reason"]
            .as_str()
            .unwrap()
            .ends_with("; usual with this optimizer is 5e-3")
    );
    let adam = rate("--optimizer adam");
    assert!(adam < alone && alone < 2.01 * adam, "{adam} {alone}");
    assert!(rate("--optimizer momentum --momentum 0.99") < rate("--optimizer momentum"));
    let (lr, loss) = curve();
    for (name, wanted) in [("Adam", adam), ("adamw", adam), ("lion", alone)] {
        folder
            .write("curve.json", serde_json::json!({"optimizer": name, "lr": lr, "loss": loss}).to_string());
        let read: f64 = folder.done("suggest curve.json -q").trim().parse().unwrap();
        assert!((read / wanted - 1.0).abs() < 1e-9, "{name}: {read} {wanted}");
    }
    folder.misused("suggest curve.csv --momentum 0.9", "--optimizer");
    folder.misused("suggest curve.csv --optimizer lion", "lion");
    folder.refused("suggest curve.csv --optimizer momentum --momentum 1", 2, "--momentum: 1 is not from 0");
}

/// The range ends in the fall: the curve suggests nothing, and says what to change; short runs find a rate all the same.
#[test]
fn short_runs_answer_where_the_curve_does_not() {
    let folder = Folder::new();
    let args = "find --data moons --mode same-batch --from 1e-6 --to 3e-2 --steps 40";
    let found = folder.json(&format!("{args} --json --html report.html"));
    assert!(found["suggestion"].is_null() && found["refusal"].as_str().unwrap().contains("(--to)"));
    assert!(found["guess"].as_f64() > Some(0.0));
    let winner = found["verification"]["winner"].as_f64().expect("the moons are learned");
    assert_eq!(found["learning_rate"].as_f64(), Some(winner));
    assert_eq!(folder.done(&format!("{args} -q")).trim().parse().ok(), Some(winner));
    assert!(folder.read("report.html").contains("by short runs alone"));
    let text = folder.done(args);
    for part in ["by short runs alone", "the curve suggests none", "<- verified"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(folder.done(&format!("{args} -q --no-verify")), "none\n");
}

#[test]
fn other_tools_curves_are_read() {
    let folder = Folder::new();
    folder.write("curve.csv", curve_csv());
    let (lr, loss) = curve();
    folder.write("curve.json", serde_json::json!({"lr": lr, "loss": loss, "accuracy": null}).to_string());
    let csv = folder.json("suggest curve.csv --json");
    let rate = csv["suggestion"]["lr"].as_f64().unwrap();
    assert!((5e-3..5e-2).contains(&rate), "{rate}");
    assert_eq!(folder.done("suggest curve.csv -q").lines().last().unwrap().parse().ok(), Some(rate));
    let json = folder.json("suggest curve.json --json");
    let other = json["suggestion"]["lr"].as_f64().unwrap();
    assert!((other / rate - 1.0).abs() < 1e-9, "{other} {rate}");
    let text = folder.done("suggest curve.csv");
    assert!(
        text.contains("100 losses, rates from 1.00e-7 to 1.00e1") && text.contains("fastai slide"),
        "{text}"
    );
    let raw = folder.json("suggest curve.csv --json --as-is");
    assert_eq!(raw["suggestion"], csv["suggestion"]);
    assert_ne!(raw["rules"], csv["rules"]);
    for rule in RULES {
        assert!(raw["rules"][rule].is_f64(), "{rule}");
    }
}

#[test]
fn standard_input_and_divergence_are_read() {
    let folder = Folder::new();
    let (lr, mut loss) = curve();
    loss.truncate(80);
    let text = serde_json::json!({"lr": lr[..80], "loss": loss, "steps": 100}).to_string();
    for text in
        [text.clone(), text.replacen("\"loss\":[", "\"loss\":[NaN,", 1).replacen("[1e-7,", "[1e-8,1e-7,", 1)]
    {
        folder.write("in.json", &text);
        let stdin = fs::File::open(folder.0.join("in.json")).unwrap();
        let output = folder.command("suggest - --quiet").stdin(stdin).output().unwrap();
        let answer = done(&output);
        let starts_with_nan = text.contains("NaN");
        assert_eq!(answer == "none\n", starts_with_nan, "{answer}");
    }
}

#[test]
fn curves_that_cannot_be_read_are_named() {
    let folder = Folder::new();
    let says = |text: &str, said: &str| {
        folder.write("curve.csv", text);
        folder.refused("suggest curve.csv", 1, said);
    };
    says("lr,loss\n1,2\n2,abc\n", "curve.csv:3: loss: `abc` is not a number");
    says("lr,loss\n1,\n", "curve.csv:2: loss: is empty; write nan");
    says("lr,loss\n1\n", "curve.csv:2: has 1 fields, the header 2");
    says("a,b\n1,2\n", "curve.csv:1: the header has no lr; found `a`, `b`");
    says("lr,loss\n", "curve.csv: holds no losses");
    says("", "curve.csv: is empty");
    says("{\"lr\": [1,", "curve.csv:1:10: is not JSON");
    says("{\"lr\": [1], \"loss\": [\"x\"]}", "curve.csv: loss[0]: `\"x\"` is not a number");
    folder.refused("suggest nowhere.csv", 1, "nowhere.csv: ");
    folder.refused("suggest .", 1, ".: ");
    folder.misused("suggest", "<FILE>");
}

/// The object has these keys and no others.
#[track_caller]
fn assert_keys(object: &Value, keys: &[&str]) {
    let mut found: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let mut keys = keys.to_vec();
    found.sort_unstable();
    keys.sort_unstable();
    assert_eq!(found, keys);
}

#[test]
fn short_runs_put_the_suggestion_to_the_test() {
    let folder = Folder::new();
    let args = "find --model mlp --from 1e-3 --steps 40";
    let found = folder.json(&format!("{args} --json --plot curve.svg"));
    let verification = &found["verification"];
    assert_keys(verification, &["initial", "runs", "steps", "winner"]);
    let runs = verification["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 5);
    for run in runs {
        assert_keys(run, &["lr", "loss", "accuracy"]);
        assert_eq!(run["loss"].is_null(), run["accuracy"].is_null(), "{run}");
    }
    let (winner, suggested) = (verification["winner"].as_f64().unwrap(), &found["suggestion"]["lr"]);
    assert!(runs.iter().any(|run| run["lr"].as_f64() == Some(winner)));
    assert!((runs[2]["lr"].as_f64().unwrap() / suggested.as_f64().unwrap() - 1.0).abs() < 1e-9);
    assert_eq!(found["learning_rate"].as_f64(), Some(winner));
    assert_eq!(folder.done(&format!("{args} --quiet")).trim().parse().ok(), Some(winner));
    assert!(folder.read("curve.svg").contains(">verified</text>"));
    let text = folder.done(args);
    for part in
        ["verified by short runs", "suggested by the curve", "<- verified", "360 samples", "◆ verified"]
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
        "--cyclical-momentum: the optimizer has no",
    );
    folder.refused("find --cyclical-momentum --momentum 0", 2, "--cyclical-momentum: the optimizer has no");
    folder.refused("find --cyclical-momentum --mode restart", 2, "--cyclical-momentum: restart has one");
    folder.refused("find --mode all --csv curve.csv", 2, "--csv: holds one curve");
    folder.misused("find --mode melted", "same-batch, restart, frozen, replicas, all");
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
fn a_grid_has_a_curve_for_each_setting() {
    let folder = Folder::new();
    let args = "find --data moons --grid momentum=0.5,0.9";
    let found = folder.json(&format!("{args} --json --csv grid.csv --plot grid.svg"));
    let plain = folder.json("find --data moons --no-verify --json");
    let members = found["members"].as_array().unwrap();
    assert_eq!(members.len(), 2);
    for (member, (name, momentum)) in members.iter().zip([("0.5", 0.5), ("0.9", 0.9)]) {
        assert_eq!((&member["setting"], &member["momentum"]), (&name.into(), &momentum.into()));
        assert!(member["lowest"]["loss"].as_f64().unwrap() < 0.7, "{}", member["lowest"]);
    }
    assert_eq!(members[1]["history"], plain["history"], "momentum 0.9 is the default");
    assert_eq!(members[1]["suggestion"], plain["suggestion"]);
    assert_ne!(members[0]["history"], plain["history"]);
    let choice = found["choice"]["setting"].as_str().unwrap();
    assert!(["0.5", "0.9"].contains(&choice) && found["restored"] == true, "{choice}");

    let csv = folder.read("grid.csv");
    assert!(csv.starts_with("setting,step,lr,loss,"), "{csv}");
    let rows: usize = members.iter().map(|m| m["history"].as_array().unwrap().len()).sum();
    assert_eq!(csv.lines().count(), 1 + rows);
    let svg = folder.read("grid.svg");
    for text in ["MLP on moons, SGD momentum, batch 64; momentum 0.5, 0.9", ">0.5<", ">0.9<"] {
        assert!(svg.contains(text), "{text}");
    }
    let text = folder.done(args);
    for said in ["momentum ", "\n0.5 ", "\n0.9 ", "choice  ", "arXiv:1803.09820", "identical"] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    let quiet = folder.done(&format!("{args} --quiet"));
    assert!(quiet.starts_with("0.5 ") && quiet.lines().count() == 2, "{quiet}");
}

#[test]
fn every_kind_of_grid_runs() {
    let folder = Folder::new();
    for (grid, names) in [
        ("weight-decay=0,1e-3 --held-out-every 20", ["0", "1e-3"]),
        ("batch=16,100", ["16", "100"]),
        ("optimizer=sgd,adamw --weight-decay 0.1", ["sgd", "adamw"]),
        ("momentum=0,0.9 --mode restart --probe 2 --steps 20", ["0", "0.9"]),
    ] {
        let found = folder.json(&format!("find --data moons --json --grid {grid}"));
        let members = found["members"].as_array().unwrap();
        let settings: Vec<_> = members.iter().map(|m| m["setting"].as_str().unwrap()).collect();
        assert_eq!(settings, names, "{grid}");
        assert_ne!(members[0]["history"], members[1]["history"], "{grid}");
        let text = folder.done(&format!("find --data moons --grid {grid}"));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(!text.contains("no suggestion"), "{text}");
    }
}

#[test]
fn grids_that_cannot_be_are_refused() {
    let folder = Folder::new();
    folder.misused("find --grid depth", "no such grid; use momentum, weight-decay, batch or optimizer");
    folder.misused("find --grid momentum=0.9,x", "`x` is not a number");
    folder.misused("find --grid optimizer=lion", "adamw");
    folder.refused("find --grid momentum=1", 2, "--grid: momentum 1 is not from 0 to below 1");
    folder.refused("find --grid weight-decay=-1", 2, "--grid: weight decay -1");
    folder.refused("find --grid batch=0", 2, "--grid: a batch of 0");
    folder.refused("find --grid batch=16,5000", 2, "--batch: 5000 is larger than the dataset (1437 samples)");
    folder.refused("find --grid batch=1,2,3,4,5,6,7", 2, "--grid: batch has 7 values; give 1 to 6");
    folder.refused("find --grid momentum --mode all", 2, "--grid: varies one thing at a time");
    folder.refused("find --grid momentum --curvature", 2, "--grid: has a curvature for each");
    folder.refused("find --grid momentum --cyclical-momentum", 2, "--grid: momentum is what the test varies");
    folder.refused("find --held-out-every 0", 2, "--held-out-every: 0 steps");
    folder.refused("find --held-out-every 5 --mode restart", 2, "--held-out-every: restart starts each rate");
}

#[test]
fn wrong_usage_is_refused_before_anything_runs() {
    let folder = Folder::new();
    folder.misused("", "Usage: rangefinder");
    folder.misused("find --nosuch", "--nosuch");
    folder.misused("find --model resnet", "mlp, cnn, resnet9");
    folder.misused("find --data imagenet", "no such dataset; use digits, moons");
    folder.misused("find --data mnist", "mnist:DIR");
    folder.misused("find --optimizer lion", "adamw");
    folder.misused("find --stop never", "use rise");
    folder.misused("find --batch -1", "-1");
    folder.misused("find --json --quiet", "--quiet");
    folder.refused("find --model cnn --data moons", 2, "use mlp");
    folder.refused("find --model resnet9 --data moons", 2, "use mlp");
    folder.refused("find --steps 0", 2, "--steps: 0 is too few");
    folder.refused("find --steps 1", 2, "--steps: 1 is too few");
    folder.refused("find --from 1 --to 1", 2, "--to: 1 is not above --from 1");
    folder.refused("find --from 1 --to 0.1", 2, "--to: 0.1 is not above --from 1");
    folder.refused("find --from -1", 2, "--from: -1 is negative");
    folder.refused("find --to -1", 2, "--to: -1 is not above --from 1e-7");
    folder.refused("find --from nan", 2, "--from: NaN is not a learning rate");
    folder.refused("find --from 0", 2, "--from: 0 cannot start an exponential range");
    folder.refused("find --batch 0", 2, "--batch: 0 is not");
    folder.refused("find --accumulate 0", 2, "--accumulate: 0 micro-batches");
    folder.refused(
        "find --accumulate 40",
        2,
        "--accumulate: 40 batches of 64 are 2560 samples, the dataset has 1437",
    );
    folder.refused("find --batch 5000", 2, "--batch: 5000 is larger than the dataset (1437 samples)");
    folder.refused("find --momentum 1", 2, "--momentum: 1 is not");
    folder.refused("find --optimizer sgd --momentum 0.5", 2, "--momentum: sgd has none");
    folder.refused("find --weight-decay -1", 2, "--weight-decay: -1");
    folder.refused("find --clip 0", 2, "--clip: 0");
    folder.misused("find --rate-multipliers 0.1,x", "is no number");
    folder.refused(
        "find --rate-multipliers 0.1,1",
        2,
        "--rate-multipliers: 2 for 4 layers: conv2d1, conv2d4, linear8",
    );
    folder.refused(
        "find --decay-multipliers dense=0",
        2,
        "--decay-multipliers: no parameter's name holds `dense`",
    );
    folder.refused("find --rate-multipliers bias=-1", 2, "--rate-multipliers: -1 for `bias`");
    folder.refused("find --layers --grid momentum", 2, "--grid: shows no layers");
    folder.refused("find --layers --mode frozen", 2, "--layers: frozen has no updates");
    folder.refused("find --layers-csv a.csv --csv a.csv", 2, "--layers-csv: is the same file");
    folder.refused("find --layers-csv none/a.csv", 2, "--layers-csv: there is no folder");
    folder.refused("find --smoothing 1", 2, "--smoothing: 1");
    folder.refused("plan --replicas 0", 2, "--replicas: 0");
}

#[test]
fn files_that_cannot_be_written_are_refused_before_the_run() {
    let folder = Folder::new();
    folder.write("file", "x");
    folder.refused("find --plot curve.gif", 2, "--plot: `curve.gif` has the extension `.gif`");
    folder.refused("find --plot curve", 2, "--plot: `curve` has no extension");
    folder.refused("find --plot none/curve.svg", 2, "--plot: there is no folder `none`");
    folder.refused("find --csv none/curve.csv", 2, "--csv: there is no folder `none`");
    folder.refused("find --csv file/curve.csv", 2, "--csv: there is no folder");
    folder.refused("find --csv .", 2, "--csv: `.` ");
    folder.refused("find --csv a.svg --plot a.svg", 2, "--csv: is the same file as --plot");
}

/// An IDX file: its type, its dimensions, and so many bytes.
fn idx(kind: u8, dims: &[u32], bytes: usize) -> Vec<u8> {
    let mut file = vec![0, 0, kind, dims.len() as u8];
    file.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    file.extend((0..bytes).map(|i| (i * 31 % 10) as u8));
    file
}

fn write_mnist(folder: &Folder, images: impl AsRef<[u8]>) {
    folder.write("train-images-idx3-ubyte", images);
    folder.write("train-labels-idx1-ubyte", idx(8, &[40], 40));
    folder.write("t10k-images-idx3-ubyte", idx(8, &[2, 28, 28], 2 * 784));
    folder.write("t10k-labels-idx1-ubyte", idx(8, &[2], 2));
}

#[test]
fn datasets_come_from_folders() {
    let folder = Folder::new();
    folder.refused("find --data mnist:none", 1, "none: no such directory");
    folder.refused("find --data cifar10:none", 1, "none: no such directory");
    folder.refused("find --data mnist:.", 1, ".: has no train-images-idx3-ubyte");
    write_mnist(&folder, idx(8, &[40, 28, 28], 40 * 784));
    let found = folder.json("find --data mnist:. --model mlp --batch 8 --steps 10 --json");
    assert_eq!((&found["data"], &found["samples"]), (&"mnist".into(), &36.into()));
    folder.refused("find --data mnist:.", 2, "--batch: 64 is larger than the dataset (36 samples)");
    write_mnist(&folder, idx(8, &[40, 28, 28], 1000));
    folder.refused("find --data mnist:.", 1, "train-images-idx3-ubyte: is truncated");
    write_mnist(&folder, idx(0x0d, &[40, 28, 28], 40 * 784));
    folder.refused("find --data mnist:.", 1, "train-images-idx3-ubyte: ");
    write_mnist(&folder, "not IDX at all");
    folder.refused("find --data mnist:.", 1, "train-images-idx3-ubyte: ");
}

#[test]
fn without_an_adapter_there_is_advice() {
    let folder = Folder::new();
    for args in ["find", "info"] {
        let mut command = folder.command(args);
        // Linux alone asks these files for its drivers.
        if cfg!(target_os = "linux") {
            command.env("VK_ICD_FILENAMES", "/nonexistent").env("VK_DRIVER_FILES", "/nonexistent");
            failed(&command.output().unwrap(), 1, "install a Vulkan driver");
        }
    }
    let output = folder.command("find").env("RANGEFINDER_ADAPTER", "nosuch").output().unwrap();
    failed(&output, 1, "RANGEFINDER_ADAPTER=nosuch matches none of 0: ");
    assert!(folder.files().is_empty());
}

/// The file of `bench --tune`: one that is of another device changes nothing, one that is broken is named.
#[test]
fn a_profile_file_is_used_where_it_fits() {
    let folder = Folder::new();
    let info = |file: &str| folder.command("info --json").env("RANGEFINDER_PROFILE", file).output().unwrap();
    let tuning = |file: &str| {
        let info: Value = serde_json::from_str(&done(&info(file))).unwrap();
        (info["profile"].as_str().unwrap().to_owned(), info["tuning"].as_str().unwrap().to_owned())
    };
    let usual = tuning("off");
    assert!(
        usual.1.starts_with("by the table for") && usual.1.contains("RANGEFINDER_PROFILE is off"),
        "{usual:?}"
    );

    let listed = folder.json("info --json");
    let used = &listed["adapters"][listed["used"].as_u64().unwrap() as usize];
    let choice = serde_json::json!({"products": "registers", "gradients": "registers", "groups": 8});
    let linear = serde_json::json!({"narrow": choice, "small": choice, "medium": choice, "large": choice});
    let device = |adapter: &Value, profile: &str| {
        serde_json::json!({
            "adapter": adapter, "backend": used["backend"], "driver": used["driver"],
            "profile": profile, "linear": linear, "conv2d_groups": 8,
        })
    };
    let file = |version: u32, device: Value| {
        serde_json::json!({"version": version, "devices": [device]}).to_string()
    };
    folder.write("mine.json", file(1, device(&used["name"], "portable")));
    folder.write("other.json", file(1, device(&"another".into(), "portable")));
    folder.write("wrong.json", file(1, device(&used["name"], "tiled")).replace("registers", "broadcast"));
    folder.write("later.json", file(2, device(&used["name"], "portable")));
    folder.write("broken.json", "{\"version\": 1}");
    assert_eq!(tuning("mine.json"), ("Portable".into(), "as measured: mine.json".into()));
    let (profile, why) = tuning("other.json");
    assert_eq!(profile, usual.0);
    assert!(why.ends_with("other.json has no measurement of this device under this driver"), "{why}");
    failed(&info("wrong.json"), 1, "wrong.json: does not fit the device: tuning: Tiled has no Broadcast");
    failed(&info("later.json"), 1, "its version is 2, not 1");
    failed(&info("broken.json"), 1, "is no file of `rangefinder bench --tune`");
    failed(&info("none.json"), 1, "is not there, though RANGEFINDER_PROFILE names it");
    // Nothing that is no such file is overwritten.
    let tune = folder.command("bench --tune").env("RANGEFINDER_PROFILE", "broken.json").output().unwrap();
    failed(&tune, 1, "is no file of `rangefinder bench --tune`");
}

#[test]
fn info_lists_adapters() {
    let folder = Folder::new();
    let text = folder.done("info");
    assert!(text.contains("<- used") && text.contains("RANGEFINDER_ADAPTER"), "{text}");
    let info = folder.json("info --json");
    let used = info["used"].as_u64().unwrap() as usize;
    assert!(info["adapters"][used]["max_buffer"].as_u64() > Some(1 << 20));
}

#[test]
fn a_plan_needs_no_device() {
    let folder = Folder::new();
    let plan = |args: &str| {
        let mut command = folder.command(args);
        done(&command.env("VK_ICD_FILENAMES", "/nonexistent").output().unwrap())
    };
    let small = plan("plan");
    assert!(small.starts_with("1x8x8 -> 10, cross_entropy, SGD momentum 0.9, batch 64\n"), "{small}");
    assert!(small.contains("conv2d") && !small.contains("params["));
    assert!(plan("plan --bindings").contains("params["));
    assert!(
        plan("plan --data moons --optimizer adam --replicas 3 --batch 8")
            .contains("Adam, batch 8, 3 replicas")
    );
    let parts = plan("plan --batch 16 --accumulate 4");
    assert!(
        parts.contains("batch 16 x 4\none step of 4 micro-batches: ") && parts.contains("accumulate"),
        "{parts}"
    );
}

#[test]
fn help_says_what_there_is() {
    let folder = Folder::new();
    let help = folder.done("find --help");
    for text in [
        "What to train:",
        "The sweep:",
        "Output:",
        "Modes:",
        "Examples:",
        "[default: 1e-7]",
        "--verify-restore",
    ] {
        assert!(help.contains(text), "{text}\n{help}");
    }
    assert_eq!(folder.done("--version"), format!("rangefinder {}\n", env!("CARGO_PKG_VERSION")));
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = Folder::new();
    for args in ["plan --bindings", "find --data moons --steps 10", "suggest curve.csv"] {
        folder.write("curve.csv", curve_csv());
        let mut child = folder.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]), "{args}");
    }
}

/// Does a process handle SIGINT? Before it does, the signal would end it.
#[cfg(target_os = "linux")]
fn handles_interrupts(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 2 != 0)
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_restores_the_model_and_leaves_no_file() {
    use std::time::Duration;
    let folder = Folder::new();
    // Long enough to be interrupted on any device.
    let mut command = folder.command("find --steps 400000 --stop finite --csv curve.csv --plot curve.svg");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !handles_interrupts(child.id()) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(1500));
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "rangefinder: cancelled; the model is as it was before\n");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(folder.files().is_empty(), "{:?}", folder.files());
    assert!(Path::new(&folder.0).is_dir());
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

/// One page, well formed as far as its tags go, that fetches nothing.
#[track_caller]
fn assert_page(html: &str) {
    assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">") && html.ends_with("</html>\n"));
    for reference in ["src=", "href=", "url(", "@import", "<link", "<img", "NaN"] {
        assert!(!html.contains(reference), "{reference}");
    }
    for tag in ["section", "table", "figure", "svg", "details", "dl", "g", "tr", "div", "script"] {
        let (opened, closed) = (format!("<{tag}"), format!("</{tag}>"));
        let ends = [">", " "].map(|end| html.matches(&format!("{opened}{end}")).count());
        assert_eq!(ends.iter().sum::<usize>(), html.matches(&closed).count(), "{tag}");
    }
    assert_eq!(html.matches("<h1>").count(), 1);
}

#[test]
fn a_report_has_everything_in_one_page() {
    let folder = Folder::new();
    let args = "find --model mlp --from 1e-3 --steps 40 --seed 3 --curvature --html report.html";
    let found = folder.json(&format!("{args} --json"));
    let html = folder.read("report.html");
    assert_page(&html);
    let rate = |value: &Value| format!("{:.2e}", value.as_f64().unwrap());
    for value in [&found["learning_rate"], &found["suggestion"]["low"], &found["suggestion"]["high"]] {
        assert!(html.contains(&rate(value)), "{value}");
    }
    let runs = found["verification"]["runs"].as_array().unwrap();
    for run in runs {
        assert!(html.contains(&format!(">{}</th>", rate(&run["lr"]))), "{run}");
    }
    for rule in RULES {
        let answer = found["rules"][rule].as_f64().map_or("none".into(), |rate| format!("{rate:.2e}"));
        let name = rule.replace('_', " ");
        assert!(html.contains(&format!(">{name}</th><td class=\"n\">{answer}</td>")), "{rule}");
    }
    let points = found["history"].as_array().unwrap();
    assert_eq!(html.matches("</tr>").count(), 3 + runs.len() + 6 + points.len());
    assert!(html.contains(&format!(">{:.6}</td>", points[7]["loss"].as_f64().unwrap())));
    assert!(html.contains(&format!("2(1+β)/λ = {}", rate(&found["curvature"]["limit"]))));
    for part in [
        "<code>rangefinder find --model mlp --from 1e-3 --steps 40 --seed 3 --curvature --html report.html --json</code>",
        "batch 64, seed 3",
        "standard errors",
        "A sweep takes a new batch at each step",
        "Smith&#39;s pair",
        found["fingerprints"]["before"].as_str().unwrap(),
        "version 0.1.0",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(folder.files(), ["report.html"]);
}

#[test]
fn a_report_of_all_modes_has_each_of_them() {
    let folder = Folder::new();
    folder.done("find --data moons --mode all --steps 16 --no-verify --quiet --html all.html");
    let html = folder.read("all.html");
    assert_page(&html);
    for mode in ["sweep", "same-batch", "restart", "frozen", "replicas"] {
        assert_eq!(html.matches(&format!("<h2>{mode}</h2>")).count(), 1, "{mode}");
    }
    // One picture of all, and one a mode; each for a wide page and a narrow one.
    assert_eq!(html.matches("<svg ").count(), 12);
    for part in ["Is it the rate, the batch, or the learning?", "Along one update", "Armijo&#39;s limit"] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn reports_of_refusals_and_of_other_tools_curves() {
    let folder = Folder::new();
    folder.done(
        "find --data moons --mode same-batch --from 1e-12 --to 1e-10 --steps 20 --quiet --html no.html",
    );
    let html = folder.read("no.html");
    assert_page(&html);
    assert!(html.contains("<strong>No suggestion</strong>") && html.contains("widen the range"), "{html}");
    let name = "a<b>&\"c.csv";
    folder.write(name, curve_csv());
    let mut command = folder.command("suggest --html report.html --plot curve.svg --quiet");
    let rate: f64 = done(&command.arg(name).output().unwrap()).trim().parse().unwrap();
    let html = folder.read("report.html");
    assert_page(&html);
    assert!(html.contains("<h1>a&lt;b&gt;&amp;&quot;c.csv</h1>") && html.contains(&format!("{rate:.2e}")));
    assert!(html.contains("--quiet &#39;a&lt;b&gt;&amp;&quot;c.csv&#39;"), "the command");
    assert!(folder.read("curve.svg").contains("a&lt;b&gt;&amp;&quot;c.csv"));
    folder.refused("suggest curve.csv --html .", 2, "--html: `.` ");
    folder.refused("find --html a.html --csv a.html", 2, "--csv: is the same file as --html");
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
    for part in ["GFLOP/s", "mlp step", "this run&#39;s ceilings", ">linear_sgd", ">tick<"] {
        assert!(svg.contains(part), "{part}");
    }
    folder.refused("bench --profile matmul", 2, "there are mlp step, cnn step");
    folder.misused("bench --plot roof.svg", "--profile");
}

#[test]
fn held_out_losses_layers_and_settings_are_in_reports() {
    let folder = Folder::new();
    let args = "find --data moons --steps 40 --no-verify --held-out-every 8 --layers --html one.html --json";
    let found = folder.json(args);
    let html = folder.read("one.html");
    assert_page(&html);
    let held_out = found["held_out"].as_array().unwrap();
    assert!(held_out.len() > 2, "{found}");
    for row in held_out {
        assert!(html.contains(&format!(">{:.6}</td>", row["loss"].as_f64().unwrap())), "{row}");
    }
    for name in found["layers"]["names"].as_array().unwrap() {
        assert!(html.contains(&format!("<th scope=\"row\">{}</th>", name.as_str().unwrap())), "{name}");
    }
    assert!(html.contains(">held-out loss</text>"), "the squares' name");
    folder.done("find --data moons --steps 30 --grid momentum=0.5,0.9 --quiet --html grid.html");
    let html = folder.read("grid.html");
    assert_page(&html);
    // One picture of both, and one a setting; each for a wide page and a narrow one.
    assert_eq!(html.matches("<svg ").count(), 6);
    for part in [">0.5</th>", ">0.9</th>", "<h2>momentum: 0.5</h2>", "The same test for each momentum"] {
        assert!(html.contains(part), "{part}");
    }
}
