//! The optimizer that a sweep was made with, from the names that programs give it.

use crate::{Adam, Optimizer, Sgd};
use serde_json::Value;

/// Momentum of the names that say that there is one and not how much.
const USUAL: f64 = 0.9;

/// By the keys `optimizer` and, where it has one, `momentum`: `"SGD momentum 0.9, weight decay 0.1"` as `find` writes it,
/// or a name such as `sgd`, `momentum`, `AdamW`. None for one that is not ours, and for a `mode` of `find` that is no sweep.
pub(super) fn of(whole: &Value) -> Option<Optimizer> {
    let mode = whole.get("mode").and_then(Value::as_str);
    if !matches!(mode, None | Some("sweep" | "same-batch")) {
        return None;
    }
    let told = whole.get("optimizer")?.as_str()?.to_lowercase();
    let mut words = told.split(',').next().unwrap_or_default().split_whitespace();
    let name = words.next()?;
    let kind = words.next();
    let number = |word: Option<&str>| word.and_then(|word| word.parse().ok());
    let said = whole.get("momentum").and_then(Value::as_f64).or(number(kind)).or(number(words.next()));
    let momentum = |usual: f64| said.filter(|m| (0.0..1.0).contains(m)).unwrap_or(usual);
    match (name, kind) {
        ("sgd", Some("nesterov")) | ("nesterov", _) => Some(Sgd::nesterov(momentum(USUAL)).into()),
        ("sgd", Some("momentum")) | ("sgdm" | "momentum", _) => Some(Sgd::momentum(momentum(USUAL)).into()),
        ("sgd", _) => Some(Sgd::momentum(momentum(0.0)).into()),
        ("adam", _) => Some(Adam::default().into()),
        ("adamw", _) => Some(Adam::w(0.01).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(value: Value) -> Option<String> {
        of(&value).map(|found| found.to_string())
    }

    #[test]
    fn programs_have_many_names() {
        let named = |name: &str| kind(json!({"optimizer": name}));
        assert_eq!(named("SGD").as_deref(), Some("SGD"));
        assert_eq!(named("sgdm").as_deref(), Some("SGD momentum 0.9"));
        assert_eq!(named("nesterov").as_deref(), Some("SGD Nesterov 0.9"));
        assert_eq!(named("Adam").as_deref(), Some("Adam"));
        assert!(named("AdamW").is_some_and(|name| name.starts_with("AdamW")));
        for other in ["lion", "", ",", "RMSprop"] {
            assert_eq!(named(other), None);
        }
        assert_eq!(kind(json!({"optimizer": "SGD", "momentum": 0.5})).as_deref(), Some("SGD momentum 0.5"));
        assert_eq!(
            kind(json!({"optimizer": "momentum", "momentum": 7})).as_deref(),
            Some("SGD momentum 0.9")
        );
        assert_eq!(kind(json!({"optimizer": 3})), None);
        assert_eq!(kind(json!([1.0])), None);
    }

    /// The modes whose weights start anew at each rate are read without it, as `find` does.
    #[test]
    fn what_find_writes_is_read() {
        for ours in
            [Sgd::plain(), Sgd::momentum(0.95), Sgd::nesterov(0.8).weight_decay(0.1)].map(Optimizer::from)
        {
            let read = of(&json!({"optimizer": ours.to_string(), "mode": "sweep"})).expect("one of ours");
            assert_eq!(read.momentum(), ours.momentum());
        }
        assert_eq!(kind(json!({"optimizer": "Adam", "mode": "replicas"})), None);
    }
}
