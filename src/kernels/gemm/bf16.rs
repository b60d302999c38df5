//! Products of `bf16` matrices with sums in `f32`.
//!
//! With AVX-512 BF16 one instruction adds two products to each of 16 sums, so operands are read in
//! pairs along k: a packed panel of B holds the pairs of its columns side by side, and the pairs
//! of a row of A lie in memory as they are (or are copied so). Elsewhere operands are widened to
//! `f32`, which is exact, and go the way of `f32`.

use super::{Epilogue, Gemm, gemm};
use crate::buffer::with_scratch;
use half::bf16;

/// [`gemm`](super::gemm()) of `bf16` matrices with an `f32` result.
///
/// Sums are kept in `f32`; the native path takes subnormal numbers for 0, as the instruction does.
///
/// # Safety
/// As [`gemm`](super::gemm()).
pub unsafe fn gemm_bf16(
    spec: &Gemm,
    a: *const bf16,
    b: *const bf16,
    c: *mut f32,
    epilogue: &Epilogue<f32>,
) {
    #[cfg(target_arch = "x86_64")]
    if super::bf16_native::available() {
        return super::bf16_native::gemm(spec, a, b, c, epilogue);
    }
    widened(spec, a, b, c, epilogue)
}

/// By way of `f32` copies.
///
/// # Safety
/// As [`gemm_bf16`].
unsafe fn widened(s: &Gemm, a: *const bf16, b: *const bf16, c: *mut f32, epilogue: &Epilogue<f32>) {
    let count = |stride: isize| if stride == 0 { 1 } else { s.batch };
    let (a_count, b_count) = (count(s.a_bs), count(s.b_bs));
    let (a_len, b_len) = (s.m * s.k, s.k * s.n);
    if s.batch == 0 {
        return;
    }
    with_scratch::<f32, _>(a_count * a_len + b_count * b_len, |x| {
        let wide_a = x.as_mut_ptr().cast::<f32>();
        let wide_b = wide_a.add(a_count * a_len);
        for i in 0..a_count {
            let src = a.wrapping_offset(i as isize * s.a_bs);
            widen(src, s.m, s.k, s.a_rs, s.a_cs, wide_a.add(i * a_len));
        }
        for i in 0..b_count {
            let src = b.wrapping_offset(i as isize * s.b_bs);
            widen(src, s.k, s.n, s.b_rs, s.b_cs, wide_b.add(i * b_len));
        }
        let mut spec = Gemm {
            c_rs: s.c_rs,
            c_bs: s.c_bs,
            accumulate: s.accumulate,
            ..Gemm::new(s.m, s.n, s.k).batch(s.batch)
        };
        spec.a_bs = if s.a_bs == 0 { 0 } else { a_len as isize };
        spec.b_bs = if s.b_bs == 0 { 0 } else { b_len as isize };
        gemm(&spec, wide_a, wide_b, c, epilogue)
    })
}

/// Copies a matrix to a dense one of `f32`.
unsafe fn widen(src: *const bf16, m: usize, n: usize, rs: isize, cs: isize, dst: *mut f32) {
    for i in 0..m {
        let (src, dst) = (src.offset(i as isize * rs), dst.add(i * n));
        if cs == 1 {
            for j in 0..n {
                *dst.add(j) = to_f32(*src.add(j));
            }
        } else {
            for j in 0..n {
                *dst.add(j) = to_f32(*src.offset(j as isize * cs));
            }
        }
    }
}

/// Without the quieting of NaN of [`bf16::to_f32`], so that it is one shift.
#[inline(always)]
fn to_f32(x: bf16) -> f32 {
    f32::from_bits(u32::from(x.to_bits()) << 16)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{EDGES, Guarded, numbers};
    use super::*;
    use crate::par;

    type Run = unsafe fn(&Gemm, *const bf16, *const bf16, *mut f32, &Epilogue<f32>);

    /// All ways of computing that this CPU has.
    fn ways() -> Vec<Run> {
        vec![gemm_bf16, widened]
    }

    fn check(s: &Gemm, relu: bool, at_end: bool) {
        let round = |x: Vec<f32>| -> Vec<bf16> { x.into_iter().map(bf16::from_f32).collect() };
        let span = |m: usize, n: usize, rs: isize, cs: isize, bs: isize| {
            let last = (s.batch - 1) as isize * bs + (m as isize - 1) * rs + (n as isize - 1) * cs;
            if m * n == 0 { 0 } else { last as usize + 1 }
        };
        let a = round(numbers(span(s.m, s.k, s.a_rs, s.a_cs, s.a_bs), 1));
        let b = round(numbers(span(s.k, s.n, s.b_rs, s.b_cs, s.b_bs), 2));
        let c: Vec<f32> = numbers(span(s.m, s.n, s.c_rs, 1, s.c_bs), 3);
        let bias: Vec<f32> = numbers(s.n, 4);
        let mut want: Vec<(f64, f64)> = c.iter().map(|&c| (c.into(), 0.0)).collect();
        for q in 0..s.batch as isize {
            for i in 0..s.m as isize {
                for j in 0..s.n as isize {
                    let at = (q * s.c_bs + i * s.c_rs + j) as usize;
                    let start = if s.accumulate { f64::from(c[at]) } else { 0.0 };
                    let bias = f64::from(bias[j as usize]);
                    let (mut sum, mut size) = (start + bias, start.abs() + bias.abs());
                    for p in 0..s.k as isize {
                        let x = a[(q * s.a_bs + i * s.a_rs + p * s.a_cs) as usize].to_f64();
                        let y = b[(q * s.b_bs + p * s.b_rs + j * s.b_cs) as usize].to_f64();
                        sum += x * y;
                        size += (x * y).abs();
                    }
                    let bound = (s.k + 8) as f64 * f64::from(f32::EPSILON) * size;
                    want[at] = (if relu { sum.max(0.0) } else { sum }, bound);
                }
            }
        }
        let (a, b) = (Guarded::new(&a, at_end), Guarded::new(&b, at_end));
        let bias = Guarded::new(&bias, at_end);
        let activation = if relu {
            super::super::Activation::Relu
        } else {
            Default::default()
        };
        for run in ways() {
            let c = Guarded::new(&c, at_end);
            // SAFETY: the buffers span what the strides reach.
            unsafe {
                run(
                    s,
                    a.ptr,
                    b.ptr,
                    c.ptr,
                    &Epilogue::bias(bias.ptr, activation),
                )
            };
            for (i, (got, (want, bound))) in c.to_vec().iter().zip(&want).enumerate() {
                let got = f64::from(*got);
                assert!(
                    (got - want).abs() <= *bound,
                    "{s:?}: {i} is {got}, not {want} +- {bound}"
                );
            }
        }
    }

    /// Strides of variant `t`: transpositions, accumulation, gaps of even and odd length.
    fn spec(m: usize, n: usize, k: usize, t: usize) -> Gemm {
        let mut s = Gemm::new(m, n, k);
        if t & 1 != 0 {
            s = s.transpose_a();
        }
        if t & 2 != 0 {
            s = s.transpose_b();
        }
        s.accumulate = t & 4 != 0;
        if t & 8 != 0 {
            *(if s.a_cs == 1 {
                &mut s.a_rs
            } else {
                &mut s.a_cs
            }) += 3;
            *(if s.b_cs == 1 {
                &mut s.b_rs
            } else {
                &mut s.b_cs
            }) += 1;
            s.c_rs += 2;
        }
        s
    }

    #[test]
    fn edges() {
        let mut t = 0;
        for x in EDGES {
            for y in EDGES {
                let z = EDGES[t * 5 % EDGES.len()];
                let (m, n, k) = if t % 2 == 0 { (x, y, z) } else { (x, z, y) };
                check(&spec(m, n, k, t % 16), t % 3 == 0, t % 5 != 0);
                t += 1;
            }
        }
    }

    #[test]
    fn long_sums_batches_and_empty_dimensions() {
        for t in 0..16 {
            check(&spec(5, 70, 2500, t), false, true);
        }
        for (m, n, k) in [(7, 9, 11), (3, 4, 0), (0, 2, 2), (2, 0, 2)] {
            let mut s = Gemm::new(m, n, k).batch(3);
            check(&s, true, true);
            s.b_bs = 0;
            check(&s, false, true);
        }
    }

    #[test]
    fn threads_do_not_matter() {
        let s = Gemm::new(150, 300, 257);
        let a: Vec<bf16> = numbers::<f32>(150 * 257, 1)
            .into_iter()
            .map(bf16::from_f32)
            .collect();
        let b: Vec<bf16> = numbers::<f32>(300 * 257, 2)
            .into_iter()
            .map(bf16::from_f32)
            .collect();
        let runs = [1, 2, 3, 4].map(|threads| {
            par::with_threads(threads, || {
                let mut c = vec![0.0; 150 * 300];
                // SAFETY: dense matrices of the sizes in `s`.
                par::enter(|| unsafe {
                    gemm_bf16(&s, a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), &Epilogue::NONE)
                });
                c
            })
        });
        assert!(runs.iter().all(|c| *c == runs[0]));
    }
}
