//! `while_loop`: a loop whose number of steps depends on data.
//!
//! Without an upper limit on the number of steps there is no gradient, since the values of all steps
//! would have to be kept. With one, the gradient is that of a `scan` of so many steps, of which those
//! after the end of the loop leave the carries as they are.

use super::scan::{Steps, close, replay, scan};
use crate::autodiff::backward;
use crate::aval::Aval;
use crate::bind::{bind_arc, is_recording, with_recording};
use crate::error::{Error, Result};
use crate::graph::While;
use crate::op::{Avals, Grads, Op, Run, Vjp};
use crate::ops::logic::where_;
use crate::tensor::Tensor;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The op. Inputs: carries, constants; outputs: carries.
struct WhileLoop {
    id: u64,
    limit: Option<usize>,
    /// Placeholders of carries and constants.
    carries: Vec<Tensor>,
    constants: Vec<Tensor>,
    condition: Tensor,
    next: Vec<Tensor>,
    compiled: OnceLock<While>,
}

impl std::fmt::Debug for WhileLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WhileLoop({}, {:?})", self.id, self.limit)
    }
}

impl WhileLoop {
    fn compiled(&self) -> Result<&While> {
        if let Some(found) = self.compiled.get() {
            return Ok(found);
        }
        let inputs = [&self.carries[..], &self.constants].concat();
        let made = While::new(&inputs, &self.condition, &self.next)?;
        Ok(self.compiled.get_or_init(|| made))
    }

    /// The same as a scan of `limit` steps.
    fn as_scan(&self, limit: usize, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let (carries, constants) = inputs.split_at(self.carries.len());
        let symbols = [&self.carries[..], &self.constants].concat();
        let results = [&self.next[..], std::slice::from_ref(&self.condition)].concat();
        let steps = Steps {
            count: limit,
            reverse: false,
        };
        let body = |current: &[Tensor], _: &[Tensor]| {
            let values = current.iter().chain(constants).cloned();
            let instead: Vec<(Tensor, Tensor)> = symbols.iter().cloned().zip(values).collect();
            let mut next = replay(&results, &instead)?;
            let proceed = next.pop().expect("the condition");
            let kept = next
                .iter()
                .zip(current)
                .map(|(new, old)| where_(&proceed, new, old));
            Ok((kept.collect::<Result<_>>()?, vec![]))
        };
        Ok(scan(steps, carries, &[], body)?.0)
    }
}

impl Op for WhileLoop {
    fn name(&self) -> &'static str {
        "while_loop"
    }

    fn infer(&self, _: &[Aval]) -> Result<Avals> {
        Ok(self.next.iter().map(|t| t.aval().clone()).collect())
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let Some(limit) = self.limit else {
            return Err(Error::unsupported(
                "while_loop",
                "a loop without an upper limit on its steps has no gradient; give `maximum_iterations`, or use \
                 `scan` or `fori_loop`",
            ));
        };
        let leaves: Vec<Tensor> = (0..cx.inputs()).map(|i| cx.x(i).leaf()).collect();
        // Recorded even where the gradients themselves are not.
        let outs = with_recording(true, || self.as_scan(limit, &leaves))?;
        let seeded: Vec<usize> = (0..outs.len())
            .filter(|&i| cx.g_opt(i).is_some() && outs[i].node().is_some())
            .collect();
        let ys: Vec<Tensor> = seeded.iter().map(|&i| outs[i].clone()).collect();
        let seeds = seeded
            .iter()
            .map(|&i| cx.g(i))
            .collect::<Result<Vec<_>>>()?;
        let wanted: Vec<usize> = (0..leaves.len()).filter(|&i| cx.wants(i)).collect();
        let by: Vec<Tensor> = wanted.iter().map(|&i| leaves[i].clone()).collect();
        let found = backward(&ys, Some(&seeds), &by, is_recording())?;
        let mut grads: Grads = smallvec::smallvec![None; leaves.len()];
        for (i, g) in wanted.into_iter().zip(found) {
            grads[i] = g;
        }
        Ok(grads)
    }

    fn run(&self, cx: &mut Run) {
        let loops = self
            .compiled()
            .unwrap_or_else(|e| std::panic::resume_unwind(Box::new(e)));
        loops.run(self.limit.unwrap_or(usize::MAX), cx.ins, cx.outs);
    }
}

/// Repeats `carries = next(carries)` while `condition` holds and at most `limit` times; condition and
/// next carries were traced from `placeholders`.
///
/// # Errors
/// `ShapeError` when a carry changes its shape or dtype, or the condition is not one boolean.
pub fn while_traced(
    init: &[Tensor],
    placeholders: &[Tensor],
    condition: &Tensor,
    next: &[Tensor],
    limit: Option<usize>,
) -> Result<Vec<Tensor>> {
    if condition.size() != 1 || condition.dtype() != crate::aval::DType::Bool {
        return Err(Error::shape(
            "while_loop",
            format!(
                "the condition must be one boolean, not {:?}",
                condition.aval()
            ),
        ));
    }
    if let Some(i) =
        (0..init.len()).find(|&i| next.get(i).is_none_or(|n| n.aval() != init[i].aval()))
    {
        return Err(Error::shape(
            "while_loop",
            format!(
                "carry {i} is {:?} before a step and {:?} after it; a carry must keep its shape and dtype",
                init[i].aval(),
                next.get(i).map(Tensor::aval)
            ),
        ));
    }
    let closed = close(
        placeholders,
        &[next, std::slice::from_ref(condition)].concat(),
    )?;
    let (condition, next) = closed.outputs.split_last().expect("a condition");
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let op = WhileLoop {
        id: NEXT.fetch_add(1, Ordering::Relaxed),
        limit,
        carries: placeholders.to_vec(),
        constants: closed.symbols,
        condition: condition.clone(),
        next: next.to_vec(),
        compiled: OnceLock::new(),
    };
    let inputs: Vec<&Tensor> = init.iter().chain(&closed.constants).collect();
    Ok(bind_arc(Arc::new(op), &inputs)?.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aval::DType;
    use crate::graph;
    use crate::ops::gradcheck::check;
    use crate::ops::{logic, math};

    /// Doubles x and counts, while x < 10.
    fn double(x: &Tensor, limit: Option<usize>) -> Result<Vec<Tensor>> {
        let zero = Tensor::full(&[], 0.0, DType::I32)?;
        let symbols = [
            Tensor::placeholder(&[], x.dtype())?,
            Tensor::placeholder(&[], DType::I32)?,
        ];
        let ten = Tensor::full(&[], 10.0, x.dtype())?;
        let proceed = logic::less(&symbols[0], &ten)?;
        let one = Tensor::full(&[], 1.0, DType::I32)?;
        let next = [
            math::add(&symbols[0], &symbols[0])?,
            math::add(&symbols[1], &one)?,
        ];
        while_traced(&[x.clone(), zero], &symbols, &proceed, &next, limit)
    }

    #[test]
    fn it_runs_until_the_condition_fails_or_the_limit_is_reached() {
        for (start, limit, want) in [
            (3.0, None, (12.0, 2.0)),
            (50.0, None, (50.0, 0.0)),
            (1.0, Some(3), (8.0, 3.0)),
        ] {
            let x = Tensor::scalar(start).unwrap();
            let eager = double(&x, limit).unwrap();
            let symbol = Tensor::placeholder(&[], DType::F64).unwrap();
            let plan = graph::compile(
                std::slice::from_ref(&symbol),
                &double(&symbol, limit).unwrap(),
            )
            .unwrap();
            for found in [eager, plan.run(&[x]).unwrap()] {
                assert_eq!((found[0].item().unwrap(), found[1].item().unwrap()), want);
            }
        }
    }

    #[test]
    fn the_gradient_needs_a_limit() {
        check(&[Tensor::scalar(3.0).unwrap()], |x| {
            let y = double(&x[0], Some(5))?.remove(0);
            math::square(&y)
        });
        let x = Tensor::scalar(3.0).unwrap().leaf();
        let y = double(&x, None).unwrap().remove(0);
        let error = backward(&[y], None, &[x], false).unwrap_err();
        assert!(error.to_string().contains("maximum_iterations"), "{error}");
    }
}
