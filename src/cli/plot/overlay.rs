//! Several curves on the same axes, each in its colour, with a row for each answer.

use super::curves::{dots, lines};
use super::held_out;
use super::marks::{ROW, SMALL};
use super::page::{self, BOTTOM, Frame, GREY, HEIGHT, INK, LEFT, WHITE, WIDTH};
use super::page::{fit, line_to, pale, text_at};
use super::paint::{Anchor, Colour, Shape, Spot, measure};
use super::scale::{Axis, drawable, short};
use crate::finder::{HeldOutPoint, Point, Suggestion};

/// From the palette of Okabe and Ito, in an order that sets neighbours apart.
const COLOURS: [Colour; 6] =
    [(0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0), (204, 121, 167), (86, 180, 233)];

/// What a picture of several curves shows.
pub(crate) struct Overlay<'a> {
    pub title: &'a str,
    pub subtitle: &'a str,
    pub layers: &'a [Layer<'a>],
}

/// One of the curves.
pub(crate) struct Layer<'a> {
    pub name: &'a str,
    /// `smoothed` is the line.
    pub points: &'a [Point],
    pub held_out: &'a [HeldOutPoint],
    pub suggestion: Option<&'a Suggestion>,
    /// The rate that short runs chose.
    pub verified: Option<f64>,
}

pub(super) fn page(overlay: &Overlay) -> Vec<Shape> {
    let right = WIDTH - 30.0;
    let mut shapes = vec![Shape::Box { from: (0.0, 0.0), to: (WIDTH, HEIGHT), colour: WHITE }];
    let strip = header(&mut shapes, overlay, right);
    let top = strip + ROW * overlay.layers.len() as f64 + 10.0;
    let (rates, losses) = axes(overlay);
    let frame = Frame { left: LEFT, right, top, bottom: BOTTOM, rates: rates.padded(0.015, 0.015), losses };
    for row in (0..overlay.layers.len()).step_by(2) {
        let (from, to) = (strip + ROW * row as f64, strip + ROW * (row + 1) as f64);
        shapes.push(Shape::Box { from: (14.0, from), to: (right, to), colour: pale(INK, 0.045) });
    }
    page::grid(&mut shapes, &frame);
    for (layer, &colour) in overlay.layers.iter().zip(COLOURS.iter().cycle()) {
        let raw = layer.points.iter().map(|p| Some((frame.x(p.lr)?, frame.y(p.loss)?)));
        dots(&mut shapes, &frame, raw, 1.6, pale(colour, 0.35));
    }
    for (layer, &colour) in overlay.layers.iter().zip(COLOURS.iter().cycle()) {
        let fit = layer.points.iter().map(|p| Some((frame.x(p.lr)?, frame.y(p.smoothed)?)));
        lines(&mut shapes, &frame, fit, 2.2, colour);
        held_out::curve(&mut shapes, layer.held_out, &frame, colour);
    }
    page::axes(&mut shapes, &frame, INK, false);
    for (row, (layer, &colour)) in overlay.layers.iter().zip(COLOURS.iter().cycle()).enumerate() {
        answer(&mut shapes, layer, &frame, strip + ROW * (row as f64 + 0.5), colour);
    }
    shapes
}

/// The axes that hold every curve's own.
fn axes(overlay: &Overlay) -> (Axis, Axis) {
    let all: Vec<Point> = overlay.layers.iter().flat_map(|layer| layer.points.iter().copied()).collect();
    let curves = overlay.layers.iter().filter(|layer| !layer.points.is_empty());
    let losses = curves.map(|layer| Axis::losses(layer.points)).reduce(|a, b| Axis {
        low: a.low.min(b.low),
        high: a.high.max(b.high),
        log: false,
    });
    let held_out = overlay.layers.iter().flat_map(|layer| held_out::fall(layer.held_out));
    let losses = losses.map(|axis| axis.reaching(held_out.map(|p| p.loss)));
    (Axis::rates(&all), losses.unwrap_or_else(|| Axis::losses(&all)))
}

/// Title, subtitle and legend; returns where the strip of the answers begins.
fn header(shapes: &mut Vec<Shape>, overlay: &Overlay, right: f64) -> f64 {
    let width = right - LEFT;
    shapes.push(text_at((LEFT, 34.0), fit(overlay.title, 17.0, width), 17.0, INK, Anchor::Start));
    shapes.push(text_at((LEFT, 54.0), fit(overlay.subtitle, 12.5, width), 12.5, GREY, Anchor::Start));
    let (mut x, y) = (LEFT, 78.0);
    let middle = y - 4.2;
    let text = |shapes: &mut Vec<Shape>, x: f64, text: &str| {
        shapes.push(text_at((x, y), text.to_string(), 12.0, INK, Anchor::Start));
        x + measure(text, 12.0) + 20.0
    };
    for (layer, &colour) in overlay.layers.iter().zip(COLOURS.iter().cycle()) {
        shapes.push(line_to((x, middle), (x + 22.0, middle), 2.6, colour));
        x = text(shapes, x + 28.0, layer.name);
    }
    if overlay.layers.iter().any(|layer| !layer.held_out.is_empty()) {
        shapes.push(line_to((x, middle), (x + 22.0, middle), 1.3, GREY));
        shapes.push(held_out::square((x + 11.0, middle), GREY));
        x = text(shapes, x + 28.0, held_out::NAME);
    }
    shapes.push(line_to((x, middle), (x + 22.0, middle), 1.5, GREY));
    shapes.push(line_to((x + 11.0, middle - 5.0), (x + 11.0, middle + 5.0), 2.4, GREY));
    x = text(shapes, x + 28.0, "suggested, with its interval");
    if overlay.layers.iter().any(|layer| layer.verified.is_some()) {
        shapes.push(diamond((x + 5.5, middle), GREY));
        text(shapes, x + 17.0, "verified");
    }
    y + 12.0
}

fn diamond((x, y): Spot, colour: Colour) -> Shape {
    Shape::Area { points: vec![(x - 5.5, y), (x, y - 5.5), (x + 5.5, y), (x, y + 5.5)], colour }
}

/// A row of the strip: the interval, a stroke at the suggestion, a diamond at the verified rate, and on the axis a tick.
fn answer(shapes: &mut Vec<Shape>, layer: &Layer, frame: &Frame, y: f64, colour: Colour) {
    shapes.push(text_at((frame.left - 9.0, y + 4.0), layer.name.to_string(), SMALL, GREY, Anchor::End));
    let x = |rate: f64| frame.x(rate).map(|x| x.clamp(frame.left, frame.right));
    let Some(found) = layer.suggestion else {
        let text = "no suggestion".to_string();
        shapes.push(text_at((frame.left + 8.0, y + 4.0), text, SMALL, colour, Anchor::Start));
        return;
    };
    let (Some(low), Some(at), Some(high)) = (x(found.low), x(found.lr), x(found.high)) else { return };
    shapes.push(line_to((low, y), (high, y), 1.5, colour));
    shapes.push(line_to((at, y - 5.0), (at, y + 5.0), 2.4, colour));
    shapes.push(line_to((at, frame.bottom - 9.0), (at, frame.bottom), 2.4, colour));
    let verified = layer.verified.filter(|&rate| drawable(rate)).and_then(x);
    shapes.extend(verified.map(|x| diamond((x, y), colour)));
    // Left of everything in the row, where there is most room; right of it where there is none.
    let text = match layer.verified {
        Some(rate) => format!("{}, verified {}", short(found.lr), short(rate)),
        None => short(found.lr),
    };
    let width = measure(&text, SMALL);
    let first = low.min(verified.unwrap_or(low)) - 10.0;
    let last = high.max(verified.unwrap_or(high)) + 10.0;
    let (at, anchor) = if first - width > frame.left { (first, Anchor::End) } else { (last, Anchor::Start) };
    shapes.push(text_at((at, y + 4.0), text, SMALL, INK, anchor));
}
