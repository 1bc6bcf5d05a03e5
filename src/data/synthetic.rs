//! Two-dimensional points to classify, made from a seed: a problem small enough to look at.

use std::f64::consts::{PI, TAU};

use super::check;
use super::rng::Rng;
use super::{Dataset, Inputs, Targets};
use crate::error::{Error, Result};

/// How far a spiral turns from its inner to its outer end, in radians.
const TURN: f64 = 4.0;
/// The radius where a spiral begins; it ends at 1. At 0 the arms would meet in one point.
const INNER_RADIUS: f64 = 0.1;

/// Two interleaving half circles of radius 1, shape `[2]`, 2 classes.
///
/// The upper one (class 0) is centred on (0, 0), the lower one (class 1) on (1, 0.5); each has half of the
/// samples, the upper one more if they are odd. Points lie at equal angles; `noise` is the standard deviation
/// of the normal numbers added to both coordinates (0.1 is usual). The geometry is that of scikit-learn's
/// `make_moons`. Samples come in random order.
///
/// # Errors
///
/// [`Error::Argument`] if there are fewer than 2 samples, or `noise` is negative, NaN or infinite.
pub fn moons(samples: usize, noise: f64, seed: u64) -> Result<Dataset> {
    scatter("moons", samples, 2, noise, seed, |class, at| {
        let (sin, cos) = (PI * at).sin_cos();
        if class == 0 { [cos, sin] } else { [1.0 - cos, 0.5 - sin] }
    })
}

/// `classes` spiral arms around the origin, shape `[2]`; 3 is the usual number.
///
/// Each arm turns by 4 radians while its radius grows from 0.1 to 1; the arms are equal but for their
/// direction. Samples are spread evenly over the arms, the first arms taking those left over, and come in
/// random order. `noise` is the standard deviation of the normal numbers added to both coordinates.
///
/// # Errors
///
/// [`Error::Argument`] if there are fewer than 2 classes or fewer samples than classes, or `noise` is
/// negative, NaN or infinite.
pub fn spirals(samples: usize, classes: usize, noise: f64, seed: u64) -> Result<Dataset> {
    scatter("spirals", samples, classes, noise, seed, |class, at| {
        let radius = INNER_RADIUS + (1.0 - INNER_RADIUS) * at;
        let (sin, cos) = (TAU * class as f64 / classes as f64 + TURN * at).sin_cos();
        [radius * cos, radius * sin]
    })
}

/// As many points of every class, each at `point(class, at)` with `at` evenly from 0 to 1, plus noise.
fn scatter(
    name: &str,
    samples: usize,
    classes: usize,
    noise: f64,
    seed: u64,
    point: impl Fn(usize, f64) -> [f64; 2],
) -> Result<Dataset> {
    check_settings(name, samples, classes, noise)?;
    let mut rng = Rng::stream(seed, name, 0);
    let mut rows = check::reserve("samples", samples)?;
    for class in 0..classes {
        let size = samples / classes + usize::from(class < samples % classes);
        let last = (size - 1).max(1) as f64;
        rows.extend((0..size).map(|i| (point(class, i as f64 / last), class as u32)));
    }
    rng.shuffle(&mut rows);
    let mut inputs = check::reserve("samples", samples.saturating_mul(2))?;
    inputs.extend(rows.iter().flat_map(|(point, _)| *point).map(|x| (x + noise * rng.normal()) as f32));
    let labels = rows.iter().map(|&(_, class)| class).collect();
    Dataset::new(name, [2], Inputs::F32(inputs), Targets::Classes { labels, classes })
}

fn check_settings(name: &str, samples: usize, classes: usize, noise: f64) -> Result<()> {
    if classes < 2 {
        return Err(Error::argument("classes", format!("is {classes}; use 2 or more")));
    }
    if samples < classes {
        let detail = format!("{samples} for {classes} classes; use {classes} or more");
        return Err(Error::argument("samples", detail));
    }
    if !(noise.is_finite() && noise >= 0.0) {
        return Err(Error::argument("noise", format!("is {noise}; use 0 or a positive number")));
    }
    check::count(name, samples).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The points with their class.
    fn points(data: &Dataset) -> Vec<([f32; 2], u32)> {
        let Inputs::F32(inputs) = data.inputs() else { panic!("floats expected") };
        let Targets::Classes { labels, .. } = data.targets() else { panic!("classes expected") };
        inputs.as_chunks().0.iter().copied().zip(labels.iter().copied()).collect()
    }

    #[test]
    fn moons_without_noise_lie_on_their_half_circles() {
        let moons = moons(101, 0.0, 1).unwrap();
        assert_eq!((moons.len(), moons.shape(), moons.classes()), (101, &[2][..], Some(2)));
        for ([x, y], class) in points(&moons) {
            let (dx, dy) = if class == 0 { (x, y) } else { (x - 1.0, 0.5 - y) };
            assert!((dx.hypot(dy) - 1.0).abs() < 1e-6 && dy > -1e-6, "({x}, {y}) is not on moon {class}");
        }
        assert_eq!(points(&moons).iter().filter(|(_, class)| *class == 0).count(), 51);
    }

    #[test]
    fn moons_reach_from_end_to_end() {
        let xs: Vec<f32> = points(&moons(40, 0.0, 3).unwrap()).iter().map(|([x, _], _)| *x).collect();
        let (low, high) = xs.iter().fold((f32::MAX, f32::MIN), |(lo, hi), &x| (lo.min(x), hi.max(x)));
        assert!((low + 1.0).abs() < 1e-6 && (high - 2.0).abs() < 1e-6, "{low} to {high}");
    }

    #[test]
    fn spirals_without_noise_grow_from_the_inner_radius_to_1() {
        let spirals = spirals(100, 3, 0.0, 1).unwrap();
        assert_eq!((spirals.len(), spirals.shape(), spirals.classes()), (100, &[2][..], Some(3)));
        for ([x, y], class) in points(&spirals) {
            let radius = f64::from(x).hypot(f64::from(y));
            assert!(radius > 0.099 && radius < 1.001, "radius {radius}");
            let turned = TURN * (radius - INNER_RADIUS) / (1.0 - INNER_RADIUS) + TAU * f64::from(class) / 3.0;
            let off = (f64::from(y).atan2(f64::from(x)) - turned).rem_euclid(TAU);
            assert!(off.min(TAU - off) < 1e-4, "({x}, {y}) is not on arm {class}");
        }
        let count = |class| points(&spirals).iter().filter(|(_, c)| *c == class).count();
        assert_eq!([count(0), count(1), count(2)], [34, 33, 33]);
    }

    #[test]
    fn noise_has_the_deviation_asked_for() {
        let data = moons(20_000, 0.1, 4).unwrap();
        let off = |x: f32, y: f32| f64::from(x).hypot(f64::from(y)) - 1.0;
        let upper: Vec<f64> =
            points(&data).iter().filter(|(_, class)| *class == 0).map(|([x, y], _)| off(*x, *y)).collect();
        let deviation = (upper.iter().map(|d| d * d).sum::<f64>() / upper.len() as f64).sqrt();
        assert!((deviation - 0.1).abs() < 0.005, "deviation {deviation}"); // along the radius
    }

    #[test]
    fn the_same_seed_gives_the_same_points_in_random_order() {
        let make = |seed| spirals(60, 3, 0.1, seed).unwrap();
        assert_eq!(points(&make(1)), points(&make(1)));
        assert_ne!(points(&make(1)), points(&make(2)));
        let labels: Vec<u32> = points(&make(1)).iter().map(|(_, class)| *class).collect();
        assert!(!labels.is_sorted());
    }

    #[test]
    fn the_smallest_ones_work() {
        assert_eq!(moons(2, 0.0, 0).unwrap().len(), 2);
        assert_eq!(spirals(2, 2, 0.0, 0).unwrap().len(), 2);
    }

    #[test]
    fn settings_that_make_no_points_are_refused() {
        let refused = |result: Result<Dataset>| result.unwrap_err().to_string();
        assert_eq!(refused(moons(1, 0.1, 0)), "samples: 1 for 2 classes; use 2 or more");
        assert_eq!(refused(moons(9, -0.1, 0)), "noise: is -0.1; use 0 or a positive number");
        assert_eq!(refused(spirals(9, 3, f64::NAN, 0)), "noise: is NaN; use 0 or a positive number");
        assert_eq!(refused(spirals(9, 10, 0.0, 0)), "samples: 9 for 10 classes; use 10 or more");
        assert_eq!(refused(spirals(9, 1, 0.0, 0)), "classes: is 1; use 2 or more");
        assert!(refused(spirals(usize::MAX, usize::MAX, 0.0, 0)).contains("the limit is 4294967295"));
        assert!(refused(moons(usize::MAX, 0.0, 0)).contains("the limit is 4294967295"));
    }
}
