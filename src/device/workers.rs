//! The threads in which Mesa's CPU driver runs workgroups, kept on a core each where the scheduler does not manage to.
//!
//! The driver wakes as many of them as there are cores at each launch, some ten times in a step of a millisecond or two. On a virtual
//! machine Linux was seen to leave two of them on one core for seconds, beside an idle one: a step then takes up to twice as long
//! (`benches/NOTES.md`). Where other work has a part of the cores, the scheduler does better than fixed places. Both show in how
//! long they wait for a core, so that is what decides.

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};
use std::fs::{read_dir, read_to_string};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use web_time::Instant;

/// Time over which waiting is measured, at least and at most: between runs there is none.
const LOOK: Duration = Duration::from_millis(40);
const STALE: Duration = Duration::from_millis(400);
/// Shares of that time. On cores of their own the worst of them waits for a tenth, as the thread that wakes them needs one too; two on
/// one core for a fourth and more each, while the other core is idle for a third. Where launches are so small that waking is all of
/// it, they wait for a sixth and are better left together.
const WAITING: f64 = 0.25;
const WAITING_APART: f64 = 0.15;
const IDLE: f64 = 0.15;
/// Looks at which they wait too long in spite of places, less those at which they do not, before they lose them.
const PATIENCE: usize = 3;
/// Where places did not help, they are tried again after the first, and then after twice as long each time.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(8)];
/// Unit of the times in /proc/stat.
const TICK: Duration = Duration::from_millis(10);

/// The driver's threads of one adapter: one for each core, or none that were recognised.
#[derive(Default)]
pub(super) struct Workers {
    threads: Vec<i32>,
    cores: Vec<usize>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    last: Option<Look>,
    places: Places,
}

/// What had been counted up to a moment.
struct Look {
    at: Instant,
    /// How long each worker had waited for a core.
    waited: Vec<Duration>,
    /// How long the cores had been idle, all together.
    idle: Duration,
}

/// Is each bound to a core of its own, and how that went.
#[derive(Default)]
struct Places {
    apart: bool,
    bad: usize,
    /// Until when they are left alone, and for how long that was.
    rest: Option<(Instant, Duration)>,
}

impl Places {
    /// Takes in for which shares of the time the worst of them waited, and cores were idle, and says whether each should have one of its
    /// own.
    fn judge(&mut self, waiting: f64, idle: f64, now: Instant) -> bool {
        if !self.apart {
            let resting = self.rest.is_some_and(|(until, _)| now < until);
            self.apart = waiting > WAITING && idle > IDLE && !resting;
            self.bad = 0;
        } else if waiting <= WAITING_APART {
            self.bad = self.bad.saturating_sub(1);
        } else {
            self.bad += 1;
            if self.bad == PATIENCE {
                let pause = self.rest.map_or(AGAIN[0], |(_, last)| (2 * last).min(AGAIN[1]));
                self.rest = Some((now + pause, pause));
                self.apart = false;
            }
        }
        self.apart
    }
}

/// The threads that this process has now, by their numbers, and their names.
fn tasks() -> Vec<(i32, String)> {
    let all = read_dir("/proc/self/task").into_iter().flatten().flatten();
    let task = |path: std::path::PathBuf| {
        let name = read_to_string(path.join("comm")).ok()?;
        Some((path.file_name()?.to_str()?.parse().ok()?, name.trim_end().to_owned()))
    };
    let mut tasks: Vec<_> = all.filter_map(|entry| task(entry.path())).collect();
    tasks.sort_unstable();
    tasks
}

/// Numbers of the threads that there are.
pub(super) fn threads() -> Vec<i32> {
    if cfg!(target_os = "linux") { tasks().into_iter().map(|task| task.0).collect() } else { Vec::new() }
}

/// The driver's workers among `tasks`: it makes as many right after its rasterizers `llvmpipe-0` and so on, which alone have names of
/// their own; the others have the name of the thread that opened the device.
fn workers(tasks: &[(i32, String)], opener: &str) -> Vec<i32> {
    let rasterizers = tasks.iter().filter(|task| task.1.starts_with("llvmpipe-"));
    let Some(last) = rasterizers.clone().next_back() else { return Vec::new() };
    let ids: Vec<i32> = (1..=rasterizers.count() as i32).map(|k| last.0 + k).collect();
    let is_worker = |id: &i32| tasks.iter().any(|task| task.0 == *id && task.1 == opener);
    if ids.iter().all(is_worker) { ids } else { Vec::new() }
}

impl Workers {
    /// Those that are not among `before`, the [`threads`] before this one opened the device. None where they are not just as many as
    /// cores: a larger machine has room.
    pub fn since(before: &[i32]) -> Self {
        if !cfg!(target_os = "linux") {
            return Self::default();
        }
        let mut made = tasks();
        made.retain(|task| !before.contains(&task.0));
        let opener = read_to_string("/proc/thread-self/comm").unwrap_or_default();
        let mut threads = workers(&made, opener.trim_end());
        let cores = cores();
        if threads.len() != cores.len() {
            threads.clear();
        }
        Self { threads, cores, ..Self::default() }
    }

    /// While work is submitted: where they wait for cores, each gets one of its own; where that does not help, any core is for all.
    pub fn settle(&self) {
        if !cfg!(target_os = "linux") || self.threads.is_empty() {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.last.as_ref().is_some_and(|last| last.at.elapsed() < LOOK) {
            return;
        }
        let waited = self.threads.iter().map(|id| waited(*id)).collect();
        let look = Look { at: Instant::now(), waited, idle: idle(&self.cores) };
        let then = seen.last.as_ref().filter(|then| look.at - then.at < STALE);
        if let Some((waiting, idle)) = then.map(|then| look.since(then)) {
            let before = seen.places.apart;
            let apart = seen.places.judge(waiting, idle / self.cores.len() as f64, look.at);
            if apart != before {
                self.place(apart);
            }
        }
        seen.last = Some(look);
    }

    fn place(&self, apart: bool) {
        for (thread, core) in self.threads.iter().zip(&self.cores) {
            bind(*thread, if apart { std::slice::from_ref(core) } else { &self.cores });
        }
    }
}

impl Look {
    /// Shares of the time since then: that for which the worst thread waited, and all cores' idle ones added.
    fn since(&self, then: &Self) -> (f64, f64) {
        let time = (self.at - then.at).as_secs_f64();
        let waited = self.waited.iter().zip(&then.waited).map(|(now, then)| now.saturating_sub(*then));
        let most = waited.max().unwrap_or_default();
        (most.as_secs_f64() / time, self.idle.saturating_sub(then.idle).as_secs_f64() / time)
    }
}

/// How long a thread was ready to run and had no core: the second number of its schedstat, see proc(5).
fn waited(thread: i32) -> Duration {
    let stat = read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap_or_default();
    stat.split(' ').nth(1).and_then(|ns| ns.parse().ok()).map_or(Duration::ZERO, Duration::from_nanos)
}

/// How long these cores had nothing to do: the fourth number of their lines in /proc/stat.
fn idle(cores: &[usize]) -> Duration {
    let stat = read_to_string("/proc/stat").unwrap_or_default();
    let of = |line: &str| {
        let mut words = line.strip_prefix("cpu")?.split(' ');
        let core = words.next()?.parse().ok()?;
        let ticks: u32 = words.nth(3)?.parse().ok()?;
        cores.contains(&core).then_some(TICK * ticks)
    };
    stat.lines().filter_map(of).sum()
}

/// Cores that this thread may run on.
fn cores() -> Vec<usize> {
    #[cfg(target_os = "linux")]
    if let Ok(set) = sched_getaffinity(None) {
        return (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect();
    }
    Vec::new()
}

/// A thread that is gone by now needs no core, and none is owed one: a refusal changes nothing but speed.
fn bind(thread: i32, cores: &[usize]) {
    #[cfg(target_os = "linux")]
    if let Some(thread) = Pid::from_raw(thread) {
        let mut set = CpuSet::new();
        cores.iter().for_each(|&core| set.set(core));
        let _ = sched_setaffinity(Some(thread), &set);
    }
    let _ = (thread, cores);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(names: &[&str]) -> Vec<(i32, String)> {
        (10..).zip(names.iter().map(|name| (*name).to_owned())).collect()
    }

    #[test]
    fn workers_follow_the_rasterizers() {
        let tasks = made(&["find", "llvmpipe-0", "llvmpipe-1", "find", "find", "find:disk$0"]);
        assert_eq!(workers(&tasks, "find"), [13, 14]);
    }

    /// Whatever is not sure to be the driver's stays as it is.
    #[test]
    fn nothing_else_is_taken_for_a_worker() {
        for names in [
            &["find", "find", "find"][..],
            &["llvmpipe-0", "llvmpipe-1", "find"],
            &["llvmpipe-0", "llvmpipe-1", "find", "other"],
            &["find", "find", "llvmpipe-0", "llvmpipe-1"],
        ] {
            assert!(workers(&made(names), "find").is_empty(), "{names:?}");
        }
        let mut apart = made(&["llvmpipe-0", "llvmpipe-1", "find", "find"]);
        apart[3].0 += 1;
        assert!(workers(&apart, "find").is_empty());
    }

    #[test]
    fn places_are_given_where_threads_wait_beside_idle_cores() {
        let start = Instant::now();
        let judge = |waiting, idle| Places::default().judge(waiting, idle, start);
        assert!(judge(0.3, 0.4));
        assert!(!judge(0.05, 0.4) && !judge(0.5, 0.0));
    }

    #[test]
    fn places_are_kept_where_they_help() {
        let start = Instant::now();
        let mut places = Places { apart: true, ..Places::default() };
        assert!(
            [0.3, 0.3, 0.02, 0.3, 0.02, 0.3].into_iter().all(|waiting| places.judge(waiting, 0.3, start))
        );
    }

    /// Where some other work comes and goes, each try is over after three looks, and the next one comes after twice the time.
    #[test]
    fn places_that_do_not_help_are_tried_less_and_less() {
        let start = Instant::now();
        let mut places = Places::default();
        let mut tries = Vec::new();
        for ms in (0..40_000).step_by(20) {
            let before = places.apart;
            if places.judge(0.4, 0.4, start + Duration::from_millis(ms)) && !before {
                tries.push(ms);
            }
        }
        let gaps: Vec<u64> = tries.windows(2).map(|pair| (pair[1] - pair[0]) / 100).collect();
        assert_eq!(gaps.split_at(6).0, [5, 10, 20, 40, 80, 80]);
    }

    #[test]
    fn the_system_says_how_long_cores_were_idle_and_threads_waited() {
        let before = idle(&cores());
        std::thread::sleep(Duration::from_millis(60));
        if cfg!(target_os = "linux") {
            assert!(idle(&cores()) >= before && before > Duration::ZERO);
        }
        let look = |at, waited: [u64; 2], idle| Look {
            at,
            waited: waited.map(Duration::from_millis).into(),
            idle: Duration::from_millis(idle),
        };
        let start = Instant::now();
        let then = look(start, [100, 50], 1000);
        let (waiting, idle) = look(start + Duration::from_millis(50), [110, 75], 1040).since(&then);
        assert!((waiting - 0.5).abs() < 1e-9 && (idle - 0.8).abs() < 1e-9);
    }

    /// On the driver of the tests, Mesa 22; other versions may name their threads otherwise. Threads that other tests start in between
    /// have the numbers that the driver's should have: then they are not recognised, and a new device is tried.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_driver_s_threads_are_found_and_moved() {
        let open = |_| pollster::block_on(crate::Gpu::new()).unwrap();
        let workers_of = |gpu: &crate::Gpu| gpu.inner.opened.as_ref().unwrap().1.threads.len();
        let gpu = (0..50).map(open).find(|gpu| workers_of(gpu) > 0).unwrap_or_else(|| open(50));
        let (_, workers) = gpu.inner.opened.as_ref().unwrap();
        if !gpu.adapter().driver.starts_with("llvmpipe Mesa 22") || cores().len() > 8 {
            assert!(workers.threads.is_empty() || workers.threads.len() == cores().len());
            return;
        }
        assert_eq!(workers.threads.len(), cores().len());
        let places = || -> Vec<Vec<usize>> {
            let set = |id: &i32| sched_getaffinity(Pid::from_raw(*id)).unwrap();
            let cores = |set: CpuSet| (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect();
            workers.threads.iter().map(set).map(cores).collect()
        };
        workers.place(true);
        assert_eq!(places(), cores().into_iter().map(|core| vec![core]).collect::<Vec<_>>());
        workers.place(false);
        assert_eq!(places(), vec![cores(); cores().len()]);
    }
}
