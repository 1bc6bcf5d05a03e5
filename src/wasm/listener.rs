//! The page's side of a run: what it hears, and how it ends it.

use super::report;
use crate::{Error, Progress};
use js_sys::Function;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasm_bindgen::prelude::*;

/// Set to end a run.
#[wasm_bindgen]
#[derive(Default)]
pub struct Cancel(pub(super) Arc<AtomicBool>);

#[wasm_bindgen]
impl Cancel {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Cancel {
        Self::default()
    }

    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What was thrown at us: by the engine, or by the page's own callback.
pub(super) type Thrown = JsValue;

/// The page's callback, and what it threw: that ends the run.
pub(super) struct Listener<'a> {
    callback: Option<Function>,
    cancel: &'a AtomicBool,
    thrown: Option<JsValue>,
    /// Points told.
    pub told: usize,
}

impl<'a> Listener<'a> {
    pub fn new(callback: Option<Function>, cancel: &'a AtomicBool) -> Self {
        Self { callback, cancel, thrown: None, told: 0 }
    }

    /// Does anybody listen?
    pub fn listens(&self) -> bool {
        self.callback.is_some()
    }

    pub fn tell(&mut self, stage: &str, now: &Progress) {
        let Some(callback) = &self.callback else { return };
        let event = report::progress(stage, self.told, now);
        self.told += now.new.first().map_or(0, Vec::len);
        if let Err(thrown) = callback.call1(&JsValue::NULL, &event) {
            self.thrown.get_or_insert(thrown);
            self.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// The result of a run, or what the callback threw.
    pub fn result<T>(&mut self, result: Result<T, Error>) -> Result<T, Thrown> {
        match self.thrown.take() {
            Some(thrown) => Err(thrown),
            None => result.map_err(Thrown::from),
        }
    }
}
