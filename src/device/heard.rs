//! What a device says by itself: errors that nobody asked for, and its loss.

use crate::error::{Error, Result};
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The first error, the loss, and who waits for one.
#[derive(Default)]
pub(super) struct Heard(Mutex<State>);

#[derive(Default)]
struct State {
    error: Option<String>,
    lost: Option<String>,
    waiting: Vec<Waker>,
}

impl Heard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error that no scope caught.
    pub fn note(&self, error: &str) {
        self.state().error.get_or_insert(error.to_owned());
    }

    /// The device is gone.
    pub fn lose(&self, reason: &str) {
        let mut state = self.state();
        state.lost = Some(reason.to_owned());
        std::mem::take(&mut state.waiting).into_iter().for_each(Waker::wake);
    }

    /// The reason of the loss, when there is one.
    pub async fn lost(&self) -> String {
        poll_fn(|cx| {
            let mut state = self.state();
            match &state.lost {
                Some(reason) => Poll::Ready(reason.clone()),
                None => {
                    state.waiting.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    pub fn check(&self) -> Result<()> {
        let state = self.state();
        match (&state.lost, &state.error) {
            (Some(reason), _) => Err(Error::Lost { reason: reason.clone() }),
            (None, Some(detail)) => Err(Error::Device { detail: detail.clone() }),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Context;

    #[test]
    fn a_loss_wakes_who_waits_and_outweighs_an_error() {
        let heard = Heard::default();
        let mut lost = pin!(heard.lost());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(heard.check().is_ok() && lost.as_mut().poll(&mut cx).is_pending());
        heard.note("first");
        heard.note("second");
        assert!(matches!(heard.check(), Err(Error::Device { detail }) if detail == "first"));
        heard.lose("unplugged");
        assert_eq!(lost.as_mut().poll(&mut cx), Poll::Ready("unplugged".into()));
        assert!(matches!(heard.check(), Err(Error::Lost { reason }) if reason == "unplugged"));
    }
}
