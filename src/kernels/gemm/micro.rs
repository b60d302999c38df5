//! The micro-kernels: a tile of C held in registers while the whole of a K block runs past.
//!
//! A tile has `MR` rows and `NV` vectors of columns. Each step of k loads `NV` vectors of a row of
//! B, broadcasts `MR` elements of a column of A and does `MR * NV` fused multiply-adds. Any tile
//! gives an element of C the same operations in the same order (a chain of multiply-adds from 0
//! along k, then one addition to C), so how C is cut into tiles never changes a result.
//!
//! Sizes: an FMA takes 4 cycles and 2 begin per cycle, so 8 accumulators or more keep the units
//! busy; `MR * NV` accumulators, `NV` columns and one broadcast must fit the registers (32 on
//! AVX-512 and NEON, 16 on AVX2).

use crate::simd::{Float, Isa, Kernel, Lanes, Level, entry, prefetch_l2};

/// Most rows of a tile, of any shape.
pub(super) const MAX_MR: usize = 12;

/// What a tile asks the caches for while it computes: in step `p` of k the line at `at + p * step`, or
/// as many lines from there as a row of B has. Nothing if `at` is null; the places need not exist.
#[derive(Clone, Copy)]
pub(crate) struct Fetch<T> {
    pub at: *const T,
    pub step: isize,
    pub row: bool,
}

impl<T> Fetch<T> {
    /// Nothing.
    pub const NONE: Fetch<T> = Fetch {
        at: std::ptr::null(),
        step: 0,
        row: false,
    };

    /// The rows of B that follow soon: they lie far apart where B is not packed.
    pub fn rows_of(b: *const T, b_rs: isize) -> Fetch<T> {
        const AHEAD: isize = 8;
        Fetch {
            at: b.wrapping_offset(AHEAD * b_rs),
            step: b_rs,
            row: true,
        }
    }
}

/// The operands of one tile.
#[derive(Clone, Copy)]
pub(crate) struct Tile<T> {
    /// Length of the sums.
    pub k: usize,
    /// First element of the rows of A, and the distances between rows and between columns.
    pub a: *const T,
    pub a_rs: isize,
    pub a_cs: isize,
    /// First element of the columns of B, which lie side by side, and the distance between rows.
    pub b: *const T,
    pub b_rs: isize,
    /// First element of C, whose columns lie side by side.
    pub c: *mut T,
    pub c_rs: isize,
    /// Valid columns of the last vector, 1 to the number of lanes.
    pub tail: usize,
    /// Add to C, or overwrite it?
    pub accumulate: bool,
    /// What it prefetches.
    pub fetch: Fetch<T>,
}

/// Computes one tile of `MR` rows and `NV` vectors; `TAIL`: the last vector may not be whole.
#[repr(transparent)]
struct Micro<'a, T, const MR: usize, const NV: usize, const TAIL: bool>(&'a Tile<T>);

impl<T: Float, const MR: usize, const NV: usize, const TAIL: bool> Kernel
    for Micro<'_, T, MR, NV, TAIL>
{
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        // Tiles that the level never uses are not compiled for it.
        if const { NV <= main_nv(I::LEVEL) && MR <= max_rows(I::LEVEL, NV) } {
            tile::<T, T::Simd<I>, MR, NV, TAIL>(self.0)
        }
    }
}

/// # Safety
/// The elements that `t` names can be read (A, B) and written (C): `MR` rows, `NV - 1` vectors of
/// columns and `tail` more.
#[inline(always)]
unsafe fn tile<T, L, const MR: usize, const NV: usize, const TAIL: bool>(t: &Tile<T>)
where
    T: Float,
    L: Lanes<T>,
{
    let mut acc = [[L::zero(); NV]; MR];
    let mut b = t.b;
    let tail = if TAIL { t.tail } else { L::N };
    let (a_rs, a_cs, b_rs) = (t.a_rs, t.a_cs, t.b_rs);
    // One pointer for each 4 rows, whose addresses are then base + 0, 1, 2, 3 strides: with one
    // pointer for all, the compiler finds them by a chain of MR additions in each step.
    let mut a = [
        t.a,
        t.a.wrapping_offset(4 * a_rs),
        t.a.wrapping_offset(8 * a_rs),
    ];
    let Fetch {
        at: mut fetch,
        step,
        row: whole_row,
    } = t.fetch;
    let fetches = !fetch.is_null();
    for _ in 0..t.k {
        if fetches {
            prefetch_l2(fetch);
            if whole_row {
                for j in 1..NV {
                    prefetch_l2(fetch.wrapping_add(j * L::N));
                }
            }
            fetch = fetch.wrapping_offset(step);
        }
        let bv = row::<T, L, NV, TAIL>(b, tail);
        for (i, acc) in acc.iter_mut().enumerate() {
            let av = L::splat(*a[i / 4].offset((i % 4) as isize * a_rs));
            for j in 0..NV {
                acc[j] = multiply_add::<T, L>(av, bv[j], acc[j]);
            }
        }
        for a in &mut a {
            *a = a.wrapping_offset(a_cs);
        }
        b = b.wrapping_offset(b_rs);
    }
    let mut c = t.c;
    for acc in &mut acc {
        if t.accumulate {
            let old = row::<T, L, NV, TAIL>(c, tail);
            for j in 0..NV {
                acc[j] = L::add(old[j], acc[j]);
            }
        }
        for (j, &v) in acc.iter().enumerate() {
            if TAIL && j == NV - 1 {
                L::store_partial(c.add(j * L::N), v, tail);
            } else {
                L::store(c.add(j * L::N), v);
            }
        }
        c = c.wrapping_offset(t.c_rs);
    }
}

/// Reads `NV` vectors side by side, of the last one `tail` lanes if `TAIL`.
#[inline(always)]
unsafe fn row<T, L, const NV: usize, const TAIL: bool>(p: *const T, tail: usize) -> [L::V; NV]
where
    L: Lanes<T>,
{
    let mut v = [L::zero(); NV];
    for (j, v) in v.iter_mut().enumerate() {
        *v = if TAIL && j == NV - 1 {
            L::load_partial(p.add(j * L::N), tail)
        } else {
            L::load(p.add(j * L::N))
        };
    }
    v
}

/// `a * b + c`. One lane means no FMA instruction, whose emulation would be very slow.
#[inline(always)]
pub(super) unsafe fn multiply_add<T, L: Lanes<T>>(a: L::V, b: L::V, c: L::V) -> L::V {
    if L::N == 1 {
        L::add(L::mul(a, b), c)
    } else {
        L::fma(a, b, c)
    }
}

/// Runs a tile.
pub(crate) type Run<T> = unsafe fn(&Tile<T>);

/// The micro-kernels of one level and element type.
pub(crate) struct Table<T> {
    /// Lanes of a vector.
    pub lanes: usize,
    /// Vectors of columns of the largest tile.
    pub nv: usize,
    /// By vectors of columns (1, 2, 4), then by rows less one.
    runs: [[Run<T>; MAX_MR]; 3],
    /// The largest tile with its last vector whole.
    whole: [Run<T>; MAX_MR],
    level: Level,
}

/// Vectors of columns of the largest tile.
const fn main_nv(level: Level) -> usize {
    match level {
        Level::Avx2 => 2,
        _ => 4,
    }
}

/// Most rows of a tile with `nv` vectors of columns.
#[inline]
const fn max_rows(level: Level, nv: usize) -> usize {
    match (level, nv) {
        (Level::Scalar, 4) => 4,
        (_, 4) | (Level::Avx2, 2) => 6,
        _ => 12,
    }
}

impl<T: Float> Table<T> {
    const SCALAR: Table<T> = Self::new(Level::Scalar);
    const AVX2: Table<T> = Self::new(Level::Avx2);
    const AVX512: Table<T> = Self::new(Level::Avx512);
    const NEON: Table<T> = Self::new(Level::Neon);

    /// The micro-kernels of `level`, which the CPU must have when they are run.
    pub fn of(level: Level) -> &'static Table<T> {
        match level {
            Level::Scalar => &Self::SCALAR,
            Level::Avx2 => &Self::AVX2,
            Level::Avx512 => &Self::AVX512,
            Level::Neon => &Self::NEON,
        }
    }

    /// Most rows of a tile with `nv` vectors.
    #[inline]
    pub fn max_rows(&self, nv: usize) -> usize {
        max_rows(self.level, nv)
    }

    /// Columns of the largest tile.
    #[inline]
    pub fn nr(&self) -> usize {
        self.nv * self.lanes
    }

    /// The kernel for `rows` rows and `nv` vectors of columns (1, 2, 4; `nv` and `rows` within the
    /// limits above).
    #[inline]
    pub fn get(&self, rows: usize, nv: usize, whole: bool) -> Run<T> {
        if whole && nv == self.nv {
            self.whole[rows - 1]
        } else {
            self.runs[nv / 2][rows - 1]
        }
    }
}

macro_rules! rows {
    ($level:expr, $nv:literal, $tail:literal: $($mr:literal)+) => {
        [$(door::<T, $mr, $nv, $tail>($level)),+]
    };
}

impl<T: Float> Table<T> {
    const fn new(level: Level) -> Table<T> {
        let bytes = match level {
            Level::Scalar => size_of::<T>(),
            Level::Avx2 => 32,
            Level::Avx512 => 64,
            Level::Neon => 16,
        };
        Table {
            lanes: bytes / size_of::<T>(),
            nv: main_nv(level),
            runs: [
                rows!(level, 1, true: 1 2 3 4 5 6 7 8 9 10 11 12),
                rows!(level, 2, true: 1 2 3 4 5 6 7 8 9 10 11 12),
                rows!(level, 4, true: 1 2 3 4 5 6 7 8 9 10 11 12),
            ],
            whole: if main_nv(level) == 4 {
                rows!(level, 4, false: 1 2 3 4 5 6 7 8 9 10 11 12)
            } else {
                rows!(level, 2, false: 1 2 3 4 5 6 7 8 9 10 11 12)
            },
            level,
        }
    }
}

/// A function of type [`Run`] that enters `level` and computes one tile.
const fn door<T: Float, const MR: usize, const NV: usize, const TAIL: bool>(
    level: Level,
) -> Run<T> {
    // SAFETY: `Micro` is a transparent wrapper of `&Tile`, so both function types take one pointer.
    unsafe {
        std::mem::transmute::<unsafe fn(Micro<'static, T, MR, NV, TAIL>), Run<T>>(entry::<
            Micro<'static, T, MR, NV, TAIL>,
        >(level))
    }
}
