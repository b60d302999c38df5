//! Products of integers, by plain loops: for indices and counts, not for speed.

use super::Gemm;
use crate::par;

/// An element type whose products are computed by plain loops. Integers wrap around.
pub trait Plain: Copy + Send + Sync {
    /// 0
    const ZERO: Self;
    /// `self + a * b`
    fn plus_product(self, a: Self, b: Self) -> Self;
}

macro_rules! plain {
    ($($t:ty)*) => {
        $(impl Plain for $t {
            const ZERO: $t = 0;
            #[inline(always)]
            fn plus_product(self, a: $t, b: $t) -> $t {
                self.wrapping_add(a.wrapping_mul(b))
            }
        })*
    };
}

plain!(i8 i16 i32 i64 u8 u16 u32 u64);

struct Operands<T>(*const T, *const T, *mut T);
// SAFETY: threads read A and B and write separate rows of C.
unsafe impl<T: Send + Sync> Sync for Operands<T> {}

/// `C = A B (+ C)` for integers; see [`gemm`](super::gemm()) for the layout.
///
/// # Safety
/// As [`gemm`](super::gemm()).
pub unsafe fn gemm_plain<T: Plain>(spec: &Gemm, a: *const T, b: *const T, c: *mut T) {
    let s = *spec;
    let flops =
        s.m.saturating_mul(s.n)
            .saturating_mul(s.k)
            .saturating_mul(8 * s.batch);
    let operands = Operands(a, b, c);
    par::parallel_for(s.batch * s.m, flops, |t| {
        let Operands(a, b, c) = &operands;
        let (batch, i) = ((t / s.m) as isize, (t % s.m) as isize);
        let a = a.wrapping_offset(batch * s.a_bs + i * s.a_rs);
        let b = b.wrapping_offset(batch * s.b_bs);
        let c = c.wrapping_offset(batch * s.c_bs + i * s.c_rs);
        // SAFETY: row `i` of matrix `batch`, which no other task writes.
        unsafe { row(&s, a, b, c) }
    });
}

/// One row of C: row after row of B, each times an element of A.
unsafe fn row<T: Plain>(s: &Gemm, a: *const T, b: *const T, c: *mut T) {
    if !s.accumulate {
        for j in 0..s.n {
            c.add(j).write(T::ZERO);
        }
    }
    for p in 0..s.k as isize {
        let x = *a.offset(p * s.a_cs);
        let b = b.wrapping_offset(p * s.b_rs);
        for j in 0..s.n {
            let y = *b.offset(j as isize * s.b_cs);
            *c.add(j) = (*c.add(j)).plus_product(x, y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_by_definition() {
        for (m, n, k, batch) in [(3, 4, 5, 2), (1, 1, 1, 1), (7, 2, 0, 3), (40, 33, 65, 1)] {
            for t in 0..8 {
                let mut s = Gemm::new(m, n, k).batch(batch);
                if t & 1 != 0 {
                    s = s.transpose_a();
                }
                if t & 2 != 0 {
                    s = s.transpose_b();
                }
                s.accumulate = t & 4 != 0;
                let a: Vec<i64> = (0..batch * m * k).map(|i| i as i64 * 7 % 23 - 11).collect();
                let b: Vec<i64> = (0..batch * k * n).map(|i| i as i64 * 5 % 19 - 9).collect();
                let mut c: Vec<i64> = (0..batch * m * n).map(|i| i as i64).collect();
                let mut want = c.clone();
                for (at, w) in want.iter_mut().enumerate() {
                    let (q, i, j) = (at / (m * n), at / n % m, at % n);
                    let sum: i64 = (0..k)
                        .map(|p| {
                            let x = q as isize * s.a_bs + i as isize * s.a_rs + p as isize * s.a_cs;
                            let y = q as isize * s.b_bs + p as isize * s.b_rs + j as isize * s.b_cs;
                            a[x as usize] * b[y as usize]
                        })
                        .sum();
                    *w = if s.accumulate { *w + sum } else { sum };
                }
                // SAFETY: dense matrices of the sizes in `s`.
                unsafe { gemm_plain(&s, a.as_ptr(), b.as_ptr(), c.as_mut_ptr()) };
                assert_eq!(c, want);
            }
        }
    }

    #[test]
    fn integers_wrap() {
        let (a, b, mut c) = ([i32::MAX], [3], [1]);
        // SAFETY: one element each.
        unsafe {
            gemm_plain(
                &Gemm::new(1, 1, 1).accumulate(),
                a.as_ptr(),
                b.as_ptr(),
                c.as_mut_ptr(),
            )
        };
        assert_eq!(c[0], i32::MAX.wrapping_mul(3).wrapping_add(1));
    }
}
