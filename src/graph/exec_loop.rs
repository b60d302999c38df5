//! Runs the plan of a loop's body over slices of the caller's arrays: nothing is copied but what
//! the body itself copies, and nothing is allocated from step to step.

use super::exec::Plan;
use super::state::Cell;
use super::{Signature, compile_step};
use crate::buffer::{Buffer, View, ViewMut, with_scratch};
use crate::error::Result;
use crate::par;
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::sync::Arc;

/// Where the next step finds a carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carry {
    /// In a place of its own: cell number i of the plan.
    Own(usize),
    /// In the slice of stacked output i that this step wrote.
    Stacked(usize),
}

/// A loop ready to run: the inputs of the body are carries, slices and constants, its results
/// slices of the stacked outputs and new carries.
#[derive(Debug)]
pub(crate) struct Loop {
    plan: Plan,
    carries: Vec<Carry>,
    carry_bytes: Vec<usize>,
    x_bytes: Vec<usize>,
    y_bytes: Vec<usize>,
}

const ALIGN: usize = 64;

impl Loop {
    /// Compiles the body with these inputs (carries, then `slices` slices, then constants) and
    /// results (carries, then slices).
    pub fn new(
        inputs: &[Tensor],
        slices: usize,
        carries: &[Tensor],
        ys: &[Tensor],
    ) -> Result<Loop> {
        let mut targets: Vec<Tensor> = ys.to_vec();
        let mut places = Vec::new();
        for c in carries {
            let twin = ys
                .iter()
                .position(|y| y.key().is_some() && y.key() == c.key());
            places.push(match twin {
                Some(i) => Carry::Stacked(i),
                None => {
                    targets.push(c.clone());
                    Carry::Own(targets.len() - 1)
                }
            });
        }
        let updates = targets
            .iter()
            .map(|t| {
                let empty = Tensor::full(t.shape(), 0.0, t.dtype())?;
                Ok((Arc::new(Cell::new(&empty)?), t.clone()))
            })
            .collect::<Result<Vec<_>>>()?;
        let plan = compile_step(&Signature {
            inputs,
            states: &[],
            outputs: &[],
            updates: &updates,
        })?;
        let bytes = |t: &[Tensor]| t.iter().map(|t| t.aval().bytes()).collect();
        Ok(Loop {
            plan,
            carry_bytes: bytes(carries),
            carries: places,
            x_bytes: bytes(&inputs[carries.len()..carries.len() + slices]),
            y_bytes: bytes(ys),
        })
    }

    /// Runs `length` steps. `ins`: first carries, stacked slices, constants; `outs`: last carries,
    /// stacked slices. Memory that cannot be had is thrown as an [`Error`](crate::error::Error).
    pub fn run(&self, length: usize, reverse: bool, ins: &[View], outs: &mut [ViewMut]) {
        let arena = self.plan.take_arena();
        let arena = arena.unwrap_or_else(|e| std::panic::resume_unwind(Box::new(e)));
        par::enter(|| self.over(&arena, length, reverse, ins, outs));
        self.plan.give_arena(arena);
    }

    fn over(
        &self,
        arena: &Buffer,
        length: usize,
        reverse: bool,
        ins: &[View],
        outs: &mut [ViewMut],
    ) {
        let n = self.carries.len();
        let (last, stacked) = outs.split_at_mut(n);
        let mut inputs: SmallVec<[*const u8; 32]> = ins.iter().map(View::ptr).collect();
        let mut cells: SmallVec<[*mut u8; 32]> = stacked.iter().map(ViewMut::ptr).collect();
        let own = self.carries.iter().filter(|c| matches!(c, Carry::Own(_)));
        cells.extend(own.map(|_| std::ptr::null_mut()));
        let offsets: SmallVec<[usize; 16]> = self
            .carry_bytes
            .iter()
            .scan(0, |end, bytes| {
                let start = *end;
                *end += bytes.next_multiple_of(ALIGN);
                Some(start)
            })
            .collect();
        let spare: usize = self
            .carry_bytes
            .iter()
            .map(|b| b.next_multiple_of(ALIGN))
            .sum();
        with_scratch::<u8, _>(spare, |spare| {
            let spare = spare.as_mut_ptr().cast::<u8>();
            for step in 0..length {
                let t = if reverse { length - 1 - step } else { step };
                for (j, &bytes) in self.x_bytes.iter().enumerate() {
                    inputs[n + j] = ins[n + j].ptr().wrapping_add(t * bytes);
                }
                for (j, &bytes) in self.y_bytes.iter().enumerate() {
                    cells[j] = stacked[j].ptr().wrapping_add(t * bytes);
                }
                // The last step writes to the result, the one before elsewhere, and so on.
                let to_result = (length - 1 - step).is_multiple_of(2);
                for (i, carry) in self.carries.iter().enumerate() {
                    if let Carry::Own(cell) = *carry {
                        cells[cell] = match to_result {
                            true => last[i].ptr(),
                            false => spare.wrapping_add(offsets[i]),
                        };
                    }
                }
                // SAFETY: slice t lies inside the stacked arrays, whose views are contiguous; a carry
                // is read where the last step wrote it, which is never where this one writes.
                unsafe { self.plan.step_over(arena, &inputs, &cells) };
                for (i, carry) in self.carries.iter().enumerate() {
                    inputs[i] = match *carry {
                        Carry::Own(cell) | Carry::Stacked(cell) => cells[cell].cast_const(),
                    };
                }
            }
        });
        for (i, out) in last.iter_mut().enumerate() {
            if length == 0 || matches!(self.carries[i], Carry::Stacked(_)) {
                // SAFETY: both are contiguous arrays of the carry's type; the source is an input or
                // a slice of another output.
                unsafe {
                    std::ptr::copy_nonoverlapping(inputs[i], out.ptr(), self.carry_bytes[i]);
                }
            }
        }
    }
}

/// Runs `body` while `condition` holds, over carries that change their place from step to step.
#[derive(Debug)]
pub(crate) struct While {
    condition: Plan,
    body: Plan,
    carries: Vec<usize>,
}

impl While {
    /// Compiles condition and body, both of the same inputs: carries, then constants.
    pub fn new(inputs: &[Tensor], condition: &Tensor, results: &[Tensor]) -> Result<While> {
        let compile = |targets: &[Tensor]| {
            let updates = targets
                .iter()
                .map(|t| {
                    let empty = Tensor::full(t.shape(), 0.0, t.dtype())?;
                    Ok((Arc::new(Cell::new(&empty)?), t.clone()))
                })
                .collect::<Result<Vec<_>>>()?;
            compile_step(&Signature {
                inputs,
                states: &[],
                outputs: &[],
                updates: &updates,
            })
        };
        Ok(While {
            condition: compile(std::slice::from_ref(condition))?,
            body: compile(results)?,
            carries: results.iter().map(|t| t.aval().bytes()).collect(),
        })
    }

    /// Runs at most `limit` steps; the carries at the end go to `outs`.
    pub fn run(&self, limit: usize, ins: &[View], outs: &mut [ViewMut]) {
        let take = |p: &Plan| {
            p.take_arena()
                .unwrap_or_else(|e| std::panic::resume_unwind(Box::new(e)))
        };
        let (first, second) = (take(&self.condition), take(&self.body));
        par::enter(|| self.over((&first, &second), limit, ins, outs));
        self.condition.give_arena(first);
        self.body.give_arena(second);
    }

    fn over(&self, arenas: (&Buffer, &Buffer), limit: usize, ins: &[View], outs: &mut [ViewMut]) {
        let mut inputs: SmallVec<[*const u8; 32]> = ins.iter().map(View::ptr).collect();
        let total: usize = self.carries.iter().map(|b| b.next_multiple_of(ALIGN)).sum();
        with_scratch::<u8, _>(ALIGN + total, |spare| {
            let flag = spare.as_mut_ptr().cast::<u8>();
            for step in 0..limit {
                // SAFETY: the flag is the condition's only result; inputs are contiguous arrays.
                let proceed = unsafe {
                    self.condition.step_over(arenas.0, &inputs, &[flag]);
                    flag.read() != 0
                };
                if !proceed {
                    break;
                }
                let mut cells: SmallVec<[*mut u8; 32]> = SmallVec::new();
                let mut offset = ALIGN;
                for (out, bytes) in outs.iter().zip(&self.carries) {
                    cells.push(match step % 2 {
                        0 => out.ptr(),
                        _ => flag.wrapping_add(offset),
                    });
                    offset += bytes.next_multiple_of(ALIGN);
                }
                // SAFETY: a step reads the carries where the last one wrote them (at first the
                // inputs) and writes the other place.
                unsafe { self.body.step_over(arenas.1, &inputs, &cells) };
                for (input, cell) in inputs.iter_mut().zip(&cells) {
                    *input = cell.cast_const();
                }
            }
            for ((out, &from), &bytes) in outs.iter().zip(&inputs).zip(&self.carries) {
                if from != out.ptr().cast_const() {
                    // SAFETY: two different contiguous arrays of the carry's type.
                    unsafe { std::ptr::copy_nonoverlapping(from, out.ptr(), bytes) };
                }
            }
        });
    }
}
