//! Cells: the storage of variables between steps.

use crate::aval::{Aval, contiguous_strides};
use crate::bind::contiguous;
use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::ops::index::copied;
use crate::tensor::{Array, Tensor};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

/// Holds one tensor of a fixed shape and dtype. A plan updates it in place, unless somebody else
/// holds the tensor: snapshots never change.
#[derive(Debug)]
pub struct Cell {
    value: Mutex<Tensor>,
    pack: Mutex<Option<Arc<Pack>>>,
}

/// Cells whose values lie side by side in one buffer, so that an optimizer passes over them once.
#[derive(Debug)]
struct Pack {
    cells: Vec<Weak<Cell>>,
}

impl Cell {
    /// A cell that holds this value.
    pub fn new(value: &Tensor) -> Result<Cell> {
        concrete("Variable", value)?;
        Ok(Cell {
            value: Mutex::new(value.detach()),
            pack: Mutex::new(None),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Tensor> {
        self.value.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The present value; later changes of the cell do not touch it.
    pub fn get(&self) -> Tensor {
        self.lock().clone()
    }

    /// Stores another value of the same shape and dtype.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        concrete("assign", value)?;
        let mut held = self.lock();
        if value.aval() != held.aval() {
            return Err(Error::shape(
                "assign",
                format!(
                    "a value {:?} cannot be assigned to a variable {:?}",
                    value.aval(),
                    held.aval()
                ),
            ));
        }
        *held = value.detach();
        Ok(())
    }

    fn pack(&self) -> Option<Arc<Pack>> {
        self.pack.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
}

/// An error for a tensor that has no value to keep.
fn concrete(op: &'static str, value: &Tensor) -> Result<()> {
    if value.is_traced() {
        return Err(Error::traced(
            op,
            "a traced tensor has no value that could be stored outside of the trace that made it",
        ));
    }
    Ok(())
}

/// Moves the cells' values into one buffer, in order, each at a multiple of 64 bytes only where its
/// size is one; equal dtypes and no gaps let loops over them be merged.
pub fn pack(cells: &[Arc<Cell>]) -> Result<()> {
    let mut total = 0usize;
    let avals: Vec<Aval> = cells.iter().map(|c| c.get().aval().clone()).collect();
    for a in &avals {
        total = total.saturating_add(a.bytes());
    }
    let buffer = Arc::new(Buffer::new("pack", total)?);
    let pack = Arc::new(Pack {
        cells: cells.iter().map(Arc::downgrade).collect(),
    });
    let mut offset = 0;
    for (cell, aval) in cells.iter().zip(&avals) {
        let mut held = cell.lock();
        let value = contiguous(&held)?;
        buffer.write_at(offset, &value.view()?);
        *held = over(aval, &buffer, offset);
        *cell.pack.lock().unwrap_or_else(|e| e.into_inner()) = Some(pack.clone());
        offset += aval.bytes();
    }
    Ok(())
}

fn over(aval: &Aval, buffer: &Arc<Buffer>, offset: usize) -> Tensor {
    let array = Array {
        buffer: buffer.clone(),
        offset,
        strides: contiguous_strides(&aval.shape),
    };
    Tensor::from_array(aval.clone(), array)
}

/// Makes the value of each cell contiguous and not shared with anybody but its pack, so that a plan
/// may write to it.
pub(crate) fn make_exclusive(cells: &[Arc<Cell>]) -> Result<()> {
    for cell in cells {
        if is_exclusive(cell) {
            continue;
        }
        match cell.pack().filter(|p| still_packed(p)) {
            Some(p) => {
                let members: Vec<Arc<Cell>> = p.cells.iter().filter_map(Weak::upgrade).collect();
                pack(&members)?;
            }
            None => {
                let mut held = cell.lock();
                *held = copied(&held)?;
            }
        }
    }
    Ok(())
}

/// Are all members alive and in one buffer (none was assigned a tensor of its own)?
fn still_packed(p: &Pack) -> bool {
    let members: Vec<Arc<Cell>> = p.cells.iter().filter_map(Weak::upgrade).collect();
    members.len() == p.cells.len()
}

fn is_exclusive(cell: &Arc<Cell>) -> bool {
    let held = cell.lock();
    let Some(array) = held.array() else {
        return false;
    };
    if array.buffer.is_foreign() || !held.is_contiguous() || !held.is_sole_handle() {
        return false;
    }
    let holders = Arc::strong_count(&array.buffer);
    if holders == 1 {
        return true;
    }
    let buffer = Arc::as_ptr(&array.buffer);
    drop(held);
    // Each member of the pack that still lies in the buffer accounts for one holder.
    let members = cell.pack().map_or(0, |p| {
        p.cells
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|c| {
                c.lock()
                    .array()
                    .is_some_and(|a| Arc::as_ptr(&a.buffer) == buffer)
            })
            .count()
    });
    holders == members
}
