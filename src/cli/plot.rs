//! A range test as a picture for a paper: SVG with real text, or PNG.
//!
//! `page` lays the picture out as plain shapes (with `curves` for what was measured, `marks` for what was made of it,
//! `legend`, `scale` for axes and numbers, `colour`; `overlay` for several curves, `roofline` for kernels), `svg` and `paint`
//! turn shapes into SVG and pixels, `png` pixels into a file.

mod colour;
mod curves;
mod held_out;
mod legend;
mod marks;
mod overlay;
mod page;
mod paint;
mod png;
mod roofline;
mod scale;
mod svg;

pub(crate) use colour::palette;
pub(crate) use overlay::{Layer, Overlay};
pub(crate) use paint::Value;
pub(crate) use roofline::Roofline;
pub(crate) use scale::{Axis, Tick, between, centred, drawable, short};
pub(crate) use svg::escaped;

use super::file::replace;
use crate::finder::{Curvature, GoodRates, HeldOutPoint, Point, Refusal, Rules, Smith, Suggestion};
use crate::{Error, Result};
use page::Layout;
use paint::Picture;
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
    /// The rates that short runs found good.
    pub verified: Option<GoodRates>,
    /// Number of seeds; rate, lowest and highest loss over them.
    pub band: (usize, &'a [(f64, f64, f64)]),
    pub held_out: &'a [HeldOutPoint],
    pub rules: &'a Rules,
    pub smith: Option<&'a Smith>,
    /// How far the curvature lets the rate go.
    pub limit: Option<Limit>,
    /// The last step and the reason, if the sweep ended before its grid did.
    pub stopped: Option<(usize, &'a str)>,
}

impl Figure<'_> {
    /// The axis of the losses, with room for the held-out ones.
    pub fn losses(&self) -> Axis {
        Axis::losses(self.points).reaching(held_out::fall(self.held_out).iter().map(|p| p.loss))
    }

    /// Was the accuracy measured too? A regression has none, and other tools' curves may leave it out.
    pub fn has_accuracy(&self) -> bool {
        self.points.iter().any(|p| p.accuracy.is_some_and(drawable))
    }
}

/// The largest rate that is stable on a quadratic of the loss's curvature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit {
    pub rate: f64,
    pub formula: &'static str,
}

impl Limit {
    /// `None` where no limit follows, or none that has a place on an axis.
    pub fn of(curvature: Option<&Curvature>) -> Option<Self> {
        let Curvature { limit, formula, .. } = curvature?;
        limit.filter(|&rate| drawable(rate) && rate > 0.0).map(|rate| Self { rate, formula })
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

/// A picture for a paper or a screen, and one for the width of a phone.
pub(crate) struct Pictures {
    wide: Picture,
    narrow: Picture,
}

impl Pictures {
    /// Each as an element of an HTML page, and the points that a reader may ask about.
    pub fn inline(&self) -> [(String, &[Value]); 2] {
        [&self.wide, &self.narrow].map(|picture| (svg::inline(picture), &picture.values[..]))
    }
}

impl Figure<'_> {
    pub fn pictures(&self) -> Pictures {
        Pictures { wide: page::page(self, &Layout::WIDE), narrow: page::page(self, &Layout::NARROW) }
    }
}

impl Overlay<'_> {
    pub fn pictures(&self) -> Pictures {
        Pictures { wide: overlay::page(self, &Layout::WIDE), narrow: overlay::page(self, &Layout::NARROW) }
    }
}

/// Writes the picture to a file of the kind that its extension names. The file appears whole or not at all.
pub(crate) fn plot(figure: &Figure, path: &Path) -> Result<()> {
    write(&page::page(figure, &Layout::WIDE), path)
}

/// As [`plot`], of several curves.
pub(crate) fn plot_overlay(overlay: &Overlay, path: &Path) -> Result<()> {
    write(&overlay::page(overlay, &Layout::WIDE), path)
}

/// As [`plot`], of kernels under their roof.
pub(crate) fn plot_roofline(roofline: &Roofline, path: &Path) -> Result<()> {
    write(&roofline::page(roofline), path)
}

fn write(picture: &Picture, path: &Path) -> Result<()> {
    let bytes = match format(path)? {
        Format::Svg => svg::document(picture).into_bytes(),
        Format::Png => {
            let failed = |why: String| Error::io(path, std::io::Error::other(why));
            let (rgb, width, height) = paint::pixels(&picture.shapes, picture.size).map_err(failed)?;
            png::encode(&rgb, width, height).map_err(|e| Error::io(path, e))?
        }
    };
    replace(path, &bytes).map_err(|e| Error::io(path, e))
}

#[cfg(test)]
mod tests;
