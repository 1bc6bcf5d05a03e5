//! `rangefinder find --grid`.

use super::Folder;

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
    folder.refused(
        "find --grid optimizer=adam,sgd --cyclical-momentum",
        2,
        "--cyclical-momentum: SGD has no momentum",
    );
    folder.refused("find --held-out-every 0", 2, "--held-out-every: 0 steps");
    folder.refused("find --held-out-every 5 --mode restart", 2, "--held-out-every: restart starts each rate");
}
