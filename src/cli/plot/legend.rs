//! What the signs mean, in as many rows as they need above everything that is drawn.

use super::colour::{Colour, GREY, INK};
use super::page::{Layout, fit, line_to, text_at};
use super::paint::{Anchor, Shape, Spot, measure};

const SIZE: f64 = 12.0;
/// Width of a sign, and what is left free after it and after its text.
const SIGN: f64 = 22.0;
const GAP: f64 = 7.0;
const NEXT: f64 = 22.0;
/// From one row to the next.
const ROW: f64 = 19.0;

pub(super) struct Legend<'a> {
    shapes: &'a mut Vec<Shape>,
    from: f64,
    right: f64,
    /// Where the next entry begins; its baseline.
    at: Spot,
}

impl<'a> Legend<'a> {
    /// Below `y`.
    pub fn new(shapes: &'a mut Vec<Shape>, layout: &Layout, y: f64) -> Self {
        let right = layout.width - layout.margin;
        Self { shapes, from: layout.edge, right, at: (layout.edge, y + 24.0) }
    }

    /// A sign around the middle that `sign` is given, which may be 11 units to either side of it, and what it means.
    pub fn entry(&mut self, sign: impl Fn(Spot) -> Vec<Shape>, text: &str) {
        let text = fit(text, SIZE, self.right - self.from - SIGN - GAP);
        let width = SIGN + GAP + measure(&text, SIZE);
        if self.at.0 > self.from && self.at.0 + width > self.right {
            self.at = (self.from, self.at.1 + ROW);
        }
        let (x, y) = self.at;
        self.shapes.extend(sign((x + SIGN / 2.0, y - 4.2)));
        self.shapes.push(text_at((x + SIGN + GAP, y), text, SIZE, INK, Anchor::Start));
        self.at.0 += width + NEXT;
    }

    /// A text without a sign, in rows of its own.
    pub fn note(&mut self, text: &str) {
        for line in super::page::wrap(text, SIZE, self.right - self.from, 3) {
            if self.at.0 > self.from {
                self.at = (self.from, self.at.1 + ROW);
            }
            self.shapes.push(text_at(self.at, line, SIZE, GREY, Anchor::Start));
            self.at.0 = self.right;
        }
    }

    /// Where the legend ends.
    pub fn end(self) -> f64 {
        self.at.1 + 10.0
    }
}

/// The signs.
pub(super) fn stroke(width: f64, colour: Colour) -> impl Fn(Spot) -> Vec<Shape> {
    move |(x, y)| vec![line_to((x - 11.0, y), (x + 11.0, y), width, colour)]
}

pub(super) fn dot(radius: f64, colour: Colour) -> impl Fn(Spot) -> Vec<Shape> {
    move |at| vec![Shape::Dot { at, radius, colour }]
}

pub(super) fn patch(colour: Colour) -> impl Fn(Spot) -> Vec<Shape> {
    move |(x, y)| vec![Shape::Box { from: (x - 11.0, y - 6.0), to: (x + 11.0, y + 6.0), colour }]
}
