//! The loss over held-out data: squares on a thin line, apart from the losses of the batches.

use super::Figure;
use super::colour::{Colour, HELD_OUT};
use super::curves::lines;
use super::page::Frame;
use super::paint::{Shape, Spot};
use crate::finder::HeldOutPoint;

/// What the legend calls it.
pub(super) const NAME: &str = "held-out loss";

/// Half the side of a square.
const HALF: f64 = 3.2;

pub(super) fn held_out(shapes: &mut Vec<Shape>, figure: &Figure, frame: &Frame) {
    curve(shapes, figure.held_out, frame, HELD_OUT);
}

/// In the colour of whoever it belongs to.
pub(super) fn curve(shapes: &mut Vec<Shape>, points: &[HeldOutPoint], frame: &Frame, colour: Colour) {
    let across = |x: &f64| (frame.left..=frame.right).contains(x);
    let spot = |p: &HeldOutPoint| Some((frame.x(p.lr).filter(across)?, frame.y(p.loss)?));
    let spots: Vec<Option<Spot>> = points.iter().map(spot).collect();
    lines(shapes, frame, spots.iter().copied(), 1.3, colour);
    let inside = |(_, y): &Spot| (frame.top..=frame.bottom).contains(y);
    shapes.extend(spots.into_iter().flatten().filter(inside).map(|at| square(at, colour)));
}

pub(super) fn square((x, y): Spot, colour: Colour) -> Shape {
    Shape::Box { from: (x - HALF, y - HALF), to: (x + HALF, y + HALF), colour }
}

/// The held-out losses up to their lowest: what the picture must have room for. A rise after it may leave the frame.
pub(super) fn fall(points: &[HeldOutPoint]) -> &[HeldOutPoint] {
    let lowest = points.iter().enumerate().min_by(|a, b| a.1.loss.total_cmp(&b.1.loss));
    &points[..lowest.map_or(0, |(i, _)| i + 1)]
}
