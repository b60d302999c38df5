//! The batch loop: gathers rows, runs the step, and asks from time to time whether to stop.

use crate::aval::Aval;
use crate::bind::contiguous;
use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::graph::Plan;
use crate::par;
use crate::tensor::Tensor;
use std::time::{Duration, Instant};

/// Which batches to run.
pub struct Batches<'a> {
    /// The data: arrays with the same number of rows, one for each argument of the plan.
    pub arrays: &'a [Tensor],
    /// Row numbers in the order of use; `None`: as they stand.
    pub order: Option<&'a [i64]>,
    /// Rows in a batch.
    pub batch_size: usize,
    /// The first batch to run.
    pub start: usize,
    /// The most batches to run.
    pub steps: usize,
    /// Return early after this time.
    pub budget: Option<Duration>,
}

/// How often the caller is asked whether to stop: after each batch that takes longer than this.
const POLL: Duration = Duration::from_millis(5);

/// Runs full batches; returns how many, and the results of the last one.
///
/// `stop` is asked after every batch, but not more often than each 5 ms; if it says so, [`Error::Interrupted`] is returned after the
/// batch at work, with all cells as that batch left them.
pub fn run_batches(
    plan: &Plan,
    batches: &Batches,
    mut stop: impl FnMut() -> bool,
) -> Result<(usize, Vec<Tensor>)> {
    let rows = check(plan, batches)?;
    let arrays: Vec<Tensor> = batches
        .arrays
        .iter()
        .map(contiguous)
        .collect::<Result<_>>()?;
    let row_bytes: Vec<usize> = arrays
        .iter()
        .map(|t| t.aval().bytes().checked_div(rows).unwrap_or(0))
        .collect();
    let staging: Vec<Buffer> = match batches.order {
        Some(_) => row_bytes
            .iter()
            .map(|b| Buffer::new("batch", b * batches.batch_size))
            .collect::<Result<_>>()?,
        None => Vec::new(),
    };
    let begun = Instant::now();
    let mut polled = begun;
    let mut session = plan.session()?;
    let mut pointers: Vec<*const u8> = vec![std::ptr::null(); arrays.len()];
    let mut done = 0;
    let outcome = par::enter(|| -> Result<()> {
        while done < batches.steps {
            let first = (batches.start + done) * batches.batch_size;
            for (i, t) in arrays.iter().enumerate() {
                let source = t.view()?.ptr();
                pointers[i] = match batches.order {
                    None => source.wrapping_add(first * row_bytes[i]),
                    Some(order) => {
                        let chosen = &order[first..first + batches.batch_size];
                        staging[i].gather_rows(&t.view()?, chosen, row_bytes[i]);
                        staging[i].ptr().cast_const()
                    }
                };
            }
            session.step(&pointers)?;
            done += 1;
            let now = Instant::now();
            if now - polled >= POLL {
                polled = now;
                if stop() {
                    return Err(Error::Interrupted);
                }
            }
            if batches.budget.is_some_and(|b| now - begun >= b) {
                break;
            }
        }
        Ok(())
    });
    outcome?;
    let results = if done > 0 {
        session.results()?
    } else {
        Vec::new()
    };
    Ok((done, results))
}

fn check(plan: &Plan, batches: &Batches) -> Result<usize> {
    let fail = |reason: String| Err(Error::argument("run_batches", reason));
    if batches.arrays.len() != plan.inputs().len() {
        return fail(format!(
            "{} arrays for the {} arguments of the step",
            batches.arrays.len(),
            plan.inputs().len()
        ));
    }
    let Some(rows) = batches
        .arrays
        .first()
        .map(|t| t.shape().first().copied().unwrap_or(0))
    else {
        return fail("a step without arguments has no batches".into());
    };
    for (t, want) in batches.arrays.iter().zip(plan.inputs()) {
        let mut shape = t.aval().shape.clone();
        if shape.first() != Some(&rows) {
            return fail(format!("arrays have {rows} and {:?} rows", shape.first()));
        }
        shape[0] = batches.batch_size;
        if (Aval {
            shape,
            dtype: t.dtype(),
        }) != *want
        {
            return fail(format!(
                "an array {:?} does not fit the step's argument {want:?}",
                t.aval()
            ));
        }
    }
    let end = batches
        .start
        .saturating_add(batches.steps)
        .saturating_mul(batches.batch_size);
    let available = batches.order.map_or(rows, <[i64]>::len);
    if end > available {
        return fail(format!("{end} rows are asked for, {available} are there"));
    }
    if let Some(bad) = batches
        .order
        .and_then(|o| o.iter().find(|&&i| i < 0 || i as usize >= rows))
    {
        return fail(format!("row {bad} is outside 0..{rows}"));
    }
    Ok(rows)
}
