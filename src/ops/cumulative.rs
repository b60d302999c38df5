//! Running sums, products and extrema along an axis, and the linear recurrence behind their gradients.

use super::gather::take_along_axis;
use super::samples::{at, from_index, known, tensor, values, whole};
use super::{concat, math, reduce, view};
use crate::aval::{Aval, DType, Shape, normalize_axis};
use crate::bind::bind1;
use crate::error::Result;
use crate::kernels::cumulative;
use crate::op;
use crate::op::{Avals, Grads, Op, Run, Sample, Vjp, one};
use crate::tensor::Tensor;
use crate::with_element;
use smallvec::smallvec;

/// Product of the sizes behind an axis.
fn inner(shape: &[usize], axis: usize) -> usize {
    shape[axis + 1..].iter().product()
}

/// Running sums or products, each including its own element.
#[derive(Debug)]
struct Running {
    product: bool,
    axis: usize,
    reverse: bool,
}

impl Op for Running {
    fn name(&self) -> &'static str {
        if self.product { "cumprod" } else { "cumsum" }
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(one(x[0].shape.clone(), x[0].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let (x, g) = (cx.x(0), cx.g(0)?);
        let (axis, reverse) = (self.axis, self.reverse);
        let grad = if self.product {
            // dx_k = (product before k) r_k, where r_k = g_k + x_(k+1) r_(k+1): no division, so zeros are no harm.
            let before = bind1(
                Running {
                    product: true,
                    axis,
                    reverse,
                },
                &[&shifted(x, axis, !reverse, 1.0)?],
            )?;
            let factors = shifted(x, axis, reverse, 0.0)?;
            let r = bind1(
                LinearScan {
                    axis,
                    reverse: !reverse,
                },
                &[&factors, &g],
            )?;
            math::multiply(&before, &r)?
        } else {
            bind1(
                Running {
                    product: false,
                    axis,
                    reverse: !reverse,
                },
                &[&g],
            )?
        };
        Ok(smallvec![Some(grad)])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(
            Running {
                axis: self.axis + 1,
                ..*self
            },
            x,
            batched,
            size,
        )
    }
    fn run(&self, cx: &mut Run) {
        let x = &cx.ins[0];
        let (n, inner) = (x.shape()[self.axis], inner(x.shape(), self.axis));
        let (product, reverse) = (self.product, self.reverse);
        macro_rules! go {
            ($($d:ident $t:ty: $add:expr, $mul:expr;)*) => {
                match x.dtype() {
                    $(DType::$d => {
                        let (x, y) = (x.slice::<$t>(), cx.outs[0].slice_mut::<$t>());
                        if product {
                            cumulative::scan(x, n, inner, reverse, y, $mul);
                        } else {
                            cumulative::scan(x, n, inner, reverse, y, $add);
                        }
                    })*
                    other => unreachable!("running sums of {other} are cast first"),
                }
            };
        }
        go! {
            F32 f32: |a, b| a + b, |a, b| a * b;
            F64 f64: |a, b| a + b, |a, b| a * b;
            I32 i32: i32::wrapping_add, i32::wrapping_mul;
            I64 i64: i64::wrapping_add, i64::wrapping_mul;
            U32 u32: u32::wrapping_add, u32::wrapping_mul;
            U64 u64: u64::wrapping_add, u64::wrapping_mul;
        }
    }
}

/// y_i = a_i y_(i-1) + b_i.
#[derive(Debug)]
struct LinearScan {
    axis: usize,
    reverse: bool,
}

impl Op for LinearScan {
    fn name(&self) -> &'static str {
        "linear_scan"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(one(x[1].shape.clone(), x[1].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let (axis, reverse) = (self.axis, self.reverse);
        // db_i = g_i + a_(i+1) db_(i+1) and da_i = db_i y_(i-1).
        let next = shifted(cx.x(0), axis, reverse, 0.0)?;
        let db = bind1(
            LinearScan {
                axis,
                reverse: !reverse,
            },
            &[&next, &cx.g(0)?],
        )?;
        let mut grads: Grads = smallvec![None, Some(db.clone())];
        if cx.wants(0) {
            grads[0] = Some(math::multiply(
                &db,
                &shifted(&cx.y(0), axis, !reverse, 0.0)?,
            )?);
        }
        Ok(grads)
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(
            LinearScan {
                axis: self.axis + 1,
                ..*self
            },
            x,
            batched,
            size,
        )
    }
    fn run(&self, cx: &mut Run) {
        let shape = cx.outs[0].shape();
        let (n, inner) = (shape[self.axis], inner(shape, self.axis));
        match cx.outs[0].dtype() {
            DType::F64 => cumulative::linear::<f64>(
                cx.ins[0].slice(),
                cx.ins[1].slice(),
                n,
                inner,
                self.reverse,
                cx.outs[0].slice_mut(),
            ),
            _ => cumulative::linear::<f32>(
                cx.ins[0].slice(),
                cx.ins[1].slice(),
                n,
                inner,
                self.reverse,
                cx.outs[0].slice_mut(),
            ),
        }
    }
}

/// The index of the running extremum.
#[derive(Debug)]
struct RunningArg {
    axis: usize,
    largest: bool,
    reverse: bool,
}

impl Op for RunningArg {
    fn name(&self) -> &'static str {
        if self.largest {
            "cumargmax"
        } else {
            "cumargmin"
        }
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        crate::aval::checked_bytes(self.name(), &x[0].shape, DType::I64)?;
        Ok(one(x[0].shape.clone(), DType::I64))
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(
            RunningArg {
                axis: self.axis + 1,
                ..*self
            },
            x,
            batched,
            size,
        )
    }
    fn run(&self, cx: &mut Run) {
        let x = &cx.ins[0];
        let (n, inner) = (x.shape()[self.axis], inner(x.shape(), self.axis));
        with_element!(x.dtype(), T => cumulative::running_arg::<T>(x.slice(), n, inner, self.reverse, self.largest, cx.outs[0].slice_mut()));
    }
}

/// Elements moved by one along an axis, towards the end if `up`; `fill` comes in.
fn shifted(x: &Tensor, axis: usize, up: bool, fill: f64) -> Result<Tensor> {
    let n = x.shape()[axis];
    if n == 0 {
        return Ok(x.clone());
    }
    let mut shape: Shape = x.shape().into();
    shape[axis] = 1;
    let edge = Tensor::full(&shape, fill, x.dtype())?;
    let parts = if up {
        vec![edge, view::narrow(x, axis, 0, n - 1)?]
    } else {
        vec![view::narrow(x, axis, 1, n - 1)?, edge]
    };
    concat::concatenate(parts, axis as i64)
}

/// The operand flattened for `axis=None`, in the dtype in which running sums are taken, and the axis.
fn prepared(
    op: &'static str,
    x: &Tensor,
    axis: Option<i64>,
    dtype: Option<DType>,
) -> Result<(Tensor, usize)> {
    let (x, axis) = match axis {
        Some(a) => (x.clone(), normalize_axis(op, a, x.rank())?),
        None => (view::reshape_to(x, &[x.size()])?, 0),
    };
    let x = math::cast(&x, dtype.unwrap_or(x.dtype()))?;
    Ok((reduce::sum_operand(&x)?, axis))
}

fn running(
    x: &Tensor,
    axis: Option<i64>,
    dtype: Option<DType>,
    reverse: bool,
    exclusive: bool,
    product: bool,
) -> Result<Tensor> {
    let (x, axis) = prepared(if product { "cumprod" } else { "cumsum" }, x, axis, dtype)?;
    let stored = x.dtype();
    // Half precision is summed in single precision and rounded once.
    let wide = if matches!(stored, DType::F16 | DType::BF16) {
        math::cast(&x, DType::F32)?
    } else {
        x
    };
    let operand = if exclusive {
        shifted(&wide, axis, !reverse, f64::from(u8::from(product)))?
    } else {
        wide
    };
    math::cast(
        &bind1(
            Running {
                product,
                axis,
                reverse,
            },
            &[&operand],
        )?,
        stored,
    )
}

/// Running values of a list, by definition.
fn by_definition(
    x: &super::samples::Nd,
    axis: usize,
    reverse: bool,
    exclusive: bool,
    f: impl Fn(&[f64]) -> f64,
) -> super::samples::Nd {
    let n = x.0[axis];
    from_index(&x.0, |i| {
        let k = i[axis];
        let range = match (reverse, exclusive) {
            (false, false) => 0..k + 1,
            (false, true) => 0..k,
            (true, false) => k..n,
            (true, true) => k + 1..n,
        };
        let list: Vec<f64> = range
            .map(|j| {
                let mut i = i.to_vec();
                i[axis] = j;
                at(x, &i)
            })
            .collect();
        f(&list)
    })
}

op! {
    /// Running sums along `axis` (of the flattened tensor if `None`): y_i = x_0 + .. + x_i.
    ///
    /// `exclusive`: without x_i itself; `reverse`: from the other end.
    fn cumsum(x: &Tensor, axis: Option<i64> = None, dtype: Option<DType> = None, reverse: bool = false, exclusive: bool = false) -> Tensor {
        running(x, axis, dtype, reverse, exclusive, false)
    }
    samples {
        let sum = |g: &[f64]| g.iter().sum();
        let x = || values(&[2, 4, 3], -2.0, 2.0, 1);
        vec![
            whole("last axis", x(), |x| cumsum(x, Some(-1), None, false, false), move |x| by_definition(x, 2, false, false, sum)),
            whole("reverse, exclusive", x(), |x| cumsum(x, Some(1), None, true, true), move |x| by_definition(x, 1, true, true, sum)),
            whole("flat", values(&[7], -2.0, 2.0, 1), |x| cumsum(x, None, None, false, false), move |x| by_definition(x, 0, false, false, sum)),
        ]
    }
}
op! {
    /// Running products along `axis` (of the flattened tensor if `None`): y_i = x_0 .. x_i. The gradient is right at zeros.
    ///
    /// `exclusive`: without x_i itself; `reverse`: from the other end.
    fn cumprod(x: &Tensor, axis: Option<i64> = None, dtype: Option<DType> = None, reverse: bool = false, exclusive: bool = false) -> Tensor {
        running(x, axis, dtype, reverse, exclusive, true)
    }
    samples {
        let product = |g: &[f64]| g.iter().product();
        vec![
            whole("last axis", values(&[2, 4], -1.5, 1.5, 1), |x| cumprod(x, Some(-1), None, false, false), move |x| by_definition(x, 1, false, false, product)),
            whole("reverse, exclusive", values(&[4, 2], 0.5, 1.5, 1), |x| cumprod(x, Some(0), None, true, true), move |x| by_definition(x, 0, true, true, product)),
            whole("zeros", tensor(&[2.0, 0.0, 3.0, 0.0, 4.0], &[5]), |x| cumprod(x, None, None, false, false), move |x| by_definition(x, 0, false, false, product)),
        ]
    }
}
/// x with `neutral` in place of NaN.
fn without_nan(x: &Tensor, neutral: f64) -> Result<Tensor> {
    let neutral = Tensor::full(&[], neutral, x.dtype())?;
    super::logic::where_(&super::classify::isnan(x)?, &neutral, x)
}

op! {
    /// Running sums along `axis` (of the flattened tensor if `None`) that count NaN as 0.
    fn nancumsum(x: &Tensor, axis: Option<i64> = None, dtype: Option<DType> = None) -> Tensor {
        cumsum(&without_nan(x, 0.0)?, axis, dtype, false, false)
    }
    samples { vec![known("one NaN", vec![tensor(&[1.0, f64::NAN, 3.0], &[3])], |x| nancumsum(&x[0], None, None), &[3], &[1.0, 1.0, 4.0])] }
}
op! {
    /// Running products along `axis` (of the flattened tensor if `None`) that count NaN as 1.
    fn nancumprod(x: &Tensor, axis: Option<i64> = None, dtype: Option<DType> = None) -> Tensor {
        cumprod(&without_nan(x, 1.0)?, axis, dtype, false, false)
    }
    samples { vec![known("one NaN", vec![tensor(&[2.0, f64::NAN, 3.0], &[3])], |x| nancumprod(&x[0], None, None), &[3], &[2.0, 2.0, 6.0])] }
}
op! {
    /// The linear recurrence y_i = a_i y_(i-1) + b_i along `axis`, with y_(-1) = 0; from the other end with `reverse`.
    fn linear_scan(a: &Tensor, b: &Tensor, axis: i64 = -1, reverse: bool = false) -> Tensor {
        let dtype = super::map::common_dtype(a, b).to_float();
        let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let (a, b) = (math::cast(a, wide)?, math::cast(b, wide)?);
        let shape = crate::aval::broadcast("linear_scan", &[a.shape(), b.shape()])?;
        let axis = normalize_axis("linear_scan", axis, shape.len())?;
        let (a, b) = (view::broadcast_to_shape(&a, &shape)?, view::broadcast_to_shape(&b, &shape)?);
        math::cast(&bind1(LinearScan { axis, reverse }, &[&a, &b])?, dtype)
    }
    samples {
        let case = |label: &str, reverse: bool| Sample::new(label, vec![values(&[2, 5], -1.0, 1.0, 1), values(&[2, 5], -1.0, 1.0, 2)], move |x| Ok(vec![linear_scan(&x[0], &x[1], 1, reverse)?]))
            .reference(move |x| {
                let (a, b) = (super::samples::nd(&x[0]), super::samples::nd(&x[1]));
                vec![from_index(&[2, 5], |i| {
                    let mut y = 0.0;
                    let steps: Vec<usize> = if reverse { (i[1]..5).rev().collect() } else { (0..=i[1]).collect() };
                    for k in steps {
                        y = at(&a, &[i[0], k]) * y + at(&b, &[i[0], k]);
                    }
                    y
                })]
            });
        vec![case("forward", false), case("reverse", true)]
    }
}

fn running_extremum(
    op: &'static str,
    x: &Tensor,
    axis: Option<i64>,
    reverse: bool,
    largest: bool,
) -> Result<Tensor> {
    let (x, axis) = match axis {
        Some(a) => (x.clone(), normalize_axis(op, a, x.rank())?),
        None => (view::reshape_to(x, &[x.size()])?, 0),
    };
    let index = bind1(
        RunningArg {
            axis,
            largest,
            reverse,
        },
        &[&x],
    )?;
    take_along_axis(&x, &index, Some(axis as i64))
}

op! {
    /// The largest element so far along `axis` (of the flattened tensor if `None`); NaN from the first NaN on.
    fn cummax(x: &Tensor, axis: Option<i64> = None, reverse: bool = false) -> Tensor {
        running_extremum("cummax", x, axis, reverse, true)
    }
    samples {
        let f = |g: &[f64]| g.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        vec![
            whole("last axis", values(&[2, 6], -2.0, 2.0, 1), |x| cummax(x, Some(1), false), move |x| by_definition(x, 1, false, false, f)),
            whole("reverse", values(&[5, 2], -2.0, 2.0, 1), |x| cummax(x, Some(0), true), move |x| by_definition(x, 0, true, false, f)),
        ]
    }
}
op! {
    /// The smallest element so far along `axis` (of the flattened tensor if `None`); NaN from the first NaN on.
    fn cummin(x: &Tensor, axis: Option<i64> = None, reverse: bool = false) -> Tensor {
        running_extremum("cummin", x, axis, reverse, false)
    }
    samples { vec![whole("last axis", values(&[2, 6], -2.0, 2.0, 1), |x| cummin(x, Some(1), false), |x| by_definition(x, 1, false, false, |g| g.iter().copied().fold(f64::INFINITY, f64::min)))] }
}

/// Running log-sum-exp, each including its own element.
#[derive(Debug)]
struct RunningLogSumExp {
    axis: usize,
    reverse: bool,
}

impl Op for RunningLogSumExp {
    fn name(&self) -> &'static str {
        "logcumsumexp"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(one(x[0].shape.clone(), x[0].dtype))
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        // dx_j = e^(x_j - y_j) r_j with r_j = g_j + e^(y_j - y_(j+1)) r_(j+1), whose factors are never above 1.
        let (x, y, g) = (cx.x(0), cx.y(0), cx.g(0)?);
        let next = shifted(&y, self.axis, self.reverse, f64::INFINITY)?;
        let decay = exp_of_difference(&y, &next)?;
        let r = bind1(
            LinearScan {
                axis: self.axis,
                reverse: !self.reverse,
            },
            &[&decay, &g],
        )?;
        Ok(smallvec![Some(math::multiply(
            &exp_of_difference(x, &y)?,
            &r
        )?)])
    }
    fn batch(
        &self,
        x: &[Tensor],
        batched: &[bool],
        size: usize,
    ) -> Result<Option<crate::bind::Outputs>> {
        crate::batching::by_leading_axis(
            RunningLogSumExp {
                axis: self.axis + 1,
                ..*self
            },
            x,
            batched,
            size,
        )
    }
    fn run(&self, cx: &mut Run) {
        let x = &cx.ins[0];
        let (n, inner) = (x.shape()[self.axis], inner(x.shape(), self.axis));
        match x.dtype() {
            DType::F64 => cumulative::scan::<f64>(
                x.slice(),
                n,
                inner,
                self.reverse,
                cx.outs[0].slice_mut(),
                |a, b| {
                    crate::expr::eval::bin_f64(
                        crate::expr::BinOp::LogAddExp,
                        a,
                        b,
                        crate::expr::Ty::F64,
                    )
                },
            ),
            _ => cumulative::scan::<f32>(
                x.slice(),
                n,
                inner,
                self.reverse,
                cx.outs[0].slice_mut(),
                |a, b| {
                    crate::expr::eval::bin_f64(
                        crate::expr::BinOp::LogAddExp,
                        f64::from(a),
                        f64::from(b),
                        crate::expr::Ty::F64,
                    ) as f32
                },
            ),
        }
    }
}

/// e^(a - b), and 0 where a is -inf (also where both are).
fn exp_of_difference(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    super::map::binary("exp_difference", a, b, |f, a, b| {
        use crate::expr::{BinOp, CmpOp, UnOp};
        let ty = f.ty(a);
        let (nothing, zero) = (f.real(ty, f64::NEG_INFINITY), f.real(ty, 0.0));
        let empty = f.cmp(CmpOp::Eq, a, nothing);
        let (p, q) = (f.select(empty, zero, a), f.select(empty, zero, b));
        let d = f.bin(BinOp::Sub, p, q);
        let e = f.un(UnOp::Exp, d);
        f.select(empty, zero, e)
    })
}

op! {
    /// Running log-sum-exp along `axis` (of the flattened tensor if `None`): y_i = ln(e^(x_0) + .. + e^(x_i)), without overflow.
    fn logcumsumexp(x: &Tensor, axis: Option<i64> = None, reverse: bool = false) -> Tensor {
        let (x, axis) = prepared("logcumsumexp", x, axis, Some(x.dtype().to_float()))?;
        let wide = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let y = bind1(RunningLogSumExp { axis, reverse }, &[&math::cast(&x, wide)?])?;
        math::cast(&y, x.dtype())
    }
    samples {
        let f = |g: &[f64]| g.iter().map(|v| v.exp()).sum::<f64>().ln();
        vec![
            whole("last axis", values(&[2, 5], -2.0, 2.0, 1), |x| logcumsumexp(x, Some(1), false), move |x| by_definition(x, 1, false, false, f)),
            whole("reverse", values(&[4, 2], -2.0, 2.0, 1), |x| logcumsumexp(x, Some(0), true), move |x| by_definition(x, 0, true, false, f)),
        ]
    }
}
