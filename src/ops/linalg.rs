//! Matrix products.

use crate::aval::{Aval, DType, Shape, broadcast};
use crate::bind::bind1;
use crate::error::{Error, Result};
use crate::kernels;
use crate::op;
use crate::op::Sample;
use crate::op::{Avals, Grads, Op, Run, Vjp, one};
use crate::ops::samples::{Nd, at, from_index, nd, values};
use crate::ops::{map, math, view};
use crate::tensor::Tensor;
use smallvec::smallvec;
use std::sync::Arc;

/// Batched matrix product over the last two axes: C[b] = A[b] B[b], the leading axes broadcast.
///
/// Transposed operands are views with other strides; the kernel takes any.
#[derive(Debug)]
struct MatMul;

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let (a, b) = (&x[0].shape, &x[1].shape);
        let (ra, rb) = (a.len(), b.len());
        if ra < 2 || rb < 2 || a[ra - 1] != b[rb - 2] {
            return Err(mismatch(a, b));
        }
        let mut shape =
            broadcast("matmul", &[&a[..ra - 2], &b[..rb - 2]]).map_err(|_| mismatch(a, b))?;
        shape.push(a[ra - 2]);
        shape.push(b[rb - 1]);
        crate::aval::checked_bytes("matmul", &shape, x[0].dtype)?;
        Ok(one(shape, x[0].dtype))
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let (a, b, g) = (cx.x(0), cx.x(1), cx.g(0)?);
        let mut grads: Grads = smallvec![None, None];
        if cx.wants(0) {
            let full = bind1(MatMul, &[&g, &swap(b)?])?;
            grads[0] = Some(crate::autodiff::unbroadcast(&full, a.shape())?);
        }
        if cx.wants(1) {
            let full = if b.rank() == 2 && a.rank() > 2 {
                // One product over all rows instead of a sum over the batch.
                let k = a.shape()[a.rank() - 1];
                let n = b.shape()[1];
                let rows = a.size() / k.max(1);
                let a2 = view::reshape_to(a, &[rows, k])?;
                let g2 = view::reshape_to(&g, &[rows, n])?;
                bind1(MatMul, &[&swap(&a2)?, &g2])?
            } else {
                bind1(MatMul, &[&swap(a)?, &g])?
            };
            grads[1] = Some(crate::autodiff::unbroadcast(&full, b.shape())?);
        }
        Ok(grads)
    }

    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        // One matrix on the right for all: a taller matrix on the left.
        if !batched[1] && x[1].rank() == 2 && x[0].rank() > 3 {
            let rows = view::reshape_to(
                &x[0],
                &[x[0].size() / x[1].shape()[0].max(1), x[1].shape()[0]],
            )?;
            let y = bind1(MatMul, &[&rows, &x[1]])?;
            let mut shape: Shape = x[0].shape().into();
            shape[x[0].rank() - 1] = x[1].shape()[1];
            return Ok(Some(smallvec![view::reshape_to(&y, &shape)?]));
        }
        if !batched[1] && x[1].rank() == 2 && x[0].rank() == 3 {
            let y = bind1(MatMul, &[&crate::batching::fold(&x[0])?, &x[1]])?;
            return Ok(Some(smallvec![crate::batching::unfold(&y, size)?]));
        }
        // The batch axis goes in front of all axes that broadcast.
        let own = |i: usize| x[i].rank() - usize::from(batched[i]);
        let rank = own(0).max(own(1));
        let aligned = |i: usize| -> Result<Tensor> {
            if !batched[i] {
                return Ok(x[i].clone());
            }
            let mut shape: Shape = smallvec![size];
            shape.extend(std::iter::repeat_n(1, rank - own(i)));
            shape.extend_from_slice(&x[i].shape()[1..]);
            view::reshape_to(&x[i], &shape)
        };
        let y = bind1(MatMul, &[&aligned(0)?, &aligned(1)?])?;
        Ok(Some(smallvec![y]))
    }
    fn run(&self, cx: &mut Run) {
        kernels::matmul::matmul(&cx.ins[0], &cx.ins[1], &mut cx.outs[0]);
    }

    fn takes_strided(&self, _: usize) -> bool {
        true
    }

    fn with_bias(&self, x: &[Aval], relu: bool) -> Option<Arc<dyn Op>> {
        let vector_code = matches!(x[0].dtype, DType::F32 | DType::F64);
        vector_code.then(|| Arc::new(BiasedMatMul { relu }) as Arc<dyn Op>)
    }

    fn sum_over_steps(&self, stacked: &[Tensor]) -> Option<Result<Tensor>> {
        let (a, b) = (&stacked[0], &stacked[1]);
        // sum_t A_t B_t = [A_0 A_1 ..] [B_0; B_1; ..]: the steps join the axis that is summed over.
        (a.rank() == 3 && b.rank() == 3).then(|| {
            let (steps, m, k, n) = (a.shape()[0], a.shape()[1], a.shape()[2], b.shape()[2]);
            let rows = view::reshape_to(&view::permute(a, &[1, 0, 2])?, &[m, steps * k])?;
            bind1(MatMul, &[&rows, &view::reshape_to(b, &[steps * k, n])?])
        })
    }
}

/// [`MatMul`] and what [`Op::with_bias`] says.
#[derive(Debug)]
struct BiasedMatMul {
    relu: bool,
}

impl Op for BiasedMatMul {
    fn name(&self) -> &'static str {
        if self.relu {
            "matmul+add+relu"
        } else {
            "matmul+add"
        }
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        MatMul.infer(&x[..2])
    }

    fn run(&self, cx: &mut Run) {
        let [a, b, bias] = cx.ins else {
            unreachable!("{} has three inputs", self.name())
        };
        kernels::matmul::with_bias(a, b, bias, self.relu, &mut cx.outs[0]);
    }

    fn takes_strided(&self, i: usize) -> bool {
        i < 2
    }
}

fn mismatch(a: &[usize], b: &[usize]) -> Error {
    Error::shape(
        "matmul",
        format!(
            "shapes {a:?} and {b:?} do not fit: the last axis of x1 must equal the last but one of x2 \
             (the only one, if x2 has rank 1), and leading axes must broadcast"
        ),
    )
}

/// The last two axes swapped.
pub fn swap(x: &Tensor) -> Result<Tensor> {
    let mut order: Shape = (0..x.rank()).collect();
    let r = x.rank();
    order.swap(r - 2, r - 1);
    view::permute(x, &order)
}

op! {
    /// Matrix product: C[.., i, j] = sum_k A[.., i, k] B[.., k, j].
    ///
    /// Leading axes broadcast; an operand of rank 1 is a row (x1) or a column (x2), and its axis is
    /// absent from the result. Operands promote to a common dtype; products of `int8` are `int32`.
    ///
    /// # Errors
    /// `ShapeError` when the inner sizes differ or the leading axes do not broadcast.
    fn matmul(x1: &Tensor, x2: &Tensor) -> Tensor {
        if x1.rank() == 0 || x2.rank() == 0 {
            return Err(mismatch(x1.shape(), x2.shape()));
        }
        // Products of bytes do not fit into bytes.
        let bytes = x1.dtype() == DType::I8 && x2.dtype() == DType::I8;
        let dtype = if bytes { DType::I32 } else { map::common_dtype(x1, x2) };
        let (mut a, mut b) = (math::cast(x1, dtype)?, math::cast(x2, dtype)?);
        let (row, column) = (a.rank() == 1, b.rank() == 1);
        if row {
            a = view::reshape_to(&a, &[1, a.size()])?;
        }
        if column {
            b = view::reshape_to(&b, &[b.size(), 1])?;
        }
        // With one matrix on the right all leading rows are one product.
        let folded = b.rank() == 2 && a.rank() > 2;
        let lead: Shape = a.shape()[..a.rank() - 1].into();
        let a = if folded {
            let k = a.shape()[a.rank() - 1];
            let rows: usize = lead.iter().product();
            view::reshape_to(&a, &[rows, k])?
        } else {
            a
        };
        let mut c = bind1(MatMul, &[&a, &b]).map_err(|error| match error {
            Error::Shape { .. } => mismatch(x1.shape(), x2.shape()),
            other => other,
        })?;
        if folded {
            let mut shape = lead;
            shape.push(b.shape()[1]);
            c = view::reshape_to(&c, &shape)?;
        }
        let r = c.rank();
        let mut drop: smallvec::SmallVec<[usize; 2]> = smallvec::SmallVec::new();
        if row {
            drop.push(r - 2);
        }
        if column {
            drop.push(r - 1);
        }
        view::drop_axes(&c, &drop)
    }
    samples {
        let case = |label: &str, a: &[usize], b: &[usize]| Sample::new(label, vec![values(a, -1.0, 1.0, 1), values(b, -1.0, 1.0, 2)], |x| Ok(vec![matmul(&x[0], &x[1])?]))
            .reference(|x| vec![by_definition(&nd(&x[0]), &nd(&x[1]))]);
        vec![
            case("matrices", &[3, 4], &[4, 2]),
            case("rows and columns", &[4], &[4]),
            case("row", &[3], &[2, 3, 2]),
            case("column", &[2, 3, 4], &[4]),
            case("batches that broadcast", &[2, 1, 2, 3], &[4, 3, 2]),
            case("one matrix on the right", &[2, 3, 4], &[4, 2]),
            case("nothing to sum", &[2, 0], &[0, 3]),
        ]
     }
}

/// The sum of products, element by element, after numpy's rule for vectors and batches.
fn by_definition(a: &Nd, b: &Nd) -> Nd {
    let (row, column) = (a.0.len() == 1, b.0.len() == 1);
    let a = if row {
        (vec![1, a.0[0]], a.1.clone())
    } else {
        a.clone()
    };
    let b = if column {
        (vec![b.0[0], 1], b.1.clone())
    } else {
        b.clone()
    };
    let (ra, rb) = (a.0.len(), b.0.len());
    let mut shape = broadcast("reference", &[&a.0[..ra - 2], &b.0[..rb - 2]])
        .expect("shapes that fit")
        .to_vec();
    shape.extend([a.0[ra - 2], b.0[rb - 1]]);
    let n = shape.len();
    let batch = |x: &Nd, i: &[usize]| -> Vec<usize> {
        let lead = x.0.len() - 2;
        (0..lead)
            .map(|d| if x.0[d] == 1 { 0 } else { i[n - 2 - lead + d] })
            .collect()
    };
    let (full, data) = from_index(&shape, |i| {
        let term = |k: usize| {
            let (mut p, mut q) = (batch(&a, i), batch(&b, i));
            p.extend([i[n - 2], k]);
            q.extend([k, i[n - 1]]);
            at(&a, &p) * at(&b, &q)
        };
        (0..a.0[ra - 1]).map(term).sum()
    });
    let keep = |d: usize| !(row && d == n - 2) && !(column && d == n - 1);
    ((0..n).filter(|&d| keep(d)).map(|d| full[d]).collect(), data)
}
