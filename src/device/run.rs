//! Running a list many times without a host wait inside.

use super::program::{Buffers, Collector, IN_FLIGHT, Launch, List, Program, mapped};
use super::signal::Signal;
use crate::error::{Error, Result};
use crate::layout::{Record, Role, State, View};
use std::collections::VecDeque;
use std::time::Duration;
use web_time::Instant;

/// Device time that one submit should take: long enough to hide its cost, short enough for watchdogs, for a progress
/// bar and for a cancel to be felt.
const SUBMIT: Duration = Duration::from_millis(40);
/// Dispatches that one submit may hold: the memory of an encoder grows with them.
const MOST_DISPATCHES: usize = 4096;
/// Steps that one submit may hold: their records travel with the states.
pub(super) const MOST_STEPS: usize = 256;

/// What happens between steps: with a `period`, before every step whose number is a multiple of it.
#[derive(Clone, Copy)]
pub(crate) enum Between<'a> {
    Nothing,
    /// What a step left in a view is copied behind what the step before it left there.
    Collect {
        view: View,
        into: &'a Collector,
    },
    /// The model is put back to a snapshot.
    Restore {
        period: usize,
        snapshot: &'a Buffers,
    },
    /// So many batches of the dataset `data` are evaluated, into a history of their own.
    Evaluate {
        period: usize,
        batches: usize,
        data: u64,
    },
}

/// Called with the states of all replicas as they reach the host, and with the records that are new since the last call:
/// (replicas, records), the same number for each.
pub(crate) type Landed<'a> = dyn FnMut(&[State], &[Record]) + 'a;

/// What the caller of a run wants to hear and to say while it goes on.
pub(crate) struct Pace<'a> {
    pub progress: Option<&'a mut Landed<'a>>,
    /// Asked before each submit.
    pub cancelled: &'a dyn Fn() -> bool,
}

/// What a run left behind, and what it cost.
#[derive(Default)]
pub(crate) struct Finished {
    /// The caller asked to stop.
    pub cancelled: bool,
    pub states: Vec<State>,
    /// (replicas, steps)
    pub history: Vec<Record>,
    /// (replicas, evaluations, batches), of the evaluations between steps.
    pub evaluations: Vec<Record>,
    pub submits: usize,
    /// Times that the host waited while the device had nothing left to do.
    pub waits: usize,
    /// Times that it stood still for a submit to land while others were queued behind it.
    pub paced: usize,
    /// Dispatches recorded, and the host's time to record them.
    pub dispatches: usize,
    pub encode: Duration,
    /// From the first submit to the last result.
    pub wall: Duration,
    /// Device time of a step, the first two left out (drivers compile kernels on first use).
    pub step: Duration,
}

struct Flight {
    submission: wgpu::SubmissionIndex,
    signal: Signal,
    slot: usize,
    pieces: usize,
    /// Records that came along.
    records: usize,
}

/// The work of a run, piece by piece: each step's micro-batches, and before every `period`-th step the batches to evaluate.
#[derive(Clone, Copy)]
struct Work<'a> {
    /// A step's last micro-batch, and those before it.
    step: &'a [Launch],
    earlier: &'a [Launch],
    accumulate: usize,
    evaluation: &'a [Launch],
    batches: usize,
    period: usize,
    steps: usize,
}

impl<'a> Work<'a> {
    fn pieces(&self) -> usize {
        self.steps * self.accumulate + self.batches * self.steps.div_ceil(self.period)
    }

    /// Steps that end among the first `n` pieces.
    fn steps_in(&self, n: usize) -> usize {
        let round = self.batches + self.period * self.accumulate;
        n / round * self.period + (n % round).saturating_sub(self.batches) / self.accumulate
    }

    fn piece(&self, n: usize) -> &'a [Launch] {
        match (n % (self.batches + self.period * self.accumulate)).checked_sub(self.batches) {
            None => self.evaluation,
            Some(n) if (n + 1).is_multiple_of(self.accumulate) => self.step,
            Some(_) => self.earlier,
        }
    }
}

/// The state of one run, from the first submit to the last.
struct Runner<'a> {
    program: &'a Program,
    work: Work<'a>,
    between: Between<'a>,
    flights: VecDeque<Flight>,
    next_slot: usize,
    /// Pieces of work in the next submit.
    chunk: usize,
    last_landing: Option<Instant>,
    /// Pieces timed, and their time.
    timed: (usize, Duration),
    running: bool,
    /// The run's last submit is queued.
    closing: bool,
    finished: Finished,
}

impl Program {
    /// Runs `list` for `steps` steps over a dataset that `prepare` was called with.
    ///
    /// # Errors
    /// The device failed. A cancel is no error here: all that was submitted has ended, and its states are told.
    pub async fn run(
        &self,
        list: List,
        data: u64,
        steps: usize,
        between: Between<'_>,
        mut pace: Pace<'_>,
    ) -> Result<Finished> {
        let step = self.launches(list, data);
        let (period, batches, evaluation) = match between {
            Between::Evaluate { period, batches, data } => {
                (period, batches, self.launches(List::Inside, data))
            }
            Between::Nothing | Between::Collect { .. } | Between::Restore { .. } => {
                (1, 0, Default::default())
            }
        };
        let earlier = list.earlier().map(|list| self.launches(list, data));
        let accumulate = if earlier.is_some() { self.plan.accumulate } else { 1 };
        let earlier = earlier.unwrap_or_default();
        let (step, earlier, evaluation) = (&step[..], &earlier[..], &evaluation[..]);
        let work = Work { step, earlier, accumulate, evaluation, batches, period, steps };
        let pieces = work.pieces();
        let mut runner = Runner::new(self, work, between);
        let start = Instant::now();
        let mut submitted = 0;
        while submitted < pieces && runner.running {
            if (pace.cancelled)() {
                break; // what was submitted still counts: it is waited for below
            }
            let chunk = runner.chunk.min(pieces - submitted);
            runner.submit(chunk, submitted, pace.progress.is_some())?;
            submitted += chunk;
            // A slot must be free for the next submit; what else has landed is taken along.
            while runner.flights.len() == IN_FLIGHT || runner.landed()? {
                runner.land(&mut pace).await?;
            }
        }
        runner.finish(list, data, &mut pace).await?;
        runner.finished.wall = start.elapsed();
        let (timed, time) = runner.timed;
        let (timed, time) = if timed > 0 { (timed, time) } else { (pieces.max(1), runner.finished.wall) };
        // A step's share of the evaluations is counted with it.
        runner.finished.step = time.mul_f64(pieces as f64 / (timed * steps.max(1)) as f64);
        runner.finished.cancelled = (pace.cancelled)();
        Ok(std::mem::take(&mut runner.finished))
    }
}

/// An error, or a panic in the caller's callback, leaves submits in flight: their copies must be free for the next run.
impl Drop for Runner<'_> {
    fn drop(&mut self) {
        for flight in &self.flights {
            self.program.staging.states[flight.slot].unmap();
        }
    }
}

impl<'a> Runner<'a> {
    fn new(program: &'a Program, work: Work<'a>, between: Between<'a>) -> Self {
        Self {
            program,
            work,
            between,
            flights: VecDeque::with_capacity(IN_FLIGHT),
            next_slot: 0,
            chunk: 2,
            last_landing: None,
            timed: (0, Duration::ZERO),
            running: true,
            closing: false,
            finished: Finished::default(),
        }
    }

    fn encode<'l>(&mut self, encoder: &mut wgpu::CommandEncoder, launches: impl Iterator<Item = &'l Launch>) {
        let start = Instant::now();
        let mut pass = encoder.begin_compute_pass(&Default::default()).forget_lifetime();
        for launch in launches {
            self.finished.dispatches += 1;
            if !launch.refresh.is_empty() {
                drop(pass); // a copy has no place inside a pass
                launch.refresh.iter().for_each(|copy| copy.record(encoder));
                pass = encoder.begin_compute_pass(&Default::default()).forget_lifetime();
            }
            let [x, y, z] = launch.groups;
            pass.set_pipeline(&launch.pipeline.pipeline);
            pass.set_bind_group(0, &launch.group, &[]);
            pass.dispatch_workgroups(x, y, z);
        }
        drop(pass);
        self.finished.encode += start.elapsed();
    }

    /// Records `pieces` pieces of work from piece `first` on and a copy of the states (with `records`, of what the steps among
    /// them measured too), and hands them to the device.
    fn submit(&mut self, pieces: usize, first: usize, records: bool) -> Result<()> {
        let inner = &self.program.gpu.inner;
        let mut encoder = inner.device.create_command_encoder(&Default::default());
        if first == 0 {
            encoder.clear_buffer(self.program.buffer(Role::History), 0, None);
        }
        let (mut at, end, work) = (first, first + pieces, self.work);
        while at < end {
            let next = match self.between {
                Between::Nothing | Between::Evaluate { .. } => end,
                Between::Collect { .. } => at + 1,
                Between::Restore { period, snapshot } => {
                    let period = period * work.accumulate;
                    if at > 0 && at.is_multiple_of(period) {
                        self.program.record_restore(snapshot, &mut encoder);
                    }
                    end.min((at + 1).next_multiple_of(period))
                }
            };
            self.encode(&mut encoder, (at..next).flat_map(|n| work.piece(n)));
            if let Between::Collect { view, into } = self.between {
                self.program.record_collect(&view, into, at, &mut encoder);
            }
            at = next;
        }
        let slot = self.next_slot;
        let copy = &self.program.staging.states[slot];
        let states = (self.program.plan.replicas * size_of::<State>()) as u64;
        encoder.copy_buffer_to_buffer(self.program.buffer(Role::State), 0, copy, 0, states);
        let (from, until) = (work.steps_in(first), work.steps_in(end));
        let records = if records { until - from } else { 0 };
        if records > 0 {
            let history = self.program.buffer(Role::History);
            let row = size_of::<Record>() as u64;
            let bytes = records as u64 * row;
            for replica in 0..self.program.plan.replicas as u64 {
                let at = (replica * work.steps as u64 + from as u64) * row;
                encoder.copy_buffer_to_buffer(history, at, copy, states + replica * bytes, bytes);
            }
        }
        let submission = inner.queue.submit([encoder.finish()]);
        inner.settle();
        self.flights.push_back(Flight { submission, signal: Signal::map(copy), slot, pieces, records });
        self.next_slot = (slot + 1) % IN_FLIGHT;
        self.finished.submits += 1;
        Ok(())
    }

    /// Has the oldest submit ended?
    fn landed(&self) -> Result<bool> {
        self.program.gpu.inner.poll()?;
        Ok(self.flights.front().is_some_and(|f| f.signal.fired()))
    }

    /// Takes the states of the oldest submit, and learns from it how long a step takes.
    async fn land(&mut self, pace: &mut Pace<'_>) -> Result<()> {
        let Some(flight) = self.flights.pop_front() else { return Ok(()) };
        let stood = self.program.gpu.inner.wait(Some(flight.submission), &flight.signal).await?;
        // Behind it in the queue: what is in flight, and at the end of a run its closing submit.
        let busy = self.closing || !self.flights.is_empty();
        self.finished.paced += usize::from(stood && busy);
        self.finished.waits += usize::from(stood && !busy);
        let now = Instant::now();
        if let Some(last) = self.last_landing {
            let time = now - last;
            self.timed = (self.timed.0 + flight.pieces, self.timed.1 + time);
            let fits = (SUBMIT.as_secs_f64() * flight.pieces as f64 / time.as_secs_f64().max(1e-6)) as usize;
            let most = (MOST_DISPATCHES / self.work.step.len().max(1)).clamp(1, MOST_STEPS);
            self.chunk = fits.clamp(1, (4 * self.chunk).min(most));
        }
        self.last_landing = Some(now);
        let bytes: Vec<u8> = mapped(&self.program.staging.states[flight.slot])?;
        let (states, records) = bytes.split_at(self.program.plan.replicas * size_of::<State>());
        let states: Vec<State> = bytemuck::pod_collect_to_vec(states);
        self.running = states.iter().any(|s| s.running == 1);
        if let Some(progress) = &mut pace.progress {
            let some = self.program.plan.replicas * flight.records * size_of::<Record>();
            progress(&states, &bytemuck::pod_collect_to_vec::<u8, Record>(&records[..some]));
        }
        self.finished.states = states;
        Ok(())
    }

    async fn drain(&mut self, pace: &mut Pace<'_>) -> Result<()> {
        while !self.flights.is_empty() {
            self.land(pace).await?;
        }
        Ok(())
    }

    /// Closes the run: the last gradient norm, and the one read-back that the host waits for.
    async fn finish(&mut self, list: List, data: u64, pace: &mut Pace<'_>) -> Result<()> {
        let inner = &self.program.gpu.inner;
        let mut encoder = inner.device.create_command_encoder(&Default::default());
        if list == List::Step {
            let flush = self.program.launches(List::Flush, data);
            self.encode(&mut encoder, flush.iter());
        }
        let Some(copy) = &self.program.staging.history else {
            return Err(Error::Device { detail: "a run was not prepared".into() });
        };
        let history = self.program.buffer(Role::History);
        encoder.copy_buffer_to_buffer(history, 0, copy, 0, copy.size().min(history.size()));
        let evaluations = self.program.evaluations().filter(|_| self.work.batches > 0);
        if let Some((records, copy)) = evaluations {
            encoder.copy_buffer_to_buffer(records, 0, copy, 0, copy.size().min(records.size()));
        }
        let submission = inner.queue.submit([encoder.finish()]);
        self.finished.submits += 1;
        self.closing = true;
        self.drain(pace).await?;
        // Not before: the callback may panic, and the copy would stay mapped.
        let signal = Signal::map(copy);
        let second = evaluations.map(|(_, copy)| (copy, Signal::map(copy)));
        self.finished.waits += usize::from(inner.wait(Some(submission.clone()), &signal).await?);
        self.finished.history = mapped(copy)?;
        if let Some((copy, signal)) = second {
            self.finished.waits += usize::from(inner.wait(Some(submission), &signal).await?);
            self.finished.evaluations = mapped(copy)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three batches evaluated before every second step, each step in two micro-batches.
    #[test]
    fn steps_are_counted_in_pieces_of_work() {
        let none: &[Launch] = &[];
        let work = Work {
            step: none,
            earlier: none,
            accumulate: 2,
            evaluation: none,
            batches: 3,
            period: 2,
            steps: 5,
        };
        assert_eq!(work.pieces(), 3 + 4 + 3 + 4 + 3 + 2);
        let ended: Vec<usize> = (0..=work.pieces()).map(|n| work.steps_in(n)).collect();
        assert_eq!(ended, [0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 4, 4, 4, 4, 5]);
    }
}
