//! Weights in the order in which the micro-kernel reads them.
//!
//! A panel holds the columns of one tile: for each tap of the correlation and each source channel
//! of the group, `width` consecutive target channels, zeros past the last one.

use super::geometry::Correlation;
use std::mem::MaybeUninit;

/// Where the panels of packed weights lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panels {
    /// Columns of a full panel.
    pub width: usize,
    /// Panels of each group.
    pub per_group: usize,
    /// Elements of a full panel.
    pub len: usize,
    /// Rows of a panel: taps times source channels.
    pub rows: usize,
}

impl Panels {
    /// Panels of `width` columns.
    pub fn new(cor: &Correlation, width: usize) -> Panels {
        let rows = cor.taps() * cor.source_group();
        Panels {
            width,
            per_group: cor.target_group().div_ceil(width),
            len: rows * width,
            rows,
        }
    }

    /// Panels of all groups.
    pub fn count(&self, cor: &Correlation) -> usize {
        self.per_group * cor.groups
    }

    /// Panel number `i`: its group, its first column in the group and its number of columns.
    pub fn panel(&self, cor: &Correlation, i: usize) -> (usize, usize, usize) {
        let (group, p) = (i / self.per_group, i % self.per_group);
        let first = p * self.width;
        (group, first, self.width.min(cor.target_group() - first))
    }

    /// Do the weights of the forward convolution already lie in this order?
    pub fn already(&self, cor: &Correlation) -> bool {
        cor.groups == 1
            && cor.target_c == self.width
            && cor.axes.iter().all(|a| a.taps.len() == a.kernel)
    }
}

/// Fills panel `i`; `transposed` when the source of the correlation has the channels of `y`.
///
/// # Safety
/// `w` is the kernel `[taps, c / groups, k]` of the convolution; `to` has `panels.len` elements.
pub(super) unsafe fn pack_panel<T: Copy + Default>(
    cor: &Correlation,
    panels: &Panels,
    i: usize,
    w: *const T,
    transposed: bool,
    to: &mut [MaybeUninit<T>],
) {
    let (group, first, columns) = panels.panel(cor, i);
    let source = cor.source_group();
    for (tap, index) in cor.tap_indices().enumerate() {
        let rows = &mut to[tap * source * panels.width..][..source * panels.width];
        if transposed {
            // w[index][column][group * source + row]
            let base = w.add((index * cor.target_group() + first) * cor.source_c + group * source);
            // Few rows at a time: what is written stays in the first-level cache.
            for rs in (0..source).step_by(16) {
                for j in 0..panels.width {
                    for r in rs..source.min(rs + 16) {
                        let v = if j < columns {
                            *base.add(j * cor.source_c + r)
                        } else {
                            T::default()
                        };
                        rows[r * panels.width + j].write(v);
                    }
                }
            }
        } else {
            // w[index][row][group * target + first + column]
            let column = group * cor.target_group() + first;
            let base = w.add(index * source * cor.target_c + column);
            for (r, row) in rows.chunks_exact_mut(panels.width).enumerate() {
                for (j, v) in row.iter_mut().enumerate() {
                    v.write(if j < columns {
                        *base.add(r * cor.target_c + j)
                    } else {
                        T::default()
                    });
                }
            }
        }
    }
}
