//! Products of tiles, straight on the micro-kernels of the matrix product: no blocking, no allocation.

use crate::kernels::gemm::{Fetch, Pack, Table, Tile, panel_nv, tile_rows};
use crate::simd::{Float, Level};

/// The left operand: any strides.
#[derive(Clone, Copy)]
pub(super) struct Left<T> {
    pub ptr: *const T,
    /// Distance between rows.
    pub rs: isize,
    /// Distance between columns.
    pub cs: isize,
}

/// The right operand: columns side by side in panels as wide as the largest tile.
#[derive(Clone, Copy)]
pub(super) struct Right<T> {
    pub ptr: *const T,
    /// Distance between rows.
    pub rs: isize,
    /// Distance between panels.
    pub panel: usize,
}

/// A matrix with its columns side by side.
#[derive(Clone, Copy)]
pub(super) struct Out<T> {
    pub ptr: *mut T,
    /// Distance between rows.
    pub rs: isize,
}

impl<T> Right<T> {
    /// Row `p`, from column `j` on, with panels of `nr` columns.
    fn row(&self, p: usize, j: usize, nr: usize) -> *const T {
        let panel = self.ptr.wrapping_add(j / nr * self.panel + j % nr);
        panel.wrapping_offset(p as isize * self.rs)
    }

    /// Rows stored one after another, `rs` apart.
    pub fn rows(ptr: *const T, rs: isize, table: &Table<T>) -> Self
    where
        T: Float,
    {
        Right {
            ptr,
            rs,
            panel: table.nr(),
        }
    }

    /// What [`pack_rows`] wrote to `ptr`.
    pub fn packed_rows(ptr: *const T, (lines, len): (usize, usize), table: &Table<T>) -> Self
    where
        T: Float,
    {
        let width = row_width(table, len);
        Right {
            ptr,
            rs: width as isize,
            panel: width * lines,
        }
    }

    /// The same without the first `p` rows.
    pub fn skip_rows(mut self, p: usize) -> Self {
        self.ptr = self.ptr.wrapping_offset(p as isize * self.rs);
        self
    }
}

/// `C (m x n) = A (m x k) B (k x n)`, or added to C, where only some terms count: `terms(first, last)` are those of
/// the rows `first ..= last` of A, in which all else is 0.
///
/// # Safety
/// The elements of A and B that the sizes name can be read, those of C written, and C overlaps neither.
pub(super) unsafe fn product<T: Float>(
    table: &Table<T>,
    (m, n, k): (usize, usize, usize),
    a: Left<T>,
    b: Right<T>,
    c: Out<T>,
    accumulate: bool,
    terms: impl Fn(usize, usize) -> (usize, usize),
) {
    let (lanes, nr) = (table.lanes, table.nr());
    let all = all_count(m, k, &terms);
    let mut j = 0;
    while j < n {
        let nv = panel_nv(n - j, lanes, table.nv);
        let cols = (nv * lanes).min(n - j);
        let tail = cols - (nv - 1) * lanes;
        let mut i = 0;
        while i < m {
            let rows = tile_rows(m - i, table.max_rows(nv), nv);
            let (low, high) = if all { (0, k) } else { terms(i, i + rows - 1) };
            debug_assert!(high <= k);
            let tile = Tile {
                // Rows without terms have sums of nothing.
                k: high.saturating_sub(low),
                a: a.ptr
                    .wrapping_offset(i as isize * a.rs + low as isize * a.cs),
                a_rs: a.rs,
                a_cs: a.cs,
                b: b.row(low, j, nr),
                b_rs: b.rs,
                c: c.ptr.wrapping_offset(i as isize * c.rs).wrapping_add(j),
                c_rs: c.rs,
                tail,
                accumulate,
                fetch: Fetch::NONE,
            };
            table.get(rows, nv, tail == lanes)(&tile);
            i += rows;
        }
        j += cols;
    }
}

/// Does every one of `m` rows reach from 0 to `n`? Both ends of what they reach grow with the rows.
fn all_count(m: usize, n: usize, reach: &impl Fn(usize, usize) -> (usize, usize)) -> bool {
    m == 0 || reach(m - 1, m - 1).0 == 0 && reach(0, 0).1 == n
}

/// The part of `C (m x n) = A (m x k) B (k x n)` that is asked for: of the rows `first ..= last` at least the columns
/// `columns(first, last)`, whose end grows with the rows. What else is written is undefined.
///
/// # Safety
/// As [`product`].
pub(super) unsafe fn product_below<T: Float>(
    table: &Table<T>,
    (m, n, k): (usize, usize, usize),
    a: Left<T>,
    b: Right<T>,
    c: Out<T>,
    columns: impl Fn(usize, usize) -> (usize, usize),
) {
    if all_count(m, n, &columns) {
        return product(table, (m, n, k), a, b, c, false, |_, _| (0, k));
    }
    let (lanes, nr) = (table.lanes, table.nr());
    for j in (0..n).step_by(nr) {
        let whole = nr.min(n - j);
        let mut i = 0;
        while i < m {
            // Vectors of the panel that these many rows see.
            let vectors = |rows: usize| {
                let (low, high) = columns(i, i + rows - 1);
                match high.clamp(j, j + whole) - j {
                    seen if low < j + nr => seen.div_ceil(lanes),
                    _ => 0,
                }
            };
            // As many rows as a narrow tile has, if all of them see little.
            let most = |nv: usize| tile_rows(m - i, table.max_rows(nv), nv);
            let narrow = most(1);
            let rows = match vectors(narrow) {
                few if few < table.nv && few <= 2 => narrow,
                _ => most(table.nv),
            };
            let seen = vectors(rows) * lanes;
            let mut at = 0;
            while at < seen {
                // Of three vectors the fourth costs less than another tile.
                let left = if seen - at > 2 * lanes { whole } else { seen };
                let nv = panel_nv(left - at, lanes, table.nv);
                let cols = (nv * lanes).min(whole - at);
                let tail = cols - (nv - 1) * lanes;
                let tile = Tile {
                    k,
                    a: a.ptr.wrapping_offset(i as isize * a.rs),
                    a_rs: a.rs,
                    a_cs: a.cs,
                    b: b.row(0, j + at, nr),
                    b_rs: b.rs,
                    c: (c.ptr.wrapping_offset(i as isize * c.rs)).wrapping_add(j + at),
                    c_rs: c.rs,
                    tail,
                    accumulate: false,
                    fetch: Fetch::NONE,
                };
                table.get(rows, nv, tail == lanes)(&tile);
                at += nv * lanes;
            }
            i += rows;
        }
    }
}

/// Elements that the panels of `lines` lines of `len` elements take.
pub(super) fn panels_len<T: Float>(table: &Table<T>, lines: usize, len: usize) -> usize {
    lines.next_multiple_of(table.nr()) * len
}

/// Packs lines (each `len` elements `step` apart, lines `line` apart) as the columns of a right operand.
///
/// # Safety
/// The elements can be read, and `panels_len` elements written.
pub(super) unsafe fn pack_columns<T: Float>(
    level: Level,
    (lines, len): (usize, usize),
    src: *const T,
    (line, step): (isize, isize),
    dst: *mut T,
) -> Right<T> {
    let nr = Table::<T>::of(level).nr();
    for j in (0..lines).step_by(nr) {
        let pack = Pack {
            k: len,
            count: nr.min(lines - j),
            width: nr,
            src: src.wrapping_offset(j as isize * line),
            step,
            line,
            dst: dst.wrapping_add(j * len),
        };
        pack.run(level);
    }
    Right {
        ptr: dst,
        rs: nr as isize,
        panel: nr * len,
    }
}

/// Packs the same lines as the rows of a right operand, in panels that leave no gaps: rows far apart push each other out
/// of the first-level cache.
///
/// # Safety
/// The elements can be read, and [`rows_len`] elements written.
pub(super) unsafe fn pack_rows<T: Float>(
    level: Level,
    (lines, len): (usize, usize),
    src: *const T,
    (line, step): (isize, isize),
    dst: *mut T,
) -> Right<T> {
    let table = Table::<T>::of(level);
    let width = row_width(table, len);
    for j in (0..len).step_by(width.max(1)) {
        let pack = Pack {
            k: lines,
            count: width.min(len - j),
            width,
            src: src.wrapping_offset(j as isize * step),
            step: line,
            line: step,
            dst: dst.wrapping_add(j * lines),
        };
        pack.run(level);
    }
    Right::packed_rows(dst, (lines, len), table)
}

/// Columns of a panel of rows of `len` elements: one that is not filled is as narrow as its tiles.
fn row_width<T: Float>(table: &Table<T>, len: usize) -> usize {
    table.nr().min(len.next_multiple_of(table.lanes))
}

/// Elements that [`pack_rows`] writes.
pub(super) fn rows_len<T: Float>(table: &Table<T>, lines: usize, len: usize) -> usize {
    len.next_multiple_of(row_width(table, len).max(1)) * lines
}

/// Copies lines (each `len` elements `step` apart, lines `line` apart) densely.
///
/// # Safety
/// The elements can be read, and `lines * len` written.
pub(super) unsafe fn copy_rows<T: Float>(
    level: Level,
    (lines, len): (usize, usize),
    src: *const T,
    (line, step): (isize, isize),
    dst: *mut T,
) {
    let pack = Pack {
        k: lines,
        count: len,
        width: len,
        src,
        step: line,
        line: step,
        dst,
    };
    pack.run(level);
}
