//! The only file that knows about threads.
//!
//! [`parallel_for`] runs `n` independent tasks. How work is cut into tasks must depend on shapes
//! alone, never on [`threads`], so that results are the same bit for bit for any thread count.
//!
//! Rayon supplies the threads, but not the barriers: waking a sleeping pool costs tens of
//! microseconds, as long as many a kernel runs. The workers stay in a loop of ours, where they spin
//! for a moment after each job ([`Team::idle`]) before they park. [`enter`] keeps the team for one
//! caller over many jobs (a training step, an epoch), so that a job costs well under a microsecond.
//!
//! A job is cut into one contiguous range of tasks per thread. Whoever has finished its own range
//! takes tasks from the others' ranges, so the caller never waits for a thread that sleeps, was
//! descheduled, or does not exist (in the child of a `fork`): it does the work itself.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
use std::sync::{Condvar, Mutex, MutexGuard, Once, OnceLock};
use std::time::{Duration, Instant};

/// More threads than this are never used.
const MAX_THREADS: usize = 256;
/// Work below this stays on the calling thread, in flops or bytes: inside [`enter`], ...
const GRAIN_ENTERED: usize = 300_000;
/// ... outside it while the workers still spin, ...
const GRAIN_SPINNING: usize = 500_000;
/// ... and when they sleep, where waking them costs some tens of microseconds: for one job, or for
/// several that follow each other.
const GRAIN_SLEEPING: usize = 2_000_000;

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The number of threads that kernels use: `RUSTDL_NUM_THREADS`, else the processors that affinity
/// mask and control group leave to this process.
pub fn threads() -> usize {
    match THREADS.load(Relaxed) {
        0 => {
            let n = std::env::var("RUSTDL_NUM_THREADS")
                .ok()
                .and_then(|v| v.trim().parse().ok())
                .filter(|&n| n > 0)
                .unwrap_or_else(processors)
                .min(MAX_THREADS);
            THREADS.store(n, Relaxed);
            n
        }
        n => n,
    }
}

/// Sets the number of threads (clamped to 1..=256); results do not depend on it.
pub fn set_threads(n: usize) {
    THREADS.store(n.clamp(1, MAX_THREADS), Relaxed);
}

/// The processors this process may use (the standard library reads affinity and cgroup quotas).
fn processors() -> usize {
    static N: OnceLock<usize> = OnceLock::new();
    *N.get_or_init(|| std::thread::available_parallelism().map_or(1, Into::into))
}

/// How long a thread spins before it parks: `RUSTDL_SPIN_US`, else 50 microseconds; not at all when
/// there are more threads than processors, since a spinning thread then keeps a working one out.
fn spin_time() -> Duration {
    static TIME: OnceLock<Duration> = OnceLock::new();
    if threads() > processors() {
        return Duration::ZERO;
    }
    *TIME.get_or_init(|| {
        let us = std::env::var("RUSTDL_SPIN_US").ok();
        Duration::from_micros(us.and_then(|v| v.trim().parse().ok()).unwrap_or(50))
    })
}

/// Spins until `ready` or until [`spin_time`] is over; tells whether `ready` came true.
fn spin_until(ready: impl Fn() -> bool) -> bool {
    let mut start = None;
    loop {
        for _ in 0..64 {
            if ready() {
                return true;
            }
            std::hint::spin_loop();
        }
        if start.get_or_insert_with(Instant::now).elapsed() >= spin_time() {
            return ready();
        }
    }
}

/// Keeps a value on cache lines of its own (two, since lines are prefetched in pairs).
#[repr(align(128))]
struct Padded<T>(T);

/// The tasks left to one thread: whoever adds 1 to `next` and finds it below `end` runs that task.
struct Range {
    next: AtomicUsize,
    end: AtomicUsize,
}

/// What to run: `call(task, i)` for every task `i` of the ranges.
#[derive(Clone, Copy)]
struct Job {
    task: *const (),
    call: unsafe fn(*const (), usize),
    /// Threads that the ranges were cut for.
    parts: usize,
}

/// The caller and its workers. Teams are never freed: workers may look at them at any time.
struct Team {
    /// Held by the caller that may publish jobs.
    busy: Padded<AtomicBool>,
    /// Number of the job << 32 | open << 31 | threads inside the job other than the caller.
    state: Padded<AtomicU64>,
    job: UnsafeCell<Job>,
    ranges: Box<[Padded<Range>]>,
    /// A task of the current job panicked.
    failed: AtomicBool,
    payload: Mutex<Option<Box<dyn Any + Send>>>,
    /// Workers that exist, besides the caller.
    workers: AtomicUsize,
    sleepers: AtomicUsize,
    /// Work that ran on callers alone since the workers last woke, because it was not worth waking them.
    debt: AtomicUsize,
    caller_waits: AtomicBool,
    mutex: Mutex<()>,
    wake: Condvar,
    done: Condvar,
}

// SAFETY: `job` is written only by the holder of `busy` while the job is closed and nobody is inside
// it, and read only by threads inside an open one (see `publish`, `join` and `close`).
unsafe impl Sync for Team {}

const OPEN: u64 = 1 << 31;
const INSIDE: u64 = OPEN - 1;

thread_local! {
    /// The team that this thread holds through `enter`.
    static HELD: Cell<*const Team> = const { Cell::new(std::ptr::null()) };
    /// Is this thread inside a task? Then further parallel work runs serially.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
}

/// The team of this process; null until the first parallel work, and again after a fork.
static TEAM: AtomicPtr<Team> = AtomicPtr::new(std::ptr::null_mut());

/// The team; made on first use.
fn team() -> &'static Team {
    let team = TEAM.load(Acquire);
    if !team.is_null() {
        // SAFETY: teams are never freed.
        return unsafe { &*team };
    }
    forget_team_after_fork();
    let fresh = Box::into_raw(Box::new(Team::new()));
    match TEAM.compare_exchange(std::ptr::null_mut(), fresh, SeqCst, Acquire) {
        // SAFETY: published just now, and never freed.
        Ok(_) => unsafe { &*fresh },
        Err(other) => {
            // SAFETY: `fresh` was never published; `other` was, and is never freed.
            unsafe {
                drop(Box::from_raw(fresh));
                &*other
            }
        }
    }
}

/// In the child of a fork no thread but the forking one exists: it must build its own team, and
/// leak the old one, whose locks may be held for ever.
fn forget_team_after_fork() {
    #[cfg(unix)]
    {
        extern "C" fn forget() {
            TEAM.store(std::ptr::null_mut(), SeqCst);
        }
        static REGISTER: Once = Once::new();
        REGISTER.call_once(|| {
            // SAFETY: the handler is one atomic store, which is allowed in the child of a fork.
            unsafe { libc::pthread_atfork(None, None, Some(forget)) };
        });
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

impl Team {
    fn new() -> Team {
        unsafe fn nothing(_: *const (), _: usize) {}
        let range = || {
            Padded(Range {
                next: AtomicUsize::new(0),
                end: AtomicUsize::new(0),
            })
        };
        Team {
            busy: Padded(AtomicBool::new(false)),
            state: Padded(AtomicU64::new(0)),
            job: UnsafeCell::new(Job {
                task: std::ptr::null(),
                call: nothing,
                parts: 0,
            }),
            ranges: (0..MAX_THREADS).map(|_| range()).collect(),
            failed: AtomicBool::new(false),
            payload: Mutex::new(None),
            workers: AtomicUsize::new(0),
            sleepers: AtomicUsize::new(0),
            debt: AtomicUsize::new(0),
            caller_waits: AtomicBool::new(false),
            mutex: Mutex::new(()),
            wake: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// Are workers to take part in a job of `flops` that a caller brings from outside [`enter`]?
    ///
    /// Sleeping workers are woken for long jobs, and for the last of several short ones that would
    /// together have been worth it: then more of them are likely to follow, and find the workers awake.
    fn is_worth_it(&self, flops: usize) -> bool {
        if self.sleepers.load(Relaxed) == 0 && self.workers.load(Relaxed) > 0 {
            return true;
        }
        let debt = self.debt.load(Relaxed).saturating_add(flops);
        let wake = debt >= GRAIN_SLEEPING;
        self.debt.store(if wake { 0 } else { debt }, Relaxed);
        wake
    }

    /// Takes the team for this thread, unless another has it.
    fn acquire(&self) -> Option<Hold<'_>> {
        self.busy
            .0
            .compare_exchange(false, true, Acquire, Relaxed)
            .ok()
            .map(|_| Hold(self))
    }

    /// Starts the workers that `threads()` asks for and that do not exist yet.
    ///
    /// If the system refuses threads, the work is done by those there are.
    fn grow(&'static self) {
        let (have, want) = (self.workers.load(Relaxed), threads() - 1);
        if have >= want {
            return;
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(want - have)
            .thread_name(move |i| format!("rustdl-{}", have + i + 1))
            .build();
        // Counted even when they could not be had, so as not to try again on every call.
        self.workers.store(want, Relaxed);
        if let Ok(pool) = pool {
            pool.spawn_broadcast(move |cx| self.work(have + cx.index() + 1));
            // Dropping a pool asks its threads to end.
            std::mem::forget(pool);
        }
    }

    /// The life of worker `me` (1 and up; the caller is 0).
    fn work(&self, me: usize) {
        let mut seen = 0;
        loop {
            seen = self.idle(seen);
            if self.join(seen) {
                // SAFETY: we are inside an open job, so nobody writes `job` until we leave.
                let job = unsafe { *self.job.get() };
                if me < job.parts {
                    self.take_part(&job, me);
                }
                self.leave();
            }
        }
    }

    /// Waits for a job with a number other than `seen`, spinning at first; returns its number.
    fn idle(&self, seen: u64) -> u64 {
        let news = || self.state.0.load(SeqCst) >> 32 != seen;
        if !spin_until(news) {
            let mut guard = lock(&self.mutex);
            // Said before looking again: a caller that misses us here has published before we look.
            self.sleepers.fetch_add(1, SeqCst);
            while !news() {
                guard = self.wake.wait(guard).unwrap_or_else(|e| e.into_inner());
            }
            self.sleepers.fetch_sub(1, SeqCst);
        }
        self.state.0.load(SeqCst) >> 32
    }

    /// Enters job `number` if it is still open.
    fn join(&self, number: u64) -> bool {
        let mut s = self.state.0.load(SeqCst);
        while s >> 32 == number && s & OPEN != 0 {
            match self
                .state
                .0
                .compare_exchange_weak(s, s + 1, SeqCst, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => s = now,
            }
        }
        false
    }

    /// Leaves the job; the last one out wakes a caller that waits.
    fn leave(&self) {
        let before = self.state.0.fetch_sub(1, SeqCst);
        if before & OPEN == 0 && before & INSIDE == 1 && self.caller_waits.load(SeqCst) {
            drop(lock(&self.mutex));
            self.done.notify_all();
        }
    }

    /// Runs the tasks of range `me`, then what is left of the others.
    fn take_part(&self, job: &Job, me: usize) {
        let outer = IN_TASK.replace(true);
        let run = || {
            for part in (me..job.parts).chain(0..me) {
                let range = &self.ranges[part].0;
                let end = range.end.load(Relaxed);
                while range.next.load(Relaxed) < end {
                    let i = range.next.fetch_add(1, Relaxed);
                    if i >= end || self.failed.load(Relaxed) {
                        break;
                    }
                    // SAFETY: the caller keeps the task alive until everybody has left the job.
                    unsafe { (job.call)(job.task, i) };
                }
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            self.failed.store(true, SeqCst);
            lock(&self.payload).get_or_insert(panic);
        }
        IN_TASK.set(outer);
    }

    /// Runs the tasks on the caller and `parts - 1` workers. The caller must hold `busy`.
    fn run<F: Fn(usize) + Sync>(&'static self, n: usize, task: &F) {
        unsafe fn call<F: Fn(usize)>(task: *const (), i: usize) {
            // SAFETY: `task` points to the `F` that `run` borrows.
            unsafe { (*task.cast::<F>())(i) }
        }
        self.grow();
        let job = Job {
            task: (task as *const F).cast(),
            call: call::<F>,
            parts: threads().min(n),
        };
        self.publish(job, n);
        self.take_part(&job, 0);
        self.close();
        if self.failed.load(SeqCst) {
            let panic = lock(&self.payload).take();
            resume_unwind(panic.unwrap_or_else(|| Box::new("a task of parallel_for panicked")));
        }
    }

    /// Opens `job`: its `n` tasks, cut into a range for each part.
    fn publish(&self, job: Job, n: usize) {
        for part in 0..job.parts {
            let range = &self.ranges[part].0;
            range.next.store(n * part / job.parts, Relaxed);
            range.end.store(n * (part + 1) / job.parts, Relaxed);
        }
        self.failed.store(false, Relaxed);
        // SAFETY: the last job is closed and empty (`close`), so nobody reads this one yet.
        unsafe { *self.job.get() = job };
        let number = (self.state.0.load(Relaxed) >> 32).wrapping_add(1) & 0xffff_ffff;
        self.state.0.store(number << 32 | OPEN, SeqCst);
        if self.sleepers.load(SeqCst) > 0 {
            drop(lock(&self.mutex));
            self.wake.notify_all();
        }
    }

    /// Lets nobody in any more, and waits until all who are inside have left.
    fn close(&self) {
        let empty = || self.state.0.load(SeqCst) & INSIDE == 0;
        if self.state.0.fetch_and(!OPEN, SeqCst) & INSIDE == 0 || spin_until(empty) {
            return;
        }
        let mut guard = lock(&self.mutex);
        self.caller_waits.store(true, SeqCst);
        while !empty() {
            guard = self.done.wait(guard).unwrap_or_else(|e| e.into_inner());
        }
        self.caller_waits.store(false, SeqCst);
    }
}

/// The team held by this thread; given back when dropped.
struct Hold<'a>(&'a Team);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.busy.0.store(false, Release);
    }
}

/// Runs `f` with the threads at hand: every [`parallel_for`] in it finds them spinning.
///
/// Meant for a training step or an epoch. If another thread has them already, or inside a task,
/// `f` runs all the same, but its parallel work may run serially. Nothing is started before the
/// first parallel work.
pub fn enter<R>(f: impl FnOnce() -> R) -> R {
    struct Leave(*const Team);
    impl Drop for Leave {
        fn drop(&mut self) {
            HELD.set(self.0);
        }
    }
    if threads() == 1 || IN_TASK.get() || held().is_some() {
        return f();
    }
    let Some(hold) = team().acquire() else {
        return f();
    };
    let _leave = Leave(HELD.replace(hold.0));
    f()
}

/// The team that this thread holds, unless a fork took its workers away.
fn held() -> Option<&'static Team> {
    let held = HELD.get();
    // SAFETY: teams are never freed.
    (!held.is_null() && held == TEAM.load(Relaxed)).then(|| unsafe { &*held })
}

/// Runs `task(0) .. task(n - 1)`, each once, in any order, on any threads, and returns when all are
/// done.
///
/// `flops` is a rough count of the whole work in arithmetic operations or bytes moved: below some
/// 100 000 (500 000 to 2 000 000 outside [`enter`]) everything runs on the calling thread. A
/// `parallel_for` inside a task runs serially. If a task panics, the panic goes on in the caller
/// once all threads are out; tasks not yet begun are dropped. Nothing is allocated.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// let sum = AtomicUsize::new(0);
/// rustdl::par::parallel_for(100, 10_000_000, |i| {
///     sum.fetch_add(i, Ordering::Relaxed);
/// });
/// assert_eq!(sum.into_inner(), 4950);
/// ```
pub fn parallel_for<F: Fn(usize) + Sync>(n: usize, flops: usize, task: F) {
    if n > 1 && flops >= GRAIN_ENTERED && threads() > 1 && !IN_TASK.get() {
        if let Some(team) = held() {
            return team.run(n, &task);
        }
        if flops >= GRAIN_SPINNING {
            let team = team();
            if team.is_worth_it(flops)
                && let Some(_hold) = team.acquire()
            {
                return team.run(n, &task);
            }
        }
    }
    for i in 0..n {
        task(i);
    }
}

/// For tests: `set_threads` is global, so tests that call it must not overlap.
#[cfg(test)]
pub(crate) fn with_threads<R>(n: usize, f: impl FnOnce() -> R) -> R {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = lock(&ONE_AT_A_TIME);
    let before = threads();
    set_threads(n);
    let result = catch_unwind(AssertUnwindSafe(f));
    set_threads(before);
    result.unwrap_or_else(|p| resume_unwind(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enough work for any grain.
    const BIG: usize = usize::MAX;

    fn each_runs_once(n: usize) {
        let counts: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
        parallel_for(n, BIG, |i| {
            counts[i].fetch_add(1, Relaxed);
        });
        assert!(counts.iter().all(|c| c.load(Relaxed) == 1), "{n} tasks");
    }

    #[test]
    fn every_task_runs_once_for_any_thread_count() {
        for t in [1, 2, 3, 4, 7, 2, 1, 5] {
            with_threads(t, || {
                (0..40).chain([1000]).for_each(each_runs_once);
                enter(|| (0..40).chain([1000]).for_each(each_runs_once));
            });
        }
    }

    #[test]
    fn several_threads_really_take_part() {
        with_threads(2, || {
            // Two tasks that wait for each other can only end on two threads.
            let there = [AtomicBool::new(false), AtomicBool::new(false)];
            let meet = || {
                let mine = held().is_some(); // else another test has the team just now
                if mine {
                    parallel_for(2, BIG, |i| {
                        there[i].store(true, SeqCst);
                        while !there[1 - i].load(SeqCst) {
                            std::thread::yield_now();
                        }
                    });
                }
                mine
            };
            while !enter(meet) {
                std::thread::yield_now();
            }
        });
    }

    #[test]
    fn little_work_stays_on_the_caller() {
        with_threads(4, || {
            let me = std::thread::current().id();
            parallel_for(64, 1000, |_| assert_eq!(std::thread::current().id(), me));
        });
    }

    #[test]
    fn nested_calls_run_serially() {
        with_threads(4, || {
            let count = AtomicUsize::new(0);
            parallel_for(8, BIG, |_| {
                let me = std::thread::current().id();
                enter(|| {
                    parallel_for(8, BIG, |_| {
                        assert_eq!(std::thread::current().id(), me);
                        count.fetch_add(1, Relaxed);
                    });
                });
            });
            assert_eq!(count.into_inner(), 64);
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_lives_on() {
        with_threads(4, || {
            for bad in [0, 5, 99] {
                for entered in [false, true] {
                    let run = || parallel_for(100, BIG, |i| assert_ne!(i, bad, "task {bad}"));
                    let r = catch_unwind(|| if entered { enter(run) } else { run() });
                    let message = *r.unwrap_err().downcast::<String>().unwrap();
                    assert!(message.contains(&format!("task {bad}")), "{message}");
                    assert!(!IN_TASK.get() && held().is_none());
                    each_runs_once(50);
                }
            }
        });
    }

    #[test]
    fn eight_callers_at_once() {
        with_threads(4, || {
            std::thread::scope(|s| {
                for k in 0..8 {
                    s.spawn(move || {
                        for i in 0..200 {
                            if (i + k) % 3 == 0 {
                                enter(|| each_runs_once(i % 17));
                            } else {
                                each_runs_once(i % 17);
                            }
                        }
                    });
                }
            });
        });
    }

    #[test]
    fn workers_wake_from_sleep() {
        with_threads(3, || {
            for _ in 0..20 {
                each_runs_once(30);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
    }

    /// Forks; the child runs `f` and must end with status 0 before long.
    #[cfg(unix)]
    fn in_forked_child(f: impl FnOnce()) {
        // SAFETY: the child only runs `f`, which uses our own teams and takes no lock that another
        // thread of the parent may hold, and then leaves without running destructors.
        unsafe {
            let pid = libc::fork();
            assert!(pid >= 0);
            if pid == 0 {
                libc::alarm(20);
                let ok = catch_unwind(AssertUnwindSafe(f)).is_ok();
                libc::_exit(if ok { 0 } else { 1 });
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
            assert_eq!(status, 0, "the child failed or hung");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_child_of_a_fork_has_its_own_team() {
        with_threads(2, || {
            each_runs_once(10);
            let old = TEAM.load(SeqCst);
            assert!(!old.is_null());
            let check = || {
                let sum = AtomicUsize::new(0);
                parallel_for(100, BIG, |i| {
                    sum.fetch_add(i, Relaxed);
                });
                assert_eq!(sum.load(Relaxed), 4950);
                assert_ne!(TEAM.load(SeqCst), old);
                assert_eq!(team().workers.load(Relaxed), 1);
            };
            in_forked_child(check);
            enter(|| in_forked_child(check));
            each_runs_once(10);
        });
    }

    #[test]
    fn the_count_is_clamped() {
        with_threads(1, || {
            set_threads(0);
            assert_eq!(threads(), 1);
            set_threads(usize::MAX);
            assert_eq!(threads(), MAX_THREADS);
        });
    }
}
