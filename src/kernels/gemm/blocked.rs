//! The general path: C in tiles, k in blocks, operands packed where that pays, parts of C in parallel.
//!
//! Each thread computes a rectangle of C on its own, packing what it needs: no barrier, and
//! nothing shared that is written. The sums of an element do not depend on the rectangle: k is cut by
//! its length alone, and all tiles add in the same order.

use super::epilogue::{Apply, Epilogue};
use super::micro::{MAX_MR, Table, Tile};
use super::pack::Pack;
use super::packed::PackedB;
use crate::buffer::with_scratch;
use crate::par;
use crate::simd::{Float, Level};

/// Bytes of one vector's worth of columns of a B block: with 4 vectors a panel takes half of an L2.
const KC_BYTES: usize = 256 * 4;
/// Rows of A that are kept in the L2 cache while the columns of B pass; a multiple of `MAX_MR`.
const MC: usize = 192;
/// Columns of B packed at a time.
const NC: usize = 4096;

/// One product, or a rectangle of one: `C (m x n) = A (m x k) B (k x n)`.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, T> {
    pub level: Level,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: *const T,
    pub a_rs: isize,
    pub a_cs: isize,
    pub b: *const T,
    pub b_rs: isize,
    pub b_cs: isize,
    /// Column of the packed B at which `n` begins; `b` is not used then.
    pub packed: Option<(&'a PackedB<T>, usize)>,
    pub c: *mut T,
    pub c_rs: isize,
    pub accumulate: bool,
    pub epilogue: Epilogue<T>,
}

// SAFETY: parts of a product read A and B and write separate parts of C.
unsafe impl<T: Sync> Sync for Product<'_, T> {}

impl<T: Float> Product<'_, T> {
    /// The rectangle of `m` rows from `i` and `n` columns from `j`.
    pub fn part(&self, i: usize, m: usize, j: usize, n: usize) -> Self {
        let mut p = *self;
        (p.m, p.n) = (m, n);
        p.a = p.a.wrapping_offset(i as isize * p.a_rs);
        p.b = p.b.wrapping_offset(j as isize * p.b_cs);
        p.packed = p.packed.map(|(b, at)| (b, at + j));
        p.c = p.c.wrapping_offset(i as isize * p.c_rs).wrapping_add(j);
        p.epilogue = p.epilogue.at(i, j);
        p
    }

    /// The `k` terms from `p`.
    pub fn terms(&self, p: usize, k: usize) -> Self {
        let mut part = *self;
        part.k = k;
        part.a = part.a.wrapping_offset(p as isize * part.a_cs);
        part.b = part.b.wrapping_offset(p as isize * part.b_rs);
        part
    }

    /// Multiplications and additions.
    pub fn flops(&self) -> usize {
        (2 * self.m).saturating_mul(self.n).saturating_mul(self.k)
    }

    /// Applies the epilogue to all of C.
    pub unsafe fn finish(&self) {
        if !self.epilogue.is_none() {
            self.apply(0, self.m, 0, self.n);
        }
    }

    #[inline]
    unsafe fn apply(&self, i: usize, rows: usize, j: usize, cols: usize) {
        let apply = Apply {
            epilogue: &self.epilogue.at(i, j),
            c: self.c.offset(i as isize * self.c_rs).add(j),
            c_rs: self.c_rs,
            rows,
            cols,
        };
        apply.run(self.level)
    }
}

/// Length of the blocks that k is cut into: equal parts, so that none is short.
pub(super) fn k_block<T>(k: usize) -> usize {
    let most = KC_BYTES / size_of::<T>();
    k.div_ceil(k.div_ceil(most).max(1)).next_multiple_of(8)
}

/// A panel of columns: how many vectors wide its tiles are (4, 2 or 1), given `cols` columns left.
pub(super) fn panel_nv(cols: usize, lanes: usize, max: usize) -> usize {
    match cols.div_ceil(lanes) {
        v if v >= max => max,
        1 => 1,
        _ => 2,
    }
}

/// Rows of the next tile: as many as fit, but no remainder too small to keep the units busy.
#[inline]
fn tile_rows(left: usize, max: usize, nv: usize) -> usize {
    if left <= max {
        left
    } else if left < 2 * max && (left - max) * nv < 8 {
        left.div_ceil(2)
    } else {
        max
    }
}

/// The product, in parallel.
///
/// # Safety
/// As [`super::gemm`].
pub(super) unsafe fn parallel<T: Float>(p: &Product<'_, T>) {
    let flops = p.flops();
    let (rows, cols) = if flops < 200_000 || par::threads() == 1 {
        (1, 1)
    } else {
        grid(p, par::threads())
    };
    if rows * cols == 1 {
        return serial(p);
    }
    // Whole tiles in each part.
    let mc = p.m.div_ceil(rows).next_multiple_of(MAX_MR / 2);
    let nc =
        p.n.div_ceil(cols)
            .next_multiple_of(Table::<T>::of(p.level).nr());
    let (rows, cols) = (p.m.div_ceil(mc), p.n.div_ceil(nc));
    par::parallel_for(rows * cols, flops, |t| {
        let (i, j) = (t / cols * mc, t % cols * nc);
        // SAFETY: the rectangles lie in C and do not overlap.
        unsafe { serial(&p.part(i, mc.min(p.m - i), j, nc.min(p.n - j))) }
    });
}

/// Into how many rows and columns of parts C is cut for `threads` threads.
///
/// The cut does not change results. It minimises the work of the largest part: multiply-adds in
/// whole tiles, and the packing of operands, which parts of one row or column repeat.
fn grid<T: Float>(p: &Product<'_, T>, threads: usize) -> (usize, usize) {
    let table = Table::<T>::of(p.level);
    let cost = |rows: usize, cols: usize| {
        let m =
            p.m.div_ceil(rows)
                .next_multiple_of(table.max_rows(table.nv));
        let n = p.n.div_ceil(cols).next_multiple_of(table.nr());
        // In vector operations per k: a packed or streamed element costs some 4 of them per lane.
        m * n + 8 * (m + n)
    };
    (1..=threads)
        .flat_map(|rows| [(rows, threads / rows), (rows, threads.div_ceil(rows))])
        .min_by_key(|&(rows, cols)| cost(rows, cols))
        .unwrap_or((1, 1))
}

/// Which operands the serial path packs.
#[derive(Clone, Copy)]
struct Packing {
    a: bool,
    b: bool,
}

fn packing<T: Float>(p: &Product<'_, T>, kc: usize) -> Packing {
    let bytes = size_of::<T>();
    let l1 = 32 << 10;
    // Strided columns cannot be loaded as vectors. Otherwise packing pays when rows of A reuse it and
    // it would not stay in the L1 cache anyway.
    let b = p.packed.is_none() && (p.b_cs != 1 || (p.m >= 96 && kc * p.n * bytes > l1));
    // Broadcasts read A in any order; packing saves page and cache-set misses when many columns
    // of tiles reuse it.
    let far = |stride: isize| stride.unsigned_abs() * bytes >= 1024;
    let spread = if p.a_cs == 1 {
        far(p.a_rs)
    } else {
        far(p.a_cs)
    };
    let a = spread && p.n >= 256 && p.m * kc * bytes > l1;
    Packing { a, b }
}

/// The product, on this thread.
///
/// # Safety
/// As [`super::gemm`].
pub(super) unsafe fn serial<T: Float>(p: &Product<'_, T>) {
    if p.k == 0 {
        return super::without_terms(p);
    }
    let kc = k_block::<T>(p.k);
    let packing = packing(p, kc);
    let lanes = Table::<T>::of(p.level).lanes;
    let a_len = if packing.a {
        MC.min(p.m.next_multiple_of(MAX_MR)) * kc
    } else {
        0
    };
    let b_len = if packing.b {
        kc * NC.min(p.n.next_multiple_of(lanes))
    } else {
        0
    };
    if a_len + b_len == 0 {
        return blocks(p, kc, std::ptr::null_mut(), std::ptr::null_mut());
    }
    // B in front: its panels are whole cache lines.
    with_scratch::<T, _>(a_len + b_len, |s| {
        let b = s.as_mut_ptr().cast::<T>();
        let a = if packing.a {
            b.add(b_len)
        } else {
            std::ptr::null_mut()
        };
        let b = if packing.b { b } else { std::ptr::null_mut() };
        blocks(p, kc, a, b)
    })
}

/// Where a block of A or a panel of B begins, and its strides.
#[derive(Clone, Copy)]
struct Operand<T> {
    ptr: *const T,
    /// Distance between lines (rows of A, columns of B), unless packed in groups.
    line: isize,
    /// Distance along k.
    step: isize,
    packed: bool,
}

/// All blocks of C; `a_buf` and `b_buf` hold packed blocks, or are null where nothing is packed.
unsafe fn blocks<T: Float>(p: &Product<'_, T>, kc: usize, a_buf: *mut T, b_buf: *mut T) {
    for j in (0..p.n).step_by(NC) {
        let n = NC.min(p.n - j);
        for at in (0..p.k).step_by(kc) {
            let k = kc.min(p.k - at);
            for i in (0..p.m).step_by(MC) {
                let m = MC.min(p.m - i);
                let a = block_of_a(p, i, m, at, k, a_buf);
                block(p, Block { i, m, j, n, at, k }, a, b_buf);
            }
        }
    }
}

/// A block of C and of k.
#[derive(Clone, Copy)]
struct Block {
    i: usize,
    m: usize,
    j: usize,
    n: usize,
    at: usize,
    k: usize,
}

unsafe fn block_of_a<T: Float>(
    p: &Product<'_, T>,
    i: usize,
    m: usize,
    at: usize,
    k: usize,
    buf: *mut T,
) -> Operand<T> {
    let src = p.a.offset(i as isize * p.a_rs + at as isize * p.a_cs);
    if buf.is_null() {
        return Operand {
            ptr: src,
            line: p.a_rs,
            step: p.a_cs,
            packed: false,
        };
    }
    for r in (0..m).step_by(MAX_MR) {
        let pack = Pack {
            k,
            count: MAX_MR.min(m - r),
            width: MAX_MR,
            src: src.offset(r as isize * p.a_rs),
            step: p.a_cs,
            line: p.a_rs,
            dst: buf.add(r * k),
        };
        pack.run(p.level);
    }
    Operand {
        ptr: buf,
        line: 1,
        step: MAX_MR as isize,
        packed: true,
    }
}

/// One block: panel after panel of columns; each packed when the first rows come to it.
unsafe fn block<T: Float>(p: &Product<'_, T>, at: Block, a: Operand<T>, b_buf: *mut T) {
    let table = Table::<T>::of(p.level);
    let mut j = 0;
    while j < at.n {
        let left = at.n - j;
        let nv = panel_nv(left, table.lanes, table.nv);
        let width = nv * table.lanes;
        let cols = width.min(left);
        let src =
            p.b.wrapping_offset(at.at as isize * p.b_rs + (at.j + j) as isize * p.b_cs);
        let b = if let Some((packed, first)) = p.packed {
            Operand {
                ptr: packed.panel(at.at, at.k, first + at.j + j),
                line: 1,
                step: width as isize,
                packed: true,
            }
        } else if b_buf.is_null() {
            Operand {
                ptr: src,
                line: 1,
                step: p.b_rs,
                packed: false,
            }
        } else {
            let dst = b_buf.add(j * at.k);
            if at.i == 0 {
                let pack = Pack {
                    k: at.k,
                    count: cols,
                    width,
                    src,
                    step: p.b_rs,
                    line: p.b_cs,
                    dst,
                };
                pack.run(p.level);
            }
            Operand {
                ptr: dst,
                line: 1,
                step: width as isize,
                packed: true,
            }
        };
        column_of_tiles(p, at, j, cols, nv, a, b, table);
        j += cols;
    }
}

/// The tiles of one panel of columns, from the top down.
#[allow(clippy::too_many_arguments)]
unsafe fn column_of_tiles<T: Float>(
    p: &Product<'_, T>,
    at: Block,
    j: usize,
    cols: usize,
    nv: usize,
    a: Operand<T>,
    b: Operand<T>,
    table: &Table<T>,
) {
    let max = table.max_rows(nv);
    let tail = cols - (nv - 1) * table.lanes;
    let last = at.at + at.k == p.k && !p.epilogue.is_none();
    let mut tile = Tile {
        k: at.k,
        a: a.ptr,
        a_rs: a.line,
        a_cs: a.step,
        b: b.ptr,
        b_rs: b.step,
        c: p.c.offset(at.i as isize * p.c_rs).add(at.j + j),
        c_rs: p.c_rs,
        tail,
        accumulate: p.accumulate || at.at > 0,
    };
    let mut i = 0;
    while i < at.m {
        let mut left = at.m - i;
        if a.packed {
            // Tiles do not cross the panels of packed rows.
            left = left.min(MAX_MR - i % MAX_MR);
            tile.a = a.ptr.add(i / MAX_MR * MAX_MR * at.k + i % MAX_MR);
        } else {
            tile.a = a.ptr.offset(i as isize * a.line);
        }
        let rows = tile_rows(left, max, nv);
        table.get(rows, nv, tail == table.lanes)(&tile);
        if last {
            p.apply(at.i + i, rows, at.j + j, cols);
        }
        tile.c = tile.c.wrapping_offset(rows as isize * p.c_rs);
        i += rows;
    }
}
