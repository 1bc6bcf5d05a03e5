//! The page: what stands where. Everything here is arithmetic on page units; nothing is painted.

use super::paint::{Anchor, Colour, Label, Shape, Spot, measure};
use super::scale::{Axis, drawable};
use super::{Figure, curves, held_out, marks};

/// The size of the page; SVG units, and half of the PNG's pixels.
pub(super) const SIZE: (u32, u32) = (1000, 620);

/// Left edge of the frame: the names of the rules stand in the margin.
pub(super) const LEFT: f64 = 124.0;
pub(super) const BOTTOM: f64 = 562.0;
pub(super) const WIDTH: f64 = SIZE.0 as f64;
pub(super) const HEIGHT: f64 = SIZE.1 as f64;

// The palette of Okabe and Ito, which colour-blind readers can tell apart, and greys.
pub(super) const LOSS: Colour = (0, 114, 178);
pub(super) const ACCURACY: Colour = (0, 158, 115);
pub(super) const CHOSEN: Colour = (213, 94, 0);
pub(super) const SMITH: Colour = (204, 121, 167);
pub(super) const HELD_OUT: Colour = (230, 159, 0);
pub(super) const INK: Colour = (34, 34, 34);
pub(super) const GREY: Colour = (95, 95, 95);
const RULE: Colour = (232, 232, 232);
pub(super) const WHITE: Colour = (255, 255, 255);

/// A colour as it looks on white paper through that much of it.
pub(super) fn pale((r, g, b): Colour, share: f64) -> Colour {
    let mix = |c: u8| (255.0 - share * (255.0 - f64::from(c))).round() as u8;
    (mix(r), mix(g), mix(b))
}

/// The rectangle that holds the curve, and its axes.
pub(super) struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub rates: Axis,
    pub losses: Axis,
}

impl Frame {
    /// Horizontal position of a rate.
    pub fn x(&self, rate: f64) -> Option<f64> {
        self.rates.place(rate).map(|share| self.left + share * (self.right - self.left))
    }

    /// Vertical position of a share of the height.
    pub fn height(&self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }

    /// Vertical position of a loss.
    pub fn y(&self, loss: f64) -> Option<f64> {
        self.losses.place(loss).map(|share| self.height(share))
    }
}

/// Lays out the whole page, from the bottom of the pile to its top.
pub(super) fn page(figure: &Figure) -> Vec<Shape> {
    let accuracy = figure.points.iter().any(|p| p.accuracy.is_some_and(drawable));
    let right = WIDTH - if accuracy { 74.0 } else { 30.0 };
    let mut shapes = vec![Shape::Box { from: (0.0, 0.0), to: (WIDTH, HEIGHT), colour: WHITE }];
    let header = header(&mut shapes, figure, right);
    let tracks = marks::tracks(figure);
    let top = marks::first_track(figure, header) + marks::ROW * tracks.len() as f64 + 10.0;
    // The name of the stop stands to the right of its line, where no step went.
    let room = if figure.stopped.is_some() { 0.04 } else { 0.015 };
    let rates = Axis::rates(figure.points).padded(0.015, room);
    let frame = Frame { left: LEFT, right, top, bottom: BOTTOM, rates, losses: figure.losses() };

    marks::stripes(&mut shapes, figure, &frame, &tracks, header);
    marks::interval(&mut shapes, figure, &frame, header);
    curves::band(&mut shapes, figure, &frame);
    grid(&mut shapes, &frame);
    curves::curves(&mut shapes, figure, &frame);
    held_out::held_out(&mut shapes, figure, &frame);
    axes(&mut shapes, &frame, LOSS, accuracy);
    marks::stop(&mut shapes, figure, &frame);
    marks::suggestion(&mut shapes, figure, &frame, header);
    marks::draw_tracks(&mut shapes, figure, &frame, &tracks, header);
    shapes
}

/// Title, subtitle, the reason for a refusal, and the legend. Returns where they end.
fn header(shapes: &mut Vec<Shape>, figure: &Figure, right: f64) -> f64 {
    let width = right - LEFT;
    let mut line = |y: f64, text: &str, size: f64, colour: Colour| {
        shapes.push(text_at((LEFT, y), fit(text, size, width), size, colour, Anchor::Start));
    };
    let mut y = 34.0;
    line(y, figure.title, 17.0, INK);
    if !figure.subtitle.is_empty() {
        y += 20.0;
        line(y, figure.subtitle, 12.5, GREY);
    }
    if let Err(refusal) = figure.suggestion {
        y += 5.0;
        for text in wrap(&format!("No suggestion: {}", refusal.reason), 13.0, width, 3) {
            y += 18.0;
            line(y, &text, 13.0, CHOSEN);
        }
    }
    curves::legend(shapes, figure, (LEFT, y + 24.0));
    y + 34.0
}

/// A pale line at every label of the lower and the left axis.
pub(super) fn grid(shapes: &mut Vec<Shape>, frame: &Frame) {
    for x in frame.rates.ticks(8).iter().filter(|t| t.label.is_some()).filter_map(|t| frame.x(t.at)) {
        shapes.push(line_to((x, frame.top), (x, frame.bottom), 0.8, RULE));
    }
    for y in frame.losses.ticks(6).iter().filter_map(|t| frame.y(t.at)) {
        shapes.push(line_to((frame.left, y), (frame.right, y), 0.8, RULE));
    }
}

/// Spines, ticks, their labels and the names of the axes: over the curves, whose points reach to the edges.
pub(super) fn axes(shapes: &mut Vec<Shape>, frame: &Frame, loss: Colour, accuracy: bool) {
    let margin = loss_axis(shapes, frame);
    rate_axis(shapes, frame);
    let middle = frame.height(0.5);
    let title = |x: f64, text: &str, colour: Colour| {
        Shape::Text(Label { upward: true, ..label((x, middle), text, 13.0, colour, Anchor::Middle) })
    };
    shapes.push(title(frame.left - margin - 18.0, "loss", loss));
    shapes.push(line_to((frame.left, frame.top), (frame.left, frame.bottom), 1.0, INK));
    shapes.push(line_to((frame.left, frame.bottom), (frame.right, frame.bottom), 1.0, INK));
    if accuracy {
        accuracy_axis(shapes, frame);
        shapes.push(title(WIDTH - 14.0, "accuracy", ACCURACY));
    }
    let name = if frame.rates.log { "learning rate (log scale)" } else { "learning rate" };
    let centre = (frame.left + frame.right) / 2.0;
    shapes.push(text_at((centre, frame.bottom + 44.0), name.to_string(), 13.0, INK, Anchor::Middle));
}

/// Returns the width that the labels take.
fn loss_axis(shapes: &mut Vec<Shape>, frame: &Frame) -> f64 {
    let mut widest: f64 = 0.0;
    for tick in frame.losses.ticks(6) {
        let (Some(y), Some(text)) = (frame.y(tick.at), tick.label) else { continue };
        let text = typeset(&text);
        widest = widest.max(measure(&text, 12.0));
        shapes.push(line_to((frame.left - 5.0, y), (frame.left, y), 1.0, INK));
        shapes.push(text_at((frame.left - 9.0, y + 4.3), text, 12.0, INK, Anchor::End));
    }
    widest + 9.0
}

fn rate_axis(shapes: &mut Vec<Shape>, frame: &Frame) {
    for tick in frame.rates.ticks(8) {
        let Some(x) = frame.x(tick.at) else { continue };
        let Some(text) = tick.label else {
            shapes.push(line_to((x, frame.bottom), (x, frame.bottom + 3.0), 0.8, INK));
            continue;
        };
        shapes.push(line_to((x, frame.bottom), (x, frame.bottom + 6.0), 1.0, INK));
        shapes.push(text_at((x, frame.bottom + 22.0), typeset(&text), 12.0, INK, Anchor::Middle));
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

pub(super) fn label(at: Spot, text: &str, size: f64, colour: Colour, anchor: Anchor) -> Label {
    Label { text: text.to_string(), at, size, colour, anchor, upward: false }
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
fn wrap(text: &str, size: f64, width: f64, most: usize) -> Vec<String> {
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
