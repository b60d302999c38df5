//! The backward pass: five products for each tile, of which two compute it again.

use super::product::{
    Left, Out, Right, copy_rows, pack_columns, pack_rows, panels_len, product, product_below,
    rows_len,
};
use super::tile::{Back, Dots, Logits, Site};
use super::{Heads, Operands, Shared, Spec, blocks, pitch};
use crate::buffer::with_scratch;
use crate::kernels::gemm::Table;
use crate::par::parallel_for;
use crate::simd::{Float, Level, entry, level};

/// Fewest tasks to cut the keys for, where there are few heads, and fewest keys of a part.
const TASKS: usize = 8;
const KEYS_OF_PART: usize = 512;

/// Where the gradients go: dense arrays of the operands' shapes.
#[derive(Debug, Clone, Copy)]
pub struct Gradients<T> {
    /// `[b, t, n, d]`
    pub query: *mut T,
    /// `[b, s, k, d]`
    pub key: *mut T,
    /// `[b, s, k, v]`
    pub value: *mut T,
}

/// The gradients of query, key and value from that of the output.
///
/// # Safety
/// The operands, `y` and `g` (`[b, t, n, v]`) and `lse` (dense `[b, n, t]`) can be read as `spec` says, and the
/// gradients written. `y` and `lse` are what [`super::forward`] wrote.
pub unsafe fn backward<T: Float>(
    spec: &Spec,
    x: &Operands<T>,
    y: &Heads<T>,
    lse: *const T,
    g: &Heads<T>,
    out: &Gradients<T>,
) {
    let s = *spec;
    let level = level();
    let parts = (TASKS.div_ceil((s.b * s.k).max(1))).clamp(1, (s.s / KEYS_OF_PART).max(1));
    let (queries, outputs) = (s.t * s.d, s.t * s.v);
    let heads = s.b * s.n;
    let dense = heads * (queries + outputs + s.t);
    // The first part adds to the gradient itself.
    let partial = heads * queries;
    with_scratch::<T, _>(dense + (parts - 1) * partial, |scratch| {
        let scratch = Shared(scratch.as_mut_ptr().cast::<T>());
        let job = Job {
            spec,
            x,
            level,
            queries: scratch,
            outputs: Shared(scratch.at(heads * queries)),
            delta: Shared(scratch.at(heads * (queries + outputs))),
            lse: Shared(lse.cast_mut()),
            partial: Shared(scratch.at(dense)),
            out: Gradients { ..*out },
            parts,
        };
        parallel_for(heads, heads * (queries + outputs) * 8, |h| {
            // SAFETY: each task writes what belongs to its head alone.
            unsafe { job.copy_head(h / s.n, h % s.n, y, g) };
        });
        let flops = heads * s.pairs() * (6 * s.d + 4 * s.v);
        parallel_for(s.b * s.k * parts, flops / 4, |task| {
            let (head, part) = (task / parts, task % parts);
            // SAFETY: each task writes what belongs to its part of a head alone.
            unsafe { job.part(head / s.k, head % s.k, part) };
        });
        if parts > 1 {
            parallel_for(heads, heads * queries * parts, |h| {
                // SAFETY: each task writes the rows of its head alone, and all parts are there.
                unsafe { job.sum_parts(h / s.n, h % s.n) };
            });
        }
    });
}

/// What the tasks share.
struct Job<'a, T> {
    spec: &'a Spec,
    x: &'a Operands<T>,
    level: Level,
    /// Dense copies by head of the queries, of the gradient of the output, and the sums of its products with it.
    queries: Shared<T>,
    outputs: Shared<T>,
    delta: Shared<T>,
    lse: Shared<T>,
    /// The gradients of the queries from all parts but the first, by part and head.
    partial: Shared<T>,
    out: Gradients<T>,
    parts: usize,
}

// SAFETY: tasks write separate parts of the gradients.
unsafe impl<T: Sync> Sync for Job<'_, T> {}

/// Tiles of one task.
struct Room<T> {
    scores: *mut T,
    slopes: *mut T,
    grads: *mut T,
    /// The block of keys as columns and as rows, and its values as columns.
    keys: Right<T>,
    key_rows: Right<T>,
    values: Right<T>,
    ld: usize,
}

impl<T: Float> Job<'_, T> {
    /// The number of a head, and the place of its queries.
    fn head(&self, b: usize, h: usize) -> usize {
        b * self.spec.n + h
    }

    unsafe fn copy_head(&self, b: usize, h: usize, y: &Heads<T>, g: &Heads<T>) {
        let s = self.spec;
        let (head, q) = (self.head(b, h), &self.x.query);
        let query = (q.step(), q.feature());
        copy_rows(
            self.level,
            (s.t, s.d),
            q.at(b, 0, h),
            query,
            self.queries.at(head * s.t * s.d),
        );
        let dense = self.outputs.at(head * s.t * s.v);
        let output = (g.step(), g.feature());
        copy_rows(self.level, (s.t, s.v), g.at(b, 0, h), output, dense);
        entry::<Dots<T>>(self.level)(Dots {
            rows: s.t,
            width: s.v,
            y: y.at(b, 0, h),
            y_rs: y.step(),
            g: dense,
            g_rs: s.v as isize,
            delta: self.delta.at(head * s.t),
        });
    }

    /// Where part `part` adds up the gradient of the queries of a head, and the distance of its rows.
    fn query_gradient(&self, b: usize, h: usize, part: usize) -> Out<T> {
        let s = self.spec;
        if part == 0 {
            let at = (b * s.t * s.n + h) * s.d;
            return Out {
                ptr: self.out.query.wrapping_add(at),
                rs: (s.n * s.d) as isize,
            };
        }
        let heads = s.b * s.n;
        Out {
            ptr: self
                .partial
                .at(((part - 1) * heads + self.head(b, h)) * s.t * s.d),
            rs: s.d as isize,
        }
    }

    /// The part `part` of the keys of a head of keys.
    unsafe fn part(&self, b: usize, k: usize, part: usize) {
        let s = self.spec;
        let table = Table::<T>::of(self.level);
        let (rows, cols) = blocks(s);
        for h in k * s.groups()..(k + 1) * s.groups() {
            let out = self.query_gradient(b, h, part);
            for i in 0..s.t {
                out.ptr.offset(i as isize * out.rs).write_bytes(0, s.d);
            }
        }
        let share = s.s.div_ceil(self.parts).next_multiple_of(cols);
        let (from, to) = ((part * share).min(s.s), ((part + 1) * share).min(s.s));
        let tile = rows * pitch(cols);
        let slopes = if s.soft_cap.is_some() { tile } else { 0 };
        let (columns, lines) = (panels_len(table, cols, s.d), panels_len(table, cols, s.v));
        let key_rows = rows_len(table, cols, s.d);
        with_scratch::<T, _>(2 * tile + slopes + columns + lines + key_rows, |m| {
            let scores = m.as_mut_ptr().cast::<T>();
            let grads = scores.add(tile);
            let slope = grads.add(tile);
            let keys = slope.add(slopes);
            let values = keys.add(columns);
            let key_rows = values.add(lines);
            for j in (from..to).step_by(cols) {
                let count = cols.min(to - j);
                let (key, value) = (&self.x.key, &self.x.value);
                let at = (key.step(), key.feature());
                let room = Room {
                    scores,
                    slopes: slope,
                    grads,
                    keys: pack_columns(self.level, (count, s.d), key.at(b, j, k), at, keys),
                    key_rows: pack_rows(self.level, (count, s.d), key.at(b, j, k), at, key_rows),
                    values: pack_columns(
                        self.level,
                        (count, s.v),
                        value.at(b, j, k),
                        (value.step(), value.feature()),
                        values,
                    ),
                    ld: pitch(cols),
                };
                self.keys(b, k, part, (j, count), &room);
            }
        });
    }

    /// All queries against a block of keys.
    unsafe fn keys(&self, b: usize, k: usize, part: usize, at: (usize, usize), room: &Room<T>) {
        let s = self.spec;
        let (j, cols) = at;
        let (rows, _) = blocks(s);
        let mut first = true;
        let (low, high) = s.band.queries(j, cols, s.t);
        for h in k * s.groups()..(k + 1) * s.groups() {
            for i in (low / rows * rows..high).step_by(rows) {
                let rows = rows.min(high - i);
                // The last query sees the most keys; on the diagonal these are not all of the block.
                let seen = s.band.keys(i + rows - 1, s.s).1.saturating_sub(j);
                let site = Site {
                    b,
                    h,
                    i,
                    rows,
                    j,
                    cols: seen.min(cols),
                    one_query: false,
                };
                let logits = Logits::new(s, self.x, site);
                if site.cols > 0 && !logits.is_hidden() {
                    if first {
                        self.clear_keys(b, k, j + site.cols, j + cols);
                    }
                    self.tile(&logits, part, k, room, first);
                    first = false;
                }
            }
        }
        if first {
            self.clear_keys(b, k, j, j + cols);
        }
    }

    /// Zeros as the gradients of the keys `from .. to`.
    unsafe fn clear_keys(&self, b: usize, k: usize, from: usize, to: usize) {
        for j in from..to {
            let (key, value) = self.key_gradients(b, k, j);
            key.ptr.write_bytes(0, self.spec.d);
            value.ptr.write_bytes(0, self.spec.v);
        }
    }

    fn key_gradients(&self, b: usize, k: usize, j: usize) -> (Out<T>, Out<T>) {
        let s = self.spec;
        let row = (b * s.s + j) * s.k + k;
        let out = |ptr: *mut T, width: usize| Out {
            ptr: ptr.wrapping_add(row * width),
            rs: (s.k * width) as isize,
        };
        (out(self.out.key, s.d), out(self.out.value, s.v))
    }

    /// One tile: adds its share to all three gradients, of which it is the `first` for these keys.
    unsafe fn tile(&self, logits: &Logits<T>, part: usize, k: usize, room: &Room<T>, first: bool) {
        let (s, site) = (self.spec, &logits.site);
        let table = Table::<T>::of(self.level);
        let head = self.head(site.b, site.h);
        let row = head * s.t + site.i;
        let (queries, outputs) = (
            self.queries.at(row * s.d).cast_const(),
            self.outputs.at(row * s.v).cast_const(),
        );
        let ld = room.ld as isize;
        let dense = |ptr: *const T, width: usize| Left {
            ptr,
            rs: width as isize,
            cs: 1,
        };
        let to = |ptr: *mut T| Out { ptr, rs: ld };
        let (rows, cols) = (site.rows, site.cols);
        let seen = |first: usize, last: usize| logits.columns_of(first, last);
        let seeing = |first: usize, last: usize| logits.rows_of(first, last);
        let left = dense(queries, s.d);
        let size = |width: usize| (rows, cols, width);
        product_below(table, size(s.d), left, room.keys, to(room.scores), seen);
        let left = dense(outputs, s.v);
        product_below(table, size(s.v), left, room.values, to(room.grads), seen);
        entry::<Back<'_, T>>(self.level)(Back {
            logits,
            s: room.scores,
            ds: room.grads,
            slope: room.slopes,
            ld: room.ld,
            lse: self.lse.at(row),
            delta: self.delta.at(row),
        });
        let turned = |ptr: *mut T| Left {
            ptr: ptr.cast_const(),
            rs: 1,
            cs: ld,
        };
        let (key, value) = self.key_gradients(site.b, k, site.j);
        let right = Right::rows(outputs, s.v as isize, table);
        product(
            table,
            (cols, s.v, rows),
            turned(room.scores),
            right,
            value,
            !first,
            seeing,
        );
        let right = Right::rows(queries, s.d as isize, table);
        product(
            table,
            (cols, s.d, rows),
            turned(room.grads),
            right,
            key,
            !first,
            seeing,
        );
        let mut query = self.query_gradient(site.b, site.h, part);
        query.ptr = query.ptr.wrapping_offset(site.i as isize * query.rs);
        let left = Left {
            ptr: room.grads.cast_const(),
            rs: ld,
            cs: 1,
        };
        product(
            table,
            (rows, s.d, cols),
            left,
            room.key_rows,
            query,
            true,
            seen,
        );
    }

    /// Adds the other parts' gradients of a head's queries to those of the first, in order.
    unsafe fn sum_parts(&self, b: usize, h: usize) {
        let s = self.spec;
        let sum = self.query_gradient(b, h, 0);
        for part in 1..self.parts {
            let terms = self.query_gradient(b, h, part);
            for i in 0..s.t as isize {
                let (to, from) = (sum.ptr.offset(i * sum.rs), terms.ptr.offset(i * terms.rs));
                for c in 0..s.d {
                    *to.add(c) = *to.add(c) + *from.add(c);
                }
            }
        }
    }
}
