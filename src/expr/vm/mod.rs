//! The virtual machine: skeleton.
use super::ir::Program;
use crate::aval::DType;
use smallvec::SmallVec;

/// The storage of an operand or output of a [`Loop`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operand {
    /// How elements are stored.
    pub dtype: DType,
    /// Distance in elements from one index to the next along each dimension of the domain; 0 broadcasts.
    pub strides: SmallVec<[isize; 6]>,
}

/// A program made ready to run over a domain.
#[derive(Debug)]
pub struct Loop {
    program: Program,
}

impl Loop {
    /// Prepares `program` for the domain `dims` (outer..., inner).
    pub fn new(
        program: &Program,
        dims: &[usize],
        ins: &[Operand],
        outs: &[Operand],
        col_dims: usize,
    ) -> Loop {
        let _ = (dims, ins, outs, col_dims);
        Loop {
            program: program.clone(),
        }
    }

    /// Runs the loop.
    ///
    /// # Safety
    /// Pointers must be valid for the layouts given to [`Loop::new`].
    pub unsafe fn run(&self, ins: &[*const u8], outs: &[*mut u8]) {
        let _ = (ins, outs, &self.program);
    }

    /// Runs a one-dimensional contiguous elementwise program over several lists of buffers in one parallel call.
    ///
    /// # Safety
    /// As [`Loop::run`], with `n` elements behind every pointer of a segment.
    pub unsafe fn run_segments(&self, segments: &[(Vec<*mut u8>, usize)]) {
        let _ = segments;
    }
}
