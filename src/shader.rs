//! The handwritten WGSL, embedded, with `#import name` replaced by `shaders/shared/name.wgsl`; or, where the name has two
//! forms, by `name_buffer.wgsl` or `name_texture.wgsl`, as the plan has its operands read; of `store` as it has outputs stored.

/// How the kernels that have a choice read their operands, and where they store what they make.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Loads {
    /// From storage buffers.
    Buffer,
    /// From textures that mirror the buffers: on devices whose subgroups have 8 lanes, which a kernel may then use.
    Texture,
    /// As `Texture`; and what they make goes straight into such a texture.
    Stored,
}

impl Loads {
    #[cfg(test)]
    pub const ALL: [Self; 3] = [Self::Buffer, Self::Texture, Self::Stored];

    /// The form of the shared file `name`.
    fn suffix(self, name: &str) -> &'static str {
        let texture = if name == "store" { self == Self::Stored } else { self != Self::Buffer };
        if texture { "_texture" } else { "_buffer" }
    }
}

/// The text of a file. A page is sent the code alone, without comments and indents: 14 kB less of the gzipped package.
#[cfg(not(target_arch = "wasm32"))]
macro_rules! text {
    ($file:expr) => {
        include_str!($file)
    };
}

#[cfg(target_arch = "wasm32")]
macro_rules! text {
    ($file:expr) => {{
        const WHOLE: &[u8] = include_bytes!($file);
        const CODE: [u8; code(WHOLE, &mut [])] = {
            let mut kept = [0; code(WHOLE, &mut [])];
            code(WHOLE, &mut kept);
            kept
        };
        match str::from_utf8(&CODE) {
            Ok(text) => text,
            Err(_) => panic!("a shader is no UTF-8"),
        }
    }};
}

/// How many bytes of a WGSL text are code; those that `kept` has room for are put there. Lines stay lines.
#[cfg(any(test, target_arch = "wasm32"))]
const fn code(text: &[u8], kept: &mut [u8]) -> usize {
    let (mut at, mut count, mut indent, mut comment) = (0, 0, true, false);
    while at < text.len() {
        let byte = text[at];
        if byte == b'\n' {
            (indent, comment) = (true, false);
        } else if byte == b'/' && at + 1 < text.len() && text[at + 1] == b'/' {
            comment = true;
        } else if byte != b' ' {
            indent = false;
        }
        if !comment && (byte == b'\n' || !indent) {
            if count < kept.len() {
                kept[count] = byte;
            }
            count += 1;
        }
        at += 1;
    }
    count
}

/// Of the files behind the semicolon a browser has no use: its devices have no subgroups of 8 lanes, and read no textures.
macro_rules! files {
    ($folder:literal: $($name:literal),*; $($native:literal),* $(,)?) => {
        &[
            $(($name, text!(concat!("../shaders/", $folder, $name, ".wgsl")))),*,
            $(($native, match cfg!(target_arch = "wasm32") {
                true => "",
                false => text!(concat!("../shaders/", $folder, $native, ".wgsl")),
            })),*
        ]
    };
}

const SHARED: &[(&str, &str)] = files!("shared/":
    "activation", "at_buffer", "carried_buffer", "conv2d_dims", "finite", "flat", "gradient", "linear_dims", "linear_operands", "load_buffer", "optimizer", "pick", "pool_dims", "quad", "random", "reduce_buffer", "residual",
    "slots_buffer", "source", "source4", "state", "team_buffer", "tile", "tile4", "tile32", "tile64", "updated_buffer", "watched_buffer", "winners";
    "at_texture", "broadcast", "carried_texture", "eights_buffer", "eights_texture", "load_texture", "products", "quads", "reduce_texture", "slots_texture", "store_buffer", "store_texture", "team_texture", "updated_texture", "watched_texture", "weight_gradient");

/// Every op's file.
pub(crate) const FILES: &[(&str, &str)] = files!("":
    "accumulate", "activation", "add", "avg_pool", "batch_norm", "conv2d", "conv2d_grouped", "conv2d_tiled", "cross_entropy", "dropout",
    "gather", "layers", "linear", "linear_tiled", "linear_tiled64", "max_pool", "mean_squared_error", "tick", "unpool", "update";
    "conv2d_broadcast", "conv2d_pointwise", "conv2d_quad", "conv2d_stem", "linear_broadcast", "linear_cross_entropy", "linear_update");

type File = (&'static str, &'static str);

fn find(files: &'static [File], name: &str) -> File {
    *files.iter().find(|f| f.0 == name).unwrap_or_else(|| panic!("no shader file {name}.wgsl"))
}

/// The shared file that `#import name` stands for.
fn imported(name: &str, loads: Loads) -> File {
    let form = SHARED.iter().find(|f| f.0.strip_suffix(loads.suffix(name)) == Some(name));
    form.copied().unwrap_or_else(|| find(SHARED, name))
}

/// Every line of `shaders/<file>.wgsl` with its imports in place, and where it was written: one level deep, each import
/// where it is asked for.
fn lines(file: &str, loads: Loads) -> impl Iterator<Item = (&'static str, usize, &'static str)> {
    let (name, text) = find(FILES, file);
    (1..).zip(text.lines()).flat_map(move |(number, line)| match line.strip_prefix("#import ") {
        Some(import) => {
            let (from, text) = imported(import.trim(), loads);
            (1..).zip(text.lines()).map(|(n, l)| (from, n, l)).collect()
        }
        None => vec![(name, number, line)],
    })
}

/// The text that the compiler gets.
pub(crate) fn assemble(file: &str, loads: Loads) -> String {
    lines(file, loads).map(|l| l.2).collect::<Vec<_>>().join("\n")
}

/// File and line in which line `line` (from 1) of the assembled text was written.
#[cfg(test)]
pub(crate) fn locate(file: &str, loads: Loads, line: usize) -> (&'static str, usize) {
    lines(file, loads).nth(line.saturating_sub(1)).map_or(("?", line), |l| (l.0, l.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_located_through_imports() {
        let text = assemble("gather", Loads::Buffer);
        let at = |needle: &str| text.lines().position(|l| l.contains(needle)).unwrap() + 1;
        assert_eq!(locate("gather", Loads::Buffer, at("struct State")).0, "state");
        let (file, line) = locate("gather", Loads::Buffer, at("fn gather"));
        assert_eq!(file, "gather");
        assert!(find(FILES, "gather").1.lines().nth(line - 1).unwrap().contains("fn gather"));
    }

    /// What a page is sent.
    #[test]
    fn comments_and_indents_are_no_code() {
        let whole = b"// head\n    let a = b / c; // why\n\n#import tile\n}";
        let mut kept = [0; 64];
        let count = code(whole, &mut kept);
        assert_eq!(str::from_utf8(&kept[..count]), Ok("\nlet a = b / c; \n\n#import tile\n}"));
        for (name, text) in FILES {
            let mut kept = vec![0; text.len()];
            let count = code(text.as_bytes(), &mut kept);
            let sent = str::from_utf8(&kept[..count]).unwrap();
            assert!(!sent.contains("//") && sent.lines().count() == text.lines().count(), "{name}");
            let bare = |text: &str| -> String {
                let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
                lines.flat_map(str::split_whitespace).collect()
            };
            assert_eq!(bare(sent), bare(text), "{name}");
        }
    }

    #[test]
    fn no_import_is_left_and_none_is_made_twice() {
        for (name, text) in FILES {
            for loads in Loads::ALL {
                assert!(!assemble(name, loads).contains("#import"), "{name}: an import inside a shared file");
            }
            let imports: Vec<_> = text.lines().filter(|l| l.starts_with("#import")).collect();
            let mut unique = imports.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(imports.len(), unique.len(), "{name} imports a file twice");
        }
    }
}
