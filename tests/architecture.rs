//! The house rules of ARCHITECTURE.md, read from the sources.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file: its path below `src`, and its lines.
struct Source {
    path: String,
    text: String,
}

fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut paths = Vec::new();
    walk(&src, "rs", &mut paths);
    paths.sort();
    assert!(paths.len() > 40, "only {} files under src", paths.len());
    let read = |path: PathBuf| Source {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/"),
    };
    paths.into_iter().map(read).collect()
}

impl Source {
    /// The module at the top of the house that the file is part of: "device", "session", "cli".
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// Lines of code, numbered from 1: no comments, no test module at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(i, line)| (i + 1, line));
        lines.take_while(|(_, line)| !line.starts_with("#[cfg(test)]")).filter(|(_, line)| {
            let line = line.trim_start();
            !line.starts_with("//")
        })
    }

    /// Every top-level module that the file names as `crate::module`, with its line; names from the root as "".
    fn uses(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, line) in self.code() {
            for rest in line.split("crate::").skip(1) {
                found.extend(heads(rest).into_iter().map(|head| (number, head)));
            }
        }
        found
    }
}

/// "data::order::x" -> data; "{data::Dataset, error}" -> data, error; "Error" -> "", a name of the root.
fn heads(rest: &str) -> Vec<String> {
    let items = match rest.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap_or(list).split(',').collect(),
        None => vec![rest],
    };
    let head = |item: &str| -> String {
        let item = item.trim();
        item.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let named = items.into_iter().map(head).filter(|h| !h.is_empty());
    named.map(|h| if h.starts_with(char::is_uppercase) { String::new() } else { h }).collect()
}

#[test]
fn heads_are_found() {
    assert_eq!(heads("data::order::batch_order;"), ["data"]);
    assert_eq!(heads("{data::Dataset, error::Error};"), ["data", "error"]);
    assert_eq!(heads("Error::shape("), [""]);
}

/// From the roof to the cellar: what each module may use, itself left out. "error" is open to all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("shader", &[]),
    ("adapters", &[]), // a function at the root, as compile is one beside its module
    ("error", &[]),
    ("layout", &[]),
    ("kernel", &["shader"]),
    ("plan", &["kernel", "layout", "shader"]),
    ("ops", &["plan", "kernel", "layout", "optim"]),
    ("optim", &[]),
    ("data", &[]),
    // Random numbers are the data's.
    ("init", &["ops", "data"]),
    ("graph", &["ops", "init"]),
    ("nn", &["graph", "ops", "init"]),
    ("models", &["nn", "graph", "ops"]),
    ("schedule", &["optim", "layout"]),
    ("compile", &["graph", "ops", "optim", "plan", "kernel", "layout"]),
    ("device", &["plan", "kernel", "layout", "shader", "data"]),
    ("session", &["device", "compile", "plan", "graph", "ops", "optim", "schedule", "data", "layout"]),
    ("train", &["session", "schedule", "data"]),
    ("finder", &["session", "schedule", "data", "device", "optim"]),
    (
        "bench",
        &[
            "finder", "train", "session", "device", "compile", "graph", "nn", "models", "ops", "optim",
            "plan", "schedule", "data",
        ],
    ),
    // Front doors see what anybody outside sees: the root's names, two of which are functions, and the public modules.
    ("cli", &["", "adapters", "bench", "compile", "finder", "data", "models"]),
    ("wasm", &["", "adapters", "compile", "finder", "data", "models"]),
];

#[test]
fn arrows_point_down_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        let module = source.module();
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let row = MAY_USE.iter().find(|row| row.0 == module);
        let (_, allowed) =
            row.unwrap_or_else(|| panic!("src/{}: give the module a row in MAY_USE", source.path));
        for (line, used) in source.uses() {
            if used != module && used != "error" && !allowed.contains(&&*used) {
                let used = if used.is_empty() { "the crate's root" } else { &used };
                wrong.push(format!("src/{}:{line}: {module} must not use {used}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The table itself has no way up: sorted as it is, a row uses rows above it alone.
#[test]
fn the_table_has_no_circle() {
    let mut done: Vec<&str> = Vec::new();
    let mut left: Vec<_> = MAY_USE.iter().collect();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|(module, uses)| {
            let ready = uses.iter().all(|u| u.is_empty() || done.contains(u));
            if ready {
                done.push(module);
            }
            !ready
        });
        assert!(left.len() < before, "a circle among {:?}", left.iter().map(|row| row.0).collect::<Vec<_>>());
    }
}

#[track_caller]
fn assert_absent(words: &[&str], allowed: impl Fn(&Source) -> bool, why: &str) {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| !allowed(s)) {
        for (line, text) in source.code() {
            if words.iter().any(|word| text.contains(word)) {
                wrong.push(format!("src/{}:{line}: {why}: {}", source.path, text.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn only_the_device_knows_wgpu() {
    assert_absent(&["wgpu"], |s| s.module() == "device", "wgpu is named under src/device alone");
    assert!(sources().iter().any(|s| s.module() == "device" && s.text.contains("wgpu::")));
}

#[test]
fn only_front_doors_print() {
    let front = |s: &Source| ["cli", "main"].contains(&s.module());
    assert_absent(&["println!", "print!(", "eprint", "dbg!("], front, "a library does not print");
}

fn stems(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(&root().join(folder), extension, &mut found);
    found.iter().map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Of an op's file, and of what belongs to it.
#[test]
fn one_stem_everywhere() {
    // Parts that several ops share, and the ends of a step, which are tested as such, or with two oracles.
    let (shared, no_oracle) = (
        ["mod", "kernels", "product", "window"],
        [
            "accumulate",
            "gather",
            "layers",
            "linear_cross_entropy",
            "linear_update",
            "tick",
            "unpool",
            "update",
        ],
    );
    let (shaders, tests, oracles) =
        (stems("shaders", "wgsl"), stems("tests/ops", "rs"), stems("tests/reference", "rs"));
    let mut missing = Vec::new();
    let ops: Vec<_> = stems("src/ops", "rs").into_iter().filter(|s| !shared.contains(&&**s)).collect();
    for op in &ops {
        let oracle = !no_oracle.contains(&&**op);
        for (folder, found, wanted) in [
            ("shaders", &shaders, true),
            ("tests/ops", &tests, oracle),
            ("tests/reference", &oracles, oracle),
        ] {
            if wanted && !found.contains(op) {
                missing.push(format!("src/ops/{op}.rs has no {folder}/{op}"));
            }
        }
    }
    for shader in stems("shaders", "wgsl") {
        let shared = root().join(format!("shaders/shared/{shader}.wgsl")).exists();
        // A second school of an op's kernels has its op's stem in front.
        let school = ["_broadcast", "_tiled", "_tiled64", "_quad", "_stem", "_grouped", "_pointwise"]
            .iter()
            .find_map(|s| shader.strip_suffix(s));
        let stem = school.unwrap_or(&shader).to_owned();
        if !shared && !ops.contains(&stem) {
            missing.push(format!("shaders/{shader}.wgsl has no src/ops/{shader}.rs"));
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

/// The package for pages is the crate, under the same number.
#[test]
fn the_package_has_the_crates_version() {
    let read = |file: &str| fs::read_to_string(root().join("pkg").join(file)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("package.json").contains(&format!("\"version\": \"{version}\"")));
    assert!(read("rangefinder.js").contains(&format!("export const version = \"{version}\";")));
}
