//! The forward pass.

use super::product::{
    Left, Out, Right, pack_columns, pack_rows, panels_len, product, product_below, rows_len,
};
use super::tile::{Finish, Logits, Site, Weigh};
use super::{Operands, Shared, Spec, blocks, pitch, short};
use crate::buffer::with_scratch;
use crate::kernels::gemm::Table;
use crate::par::parallel_for;
use crate::simd::{Float, Level, entry, level};

/// `y = softmax(logits) value`, and the logarithms of the sums of the softmax (infinity for a row without keys).
///
/// # Safety
/// The operands can be read as `spec` says; `y` takes `[b, t, n, v]` and `lse` `[b, n, t]` elements.
pub unsafe fn forward<T: Float>(spec: &Spec, x: &Operands<T>, y: *mut T, lse: *mut T) {
    let s = *spec;
    if s.b * s.t * s.n == 0 {
        return;
    }
    if short::suits(spec, x) {
        return short::forward(spec, x, y, lse);
    }
    let level = level();
    let table = Table::<T>::of(level);
    let (keys, values) = (panels_len(table, s.s, s.d), rows_len(table, s.s, s.v));
    let (y, lse) = (Shared(y), Shared(lse));
    with_scratch::<T, _>(s.b * s.k * (keys + values), |packed| {
        let packed = Shared(packed.as_mut_ptr().cast::<T>());
        let at = |b: usize, h: usize| packed.at((b * s.k + h) * (keys + values));
        let copied = s.b * s.k * s.s * (s.d + s.v) * size_of::<T>();
        parallel_for(s.b * s.k, copied, |task| {
            let (b, h) = (task / s.k, task % s.k);
            let key = (x.key.step(), x.key.feature());
            let value = (x.value.step(), x.value.feature());
            // SAFETY: the operands are as `spec` says, and the room is that of this head alone.
            unsafe {
                pack_columns(level, (s.s, s.d), x.key.at(b, 0, h), key, at(b, h));
                let rows = at(b, h).add(keys);
                pack_rows(level, (s.s, s.v), x.value.at(b, 0, h), value, rows);
            }
        });
        let (rows, _) = blocks(spec);
        let parts = s.t.div_ceil(rows);
        let flops = s.b * s.n * s.pairs() * 2 * (s.d + s.v);
        parallel_for(s.b * s.n * parts, flops / 4, |task| {
            // The last queries see the most keys: they come first.
            let (head, part) = (task / parts, parts - 1 - task % parts);
            let (b, h) = (head / s.n, head % s.n);
            let base = at(b, h / s.groups());
            let block = Block {
                spec,
                x,
                level,
                keys: Right {
                    ptr: base,
                    rs: table.nr() as isize,
                    panel: table.nr() * s.d,
                },
                values: Right::packed_rows(base.wrapping_add(keys), (s.s, s.v), table),
                b,
                h,
                i: part * rows,
                rows: rows.min(s.t - part * rows),
            };
            // SAFETY: the packed head was written above; these rows of the outputs are the task's own.
            unsafe {
                let y = y.at(((b * s.t + block.i) * s.n + h) * s.v);
                let lse = lse.at((b * s.n + h) * s.t + block.i);
                block.run(y, lse);
            }
        });
    });
}

/// A block of queries of one head.
struct Block<'a, T> {
    spec: &'a Spec,
    x: &'a Operands<T>,
    level: Level,
    /// The head's keys as columns, and its values.
    keys: Right<T>,
    values: Right<T>,
    b: usize,
    h: usize,
    i: usize,
    rows: usize,
}

impl<T: Float> Block<'_, T> {
    /// # Safety
    /// `y` takes the rows of the block, `lse` their logarithms.
    unsafe fn run(&self, y: *mut T, lse: *mut T) {
        let s = self.spec;
        let table = Table::<T>::of(self.level);
        let (max_rows, max_cols) = blocks(s);
        let ld = pitch(max_cols);
        let room = max_rows * (ld + s.v + 2);
        with_scratch::<T, _>(room, |scratch| {
            let scores = scratch.as_mut_ptr().cast::<T>();
            let acc = scores.add(max_rows * ld);
            let max = acc.add(max_rows * s.v);
            let sum = max.add(max_rows);
            let low = s.band.keys(self.i, s.s).0 / max_cols * max_cols;
            let high = s.band.keys(self.i + self.rows - 1, s.s).1;
            let mut first = true;
            for j in (low..high).step_by(max_cols) {
                let cols = max_cols.min(high - j);
                let logits = Logits::new(s, self.x, self.site(j, cols));
                if logits.is_hidden() {
                    continue;
                }
                self.scores(table, &logits, scores, ld);
                entry::<Weigh<'_, T>>(self.level)(Weigh {
                    logits: &logits,
                    s: scores,
                    ld,
                    max,
                    sum,
                    acc,
                    width: s.v,
                    first,
                });
                let weights = Left {
                    ptr: scores.cast_const(),
                    rs: ld as isize,
                    cs: 1,
                };
                let out = Out {
                    ptr: acc,
                    rs: s.v as isize,
                };
                let size = (self.rows, s.v, cols);
                let values = self.values.skip_rows(j);
                product(table, size, weights, values, out, !first, |first, last| {
                    logits.columns_of(first, last)
                });
                first = false;
            }
            if first {
                acc.write_bytes(0, self.rows * s.v);
                sum.write_bytes(0, self.rows);
                max.write_bytes(0, self.rows);
            }
            entry::<Finish<T>>(self.level)(Finish {
                rows: self.rows,
                max,
                sum,
                acc,
                width: s.v,
                y,
                y_rs: (s.n * s.v) as isize,
                lse,
            });
        });
    }

    fn site(&self, j: usize, cols: usize) -> Site {
        Site {
            b: self.b,
            h: self.h,
            i: self.i,
            rows: self.rows,
            j,
            cols,
            one_query: false,
        }
    }

    /// The products of the block's queries and the tile's keys.
    unsafe fn scores(&self, table: &Table<T>, logits: &Logits<T>, scores: *mut T, ld: usize) {
        let (s, q, site) = (self.spec, &self.x.query, &logits.site);
        let left = Left {
            ptr: q.at(self.b, self.i, self.h),
            rs: q.step(),
            cs: q.feature(),
        };
        // The tile begins at a panel: columns of tiles are multiples of the panels' width.
        let mut right = self.keys;
        right.ptr = right.ptr.wrapping_add(site.j / table.nr() * right.panel);
        let out = Out {
            ptr: scores,
            rs: ld as isize,
        };
        let size = (site.rows, site.cols, s.d);
        product_below(table, size, left, right, out, |first, last| {
            logits.columns_of(first, last)
        });
    }
}
