//! A range test as a picture for a paper: SVG with real text, or PNG.
//!
//! `page` lays the picture out as plain shapes (with `curves` for what was measured, `marks` for what was made of it,
//! `scale` for axes and numbers), `paint` turns shapes into SVG or pixels, `png` pixels into a file.

mod curves;
mod marks;
mod page;
mod paint;
mod png;
mod scale;

pub(crate) use scale::{Axis, Tick, between, short};

use crate::error::{Error, Result};
use crate::finder::{Point, Refusal, Rules, Smith, Suggestion};
use std::path::{Path, PathBuf};

/// The font of the PNG, by which both kinds of picture are laid out: a subset of DejaVu Sans, licence beside it.
const FONT: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-subset.ttf");

/// What a picture shows, borrowed from whoever ran the test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure<'a> {
    /// Model, data, optimizer: "CNN on digits, SGD momentum 0.9, batch 64".
    pub title: &'a str,
    /// Adapter, steps, mode.
    pub subtitle: &'a str,
    pub points: &'a [Point],
    pub suggestion: Result<&'a Suggestion, &'a Refusal>,
    pub rules: &'a Rules,
    pub smith: Option<&'a Smith>,
    /// The last step and the reason, if the sweep ended before its grid did.
    pub stopped: Option<(usize, &'a str)>,
}

/// Writes the picture to a file of the kind that its extension names. The file appears whole or not at all.
pub(crate) fn plot(figure: &Figure, path: &Path) -> Result<()> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let failed = |why: String| Error::io(path, std::io::Error::other(why));
    let bytes = match extension.as_deref() {
        Some("svg") => paint::svg(&page::page(figure), page::SIZE).map_err(failed)?.into_bytes(),
        Some("png") => {
            let (rgb, width, height) = paint::pixels(&page::page(figure), page::SIZE).map_err(failed)?;
            png::encode(&rgb, width, height).map_err(|e| Error::io(path, e))?
        }
        other => {
            let what = other.map_or("no extension".to_string(), |e| format!("the extension `.{e}`"));
            let detail = format!("`{}` has {what}; a picture is .svg or .png", path.display());
            return Err(Error::argument("plot", detail));
        }
    };
    replace(path, &bytes).map_err(|e| Error::io(path, e))
}

/// Writes beside the path and renames, so that a reader never sees half a file.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let written = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests;
