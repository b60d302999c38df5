//! The virtual machine: runs a [`Program`] over a domain, block by block, in parallel.
//!
//! [`Loop::new`] merges dimensions ([`layout`]), compiles the program to instructions over registers that stay in the
//! first-level cache ([`compile`]), and resolves each instruction to code for the instruction set at hand; [`Loop::run`]
//! then only follows lists ([`exec`]). Results depend on shapes alone, neither on the number of threads nor on how the
//! program was fused: every operation is rounded as if it ran alone.

mod compile;
mod convert;
mod cut;
mod exec;
mod float;
mod instr;
mod int;
mod layout;
mod plan;
mod random;
mod reduce;
#[cfg(test)]
mod tests;

use super::ir::Program;
use crate::aval::DType;
use crate::simd;
pub use layout::contiguous;
use smallvec::SmallVec;

/// The storage of an operand or output of a [`Loop`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operand {
    /// How elements are stored.
    pub dtype: DType,
    /// Distance in elements from one index to the next along each dimension of the domain; 0 broadcasts.
    pub strides: SmallVec<[isize; 6]>,
}

impl Operand {
    /// A contiguous operand of the domain `dims`.
    pub fn contiguous(dtype: DType, dims: &[usize]) -> Operand {
        Operand {
            dtype,
            strides: contiguous(dims),
        }
    }
}

/// An operand of which row `i` of the domain reads row `numbers[i]`: the sums for a few rows of a large table stand for
/// a whole array, whose other rows all read one row of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The operand, with the strides that it had if its rows were those of the domain.
    pub rows: usize,
    /// The operand, of type `i32` and constant along the second dimension, that holds the numbers.
    pub numbers: usize,
}

/// A program made ready to run over a domain.
#[derive(Clone, Debug)]
pub struct Loop {
    plan: plan::Plan,
    layout: layout::Layout,
    cut: cut::Cut,
    cost: usize,
    bytes: usize,
}

impl Loop {
    /// Prepares `program` for the domain `dims` (outer..., inner).
    ///
    /// `ins` are the operands and `outs` the outputs of the program, with one stride a dimension. For `Row` outputs the
    /// inner stride is ignored, for `Col` outputs those of the `col_dims` dimensions before the inner one, which they
    /// reduce. Distinct elements of an output must not overlap.
    pub fn new(
        program: &Program,
        dims: &[usize],
        ins: &[Operand],
        outs: &[Operand],
        col_dims: usize,
    ) -> Loop {
        Loop::build(program, dims, ins, outs, col_dims, &[])
    }

    /// Prepares an elementwise `program` for the domain `dims` of two dimensions, both longer than 1, as [`Loop::new`]
    /// does, with operands that are read by [`Lookup`].
    pub fn with_lookups(
        program: &Program,
        dims: &[usize],
        ins: &[Operand],
        outs: &[Operand],
        lookups: &[Lookup],
    ) -> Loop {
        assert!(dims.len() == 2 && dims.iter().all(|&n| n > 1) && !program.has_reduce());
        let plain = |x: &Lookup| ins[x.numbers].dtype == DType::I32 && x.rows != x.numbers;
        assert!(lookups.iter().all(plain), "row numbers are 32-bit integers");
        Loop::build(program, dims, ins, outs, 0, lookups)
    }

    fn build(
        program: &Program,
        dims: &[usize],
        ins: &[Operand],
        outs: &[Operand],
        col_dims: usize,
        lookups: &[Lookup],
    ) -> Loop {
        assert_eq!(
            ins.len(),
            program.operands().len(),
            "one layout for each operand of the program"
        );
        assert_eq!(
            outs.len(),
            program.outs().len(),
            "one layout for each output of the program"
        );
        let layout = layout::Layout::new(program, dims, ins, outs, col_dims, lookups);
        let plan = compile::compile(program, &layout, simd::level());
        let cut = cut::Cut::new(&plan, &layout);
        let moved = ins
            .iter()
            .chain(outs)
            .map(|x| x.dtype.size())
            .sum::<usize>();
        Loop {
            plan,
            cut,
            cost: program.cost() + moved / 2,
            bytes: moved * layout.len(),
            layout,
        }
    }

    /// Runs the loop.
    ///
    /// An output may be the same buffer as an operand of the same layout (then the operand is overwritten); outputs
    /// must not overlap operands in any other way, nor each other.
    ///
    /// # Safety
    /// `ins` and `outs` must hold one pointer for each operand and output, to element 0 of the domain, aligned for the
    /// dtype; every element that the layout reaches must be readable, or writable, for the length of the call; elements
    /// of `Bool` operands must be 0 or 1, and row numbers within their operand.
    pub unsafe fn run(&self, ins: &[*const u8], outs: &[*mut u8]) {
        debug_assert_eq!(
            (ins.len(), outs.len()),
            (self.layout.ins.len(), self.layout.outs.len())
        );
        exec::run(
            &self.plan,
            &self.layout,
            &self.cut,
            self.flops(),
            exec::Io { ins, outs },
        );
    }

    /// Runs a one-dimensional elementwise loop over several segments in one parallel call: an optimizer over all its
    /// parameters. A segment has the pointers of all operands, then of all outputs, and its number of elements; the
    /// length given to [`Loop::new`] does not matter. Operands have stride 1, or 0 for single values.
    ///
    /// # Safety
    /// As [`Loop::run`], for every segment; segments must not overlap.
    pub unsafe fn run_segments(&self, segments: &[(&[*mut u8], usize)]) {
        debug_assert!(
            !self.plan.whole_rows && self.plan.cols.is_empty(),
            "segments are one-dimensional"
        );
        exec::run_segments(&self.plan, &self.layout, self.cost, segments);
    }

    /// Rough number of vector operations times lanes: what the parallel grain is measured by.
    pub fn flops(&self) -> usize {
        self.cost * self.layout.len()
    }

    /// Bytes of operands and outputs, each counted as if it were as large as the domain.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
