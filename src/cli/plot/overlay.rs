//! Several curves on the same axes, each in its colour, with a row for each answer.

use super::colour::{CURVES, Colour, GREY, INK, POINT, pale};
use super::curves::{dots, lines, said, upright};
use super::legend::{Legend, stroke};
use super::marks::{DOTS, ROW, SMALL, beside, diamond, on_axis, stripes};
use super::page::{self, Frame, Layout, dashed, fit, line_to, text_at};
use super::paint::{Anchor, Picture, Shape, Value};
use super::scale::{Axis, drawable, short};
use super::{Limit, held_out};
use crate::finder::{HeldOutPoint, Point, Suggestion};

/// What a picture of several curves shows.
pub(crate) struct Overlay<'a> {
    pub title: &'a str,
    pub subtitle: &'a str,
    pub layers: &'a [Layer<'a>],
    /// How far the curvature lets the rate go.
    pub limit: Option<Limit>,
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

pub(super) fn page(overlay: &Overlay, layout: &Layout) -> Picture {
    let right = layout.width - 30.0;
    let (rates, up) = axes(overlay);
    let across = rates.up_to(overlay.limit.map_or(0.0, |limit| limit.rate)).padded(0.015, 0.015);
    let mut shapes = Vec::new();
    let y = page::titles(&mut shapes, layout, (overlay.title, overlay.subtitle), None);
    let strip = legend(&mut shapes, overlay, layout, y, &across);
    let top = strip + ROW * overlay.layers.len() as f64 + 10.0;
    let bottom = top + layout.height;
    let frame = Frame { left: layout.left, right, top, bottom, across, up, labels: layout.labels };

    stripes(&mut shapes, &frame, overlay.layers.len(), strip);
    page::grid(&mut shapes, &frame);
    let layers = || overlay.layers.iter().zip(CURVES.into_iter().cycle());
    for (layer, colour) in layers() {
        let raw = layer.points.iter().map(|p| Some((frame.x(p.lr)?, frame.y(p.loss)?)));
        dots(&mut shapes, &frame, raw, 1.3, pale(colour, POINT));
    }
    for (layer, colour) in layers() {
        let fit = layer.points.iter().map(|p| Some((frame.x(p.lr)?, frame.y(p.smoothed)?)));
        lines(&mut shapes, &frame, fit, 2.2, colour);
        held_out::curve(&mut shapes, layer.held_out, &frame, colour);
    }
    page::axes(&mut shapes, &frame, INK, None);
    if let Some(x) = overlay.limit.filter(|l| on_axis(&across, l.rate)).and_then(|l| frame.x(l.rate)) {
        dashed(&mut shapes, x, (frame.top, frame.bottom), DOTS, 1.8, INK);
    }
    for (row, (layer, colour)) in layers().enumerate() {
        answer(&mut shapes, layer, &frame, strip + ROW * (row as f64 + 0.5), colour);
    }
    page::picture(layout, bottom, shapes, overlay.title, about(overlay), values(overlay, &frame))
}

/// What each point is, for a reader who points at it.
fn values(overlay: &Overlay, frame: &Frame) -> Vec<Value> {
    let value = |layer: &Layer, p: &Point| {
        let at = frame.inside((frame.x(p.lr)?, frame.y(p.loss)?));
        Some(Value { at, text: format!("{}, {}", layer.name, said(p)) })
    };
    overlay.layers.iter().flat_map(|l| l.points.iter().filter_map(move |p| value(l, p))).collect()
}

/// What there is to see, for those who do not see it.
fn about(overlay: &Overlay) -> String {
    let layer = |layer: &Layer| match layer.suggestion {
        Some(found) => format!("{}: {}", layer.name, short(found.lr)),
        None => format!("{}: no suggestion", layer.name),
    };
    let answers: Vec<String> = overlay.layers.iter().map(layer).collect();
    format!("Several curves of the loss over the learning rate; suggested: {}", answers.join("; "))
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

/// What the signs mean. Returns where that ends.
fn legend(shapes: &mut Vec<Shape>, overlay: &Overlay, layout: &Layout, y: f64, rates: &Axis) -> f64 {
    let mut legend = Legend::new(shapes, layout, y);
    for (layer, colour) in overlay.layers.iter().zip(CURVES.into_iter().cycle()) {
        legend.entry(stroke(2.6, colour), layer.name);
    }
    if overlay.layers.iter().any(|layer| !layer.held_out.is_empty()) {
        legend.entry(
            |(x, y)| {
                let line = line_to((x - 11.0, y), (x + 11.0, y), 1.3, GREY);
                vec![line, held_out::square((x, y), GREY)]
            },
            held_out::NAME,
        );
    }
    legend.entry(
        |(x, y)| {
            let bar = line_to((x - 11.0, y), (x + 11.0, y), 1.5, GREY);
            vec![bar, line_to((x, y - 5.0), (x, y + 5.0), 2.4, GREY)]
        },
        "suggested, with its interval",
    );
    if overlay.layers.iter().any(|layer| layer.verified.is_some()) {
        legend.entry(|at| vec![diamond(at, GREY)], "verified");
    }
    if let Some(limit) = overlay.limit {
        let off = if on_axis(rates, limit.rate) { "" } else { ": off the axis" };
        legend.entry(upright, &format!("stable below {} = {}{off}", limit.formula, short(limit.rate)));
    }
    legend.end() + 2.0
}

/// A row of the strip: the interval, a stroke at the suggestion, a diamond at the verified rate, and on the axis a tick.
fn answer(shapes: &mut Vec<Shape>, layer: &Layer, frame: &Frame, y: f64, colour: Colour) {
    let name = fit(layer.name, SMALL, frame.left - 23.0);
    shapes.push(text_at((frame.left - 9.0, y + 4.0), name, SMALL, GREY, Anchor::End));
    let x = |rate: f64| frame.x(rate).map(|x| x.clamp(frame.left, frame.right));
    let Some(found) = layer.suggestion else {
        let text = "no suggestion".to_string();
        shapes.push(text_at((frame.left + 8.0, y + 4.0), text, SMALL, INK, Anchor::Start));
        return;
    };
    let (Some(low), Some(at), Some(high)) = (x(found.low), x(found.lr), x(found.high)) else { return };
    shapes.push(line_to((low, y), (high, y), 1.5, colour));
    shapes.push(line_to((at, y - 5.0), (at, y + 5.0), 2.4, colour));
    shapes.push(line_to((at, frame.bottom - 9.0), (at, frame.bottom), 2.4, colour));
    let verified = layer.verified.filter(|&rate| drawable(rate)).and_then(x);
    shapes.extend(verified.map(|x| diamond((x, y), colour)));
    let texts = match layer.verified {
        Some(rate) => vec![format!("{}, verified {}", short(found.lr), short(rate)), short(found.lr)],
        None => vec![short(found.lr)],
    };
    let marks = (low.min(verified.unwrap_or(low)), high.max(verified.unwrap_or(high)));
    let (at, text) = beside(&texts, marks, frame, &[]);
    shapes.push(text_at((at, y + 4.0), text, SMALL, INK, Anchor::Start));
}
