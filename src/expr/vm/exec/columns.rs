//! Column reductions: every task sums into wide accumulators of its own, which are then added in order.

use super::*;
use crate::expr::vm::plan::ColReduce;
use crate::expr::vm::reduce::COL_SPAN;

/// The accumulators of column reductions in one task.
pub(super) struct Sums<'a> {
    cols: &'a [ColReduce],
    width: usize,
    rows_since_flush: usize,
}

impl<'a> Sums<'a> {
    unsafe fn flush(&mut self, m: &Machine) {
        self.cols
            .iter()
            .for_each(|x| (x.flush.run)(&m.cx(1, self.width, 0, 0), &x.flush));
        self.rows_since_flush = 0;
    }

    /// Adds a block of `rows` whole rows, flushing after every [`COL_SPAN`] rows.
    pub(super) unsafe fn add_rows(&mut self, m: &Machine, rows: usize) {
        let mut done = 0;
        while done < rows {
            let n = (rows - done).min(COL_SPAN - self.rows_since_flush);
            for x in self.cols {
                let value = m.regs.add(x.block.args[0] as usize);
                let start = *value;
                value.write(start.add(done * self.width * x.value_size));
                (x.block.run)(&m.cx(n, self.width, 0, 0), &x.block);
                value.write(start);
            }
            done += n;
            self.rows_since_flush += n;
            if self.rows_since_flush == COL_SPAN {
                self.flush(m);
            }
        }
    }

    /// Adds `n` columns from `offset` on of the current row.
    pub(super) unsafe fn add_piece(&mut self, m: &Machine, offset: usize, n: usize) {
        for x in self.cols {
            let acc = m.regs.add(x.acc as usize);
            let start = *acc;
            acc.write(start.add(offset * x.value_size));
            (x.block.run)(&m.cx(1, n, 0, 0), &x.block);
            acc.write(start);
        }
    }

    pub(super) unsafe fn end_row(&mut self, m: &Machine) {
        self.rows_since_flush += 1;
        if self.rows_since_flush == COL_SPAN {
            self.flush(m);
        }
    }
}

impl<'a> Sums<'a> {
    /// Accumulators for `width` columns from `first` on: wide ones inside the task's shared part.
    unsafe fn start(
        m: &Machine<'a>,
        narrow: &mut [MaybeUninit<u8>],
        wide: *mut u8,
        first: usize,
        width: usize,
        wide_stride: usize,
        narrow_stride: usize,
    ) -> Sums<'a> {
        for (i, x) in m.plan.cols.iter().enumerate() {
            m.regs
                .add(x.acc as usize)
                .write(narrow.as_mut_ptr().cast::<u8>().add(i * narrow_stride));
            m.regs
                .add(x.wide as usize)
                .write(wide.add(i * wide_stride + first * x.wide_size));
            (x.begin.run)(&m.cx(1, width, 0, 0), &x.begin);
        }
        Sums {
            cols: &m.plan.cols,
            width,
            rows_since_flush: 0,
        }
    }
}

/// Column reductions: every task sums into wide accumulators of its own, which are then added in order.
pub(super) unsafe fn run_columns(plan: &Plan, layout: &Layout, cut: &Cut, flops: usize, io: Io) {
    let (outer, cols) = (layout.outer_len(), layout.cols);
    // Every (outer piece, row piece) has accumulators for all columns, of at most 8 bytes each.
    let [by_outer, by_rows, by_cols] = cut.tasks;
    let stride = align_up(cols * 8);
    let partial = plan.cols.len() * stride;
    with_scratch(
        by_outer * by_rows.max(1) * partial,
        |shared: &mut [MaybeUninit<u8>]| {
            let shared = Shared(shared.as_mut_ptr().cast());
            let task = |t: usize| {
                let narrow = align_up(cut.cols * 8) * plan.cols.len();
                with_scratch(machine_bytes(plan, layout) + narrow, |memory| {
                    // SAFETY: sizes as asked for; tasks have disjoint accumulators.
                    unsafe {
                        let (own, narrow) = memory.split_at_mut(machine_bytes(plan, layout));
                        let mut m = Machine::new(plan, layout, own, io);
                        let first = t % by_cols * cut.cols;
                        let width = cut.cols.min(cols - first);
                        let wide = shared.at(t / by_cols * partial);
                        let mut sums = Some(Sums::start(
                            &m,
                            narrow,
                            wide,
                            first,
                            width,
                            stride,
                            align_up(cut.cols * 8),
                        ));
                        run_task(&mut m, cut, io, t, &mut sums);
                        if let Some(mut sums) = sums {
                            sums.flush(&m);
                        }
                    }
                });
            };
            if layout.rows == 0 || outer == 0 {
                // Nothing to add up: the identity, if there is anything to write.
                finish_columns(plan, layout, io, &shared, 0, stride);
            } else {
                par::parallel_for(cut.count(), flops, task);
                let pieces = by_outer * by_rows / (outer / layout.group).max(1);
                finish_columns(plan, layout, io, &shared, pieces, stride);
            }
        },
    );
}

/// Adds the partial sums of each output in order and stores them.
unsafe fn finish_columns(
    plan: &Plan,
    layout: &Layout,
    io: Io,
    shared: &Shared,
    pieces: usize,
    stride: usize,
) {
    let cols = layout.cols;
    let sums = layout.outer_len() / layout.group.max(1);
    with_scratch(machine_bytes(plan, layout) + 3 * stride, |memory| {
        let (own, extra) = memory.split_at_mut(machine_bytes(plan, layout));
        let mut m = Machine::new(plan, layout, own, io);
        let (total, narrow) = (
            extra.as_mut_ptr().cast::<u8>(),
            extra.as_mut_ptr().cast::<u8>().add(stride),
        );
        let cx = m.cx(1, cols, 0, 0);
        for sum in 0..sums {
            m.move_to_outer(io, sum * layout.group);
            for (i, x) in plan.cols.iter().enumerate() {
                m.regs.add(x.wide as usize).write(total);
                m.regs.add(x.acc as usize).write(narrow);
                m.regs.add(x.value as usize).write(narrow);
                (x.begin.run)(&cx, &x.begin);
                for p in 0..pieces {
                    let other = shared.at(((sum * pieces + p) * plan.cols.len() + i) * stride);
                    m.regs.add(x.other as usize).write(other);
                    (x.join.run)(&cx, &x.join);
                }
                (x.finish.run)(&cx, &x.finish);
                (x.store.run)(&cx, &x.store);
            }
        }
    });
}
