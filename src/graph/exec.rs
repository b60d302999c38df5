//! Runs a plan: a flat list of steps over pointers that are known but for their bases.

use super::dump::Listing;
use super::state::{Cell, make_exclusive};
use crate::aval::{Aval, DType, Shape, Strides, contiguous_strides, is_contiguous};
use crate::bind::{before_kernel, contiguous, panic_error};
use crate::buffer::{Buffer, View, ViewMut};
use crate::error::{Error, Result};
use crate::expr::{Loop, Node, Out, OutKind, Program};
use crate::op::{Op, Run};
use crate::par;
use crate::tensor::{Array, Tensor};
use smallvec::SmallVec;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

/// What the bytes of an operand are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Root {
    /// A block of the arena (while planning), then the arena.
    Arena(usize),
    /// An argument of the call.
    Input(usize),
    /// The value of a cell.
    State(usize),
    /// A constant.
    Constant(usize),
}

/// An operand of a step.
#[derive(Debug, Clone)]
pub struct Operand {
    /// What it lies in.
    pub root: Root,
    /// Its first element, in bytes from the start of the root.
    pub bytes: isize,
    /// Element type.
    pub dtype: DType,
    /// Sizes of the axes.
    pub shape: Shape,
    /// Strides in elements.
    pub strides: Strides,
}

impl Operand {
    /// Is it all of a contiguous array of this shape?
    pub fn covers(&self, aval: &Aval) -> bool {
        self.shape == aval.shape
            && self.dtype == aval.dtype
            && is_contiguous(&self.shape, &self.strides)
    }
}

impl Operand {
    /// Is it one value?
    pub fn is_single(&self) -> bool {
        self.shape.iter().product::<usize>() == 1
    }
    /// Is it a contiguous array of `n` elements?
    pub fn covers_flat(&self, n: usize) -> bool {
        self.shape.iter().product::<usize>() == n && is_contiguous(&self.shape, &self.strides)
    }
    /// The root and the range of bytes within which its elements lie.
    pub fn reach(&self) -> (Root, isize, isize) {
        let size = self.dtype.size() as isize;
        let (mut low, mut high) = (self.bytes, self.bytes + size);
        for (&n, &s) in self.shape.iter().zip(&self.strides) {
            let span = (n as isize - 1).max(0) * s * size;
            low += span.min(0);
            high += span.max(0);
        }
        (self.root, low, high)
    }
}

/// What a step runs.
#[derive(Debug)]
pub enum Body {
    /// A fused loop, and its program for dumps.
    Loop(Loop, Program),
    /// The kernel of an op.
    Kernel(Arc<dyn Op>),
    /// The same elementwise loop over several lists of arrays, such as the optimizer over all
    /// parameters: number of elements and of operands of each.
    Segments(Loop, Program, Vec<usize>),
}

/// One step of a plan.
#[derive(Debug)]
pub struct Step {
    /// For dumps and profiles.
    pub name: &'static str,
    /// The ops that it stands for and the layer that they belong to, for profiles.
    pub label: Arc<str>,
    /// What it runs.
    pub body: Body,
    /// What it reads.
    pub ins: Vec<Operand>,
    /// What it writes.
    pub outs: Vec<Operand>,
}

impl Step {
    /// Does it read and write element by element, so that an output may be an input?
    pub fn is_elementwise(&self) -> bool {
        match &self.body {
            Body::Loop(_, p) | Body::Segments(_, p, _) => {
                !p.has_reduce() && p.outs().iter().all(|o| o.kind == OutKind::Full)
            }
            Body::Kernel(_) => false,
        }
    }

    /// May output `i` lie in the memory of operand `j`, laid out alike?
    pub fn may_overwrite(&self, i: usize, j: usize) -> bool {
        match &self.body {
            Body::Kernel(op) => op.overwrites(i) == Some(j),
            // A column sum of an operand itself reads it after the block's outputs are written.
            Body::Loop(_, p) => {
                let sums = |o: &Out| {
                    matches!(o.kind, OutKind::Col(_))
                        && matches!(p.nodes()[o.node as usize], Node::Load(k) if usize::from(k) == j)
                };
                p.outs()[i].kind == OutKind::Full && !p.outs().iter().any(sums)
            }
            // Segments run at the same time: an output may take an operand of its own.
            Body::Segments(_, _, counts) => {
                let (ins, outs) = (self.ins.len(), self.outs.len());
                let segment = |at: usize, all: usize| at / (all / counts.len());
                self.is_elementwise() && segment(i, outs) == segment(j, ins)
            }
        }
    }
}

/// A compiled function.
#[derive(Debug)]
pub struct Plan {
    inputs: Vec<Aval>,
    cells: Vec<Arc<Cell>>,
    updated: Vec<Arc<Cell>>,
    constants: Vec<Array>,
    steps: Vec<Step>,
    results: Vec<Operand>,
    arena_bytes: usize,
    /// Arenas of calls that have ended; one is enough unless calls overlap.
    arenas: Mutex<Vec<Buffer>>,
    listing: Listing,
}

/// Start addresses of the roots during a call.
struct Bases<'a> {
    arena: *mut u8,
    inputs: &'a [*const u8],
    states: &'a [*mut u8],
    constants: &'a [Array],
}

impl Bases<'_> {
    fn address(&self, o: &Operand) -> *mut u8 {
        let base = match o.root {
            Root::Arena(_) => self.arena,
            Root::Input(i) => self.inputs[i].cast_mut(),
            Root::State(i) => self.states[i],
            Root::Constant(i) => self.constants[i].ptr(),
        };
        base.wrapping_offset(o.bytes)
    }
}

impl Plan {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        inputs: Vec<Aval>,
        cells: Vec<Arc<Cell>>,
        updated: Vec<Arc<Cell>>,
        constants: Vec<Array>,
        mut steps: Vec<Step>,
        mut results: Vec<Operand>,
        offsets: &[usize],
        arena_bytes: usize,
        listing: Listing,
    ) -> Result<Plan> {
        let resolve = |o: &mut Operand| {
            if let Root::Arena(block) = o.root {
                o.bytes += offsets[block] as isize;
                o.root = Root::Arena(0);
            }
        };
        for step in &mut steps {
            step.ins.iter_mut().chain(&mut step.outs).for_each(resolve);
        }
        results.iter_mut().for_each(resolve);
        let arenas = Mutex::new(vec![Buffer::new("compile", arena_bytes)?]);
        Ok(Plan {
            inputs,
            cells,
            updated,
            constants,
            steps,
            results,
            arena_bytes,
            arenas,
            listing,
        })
    }

    /// Bytes of temporaries.
    pub fn arena_bytes(&self) -> usize {
        self.arena_bytes
    }
    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
    /// The graph as text.
    pub fn dump(&self) -> String {
        self.listing.text()
    }
    /// The graph, line by line.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }
    /// Shapes and dtypes of the arguments.
    pub fn inputs(&self) -> &[Aval] {
        &self.inputs
    }

    /// Runs the function once.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.check(inputs)?;
        let held: SmallVec<[Tensor; 4]> = inputs.iter().map(contiguous).collect::<Result<_>>()?;
        let pointers: SmallVec<[*const u8; 4]> = held
            .iter()
            .map(|t| t.array().map_or(std::ptr::null(), |a| a.ptr().cast_const()))
            .collect();
        let mut session = self.session()?;
        session.step(&pointers)?;
        session.results()
    }

    /// Runs the function `repeats` times; for each step its name, the shape of its first output
    /// and the least time that it took.
    pub fn profile(
        &self,
        inputs: &[Tensor],
        repeats: usize,
    ) -> Result<Vec<(Arc<str>, Shape, std::time::Duration)>> {
        self.check(inputs)?;
        let held: SmallVec<[Tensor; 4]> = inputs.iter().map(contiguous).collect::<Result<_>>()?;
        let pointers: SmallVec<[*const u8; 4]> = held
            .iter()
            .map(|t| t.array().map_or(std::ptr::null(), |a| a.ptr().cast_const()))
            .collect();
        let mut session = self.session()?;
        let mut best = session.profile(&pointers)?;
        for _ in 1..repeats {
            for (b, t) in best.iter_mut().zip(session.profile(&pointers)?) {
                *b = t.min(*b);
            }
        }
        let shape = |s: &Step| s.outs.first().map(|o| o.shape.clone()).unwrap_or_default();
        Ok(self
            .steps
            .iter()
            .zip(best)
            .map(|(s, t)| (s.label.clone(), shape(s), t))
            .collect())
    }

    fn check(&self, inputs: &[Tensor]) -> Result<()> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::argument(
                "plan",
                format!("{} arguments for {}", inputs.len(), self.inputs.len()),
            ));
        }
        for (i, (t, want)) in inputs.iter().zip(&self.inputs).enumerate() {
            if t.aval() != want || t.is_traced() {
                return Err(Error::shape(
                    "plan",
                    format!(
                        "argument {i} is {:?}, but the plan was compiled for {want:?}",
                        t.aval()
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Takes an arena and the cells for one or more steps.
    pub fn session(&self) -> Result<Session<'_>> {
        make_exclusive(&self.updated)?;
        let arena = self.take_arena()?;
        let mut held: Vec<Tensor> = Vec::with_capacity(self.cells.len());
        for cell in &self.cells {
            let mut value = cell.lock();
            if !value.is_contiguous() {
                *value = contiguous(&value)?;
            }
            held.push(value.clone());
        }
        let states = held
            .iter()
            .map(|t| t.array().map_or(std::ptr::null_mut(), Array::ptr))
            .collect();
        Ok(Session {
            plan: self,
            arena: Some(arena),
            held,
            states,
        })
    }
}

impl Plan {
    /// An arena for [`Plan::step_over`], given back by [`Plan::give_arena`].
    pub(super) fn take_arena(&self) -> Result<Buffer> {
        let arena = self.arenas.lock().unwrap_or_else(|e| e.into_inner()).pop();
        arena.map_or_else(|| Buffer::new("plan", self.arena_bytes), Ok)
    }

    pub(super) fn give_arena(&self, arena: Buffer) {
        let mut arenas = self.arenas.lock().unwrap_or_else(|e| e.into_inner());
        if arenas.len() < 8 {
            arenas.push(arena);
        }
    }

    /// Runs all steps once, the arguments read from `inputs` and the cells written at `states`.
    ///
    /// # Safety
    /// Each pointer must be valid for a contiguous array of its argument's or cell's type, and no
    /// cell may overlap an argument, another cell or the arena.
    pub(super) unsafe fn step_over(
        &self,
        arena: &Buffer,
        inputs: &[*const u8],
        states: &[*mut u8],
    ) {
        let bases = Bases {
            arena: arena.ptr(),
            inputs,
            states,
            constants: &self.constants,
        };
        for step in &self.steps {
            run_step(step, &bases);
        }
    }
}

/// A plan at work: holds its arena and the memory of its cells.
///
/// While a session lives nobody else may run a plan that writes the same cells; Python's trainer
/// keeps that promise by a lock for each model.
pub struct Session<'p> {
    plan: &'p Plan,
    arena: Option<Buffer>,
    held: Vec<Tensor>,
    states: Vec<*mut u8>,
}

// SAFETY: the pointers belong to the tensors in `held`, which the session keeps alive.
unsafe impl Send for Session<'_> {}

impl Session<'_> {
    /// Runs all steps once. `inputs` must point to contiguous arrays of the plan's argument types.
    pub fn step(&mut self, inputs: &[*const u8]) -> Result<()> {
        let arena = self.arena.as_ref().expect("held until drop").ptr();
        let bases = Bases {
            arena,
            inputs,
            states: &self.states,
            constants: &self.plan.constants,
        };
        let mut at = "plan";
        let run = AssertUnwindSafe(|| {
            par::enter(|| {
                for step in &self.plan.steps {
                    at = step.name;
                    // SAFETY: the planner gave every operand memory inside its root, of its layout,
                    // alive for this step and not overlapping what the step writes.
                    unsafe { run_step(step, &bases) }
                }
            });
        });
        catch_unwind(run).map_err(|p| panic_error(at, p))
    }

    /// Runs all steps once and returns the time that each took.
    pub fn profile(&mut self, inputs: &[*const u8]) -> Result<Vec<std::time::Duration>> {
        let arena = self.arena.as_ref().expect("held until drop").ptr();
        let bases = Bases {
            arena,
            inputs,
            states: &self.states,
            constants: &self.plan.constants,
        };
        let mut times = Vec::with_capacity(self.plan.steps.len());
        let run = AssertUnwindSafe(|| {
            par::enter(|| {
                for step in &self.plan.steps {
                    let begun = std::time::Instant::now();
                    // SAFETY: as in `step`.
                    unsafe { run_step(step, &bases) }
                    times.push(begun.elapsed());
                }
            });
        });
        catch_unwind(run).map_err(|p| panic_error("plan", p))?;
        Ok(times)
    }

    /// Copies of the results of the last step.
    pub fn results(&self) -> Result<Vec<Tensor>> {
        let arena = self.arena.as_ref().expect("held until drop").ptr();
        let bases = Bases {
            arena,
            inputs: &[],
            states: &self.states,
            constants: &self.plan.constants,
        };
        self.plan
            .results
            .iter()
            .map(|o| self.result(o, &bases))
            .collect()
    }

    fn result(&self, o: &Operand, bases: &Bases) -> Result<Tensor> {
        let aval = Aval {
            shape: o.shape.clone(),
            dtype: o.dtype,
        };
        // SAFETY: results stay in the arena (or in states and constants) until the next step.
        let view = unsafe { View::new(bases.address(o), o.dtype, &o.shape, &o.strides) };
        let buffer = Buffer::new("plan", aval.bytes())?;
        crate::kernels::copy::copy(&view, &mut buffer.writer(o.dtype, &o.shape));
        let array = Array {
            buffer: Arc::new(buffer),
            offset: 0,
            strides: contiguous_strides(&o.shape),
        };
        Ok(Tensor::from_array(aval, array))
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Some(arena) = self.arena.take() {
            self.plan.give_arena(arena);
        }
        self.held.clear();
    }
}

/// Runs one step.
///
/// # Safety
/// The addresses of the operands must be valid for their layouts; outputs may overlap inputs only
/// where the body allows it.
unsafe fn run_step(step: &Step, bases: &Bases) {
    match &step.body {
        Body::Loop(body, _) => {
            let ins: SmallVec<[*const u8; 16]> = step
                .ins
                .iter()
                .map(|o| bases.address(o).cast_const())
                .collect();
            let outs: SmallVec<[*mut u8; 8]> = step.outs.iter().map(|o| bases.address(o)).collect();
            body.run(&ins, &outs);
        }
        Body::Segments(body, _, counts) => run_segments(step, body, counts, bases),
        Body::Kernel(op) => {
            let ins: SmallVec<[View; 4]> = step
                .ins
                .iter()
                .map(|o| View::new(bases.address(o), o.dtype, &o.shape, &o.strides))
                .collect();
            let mut outs: SmallVec<[ViewMut; 2]> = step
                .outs
                .iter()
                .map(|o| ViewMut::new(bases.address(o), o.dtype, &o.shape))
                .collect();
            before_kernel(op.name());
            op.run(&mut Run {
                ins: &ins,
                outs: &mut outs,
            });
        }
    }
}

/// Runs one loop over several lists of arrays.
///
/// # Safety
/// As [`run_step`].
unsafe fn run_segments(step: &Step, body: &Loop, counts: &[usize], bases: &Bases) {
    let (ins, outs) = (
        step.ins.len() / counts.len(),
        step.outs.len() / counts.len(),
    );
    let mut pointers: SmallVec<[*mut u8; 256]> = SmallVec::new();
    for i in 0..counts.len() {
        pointers.extend(
            step.ins[i * ins..(i + 1) * ins]
                .iter()
                .map(|o| bases.address(o)),
        );
        pointers.extend(
            step.outs[i * outs..(i + 1) * outs]
                .iter()
                .map(|o| bases.address(o)),
        );
    }
    let segments: SmallVec<[(&[*mut u8], usize); 32]> = pointers
        .chunks(ins + outs)
        .zip(counts.iter().copied())
        .collect();
    body.run_segments(&segments);
}
