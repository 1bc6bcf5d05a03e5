//! A range test as a picture for a paper: SVG with real text, or PNG.
//!
//! `page` lays the picture out as plain shapes (with `curves` for what was measured, `marks` for what was made of it,
//! `scale` for axes and numbers; `overlay` for several curves), `paint` turns shapes into SVG or pixels, `png` pixels into a file.

mod curves;
mod held_out;
mod marks;
mod overlay;
mod page;
mod paint;
mod png;
mod scale;

pub(crate) use overlay::{Layer, Overlay};
pub(crate) use scale::{Axis, Tick, between, short};

use super::file::replace;
use crate::finder::{HeldOutPoint, Point, Refusal, Rules, Smith, Suggestion};
use crate::{Error, Result};
use std::path::Path;

/// The font of the PNG, by which both kinds of picture are laid out: a subset of DejaVu Sans, licence beside it.
const FONT: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-subset.ttf");

/// What a picture shows, borrowed from whoever ran the test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure<'a> {
    /// Model, data, optimizer: "CNN on digits, SGD momentum 0.9, batch 64".
    pub title: &'a str,
    /// Adapter, steps, mode.
    pub subtitle: &'a str,
    /// `smoothed` is the strong line: the lag-free fit of [`super::view`].
    pub points: &'a [Point],
    pub suggestion: Result<&'a Suggestion, &'a Refusal>,
    /// The rate that short runs chose.
    pub verified: Option<f64>,
    /// Number of seeds; rate, lowest and highest loss over them.
    pub band: (usize, &'a [(f64, f64, f64)]),
    pub held_out: &'a [HeldOutPoint],
    pub rules: &'a Rules,
    pub smith: Option<&'a Smith>,
    /// The last step and the reason, if the sweep ended before its grid did.
    pub stopped: Option<(usize, &'a str)>,
}

impl Figure<'_> {
    /// The axis of the losses, with room for the held-out ones.
    pub fn losses(&self) -> Axis {
        Axis::losses(self.points).reaching(held_out::fall(self.held_out).iter().map(|p| p.loss))
    }
}

/// What kinds of picture there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Svg,
    Png,
}

/// The kind that the extension of a path names.
pub(crate) fn format(path: &Path) -> Result<Format> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("png") => Ok(Format::Png),
        other => {
            let what = other.map_or("no extension".to_string(), |e| format!("the extension `.{e}`"));
            let detail = format!("`{}` has {what}; a picture is .svg or .png", path.display());
            Err(Error::argument("plot", detail))
        }
    }
}

/// Writes the picture to a file of the kind that its extension names. The file appears whole or not at all.
pub(crate) fn plot(figure: &Figure, path: &Path) -> Result<()> {
    write(&page::page(figure), path)
}

/// As [`plot`], of several curves.
pub(crate) fn plot_overlay(overlay: &Overlay, path: &Path) -> Result<()> {
    write(&overlay::page(overlay), path)
}

fn write(shapes: &[paint::Shape], path: &Path) -> Result<()> {
    let failed = |why: String| Error::io(path, std::io::Error::other(why));
    let bytes = match format(path)? {
        Format::Svg => paint::svg(shapes, page::SIZE).map_err(failed)?.into_bytes(),
        Format::Png => {
            let (rgb, width, height) = paint::pixels(shapes, page::SIZE).map_err(failed)?;
            png::encode(&rgb, width, height).map_err(|e| Error::io(path, e))?
        }
    };
    replace(path, &bytes).map_err(|e| Error::io(path, e))
}

#[cfg(test)]
mod tests;
