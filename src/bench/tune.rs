//! Which kernels are the fastest for which shapes, measured on a device.

use super::kernels::{self, Case};
use super::{BATCH, Effort, data, steps};
use crate::compile::{Options, compile};
use crate::device::Gpu;
use crate::error::Result;
use crate::ops::Loss;
use crate::optim::Sgd;
use crate::plan::{ClassTuning, Profile, ShapeClass, Tiling, Tuning};
use std::fmt;
use std::time::Duration;

/// Little time for each of many candidates: what differs by less than [`WORTH`] is not told apart.
const EFFORT: Effort = Effort { time: Duration::from_millis(60), least: 3, most: 15, sweep: 0 };
/// A candidate takes the table's place where it needs less than this share of its time: noise must not change plans.
const WORTH: f64 = 0.95;
/// Workgroups that a weight gradient may be cut into.
const GROUPS: [usize; 4] = [8, 32, 128, 512];

/// One measured candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// "mlp step", "linear small, products 64x784x256".
    pub what: String,
    /// "Tiled", "Tile64", "Tile64 in 128 workgroups".
    pub kernels: String,
    /// Microseconds on the device; of the profiles, of a whole step.
    pub us: f64,
    /// Is it what the tuning says now?
    pub chosen: bool,
}

/// A measured tuning. `{tuned}` is a table of what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// The fastest of everything.
    pub tuning: Tuning,
    /// All that was tried, in order.
    pub candidates: Vec<Candidate>,
}

/// A choice among candidates: index and time of the best, or of the default where that is nearly as fast.
fn best(times: &[f64], default: usize) -> usize {
    let fastest = (0..times.len()).min_by(|&a, &b| times[a].total_cmp(&times[b])).unwrap_or(default);
    if times[fastest] < WORTH * times[default] { fastest } else { default }
}

/// The shapes (rows, terms, columns) whose forward pass and input gradient stand for a class.
fn products(class: ShapeClass) -> [usize; 3] {
    match class {
        ShapeClass::Narrow => [BATCH, 128, 10],
        ShapeClass::Small => [BATCH, 784, 256],
        ShapeClass::Medium => [512, 512, 512],
        ShapeClass::Large => [1024, 1024, 1024],
    }
}

/// The shapes whose weight gradient stands for a class: its outputs are terms x columns.
fn gradients(class: ShapeClass) -> [usize; 3] {
    match class {
        ShapeClass::Narrow => [BATCH, 128, 10],
        ShapeClass::Small => [BATCH, 256, 128],
        ShapeClass::Medium => [BATCH, 784, 256],
        ShapeClass::Large => [1024, 1024, 1024],
    }
}

/// Measures the profiles by a step of the MLP, then the tiles and slices of the fastest for each class of shapes, on the
/// kernels of such a layer. Calls `progress` with the name of each before it starts. Sessions go on using what they used:
/// hand the result to [`Gpu::tune`].
///
/// # Errors
/// The device failed.
pub async fn tune(gpu: &Gpu, progress: &mut dyn FnMut(&str)) -> Result<Tuned> {
    let mut tuner = Tuner { gpu, candidates: Vec::new(), progress };
    let mut tuning = tuner.profile().await?;
    for class in ShapeClass::ALL {
        tuning.linear[class as usize] = tuner.linear(tuning, class).await?;
    }
    tuning.conv2d_groups = tuner.conv2d(tuning).await?;
    Ok(Tuned { tuning, candidates: tuner.candidates })
}

struct Tuner<'a> {
    gpu: &'a Gpu,
    candidates: Vec<Candidate>,
    progress: &'a mut dyn FnMut(&str),
}

impl Tuner<'_> {
    /// The table's tuning of the profile in which a step of the MLP is the fastest.
    async fn profile(&mut self) -> Result<Tuning> {
        let what = "mlp step";
        let images = data::images(8 * BATCH, steps::GREY)?;
        let default = self.gpu.untuned();
        let tunings: Vec<Tuning> = self.gpu.profiles().into_iter().map(|p| profile_of(p, default)).collect();
        let mut times = Vec::new();
        for tuning in &tunings {
            (self.progress)(&format!("{what}, {:?}", tuning.profile));
            times.push(1e6 * steps::quick_step(self.gpu, &images, *tuning).await?);
        }
        let at = tunings.iter().position(|t| t.profile == default.profile).unwrap_or_default();
        let names = tunings.iter().map(|t| format!("{:?}", t.profile)).collect();
        Ok(tunings[self.note(what, names, &times, at)])
    }

    async fn linear(&mut self, tuning: Tuning, class: ShapeClass) -> Result<ClassTuning> {
        let default = tuning.linear[class as usize];
        let tilings = tuning.profile.tilings();
        let options: Vec<ClassTuning> =
            tilings.iter().map(|&products| ClassTuning { products, ..default }).collect();
        let [m, k, n] = products(class);
        let what = format!("linear {}, products {m}x{k}x{n}", class.name());
        let case = kernels::matmul(m, k, n);
        let products =
            self.choose(&what, &case, tuning, &options, default, &["linear", "linear_dx"]).await?.products;

        let choice = |&gradients: &Tiling| GROUPS.map(|groups| ClassTuning { products, gradients, groups });
        let mut options: Vec<ClassTuning> = tilings.iter().flat_map(choice).collect();
        let default = ClassTuning { products, ..default };
        if !options.contains(&default) {
            options.push(default);
        }
        let [m, k, n] = gradients(class);
        let what = format!("linear {}, gradients {m}x{k}x{n}", class.name());
        self.choose(&what, &kernels::matmul(m, k, n), tuning, &options, default, &["linear_dw", "sgd"]).await
    }

    async fn conv2d(&mut self, tuning: Tuning) -> Result<usize> {
        let case = kernels::conv2d(32, 14, 64);
        let mut options = GROUPS.to_vec();
        if !options.contains(&tuning.conv2d_groups) {
            options.push(tuning.conv2d_groups);
        }
        let tunings: Vec<Tuning> = options.iter().map(|&g| Tuning { conv2d_groups: g, ..tuning }).collect();
        let names = options.iter().map(|g| format!("in {g} workgroups")).collect();
        let at = options.iter().position(|&g| g == tuning.conv2d_groups).unwrap_or_default();
        let times = self.measure("conv2d gradients", &case, &tunings, &["conv2d_dw", "sgd"]).await?;
        Ok(options[self.note("conv2d gradients", names, &times, at)])
    }

    /// The best of some choices for every class at once: the case's layer is of one class.
    async fn choose(
        &mut self,
        what: &str,
        case: &Case,
        tuning: Tuning,
        options: &[ClassTuning],
        default: ClassTuning,
        kernels: &[&str],
    ) -> Result<ClassTuning> {
        let tunings: Vec<Tuning> = options.iter().map(|&c| Tuning { linear: [c; 4], ..tuning }).collect();
        let gradients = kernels.contains(&"linear_dw");
        let name = |c: &ClassTuning| match gradients {
            true => format!("{:?} in {} workgroups", c.gradients, c.groups),
            false => format!("{:?}", c.products),
        };
        let at = options.iter().position(|c| *c == default).unwrap_or_default();
        let times = self.measure(what, case, &tunings, kernels).await?;
        Ok(options[self.note(what, options.iter().map(name).collect(), &times, at)])
    }

    /// The time of a case's kernels whose names start so, under each tuning. Tunings that launch the same are measured once.
    async fn measure(
        &mut self,
        what: &str,
        case: &Case,
        tunings: &[Tuning],
        names: &[&str],
    ) -> Result<Vec<f64>> {
        (self.progress)(what);
        let mut seen: Vec<Vec<(&str, [u32; 3])>> = Vec::new();
        let mut times = Vec::new();
        for tuning in tunings {
            let options = Options::batch(case.batch).gradients(true).tuning(*tuning);
            let plan = compile(case.graph()?, Loss::CrossEntropy, &Sgd::momentum(0.9).into(), &options)?;
            let launches = plan.step.iter().filter(|d| d.note.starts_with(case.layer));
            let launches: Vec<_> = launches.map(|d| (d.kernel.name(), d.groups)).collect();
            let us = match seen.iter().position(|other| *other == launches) {
                Some(same) => times[same],
                None => kernels::time(self.gpu, case, options, names, EFFORT).await?,
            };
            seen.push(launches);
            times.push(us);
        }
        Ok(times)
    }

    /// Files the candidates of one decision; the index of the chosen one.
    fn note(&mut self, what: &str, names: Vec<String>, times: &[f64], default: usize) -> usize {
        let chosen = best(times, default);
        let row = |(i, (kernels, &us))| Candidate { what: what.into(), kernels, us, chosen: i == chosen };
        self.candidates.extend(names.into_iter().zip(times).enumerate().map(row));
        chosen
    }
}

/// The device's default where it is of this profile, else the profile's own.
fn profile_of(profile: Profile, default: Tuning) -> Tuning {
    if profile == default.profile { default } else { Tuning::of(profile) }
}

impl fmt::Display for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for c in &self.candidates {
            let what = if c.what == last { "" } else { &c.what };
            let mark = if c.chosen { "  <- chosen" } else { "" };
            writeln!(f, "{what:<42} {:<28} {:>10.1} us{mark}", c.kernels, c.us)?;
            last = &c.what;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_must_be_clearly_faster() {
        assert_eq!(best(&[10.0, 9.8, 12.0], 0), 0);
        assert_eq!(best(&[10.0, 9.0, 12.0], 0), 1);
        assert_eq!(best(&[10.0, 9.0, 12.0], 2), 1);
    }

    /// A shape that is of another class would tune the wrong row.
    #[test]
    fn shapes_are_of_their_class() {
        for class in ShapeClass::ALL {
            let [m, k, n] = products(class);
            assert_eq!(ShapeClass::of(m, n), class);
            let [_, k2, n2] = gradients(class);
            assert_eq!(ShapeClass::of(n2, k2), class);
            // The narrow layer's input is wider than its output.
            assert!(class == ShapeClass::Narrow || ShapeClass::of(m, k) == class, "{class:?}");
        }
    }
}
