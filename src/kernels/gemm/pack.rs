//! Packing: copies a block of an operand into the order in which the micro-kernels read it.
//!
//! A packed panel holds `count` lines (columns of B, rows of A) interleaved: for each k the elements
//! of all lines side by side, `width` of them, zeros after the last line.

use crate::simd::{Float, Isa, Kernel, Lanes, Level, entry, prefetch_l2};

/// Rows that are asked for ahead of their use: with strides of whole pages the hardware does not.
const PREFETCH: isize = 24;

/// `dst[p * width + j] = src[p * step + j * line]` for `p < k`, `j < count`; 0 for the other `j < width`.
#[derive(Clone, Copy)]
pub(crate) struct Pack<T> {
    pub k: usize,
    pub count: usize,
    pub width: usize,
    pub src: *const T,
    /// Distance between elements of a line (along k).
    pub step: isize,
    /// Distance between lines.
    pub line: isize,
    pub dst: *mut T,
}

impl<T: Float> Pack<T> {
    /// Packs.
    ///
    /// # Safety
    /// `src` can be read at the places above, `dst` can be written in `k * width` places, and the
    /// CPU has `level`.
    pub unsafe fn run(self, level: Level) {
        entry::<Self>(level)(self)
    }
}

impl<T: Float> Kernel for Pack<T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        let lanes = <T::Simd<I> as Lanes<T>>::N;
        if self.line == 1 && self.width <= lanes {
            copy_narrow::<T, T::Simd<I>>(&self)
        } else if self.line == 1 {
            match self.width.div_ceil(lanes) {
                2 if self.count == self.width => copy::<T, T::Simd<I>, 2>(&self),
                3 if self.count == self.width => copy::<T, T::Simd<I>, 3>(&self),
                4 if self.count == self.width => copy::<T, T::Simd<I>, 4>(&self),
                _ => copy_any::<T, T::Simd<I>>(&self),
            }
        } else if self.step == 1 && <T::Simd<I> as Lanes<T>>::N > 1 {
            transpose::<T, T::Simd<I>>(&self)
        } else {
            gather(&self, 0, self.k, 0)
        }
    }
}

/// Lines lie side by side, and a vector holds them: a load and a store for each k.
#[inline(always)]
unsafe fn copy_narrow<T: Float, L: Lanes<T>>(p: &Pack<T>) {
    let (mut src, mut dst) = (p.src, p.dst);
    for _ in 0..p.k {
        L::store_partial(dst, L::load_partial(src, p.count), p.width);
        src = src.wrapping_offset(p.step);
        dst = dst.wrapping_add(p.width);
    }
}

/// Lines lie side by side and fill `V` vectors: rows are copied.
///
/// The last vector of a row without zeros lies over the one before it, so that it is whole.
#[inline(always)]
unsafe fn copy<T: Float, L: Lanes<T>, const V: usize>(p: &Pack<T>) {
    let line = (64 / size_of::<T>()).max(L::N);
    let (mut src, mut dst) = (p.src, p.dst);
    for _ in 0..p.k {
        let ahead = src.wrapping_offset(PREFETCH * p.step);
        for j in (0..V * L::N).step_by(line) {
            prefetch_l2(ahead.wrapping_add(j));
        }
        for v in 0..V - 1 {
            L::store(dst.add(v * L::N), L::load(src.add(v * L::N)));
        }
        let last = p.width - L::N;
        L::store(dst.add(last), L::load(src.add(last)));
        src = src.wrapping_offset(p.step);
        dst = dst.add(p.width);
    }
}

/// Lines lie side by side: rows of any width are copied, with zeros after the last line.
#[inline(always)]
unsafe fn copy_any<T: Float, L: Lanes<T>>(p: &Pack<T>) {
    let (mut src, mut dst) = (p.src, p.dst);
    for _ in 0..p.k {
        let ahead = src.wrapping_offset(PREFETCH * p.step);
        let mut j = 0;
        while j + L::N <= p.count {
            prefetch_l2(ahead.wrapping_add(j));
            L::store(dst.add(j), L::load(src.add(j)));
            j += L::N;
        }
        while j < p.width {
            let v = L::load_partial(src.wrapping_add(j), p.count.saturating_sub(j));
            L::store_partial(dst.add(j), v, p.width - j);
            j += L::N;
        }
        src = src.wrapping_offset(p.step);
        dst = dst.add(p.width);
    }
}

/// The elements of a line lie side by side: squares of vectors are transposed, and the lines of the next one asked for.
#[inline(always)]
unsafe fn transpose<T: Float, L: Lanes<T>>(p: &Pack<T>) {
    let k = p.k / L::N * L::N;
    let count = p.count / L::N * L::N;
    for j in (0..count).step_by(L::N) {
        for at in (0..k).step_by(L::N) {
            let src = p.src.offset(j as isize * p.line).add(at);
            for next in L::N..2 * L::N {
                prefetch_l2(src.wrapping_offset(next as isize * p.line));
            }
            L::transpose(src, p.line, p.dst.add(at * p.width + j), p.width as isize);
        }
    }
    gather(p, 0, k, count);
    gather(p, k, p.k, 0);
}

/// Any strides, one element at a time: steps `from..to` of all lines from `first` on.
#[inline(always)]
unsafe fn gather<T: Float>(p: &Pack<T>, from: usize, to: usize, first: usize) {
    for at in from..to {
        let (src, dst) = (p.src.offset(at as isize * p.step), p.dst.add(at * p.width));
        for j in first..p.count {
            // Unaligned, for pairs of `bf16` that pass for `f32`.
            *dst.add(j) = src.offset(j as isize * p.line).read_unaligned();
        }
        for j in p.count..p.width {
            *dst.add(j) = T::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::available;

    /// All strides, sizes around every vector edge, every level.
    fn check<T: Float>() {
        for level in available() {
            for (k, count) in [
                (1, 1),
                (3, 12),
                (16, 16),
                (17, 15),
                (33, 64),
                (40, 49),
                (8, 31),
                (0, 5),
            ] {
                let width = usize::div_ceil(count, 4) * 4;
                for (step, line) in [(1, k + 3), (count + 2, 1), (2, 2 * k + 5), (1, 1)] {
                    let len = k * step + count * line + 1;
                    let src: Vec<T> = (0..len).map(|i| T::from_f64(i as f64 + 1.0)).collect();
                    let mut dst = vec![T::NAN; k * width + 1];
                    let pack = Pack {
                        k,
                        count,
                        width,
                        src: src.as_ptr(),
                        step: step as isize,
                        line: line as isize,
                        dst: dst.as_mut_ptr(),
                    };
                    // SAFETY: `src` reaches (k - 1) * step + (count - 1) * line; `dst` k * width.
                    unsafe { pack.run(level) };
                    for p in 0..k {
                        for j in 0..width {
                            let want = if j < count {
                                src[p * step + j * line]
                            } else {
                                T::ZERO
                            };
                            assert_eq!(
                                dst[p * width + j],
                                want,
                                "{level:?} {k}x{count} {step} {line}"
                            );
                        }
                    }
                    assert!(dst[k * width].to_f64().is_nan(), "wrote beyond the end");
                }
            }
        }
    }

    #[test]
    fn interleaves_lines() {
        check::<f32>();
        check::<f64>();
    }
}
