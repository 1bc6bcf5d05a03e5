//! Results as text, JSON and CSV.

pub(super) mod csv;
pub(super) mod json;
pub(super) mod layers;
pub(super) mod text;

use crate::finder::{Point, Rules};
use serde::Serialize;

/// A step as JSON and CSV show it.
#[derive(Serialize)]
struct Row {
    step: usize,
    lr: f64,
    loss: f64,
    smoothed: f64,
    accuracy: Option<f64>,
    grad_norm: Option<f64>,
    momentum: f64,
}

impl From<&Point> for Row {
    fn from(p: &Point) -> Self {
        let Point { step, lr, loss, smoothed, accuracy, grad_norm, momentum } = *p;
        Self { step, lr, loss, smoothed, accuracy, grad_norm, momentum }
    }
}

/// The other finders' answers by name, in the order of every table.
pub(super) fn named(rules: &Rules) -> [(&'static str, Option<f64>); 5] {
    [
        ("fastai valley", rules.fastai_valley),
        ("fastai steep", rules.fastai_steep),
        ("fastai slide", rules.fastai_slide),
        ("fastai minimum", rules.fastai_minimum),
        ("min gradient", rules.min_gradient),
    ]
}

/// Their signs in the terminal's drawing, in the same order.
pub(super) const SIGNS: [char; 5] = ['v', 's', 'l', 'm', 'g'];

/// 1797 as 1,797.
pub(super) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number as one would type it: 10, 0.05, 1e-7.
pub(super) fn typed(number: f64) -> String {
    let plain = (1e-2..1e5).contains(&number.abs()) || number == 0.0;
    if plain { number.to_string() } else { format!("{number:e}") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_as_one_types_them() {
        for text in ["10", "0.05", "1e-7", "0", "2.5e-4", "1e6"] {
            assert_eq!(super::typed(text.parse().expect("a number")), text);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (60000, "60,000"), (1234567, "1,234,567")];
        for (count, text) in cases {
            assert_eq!(super::grouped(count), text);
        }
    }
}
