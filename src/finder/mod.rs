//! The learning-rate finder: a schedule and a snapshot around a session, and pure functions from curve to suggestion.

mod curvature;
mod curve;
mod grid;
mod grid_search;
mod layers;
mod line;
mod range_test;
mod report;
mod rules;
mod smith;
mod smooth;
mod suggest;
mod told;
mod verify;

pub use curvature::{Curvature, CurvatureTest};
pub use grid::{MAX_STEPS, Spacing, grid};
pub use grid_search::{Choice, GridReport, GridSearch, Member, Vary};
pub use layers::{Layers, NotFinite, Part};
pub use line::Line;
pub use range_test::{Mode, RangeTest};
pub use report::{HeldOutPoint, Point, Refusal, Report, Rules, Smith, Suggestion};
pub use rules::{min_gradient, minimum, rules, rules_as_is, slide, steep, valley};
pub use smith::smith;
pub use smooth::{Fit, ewa, ewa_seeded, local_linear};
pub use suggest::{Lowest, RULE, half_width_of, lowest, suggest};
pub use verify::{GoodRates, Verification, Verified, Verify};
