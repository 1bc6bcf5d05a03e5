//! Errors of the device as values: nothing reaches a handler, the application's or wgpu's panicking default.

use super::Inner;
use crate::error::{Error, Result};

impl Inner {
    /// Runs `f`, and returns what the device had to say about it. `f` must not await: scopes belong to a thread.
    pub async fn scoped<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<T> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let result = f();
        // All are popped before the first is waited for: meanwhile somebody else may open scopes on this device.
        let (validation, internal, memory) = (validation.pop(), internal.pop(), memory.pop());
        let said = [validation.await, internal.await, memory.await];
        self.check()?;
        match said.into_iter().flatten().last() {
            Some(wgpu::Error::OutOfMemory { source }) => {
                Err(Error::OutOfMemory { detail: source.to_string() })
            }
            Some(error) => Err(Error::Device { detail: one_line(&error.to_string()) }),
            None => result,
        }
    }
}

/// wgpu's errors are indented paragraphs; ours are one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
