//! `rangefinder suggest`: the curves of other tools, and our own.

use super::{Folder, RULES, curve, curve_csv, done};
use serde_json::Value;
use std::fs;

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
    assert!(suggest("")["reason"].as_str().unwrap().ends_with("; usual with any optimizer is 2e-2"));
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

/// As of a regression: no empty axis or column, and Smith's pair says what it is from.
#[test]
fn a_curve_without_accuracy_shows_none() {
    let folder = Folder::new();
    let (lr, loss) = curve();
    let from_loss = ", from the loss: there is no accuracy";
    for (accuracy, has) in [(Value::Null, false), (Value::from(vec![0.5; lr.len()]), true)] {
        let json = serde_json::json!({"lr": lr, "loss": loss, "accuracy": accuracy});
        folder.write("curve.json", json.to_string());
        let text = folder.done("suggest curve.json --plot curve.svg --html curve.html");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (html, svg) = (folder.read("curve.html"), folder.read("curve.svg"));
        assert_eq!((words.contains("⠂ accuracy"), words.contains("├100 %")), (has, has), "{text}");
        assert_eq!(svg.contains(">accuracy</text>"), has);
        assert_eq!(html.contains(">accuracy</th>"), has);
        // A flat accuracy has no pair.
        assert_eq!((words.contains(from_loss), html.contains(from_loss)), (!has, !has), "{text}");
    }
}

#[test]
fn a_gzipped_curve_is_read_as_it_is() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let folder = Folder::new();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(curve_csv().as_bytes()).unwrap();
    folder.write("curve.csv.gz", packed.finish().unwrap());
    folder.write("curve.csv", curve_csv());
    let plain = folder.done("suggest curve.csv -q");
    assert_eq!(folder.done("suggest curve.csv.gz -q"), plain);
    let stdin = fs::File::open(folder.0.join("curve.csv.gz")).unwrap();
    assert_eq!(done(&folder.command("suggest - -q").stdin(stdin).output().unwrap()), plain);
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
    says(
        "1e-3,2\n1e-2,1\n",
        "curve.csv:1: is a row of numbers, not of names; begin with a line such as `lr,loss`",
    );
    folder.write("curve.csv", [0xff, 0xfe, b'l', 0]);
    folder.refused("suggest curve.csv", 1, "curve.csv: byte 0 is not UTF-8; save it as CSV or JSON in UTF-8");
    folder.write("curve.csv", [0x1f, 0x8b, 8, 0]);
    folder.refused("suggest curve.csv", 1, "curve.csv: is truncated: its gzip data ends");
    folder.refused("suggest nowhere.csv", 1, "nowhere.csv: ");
    folder.refused("suggest .", 1, ".: is a folder; name a file in it");
    folder.misused("suggest", "<FILE>");
}
