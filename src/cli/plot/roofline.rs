//! Kernels under their roof: operations a second over operations a byte, both on logarithmic axes, below the lines of what
//! the device was seen to do.

use super::colour::{CURVES, Colour, GREY, INK};
use super::legend::{Legend, stroke};
use super::page::{self, Frame, Layout, line_to, text_at};
use super::paint::{Anchor, Picture, Shape, Spot, Value, measure};
use super::scale::{Axis, short};
use crate::bench::{Profile, Profiled};

const SMALL: f64 = 10.5;

/// What the picture shows.
pub(crate) struct Roofline<'a> {
    pub title: String,
    pub subtitle: String,
    pub profile: &'a Profile,
}

pub(super) fn page(roofline: &Roofline) -> Picture {
    let layout = Layout { left: 84.0, edge: 84.0, margin: 24.0, height: 470.0, ..Layout::WIDE };
    let right = layout.width - 24.0;
    let profile = roofline.profile;
    let mut shapes = Vec::new();
    let y = page::titles(&mut shapes, &layout, (&roofline.title, &roofline.subtitle), None);
    let models = models(profile);
    let top = legend(&mut shapes, profile, &models, &layout, y) + 12.0;
    let (across, up) = axes(profile);
    let bottom = top + layout.height;
    let frame = Frame { left: layout.left, right, top, bottom, across, up, labels: 8 };

    page::grid(&mut shapes, &frame);
    let roof = roof(profile, &frame);
    for piece in &roof {
        shapes.push(line_to(piece.0, piece.1, 1.6, INK));
    }
    page::spines(&mut shapes, &frame, ("GFLOP/s", INK), "operations a byte that must be moved (log scale)");
    let placed: Vec<(&Profiled, Dot)> =
        profile.kernels.iter().filter_map(|k| Some((k, spot(k, &frame)?))).collect();
    for &(kernel, Dot { at, radius }) in &placed {
        shapes.extend(mark(models.iter().position(|m| *m == kernel.model), at, radius));
    }
    labels(&mut shapes, &frame, &placed, &models, &roof);
    let value = |(kernel, dot): &(&Profiled, Dot)| Value { at: dot.at, text: said(kernel) };
    let values = placed.iter().map(value).collect();
    page::picture(&layout, bottom, shapes, &roofline.title, about(profile), values)
}

/// The models in their order.
fn models(profile: &Profile) -> Vec<&str> {
    let mut models: Vec<&str> = profile.kernels.iter().map(|k| k.model.as_str()).collect();
    models.dedup();
    models
}

fn colour(model: Option<usize>) -> Colour {
    CURVES[model.unwrap_or(0) % CURVES.len()]
}

/// A model's sign: colour and shape.
fn mark(model: Option<usize>, at: Spot, radius: f64) -> Vec<Shape> {
    let colour = colour(model);
    match model {
        Some(1) => {
            let (x, y, r) = (at.0, at.1, 1.25 * radius);
            vec![Shape::Area { points: vec![(x - r, y), (x, y - r), (x + r, y), (x, y + r)], colour }]
        }
        Some(2) => {
            let (x, y, r) = (at.0, at.1, 1.15 * radius);
            vec![Shape::Area { points: vec![(x - r, y + r), (x, y - r), (x + r, y + r)], colour }]
        }
        _ => vec![Shape::Dot { at, radius, colour }],
    }
}

/// A kernel in the picture: its area is its share of the step.
#[derive(Clone, Copy)]
struct Dot {
    at: Spot,
    radius: f64,
}

/// `None` for what computes nothing, or took no time: it has no place on logarithmic axes.
fn spot(kernel: &Profiled, frame: &Frame) -> Option<Dot> {
    let at = (frame.x(kernel.intensity)?, frame.y(kernel.gflops)?);
    Some(Dot { at, radius: 3.0 + 11.0 * kernel.share.max(0.0).sqrt() })
}

/// Both logarithmic, around every kernel and the bend of the roof.
fn axes(profile: &Profile) -> (Axis, Axis) {
    let ceiling = &profile.ceiling;
    let bend = ceiling.gflops / ceiling.gbps;
    let axis = |values: &mut dyn Iterator<Item = f64>, below: f64, above: f64| {
        let (low, high) = values
            .filter(|v| *v > 0.0 && v.is_finite())
            .fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), v| (low.min(v), high.max(v)));
        match low <= high {
            true => Axis { low: low / below, high: high * above, log: true },
            false => Axis { low: 0.1, high: 10.0, log: true },
        }
    };
    let kernels = || profile.kernels.iter();
    let across = axis(&mut kernels().map(|k| k.intensity).chain([bend]), 2.0, 3.0);
    let up = axis(&mut kernels().map(|k| k.gflops).chain([ceiling.gflops]), 2.5, 2.5);
    (across, up)
}

/// The roof: up along the bytes a second, then level at the operations a second.
fn roof(profile: &Profile, frame: &Frame) -> Vec<(Spot, Spot)> {
    let ceiling = &profile.ceiling;
    let at = |intensity: f64| {
        let y = frame.y((ceiling.gbps * intensity).min(ceiling.gflops))?;
        Some((frame.x(intensity)?, y))
    };
    let bend = ceiling.gflops / ceiling.gbps;
    // From where the slope enters the frame: at its left edge, or at its lower one.
    let enters = frame.across.low.max(frame.up.low / ceiling.gbps);
    [(enters, bend), (bend, frame.across.high)]
        .into_iter()
        .filter(|(from, to)| from < to)
        .filter_map(|(from, to)| Some((frame.inside(at(from)?), frame.inside(at(to)?))))
        .collect()
}

fn legend(shapes: &mut Vec<Shape>, profile: &Profile, models: &[&str], layout: &Layout, y: f64) -> f64 {
    let ceiling = &profile.ceiling;
    let mut legend = Legend::new(shapes, layout, y);
    for (i, model) in models.iter().enumerate() {
        legend
            .entry(|at| mark(Some(i), at, 5.0), &format!("{model} step; the area is the share of its time"));
    }
    let roof = format!(
        "this run's ceilings: {} GFLOP/s ({}), {} GB/s ({})",
        short(ceiling.gflops),
        ceiling.gflops_by,
        short(ceiling.gbps),
        ceiling.gbps_by
    );
    legend.entry(stroke(1.6, INK), &roof);
    let idle: Vec<&str> = profile
        .kernels
        .iter()
        .filter(|k| k.intensity <= 0.0 || k.gflops <= 0.0)
        .map(|k| k.kernel.as_str())
        .collect();
    if !idle.is_empty() {
        legend.note(&format!("not drawn, as they compute nothing: {}", idle.join(", ")));
    }
    legend.end()
}

/// "conv2d_broadcast 4": the kernel, and the number of its layer where it has one.
fn name(kernel: &Profiled) -> String {
    let layer = kernel.layer.split_once(':').and_then(|(layer, _)| layer.rsplit_once(' '));
    match layer {
        Some((_, number)) => format!("{} {number}", kernel.kernel),
        None => kernel.kernel.clone(),
    }
}

fn said(k: &Profiled) -> String {
    format!(
        "{} step, {} ({}): {} us, {:.0} % of the step, {} GFLOP/s, {} GB/s, {:.0} % of its roof",
        k.model,
        k.kernel,
        k.layer,
        short(k.us.median),
        100.0 * k.share,
        short(k.gflops),
        short(k.gbps),
        100.0 * k.of_roof
    )
}

/// What there is to see, for those who do not see it.
fn about(profile: &Profile) -> String {
    let kernels: Vec<String> = profile.kernels.iter().map(said).collect();
    format!("Operations a second over operations a byte. {}", kernels.join("; "))
}

/// Left, top, right, bottom.
type Area = (f64, f64, f64, f64);

fn overlap(a: &Area, b: &Area) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

/// Does a piece of line come into an area? (Liang and Barsky's clipping.)
fn crosses((from, to): (Spot, Spot), area: &Area) -> bool {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut first, mut last) = (0.0_f64, 1.0_f64);
    for (p, q) in
        [(-dx, from.0 - area.0), (dx, area.2 - from.0), (-dy, from.1 - area.1), (dy, area.3 - from.1)]
    {
        if p == 0.0 && q < 0.0 {
            return false;
        }
        match p {
            p if p < 0.0 => first = first.max(q / p),
            p if p > 0.0 => last = last.min(q / p),
            _ => {}
        }
    }
    first <= last
}

/// A name at every kernel, the dearest first, each where nothing else is: beside its dot, or further off with a line to it. A
/// name that finds no place is left out; the table has it.
fn labels(
    shapes: &mut Vec<Shape>,
    frame: &Frame,
    placed: &[(&Profiled, Dot)],
    models: &[&str],
    roof: &[(Spot, Spot)],
) {
    let round = |dot: &Dot| {
        let reach = 1.25 * dot.radius + 1.0;
        (dot.at.0 - reach, dot.at.1 - reach, dot.at.0 + reach, dot.at.1 + reach)
    };
    let dots: Vec<Area> = placed.iter().map(|(_, dot)| round(dot)).collect();
    let mut taken: Vec<Area> = Vec::new();
    let mut lines: Vec<(Spot, Spot)> = roof.to_vec();
    let mut order: Vec<usize> = (0..placed.len()).collect();
    order.sort_by(|&a, &b| placed[b].0.share.total_cmp(&placed[a].0.share));
    for i in order {
        let (kernel, dot) = &placed[i];
        let text = name(kernel);
        let width = measure(&text, SMALL);
        let free = |area: &Area, leader: Option<(Spot, Spot)>, dots_too: bool| {
            let inside = area.0 >= frame.left
                && area.2 <= frame.right
                && area.1 >= frame.top
                && area.3 <= frame.bottom;
            let met = |leader| {
                taken.iter().any(|other| crosses(leader, other))
                    || dots_too && dots.iter().enumerate().any(|(j, other)| j != i && crosses(leader, other))
            };
            inside
                && !taken.iter().chain(&dots).any(|other| overlap(area, other))
                && !lines.iter().any(|&line| crosses(line, area))
                && !leader.is_some_and(met)
        };
        // In a crowd a line has to pass other dots, and names must not wall it in: they stand at its sides, some way off.
        let place = places(dot, width, (0, 0.0)).find(|(area, leader)| free(area, *leader, true));
        let aside = || places(dot, width, (5, 0.5)).find(|(area, leader)| free(area, *leader, false));
        // Where they have walled it in, its line passes under them.
        let under = || places(dot, width, (1, 0.0)).find(|(area, _)| free(area, None, false));
        if let Some((area, leader)) = place.or_else(aside).or_else(under) {
            if let Some((from, to)) = leader {
                shapes.push(line_to(from, to, 0.6, GREY));
                lines.push((from, to));
            }
            let colour = colour(models.iter().position(|m| *m == kernel.model));
            shapes.push(text_at((area.0 + 2.0, area.3 - 3.5), text, SMALL, colour, Anchor::Start));
            taken.push(area);
        }
    }
}

/// Places for a text of that width around a dot, the nearest first, each with the line that leads to it where it needs one:
/// from that ring on, and only so far to the side.
fn places(
    dot: &Dot,
    width: f64,
    (first, sideways): (i32, f64),
) -> impl Iterator<Item = (Area, Option<(Spot, Spot)>)> {
    let Dot { at: (x, y), radius } = *dot;
    let (width, height) = (width + 4.0, SMALL + 3.0);
    let reach = 1.25 * radius + 2.0;
    // Right, left, above, below, then the corners; then rings of many directions.
    let near = [0, 24, 12, 36, 6, 18, 42, 30].map(|turn| (0.0, turn));
    let far = (1..40).flat_map(|ring| (0..48).map(move |turn| (9.0 * f64::from(ring), turn)));
    let aside = move |&(further, turn): &(f64, i32)| {
        let angle = std::f64::consts::TAU * f64::from(turn) / 48.0;
        further >= 9.0 * f64::from(first) && angle.cos().abs() >= sideways
    };
    near.into_iter().chain(far).filter(aside).map(move |(further, turn)| {
        let angle = std::f64::consts::TAU * f64::from(turn) / 48.0;
        let (cos, sin) = (angle.cos(), -angle.sin());
        // The middle of the text, so that its nearest edge is that far from the dot.
        let distance = reach + further;
        let side = |c: f64, half: f64| if c.abs() < 1e-9 { 0.0 } else { c * distance + c.signum() * half };
        let across = if cos.abs() < 0.3 { cos * distance } else { side(cos, width / 2.0) };
        let up = if sin.abs() < 0.3 { sin * distance } else { side(sin, height / 2.0) };
        let (middle_x, middle_y) = (x + across, y + up);
        let area = (
            middle_x - width / 2.0,
            middle_y - height / 2.0,
            middle_x + width / 2.0,
            middle_y + height / 2.0,
        );
        let edge = (x.clamp(area.0, area.2), y.clamp(area.1, area.3));
        let leader = (further > 0.0).then(|| {
            let length = ((edge.0 - x).powi(2) + (edge.1 - y).powi(2)).sqrt().max(1e-9);
            let share = 1.1 * radius / length;
            ((x + share * (edge.0 - x), y + share * (edge.1 - y)), edge)
        });
        (area, leader)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Ceiling, Stat};

    fn profile(kernels: Vec<Profiled>) -> Profile {
        let ceiling = Ceiling {
            gflops: 40.0,
            gflops_by: "linear, matmul 1024x1024x1024".into(),
            gbps: 2.0,
            gbps_by: "sgd, update of 4.2 M".into(),
        };
        Profile { ceiling, kernels }
    }

    fn kernel(model: &str, number: usize, intensity: f64, gflops: f64, share: f64) -> Profiled {
        Profiled {
            model: model.into(),
            kernel: "conv2d_broadcast".into(),
            layer: format!("conv2d {number}: 1 -> 2"),
            us: Stat::of(vec![10.0]),
            share,
            gflops,
            gbps: 1.0,
            intensity,
            of_gflops: 0.5,
            of_gbps: 0.5,
            of_roof: 0.5,
        }
    }

    /// Two models, most of whose kernels stand in one crowd.
    fn crowd() -> Profile {
        let one = |i: usize| {
            let model = if i < 12 { "mlp" } else { "cnn" };
            let (across, up) = ((i * 7 % 11) as f64 / 10.0, (i * 5 % 13) as f64 / 6.0);
            kernel(model, i, 15.0 + 15.0 * across, 8.0 * (1.0 + up), if i == 3 { 0.3 } else { 0.01 })
        };
        let far = [kernel("cnn", 40, 0.2, 1e-4, 0.0), kernel("cnn", 41, 0.01, 3.0, 0.1)];
        profile((0..26).map(one).chain(far).collect())
    }

    fn picture(profile: &Profile) -> Picture {
        page(&Roofline { title: "Training steps".into(), subtitle: "batch 64".into(), profile })
    }

    #[test]
    fn every_kernel_has_a_name_and_no_two_touch() {
        let picture = picture(&crowd());
        let mut texts: Vec<Area> = Vec::new();
        let mut names = 0;
        for shape in &picture.shapes {
            let Shape::Text(label) = shape else { continue };
            names += usize::from(label.text.starts_with("conv2d_broadcast "));
            if label.upward {
                continue;
            }
            let width = measure(&label.text, label.size);
            let start = match label.anchor {
                Anchor::Start => label.at.0,
                Anchor::Middle => label.at.0 - width / 2.0,
                Anchor::End => label.at.0 - width,
            };
            let area = (start, label.at.1 - 0.76 * label.size, start + width, label.at.1 + 0.22 * label.size);
            let other = texts.iter().find(|other| overlap(&area, other));
            assert!(other.is_none(), "{} {area:?} {other:?}", label.text);
            for shape in &picture.shapes {
                if let Shape::Line { points, width, .. } = shape
                    && *width > 1.5
                    && label.text.starts_with("conv2d")
                {
                    assert!(!crosses((points[0], points[1]), &area), "{} and the roof", label.text);
                }
            }
            texts.push(area);
        }
        assert_eq!(names, 28);
    }

    #[test]
    fn the_roof_bends_where_both_ceilings_meet() {
        let profile = crowd();
        let (across, up) = axes(&profile);
        let frame = Frame { left: 0.0, right: 100.0, top: 0.0, bottom: 100.0, across, up, labels: 5 };
        let [slope, level] = roof(&profile, &frame)[..] else { panic!("two pieces") };
        assert_eq!(slope.1, level.0);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(slope.1.0, frame.x(20.0).unwrap());
        near(level.0.1, frame.y(40.0).unwrap());
        near(level.1.1, level.0.1);
        // On logarithmic axes the slope is one decade up for one to the right.
        let decade = |axis: &Axis| 100.0 / (axis.high / axis.low).log10();
        let rise = (slope.0.1 - slope.1.1) / (slope.1.0 - slope.0.0);
        near(rise, decade(&frame.up) / decade(&frame.across));
    }

    #[test]
    fn what_computes_nothing_is_named_and_not_drawn() {
        let idle =
            Profiled { kernel: "tick".into(), layer: String::new(), ..kernel("mlp", 1, 0.0, 0.0, 0.1) };
        let picture = picture(&profile(vec![kernel("mlp", 1, 5.0, 2.0, 0.9), idle]));
        let texts: Vec<&str> = picture
            .shapes
            .iter()
            .filter_map(|s| if let Shape::Text(label) = s { Some(label.text.as_str()) } else { None })
            .collect();
        assert!(texts.contains(&"not drawn, as they compute nothing: tick"), "{texts:?}");
        assert!(texts.contains(&"conv2d_broadcast 1") && !texts.contains(&"tick"), "{texts:?}");
    }

    #[test]
    fn lines_are_found_in_areas() {
        let area = (10.0, 10.0, 20.0, 20.0);
        assert!(crosses(((0.0, 15.0), (30.0, 15.0)), &area));
        assert!(crosses(((0.0, 0.0), (30.0, 30.0)), &area));
        assert!(crosses(((15.0, 15.0), (16.0, 16.0)), &area));
        assert!(!crosses(((0.0, 5.0), (30.0, 5.0)), &area));
        assert!(!crosses(((0.0, 15.0), (9.0, 15.0)), &area));
        assert!(!crosses(((0.0, 12.0), (12.0, 0.0)), &area));
    }
}
