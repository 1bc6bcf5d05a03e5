//! JavaScript objects: options read field by field, results made.

use crate::{Error, Result};
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;

/// Sets a field. Only a frozen object refuses, and ours are new.
pub(super) fn set(object: &JsValue, name: &str, value: impl Into<JsValue>) {
    let _ = Reflect::set(object, &name.into(), &value.into());
}

/// An object with these fields.
pub(super) fn object<const N: usize>(fields: [(&str, JsValue); N]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        set(&object, name, value);
    }
    object.into()
}

/// An array.
pub(super) fn array(items: impl IntoIterator<Item = JsValue>) -> JsValue {
    items.into_iter().collect::<Array>().into()
}

/// A number, or null: also for one that is not finite, as in JSON.
pub(super) fn number(value: impl Into<Option<f64>>) -> JsValue {
    value.into().filter(|v| v.is_finite()).map_or(JsValue::NULL, JsValue::from_f64)
}

/// An options object. Every field is read by its name and type; [`done`](Self::done) refuses what nobody read, since a
/// misspelt option would otherwise be silently ignored.
pub(super) struct Fields {
    object: JsValue,
    known: Vec<&'static str>,
}

impl Fields {
    /// `undefined` and `null` are an object without fields.
    pub fn new(name: &str, object: JsValue) -> Result<Self> {
        if !(object.is_object() || object.is_null() || object.is_undefined()) {
            return Err(Error::argument(name, format!("{} is no object with options", shown(&object))));
        }
        Ok(Self { object, known: Vec::new() })
    }

    fn get(&mut self, name: &'static str) -> Option<JsValue> {
        self.known.push(name);
        if !self.object.is_object() {
            return None;
        }
        Reflect::get(&self.object, &name.into()).ok().filter(|v| !v.is_undefined() && !v.is_null())
    }

    fn typed<T>(
        &mut self,
        name: &'static str,
        wanted: &str,
        read: impl FnOnce(&JsValue) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let wrong = || Error::argument(name, format!("{} is no {wanted}", shown(&value)));
        read(&value).map(Some).ok_or_else(wrong)
    }

    pub fn number(&mut self, name: &'static str) -> Result<Option<f64>> {
        self.typed(name, "number", JsValue::as_f64)
    }

    /// A whole number from 0 on.
    pub fn count(&mut self, name: &'static str) -> Result<Option<usize>> {
        self.typed(name, "whole number from 0 to 4294967295", |value| {
            value
                .as_f64()
                .filter(|v| v.fract() == 0.0 && (0.0..=4_294_967_295.0).contains(v))
                .map(|v| v as usize)
        })
    }

    /// A whole number that a double holds exactly.
    pub fn seed(&mut self, name: &'static str) -> Result<Option<u64>> {
        self.typed(name, "whole number from 0 to 2^53 - 1", |value| {
            value
                .as_f64()
                .filter(|v| v.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(v))
                .map(|v| v as u64)
        })
    }

    pub fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        self.typed(name, "text", JsValue::as_string)
    }

    /// A field to be read by others.
    pub fn any(&mut self, name: &'static str) -> JsValue {
        self.get(name).unwrap_or_default()
    }

    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        self.typed(name, "boolean", JsValue::as_bool)
    }

    /// One of several words.
    pub fn word<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Result<Option<T>> {
        let wanted: Vec<_> = words.iter().map(|w| format!("\"{}\"", w.0)).collect();
        let wanted = format!("one of {}", wanted.join(", "));
        self.typed(name, &wanted, |value| {
            let text = value.as_string()?;
            words.iter().find(|w| w.0 == text).map(|w| w.1)
        })
    }

    /// A field that must be there.
    pub fn needed<T>(value: Option<T>, name: &str, of: &str) -> Result<T> {
        value.ok_or_else(|| Error::argument(name, format!("is missing; {of} needs it")))
    }

    /// Refuses fields that were not asked for.
    pub fn done(self) -> Result<()> {
        if !self.object.is_object() {
            return Ok(());
        }
        let keys = Object::keys(self.object.unchecked_ref::<Object>());
        let mut keys = keys.iter().filter_map(|key| key.as_string());
        match keys.find(|key| !self.known.contains(&key.as_str())) {
            Some(key) => {
                Err(Error::argument(key, format!("no such option; there are {}", self.known.join(", "))))
            }
            None => Ok(()),
        }
    }
}

/// A value as a message shows it.
fn shown(value: &JsValue) -> String {
    match value.as_string() {
        Some(text) => format!("\"{text}\""),
        None => js_sys::JSON::stringify(value)
            .ok()
            .and_then(|text| text.as_string())
            .unwrap_or_else(|| value.js_typeof().as_string().unwrap_or_default()),
    }
}
