//! How a domain is cut into tasks: by its shape alone, so that results do not depend on the number of threads.

use super::layout::Layout;
use super::plan::Plan;
use super::reduce::{CHUNK, COL_SPAN};
use std::ops::Range;

/// Most elements of a task, roughly: small against a second-level cache.
pub(super) const GRAIN: usize = 32 << 10;
/// Least elements of a task, roughly: large against the cost of starting one.
const LEAST: usize = 8 << 10;

/// Pieces into which the rows of a column reduction are cut at most.
const MAX_SPLITS: usize = 64;

/// How the domain is cut: ranges of steps through the outer dimensions, of rows and of columns.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub outer: usize,
    pub rows: usize,
    pub cols: usize,
    pub tasks: [usize; 3],
    /// A few long rows with reductions: rows one after the other, each cut in chunks.
    pub by_chunks: bool,
}

/// Elements of a task in a domain of so many: few tasks of unequal number would leave threads without work.
fn grain(elements: usize) -> usize {
    (elements / 16).clamp(LEAST, GRAIN)
}

pub(super) fn pieces(n: usize, each: usize) -> usize {
    n.div_ceil(each.max(1))
}

impl Cut {
    pub fn new(plan: &Plan, layout: &Layout) -> Cut {
        let (outer, rows, cols) = (layout.outer_len(), layout.rows, layout.cols);
        let reduces = plan.phases.iter().any(|p| !p.reduces.is_empty());
        let grain = grain(outer * rows * cols);
        let mut cut = Cut {
            outer: 1,
            rows: rows.max(1),
            cols: cols.max(1),
            tasks: [1; 3],
            by_chunks: false,
        };
        if !plan.cols.is_empty() {
            cut.cut_for_columns(plan, layout, reduces);
        } else if reduces && outer * rows < 16 && cols >= 2 * CHUNK {
            cut.by_chunks = true;
            cut.outer = outer;
            return cut;
        } else {
            if !plan.whole_rows && !reduces {
                cut.cols = grain.next_multiple_of(plan.block.max(1)).min(cols.max(1));
            }
            if cut.cols >= cols {
                let step = plan.block_rows;
                cut.rows = (grain / cols.max(1))
                    .max(1)
                    .next_multiple_of(step)
                    .min(rows.max(1));
            } else {
                cut.rows = 1;
            }
            if cut.rows >= rows {
                cut.outer = (grain / (rows * cols).max(1)).clamp(1, outer.max(1));
            }
        }
        // Rows without elements still have row values.
        cut.tasks = [
            pieces(outer, cut.outer),
            pieces(rows, cut.rows),
            pieces(cols, cut.cols).max(1),
        ];
        cut
    }

    /// A task holds the columns' accumulators: rows are cut into few long pieces, and columns too if they are many.
    fn cut_for_columns(&mut self, plan: &Plan, layout: &Layout, reduces: bool) {
        let (outer, rows, cols) = (layout.outer_len(), layout.rows, layout.cols);
        let sums = outer / layout.group.max(1);
        let elements = outer * rows * cols;
        let splits = (elements / grain(elements) / sums.max(1)).clamp(1, MAX_SPLITS);
        if layout.group == 1 {
            self.rows = rows
                .div_ceil(splits)
                .next_multiple_of(COL_SPAN)
                .min(rows.max(1));
        } else {
            self.outer = layout.group.div_ceil(splits).min(layout.group);
            // Tasks must not straddle two sums.
            while !layout.group.is_multiple_of(self.outer) {
                self.outer += 1;
            }
        }
        if !plan.whole_rows && !reduces && rows * layout.group <= COL_SPAN {
            self.cols = (GRAIN / (rows * layout.group).max(1))
                .next_multiple_of(plan.block)
                .min(cols.max(1));
        }
    }

    pub fn count(&self) -> usize {
        self.tasks.iter().product()
    }
}

/// Range `i` of the pieces of `each` of `0..n`.
pub(super) fn piece(i: usize, each: usize, n: usize) -> Range<usize> {
    (i * each).min(n)..((i + 1) * each).min(n)
}
