//! B packed once for many products: weights that do not change.

use super::blocked::{k_block, panel_nv};
use super::micro::Table;
use super::pack::Pack;
use crate::buffer::Buffer;
use crate::error::Result;
use crate::simd::{Float, Level, level};

/// A matrix B in the order in which the micro-kernels read it, for [`gemm_packed`](super::gemm_packed).
///
/// Blocks of k one after another, in each the panels of columns.
#[derive(Debug)]
pub struct PackedB<T> {
    buffer: Buffer,
    k: usize,
    n: usize,
    level: Level,
    element: std::marker::PhantomData<T>,
}

impl<T: Float> PackedB<T> {
    /// Packs the `k` x `n` matrix at `b` with row stride `rs` and column stride `cs`.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::error::Error::Memory).
    ///
    /// # Safety
    /// The elements can be read.
    pub unsafe fn new(k: usize, n: usize, b: *const T, rs: isize, cs: isize) -> Result<PackedB<T>> {
        let level = level();
        let table = Table::<T>::of(level);
        let len = k * n.next_multiple_of(table.lanes);
        let packed = PackedB {
            buffer: Buffer::new("matmul", len * size_of::<T>())?,
            k,
            n,
            level,
            element: std::marker::PhantomData,
        };
        if k > 0 {
            packed.fill(b, rs, cs);
        }
        Ok(packed)
    }

    /// Packs other values of the same shape into the same memory.
    ///
    /// # Safety
    /// As for [`new`](Self::new); nobody else uses `self` meanwhile.
    pub unsafe fn fill(&self, b: *const T, rs: isize, cs: isize) {
        let table = Table::<T>::of(self.level);
        let kc = k_block::<T>(self.k);
        for at in (0..self.k).step_by(kc) {
            let k = kc.min(self.k - at);
            let mut j = 0;
            while j < self.n {
                let width = panel_nv(self.n - j, table.lanes, table.nv) * table.lanes;
                let pack = Pack {
                    k,
                    count: width.min(self.n - j),
                    width,
                    src: b.offset(at as isize * rs + j as isize * cs),
                    step: rs,
                    line: cs,
                    dst: self.panel(at, k, j).cast_mut(),
                };
                pack.run(self.level);
                j += width;
            }
        }
    }

    /// Rows.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The level whose tiles it was packed for.
    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// The panel that begins at column `j`, of the block of `k` rows from `at`.
    pub(super) fn panel(&self, at: usize, k: usize, j: usize) -> *const T {
        let width = self.n.next_multiple_of(Table::<T>::of(self.level).lanes);
        self.buffer
            .ptr()
            .cast::<T>()
            .wrapping_add(at * width + j * k)
    }
}
