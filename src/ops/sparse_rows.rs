//! A large array of which most rows are zeros, as the few others and their numbers: what the gradient of an embedding
//! becomes in a compiled step, where an optimizer reads it without its zeros ever being written.
//!
//! No function of the library makes these ops: the graph puts them in the place of a scatter
//! ([`crate::op::Op::in_rows`]).

use crate::aval::{Aval, DType, Shape};
use crate::error::Result;
use crate::kernels::gather::{self, Geometry};
use crate::op::{Avals, Op, Run};
use smallvec::smallvec;

/// Of the rows `u [m, inner]` that belong to rows `idx` of `n`: `rows [m + 1, inner]`, the sums of those with equal
/// index (row 0, and those that are not needed, are zeros), and `numbers [n]`, for each of the `n` its row among these.
#[derive(Debug)]
pub(super) struct SumRows {
    pub n: usize,
}

impl Op for SumRows {
    fn name(&self) -> &'static str {
        "sum_rows"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let rows = [x[1].shape[0] + 1, x[1].shape[1]];
        Ok(smallvec![
            Aval::new(&rows, x[1].dtype),
            Aval::new(&[self.n], DType::I32)
        ])
    }
    fn run(&self, cx: &mut Run) {
        let shape = cx.ins[1].shape();
        let g = Geometry {
            outer: 1,
            n: self.n,
            inner: shape[1],
            m: shape[0],
            along: false,
        };
        let idx = cx.ins[0].slice::<i64>();
        let (rows, numbers) = cx.outs.split_at_mut(1);
        let numbers = numbers[0].slice_mut::<i32>();
        macro_rules! go {
            ($t:ty) => {
                gather::sum_rows(
                    &g,
                    idx,
                    cx.ins[1].slice::<$t>(),
                    rows[0].slice_mut(),
                    numbers,
                    |a, b| a + b,
                )
            };
        }
        match cx.ins[1].dtype() {
            DType::F64 => go!(f64),
            _ => go!(f32),
        }
    }
}

/// All rows: row `i` is row `numbers[i]`.
#[derive(Debug)]
pub(super) struct SpreadRows;

impl Op for SpreadRows {
    fn name(&self) -> &'static str {
        "spread_rows"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let shape: Shape = smallvec![x[1].shape[0], x[0].shape[1]];
        Ok(smallvec![Aval::new(&shape, x[0].dtype)])
    }
    fn looks_up_rows(&self) -> bool {
        true
    }
    fn run(&self, cx: &mut Run) {
        let inner = cx.ins[0].shape()[1];
        let numbers = cx.ins[1].slice::<i32>();
        match cx.ins[0].dtype() {
            DType::F64 => gather::spread_rows::<f64>(
                inner,
                cx.ins[0].slice(),
                numbers,
                cx.outs[0].slice_mut(),
            ),
            _ => gather::spread_rows::<f32>(
                inner,
                cx.ins[0].slice(),
                numbers,
                cx.outs[0].slice_mut(),
            ),
        }
    }
}
