//! A curve from JSON: arrays by name, or a history of steps.

use super::{Column, Curve, optimizer};
use crate::finder::MAX_STEPS;
use crate::{Error, Result};
use serde_json::{Map, Value};

pub(super) fn parse(name: &str, text: &str) -> Result<Curve> {
    let broken = |e: serde_json::Error| {
        // "expected value at line 3 column 7": the place is said in front.
        let said = e.to_string();
        let detail = said.split(" at line ").next().unwrap_or_default().to_string();
        Error::data(format!("{name}:{}:{}", e.line(), e.column()), format!("is not JSON: {detail}"))
    };
    let whole: Value = serde_json::from_str(&without_bare_nan(text)).map_err(broken)?;
    let history = match &whole {
        Value::Object(object) => object.get("history").unwrap_or(&whole),
        _ => &whole,
    };
    let mut curve = match history {
        Value::Object(object) => from_arrays(name, object)?,
        Value::Array(steps) => from_steps(name, steps)?,
        _ => return Err(Error::data(name, "history: is neither an object nor an array")),
    };
    if let Some(steps) = whole.get("steps") {
        extend(&mut curve, steps)?;
    }
    curve.optimizer = optimizer::of(&whole);
    Ok(curve)
}

/// Python writes NaN, Infinity and -Infinity, which JSON does not have: they become texts of the same length, so that
/// places in messages stay right.
fn without_bare_nan(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        let (before, from) = rest.split_at(at);
        out += before;
        let known = [("NaN", "\"N\""), ("Infinity", "\"Infini\""), ("-Infinity", "\"-Infini\"")];
        let bare = known.iter().find(|(bare, _)| from.starts_with(bare));
        let (length, put) = match bare {
            Some((bare, put)) => (bare.len(), *put),
            None if from.starts_with('"') => {
                let length = string_length(from);
                (length, &from[..length])
            }
            None => (1, &from[..1]),
        };
        out += put;
        rest = &from[length..];
    }
    out + rest
}

/// Length of the string literal at the start of a text, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// A number, or what stands for one that is not finite.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => Some(f64::NAN),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.to_lowercase().as_str() {
            "n" | "nan" => Some(f64::NAN),
            "infini" | "inf" | "infinity" => Some(f64::INFINITY),
            "-infini" | "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn not_a_number(name: &str, place: &str, value: &Value) -> Error {
    Error::data(name, format!("{place}: `{value}` is not a number"))
}

/// `{"lr": [...], "loss": [...]}`
fn from_arrays(name: &str, object: &Map<String, Value>) -> Result<Curve> {
    let keys = || object.keys().map(String::as_str);
    let column = |column: Column| -> Result<Option<Vec<f64>>> {
        let Some((key, value)) = column.find(keys()).and_then(|at| object.iter().nth(at)) else {
            return Ok(None);
        };
        match value {
            Value::Null => Ok(None),
            Value::Array(values) => numbers(name, key, values).map(Some),
            _ => Err(Error::data(name, format!("{key}: is not an array"))),
        }
    };
    let needed = |wanted: Column| {
        let found: Vec<_> = keys().map(|key| format!("`{key}`")).collect();
        column(wanted)?.ok_or_else(|| Error::data(name, format!("has {}", wanted.missing(&found.join(", ")))))
    };
    let (lr, loss) = (needed(Column::Lr)?, needed(Column::Loss)?);
    if loss.len() > lr.len() {
        let detail = format!("{} losses but {} rates; give one for each", loss.len(), lr.len());
        return Err(Error::data(name, detail));
    }
    let (accuracy, smoothed) = (column(Column::Accuracy)?, column(Column::Smoothed)?);
    // What is optional must be whole to be of use.
    let whole = |values: &Vec<f64>| values.len() >= loss.len() && !values.iter().any(|v| v.is_nan());
    let (accuracy, smoothed) = (accuracy.filter(whole), smoothed.filter(whole));
    Ok(Curve { name: name.into(), lr, loss, accuracy, smoothed, optimizer: None })
}

fn numbers(name: &str, key: &str, values: &[Value]) -> Result<Vec<f64>> {
    let one = |(i, value)| number(value).ok_or_else(|| not_a_number(name, &format!("{key}[{i}]"), value));
    values.iter().enumerate().map(one).collect()
}

/// `[{"lr": 1e-7, "loss": 2.3}, ...]`
fn from_steps(name: &str, steps: &[Value]) -> Result<Curve> {
    let column = |column: Column, needed: bool| -> Result<Option<Vec<f64>>> {
        let mut values = Vec::with_capacity(steps.len());
        for (i, step) in steps.iter().enumerate() {
            let Value::Object(step) = step else {
                return Err(Error::data(name, format!("history[{i}]: is not an object with lr and loss")));
            };
            let at = column.find(step.keys().map(String::as_str));
            match at.and_then(|at| step.iter().nth(at)) {
                None if needed => {
                    let found: Vec<_> = step.keys().map(|key| format!("`{key}`")).collect();
                    let detail = format!("history[{i}]: has {}", column.missing(&found.join(", ")));
                    return Err(Error::data(name, detail));
                }
                Some((_, Value::Null)) | None if !needed => return Ok(None),
                Some((key, value)) => {
                    let wrong = || not_a_number(name, &format!("history[{i}].{key}"), value);
                    values.push(number(value).ok_or_else(wrong)?);
                }
                None => {}
            }
        }
        Ok(Some(values))
    };
    let [lr, loss] = Column::NEEDED.map(|wanted| column(wanted, true));
    let [accuracy, smoothed] = Column::OPTIONAL.map(|wanted| column(wanted, false));
    let (lr, loss) = (lr?.unwrap_or_default(), loss?.unwrap_or_default());
    let (accuracy, smoothed) = (accuracy?, smoothed?);
    Ok(Curve { name: name.into(), lr, loss, accuracy, smoothed, optimizer: None })
}

/// Continues the rates to as many steps as were planned: the run ended before them, and so by divergence.
fn extend(curve: &mut Curve, steps: &Value) -> Result<()> {
    let wrong = || {
        let detail = format!("steps: `{steps}` is not a number of steps up to {MAX_STEPS}");
        Error::data(&curve.name, detail)
    };
    let steps = steps.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|&n| n <= MAX_STEPS);
    let steps = steps.ok_or_else(wrong)?;
    let &[.., before, last] = &curve.lr[..] else { return Ok(()) };
    let mut rate = last;
    while curve.lr.len() < steps {
        rate *= last / before;
        // An endless rate would be refused; a shorter grid says the same.
        if !(rate.is_finite() && rate > last) {
            break;
        }
        curve.lr.push(rate);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse("c.json", text).expect_err("refused").to_string()
    }

    #[test]
    fn arrays_and_steps_say_the_same() {
        let arrays =
            parse("f", r#"{"learning_rate": [1e-3, 1e-2], "loss": [2, null], "accuracy": [0.5, 1]}"#);
        let steps =
            r#"[{"lr": 1e-3, "loss": 2, "accuracy": 0.5}, {"lr": 1e-2, "loss": null, "accuracy": 1}]"#;
        let (arrays, steps) = (arrays.expect("read"), parse("f", steps).expect("read"));
        assert_eq!((&arrays.lr, &arrays.accuracy), (&steps.lr, &steps.accuracy));
        assert!(arrays.loss[0] == 2.0 && arrays.loss[1].is_nan() && steps.loss[1].is_nan());
    }

    #[test]
    fn what_python_writes_is_read() {
        let text =
            r#"{"note": "NaN \" -Infinity", "lr": [1, 2, 3, 4], "loss": [NaN, Infinity, -Infinity, -1]}"#;
        let loss = parse("f", text).expect("read").loss;
        assert!(loss[0].is_nan());
        assert_eq!(loss[1..], [f64::INFINITY, f64::NEG_INFINITY, -1.0]);
        assert_eq!(without_bare_nan(text).len(), text.len());
    }

    #[test]
    fn steps_beyond_the_losses_continue_the_rates() {
        let curve = parse("f", r#"{"lr": [1, 2, 4], "loss": [3, 2, 1], "steps": 5}"#).expect("read");
        assert_eq!((curve.lr, curve.loss.len()), (vec![1.0, 2.0, 4.0, 8.0, 16.0], 3));
        let fewer = parse("f", r#"{"lr": [1, 2], "loss": [3, 2], "steps": 1}"#).expect("read");
        assert_eq!(fewer.lr.len(), 2);
        let endless = parse("f", r#"{"lr": [1, 1e200], "loss": [3, 2], "steps": 9}"#).expect("read");
        assert_eq!(endless.lr.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(refused("{\n \"lr\": [1,]}"), "c.json:2:11: is not JSON: trailing comma");
        let text = r#"{"lr": [1, 2], "loss": [1, "abc"]}"#;
        assert_eq!(refused(text), "c.json: loss[1]: `\"abc\"` is not a number");
        assert_eq!(
            refused(r#"{"lr": [1], "loss": [1, 2]}"#),
            "c.json: 2 losses but 1 rates; give one for each"
        );
        assert!(refused(r#"{"lr": [1]}"#).starts_with("c.json: has no loss; found `lr` (also understood"));
        assert_eq!(refused(r#"{"lr": 1, "loss": [1]}"#), "c.json: lr: is not an array");
        assert!(refused(r#"{"history": [{"lr": 1}]}"#).starts_with("c.json: history[0]: has no loss; found"));
        assert!(refused(r#"[1, 2]"#).contains("history[0]: is not an object"));
        assert!(refused(r#"{"history": 3}"#).contains("is neither an object nor an array"));
        assert!(refused(r#"{"lr": [1], "loss": [1], "steps": -1}"#).contains("steps: `-1` is not a number"));
    }
}
