//! `--html`: reports as pages.

use super::{Folder, RULES, curve_csv, done};
use serde_json::Value;

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
