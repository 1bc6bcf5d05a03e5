//! What was made of the curve: the suggestion, the other rules' answers, Smith's pair, the curvature's limit, the stop.
//!
//! Each answer has a row of a strip above the frame, so that no two can cover each other however near they lie.

use super::Figure;
use super::colour::{AREA, CHOSEN, Colour, GREY, INK, SMITH, WHITE, pale};
use super::page::{Frame, dashed, fit, line_to, rates, text_at};
use super::paint::{Anchor, Shape, Spot, measure};
use super::scale::{Axis, drawable, short};

/// Height of a row of the strip.
pub(super) const ROW: f64 = 16.0;

pub(super) const SMALL: f64 = 11.0;

/// Where the tint of a row begins, left of the longest name.
const MARGIN: f64 = 14.0;

/// A row of the strip: one rate, or two with a bar between them.
pub(super) struct Track {
    name: &'static str,
    rates: (f64, f64),
    mark: Mark,
    /// What stands beside the mark, the longest first.
    texts: Vec<String>,
}

/// The sign of an answer.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Rule,
    Verified,
    Pair,
    /// With a dotted line down through the frame.
    Limit,
    /// With a dashed line down through the frame.
    Stop,
}

impl Mark {
    fn colour(self) -> Colour {
        match self {
            Self::Verified => CHOSEN,
            Self::Pair => SMITH,
            Self::Rule | Self::Limit => INK,
            Self::Stop => GREY,
        }
    }
}

/// A sign around a point.
pub(super) fn diamond((x, y): Spot, colour: Colour) -> Shape {
    Shape::Area { points: vec![(x - 5.0, y), (x, y - 5.0), (x + 5.0, y), (x, y + 5.0)], colour }
}

/// The rows that the figure has answers for.
pub(super) fn tracks(figure: &Figure, rates: &Axis) -> Vec<Track> {
    let rules = figure.rules;
    let single = |name, rate: Option<f64>, mark| {
        let rate = rate.filter(|&rate| drawable(rate))?;
        Some(Track { name, rates: (rate, rate), mark, texts: vec![short(rate)] })
    };
    let pair = figure.smith.map(|smith| (smith.base_lr, smith.max_lr));
    let pair = pair.filter(|&(base, max)| drawable(base) && drawable(max)).map(|(base, max)| Track {
        name: "Smith base, max",
        rates: (base, max),
        mark: Mark::Pair,
        texts: vec![format!("{} .. {}", short(base), short(max))],
    });
    // Off the axis, the legend says it.
    let limit = figure.limit.filter(|limit| on_axis(rates, limit.rate)).map(|limit| Track {
        name: "curvature limit",
        rates: (limit.rate, limit.rate),
        mark: Mark::Limit,
        texts: vec![short(limit.rate)],
    });
    [
        verified(figure),
        single("fastai valley", rules.fastai_valley, Mark::Rule),
        single("fastai steep", rules.fastai_steep, Mark::Rule),
        single("fastai slide", rules.fastai_slide, Mark::Rule),
        single("fastai minimum", rules.fastai_minimum, Mark::Rule),
        single("min gradient", rules.min_gradient, Mark::Rule),
        pair,
        limit,
        stopped(figure),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the short runs chose, and between which rates.
fn verified(figure: &Figure) -> Option<Track> {
    let good = figure.verified.filter(|good| drawable(good.lr()))?;
    let (rate, low, high) = (short(good.lr()), short(good.low), short(good.high));
    let texts = vec![format!("{rate} ({low} .. {high})"), rate];
    Some(Track { name: "verified", rates: (good.lr(), good.lr()), mark: Mark::Verified, texts })
}

/// The last step that ran, and why it was the last.
fn stopped(figure: &Figure) -> Option<Track> {
    let (step, reason) = figure.stopped?;
    let rate = figure.points.iter().find(|p| p.step == step).or(figure.points.last())?.lr;
    let texts = vec![format!("{reason} (step {step})"), format!("step {step}")];
    drawable(rate).then_some(Track { name: "stopped", rates: (rate, rate), mark: Mark::Stop, texts })
}

/// Has a rate its place on the axis?
pub(super) fn on_axis(rates: &Axis, rate: f64) -> bool {
    rates.place(rate).is_some_and(|share| (0.0..=1.0).contains(&share))
}

/// Where the strip begins: under the suggestion's label, where there is one.
pub(super) fn first_track(figure: &Figure, header: f64) -> f64 {
    if figure.suggestion.is_ok() { header + 22.0 } else { header + 2.0 }
}

/// Every other row of the strip is tinted, so that the eye finds the way from a name to its mark.
pub(super) fn stripes(shapes: &mut Vec<Shape>, frame: &Frame, rows: usize, top: f64) {
    for row in (0..rows).filter(|&row| tint(row) != tint(1)) {
        let (from, to) = (top + ROW * row as f64, top + ROW * (row + 1) as f64);
        shapes.push(Shape::Box { from: (MARGIN, from), to: (frame.right, to), colour: tint(row) });
    }
}

fn tint(row: usize) -> Colour {
    pale(INK, if row.is_multiple_of(2) { 0.05 } else { 0.0 })
}

/// The suggestion's rates as positions that lie in the frame.
fn chosen(figure: &Figure, frame: &Frame) -> Option<(f64, f64, f64)> {
    let suggestion = figure.suggestion.ok()?;
    let x = |rate: f64| Some(frame.x(rate)?.clamp(frame.left, frame.right));
    Some((x(suggestion.low)?, x(suggestion.lr)?, x(suggestion.high)?))
}

/// The interval, under everything else; its ends as lines, which are easier to see than a tint.
pub(super) fn interval(shapes: &mut Vec<Shape>, figure: &Figure, frame: &Frame, header: f64) {
    if let Some((low, _, high)) = chosen(figure, frame) {
        let (top, high) = (first_track(figure, header), high.max(low + 1.0));
        let (from, to) = ((low, top), (high, frame.bottom));
        shapes.push(Shape::Box { from, to, colour: pale(CHOSEN, AREA) });
        for x in [low, high] {
            shapes.push(line_to((x, frame.top), (x, frame.bottom), 0.8, CHOSEN));
        }
    }
}

/// The line, what it says, and where it meets the curve.
pub(super) fn suggestion(shapes: &mut Vec<Shape>, figure: &Figure, frame: &Frame, header: f64) {
    let (Ok(suggestion), Some((_, x, _))) = (figure.suggestion, chosen(figure, frame)) else { return };
    let (lr, low, high) = (short(suggestion.lr), short(suggestion.low), short(suggestion.high));
    let text = fit(&format!("suggested {lr} ({low} .. {high})"), 13.0, frame.right - frame.left);
    let half = measure(&text, 13.0) / 2.0;
    let centre = x.clamp(frame.left + half, frame.right - half);
    shapes.push(line_to((x, first_track(figure, header) - 3.0), (x, frame.bottom), 1.8, CHOSEN));
    shapes.push(text_at((centre, header + 13.0), text, 13.0, CHOSEN, Anchor::Middle));
    if let Some(y) = crossing(figure, frame, x).filter(|y| (frame.top..=frame.bottom).contains(y)) {
        shapes.push(Shape::Dot { at: (x, y), radius: 6.0, colour: WHITE });
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

/// Pieces of the vertical lines of a limit and of a stop.
pub(super) const DOTS: (f64, f64) = (1.2, 3.8);
const DASHES: (f64, f64) = (5.0, 4.0);

/// The strip of the other answers, one row each, with the lines that go down from them.
pub(super) fn draw_tracks(
    shapes: &mut Vec<Shape>,
    figure: &Figure,
    frame: &Frame,
    tracks: &[Track],
    header: f64,
) {
    let top = first_track(figure, header);
    // Vertical lines that a row's text must not be crossed by: those from above it.
    let mut lines: Vec<f64> = chosen(figure, frame).map(|(_, x, _)| x).into_iter().collect();
    for (row, track) in tracks.iter().enumerate() {
        let y = top + ROW * (row as f64 + 0.5);
        let name = fit(track.name, SMALL, frame.left - 9.0 - MARGIN);
        shapes.push(text_at((frame.left - 9.0, y + 4.0), name, SMALL, GREY, Anchor::End));
        let (Some(from), Some(to)) = (frame.x(track.rates.0), frame.x(track.rates.1)) else { continue };
        let colour = track.mark.colour();
        match track.mark {
            Mark::Limit => dashed(shapes, from, (y, frame.bottom), DOTS, 1.8, colour),
            Mark::Stop => dashed(shapes, from, (y, frame.bottom), DASHES, 1.2, colour),
            Mark::Rule | Mark::Verified | Mark::Pair => {}
        }
        let (from, to) =
            (sign(shapes, frame, (from, y), track, 1.0), sign(shapes, frame, (to, y), track, -1.0));
        if track.mark == Mark::Pair {
            shapes.push(line_to((from, y), (to, y), 1.5, colour));
        }
        let (x, text) = beside(&track.texts, (from.min(to), from.max(to)), frame, &lines);
        let width = measure(&text, SMALL);
        if x > from && x + width < to {
            let (from, to) = ((x - 4.0, y - 6.0), (x + width + 4.0, y + 6.0));
            shapes.push(Shape::Box { from, to, colour: tint(row) });
        }
        shapes.push(text_at((x, y + 4.0), text, SMALL, INK, Anchor::Start));
        if track.mark == Mark::Limit {
            lines.push(from);
        }
    }
}

/// The sign of one answer; for a pair, a triangle that points inwards; off the axis, an arrow at its end. Returns
/// where it stands.
fn sign(shapes: &mut Vec<Shape>, frame: &Frame, (x, y): Spot, track: &Track, inwards: f64) -> f64 {
    let at = x.clamp(frame.left, frame.right);
    let colour = track.mark.colour();
    let triangle = |tip: f64| Shape::Area {
        points: vec![(at - tip, y - 4.5), (at + tip, y), (at - tip, y + 4.5)],
        colour,
    };
    let stroke = line_to((at, y - 5.0), (at, y + 5.0), 2.4, colour);
    match (x, track.mark) {
        _ if x < frame.left => shapes.push(triangle(-4.0)),
        _ if x > frame.right => shapes.push(triangle(4.0)),
        (_, Mark::Pair) => shapes.push(triangle(4.0 * inwards)),
        (_, Mark::Verified) => shapes.push(diamond((at, y), colour)),
        (_, Mark::Rule | Mark::Limit) => shapes.push(stroke),
        (_, Mark::Stop) => shapes.extend([
            line_to((at - 4.0, y - 4.0), (at + 4.0, y + 4.0), 2.0, colour),
            line_to((at - 4.0, y + 4.0), (at + 4.0, y - 4.0), 2.0, colour),
        ]),
    }
    at
}

/// The longest text that finds a place next to its mark, from `from` to `to`, and where it starts: to the right, to the left,
/// or beyond a line that would cross it; else between two marks.
pub(super) fn beside(
    texts: &[String],
    (from, to): (f64, f64),
    frame: &Frame,
    lines: &[f64],
) -> (f64, String) {
    let gap = 8.0;
    let inside = |x: f64, width: f64| x >= frame.left && x + width <= frame.right;
    let clear = |x: f64, width: f64| lines.iter().all(|&line| line < x - 4.0 || line > x + width + 4.0);
    let off = |x: f64, width: f64| {
        x + width < from - 4.0 || x > to + 4.0 || (x > from + 4.0 && x + width < to - 4.0)
    };
    let places = |width: f64| {
        let beyond = lines.iter().flat_map(move |&line| [line + gap, line - gap - width]);
        [to + gap, from - gap - width, (from + to - width) / 2.0].into_iter().chain(beyond)
    };
    let good = |text: &&String| {
        let width = measure(text, SMALL);
        places(width)
            .find(|&x| inside(x, width) && clear(x, width) && off(x, width))
            .map(|x| (x, text.to_string()))
    };
    let near = || {
        let text = texts.last().cloned().unwrap_or_default();
        let width = measure(&text, SMALL);
        let x = places(width).find(|&x| inside(x, width)).unwrap_or(to + gap);
        (x, fit(&text, SMALL, frame.right - frame.left))
    };
    texts.iter().find_map(|text| good(&text)).unwrap_or_else(near)
}

/// What there is to see, for those who do not see it.
pub(super) fn about(figure: &Figure) -> String {
    let mut parts = Vec::new();
    let mut shown = figure.points.iter().map(|p| p.lr).filter(|&lr| drawable(lr));
    if let Some(first) = shown.next() {
        let last = shown.next_back().unwrap_or(first);
        parts.push(format!("The loss over the learning rate, from {} to {}", short(first), short(last)));
    }
    parts.push(match figure.suggestion {
        Ok(s) => format!("suggested {} ({} to {})", short(s.lr), short(s.low), short(s.high)),
        Err(_) => figure
            .verified
            .map_or("no suggestion".into(), |good| format!("{} by short runs alone", short(good.lr()))),
    });
    let rates = rates(figure);
    parts.extend(tracks(figure, &rates).iter().map(|t| format!("{}: {}", t.name, t.texts[0])));
    parts.join("; ")
}
