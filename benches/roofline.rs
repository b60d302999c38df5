//! The limits of this machine: multiply-add peaks, read bandwidth of each cache level, and what a
//! parallel job costs. Everything else is judged against these.
//!
//! `cargo bench --bench roofline` prints the best of many runs, on one thread and on all.

use rustdl::buffer::Buffer;
use rustdl::par;
use rustdl::simd::{Float, Isa, Kernel, Lanes, dispatch};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn main() {
    let all = par::threads();
    for threads in if all == 1 { vec![1] } else { vec![1, all] } {
        par::set_threads(threads);
        println!("{threads} thread(s)");
        println!("  f32 peak   {:8.1} GFLOP/s", flops(threads, fma::<f32>));
        println!("  f64 peak   {:8.1} GFLOP/s", flops(threads, fma::<f64>));
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512bf16") {
            // SAFETY: the instructions are there.
            let run = |n| unsafe { dot_bf16(n) };
            println!("  bf16 peak  {:8.1} GFLOP/s", flops(threads, run));
        }
        for (name, bytes) in [
            ("L1", 16 << 10),
            ("L2", 512 << 10),
            ("L3", 8 << 20),
            ("memory", 256 << 20),
        ] {
            println!("  {name:<10} {:8.1} GB/s read", bandwidth(threads, bytes));
        }
        println!("  empty job  {:8.0} ns inside `enter`", job(true));
        println!("  empty job  {:8.0} ns outside", job(false));
    }
}

/// The shortest of many runs of `f`, in seconds.
fn best(mut f: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(300) {
        let t = Instant::now();
        f();
        best = best.min(t.elapsed());
    }
    best.as_secs_f64()
}

/// GFLOP/s of `run(steps)`, which returns the operations it did, on each of `threads` threads.
fn flops(threads: usize, run: impl Fn(usize) -> usize + Sync) -> f64 {
    const STEPS: usize = 100_000;
    let done = std::sync::atomic::AtomicUsize::new(0);
    let each = |_| {
        done.store(run(STEPS), std::sync::atomic::Ordering::Relaxed);
    };
    let seconds = best(|| par::enter(|| par::parallel_for(threads, usize::MAX, each)));
    (done.into_inner() * threads) as f64 / seconds / 1e9
}

/// Independent chains of multiply-adds, enough to hide their latency.
fn fma<T: Float>(steps: usize) -> usize {
    struct Fma<T>(usize, T);
    impl<T: Float> Kernel for Fma<T> {
        type Out = usize;
        #[inline(always)]
        unsafe fn run<I: Isa>(self) -> usize {
            // SAFETY: the CPU has the level, as `dispatch` sees to.
            unsafe { chains::<T, T::Simd<I>>(self.0, self.1) }
        }
    }
    dispatch(Fma(steps, black_box(T::from_f64(0.5))))
}

#[inline(always)]
unsafe fn chains<T: Float, L: Lanes<T>>(steps: usize, x: T) -> usize {
    // SAFETY: the caller vouches for the CPU.
    unsafe {
        let x = L::splat(x);
        let mut acc = [x; 12];
        for _ in 0..steps {
            for a in &mut acc {
                *a = L::fma(*a, x, x);
            }
        }
        let mut sum = L::zero();
        for a in acc {
            sum = L::add(sum, a);
        }
        black_box(L::reduce_sum(sum));
    }
    steps * 12 * L::N * 2
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn dot_bf16(steps: usize) -> usize {
    use std::arch::x86_64::*;
    let one = _mm512_set1_epi32(black_box(0x3f80_3f80));
    // SAFETY: both are 512 bits, any of which are valid.
    let one = unsafe { std::mem::transmute::<__m512i, __m512bh>(one) };
    let mut acc = [_mm512_setzero_ps(); 12];
    for _ in 0..steps {
        for a in &mut acc {
            *a = _mm512_dpbf16_ps(*a, one, one);
        }
    }
    black_box(acc);
    steps * 12 * 32 * 2
}

/// GB/s of reading `bytes` bytes again and again, on each thread its own.
fn bandwidth(threads: usize, bytes: usize) -> f64 {
    let buffers: Vec<Buffer> = (0..threads)
        .map(|_| Buffer::zeroed("bench", bytes).expect("memory for the bench"))
        .collect();
    let rounds = ((4 << 20) / bytes).max(1);
    let read = |i: usize| {
        let b: &Buffer = &buffers[i];
        for _ in 0..rounds {
            dispatch(Sum(b.ptr().cast::<f32>(), bytes / 4));
        }
    };
    let seconds = best(|| par::enter(|| par::parallel_for(threads, usize::MAX, read)));
    (threads * rounds * bytes) as f64 / seconds / 1e9
}

/// Sums floats; four chains, so that loads are the limit.
struct Sum(*const f32, usize);

impl Kernel for Sum {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        // SAFETY: `self.1` floats, a multiple of eight vectors of any level, can be read.
        unsafe { sum::<I>(self.0, self.1) }
    }
}

#[inline(always)]
unsafe fn sum<L: Lanes<f32>>(p: *const f32, n: usize) {
    // SAFETY: the contract of `Sum`.
    unsafe {
        let mut acc = [L::zero(); 8];
        for i in (0..n).step_by(8 * L::N) {
            for (j, a) in acc.iter_mut().enumerate() {
                *a = L::add(*a, L::load(p.add(i + j * L::N)));
            }
        }
        let mut total = L::zero();
        for a in acc {
            total = L::add(total, a);
        }
        black_box(L::reduce_sum(total));
    }
}

/// Nanoseconds of a job without work.
fn job(entered: bool) -> f64 {
    const JOBS: usize = 1000;
    let jobs = || {
        for _ in 0..JOBS {
            par::parallel_for(par::threads(), usize::MAX, |i| {
                black_box(i);
            });
        }
    };
    let seconds = best(|| if entered { par::enter(jobs) } else { jobs() });
    seconds / JOBS as f64 * 1e9
}
