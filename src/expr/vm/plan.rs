//! What a program is compiled to: lists of instructions over registers, and where the registers lie.

use super::instr::Instr;

/// Where a register lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In an operand or output: the address is set for each block.
    Raw,
    /// In the table of constants.
    Const(usize),
    /// In scratch memory at this offset.
    Scratch(usize),
    /// In the block register of this number (before offsets are known).
    Slot(usize),
    /// In the tile of this number: a block register that outlives the block.
    Tile(usize),
    /// The address is set by the driver (accumulators of columns).
    Driver,
}

/// The reduction of a row by blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowReduce {
    pub begin: Instr,
    pub end_chunk: Instr,
    pub join: Instr,
    pub finish: Instr,
    /// Register of the state, where the total lies in it, and the register that the driver points at partial totals.
    pub state: u16,
    pub total: usize,
    pub partial: u16,
}

/// One pass over a row, or over whole rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Phase {
    /// Row values known before the pass.
    pub rows: Vec<Instr>,
    pub body: Vec<Instr>,
    pub reduces: Vec<RowReduce>,
}

/// The reduction of columns for one output.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColReduce {
    pub value_size: usize,
    pub wide_size: usize,
    pub begin: Instr,
    pub block: Instr,
    pub flush: Instr,
    pub join: Instr,
    pub finish: Instr,
    pub store: Instr,
    /// Registers that the driver points at accumulators.
    pub acc: u16,
    pub wide: u16,
    pub other: u16,
    pub value: u16,
}

/// An output written directly by its instruction, unless that would overwrite an operand still to be read, or bring
/// memory into the caches that they cannot keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hazard {
    pub out: usize,
    /// Bit `i`: operand `i` is read after the output is written.
    pub readers: u64,
    /// Is it so large that its copy passes the caches by?
    pub streams: bool,
    /// The scratch register used instead, the register of the true address, and the copy from one to the other.
    pub slot: u16,
    pub real: u16,
    pub copy: Instr,
}

/// A program compiled for a layout.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Blocks hold whole rows (at most `block_rows`), else pieces of at most `block` elements of a row.
    pub whole_rows: bool,
    pub block_rows: usize,
    pub block: usize,
    pub places: Vec<Place>,
    pub consts: Vec<u64>,
    /// Strides of operands and outputs: by row and column.
    pub strides: Vec<[isize; 2]>,
    /// Once a task.
    pub once: Vec<Instr>,
    /// Once a step through the outer dimensions: values that vary by column only.
    pub tiles: Vec<Instr>,
    pub phases: Vec<Phase>,
    /// After the last phase: row values and their stores.
    pub finish: Vec<Instr>,
    pub cols: Vec<ColReduce>,
    pub hazards: Vec<Hazard>,
    pub scratch: usize,
    /// Bytes at the start of scratch that hold `One` and `Row` values.
    pub row_area: usize,
    /// Temporary block registers, the measure of what must stay in the cache.
    pub slots: usize,
    /// Bytes of one element of a block register.
    pub width: usize,
}

impl Plan {
    /// Gives registers their places in scratch memory: kept values, tiles, block registers.
    pub fn place_registers(&mut self, tiles: usize, slots: usize) {
        // One cache line between registers, so that equal elements of two do not share their low address bits.
        let stride = (self.block * self.width).next_multiple_of(64) + 64;
        let base = self.row_area;
        for place in &mut self.places {
            *place = match *place {
                Place::Tile(i) => Place::Scratch(base + i * stride),
                Place::Slot(i) if i != usize::MAX => Place::Scratch(base + (tiles + i) * stride),
                other => other,
            };
        }
        self.scratch = base + (tiles + slots + self.hazards.len()) * stride;
    }
}
