//! Blocks of output positions and the source region each of them reads.
//!
//! A block is a box of images, depths, rows and columns whose region fits the cache. Where a
//! correlation reads outside its source, the region is copied into scratch with zeros around it,
//! so that the micro-kernels know nothing of padding: every element they read is
//! `region[position + tap]`. Without padding the region is the source itself.

use super::geometry::Correlation;
use std::mem::MaybeUninit;

/// How the output positions of a correlation are cut into blocks. Depends on shapes alone.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    /// Images, depths, rows, columns of a full block.
    pub size: [usize; 4],
    /// Output positions in all.
    pub whole: [usize; 4],
    /// Are regions copied?
    pub padded: bool,
    /// Elements between neighbouring images, depths, rows and columns of a region.
    pub strides: [usize; 4],
    /// Elements of a full region.
    pub region: usize,
}

impl Blocks {
    /// Cuts so that a region has at most `elements` elements and a block at most `positions`
    /// output positions, where one position more is possible at all.
    pub fn new(cor: &Correlation, elements: usize, positions: usize) -> Blocks {
        let counts = [0, 1, 2].map(|a| cor.axes[a].count);
        let whole = [cor.n, counts[0], counts[1], counts[2]];
        let mut size = [1; 4];
        // Columns first: a coarser level grows only when all finer ones are whole.
        for level in (0..4).rev() {
            let fits = |v: usize| {
                let mut s = size;
                s[level] = v;
                region_len(cor, s) <= elements && s.iter().product::<usize>() <= positions
            };
            let best = largest(whole[level], fits);
            // Even blocks instead of a small last one.
            size[level] = whole[level]
                .div_ceil(whole[level].div_ceil(best).max(1))
                .max(1);
            if size[level] < whole[level] {
                break;
            }
        }
        let padded = cor.padded();
        let [d, h, w] = &cor.axes;
        let dims = if padded {
            [d.extent(size[1]), h.extent(size[2]), w.extent(size[3])]
        } else {
            [d.source, h.source, w.source]
        };
        let row = dims[2] * cor.source_c;
        Blocks {
            size,
            whole,
            padded,
            strides: [dims[0] * dims[1] * row, dims[1] * row, row, cor.source_c],
            region: if padded { region_len(cor, size) } else { 0 },
        }
    }

    /// Number of blocks.
    pub fn count(&self) -> usize {
        self.grid().iter().product()
    }

    fn grid(&self) -> [usize; 4] {
        std::array::from_fn(|a| self.whole[a].div_ceil(self.size[a]))
    }

    /// Block number `i`: where it starts and how large it is.
    pub fn block(&self, i: usize) -> Block {
        let g = self.grid();
        let at = [
            i / (g[1] * g[2] * g[3]),
            i / (g[2] * g[3]) % g[1],
            i / g[3] % g[2],
            i % g[3],
        ];
        let start: [usize; 4] = std::array::from_fn(|a| at[a] * self.size[a]);
        Block {
            start,
            size: std::array::from_fn(|a| self.size[a].min(self.whole[a] - start[a])),
        }
    }

    /// Elements of the region between neighbouring output positions of each level.
    pub fn steps(&self, cor: &Correlation) -> [usize; 4] {
        [
            self.strides[0],
            self.strides[1] * cor.axes[0].stride,
            self.strides[2] * cor.axes[1].stride,
            self.strides[3] * cor.axes[2].stride,
        ]
    }

    /// The region of `block`: a place in `source`, or a copy in `scratch`.
    ///
    /// # Safety
    /// `source` is the whole source of `cor`; `scratch` holds `self.region` elements.
    pub unsafe fn fetch<T: Copy + Default>(
        &self,
        cor: &Correlation,
        block: &Block,
        source: *const T,
        scratch: &mut [MaybeUninit<T>],
    ) -> *const T {
        let low: [isize; 3] = std::array::from_fn(|a| {
            let axis = &cor.axes[a];
            (block.start[a + 1] * axis.stride) as isize + axis.low()
        });
        let [d, h, w] = &cor.axes;
        if !self.padded {
            let row = (block.start[0] * d.source + low[0] as usize) * h.source + low[1] as usize;
            return source.add((row * w.source + low[2] as usize) * cor.source_c);
        }
        let region = scratch.as_mut_ptr().cast::<T>();
        let extent: [usize; 3] = std::array::from_fn(|a| cor.axes[a].extent(block.size[a + 1]));
        for n in 0..block.size[0] {
            for z in 0..extent[0] {
                for y in 0..extent[1] {
                    let to =
                        region.add(n * self.strides[0] + z * self.strides[1] + y * self.strides[2]);
                    let (sz, sy) = (low[0] + z as isize, low[1] + y as isize);
                    if sz < 0 || sz as usize >= d.source || sy < 0 || sy as usize >= h.source {
                        zero(to, extent[2] * cor.source_c);
                        continue;
                    }
                    let image = (block.start[0] + n) * d.source + sz as usize;
                    let from =
                        source.add((image * h.source + sy as usize) * w.source * cor.source_c);
                    copy_row(to, from, low[2], extent[2], w.source, cor.source_c);
                }
            }
        }
        region
    }
}

/// A box of output positions: images, depths, rows, columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// First position.
    pub start: [usize; 4],
    /// Positions.
    pub size: [usize; 4],
}

impl Block {
    /// Output positions.
    pub fn positions(&self) -> usize {
        self.size.iter().product()
    }
}

/// `extent` columns of `c` channels from column `low` on; columns outside `0..width` are zero.
unsafe fn copy_row<T: Copy + Default>(
    to: *mut T,
    from: *const T,
    low: isize,
    extent: usize,
    width: usize,
    c: usize,
) {
    let before = ((-low).max(0) as usize).min(extent);
    let first = low.max(0) as usize;
    let inside = width.saturating_sub(first).min(extent - before);
    zero(to, before * c);
    if inside > 0 {
        std::ptr::copy_nonoverlapping(from.add(first * c), to.add(before * c), inside * c);
    }
    zero(
        to.add((before + inside) * c),
        (extent - before - inside) * c,
    );
}

unsafe fn zero<T: Copy + Default>(to: *mut T, len: usize) {
    for i in 0..len {
        to.add(i).write(T::default());
    }
}

fn region_len(cor: &Correlation, size: [usize; 4]) -> usize {
    let [d, h, w] = &cor.axes;
    size[0] * d.extent(size[1]) * h.extent(size[2]) * w.extent(size[3]) * cor.source_c
}

/// The largest `v` in `1..=max` with `fits(v)`, which holds up to some value; at least 1.
fn largest(max: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (1, max.max(1));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle
        } else {
            high = middle - 1
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest_is_found() {
        for limit in 0..20 {
            assert_eq!(largest(12, |v| v <= limit), limit.clamp(1, 12));
        }
    }

    #[test]
    fn rows_are_padded_or_cropped() {
        let from: Vec<i32> = (1..=4).collect();
        for (low, extent, expected) in [
            (-2, 7, vec![0, 0, 1, 2, 3, 4, 0]),
            (1, 2, vec![2, 3]),
            (2, 5, vec![3, 4, 0, 0, 0]),
            (-5, 3, vec![0, 0, 0]),
            (9, 2, vec![0, 0]),
        ] {
            let mut to = vec![9; extent];
            // SAFETY: `to` has `extent` elements and `from` four.
            unsafe { copy_row(to.as_mut_ptr(), from.as_ptr(), low, extent, 4, 1) };
            assert_eq!(to, expected, "low {low}");
        }
    }
}
