//! The measured curves: loss and accuracy, as they were and smoothed.

use super::super::view;
use super::page::{ACCURACY, CHOSEN, Frame, HELD_OUT, INK, LOSS, line_to, pale, text_at};
use super::paint::{Anchor, Colour, Shape, Spot, measure};
use super::scale::{between, centred, drawable};
use super::{Figure, held_out};

/// Draws the points first, so that the lines lie on all of them.
pub(super) fn curves(shapes: &mut Vec<Shape>, figure: &Figure, frame: &Frame) {
    let accuracy =
        |value: Option<f64>| value.filter(|&a| drawable(a)).map(|a| frame.height(a.clamp(0.0, 1.0)));
    let raw_accuracy = figure.points.iter().map(|p| Some((frame.x(p.lr)?, accuracy(p.accuracy)?)));
    dots(shapes, frame, raw_accuracy, 1.6, pale(ACCURACY, 0.3));
    let raw = figure.points.iter().map(|p| Some((frame.x(p.lr)?, frame.y(p.loss)?)));
    dots(shapes, frame, raw, 2.1, pale(LOSS, 0.4));

    let shares: Vec<Option<f64>> =
        figure.points.iter().map(|p| p.accuracy.filter(|&a| drawable(a))).collect();
    let smooth = centred(&shares);
    let smooth = figure.points.iter().zip(smooth).map(|(p, a)| Some((frame.x(p.lr)?, accuracy(a)?)));
    lines(shapes, frame, smooth, 1.5, ACCURACY);
    let loss = figure.points.iter().map(|p| Some((frame.x(p.lr)?, frame.y(p.smoothed)?)));
    lines(shapes, frame, loss, 2.6, LOSS);
}

/// The range of the losses over the seeds, cut where it leaves the frame.
pub(super) fn band(shapes: &mut Vec<Shape>, figure: &Figure, frame: &Frame) {
    let edge = |lr: f64, loss: f64| Some((frame.x(lr)?, frame.y(loss)?.clamp(frame.top, frame.bottom)));
    let (_, band) = figure.band;
    let (low, high): (Vec<Spot>, Vec<Spot>) =
        band.iter().filter_map(|&(lr, low, high)| Some((edge(lr, low)?, edge(lr, high)?))).unzip();
    if low.len() > 1 {
        let points = low.into_iter().chain(high.into_iter().rev()).collect();
        shapes.push(Shape::Area { points, colour: pale(LOSS, 0.16) });
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
        let cell = ((x * 2.0).round(), (y.clamp(frame.top, frame.bottom) * 2.0).round());
        if last.replace(cell) == Some(cell) {
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

/// What the colours mean, in a row above everything that is drawn.
pub(super) fn legend(shapes: &mut Vec<Shape>, figure: &Figure, (mut x, y): Spot) {
    let middle = y - 4.2;
    let stroke = |x: f64, width: f64, colour| line_to((x, middle), (x + 22.0, middle), width, colour);
    let patch = |x: f64, colour| Shape::Box {
        from: (x, middle - 6.0),
        to: (x + 22.0, middle + 6.0),
        colour: pale(colour, 0.16),
    };
    let mut entry = |symbol: &dyn Fn(f64) -> Shape, text: &str| {
        shapes.push(symbol(x));
        shapes.push(text_at((x + 29.0, y), text.to_string(), 12.0, INK, Anchor::Start));
        x += 29.0 + measure(text, 12.0) + 20.0;
    };
    let dot = |x: f64| Shape::Dot { at: (x + 11.0, middle), radius: 2.4, colour: pale(LOSS, 0.4) };
    let (seeds, band) = figure.band;
    entry(&dot, if band.is_empty() { "loss of a batch" } else { "mean loss" });
    entry(&|x| stroke(x, 2.6, LOSS), view::NAME);
    if !figure.held_out.is_empty() {
        entry(&|x| held_out::square((x + 11.0, middle), HELD_OUT), held_out::NAME);
    }
    if figure.points.iter().any(|p| p.accuracy.is_some_and(drawable)) {
        entry(&|x| stroke(x, 1.5, ACCURACY), "accuracy, smoothed");
    }
    if figure.suggestion.is_ok() {
        entry(&|x| patch(x, CHOSEN), "interval of the suggestion");
    }
    if !band.is_empty() {
        entry(&|x| patch(x, LOSS), &format!("range of {seeds} seeds"));
    }
}
