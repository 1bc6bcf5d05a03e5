//! The device.

use crate::Error;
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

/// A device that computes.
#[wasm_bindgen]
pub struct Gpu(pub(super) crate::Gpu);

#[wasm_bindgen]
impl Gpu {
    /// Asks the browser for an adapter, and it for a device.
    pub async fn open(low_power: bool) -> Result<Gpu, Error> {
        let gpu = if low_power { crate::Gpu::low_power().await } else { crate::Gpu::new().await };
        gpu.map(Gpu)
    }

    /// Does a CPU pretend?
    pub fn software(&self) -> bool {
        self.0.adapter().is_cpu()
    }

    /// Resolves with the reason when the device is lost.
    pub fn lost(&self) -> Promise {
        let lost = self.0.lost();
        future_to_promise(async { Ok(lost.await.into()) })
    }

    /// The browser's own object, to draw with what was computed.
    pub fn device(&self) -> JsValue {
        self.0.web_device()
    }
}
