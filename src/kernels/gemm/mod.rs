//! Matrix products: `C = op(A) op(B) (+ C)`, with bias, residual and activation.
//!
//! One source for `f32` and `f64` and for every instruction set. A and B have arbitrary row and
//! column strides, so each transposition is a matter of strides; the columns of C lie side by side.
//!
//! - `micro`: tiles of C in registers;
//! - `pack`: operands copied into the order of the tiles;
//! - `blocked`: cache blocks and threads, the general path;
//! - `dot`: few rows or columns, along contiguous k;
//! - `split`: small C, long k;
//! - `stream`: few rows and a B that is read once from memory;
//! - `epilogue`: what is done to finished sums;
//! - `packed`: B packed once and used often;
//! - `bf16`: `bf16` operands, `f32` sums;
//! - `plain`: integers.
//!
//! An element of C is computed by the same operations in the same order whatever the number of
//! threads: paths and cuts of k are chosen by shape and strides alone.

mod bf16;
#[cfg(target_arch = "x86_64")]
mod bf16_native;
mod blocked;
mod dot;
mod epilogue;
mod micro;
mod pack;
mod packed;
mod plain;
mod split;
mod stream;

#[cfg(test)]
mod tests;

pub use bf16::gemm_bf16;
pub(crate) use blocked::{panel_nv, tile_rows};
pub use epilogue::{Activation, Epilogue};
pub(crate) use micro::{Fetch, Table, Tile};
pub(crate) use pack::Pack;
pub use packed::PackedB;
pub use plain::{Plain, gemm_plain};

use crate::par;
use crate::simd::{Float, level};
use blocked::Product;

/// The shape of a product: `C (m x n) = A (m x k) B (k x n)`, `batch` times.
///
/// Strides are in elements: `rs` between rows, `cs` between columns, `bs` between matrices of the
/// batch (0 broadcasts one matrix of A or B). The column stride of C is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gemm {
    /// Rows of C.
    pub m: usize,
    /// Columns of C.
    pub n: usize,
    /// Length of the sums.
    pub k: usize,
    /// Number of products.
    pub batch: usize,
    /// Strides of A.
    pub a_rs: isize,
    /// See `a_rs`.
    pub a_cs: isize,
    /// See `a_rs`.
    pub a_bs: isize,
    /// Strides of B.
    pub b_rs: isize,
    /// See `b_rs`.
    pub b_cs: isize,
    /// See `b_rs`.
    pub b_bs: isize,
    /// Strides of C, whose column stride is 1.
    pub c_rs: isize,
    /// See `c_rs`.
    pub c_bs: isize,
    /// Add to C instead of overwriting it.
    pub accumulate: bool,
}

impl Gemm {
    /// One product of matrices stored densely row by row.
    pub fn new(m: usize, n: usize, k: usize) -> Gemm {
        Gemm {
            m,
            n,
            k,
            batch: 1,
            a_rs: k as isize,
            a_cs: 1,
            a_bs: (m * k) as isize,
            b_rs: n as isize,
            b_cs: 1,
            b_bs: (k * n) as isize,
            c_rs: n as isize,
            c_bs: (m * n) as isize,
            accumulate: false,
        }
    }

    /// The same with A stored as its transpose, densely (`k` rows of `m`).
    pub fn transpose_a(mut self) -> Gemm {
        (self.a_rs, self.a_cs) = (1, self.m as isize);
        self
    }

    /// The same with B stored as its transpose, densely (`n` rows of `k`).
    pub fn transpose_b(mut self) -> Gemm {
        (self.b_rs, self.b_cs) = (1, self.k as isize);
        self
    }

    /// The same, adding to C.
    pub fn accumulate(mut self) -> Gemm {
        self.accumulate = true;
        self
    }

    /// `batch` of them, one after another in memory.
    pub fn batch(mut self, batch: usize) -> Gemm {
        self.batch = batch;
        self
    }
}

/// `C = activation(A B + (C if accumulate) + bias + residual)`, for each product of the batch.
///
/// Parallel where that pays. With `k = 0` the product is 0.
///
/// ```
/// use rustdl::kernels::gemm::{Epilogue, Gemm, gemm};
/// let (a, b) = ([1.0f32, 2.0, 3.0, 4.0], [1.0f32, 0.0, 1.0, 1.0]);
/// let mut c = [0.0f32; 4];
/// // SAFETY: all three are dense 2 x 2 matrices.
/// unsafe { gemm(&Gemm::new(2, 2, 2), a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), &Epilogue::NONE) };
/// assert_eq!(c, [3.0, 2.0, 7.0, 4.0]);
/// ```
///
/// # Safety
/// All elements of A, B, bias and residual that `spec` and `epilogue` name can be read, and those of C
/// written. C overlaps neither A nor B, its rows and matrices do not overlap each other, and
/// the residual is either exactly C or does not overlap it.
pub unsafe fn gemm<T: Float>(
    spec: &Gemm,
    a: *const T,
    b: *const T,
    c: *mut T,
    epilogue: &Epilogue<T>,
) {
    let product = Product {
        level: level(),
        m: spec.m,
        n: spec.n,
        k: spec.k,
        a,
        a_rs: spec.a_rs,
        a_cs: spec.a_cs,
        b,
        b_rs: spec.b_rs,
        b_cs: spec.b_cs,
        packed: None,
        c,
        c_rs: spec.c_rs,
        accumulate: spec.accumulate,
        epilogue: *epilogue,
    };
    batched(spec, product)
}

/// [`gemm`] with a B that was packed before; the strides of B in `spec` are not used, and all of a
/// batch share it.
///
/// # Panics
/// When B has another shape than `spec` says.
///
/// # Safety
/// As [`gemm`].
pub unsafe fn gemm_packed<T: Float>(
    spec: &Gemm,
    a: *const T,
    b: &PackedB<T>,
    c: *mut T,
    epilogue: &Epilogue<T>,
) {
    assert_eq!(
        (b.k(), b.n()),
        (spec.k, spec.n),
        "shape of the packed matrix"
    );
    let spec = Gemm { b_bs: 0, ..*spec };
    let product = Product {
        level: b.level(),
        m: spec.m,
        n: spec.n,
        k: spec.k,
        a,
        a_rs: spec.a_rs,
        a_cs: spec.a_cs,
        b: std::ptr::null(),
        b_rs: 0,
        b_cs: 0,
        packed: Some((b, 0)),
        c,
        c_rs: spec.c_rs,
        accumulate: spec.accumulate,
        epilogue: *epilogue,
    };
    batched(&spec, product)
}

/// Runs the products of a batch, of which `first` is the first: as one where the matrices of A and
/// C continue each other.
unsafe fn batched<T: Float>(spec: &Gemm, mut first: Product<'_, T>) {
    let s = *spec;
    if s.m == 0 || s.n == 0 || s.batch == 0 {
        return;
    }
    let rows = s.m as isize;
    let (residual, e) = (!first.epilogue.residual.is_null(), &first.epilogue);
    let continued = s.b_bs == 0
        && s.a_bs == rows * s.a_rs
        && s.c_bs == rows * s.c_rs
        && (!residual || e.residual_bs == rows * e.residual_rs);
    if s.batch == 1 || continued {
        first.m *= s.batch;
        return single(&first);
    }
    let run = |i: usize| {
        let at = i as isize;
        let mut p = first;
        p.a = p.a.wrapping_offset(at * s.a_bs);
        p.b = p.b.wrapping_offset(at * s.b_bs);
        p.c = p.c.wrapping_offset(at * s.c_bs);
        p.epilogue = p.epilogue.of_batch(i);
        // SAFETY: matrix `i` of the batch.
        unsafe { single(&p) }
    };
    if s.batch >= par::threads() {
        par::parallel_for(s.batch, first.cost().saturating_mul(s.batch), run);
    } else {
        (0..s.batch).for_each(run);
    }
}

/// One product, by the path that suits its shape and strides.
unsafe fn single<T: Float>(p: &Product<'_, T>) {
    let column = p.n == 1 && p.m > 1 && p.packed.is_none();
    if p.k == 0 {
        without_terms(p)
    } else if dot::suits(p) {
        dot::parallel(p)
    } else if column && p.a_rs == 1 && p.c_rs == 1 {
        blocked::parallel(&p.transposed());
        p.finish();
    } else if stream::suits(p) {
        stream::parallel(p)
    } else {
        match split::parts(p) {
            1 => blocked::parallel(p),
            parts => split::parallel(p, parts),
        }
    }
}

/// The product of matrices with `k = 0`: zeros, plus what is added.
unsafe fn without_terms<T: Float>(p: &Product<'_, T>) {
    if !p.accumulate {
        for i in 0..p.m {
            let row = p.c.offset(i as isize * p.c_rs);
            std::slice::from_raw_parts_mut(row.cast::<std::mem::MaybeUninit<T>>(), p.n)
                .fill(std::mem::MaybeUninit::new(T::ZERO));
        }
    }
    p.finish();
}
