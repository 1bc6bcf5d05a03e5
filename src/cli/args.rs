//! What may be typed, and its help.

mod grid;

pub(super) use grid::Grid;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;

macro_rules! examples {
    () => {
        "\
Examples:
  rangefinder find                                        CNN on the digits in the program
  rangefinder find --data mnist:DIR --plot curve.svg      on MNIST's files in DIR, with a picture
  rangefinder find --html report.html                     a report to keep: one page, no network
  rangefinder find --data moons --optimizer adam --json   every number, as one JSON object
  rangefinder suggest history.csv                         read a curve that another tool measured"
    };
}

const FIND: &str = concat!(
    "\
The rate rises from step to step while the loss is measured. The suggestion is a weighted mean of three \
readings of the curve and of what is customary with the optimizer; beside it stands what the rules of other finders say. Then the \
model is put back, bit for bit, and short runs on copies of it put the suggestion to the test, or look for a rate where the curve \
suggests none. Exit code 0: done, also where the curve allows no suggestion; 1: failed; 2: wrong usage; \
130: interrupted.

Modes:
  sweep       a new batch each step, and the weights move: Smith's test
  same-batch  one batch throughout, and the weights move: no noise between batches
  restart     each rate from the same weights and on the same batches (--probe, 1 update)
  frozen      the weights never move: the loss along one update, by forward passes
  replicas    each rate trains its own copy on the same batches (--probe, 20 updates)
  all         the five one after the other, in one table and one picture

Grids: --grid momentum, weight-decay, batch or optimizer draws a curve for each of several values, from the same weights, and says which one Smith's method takes. The values take the place of --momentum, --weight-decay, --batch or --optimizer; --grid momentum=0.8,0.9 chooses them. No short runs follow.

",
    examples!()
);

const SUGGEST: &str = "\
FILE is CSV with a header or JSON, gzipped or not, with columns lr and loss, and accuracy if there is one; the usual \
other names (learning_rate, train_loss, acc, ...) are understood. JSON is {\"lr\": [...], \"loss\": [...]} \
or what `find --json` prints. Losses that are NaN or infinite mean that the run diverged, and so does \
a key \"steps\" that counts more steps than there are losses. The keys \"optimizer\" and \"momentum\" \
say what --optimizer and --momentum do.

Examples:
  rangefinder suggest history.csv --optimizer adam
  rangefinder find --json | rangefinder suggest - --quiet";

/// Finds a learning rate: one short sweep on the GPU, after which the model is as it was before.
#[derive(Parser)]
#[command(name = "rangefinder", version, max_term_width = 100, after_help = examples!())]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    // In a box: it has by far the most options.
    Find(Box<Find>),
    Suggest(Suggest),
    Plan(Plan),
    Info(Info),
    Bench(Bench),
}

/// Sweep the learning rate over a model and its data, and suggest one to train with
#[derive(Args)]
#[command(after_help = FIND)]
pub(super) struct Find {
    #[command(flatten)]
    pub subject: Subject,
    #[command(flatten)]
    pub sweep: Sweep,
    #[command(flatten)]
    pub output: Output,
}

/// Measure kernels, training steps and the range test on this device
#[derive(Args)]
pub(super) struct Bench {
    /// Only workloads whose name holds this: matmul, conv2d, update, step, "range test", mlp, cnn, digits,
    /// resnet9 (left out on CPUs unless asked for)
    pub filter: Option<String>,
    /// Measure which kernels are the fastest for which shapes, and keep that for later runs on this device: in the file
    /// that RANGEFINDER_PROFILE names, else in the user's folder of settings, in rangefinder/profile.json
    #[arg(long, conflicts_with_all = ["filter", "quick", "kernels", "json", "against"])]
    pub tune: bool,
    /// Few repeats: a look, not a measurement
    #[arg(long)]
    pub quick: bool,
    /// Also every kernel of the models' steps
    #[arg(long)]
    pub kernels: bool,
    /// Only the models' steps, kernel by kernel: each one's share of the step, and its distance to this device's own
    /// ceilings (the largest matrix product and the largest copy, measured in the same run)
    #[arg(long, conflicts_with = "kernels")]
    pub profile: bool,
    /// Draw the profile as a roofline into FILE.svg or FILE.png
    #[arg(long, value_name = "FILE", requires = "profile")]
    pub plot: Option<PathBuf>,
    /// Print the results as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Compare with the results in FILE, which an earlier --json printed
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub against: Option<PathBuf>,
}

/// What is trained, and how: the same for every command that needs a model.
#[derive(Args)]
#[command(next_help_heading = "What to train")]
pub(super) struct Subject {
    /// The model [default: cnn for images, mlp for points]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "mlp|cnn|resnet9")]
    pub model: Option<ModelName>,
    /// digits (8x8 images, in the program), moons or spirals (points), mnist:DIR or cifar10:DIR (a folder with its
    /// files, of CIFAR-10 the binary version). Test data are not used; a fifth of the digits, of the others a tenth but
    /// at most 512 samples, is held out for the short runs
    #[arg(long, default_value = "digits")]
    pub data: Source,
    /// sgd, momentum, nesterov, adam or adamw
    #[arg(long, value_enum, hide_possible_values = true, default_value = "momentum", value_name = "NAME")]
    pub optimizer: OptimizerName,
    /// Momentum, or beta1 of adam and adamw [default: 0.9]
    #[arg(long, value_name = "M")]
    pub momentum: Option<f64>,
    /// Weight decay [default: 0; adamw: 0.01]
    #[arg(long, value_name = "W")]
    pub weight_decay: Option<f64>,
    /// Layers' learning rates as multiples of the one that is swept: one number for each layer with parameters, or by parts
    /// of parameters' names: conv2d=0.1,linear7.bias=2
    #[arg(long, value_name = "LIST")]
    pub rate_multipliers: Option<Multipliers>,
    /// The same for the weight decay: bias=0 leaves biases out
    #[arg(long, value_name = "LIST")]
    pub decay_multipliers: Option<Multipliers>,
    /// Clip the gradient to this norm [default: never]
    #[arg(long, value_name = "NORM")]
    pub clip: Option<f64>,
    /// Samples in a batch
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub batch: usize,
    /// Batches whose gradients make up one step: an effective batch of N times --batch
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub accumulate: usize,
    /// Seed of the starting weights, the batches and the generated points
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Args)]
#[command(next_help_heading = "The sweep")]
pub(super) struct Sweep {
    /// First learning rate
    #[arg(long, value_name = "LR", default_value = "1e-7")]
    pub from: f64,
    /// Last learning rate
    #[arg(long, value_name = "LR", default_value = "10")]
    pub to: f64,
    /// Rates between them, one a step
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub steps: usize,
    /// exponential (equal ratios) or linear (equal differences)
    #[arg(long, value_enum, hide_possible_values = true, default_value = "exponential", value_name = "KIND")]
    pub spacing: SpacingName,
    /// What each rate is measured on: sweep, same-batch, restart, frozen, replicas or all; see Modes below
    #[arg(long, value_enum, hide_possible_values = true, default_value = "sweep", value_name = "MODE")]
    pub mode: ModeName,
    /// Updates at each rate before its loss is measured [default: 1 in restart, 20 in replicas]
    #[arg(long, value_name = "K")]
    pub probe: Option<usize>,
    /// Batch orders to sweep over at once: their mean curve, and its range (sweep and same-batch)
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seeds: usize,
    /// Momentum falls from 0.95 to 0.85 while the rate rises, as in a one-cycle schedule (sweep and same-batch)
    #[arg(long)]
    pub cyclical_momentum: bool,
    /// Also measure the loss of the samples held out, before every K-th step (sweep and same-batch)
    #[arg(long, value_name = "K")]
    pub held_out_every: Option<usize>,
    /// A curve for each of several values of momentum, weight-decay, batch or optimizer; see Grids below
    #[arg(long, value_name = "NAME[=V,V,...]")]
    pub grid: Option<Grid>,
    /// When to end early: rise[=SHARE], the loss has given back that share of its fall; best[=TIMES], the smoothed loss
    /// exceeds that many times its lowest; finite, only when the loss is NaN or infinite, as always in the other modes
    /// than sweep and same-batch
    #[arg(long, value_name = "RULE", default_value = "rise=0.9")]
    pub stop: StopRule,
    /// Smoothing of the loss for fastai's rules and for `best`; the suggestion does not use it
    #[arg(long, value_name = "BETA", default_value_t = 0.98)]
    pub smoothing: f64,
}

#[derive(Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Output {
    /// Draw the curve into FILE.svg or FILE.png
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Write a report into FILE: the picture, every answer and every step, as one HTML page that needs no network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write every step into FILE, as CSV
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Print everything as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Print the learning rate alone, or `none`
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// Also measure the largest curvature of the loss, and the stable rate that follows from it
    #[arg(long)]
    pub curvature: bool,
    /// Also measure each layer's gradient and its update beside its weights, at every rate (sweep and same-batch)
    #[arg(long)]
    pub layers: bool,
    /// Write them into FILE as CSV, a line for each step and parameter
    #[arg(long, value_name = "FILE")]
    pub layers_csv: Option<PathBuf>,
    /// Leave out the short runs that put the suggestion to the test, or look for a rate where there is none
    #[arg(long)]
    pub no_verify: bool,
    /// Show the hashes of the model before the sweep and after it
    #[arg(long)]
    pub verify_restore: bool,
}

/// Read a loss curve that any tool measured, and suggest a learning rate
#[derive(Args)]
#[command(after_help = SUGGEST)]
pub(super) struct Suggest {
    /// The file; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print the answers as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Print the suggested rate alone, or `none`
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// What the sweep was made with: sgd, momentum, nesterov, adam or adamw. Its customary rate then counts among the
    /// readings [default: what a JSON file says, else unknown: then the mean of the usual ones does]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "NAME")]
    pub optimizer: Option<OptimizerName>,
    /// Its momentum [default: 0.9]
    #[arg(long, value_name = "M", requires = "optimizer")]
    pub momentum: Option<f64>,
    /// Draw the curve into FILE.svg or FILE.png
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Write a report into FILE, as one HTML page that needs no network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Apply other finders' rules to the losses as they are, without the smoothing, stopping and trimming that the
    /// tools do first
    #[arg(long)]
    pub as_is: bool,
}

/// Show what one training step runs on the GPU, without needing one
#[derive(Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub subject: Subject,
    /// Copies of the model that train side by side
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "The plan")]
    pub replicas: usize,
    /// Which kernels: portable, tiled (GPUs), broadcast or mirrored (Mesa's CPU driver)
    #[arg(long, value_enum, hide_possible_values = true, default_value = "portable", value_name = "NAME")]
    #[arg(help_heading = "The plan")]
    pub profile: ProfileName,
    /// Also show what each kernel is bound to, and the evaluation
    #[arg(long, help_heading = "The plan")]
    pub bindings: bool,
}

/// List the GPUs of this machine, and say which one is used
#[derive(Args)]
pub(super) struct Info {
    /// Print the list as one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ModelName {
    Mlp,
    Cnn,
    Resnet9,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProfileName {
    Portable,
    Tiled,
    Broadcast,
    Mirrored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OptimizerName {
    Sgd,
    Momentum,
    Nesterov,
    Adam,
    Adamw,
}

impl OptimizerName {
    pub fn typed(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Momentum => "momentum",
            Self::Nesterov => "nesterov",
            Self::Adam => "adam",
            Self::Adamw => "adamw",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SpacingName {
    Exponential,
    Linear,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ModeName {
    Sweep,
    SameBatch,
    Restart,
    Frozen,
    Replicas,
    All,
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Digits,
    Moons,
    Spirals,
    Mnist(PathBuf),
    Cifar10(PathBuf),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "digits" => Ok(Self::Digits),
            None if text == "moons" => Ok(Self::Moons),
            None if text == "spirals" => Ok(Self::Spirals),
            Some(("mnist", dir)) if !dir.is_empty() => Ok(Self::Mnist(dir.into())),
            Some(("cifar10", dir)) if !dir.is_empty() => Ok(Self::Cifar10(dir.into())),
            _ if ["mnist", "cifar10"].contains(&text.trim_end_matches(':')) => {
                Err(format!("give the folder with its files: {}:DIR", text.trim_end_matches(':')))
            }
            _ => Err("no such dataset; use digits, moons, spirals, mnist:DIR or cifar10:DIR".into()),
        }
    }
}

impl Source {
    /// What messages call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Moons => "moons",
            Self::Spirals => "spirals",
            Self::Mnist(_) => "mnist",
            Self::Cifar10(_) => "cifar10",
        }
    }
}

/// What some parameters' rate or decay is multiplied by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Multipliers {
    /// One for each layer with parameters, in order.
    Layers(Vec<f64>),
    /// By a part of parameters' names; the last word counts.
    Named(Vec<(String, f64)>),
}

impl FromStr for Multipliers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.trim().parse::<f64>().map_err(|_| format!("`{text}` is no number; use 0.1,1 or conv2d=0.1"))
        };
        if !text.contains('=') {
            return text.split(',').map(number).collect::<Result<_, _>>().map(Self::Layers);
        }
        let pair = |item: &str| match item.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), number(value)?)),
            _ => Err(format!("`{item}` is not a part of a name, `=` and a number")),
        };
        text.split(',').map(pair).collect::<Result<_, _>>().map(Self::Named)
    }
}

/// When a sweep ends early.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum StopRule {
    Rise(f64),
    Best(f64),
    Finite,
}

impl FromStr for StopRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, factor) = text.split_once('=').map_or((text, None), |(n, f)| (n, Some(f)));
        let factor = |usual: f64, above: f64| match factor.map(str::parse::<f64>) {
            None => Ok(usual),
            Some(Ok(factor)) if factor > above && factor.is_finite() => Ok(factor),
            Some(_) => Err(format!("`{name}=` takes a number above {above}, such as {name}={usual}")),
        };
        match name {
            "rise" => factor(0.9, 0.0).map(Self::Rise),
            "best" => factor(4.0, 1.0).map(Self::Best),
            "finite" if text == "finite" => Ok(Self::Finite),
            _ => Err("no such rule; use rise, rise=0.9, best, best=4 or finite".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sources_are_read() {
        assert_eq!("digits".parse(), Ok(Source::Digits));
        assert_eq!("mnist:a:b".parse(), Ok(Source::Mnist("a:b".into())));
        assert_eq!("mnist:".parse::<Source>(), Err("give the folder with its files: mnist:DIR".into()));
        assert!("imagenet".parse::<Source>().is_err() && "moons:x".parse::<Source>().is_err());
    }

    #[test]
    fn multipliers_are_read() {
        assert_eq!("0.1, 1".parse(), Ok(Multipliers::Layers(vec![0.1, 1.0])));
        let named = vec![("conv2d".to_owned(), 0.1), ("bias".to_owned(), 0.0)];
        assert_eq!("conv2d=0.1,bias=0".parse(), Ok(Multipliers::Named(named)));
        for wrong in ["", "a", "conv2d=", "=1", "0.1,bias=0"] {
            assert!(wrong.parse::<Multipliers>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn stop_rules_are_read() {
        assert_eq!("rise".parse(), Ok(StopRule::Rise(0.9)));
        assert_eq!("best=5".parse(), Ok(StopRule::Best(5.0)));
        assert_eq!("finite".parse(), Ok(StopRule::Finite));
        for wrong in ["best=1", "best=x", "rise=0", "rise=nan", "rise=inf", "finite=2", "", "=3"] {
            assert!(wrong.parse::<StopRule>().is_err(), "{wrong}");
        }
    }
}
