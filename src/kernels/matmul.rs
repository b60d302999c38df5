//! Batched matrix products over strided views, on top of [`super::gemm`].

use super::gemm::{Activation, Epilogue, Gemm, gemm, gemm_bf16};
use crate::aval::{Shape, Strides, broadcast_strides};
use crate::buffer::{Element, View, ViewMut, with_scratch};
use crate::par::parallel_for;
use crate::with_element;
use half::{bf16, f16};

/// C[b] = A[b] B[b] over the last two axes; leading axes of the operands broadcast.
pub fn matmul(a: &View, b: &View, c: &mut ViewMut) {
    use crate::aval::DType::{BF16, F16, F32, F64};
    match c.dtype() {
        F32 => floats::<f32>(a, b, c, &Epilogue::NONE),
        F64 => floats::<f64>(a, b, c, &Epilogue::NONE),
        F16 => narrow::<f16>(a, b, c),
        BF16 => brain(a, b, c),
        other => with_element!(other, T => naive::<T>(a, b, c, <T as Element>::from_f64)),
    }
}

/// [`matmul`] of `f32` or `f64`, then `bias` added to each row, and what is not positive made zero if `relu`.
pub fn with_bias(a: &View, b: &View, bias: &View, relu: bool, c: &mut ViewMut) {
    use crate::aval::DType::{F32, F64};
    let activation = if relu {
        Activation::Relu
    } else {
        Activation::None
    };
    match c.dtype() {
        F32 => floats::<f32>(a, b, c, &Epilogue::bias(bias.ptr().cast(), activation)),
        F64 => floats::<f64>(a, b, c, &Epilogue::bias(bias.ptr().cast(), activation)),
        other => unreachable!("a bias in the product of {other}"),
    }
}

/// Leading axes and their strides for both operands; C is contiguous.
struct Batch {
    shape: Shape,
    a: Strides,
    b: Strides,
}

impl Batch {
    fn new(a: &View, b: &View, c: &ViewMut) -> Batch {
        let lead = |v: &View| (v.shape().len() - 2, v.strides().len() - 2);
        let shape: Shape = c.shape()[..c.shape().len() - 2].into();
        let spread = |v: &View| {
            broadcast_strides(&v.shape()[..lead(v).0], &v.strides()[..lead(v).1], &shape)
        };
        let mut batch = Batch {
            a: spread(a),
            b: spread(b),
            shape,
        };
        batch.merge();
        batch
    }

    /// Merges neighbouring axes that both operands walk evenly, so that most products are one call.
    fn merge(&mut self) {
        let mut i = 0;
        while i + 1 < self.shape.len() {
            let n = self.shape[i + 1] as isize;
            let even = |s: &Strides| s[i] == s[i + 1] * n;
            if self.shape[i] == 1 || (even(&self.a) && even(&self.b)) {
                self.shape[i + 1] *= self.shape[i];
                self.shape.remove(i);
                self.a.remove(i);
                self.b.remove(i);
            } else {
                i += 1;
            }
        }
    }

    /// Calls `f(batches, a offset, b offset, a stride, b stride, first matrix of C)` for each run of
    /// evenly spaced matrices.
    fn for_each(&self, mut f: impl FnMut(usize, isize, isize, isize, isize, usize)) {
        let outer = self.shape.len().saturating_sub(1);
        let runs: usize = self.shape[..outer].iter().product();
        let (n, sa, sb) = match self.shape.last() {
            Some(&n) => (n, self.a[outer], self.b[outer]),
            None => (1, 0, 0),
        };
        for run in 0..runs {
            let (mut rest, mut oa, mut ob) = (run, 0, 0);
            for d in (0..outer).rev() {
                let i = (rest % self.shape[d]) as isize;
                rest /= self.shape[d];
                oa += i * self.a[d];
                ob += i * self.b[d];
            }
            f(n, oa, ob, sa, sb, run * n);
        }
    }
}

fn sizes(a: &View, c: &ViewMut) -> (usize, usize, usize) {
    let r = c.shape().len();
    (
        c.shape()[r - 2],
        c.shape()[r - 1],
        a.shape()[a.shape().len() - 1],
    )
}

fn floats<T: crate::simd::Float + Element>(
    a: &View,
    b: &View,
    c: &mut ViewMut,
    epilogue: &Epilogue<T>,
) {
    let (m, n, k) = sizes(a, c);
    let (pa, pb, pc) = (
        a.ptr().cast::<T>(),
        b.ptr().cast::<T>(),
        c.ptr().cast::<T>(),
    );
    if m * n == 0 {
        return;
    }
    Batch::new(a, b, c).for_each(|count, oa, ob, sa, sb, first| {
        let spec = spec(a, b, (m, n, k), count, sa, sb);
        // SAFETY: the views are valid for these strides and `infer` has checked that the sizes fit.
        unsafe {
            gemm::<T>(
                &spec,
                pa.wrapping_offset(oa),
                pb.wrapping_offset(ob),
                pc.add(first * m * n),
                epilogue,
            );
        }
    });
}

/// `count` products at the strides `a_bs` and `b_bs` of their matrices, into a dense C.
fn spec(
    a: &View,
    b: &View,
    (m, n, k): (usize, usize, usize),
    count: usize,
    a_bs: isize,
    b_bs: isize,
) -> Gemm {
    let (ra, rb) = (a.strides().len(), b.strides().len());
    Gemm {
        a_rs: a.strides()[ra - 2],
        a_cs: a.strides()[ra - 1],
        a_bs,
        b_rs: b.strides()[rb - 2],
        b_cs: b.strides()[rb - 1],
        b_bs,
        ..Gemm::new(m, n, k).batch(count)
    }
}

/// `bf16`: sums in f32, then rounded.
fn brain(a: &View, b: &View, c: &mut ViewMut) {
    let (m, n, k) = sizes(a, c);
    if m * n == 0 {
        return;
    }
    let (pa, pb) = (a.ptr().cast::<bf16>(), b.ptr().cast::<bf16>());
    let pc = c.ptr().cast::<bf16>();
    Batch::new(a, b, c).for_each(|count, oa, ob, sa, sb, first| {
        let spec = spec(a, b, (m, n, k), count, sa, sb);
        with_scratch::<f32, _>(count * m * n, |sums| {
            let wide = sums.as_mut_ptr().cast::<f32>();
            // SAFETY: the views are valid for these strides and `infer` has checked that the sizes
            // fit; `sums` has room for the dense C of all products, which the product fills.
            unsafe {
                let (a, b) = (pa.wrapping_offset(oa), pb.wrapping_offset(ob));
                gemm_bf16(&spec, a, b, wide, &Epilogue::NONE);
                let out = pc.add(first * m * n);
                for i in 0..count * m * n {
                    out.add(i).write(bf16::from_f32(*wide.add(i)));
                }
            }
        });
    });
}

/// `f16`: each sum in f64, then rounded.
fn narrow<T: Element>(a: &View, b: &View, c: &mut ViewMut) {
    naive::<T>(a, b, c, |s| T::from_f64(s));
}

/// Plain loops, for integers and half precision. Integers wrap.
fn naive<T: Element>(a: &View, b: &View, c: &mut ViewMut, finish: impl Fn(f64) -> T + Sync) {
    let (m, n, k) = sizes(a, c);
    let (ra, rb) = (a.strides().len(), b.strides().len());
    let (sa, sb) = (&a.strides()[ra - 2..], &b.strides()[rb - 2..]);
    let integer = T::DTYPE.is_int();
    let address = c.ptr() as usize;
    Batch::new(a, b, c).for_each(|count, oa, ob, ba, bb, first| {
        parallel_for(count * m, count * m * n * k * 4, |row| {
            let (e, i) = ((row / m) as isize, (row % m) as isize);
            // SAFETY: the views are valid for these indices; each task writes one row of C.
            unsafe {
                let pa = a.ptr().cast::<T>().wrapping_offset(oa + e * ba + i * sa[0]);
                let pb = b.ptr().cast::<T>().wrapping_offset(ob + e * bb);
                let pc = (address as *mut T).add((first + e as usize) * m * n + i as usize * n);
                for j in 0..n as isize {
                    let at = |p: isize| {
                        (
                            *pa.offset(p * sa[1]),
                            *pb.wrapping_offset(p * sb[0] + j * sb[1]),
                        )
                    };
                    let value = if integer {
                        let s = (0..k as isize).fold(0i64, |s, p| {
                            let (x, y) = at(p);
                            s.wrapping_add(x.to_i64().wrapping_mul(y.to_i64()))
                        });
                        T::from_i64(s)
                    } else {
                        finish(
                            (0..k as isize)
                                .map(at)
                                .map(|(x, y)| x.to_f64() * y.to_f64())
                                .sum(),
                        )
                    };
                    *pc.offset(j) = value;
                }
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aval::DType;

    /// `bf16` against sums in f64, with batches that broadcast and a transposed operand.
    #[test]
    fn brain_floats_sum_in_f32() {
        let (batch, m, n, k) = (3, 17, 33, 70);
        let values = |len: usize, step: usize| -> Vec<bf16> {
            (0..len)
                .map(|i| bf16::from_f32((i * step % 97) as f32 / 48.0 - 1.0))
                .collect()
        };
        let (x, y) = (values(batch * m * k, 31), values(n * k, 53));
        let mut z = vec![bf16::NAN; batch * m * n];
        let (a_shape, a_strides) = ([batch, m, k], [(m * k) as isize, k as isize, 1]);
        // Stored as n rows of k.
        let (b_shape, b_strides) = ([k, n], [1, k as isize]);
        let c_shape = [batch, m, n];
        // SAFETY: the vectors hold as many elements as shapes and strides reach.
        unsafe {
            let a = View::new(x.as_ptr().cast(), DType::BF16, &a_shape, &a_strides);
            let b = View::new(y.as_ptr().cast(), DType::BF16, &b_shape, &b_strides);
            let mut c = ViewMut::new(z.as_mut_ptr().cast(), DType::BF16, &c_shape);
            matmul(&a, &b, &mut c);
        }
        for (at, z) in z.iter().enumerate() {
            let (row, j) = (at / n, at % n);
            let products = (0..k).map(|p| x[row * k + p].to_f64() * y[j * k + p].to_f64());
            let size: f64 = products.clone().map(f64::abs).sum();
            let want: f64 = products.sum();
            // Half a unit of bf16 for the result, and the roundings of the sum in f32.
            let bound = want.abs() / 256.0 + size * (k as f64) * f64::from(f32::EPSILON);
            assert!((z.to_f64() - want).abs() <= bound, "{at}: {z}, not {want}");
        }
    }
}
