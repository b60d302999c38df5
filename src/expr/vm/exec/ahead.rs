//! Operands in memory, rather than in a cache, are asked for a block ahead.
//!
//! A block is computed by many short loops over registers in the first-level cache, of which the first reads the operands
//! and waits for them; the hardware's own prefetch ends with that loop. So while a block is computed, the lines of the
//! next one are asked for, some after each instruction. An optimizer over 16M parameters then moves 36 GB/s where it
//! moved 25, of 39 that the machine reads (Zen 3, two cores). What lies in a cache comes soon enough by itself, and
//! asking costs a fifth there.

use super::Machine;
use crate::expr::vm::instr::{Cx, Instr};
use crate::expr::vm::layout::Layout;
use crate::expr::vm::plan::Plan;
use crate::simd::prefetch;

/// Bytes of operands and outputs from which on they are taken to lie in memory.
const FAR: usize = 24 << 20;
/// Least elements of a block: a shorter one is over before its turn to ask has come.
const LONG: usize = 512;
/// Bytes of a cache line.
const LINE: usize = 64;

/// Are the operands of a loop over so many elements to be asked for ahead?
pub(super) fn is_far(plan: &Plan, layout: &Layout, elements: usize) -> bool {
    let whole = layout.ins.iter().chain(&layout.outs).filter(|a| a.col != 0);
    let bytes: usize = whole.map(|a| a.dtype.size()).sum();
    plan.block >= LONG && bytes.saturating_mul(elements) >= FAR
}

impl Machine<'_> {
    /// Like [`Machine::run`], asking meanwhile for the operands of the block to come.
    pub(super) unsafe fn run_and_ask_ahead(&self, list: &[Instr], cx: &Cx) {
        for (i, ins) in list.iter().enumerate() {
            (ins.run)(cx, ins);
            self.ask_ahead(cx, i, list.len());
        }
    }

    /// Asks for part `i` of `parts` of the operands of the next block, those that lie behind this one's.
    unsafe fn ask_ahead(&self, cx: &Cx, i: usize, parts: usize) {
        let layout = self.layout;
        for (k, access) in layout.ins.iter().enumerate() {
            let dense = layout.rows == 1 || access.row == layout.cols as isize;
            if access.col != 1 || !dense || access.numbers.is_some() {
                continue;
            }
            let bytes = cx.rows * cx.cols * access.dtype.size();
            let next = (*self.regs.add(k)).wrapping_add(bytes);
            let line = |part: usize| bytes * part / parts / LINE;
            for l in line(i)..line(i + 1) {
                prefetch(next.wrapping_add(l * LINE));
            }
        }
    }
}
