//! Progress of a range test: what its runs tell, as rates done and new points of its curve.

use super::RangeTest;
use crate::session::{Control, Measured, Progress};
use std::sync::atomic::AtomicBool;

/// Who listens, and how much of the curve was told.
pub(super) struct Told<'a> {
    progress: Option<&'a mut dyn FnMut(Progress)>,
    pub cancel: Option<&'a AtomicBool>,
    rates: Vec<f64>,
    points: usize,
    loss: f64,
    lr: f64,
    /// The exponentially weighted average so far, and the weight that it lacks.
    average: f64,
    remaining: f64,
    beta: f64,
}

impl<'a> Told<'a> {
    pub fn new(test: &RangeTest, rates: &[f64], control: Control<'a>) -> Self {
        let Control { progress, cancel } = control;
        Self {
            progress,
            cancel,
            rates: rates.to_vec(),
            points: 0,
            loss: 0.0,
            lr: 0.0,
            average: 0.0,
            remaining: 1.0,
            beta: test.beta,
        }
    }

    /// What a run is to call, if anybody listens: `read` says how many rates are done, and which points are new.
    pub fn during<'b, R>(&'b mut self, mut read: R) -> Option<impl FnMut(Progress) + use<'a, 'b, R>>
    where
        R: FnMut(&Progress) -> (usize, Vec<Measured>) + 'b,
    {
        self.progress.is_some().then_some(move |now: Progress| {
            let (done, new) = read(&now);
            (self.loss, self.lr) = (now.loss, now.lr);
            self.tell(done, new);
        })
    }

    /// Tells that `done` rates are done, and the points that are new.
    pub fn tell(&mut self, done: usize, mut new: Vec<Measured>) {
        let Some(progress) = &mut self.progress else { return };
        // The rates as the host has them, and the average over points, where the device's is over steps.
        for (m, &lr) in new.iter_mut().zip(self.rates.iter().skip(self.points)) {
            self.average = self.beta * self.average + (1.0 - self.beta) * m.loss;
            self.remaining *= self.beta;
            (m.lr, m.smoothed) = (lr, self.average / (1.0 - self.remaining));
        }
        self.points += new.len();
        if let Some(last) = new.last() {
            (self.loss, self.lr) = (last.loss, last.lr);
        }
        let (loss, lr, steps) = (self.loss, self.lr, self.rates.len());
        progress(Progress { step: done, steps, loss, lr, new: vec![new] });
    }
}
