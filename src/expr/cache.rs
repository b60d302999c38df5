//! Loops of recent eager calls, so that an op in a Python loop is compiled once.

use super::ir::Program;
use super::vm::{Loop, Operand};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

/// The most loops kept by a thread; when there are more, all are dropped.
const CAPACITY: usize = 256;

struct Entry {
    program: Program,
    dims: Vec<usize>,
    ins: Vec<Operand>,
    outs: Vec<Operand>,
    body: Rc<Loop>,
}

thread_local! {
    static CACHE: RefCell<HashMap<u64, Entry>> = RefCell::new(HashMap::new());
}

/// The loop for this program and these layouts, made now or by an earlier call of this thread.
pub fn cached(
    program: &Program,
    dims: &[usize],
    ins: &[Operand],
    outs: &[Operand],
    col_dims: usize,
) -> Rc<Loop> {
    let mut h = DefaultHasher::new();
    (
        program,
        dims,
        ins,
        outs,
        col_dims,
        crate::simd::level() as u8,
    )
        .hash(&mut h);
    let key = h.finish();
    CACHE.with(|cache| {
        let mut cache = cache.borrow_mut();
        if let Some(e) = cache.get(&key)
            && e.program == *program
            && e.dims == dims
            && e.ins == ins
            && e.outs == outs
        {
            return e.body.clone();
        }
        if cache.len() >= CAPACITY {
            cache.clear();
        }
        let body = Rc::new(Loop::new(program, dims, ins, outs, col_dims));
        let entry = Entry {
            program: program.clone(),
            dims: dims.into(),
            ins: ins.into(),
            outs: outs.into(),
            body: body.clone(),
        };
        cache.insert(key, entry);
        body
    })
}
