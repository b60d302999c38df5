//! Runs a [`Loop`] on views whose layouts are those that it was built for.

use super::vm::Loop;
use crate::buffer::{View, ViewMut};
use smallvec::SmallVec;

/// Runs `body`, which must have been built for the layouts of these very views.
pub fn run(body: &Loop, ins: &[View], outs: &mut [ViewMut]) {
    let ins: SmallVec<[*const u8; 8]> = ins.iter().map(View::ptr).collect();
    let outs: SmallVec<[*mut u8; 4]> = outs.iter().map(ViewMut::ptr).collect();
    // SAFETY: views are valid for their layouts, and `bind` builds the loop from these layouts.
    unsafe { body.run(&ins, &outs) }
}
