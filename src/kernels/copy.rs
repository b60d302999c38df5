//! Strided copies: the part of pad, concatenate, slice and repeat that moves memory.

use crate::aval::{Strides, contiguous_strides, is_contiguous};
use crate::buffer::{View, ViewMut};
use crate::par::parallel_for;
use smallvec::SmallVec;

/// A rectangular region inside an output: first element and strides, in elements.
#[derive(Debug, Clone)]
pub struct Region {
    /// First element of the region from the start of the output.
    pub offset: usize,
    /// Strides of the region, one for each axis of the source.
    pub strides: Strides,
}

impl Region {
    /// The whole of an array of this shape.
    pub fn whole(shape: &[usize]) -> Region {
        Region {
            offset: 0,
            strides: contiguous_strides(shape),
        }
    }
}

/// Sets every byte of the output to zero.
pub fn zero(out: &mut ViewMut) {
    let bytes = out.size() * out.dtype().size();
    // SAFETY: the view is valid for writes of its whole size.
    unsafe { out.ptr().write_bytes(0, bytes) };
}

/// Copies `src` (any strides) into a region of `out`.
pub fn copy_into(src: &View, out: &mut ViewMut, region: &Region) {
    assert_eq!(src.dtype(), out.dtype());
    let reach: isize = src
        .shape()
        .iter()
        .zip(&region.strides)
        .map(|(&n, &s)| (n.max(1) as isize - 1) * s)
        .sum();
    assert!(
        src.size() == 0 || (reach >= 0 && region.offset + (reach as usize) < out.size()),
        "copy outside the output"
    );
    if src.size() == 0 {
        return;
    }
    let job = Job::new(src, out, region);
    // SAFETY: `Job` walks exactly the elements of `src` and of the region, both checked above.
    unsafe { job.run() }
}

/// A copy with merged axes; the last axis is walked by `rows`.
struct Job {
    src: *const u8,
    dst: *mut u8,
    shape: SmallVec<[usize; 6]>,
    src_strides: Strides,
    dst_strides: Strides,
    size: usize,
}

// SAFETY: the tasks of one job read shared memory and write disjoint rows.
unsafe impl Sync for Job {}

impl Job {
    fn new(src: &View, out: &mut ViewMut, region: &Region) -> Job {
        let size = src.dtype().size();
        let mut job = Job {
            src: src.ptr(),
            dst: out.ptr().wrapping_add(region.offset * size),
            shape: SmallVec::new(),
            src_strides: Strides::new(),
            dst_strides: Strides::new(),
            size,
        };
        for (i, &n) in src.shape().iter().enumerate() {
            if n == 1 {
                continue;
            }
            let (a, b) = (src.strides()[i], region.strides[i]);
            if let (Some(last), Some(&la), Some(&lb)) = (
                job.shape.last_mut(),
                job.src_strides.last(),
                job.dst_strides.last(),
            ) && la == a * n as isize
                && lb == b * n as isize
            {
                *last *= n;
                *job.src_strides.last_mut().expect("same length") = a;
                *job.dst_strides.last_mut().expect("same length") = b;
                continue;
            }
            job.shape.push(n);
            job.src_strides.push(a);
            job.dst_strides.push(b);
        }
        if job.shape.is_empty() {
            job.shape.push(1);
            job.src_strides.push(1);
            job.dst_strides.push(1);
        }
        job
    }

    unsafe fn run(&self) {
        let outer = &self.shape[..self.shape.len() - 1];
        let rows: usize = outer.iter().product();
        let row_bytes = self.shape[self.shape.len() - 1] * self.size;
        const GRAIN: usize = 64 << 10;
        let per_task = (GRAIN / row_bytes.max(1)).clamp(1, rows.max(1));
        let run = outer.last().copied().unwrap_or(1);
        parallel_for(rows.div_ceil(per_task), rows * row_bytes, |task| {
            let end = ((task + 1) * per_task).min(rows);
            let mut row = task * per_task;
            while row < end {
                let count = (run - row % run).min(end - row);
                self.rows(row, count);
                row += count;
            }
        });
    }

    /// `count` rows from `first`, which differ in the last of the outer axes alone.
    unsafe fn rows(&self, first: usize, count: usize) {
        let last = self.shape.len() - 1;
        let size = self.size as isize;
        let (mut src, mut dst, mut rest) = (self.src, self.dst, first);
        for i in (0..last).rev() {
            let k = (rest % self.shape[i]) as isize * size;
            rest /= self.shape[i];
            src = src.wrapping_offset(k * self.src_strides[i]);
            dst = dst.wrapping_offset(k * self.dst_strides[i]);
        }
        let steps = match last {
            0 => (0, 0),
            _ => (
                self.src_strides[last - 1] * size,
                self.dst_strides[last - 1] * size,
            ),
        };
        let (n, s, d) = (
            self.shape[last],
            self.src_strides[last],
            self.dst_strides[last],
        );
        let row = Rows {
            src,
            dst,
            steps,
            count,
        };
        match (self.size, n * self.size) {
            // Common short rows without a call for each.
            (_, 32) if s == 1 && d == 1 => row.each(|src, dst| chunk::<32>(src, dst)),
            (_, 64) if s == 1 && d == 1 => row.each(|src, dst| chunk::<64>(src, dst)),
            (_, 128) if s == 1 && d == 1 => row.each(|src, dst| chunk::<128>(src, dst)),
            (_, bytes) if s == 1 && d == 1 => {
                row.each(|src, dst| std::ptr::copy_nonoverlapping(src, dst, bytes))
            }
            (1, _) => row.each(|src, dst| elements::<u8>(src, dst, n, s, d)),
            (2, _) => row.each(|src, dst| elements::<u16>(src, dst, n, s, d)),
            (4, _) => row.each(|src, dst| elements::<u32>(src, dst, n, s, d)),
            _ => row.each(|src, dst| elements::<u64>(src, dst, n, s, d)),
        }
    }
}

/// Some rows at equal distances, in bytes.
struct Rows {
    src: *const u8,
    dst: *mut u8,
    steps: (isize, isize),
    count: usize,
}

impl Rows {
    #[inline(always)]
    unsafe fn each(self, copy: impl Fn(*const u8, *mut u8)) {
        let (mut src, mut dst) = (self.src, self.dst);
        for _ in 0..self.count {
            copy(src, dst);
            src = src.wrapping_offset(self.steps.0);
            dst = dst.wrapping_offset(self.steps.1);
        }
    }
}

#[inline(always)]
unsafe fn chunk<const N: usize>(src: *const u8, dst: *mut u8) {
    std::ptr::copy_nonoverlapping(src.cast::<[u8; N]>(), dst.cast::<[u8; N]>(), 1)
}

#[inline(always)]
unsafe fn elements<T: Copy>(src: *const u8, dst: *mut u8, n: usize, s: isize, d: isize) {
    let (src, dst) = (src.cast::<T>(), dst.cast::<T>());
    for i in 0..n as isize {
        *dst.offset(i * d) = *src.offset(i * s);
    }
}

/// Copies `src` in row-major order into the whole of `out` (same number of elements).
pub fn copy(src: &View, out: &mut ViewMut) {
    assert_eq!(src.size(), out.size());
    if is_contiguous(src.shape(), src.strides()) {
        let bytes = out.size() * out.dtype().size();
        // SAFETY: both are contiguous and of this many bytes; an output never overlaps an input.
        unsafe { std::ptr::copy_nonoverlapping(src.ptr(), out.ptr(), bytes) };
        return;
    }
    let region = Region::whole(src.shape());
    copy_into(src, out, &region);
}
