//! A picture as data, and as pixels, through `plotters`' bitmap backend.

use super::colour::{Colour, Theme};
use plotters::prelude::{BitMapBackend, DrawingBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle};
use std::sync::Once;

/// What SVG asks for, and the name under which the embedded font measures and draws: a viewer without DejaVu takes
/// Verdana, of nearly the same widths, or its own, which is seldom wider.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// The PNG has two pixels to each unit of the page ...
const PIXELS: u32 = 2;

/// ... and is drawn at twice that and averaged, since `plotters` does not smooth the edges of thick lines.
const SAMPLES: u32 = 2;

/// Page units from the top left corner.
pub(crate) type Spot = (f64, f64);

/// Which point of a text its position is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A text on its baseline; `upward` ones read from bottom to top.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    pub text: String,
    pub at: Spot,
    pub size: f64,
    pub colour: Colour,
    pub anchor: Anchor,
    pub upward: bool,
}

/// One thing on the page.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Box { from: Spot, to: Spot, colour: Colour },
    Line { points: Vec<Spot>, width: f64, colour: Colour },
    Dot { at: Spot, radius: f64, colour: Colour },
    Area { points: Vec<Spot>, colour: Colour },
    Text(Label),
}

/// A whole picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picture {
    /// Width and height in page units: pixels on a screen, half of the PNG's.
    pub size: (u32, u32),
    /// From the bottom of the pile to its top.
    pub shapes: Vec<Shape>,
    pub title: String,
    /// What there is to see, for those who do not see it.
    pub about: String,
    /// What was measured where, for a reader who points at it.
    pub values: Vec<Value>,
}

/// A measured point: where it is drawn, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub at: Spot,
    pub text: String,
}

/// Width of a text in page units.
pub(super) fn measure(text: &str, size: f64) -> f64 {
    let em = 100.0;
    let font = font(em * EM);
    // Without its font a picture is refused when it is painted; until then a guess will do.
    let width = font.layout_box(text).map_or(60.0 * text.chars().count() as f64, |(_, (w, _))| f64::from(w));
    width * size / em
}

/// The page as rows of RGB bytes, with their width and height in pixels.
pub(super) fn pixels(shapes: &[Shape], (width, height): (u32, u32)) -> Result<(Vec<u8>, u32, u32), String> {
    let scale = PIXELS * SAMPLES;
    let size = (width * scale, height * scale);
    let mut fine = vec![255; (size.0 * size.1 * 3) as usize];
    let pen = Pen { scale: f64::from(scale) };
    paint(BitMapBackend::with_buffer(&mut fine, size), &pen, shapes)?;
    Ok((average(&fine, size.0 as usize), width * PIXELS, height * PIXELS))
}

/// Halves an image: every pixel is the mean of a square of `SAMPLES`.
fn average(fine: &[u8], width: usize) -> Vec<u8> {
    let side = SAMPLES as usize;
    let mut out = Vec::with_capacity(fine.len() / (side * side));
    for rows in fine.chunks_exact(width * 3 * side) {
        for x in (0..width * 3).step_by(3 * side) {
            for channel in 0..3 {
                let square =
                    (0..side * side).map(|i| rows[i / side * width * 3 + x + i % side * 3 + channel]);
                let sum: usize = square.map(usize::from).sum();
                out.push((sum / (side * side)) as u8);
            }
        }
    }
    out
}

/// The size that the backend must be told, in ems: it takes the line height of the font.
const EM: f64 = 2384.0 / 2048.0;

/// How far under its position the backend puts the baseline, in ems.
const BASELINE: f64 = 1192.0 / 2048.0;

/// How page units become pixels.
struct Pen {
    scale: f64,
}

impl Pen {
    fn spot(&self, (x, y): Spot) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn length(&self, length: f64) -> u32 {
        (length * self.scale).round().max(1.0) as u32
    }
}

fn paint<B: DrawingBackend>(mut backend: B, pen: &Pen, shapes: &[Shape]) -> Result<(), String> {
    for shape in shapes {
        stroke(&mut backend, pen, shape)?;
    }
    backend.present().map_err(said)
}

/// What a backend said when it failed: its error type has no public name in `plotters`.
fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn stroke<B: DrawingBackend>(backend: &mut B, pen: &Pen, shape: &Shape) -> Result<(), String> {
    match shape {
        Shape::Box { from, to, colour } => {
            backend.draw_rect(pen.spot(*from), pen.spot(*to), &fill(*colour), true).map_err(said)
        }
        Shape::Area { points, colour } => {
            backend.fill_polygon(points.iter().map(|&p| pen.spot(p)), &fill(*colour)).map_err(said)
        }
        Shape::Dot { at, radius, colour } => {
            backend.draw_circle(pen.spot(*at), pen.length(*radius), &fill(*colour), true).map_err(said)
        }
        Shape::Line { points, width, colour } => {
            let style = ShapeStyle { stroke_width: pen.length(*width), ..fill(*colour) };
            line(backend, pen, points, &style)
        }
        Shape::Text(label) => text(backend, pen, label),
    }
}

/// A line of any width. The backend makes one polygon of a thick line, which breaks where the line turns back
/// on itself: there it is drawn piece by piece, with round joints.
fn line<B: DrawingBackend>(
    backend: &mut B,
    pen: &Pen,
    points: &[Spot],
    style: &ShapeStyle,
) -> Result<(), String> {
    let spots: Vec<(i32, i32)> = points.iter().map(|&p| pen.spot(p)).collect();
    for pair in spots.windows(2) {
        backend.draw_line(pair[0], pair[1], style).map_err(said)?;
    }
    for &joint in spots.iter().skip(1).take(spots.len().saturating_sub(2)) {
        // The smoothed edge of a disc makes it a little wider than a line: without the one less, beads on a string.
        backend.draw_circle(joint, (style.stroke_width / 2).saturating_sub(1), style, true).map_err(said)?;
    }
    Ok(())
}

fn text<B: DrawingBackend>(backend: &mut B, pen: &Pen, label: &Label) -> Result<(), String> {
    let h_pos = match label.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let turn = if label.upward { FontTransform::Rotate270 } else { FontTransform::None };
    let (r, g, b) = label.colour.on(Theme::Light);
    let font = font(label.size * EM * pen.scale).transform(turn);
    let style = TextStyle { pos: Pos::new(h_pos, VPos::Top), ..font.color(&RGBColor(r, g, b)) };
    let above = BASELINE * label.size;
    let (x, y) = label.at;
    let at = if label.upward { (x - above, y) } else { (x, y - above) };
    let plain: String = label.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    backend.draw_text(&plain, &style, pen.spot(at)).map_err(said)
}

fn fill(colour: Colour) -> ShapeStyle {
    let (r, g, b) = colour.on(Theme::Light);
    ShapeStyle::from(RGBColor(r, g, b)).filled()
}

/// The embedded font. A font that cannot be read is reported by the first text drawn with it.
fn font(size: f64) -> FontDesc<'static> {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let _ = plotters::style::register_font(FAMILY, FontStyle::Normal, super::FONT);
    });
    FontDesc::new(FontFamily::Name(FAMILY), size, FontStyle::Normal)
}
