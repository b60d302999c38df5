//! The general path: C in tiles, k in blocks, operands packed where that pays, parts of C in parallel.
//!
//! Each thread computes a rectangle of C on its own, packing what it needs: no barrier, and
//! nothing shared that is written. The sums of an element do not depend on the rectangle: k is cut by
//! its length alone, and all tiles add in the same order.

use super::epilogue::{Apply, Epilogue};
use super::micro::{Fetch, MAX_MR, Table, Tile};
use super::pack::Pack;
use super::packed::PackedB;
use crate::buffer::with_scratch;
use crate::par;
use crate::simd::{Float, Level, prefetch};

/// Bytes of a row of A in a block of k: long, since each block reads and writes all of C once.
const KC_BYTES: usize = 512 * 4;
/// Bytes of A that are kept in the L2 cache while the columns of B pass: half of it, since B and C pass through
/// it too. Some processors without AVX-512 have 512 KiB of it, those with it 1 MiB or more.
const fn mc_bytes(level: Level) -> usize {
    match level {
        Level::Avx512 => 512 << 10,
        _ => 256 << 10,
    }
}
/// Rows that are packed side by side: a multiple of all tiles.
const GROUP: usize = MAX_MR;
/// Elements of A packed at a time where its columns lie side by side: they stay in the L1 cache.
const PACK_CHUNK: usize = 4096;
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

    /// The product as a row (`n = 1`): `C^T = B^T A^T`, which needs the elements of C side by side.
    pub fn transposed(&self) -> Self {
        let mut t = *self;
        (t.m, t.n) = (self.n, self.m);
        (t.a, t.a_rs, t.a_cs) = (self.b, self.b_cs, self.b_rs);
        (t.b, t.b_rs, t.b_cs) = (self.a, self.a_cs, self.a_rs);
        t.c_rs = 0;
        t.epilogue = Epilogue::NONE;
        t
    }

    /// Multiplications and additions.
    pub fn flops(&self) -> usize {
        (2 * self.m).saturating_mul(self.n).saturating_mul(self.k)
    }

    /// The work in the measure of [`par::parallel_for`], whose unit is a plain operation or a byte:
    /// these operations come four times as fast. With few rows or columns the bytes count.
    pub fn cost(&self) -> usize {
        let elements = self.m * self.k + self.k * self.n + self.m * self.n;
        (self.flops() / 4).max(elements * size_of::<T>())
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
#[inline]
pub(crate) fn panel_nv(cols: usize, lanes: usize, max: usize) -> usize {
    match cols.div_ceil(lanes) {
        v if v >= max => max,
        1 => 1,
        _ => 2,
    }
}

/// Rows of the next tile: as many as fit, but no remainder too small to keep the units busy.
#[inline]
pub(crate) fn tile_rows(left: usize, max: usize, nv: usize) -> usize {
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
    let table = Table::<T>::of(p.level);
    let tile = (table.max_rows(table.nv), table.nr());
    let (rows, cols) = grid(p.m, p.n, tile, parts(flops));
    if rows * cols == 1 {
        return serial(p);
    }
    // Whole tiles in each part.
    let mc = p.m.div_ceil(rows).next_multiple_of(6);
    let nc = p.n.div_ceil(cols).next_multiple_of(table.nr());
    let (rows, cols) = (p.m.div_ceil(mc), p.n.div_ceil(nc));
    par::parallel_for(rows * cols, p.cost(), |t| {
        let (i, j) = (t / cols * mc, t % cols * nc);
        // SAFETY: the rectangles lie in C and do not overlap.
        unsafe { serial(&p.part(i, mc.min(p.m - i), j, nc.min(p.n - j))) }
    });
}

/// How many parts to cut work of `flops` into: none where it is not worth it, and more than threads
/// where it is long, so that a thread that is held up leaves some of its parts to the others. Parts
/// read the same operands again, so that short ones cost more than they save.
pub(super) fn parts(flops: usize) -> usize {
    const LONG: usize = 50_000_000;
    match (par::threads(), flops) {
        (1, _) | (_, 0..400_000) => 1,
        (threads, _) => threads * (flops / LONG / threads).clamp(1, 4),
    }
}

/// Into how many rows and columns of parts `m` x `n` elements of C are cut, `parts` of them at most,
/// in tiles of `mr` x `nr`.
///
/// The cut does not change results. It minimises the work of the largest part: multiply-adds in
/// whole tiles, and the reading of operands, which parts of one row or column repeat.
pub(super) fn grid(m: usize, n: usize, (mr, nr): (usize, usize), parts: usize) -> (usize, usize) {
    let cost = |rows: usize, cols: usize| {
        let m = m.div_ceil(rows).next_multiple_of(mr);
        let n = n.div_ceil(cols).next_multiple_of(nr);
        // Per term: reading an element of an operand costs about as much as 8 multiply-adds.
        m * n + 8 * (m + n)
    };
    (1..=parts)
        .map(|rows| (rows, parts / rows))
        .min_by_key(|&(rows, cols)| cost(rows, cols))
        .unwrap_or((1, 1))
}

/// Rows of the blocks that `m` is cut into: equal parts that fit the cache, in whole groups.
fn row_block<T>(level: Level, m: usize, kc: usize) -> usize {
    let most = (mc_bytes(level) / (kc * size_of::<T>())).max(GROUP);
    m.div_ceil(m.div_ceil(most).max(1))
        .next_multiple_of(GROUP)
        .max(GROUP)
}

/// Is B packed? Columns that do not lie side by side cannot be loaded as vectors. Otherwise packing
/// pays when many rows of tiles reuse rows of B that lie far apart: neither the hardware's prefetch nor
/// the page table's cache keeps up with them, and those at multiples of half a page take each other's
/// place in the cache. Narrow tiles compute longer for each line of B, so they wait less for it.
fn packs_b<T: Float>(p: &Product<'_, T>, kc: usize) -> bool {
    if p.packed.is_some() {
        return false;
    }
    let row = p.b_rs.unsigned_abs() * size_of::<T>();
    let apart = row >= 512 && kc * p.n * size_of::<T>() >= 32 << 10;
    let reused = match p.level {
        _ if row.is_multiple_of(2048) => 4,
        Level::Avx2 => 40,
        _ => 30,
    };
    p.b_cs != 1 || (apart && p.m >= reused)
}

/// Is A packed? Broadcasts read it in any order, so only when columns of tiles reuse elements
/// that lie pages apart, or columns of A that push each other out of the first-level cache.
fn packs_a<T: Float>(p: &Product<'_, T>, kc: usize) -> bool {
    let bytes = |stride: isize| stride.unsigned_abs() * size_of::<T>();
    let columns = bytes(p.a_cs) >= 512 && !stay_in_l1(kc.min(p.k), bytes(p.a_cs));
    let apart = columns || bytes(p.a_rs).is_multiple_of(4096);
    apart && p.m >= GROUP && p.k >= 16 && p.n >= 2 * Table::<T>::of(p.level).nr()
}

/// Do so many cache lines, `stride` bytes apart, stay in half of a cache of 64 sets of 8 lines?
fn stay_in_l1(lines: usize, stride: usize) -> bool {
    let sets = 4096 >> stride.trailing_zeros().clamp(6, 12);
    lines <= 4 * sets
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
    let mc = row_block::<T>(p.level, p.m, kc);
    let table = Table::<T>::of(p.level);
    // Rows of a single block use a panel only once, so all panels take the same place.
    let columns = if p.m <= mc { table.nr() } else { NC };
    let b = match packs_b(p, kc) {
        true => kc * columns.min(p.n.next_multiple_of(table.lanes)),
        false => 0,
    };
    let a = if packs_a(p, kc) { kc * mc } else { 0 };
    with_scratch::<T, _>(a + b, |scratch| {
        let scratch = scratch.as_mut_ptr().cast::<T>();
        let null = std::ptr::null_mut();
        let buffers = Buffers {
            a: if a > 0 { scratch.add(b) } else { null },
            b: if b > 0 { scratch } else { null },
        };
        blocks(p, kc, mc, buffers);
    })
}

/// Where blocks are packed; null where they are not.
#[derive(Clone, Copy)]
struct Buffers<T> {
    a: *mut T,
    b: *mut T,
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

/// All blocks of C.
unsafe fn blocks<T: Float>(p: &Product<'_, T>, kc: usize, mc: usize, buffers: Buffers<T>) {
    for j in (0..p.n).step_by(NC) {
        let n = NC.min(p.n - j);
        for at in (0..p.k).step_by(kc) {
            let k = kc.min(p.k - at);
            for i in (0..p.m).step_by(mc) {
                let m = mc.min(p.m - i);
                let block = Block { i, m, j, n, at, k };
                if !buffers.a.is_null() {
                    pack_a(p, block, buffers.a);
                }
                run_block(p, block, buffers, p.m <= mc);
            }
        }
    }
}

/// Packs the rows of A in groups. Where they are columns in memory, some lines of memory at a time for all groups, so
/// that each cache line is fetched once and the hardware sees whole lines go by.
unsafe fn pack_a<T: Float>(p: &Product<'_, T>, at: Block, dst: *mut T) {
    let chunk = match p.a_rs == 1 {
        true => (PACK_CHUNK / at.m).clamp(8, at.k),
        false => at.k,
    };
    for first in (0..at.k).step_by(chunk) {
        for i in (0..at.m).step_by(GROUP) {
            let row = (at.i + i) as isize;
            let pack = Pack {
                k: chunk.min(at.k - first),
                count: GROUP.min(at.m - i),
                width: GROUP,
                src: p.a.offset(row * p.a_rs + (at.at + first) as isize * p.a_cs),
                step: p.a_cs,
                line: p.a_rs,
                dst: dst.add(i * at.k + first * GROUP),
            };
            pack.run(p.level);
        }
    }
}

/// One block: panel after panel of columns; each packed when the first rows come to it.
unsafe fn run_block<T: Float>(p: &Product<'_, T>, at: Block, buffers: Buffers<T>, single: bool) {
    let table = Table::<T>::of(p.level);
    let mut j = 0;
    while j < at.n {
        let nv = panel_nv(at.n - j, table.lanes, table.nv);
        let width = nv * table.lanes;
        let cols = width.min(at.n - j);
        let offset = at.at as isize * p.b_rs + (at.j + j) as isize * p.b_cs;
        let src = p.b.wrapping_offset(offset);
        let (b, b_rs) = if let Some((packed, first)) = p.packed {
            (packed.panel(at.at, at.k, first + at.j + j), width as isize)
        } else if buffers.b.is_null() {
            (src, p.b_rs)
        } else {
            let dst = if single {
                buffers.b
            } else {
                buffers.b.add(j * at.k)
            };
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
            (dst.cast_const(), width as isize)
        };
        let packs = !buffers.b.is_null() && p.b_cs == 1 && at.i == 0;
        let next = packs.then(|| next_panel(p, at, j + cols)).flatten();
        let (a, a_rs, a_cs) = match buffers.a.is_null() {
            true => {
                let offset = at.i as isize * p.a_rs + at.at as isize * p.a_cs;
                (p.a.offset(offset), p.a_rs, p.a_cs)
            }
            false => (buffers.a.cast_const(), 1, GROUP as isize),
        };
        let first = Tile {
            k: at.k,
            a,
            a_rs,
            a_cs,
            b,
            b_rs,
            c: p.c.offset(at.i as isize * p.c_rs).add(at.j + j),
            c_rs: p.c_rs,
            tail: cols - (nv - 1) * table.lanes,
            accumulate: p.accumulate || at.at > 0,
            fetch: match buffers.b.is_null() && p.packed.is_none() {
                true => Fetch::rows_of(b, b_rs),
                false => Fetch::NONE,
            },
        };
        if buffers.a.is_null() {
            column_of_tiles(p, at, (j, cols, nv), (0, at.m), first, next);
        } else {
            for i in (0..at.m).step_by(GROUP) {
                let mut group = first;
                group.a = first.a.add(i * at.k);
                group.c = first.c.offset(i as isize * p.c_rs);
                let rows = (i, GROUP.min(at.m - i));
                column_of_tiles(p, at, (j, cols, nv), rows, group, next);
            }
        }
        j += cols;
    }
}

/// Where the panel begins that is packed after the columns before `j` of block `at`: fetched while
/// the tiles before it are computed, since packing waits for nothing else.
unsafe fn next_panel<T: Float>(p: &Product<'_, T>, at: Block, j: usize) -> Option<*const T> {
    let (row, column) = match (j < at.n, at.at + at.k < p.k) {
        (true, _) => (at.at, at.j + j),
        (false, true) => (at.at + at.k, at.j),
        (false, false) => return None,
    };
    let offset = row as isize * p.b_rs + column as isize * p.b_cs;
    Some(p.b.wrapping_offset(offset))
}

/// Tiles of one panel of columns, from the `first` down: `rows` of the block from row `top`.
unsafe fn column_of_tiles<T: Float>(
    p: &Product<'_, T>,
    at: Block,
    (j, cols, nv): (usize, usize, usize),
    (top, rows): (usize, usize),
    first: Tile<T>,
    next: Option<*const T>,
) {
    let table = Table::<T>::of(p.level);
    let max = table.max_rows(nv);
    let whole = first.tail == table.lanes;
    let last = at.at + at.k == p.k && !p.epilogue.is_none();
    let mut tile = first;
    let mut i = 0;
    while i < rows {
        let mr = tile_rows(rows - i, max, nv);
        if at.k >= 128 {
            fetch_c(tile.c, p.c_rs, mr, nv * table.lanes);
        }
        if let Some(next) = next {
            // The first tiles, of six rows or more each, fetch a vector of each row.
            let vector = (top + i) / 6;
            tile.fetch = match vector < table.nv {
                true => Fetch {
                    at: next.wrapping_add(vector * table.lanes),
                    step: p.b_rs,
                    row: false,
                },
                false => Fetch::NONE,
            };
        }
        table.get(mr, nv, whole)(&tile);
        if last {
            p.apply(at.i + top + i, mr, at.j + j, cols);
        }
        tile.a = tile.a.wrapping_offset(mr as isize * tile.a_rs);
        tile.c = tile.c.wrapping_offset(mr as isize * p.c_rs);
        i += mr;
    }
}

/// Asks for the lines of `rows` rows of C, which are needed when the sums are done.
#[inline(always)]
fn fetch_c<T>(c: *mut T, c_rs: isize, rows: usize, columns: usize) {
    for i in 0..rows {
        let row = c.wrapping_offset(i as isize * c_rs);
        for j in (0..columns).step_by(64 / size_of::<T>()) {
            prefetch(row.wrapping_add(j));
        }
    }
}
