//! The compiler: a traced step becomes one graph, the graph a flat list of steps over one arena.
//!
//! - [`ir`]: the graph, captured from traced tensors;
//! - [`simplify`]: equal nodes are merged, constants spread;
//! - `epilogue`: products and convolutions take up a bias and a rectifier that follow them;
//! - [`fuse`]: elementwise and row-wise nodes become clusters, each one loop;
//! - [`remat`]: values computed again instead of kept, under a memory budget;
//! - [`schedule`]: the order of the units, and updates as early as possible under a memory budget;
//! - `merge`: equal loops over different arrays become one step;
//! - [`plan`]: order, storage, arena offsets, state updates in place;
//! - [`exec`]: runs the plan, without allocating;
//! - `exec_loop`: runs the body of a loop over slices of the caller's arrays;
//! - [`state`]: cells that hold variables between steps;
//! - [`dump`]: the graph and the plan as text.

mod arena;
pub mod dump;
mod epilogue;
pub mod exec;
mod exec_loop;
pub mod fuse;
pub mod ir;
mod merge;
pub mod plan;
pub mod remat;
pub mod schedule;
pub mod simplify;
mod sparse;
pub mod state;
#[cfg(test)]
mod tests;

pub use exec::Plan;
pub(crate) use exec_loop::{Loop, While};
pub use state::Cell;

use crate::error::{Error, Result};
use crate::tensor::Tensor;
use schedule::Schedule;
use std::collections::HashMap;
use std::sync::Arc;

/// What a traced function reads and makes.
pub struct Signature<'a> {
    /// Placeholders for the arguments of each call.
    pub inputs: &'a [Tensor],
    /// Cells read by the function, with the placeholders that stand for them.
    pub states: &'a [(Arc<Cell>, Tensor)],
    /// The results.
    pub outputs: &'a [Tensor],
    /// Cells written by the function, with their new values.
    pub updates: &'a [(Arc<Cell>, Tensor)],
}

impl Signature<'_> {
    /// For each update the number of the state that it replaces, if the function reads that.
    fn replaced(&self) -> Vec<Option<usize>> {
        let numbers: HashMap<*const Cell, usize> = (self.states.iter().enumerate())
            .map(|(i, s)| (Arc::as_ptr(&s.0), i))
            .collect();
        let of = |cell: &Arc<Cell>| numbers.get(&Arc::as_ptr(cell)).copied();
        self.updates.iter().map(|u| of(&u.0)).collect()
    }
}

/// Compiles a traced function.
///
/// ```
/// use rustdl::{graph, tensor::Tensor, aval::DType};
/// let x = Tensor::placeholder(&[3], DType::F32)?;
/// let y = x.exp()?.add(&x)?;
/// let plan = graph::compile(&[x], &[y])?;
/// let out = plan.run(&[Tensor::from_slice(&[0.0f32, 1.0, 2.0], &[3])?])?;
/// assert_eq!(out[0].to_vec::<f32>()?[0], 1.0);
/// # Ok::<(), rustdl::error::Error>(())
/// ```
pub fn compile(inputs: &[Tensor], outputs: &[Tensor]) -> Result<Plan> {
    compile_step(&Signature {
        inputs,
        states: &[],
        outputs,
        updates: &[],
    })
}

/// Compiles a traced function that reads and writes cells.
pub fn compile_step(signature: &Signature) -> Result<Plan> {
    compile_within(signature, None)
}

/// Compiles a traced function whose temporaries shall not take more than so many bytes: cells get their new values as early
/// as possible, and values of the forward pass are computed again in the backward pass as far as needed.
///
/// # Errors
/// [`Error::Argument`] when no policy keeps the budget; it says how little memory is enough.
pub fn compile_within(signature: &Signature, budget: Option<usize>) -> Result<Plan> {
    let graph = simplify::simplify(ir::Graph::capture(signature)?);
    let graph = epilogue::absorb(sparse::by_rows(graph));
    let build = |graph: ir::Graph, schedule: &Schedule| {
        let units = fuse::fuse(&graph, schedule);
        plan::build(graph, units, signature, schedule)
    };
    let Some(budget) = budget else {
        return build(graph, &Schedule::Traced);
    };
    let plain = build(graph.clone(), &Schedule::Traced)?;
    let mut least = plain.arena_bytes();
    if least <= budget {
        return Ok(plain);
    }
    drop(plain);
    let early = Schedule::EarlyUpdates(signature.replaced());
    let graphs = std::iter::once(graph.clone()).chain(
        remat::POLICIES
            .into_iter()
            .map(|policy| remat::rematerialize(&graph, policy)),
    );
    for graph in graphs {
        let plan = build(graph, &early)?;
        if plan.arena_bytes() <= budget {
            return Ok(plan);
        }
        least = least.min(plan.arena_bytes());
    }
    Err(Error::argument(
        "compile",
        format!(
            "memory_budget={budget} bytes cannot be kept: the step needs {least} bytes at least"
        ),
    ))
}
