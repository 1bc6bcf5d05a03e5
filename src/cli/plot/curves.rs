//! The measured curves: loss and accuracy, as they were and smoothed.

use super::super::view;
use super::colour::{ACCURACY, AREA, CHOSEN, Colour, HELD_OUT, INK, LOSS, POINT, WHITE, pale};
use super::legend::{Legend, dot, patch, stroke};
use super::marks::{DOTS, on_axis};
use super::page::{Frame, Layout, line_to};
use super::paint::{Shape, Spot, Value};
use super::scale::{Axis, between, centred, drawable, short};
use super::{Figure, held_out};
use crate::finder::Point;

/// From so many points on they are a cloud: smaller and paler, with the line set off from it.
const CLOUD: usize = 500;

/// Draws the points first, so that the lines lie on all of them.
pub(super) fn curves(shapes: &mut Vec<Shape>, figure: &Figure, frame: &Frame) {
    let cloud = figure.points.len() >= CLOUD;
    let (size, share) = if cloud { (0.6, 0.5 * POINT) } else { (1.0, POINT) };
    let accuracy =
        |value: Option<f64>| value.filter(|&a| drawable(a)).map(|a| frame.height(a.clamp(0.0, 1.0)));
    let raw_accuracy = figure.points.iter().map(|p| Some((frame.x(p.lr)?, accuracy(p.accuracy)?)));
    dots(shapes, frame, raw_accuracy, 1.2 * size, pale(ACCURACY, share));
    let raw = figure.points.iter().map(|p| Some((frame.x(p.lr)?, frame.y(p.loss)?)));
    dots(shapes, frame, raw, 1.7 * size, pale(LOSS, share));

    let shares: Vec<Option<f64>> =
        figure.points.iter().map(|p| p.accuracy.filter(|&a| drawable(a))).collect();
    let smooth = centred(&shares);
    let smooth = figure.points.iter().zip(smooth).map(|(p, a)| Some((frame.x(p.lr)?, accuracy(a)?)));
    let edge = |shapes: &mut Vec<Shape>, spots: Vec<Option<Spot>>, width: f64, colour: Colour| {
        if cloud {
            lines(shapes, frame, spots.iter().copied(), width + 2.0, WHITE);
        }
        lines(shapes, frame, spots.into_iter(), width, colour);
    };
    edge(shapes, smooth.collect(), 1.5, ACCURACY);
    let loss = figure.points.iter().map(|p| Some((frame.x(p.lr)?, frame.y(p.smoothed)?)));
    edge(shapes, loss.collect(), 2.6, LOSS);
}

/// The range of the losses over the seeds, cut where it leaves the frame.
pub(super) fn band(shapes: &mut Vec<Shape>, figure: &Figure, frame: &Frame) {
    let inside = |x: &f64| (frame.left..=frame.right).contains(x);
    let edge = |lr: f64, loss: f64| {
        Some((frame.x(lr).filter(inside)?, frame.y(loss)?.clamp(frame.top, frame.bottom)))
    };
    let (_, band) = figure.band;
    let (low, high): (Vec<Spot>, Vec<Spot>) =
        band.iter().filter_map(|&(lr, low, high)| Some((edge(lr, low)?, edge(lr, high)?))).unzip();
    if low.len() > 1 {
        let points = low.iter().chain(high.iter().rev()).copied().collect();
        shapes.push(Shape::Area { points, colour: pale(LOSS, AREA) });
        for points in [low, high] {
            shapes.push(Shape::Line { points, width: 0.6, colour: pale(LOSS, POINT) });
        }
    }
}

/// One dot a point; those beyond the frame become small arrows on its edge. Points that would cover each other are
/// drawn once: a sweep of many thousand steps has no more of them than the picture can show.
pub(super) fn dots(
    shapes: &mut Vec<Shape>,
    frame: &Frame,
    spots: impl Iterator<Item = Option<Spot>>,
    radius: f64,
    colour: Colour,
) {
    let mut last = None;
    for (x, y) in spots.flatten() {
        let (beyond, within) = (y < frame.top || y > frame.bottom, y.clamp(frame.top, frame.bottom));
        let cell =
            if beyond { ((x / 4.0).round(), within) } else { ((x * 2.0).round(), (within * 2.0).round()) };
        if last.replace((beyond, cell)) == Some((beyond, cell)) {
            continue;
        }
        let arrow = |edge: f64, tip: f64| Shape::Area {
            points: vec![(x - 2.5, edge), (x, edge + tip), (x + 2.5, edge)],
            colour,
        };
        shapes.push(match y {
            _ if y < frame.top => arrow(frame.top, -4.5),
            _ if y > frame.bottom => arrow(frame.bottom - 5.0, 4.5),
            _ => Shape::Dot { at: (x, y), radius, colour },
        });
    }
}

/// A line through the points in their order: broken where one is missing, cut where it leaves the frame.
pub(super) fn lines(
    shapes: &mut Vec<Shape>,
    frame: &Frame,
    spots: impl Iterator<Item = Option<Spot>>,
    width: f64,
    colour: Colour,
) {
    let mut run: Vec<Spot> = Vec::new();
    let mut last = None;
    let mut end = |run: &mut Vec<Spot>| match std::mem::take(run) {
        points if points.len() > 1 => shapes.push(Shape::Line { points, width, colour }),
        _ => {}
    };
    for spot in spots {
        let piece = last.zip(spot).and_then(|(a, b)| between(a, b, frame.top, frame.bottom));
        last = spot;
        let Some((from, to)) = piece else {
            end(&mut run);
            continue;
        };
        if run.last() != Some(&from) {
            end(&mut run);
            run.push(from);
        }
        run.push(to);
    }
    end(&mut run);
}

/// What each point is, for a reader who points at it.
pub(super) fn values(figure: &Figure, frame: &Frame) -> Vec<Value> {
    let value =
        |p: &Point| Some(Value { at: frame.inside((frame.x(p.lr)?, frame.y(p.loss)?)), text: said(p) });
    figure.points.iter().filter_map(value).collect()
}

/// "step 52: rate 1.17e-1, loss 1.961, fit 1.97, accuracy 23.4 %".
pub(super) fn said(p: &Point) -> String {
    let accuracy = p.accuracy.filter(|&a| drawable(a)).map(|a| format!(", accuracy {:.1} %", 100.0 * a));
    let (loss, fit) = (four(p.loss), four(p.smoothed));
    format!("step {}: rate {:.2e}, loss {loss}, fit {fit}{}", p.step, p.lr, accuracy.unwrap_or_default())
}

/// Four digits of a loss.
fn four(loss: f64) -> String {
    match loss.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e4).contains(&size) => {
            let digits = (3.0 - size.log10().floor()).max(0.0);
            format!("{loss:.0$}", digits as usize)
        }
        _ => format!("{loss:.3e}"),
    }
}

/// What the signs mean, and a limit that is not on the axis. Returns where that ends.
pub(super) fn legend(shapes: &mut Vec<Shape>, figure: &Figure, layout: &Layout, y: f64, rates: &Axis) -> f64 {
    let mut legend = Legend::new(shapes, layout, y);
    let (seeds, band) = figure.band;
    legend.entry(dot(1.9, pale(LOSS, POINT)), if band.is_empty() { "loss of a batch" } else { "mean loss" });
    legend.entry(stroke(2.6, LOSS), view::NAME);
    if !figure.held_out.is_empty() {
        legend.entry(|at| vec![held_out::square(at, HELD_OUT)], held_out::NAME);
    }
    if figure.points.iter().any(|p| p.accuracy.is_some_and(drawable)) {
        legend.entry(stroke(1.5, ACCURACY), "accuracy, smoothed");
    }
    if figure.suggestion.is_ok() {
        legend.entry(patch(pale(CHOSEN, AREA)), "interval of the suggestion");
    }
    if !band.is_empty() {
        legend.entry(patch(pale(LOSS, AREA)), &format!("range of {seeds} seeds"));
    }
    if let Some(limit) = figure.limit {
        let place = match on_axis(rates, limit.rate) {
            true => String::new(),
            false => format!(" = {}: off the axis", short(limit.rate)),
        };
        legend.entry(upright, &format!("stable below {}{place}", limit.formula));
    }
    legend.end()
}

/// The sign of the curvature's limit.
pub(super) fn upright((x, y): Spot) -> Vec<Shape> {
    let (on, off) = DOTS;
    let piece = |i: usize| y - 6.0 + (on + off) * i as f64;
    (0..3).map(|i| line_to((x, piece(i)), (x, piece(i) + on), 1.8, INK)).collect()
}

#[cfg(test)]
mod tests {
    use super::four;

    #[test]
    fn losses_have_four_digits() {
        let cases = [
            (2.31416, "2.314"),
            (0.012345, "0.01235"),
            (1234.5678, "1235"),
            (-12.3456, "-12.35"),
            (0.0, "0"),
            (1e-9, "1.000e-9"),
            (f64::INFINITY, "inf"),
        ];
        for (loss, text) in cases {
            assert_eq!(four(loss), text);
        }
    }
}
