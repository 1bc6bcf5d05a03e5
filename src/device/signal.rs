//! A callback of the device as a future.

use super::Inner;
use crate::error::{Error, Result};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Default)]
struct Shared {
    result: Option<Result<(), wgpu::BufferAsyncError>>,
    waker: Option<Waker>,
}

/// Done when a buffer has been mapped. Natively nobody calls back unless the device is polled: see [`Inner::wait`].
#[derive(Clone, Default)]
pub(super) struct Signal(Arc<Mutex<Shared>>);

impl Signal {
    /// Maps the whole buffer for reading; the signal fires when its contents are there.
    pub fn map(buffer: &wgpu::Buffer) -> Self {
        let signal = Self::default();
        let fire = signal.clone();
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            let mut shared = fire.0.lock().unwrap_or_else(PoisonError::into_inner);
            shared.result = Some(result);
            if let Some(waker) = shared.waker.take() {
                waker.wake();
            }
        });
        signal
    }

    pub fn fired(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).result.is_some()
    }
}

impl Future for Signal {
    type Output = Result<(), wgpu::BufferAsyncError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match shared.result.clone() {
            Some(result) => Poll::Ready(result),
            None => {
                shared.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Inner {
    /// Waits for a submission whose end `signal` tells; true if the thread had to stand still for it. A browser calls back.
    pub(super) async fn wait(
        &self,
        submission: Option<wgpu::SubmissionIndex>,
        signal: &Signal,
    ) -> Result<bool> {
        self.poll()?;
        let stood = !signal.fired();
        if cfg!(not(target_arch = "wasm32")) && stood {
            let wait = wgpu::PollType::Wait { submission_index: submission, timeout: None };
            self.device.poll(wait).map_err(|e| Error::Device { detail: e.to_string() })?;
        }
        self.check()?;
        let unread = |e| Error::Device { detail: format!("a result could not be read: {e}") };
        let read = signal.clone().await;
        self.check()?; // a device that is lost meanwhile says more than the buffer
        read.map_err(unread)?;
        Ok(stood)
    }

    /// Lets callbacks run without waiting for any.
    pub(super) fn poll(&self) -> Result<()> {
        self.device.poll(wgpu::PollType::Poll).map_err(|e| Error::Device { detail: e.to_string() })?;
        self.check()
    }
}
