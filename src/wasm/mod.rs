//! What JavaScript calls: thin, since the npm package's `rangefinder.js` makes it pleasant. Options come in as objects, samples
//! and weights as typed arrays; results go out the same way; errors are thrown with a `code`.

mod dataset;
mod gpu;
mod layers;
mod listener;
mod model;
mod object;
mod report;
mod settings;
mod suggest;

use crate::Error;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(text: &str);
}

/// A panic ends the module. Where it came from is worth a line: the trap itself says nothing.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|info| console_error(&info.to_string())));
}

/// What a program can tell errors apart by.
fn code(error: &Error) -> &'static str {
    match error {
        Error::Shape { .. } => "shape",
        Error::Argument { .. } => "argument",
        Error::Data { .. } => "data",
        Error::Io { .. } => "io",
        Error::NoAdapter { .. } => "no-adapter",
        Error::Limit { .. } => "limit",
        Error::OutOfMemory { .. } => "out-of-memory",
        Error::Lost { .. } => "device-lost",
        Error::Device { .. } => "device",
        Error::Cancelled => "cancelled",
    }
}

/// What to change, where the message does not say it already.
fn advice(error: &Error) -> Option<&str> {
    match error {
        Error::Limit { hint, .. } => Some(hint),
        Error::OutOfMemory { .. } => Some("use a smaller batch, model or dataset"),
        Error::Lost { .. } => Some("open the GPU again with Gpu.open(), and make the model anew"),
        _ => None,
    }
}

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let thrown = js_sys::Error::new(&error.to_string());
        object::set(&thrown, "code", code(&error));
        object::set(&thrown, "advice", advice(&error));
        thrown.into()
    }
}
