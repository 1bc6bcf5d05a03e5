//! The handwritten WGSL, embedded, with `#import name` replaced by `shaders/shared/name.wgsl`.

/// A shader ready for the compiler, and where each of its lines came from.
pub(crate) struct Shader {
    pub text: String,
    lines: Vec<(&'static str, usize)>,
}

impl Shader {
    /// File and line that line `line` (from 1) of the assembled text was written in.
    pub fn locate(&self, line: usize) -> (&'static str, usize) {
        self.lines.get(line.saturating_sub(1)).copied().unwrap_or(("?", line))
    }
}

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

/// The text of `shaders/<file>.wgsl` with its imports in place: one level deep, each where it is asked for.
pub(crate) fn assemble(file: &str) -> Shader {
    let (name, text) = find(FILES, file);
    let mut shader = Shader { text: String::new(), lines: Vec::new() };
    let mut push = |text: &str, from: &'static str, line: usize| {
        shader.text.push_str(text);
        shader.text.push('\n');
        shader.lines.push((from, line));
    };
    for (index, line) in text.lines().enumerate() {
        match line.strip_prefix("#import ") {
            Some(import) => {
                let (from, text) = find(SHARED, import.trim());
                text.lines().enumerate().for_each(|(i, line)| push(line, from, i + 1));
            }
            None => push(line, name, index + 1),
        }
    }
    shader
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_located_through_imports() {
        let shader = assemble("gather");
        let at = |needle: &str| shader.text.lines().position(|l| l.contains(needle)).unwrap() + 1;
        assert_eq!(shader.locate(at("struct State")).0, "state");
        let (file, line) = shader.locate(at("fn gather"));
        assert_eq!(file, "gather");
        assert!(find(FILES, "gather").1.lines().nth(line - 1).unwrap().contains("fn gather"));
    }

    #[test]
    fn no_import_is_left_and_none_is_made_twice() {
        for (name, text) in FILES {
            let shader = assemble(name);
            assert!(!shader.text.contains("#import"), "{name}: an import inside a shared file");
            let imports: Vec<_> = text.lines().filter(|l| l.starts_with("#import")).collect();
            let mut unique = imports.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(imports.len(), unique.len(), "{name} imports a file twice");
        }
    }
}
