//! What was made of the curve: the suggestion, the other rules' answers, Smith's pair, the stop.

use super::Figure;
use super::page::{CHOSEN, Frame, GREY, INK, SMITH, fit, label, line_to, pale, text_at};
use super::paint::{Anchor, Colour, Label, Shape, Spot, measure};
use super::scale::{drawable, short};

/// Height of a row of the strip above the frame: one rule each, so that no two answers can cover each other.
pub(super) const ROW: f64 = 16.0;

pub(super) const SMALL: f64 = 11.0;

/// Where the tint of a row begins, left of the longest name.
const MARGIN: f64 = 14.0;

/// A row of the strip: one rate, or two with a bar between them.
pub(super) struct Track {
    name: &'static str,
    rates: (f64, f64),
    colour: Colour,
}

/// The rows that the figure has answers for.
pub(super) fn tracks(figure: &Figure) -> Vec<Track> {
    let rules = figure.rules;
    let named = [
        ("fastai valley", rules.fastai_valley),
        ("fastai steep", rules.fastai_steep),
        ("fastai slide", rules.fastai_slide),
        ("fastai minimum", rules.fastai_minimum),
        ("min gradient", rules.min_gradient),
    ];
    let verified = figure.verified.filter(|&r| drawable(r));
    let verified = verified.map(|rate| Track { name: "verified", rates: (rate, rate), colour: CHOSEN });
    let one = named.into_iter().filter_map(|(name, rate)| {
        let rate = rate.filter(|&r| drawable(r))?;
        Some(Track { name, rates: (rate, rate), colour: INK })
    });
    let pair = figure.smith.map(|smith| (smith.base_lr, smith.max_lr));
    let pair = pair.filter(|&(base, max)| drawable(base) && drawable(max));
    verified
        .into_iter()
        .chain(one)
        .chain(pair.map(|rates| Track { name: "Smith base, max", rates, colour: SMITH }))
        .collect()
}

/// Where the strip begins: under the suggestion's label, where there is one.
pub(super) fn first_track(figure: &Figure, header: f64) -> f64 {
    if figure.suggestion.is_ok() { header + 22.0 } else { header + 2.0 }
}

/// Every other row of the strip is tinted, so that the eye finds the way from a name to its mark.
pub(super) fn stripes(
    shapes: &mut Vec<Shape>,
    figure: &Figure,
    frame: &Frame,
    tracks: &[Track],
    header: f64,
) {
    let top = first_track(figure, header);
    for row in (0..tracks.len()).filter(|&row| tint(row) != tint(1)) {
        let (from, to) = (top + ROW * row as f64, top + ROW * (row + 1) as f64);
        shapes.push(Shape::Box { from: (MARGIN, from), to: (frame.right, to), colour: tint(row) });
    }
}

fn tint(row: usize) -> Colour {
    pale(INK, if row.is_multiple_of(2) { 0.045 } else { 0.0 })
}

/// The suggestion's rates as positions that lie in the frame.
fn chosen(figure: &Figure, frame: &Frame) -> Option<(f64, f64, f64)> {
    let suggestion = figure.suggestion.ok()?;
    let x = |rate: f64| Some(frame.x(rate)?.clamp(frame.left, frame.right));
    Some((x(suggestion.low)?, x(suggestion.lr)?, x(suggestion.high)?))
}

/// The band of the interval, under everything else.
pub(super) fn interval(shapes: &mut Vec<Shape>, figure: &Figure, frame: &Frame, header: f64) {
    if let Some((low, _, high)) = chosen(figure, frame) {
        let (from, to) = ((low, first_track(figure, header)), (high.max(low + 1.0), frame.bottom));
        shapes.push(Shape::Box { from, to, colour: pale(CHOSEN, 0.16) });
    }
}

/// The line, what it says, and where it meets the curve.
pub(super) fn suggestion(shapes: &mut Vec<Shape>, figure: &Figure, frame: &Frame, header: f64) {
    let (Ok(suggestion), Some((_, x, _))) = (figure.suggestion, chosen(figure, frame)) else { return };
    let (lr, low, high) = (short(suggestion.lr), short(suggestion.low), short(suggestion.high));
    let text = format!("suggested {lr} ({low} .. {high})");
    let half = measure(&text, 13.0) / 2.0;
    let centre = x.clamp(frame.left + half, frame.right - half);
    shapes.push(line_to((x, first_track(figure, header) - 3.0), (x, frame.bottom), 1.8, CHOSEN));
    shapes.push(text_at((centre, header + 13.0), text, 13.0, CHOSEN, Anchor::Middle));
    if let Some(y) = crossing(figure, frame, x).filter(|y| (frame.top..=frame.bottom).contains(y)) {
        shapes.push(Shape::Dot { at: (x, y), radius: 6.0, colour: (255, 255, 255) });
        shapes.push(Shape::Dot { at: (x, y), radius: 4.5, colour: CHOSEN });
    }
}

/// How high the smoothed curve is at a position.
fn crossing(figure: &Figure, frame: &Frame, x: f64) -> Option<f64> {
    let spots: Vec<Option<Spot>> =
        figure.points.iter().map(|p| Some((frame.x(p.lr)?, frame.y(p.smoothed)?))).collect();
    spots.windows(2).find_map(|pair| {
        let (a, b) = (pair[0]?, pair[1]?);
        let share = (x - a.0) / (b.0 - a.0);
        (0.0..=1.0).contains(&share).then_some(a.1 + share * (b.1 - a.1))
    })
}

/// A dashed line at the last step that ran, and why it was the last.
pub(super) fn stop(shapes: &mut Vec<Shape>, figure: &Figure, frame: &Frame) {
    let Some((step, reason)) = figure.stopped else { return };
    let point = figure.points.iter().find(|p| p.step == step).or(figure.points.last());
    let Some(x) = point.and_then(|p| frame.x(p.lr)) else { return };
    let mut y = frame.top;
    while y < frame.bottom {
        shapes.push(line_to((x, y), (x, (y + 5.0).min(frame.bottom)), 1.2, GREY));
        y += 9.0;
    }
    let text = fit(&format!("stopped: {reason} (step {step})"), 12.0, frame.bottom - frame.top - 12.0);
    let at = (x + 15.0, frame.top + 6.0);
    shapes.push(Shape::Text(Label { upward: true, ..label(at, &text, 12.0, GREY, Anchor::End) }));
}

/// The strip of the other answers, one row each.
pub(super) fn draw_tracks(
    shapes: &mut Vec<Shape>,
    figure: &Figure,
    frame: &Frame,
    tracks: &[Track],
    header: f64,
) {
    let top = first_track(figure, header);
    let line = chosen(figure, frame).map(|(_, x, _)| x);
    for (row, track) in tracks.iter().enumerate() {
        let y = top + ROW * (row as f64 + 0.5);
        shapes.push(text_at((frame.left - 9.0, y + 4.0), track.name.to_string(), SMALL, GREY, Anchor::End));
        let (Some(from), Some(to)) = (frame.x(track.rates.0), frame.x(track.rates.1)) else { continue };
        let (from, to) =
            (mark(shapes, frame, (from, y), track, 1.0), mark(shapes, frame, (to, y), track, -1.0));
        let pair = track.rates.0 != track.rates.1;
        if pair {
            shapes.push(line_to((from, y), (to, y), 1.5, track.colour));
        }
        let (low, high) = (short(track.rates.0), short(track.rates.1));
        let text = if pair { format!("{low} .. {high}") } else { low };
        let width = measure(&text, SMALL);
        let x = beside((from.min(to), from.max(to)), width, frame, line);
        if pair && x > from && x < to {
            let (from, to) = ((x - 4.0, y - 6.0), (x + width + 4.0, y + 6.0));
            shapes.push(Shape::Box { from, to, colour: tint(row) });
        }
        shapes.push(text_at((x, y + 4.0), text, SMALL, INK, Anchor::Start));
    }
}

/// One answer: a stroke (what short runs chose, a diamond), or for a pair a triangle that points inwards; off the axis, an arrow at its end. Returns
/// where it stands.
fn mark(shapes: &mut Vec<Shape>, frame: &Frame, (x, y): Spot, track: &Track, inwards: f64) -> f64 {
    let at = x.clamp(frame.left, frame.right);
    let triangle = |tip: f64| Shape::Area {
        points: vec![(at - tip, y - 4.5), (at + tip, y), (at - tip, y + 4.5)],
        colour: track.colour,
    };
    shapes.push(match x {
        _ if x < frame.left => triangle(-4.0),
        _ if x > frame.right => triangle(4.0),
        _ if track.rates.0 != track.rates.1 => triangle(4.0 * inwards),
        _ if track.colour == CHOSEN => Shape::Area {
            points: vec![(at - 5.0, y), (at, y - 5.0), (at + 5.0, y), (at, y + 5.0)],
            colour: track.colour,
        },
        _ => line_to((at, y - 5.0), (at, y + 5.0), 2.4, track.colour),
    });
    at
}

/// Where a text of that width starts next to its mark: to the right, or to the left where the frame ends or the
/// suggestion's line would cross it; else between two marks, or before the line.
fn beside((from, to): (f64, f64), width: f64, frame: &Frame, line: Option<f64>) -> f64 {
    let gap = 8.0;
    let inside = |x: f64| x >= frame.left && x + width <= frame.right;
    let clear = |x: f64| line.is_none_or(|l| l < x - 4.0 || l > x + width + 4.0);
    let before = line.unwrap_or(from) - gap - width;
    let places =
        [to + gap, from - gap - width, (from + to - width) / 2.0, before, before + width + 2.0 * gap];
    let good = places.into_iter().find(|&x| inside(x) && clear(x));
    good.or(places.into_iter().find(|&x| inside(x))).unwrap_or(places[0])
}
