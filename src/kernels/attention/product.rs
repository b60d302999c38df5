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
}

/// `C (m x n) = A (m x k) B (k x n)`, or added to C.
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
) {
    let (lanes, nr) = (table.lanes, table.nr());
    let mut j = 0;
    while j < n {
        let nv = panel_nv(n - j, lanes, table.nv);
        let cols = (nv * lanes).min(n - j);
        let mut tile = Tile {
            k,
            a: a.ptr,
            a_rs: a.rs,
            a_cs: a.cs,
            b: b.ptr.wrapping_add(j / nr * b.panel + j % nr),
            b_rs: b.rs,
            c: c.ptr.wrapping_add(j),
            c_rs: c.rs,
            tail: cols - (nv - 1) * lanes,
            accumulate,
            fetch: Fetch::NONE,
        };
        let whole = tile.tail == lanes;
        let mut i = 0;
        while i < m {
            let rows = tile_rows(m - i, table.max_rows(nv), nv);
            table.get(rows, nv, whole)(&tile);
            tile.a = tile.a.wrapping_offset(rows as isize * a.rs);
            tile.c = tile.c.wrapping_offset(rows as isize * c.rs);
            i += rows;
        }
        j += cols;
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

/// Copies lines (each `len` elements `step` apart, lines `line` apart) densely.
///
/// # Safety
/// The elements can be read, and `lines * len` written.
pub(super) unsafe fn copy_rows<T: Float>(
    (lines, len): (usize, usize),
    src: *const T,
    (line, step): (isize, isize),
    dst: *mut T,
) {
    for i in 0..lines {
        let (from, to) = (
            src.wrapping_offset(i as isize * line),
            dst.wrapping_add(i * len),
        );
        if step == 1 {
            to.copy_from_nonoverlapping(from, len);
        } else {
            for c in 0..len {
                to.add(c).write(*from.offset(c as isize * step));
            }
        }
    }
}
