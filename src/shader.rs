//! The handwritten WGSL, embedded, with `#import name` replaced by `shaders/shared/name.wgsl`.

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../shaders/", $folder, $name, ".wgsl")))),*]
    };
}

const SHARED: &[(&str, &str)] = files!("shared/":
    "activation", "finite", "flat", "random", "reduce", "source", "state", "tile");

/// Every op's file.
pub(crate) const FILES: &[(&str, &str)] = files!("":
    "activation", "add", "avg_pool", "batch_norm", "conv2d", "cross_entropy", "dropout", "gather", "linear",
    "max_pool", "mean_squared_error", "tick", "update");

fn find(files: &'static [(&'static str, &'static str)], name: &str) -> (&'static str, &'static str) {
    *files.iter().find(|f| f.0 == name).unwrap_or_else(|| panic!("no shader file {name}.wgsl"))
}

/// Every line of `shaders/<file>.wgsl` with its imports in place, and where it was written: one level deep, each import
/// where it is asked for.
fn lines(file: &str) -> impl Iterator<Item = (&'static str, usize, &'static str)> {
    let (name, text) = find(FILES, file);
    (1..).zip(text.lines()).flat_map(move |(number, line)| match line.strip_prefix("#import ") {
        Some(import) => {
            let (from, text) = find(SHARED, import.trim());
            (1..).zip(text.lines()).map(|(n, l)| (from, n, l)).collect()
        }
        None => vec![(name, number, line)],
    })
}

/// The text that the compiler gets.
pub(crate) fn assemble(file: &str) -> String {
    lines(file).map(|l| l.2).collect::<Vec<_>>().join("\n")
}

/// File and line in which line `line` (from 1) of the assembled text was written.
#[cfg(test)]
pub(crate) fn locate(file: &str, line: usize) -> (&'static str, usize) {
    lines(file).nth(line.saturating_sub(1)).map_or(("?", line), |l| (l.0, l.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_located_through_imports() {
        let text = assemble("gather");
        let at = |needle: &str| text.lines().position(|l| l.contains(needle)).unwrap() + 1;
        assert_eq!(locate("gather", at("struct State")).0, "state");
        let (file, line) = locate("gather", at("fn gather"));
        assert_eq!(file, "gather");
        assert!(find(FILES, "gather").1.lines().nth(line - 1).unwrap().contains("fn gather"));
    }

    #[test]
    fn no_import_is_left_and_none_is_made_twice() {
        for (name, text) in FILES {
            assert!(!assemble(name).contains("#import"), "{name}: an import inside a shared file");
            let imports: Vec<_> = text.lines().filter(|l| l.starts_with("#import")).collect();
            let mut unique = imports.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(imports.len(), unique.len(), "{name} imports a file twice");
        }
    }
}
