//! Device time of each dispatch, by timestamps around a pass of its own.

use super::program::{List, Program, mapped};
use super::signal::Signal;
use crate::error::{Error, Result};
use std::time::Duration;
use wgpu::BufferUsages as Usage;

impl Program {
    /// Runs `list` for `steps` steps, one pass a dispatch, and returns the median time of each dispatch. A pass of its own
    /// costs more than a place in a shared one: the sum is above what a step takes. Of a step's micro-batches the last is timed.
    ///
    /// # Errors
    /// The device has no timestamps, or failed.
    pub async fn profile(&self, list: List, data: u64, steps: usize) -> Result<Vec<Duration>> {
        let inner = &self.gpu.inner;
        if !inner.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Err(Error::Device {
                detail: "has no timestamps; kernels can't be timed one by one".into(),
            });
        }
        let launches = self.launches(list, data);
        let earlier = list.earlier().map(|list| self.launches(list, data)).unwrap_or_default();
        let count = 2 * launches.len() as u32;
        let bytes = 8 * u64::from(count);
        let make = || {
            let queries = inner.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("profile"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let ticks = inner.buffer("timestamps", bytes, Usage::QUERY_RESOLVE | Usage::COPY_SRC)?;
            let copy = inner.buffer("timestamp copy", bytes, Usage::MAP_READ | Usage::COPY_DST)?;
            Ok((queries, ticks, copy))
        };
        let (queries, ticks, copy) = inner.scoped(make).await?;
        let mut times = vec![Vec::with_capacity(steps); launches.len()];
        for _ in 0..steps {
            let mut encoder = inner.device.create_command_encoder(&Default::default());
            for launch in std::iter::repeat_n(&earlier, self.plan.accumulate - 1).flat_map(|l| l.iter()) {
                launch.refresh.iter().for_each(|copy| copy.record(&mut encoder));
                let [x, y, z] = launch.groups;
                let mut pass = encoder.begin_compute_pass(&Default::default());
                pass.set_pipeline(&launch.pipeline.pipeline);
                pass.set_bind_group(0, &launch.group, &[]);
                pass.dispatch_workgroups(x, y, z);
            }
            for (i, launch) in (0..).zip(launches.iter()) {
                launch.refresh.iter().for_each(|copy| copy.record(&mut encoder));
                let [x, y, z] = launch.groups;
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: None,
                    timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                        query_set: &queries,
                        beginning_of_pass_write_index: Some(2 * i),
                        end_of_pass_write_index: Some(2 * i + 1),
                    }),
                });
                pass.set_pipeline(&launch.pipeline.pipeline);
                pass.set_bind_group(0, &launch.group, &[]);
                pass.dispatch_workgroups(x, y, z);
            }
            encoder.resolve_query_set(&queries, 0..count, &ticks, 0);
            encoder.copy_buffer_to_buffer(&ticks, 0, &copy, 0, bytes);
            let submission = inner.queue.submit([encoder.finish()]);
            inner.settle();
            let signal = Signal::map(&copy);
            inner.wait(Some(submission), &signal).await?;
            let ticks: Vec<u64> = mapped(&copy)?;
            for (times, pair) in times.iter_mut().zip(ticks.chunks_exact(2)) {
                times.push(pair[1].saturating_sub(pair[0]));
            }
        }
        let period = f64::from(inner.queue.get_timestamp_period());
        let median = |mut ticks: Vec<u64>| {
            ticks.sort_unstable();
            let middle = ticks.get(ticks.len() / 2).copied().unwrap_or(0);
            Duration::from_nanos((middle as f64 * period) as u64)
        };
        Ok(times.into_iter().map(median).collect())
    }
}
