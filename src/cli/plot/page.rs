//! The page: what stands where. Everything here is arithmetic on page units; nothing is painted.

use super::colour::{ACCURACY, CHOSEN, Colour, GREY, INK, LOSS, RULE, WHITE};
use super::paint::{Anchor, Label, Picture, Shape, Spot, measure};
use super::scale::Axis;
use super::{Figure, curves, held_out, marks};
use crate::finder::Refusal;

/// How much room there is, in SVG units: pixels on a screen, half of the PNG's.
pub(super) struct Layout {
    pub width: f64,
    /// Left edge of the frame: the names of the strip's rows stand in the margin.
    pub left: f64,
    /// Left edge of title and legend, and what they leave free on the right.
    pub edge: f64,
    pub margin: f64,
    /// Height of the frame; the page grows with what stands above it.
    pub height: f64,
    /// About how many labels an axis of rates gets.
    pub labels: usize,
}

impl Layout {
    /// For a paper and a screen.
    pub const WIDE: Self =
        Self { width: 1000.0, left: 124.0, edge: 124.0, margin: 30.0, height: 330.0, labels: 10 };
    /// For a phone.
    pub const NARROW: Self =
        Self { width: 440.0, left: 116.0, edge: 14.0, margin: 14.0, height: 260.0, labels: 5 };
}

/// Under the frame: ticks, their labels and the name of the axis.
pub(super) const FOOT: f64 = 58.0;

/// The rectangle that holds the curve, and its axes.
pub(super) struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub across: Axis,
    pub up: Axis,
    /// About how many labels the lower axis gets.
    pub labels: usize,
}

impl Frame {
    /// Horizontal position of a rate.
    pub fn x(&self, rate: f64) -> Option<f64> {
        self.across.place(rate).map(|share| self.left + share * (self.right - self.left))
    }

    /// Vertical position of a share of the height.
    pub fn height(&self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }

    /// Vertical position of a loss.
    pub fn y(&self, loss: f64) -> Option<f64> {
        self.up.place(loss).map(|share| self.height(share))
    }

    /// A position, on the nearest edge where it is outside.
    pub fn inside(&self, (x, y): Spot) -> Spot {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }
}

/// Lays out the whole page, from the bottom of the pile to its top.
pub(super) fn page(figure: &Figure, layout: &Layout) -> Picture {
    let accuracy = figure.has_accuracy();
    let right = layout.width - if accuracy { 74.0 } else { 30.0 };
    let across = rates(figure);
    let mut shapes = Vec::new();
    let y = titles(&mut shapes, layout, (figure.title, figure.subtitle), figure.suggestion.err());
    let header = curves::legend(&mut shapes, figure, layout, y, &across);
    let tracks = marks::tracks(figure, &across);
    let top = marks::first_track(figure, header) + marks::ROW * tracks.len() as f64 + 10.0;
    let up = figure.losses();
    let bottom = top + layout.height;
    let frame = Frame { left: layout.left, right, top, bottom, across, up, labels: layout.labels };

    marks::stripes(&mut shapes, &frame, tracks.len(), marks::first_track(figure, header));
    marks::interval(&mut shapes, figure, &frame, header);
    curves::band(&mut shapes, figure, &frame);
    grid(&mut shapes, &frame);
    curves::curves(&mut shapes, figure, &frame);
    held_out::held_out(&mut shapes, figure, &frame);
    axes(&mut shapes, &frame, LOSS, accuracy.then_some(layout.width));
    marks::suggestion(&mut shapes, figure, &frame, header);
    marks::draw_tracks(&mut shapes, figure, &frame, &tracks, header);
    let values = curves::values(figure, &frame);
    picture(layout, bottom, shapes, figure.title, marks::about(figure), values)
}

/// The axis of the rates, with room for a limit of the curvature that is next to them.
pub(super) fn rates(figure: &Figure) -> Axis {
    Axis::rates(figure.points).up_to(figure.limit.map_or(0.0, |limit| limit.rate)).padded(0.015, 0.015)
}

/// The shapes on their paper.
pub(super) fn picture(
    layout: &Layout,
    bottom: f64,
    mut shapes: Vec<Shape>,
    title: &str,
    about: String,
    values: Vec<super::paint::Value>,
) -> Picture {
    let size = (layout.width as u32, (bottom + FOOT).ceil() as u32);
    let to = (f64::from(size.0), f64::from(size.1));
    shapes.insert(0, Shape::Box { from: (0.0, 0.0), to, colour: WHITE });
    Picture { size, shapes, title: title.to_string(), about, values }
}

/// Title, subtitle, and the reason for a refusal. Returns where they end.
pub(super) fn titles(
    shapes: &mut Vec<Shape>,
    layout: &Layout,
    (title, subtitle): (&str, &str),
    refusal: Option<&Refusal>,
) -> f64 {
    let width = layout.width - layout.margin - layout.edge;
    let mut y = 13.0;
    let mut lines = |y: &mut f64, text: &str, size: f64, step: f64, most: usize, colour: Colour| {
        for line in wrap(text, size, width, most) {
            *y += step;
            shapes.push(text_at((layout.edge, *y), line, size, colour, Anchor::Start));
        }
    };
    lines(&mut y, title, 17.0, 21.0, 2, INK);
    if !subtitle.is_empty() {
        y += 3.0;
        lines(&mut y, subtitle, 12.5, 17.0, 3, GREY);
    }
    if let Some(refusal) = refusal {
        y += 5.0;
        lines(&mut y, &format!("No suggestion by the curve: {}", refusal.reason), 13.0, 18.0, 6, CHOSEN);
    }
    y
}

/// A pale line at every label of the lower and the left axis.
pub(super) fn grid(shapes: &mut Vec<Shape>, frame: &Frame) {
    let labelled = |axis: &Axis, wanted| axis.ticks(wanted).into_iter().filter(|t| t.label.is_some());
    for x in labelled(&frame.across, frame.labels).filter_map(|t| frame.x(t.at)) {
        shapes.push(line_to((x, frame.top), (x, frame.bottom), 0.8, RULE));
    }
    for y in labelled(&frame.up, 6).filter_map(|t| frame.y(t.at)) {
        shapes.push(line_to((frame.left, y), (frame.right, y), 0.8, RULE));
    }
}

/// Spines, ticks, their labels and the names of the axes: over the curves, whose points reach to the edges. An axis of
/// accuracies stands on the right of a page of that width.
pub(super) fn axes(shapes: &mut Vec<Shape>, frame: &Frame, loss: Colour, accuracy: Option<f64>) {
    spines(shapes, frame, ("loss", loss), rates_name(&frame.across));
    if let Some(width) = accuracy {
        accuracy_axis(shapes, frame);
        shapes.push(upward((width - 14.0, frame.height(0.5)), "accuracy", ACCURACY));
    }
}

fn rates_name(rates: &Axis) -> &'static str {
    if rates.log { "learning rate (log scale)" } else { "learning rate" }
}

/// The lower and the left axis with their names.
pub(super) fn spines(shapes: &mut Vec<Shape>, frame: &Frame, (up, colour): (&str, Colour), across: &str) {
    let margin = left_axis(shapes, frame);
    lower_axis(shapes, frame);
    shapes.push(upward((frame.left - margin - 18.0, frame.height(0.5)), up, colour));
    shapes.push(line_to((frame.left, frame.top), (frame.left, frame.bottom), 1.0, INK));
    shapes.push(line_to((frame.left, frame.bottom), (frame.right, frame.bottom), 1.0, INK));
    let centre = (frame.left + frame.right) / 2.0;
    shapes.push(text_at((centre, frame.bottom + 44.0), across.to_string(), 13.0, INK, Anchor::Middle));
}

fn upward(at: Spot, text: &str, colour: Colour) -> Shape {
    let anchor = Anchor::Middle;
    Shape::Text(Label { text: text.to_string(), at, size: 13.0, colour, anchor, upward: true })
}

/// Returns the width that the labels take.
fn left_axis(shapes: &mut Vec<Shape>, frame: &Frame) -> f64 {
    let mut widest: f64 = 0.0;
    for tick in frame.up.ticks(6) {
        let Some(y) = frame.y(tick.at) else { continue };
        let Some(text) = tick.label else {
            shapes.push(line_to((frame.left - 3.0, y), (frame.left, y), 0.8, INK));
            continue;
        };
        let text = typeset(&text);
        widest = widest.max(measure(&text, 12.0));
        shapes.push(line_to((frame.left - 5.0, y), (frame.left, y), 1.0, INK));
        shapes.push(text_at((frame.left - 9.0, y + 4.3), text, 12.0, INK, Anchor::End));
    }
    widest + 9.0
}

fn lower_axis(shapes: &mut Vec<Shape>, frame: &Frame) {
    let mut free = f64::NEG_INFINITY;
    for tick in frame.across.ticks(frame.labels) {
        let Some(x) = frame.x(tick.at) else { continue };
        let Some(text) = tick.label else {
            shapes.push(line_to((x, frame.bottom), (x, frame.bottom + 3.0), 0.8, INK));
            continue;
        };
        shapes.push(line_to((x, frame.bottom), (x, frame.bottom + 6.0), 1.0, INK));
        let text = typeset(&text);
        let half = measure(&text, 12.0) / 2.0;
        if x - half > free {
            free = x + half + 4.0;
            shapes.push(text_at((x, frame.bottom + 22.0), text, 12.0, INK, Anchor::Middle));
        }
    }
}

fn accuracy_axis(shapes: &mut Vec<Shape>, frame: &Frame) {
    shapes.push(line_to((frame.right, frame.top), (frame.right, frame.bottom), 1.0, ACCURACY));
    for percent in (0..=100).step_by(20) {
        let y = frame.height(f64::from(percent) / 100.0);
        shapes.push(line_to((frame.right, y), (frame.right + 5.0, y), 1.0, ACCURACY));
        let text = format!("{percent} %");
        shapes.push(text_at((frame.right + 9.0, y + 4.3), text, 12.0, ACCURACY, Anchor::Start));
    }
}

/// `1e-3` as 10⁻³ and `2.5e-7` as 2.5·10⁻⁷, with true minus signs.
fn typeset(number: &str) -> String {
    let Some((digits, exponent)) = number.split_once('e') else {
        return number.replace('-', "−");
    };
    let raised = exponent.chars().map(|c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' | '4'..='9' => char::from_u32(0x2070 + c as u32 - '0' as u32).unwrap_or(c),
        _ => c,
    });
    let digits = match digits {
        "1" => String::new(),
        "-1" => "−".to_string(),
        _ => digits.replace('-', "−") + "·",
    };
    format!("{digits}10{}", raised.collect::<String>())
}

pub(super) fn line_to(from: Spot, to: Spot, width: f64, colour: Colour) -> Shape {
    Shape::Line { points: vec![from, to], width, colour }
}

/// A vertical line of pieces `on` long, from one to the next `on` and `off`.
pub(super) fn dashed(
    shapes: &mut Vec<Shape>,
    x: f64,
    (top, bottom): (f64, f64),
    (on, off): (f64, f64),
    width: f64,
    colour: Colour,
) {
    let mut y = top;
    while y < bottom {
        shapes.push(line_to((x, y), (x, (y + on).min(bottom)), width, colour));
        y += on + off;
    }
}

pub(super) fn text_at(at: Spot, text: String, size: f64, colour: Colour, anchor: Anchor) -> Shape {
    Shape::Text(Label { text, at, size, colour, anchor, upward: false })
}

/// As much of a text as fits, with an ellipsis for the rest.
pub(super) fn fit(text: &str, size: f64, width: f64) -> String {
    if measure(text, size) <= width {
        return text.to_string();
    }
    let mut kept: Vec<char> = text.chars().collect();
    loop {
        kept.pop();
        let shorter = kept.iter().collect::<String>().trim_end().to_string() + "…";
        if kept.is_empty() || measure(&shorter, size) <= width {
            return shorter;
        }
    }
}

/// Breaks a text at its spaces into at most that many lines; what is over is cut off the last one.
pub(super) fn wrap(text: &str, size: f64, width: f64, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines.len() == most;
        let Some(line) = lines.last_mut() else { break };
        let longer = if line.is_empty() { word.to_string() } else { format!("{line} {word}") };
        if line.is_empty() || full || measure(&longer, size) <= width {
            *line = longer;
        } else {
            lines.push(word.to_string());
        }
    }
    lines.iter().map(|line| fit(line, size, width)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_typeset() {
        let cases =
            [("1e-3", "10⁻³"), ("1e0", "10⁰"), ("2e12", "2·10¹²"), ("-1.5e-7", "−1.5·10⁻⁷"), ("-2", "−2")];
        for (plain, set) in cases {
            assert_eq!(typeset(plain), set);
        }
    }

    #[test]
    fn long_texts_are_broken_and_cut() {
        let words = "a fairly long sentence ".repeat(40);
        let lines = wrap(&words, 13.0, 500.0, 3);
        assert_eq!(lines.len(), 3);
        assert!(lines[2].ends_with('…') && !lines[0].ends_with('…'));
        assert!(lines.iter().all(|line| measure(line, 13.0) <= 500.0));
        assert_eq!(wrap("short", 13.0, 500.0, 3), ["short"]);
        assert_eq!(fit("x", 13.0, 0.0), "…");
    }
}
