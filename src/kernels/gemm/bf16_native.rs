//! `bf16` products with the instruction that adds two products at once (AVX-512 BF16).

use super::blocked::{grid, parts};
use super::epilogue::Apply;
use super::pack::Pack;
use super::{Epilogue, Gemm};
use crate::buffer::with_scratch;
use crate::par;
use crate::simd::{Level, level};
use half::bf16;
use std::arch::x86_64::*;

/// Rows and vectors of columns of the largest tile.
const MR: usize = 6;
const NV: usize = 4;
/// Terms of a block of k; even.
const KC: usize = 1024;

/// Has the CPU the instruction, and is AVX-512 not switched off?
pub(super) fn available() -> bool {
    level() == Level::Avx512 && is_x86_feature_detected!("avx512bf16")
}

#[derive(Clone, Copy)]
struct Product {
    m: usize,
    n: usize,
    k: usize,
    a: *const bf16,
    a_rs: isize,
    a_cs: isize,
    b: *const bf16,
    b_rs: isize,
    b_cs: isize,
    c: *mut f32,
    c_rs: isize,
    accumulate: bool,
    epilogue: Epilogue<f32>,
}

// SAFETY: parts of a product read A and B and write separate parts of C.
unsafe impl Sync for Product {}

/// # Safety
/// As [`super::gemm_bf16`]; [`available`] is true.
pub(super) unsafe fn gemm(
    s: &Gemm,
    a: *const bf16,
    b: *const bf16,
    c: *mut f32,
    epilogue: &Epilogue<f32>,
) {
    if s.m == 0 || s.n == 0 {
        return;
    }
    let operands = (
        Product {
            m: s.m,
            n: s.n,
            k: s.k,
            a,
            a_rs: s.a_rs,
            a_cs: s.a_cs,
            b,
            b_rs: s.b_rs,
            b_cs: s.b_cs,
            c,
            c_rs: s.c_rs,
            accumulate: s.accumulate,
            epilogue: *epilogue,
        },
        *s,
    );
    let run = |i: usize| {
        let (mut p, s) = operands;
        let at = i as isize;
        p.a = p.a.wrapping_offset(at * s.a_bs);
        p.b = p.b.wrapping_offset(at * s.b_bs);
        p.c = p.c.wrapping_offset(at * s.c_bs);
        p.epilogue = p.epilogue.of_batch(i);
        // SAFETY: matrix `i` of the batch.
        unsafe { single(&p) }
    };
    let flops = s.m.saturating_mul(s.n).saturating_mul(s.k);
    if s.batch >= par::threads() {
        par::parallel_for(s.batch, (flops / 4).saturating_mul(s.batch), run);
    } else {
        (0..s.batch).for_each(run);
    }
}

/// One product: a rectangle of C for each thread.
unsafe fn single(p: &Product) {
    let flops = p.m.saturating_mul(p.n).saturating_mul(p.k); // half as many: they are twice as fast
    let (rows, cols) = grid(p.m, p.n, (MR, 16 * NV), parts(flops));
    let mc = p.m.div_ceil(rows).next_multiple_of(MR);
    let nc = p.n.div_ceil(cols).next_multiple_of(16 * NV);
    let cols = p.n.div_ceil(nc);
    par::parallel_for(p.m.div_ceil(mc) * cols, flops / 4, |t| {
        let (i, j) = (t / cols * mc, t % cols * nc);
        let mut part = *p;
        (part.m, part.n) = (mc.min(p.m - i), nc.min(p.n - j));
        part.a = p.a.wrapping_offset(i as isize * p.a_rs);
        part.b = p.b.wrapping_offset(j as isize * p.b_cs);
        part.c = p.c.wrapping_offset(i as isize * p.c_rs).wrapping_add(j);
        part.epilogue = p.epilogue.at(i, j);
        // SAFETY: the rectangles lie in C and do not overlap.
        unsafe { serial(&part) }
    });
}

/// The product on this thread: for each block of k and panel of columns, all rows.
unsafe fn serial(p: &Product) {
    let kc = KC.min(p.k.next_multiple_of(2));
    // Pairs must lie side by side, and the last of an odd number needs a partner.
    let copies_a = p.a_cs != 1 || p.k % 2 == 1;
    let a_len = if copies_a { p.m * kc } else { 0 };
    let b_len = kc * 16 * NV;
    with_scratch::<bf16, _>(b_len + a_len, |s| {
        let b_buf = s.as_mut_ptr().cast::<bf16>();
        let a_buf = b_buf.add(b_len);
        let mut at = 0;
        loop {
            let k = kc.min(p.k - at);
            let (a, a_rs) = if copies_a {
                copy_a(p, at, k, a_buf);
                (a_buf.cast_const(), k.next_multiple_of(2) as isize)
            } else {
                (p.a.wrapping_add(at), p.a_rs)
            };
            columns(p, at, k, a, a_rs, b_buf);
            at += k;
            if at >= p.k {
                return;
            }
        }
    })
}

/// Copies `k` columns of A from `at`, row by row, each padded to an even number.
unsafe fn copy_a(p: &Product, at: usize, k: usize, dst: *mut bf16) {
    let even = k.next_multiple_of(2);
    for i in 0..p.m {
        let src = p.a.offset(i as isize * p.a_rs + at as isize * p.a_cs);
        let dst = dst.add(i * even);
        for q in 0..k {
            *dst.add(q) = *src.offset(q as isize * p.a_cs);
        }
        if even > k {
            *dst.add(k) = bf16::ZERO;
        }
    }
}

/// All panels of columns, for a block of k.
unsafe fn columns(p: &Product, at: usize, k: usize, a: *const bf16, a_rs: isize, buf: *mut bf16) {
    let pairs = k.div_ceil(2);
    let mut j = 0;
    while j < p.n {
        let nv = match (p.n - j).div_ceil(16) {
            1 => 1,
            2 | 3 => 2,
            _ => 4,
        };
        let cols = (16 * nv).min(p.n - j);
        let src =
            p.b.wrapping_offset(at as isize * p.b_rs + j as isize * p.b_cs);
        pack_b(p, src, k, cols, 16 * nv, buf);
        let mut i = 0;
        while i < p.m {
            let rows = MR.min(p.m - i);
            let tile = Tile {
                pairs,
                a: a.offset(i as isize * a_rs),
                a_rs,
                b: buf,
                c: p.c.offset(i as isize * p.c_rs).add(j),
                c_rs: p.c_rs,
                tail: cols - 16 * (nv - 1),
                accumulate: p.accumulate || at > 0,
            };
            tile.run(rows, nv);
            if at + k == p.k && !p.epilogue.is_none() {
                let apply = Apply {
                    epilogue: &p.epilogue.at(i, j),
                    c: tile.c,
                    c_rs: p.c_rs,
                    rows,
                    cols,
                };
                apply.run(Level::Avx512);
            }
            i += rows;
        }
        j += cols;
    }
}

/// Packs `k` rows of `cols` columns: for each two rows the pairs of all columns, zeros up to `width`.
unsafe fn pack_b(
    p: &Product,
    src: *const bf16,
    k: usize,
    cols: usize,
    width: usize,
    dst: *mut bf16,
) {
    if p.b_cs == 1 {
        return interleave(src, p.b_rs, k, cols, width, dst);
    }
    let whole = k / 2;
    if p.b_rs == 1 && p.b_cs % 2 == 0 {
        // A column is a line of pairs, each as large as an `f32`; packing only moves bits.
        let pairs = Pack {
            k: whole,
            count: cols,
            width,
            src: src.cast::<f32>(),
            step: 1,
            line: p.b_cs / 2,
            dst: dst.cast::<f32>(),
        };
        pairs.run(Level::Avx512);
    } else {
        pairs(p, src, 0, whole, k, cols, width, dst);
    }
    pairs(p, src, whole, k.div_ceil(2), k, cols, width, dst);
}

/// Any strides: pairs `from..to` of `k` rows.
#[allow(clippy::too_many_arguments)]
unsafe fn pairs(
    p: &Product,
    src: *const bf16,
    from: usize,
    to: usize,
    k: usize,
    cols: usize,
    width: usize,
    dst: *mut bf16,
) {
    for q in 2 * from..2 * to {
        for j in 0..width {
            let at = (q / 2 * width + j) * 2 + q % 2;
            *dst.add(at) = if q < k && j < cols {
                *src.offset(q as isize * p.b_rs + j as isize * p.b_cs)
            } else {
                bf16::ZERO
            };
        }
    }
}

/// Rows of contiguous columns: two rows make a row of pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn interleave(
    src: *const bf16,
    rs: isize,
    k: usize,
    cols: usize,
    width: usize,
    dst: *mut bf16,
) {
    for q in (0..k).step_by(2) {
        let row = src.offset(q as isize * rs).cast::<i16>();
        for j in (0..width).step_by(16) {
            let mask = ((1u32 << cols.saturating_sub(j).min(16)) - 1) as __mmask16;
            let low = _mm256_maskz_loadu_epi16(mask, row.wrapping_add(j));
            let next = if q + 1 < k { mask } else { 0 };
            let next = _mm256_maskz_loadu_epi16(next, row.wrapping_offset(rs).wrapping_add(j));
            let high = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(next));
            let v = _mm512_or_si512(_mm512_cvtepu16_epi32(low), high);
            _mm512_storeu_si512(dst.add(q * width + 2 * j).cast(), v);
        }
    }
}

/// The operands of one tile.
struct Tile {
    pairs: usize,
    a: *const bf16,
    a_rs: isize,
    b: *const bf16,
    c: *mut f32,
    c_rs: isize,
    /// Columns of the last vector.
    tail: usize,
    accumulate: bool,
}

impl Tile {
    unsafe fn run(&self, rows: usize, nv: usize) {
        macro_rules! rows {
            ($nv:literal: $($mr:literal)+) => {
                match rows {
                    $($mr => tile::<$mr, $nv>(self),)+
                    _ => unreachable!("at most {MR} rows"),
                }
            };
        }
        match nv {
            1 => rows!(1: 1 2 3 4 5 6),
            2 => rows!(2: 1 2 3 4 5 6),
            _ => rows!(4: 1 2 3 4 5 6),
        }
    }
}

/// `MR` rows by `NV` vectors of sums in registers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn tile<const MR: usize, const NV: usize>(t: &Tile) {
    let mut acc = [[_mm512_setzero_ps(); NV]; MR];
    let mut b = t.b.cast::<i32>();
    let base = t.a.cast::<i32>();
    // Pairs of A, at byte distances that need not be multiples of their size.
    let row = |r: isize| base.cast::<u8>().wrapping_offset(2 * r * t.a_rs);
    let rows = [row(0), row(if MR > 3 { 3 } else { 0 })];
    let stride = 2 * t.a_rs;
    for q in 0..t.pairs {
        let mut columns = [_mm512_setzero_si512(); NV];
        for (j, v) in columns.iter_mut().enumerate() {
            *v = _mm512_loadu_si512(b.add(16 * j).cast());
        }
        for i in 0..MR {
            let pair = rows[i / 3].offset((i % 3) as isize * stride).add(4 * q);
            let pair = _mm512_set1_epi32(pair.cast::<i32>().read_unaligned());
            for j in 0..NV {
                acc[i][j] = _mm512_dpbf16_ps(acc[i][j], as_bf16(pair), as_bf16(columns[j]));
            }
        }
        b = b.add(16 * NV);
    }
    for (i, acc) in acc.iter().enumerate() {
        let c = t.c.offset(i as isize * t.c_rs);
        for (j, &v) in acc.iter().enumerate() {
            let lanes = if j == NV - 1 { t.tail } else { 16 };
            let mask = ((1u32 << lanes) - 1) as __mmask16;
            let c = c.add(16 * j);
            let v = if t.accumulate {
                _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), v)
            } else {
                v
            };
            _mm512_mask_storeu_ps(c, mask, v);
        }
    }
}

/// The same bits.
#[inline(always)]
unsafe fn as_bf16(v: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits, any of which are valid.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(v) }
}
