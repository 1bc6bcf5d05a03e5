//! A curve that any program measured.

use super::listener::Thrown;
use super::object::object;
use super::report;
use super::settings::optimizer;
use crate::finder::{ewa, rules, rules_as_is, smith, suggest};
use wasm_bindgen::prelude::*;

/// Smoothing that the tools of the other rules use.
const BETA: f64 = 0.98;

/// What all rules make of it. `as_is` applies other finders' rules without the smoothing and trimming that their tools do first;
/// `made_with` are the options of the sweep's optimizer, or nothing.
#[wasm_bindgen(js_name = suggest)]
pub fn suggest_from(
    lr: Vec<f64>,
    loss: Vec<f64>,
    accuracy: Option<Vec<f64>>,
    as_is: bool,
    made_with: JsValue,
) -> Result<JsValue, Thrown> {
    let known =
        if made_with.is_undefined() || made_with.is_null() { None } else { Some(optimizer(made_with)?) };
    let found = suggest(&lr, &loss, known.as_ref());
    let rules = if as_is { rules_as_is(&lr, &loss) } else { rules(&lr, &loss, &ewa(&loss, BETA)) };
    Ok(object([
        ("suggestion", report::suggestion(&found)),
        ("refusal", report::refusal(&found)),
        ("rules", report::rules(&rules)),
        ("smith", report::smith(smith(&lr, accuracy.as_deref(), &loss))),
    ]))
}
