//! From a program and its layout to a [`Plan`]: lists of instructions over registers in scratch memory.
//!
//! Values are classed by how they vary: over nothing (`One`), rows (`Row`), columns (`Col`) or elements (`Full`). What
//! varies less is computed less often. Blocks hold either several whole rows, or a piece of one row; in the latter case
//! a program with reductions runs in phases, each of which recomputes from the operands what it needs.

mod outputs;

use super::convert::{self, Move};
use super::instr::{Count, Instr, KernelFn};
use super::layout::{Access, Layout};
use super::plan::{ColReduce, Hazard, Phase, Place, Plan, RowReduce};
use super::reduce::{self, ColStep, RowStep};
use super::{float, int, random};
use crate::expr::ir::{BinOp, Id, Node, Out, OutKind, Program, ReduceOp, Ty, UnOp};
use crate::simd::Level;
use smallvec::SmallVec;

/// How a value varies over a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    One,
    Row,
    Col,
    Full,
}

impl Class {
    fn join(self, other: Class) -> Class {
        match (self, other) {
            (Class::One, c) | (c, Class::One) => c,
            (a, b) if a == b => a,
            _ => Class::Full,
        }
    }
}

/// Bytes of block registers that should stay in the first-level cache, next to what streams through it.
const CACHE: usize = 24 << 10;
/// Longest block, in elements.
const BLOCK: usize = 1024;
/// Longest row that a program with reductions keeps in registers.
const LONGEST_KEPT: usize = 4096;

/// Compiles `program` for `layout`.
pub(super) fn compile(program: &Program, layout: &Layout, level: Level) -> Plan {
    let mut block = BLOCK;
    loop {
        let plan = Compiler::new(program, layout, level, block).compile();
        if block <= 128 || plan.slots * plan.width * block <= CACHE {
            return plan;
        }
        block /= 2;
    }
}

struct Compiler<'a> {
    program: &'a Program,
    layout: &'a Layout,
    level: Level,
    block: usize,
    block_rows: usize,
    whole_rows: bool,
    class: Vec<Class>,
    phase_of: Vec<usize>,
    /// The register of each node's value, and that of a row value expanded over its row.
    reg: Vec<Option<u16>>,
    expanded: Vec<Option<u16>>,
    places: Vec<Place>,
    consts: Vec<u64>,
    once: Vec<Instr>,
    tiles: Vec<Instr>,
    row_values: usize,
    tile_count: usize,
    /// The output that a node writes directly, in the last phase.
    direct: Vec<Option<usize>>,
    in_last_phase: bool,
    width: usize,
    /// Bytes of an element of each block register.
    sizes: Vec<u8>,
}

fn join_args(node: Node, class: &[Class]) -> Class {
    node.args()
        .fold(Class::One, |c, a| c.join(class[a as usize]))
}

impl<'a> Compiler<'a> {
    fn new(program: &'a Program, layout: &'a Layout, level: Level, block: usize) -> Compiler<'a> {
        let n = program.nodes.len();
        let reduces = program.has_reduce();
        let row_outs = program.outs.iter().any(|o| o.kind == OutKind::Row);
        let flat = layout.rows == 1 && layout.outer.is_empty() && !reduces && !row_outs;
        let longest = if reduces { LONGEST_KEPT } else { block };
        let whole_rows = layout.cols <= longest && !flat;
        let row_operands = layout
            .ins
            .iter()
            .any(|a| a.col == 0 && (a.row != 0 || a.outer.iter().any(|&s| s != 0)));
        let mut block_rows = 1;
        // Rows that are looked up do not lie side by side.
        let looks_up = layout.ins.iter().any(|a| a.numbers.is_some());
        if whole_rows && !looks_up && !((reduces || row_operands) && layout.cols >= 256) {
            block_rows = (block / layout.cols.max(1))
                .clamp(1, 256)
                .min(layout.rows.max(1));
        }
        let width = program
            .types
            .iter()
            .map(|t| t.size())
            .max()
            .unwrap_or(4)
            .max(4);
        let mut compiler = Compiler {
            program,
            layout,
            level,
            block: if whole_rows {
                (block_rows * layout.cols).max(1)
            } else {
                block
            },
            block_rows,
            whole_rows,
            class: Vec::with_capacity(n),
            phase_of: Vec::with_capacity(n),
            reg: vec![None; n],
            expanded: vec![None; n],
            places: vec![Place::Raw; layout.ins.len() + layout.outs.len()],
            consts: Vec::new(),
            once: Vec::new(),
            tiles: Vec::new(),
            row_values: 0,
            tile_count: 0,
            direct: vec![None; n],
            in_last_phase: false,
            width,
            sizes: vec![0; layout.ins.len() + layout.outs.len()],
        };
        compiler.classify();
        compiler
    }

    fn classify(&mut self) {
        for &node in &self.program.nodes {
            let (class, phase) = match node {
                Node::Load(k) => (self.operand_class(&self.layout.ins[k as usize]), 0),
                Node::Const(_) => (Class::One, 0),
                Node::Index | Node::Random(..) => (Class::Full, self.args_phase(node)),
                Node::Reduce(..) => (Class::Row, self.args_phase(node) + 1),
                _ => (join_args(node, &self.class), self.args_phase(node)),
            };
            self.class.push(class);
            self.phase_of.push(phase);
        }
    }

    fn args_phase(&self, node: Node) -> usize {
        node.args()
            .map(|a| self.phase_of[a as usize])
            .max()
            .unwrap_or(0)
    }

    fn operand_class(&self, access: &Access) -> Class {
        let outer = access.outer.iter().any(|&s| s != 0);
        match (access.col != 0, access.row != 0) {
            (false, false) if !outer => Class::One,
            (false, _) => Class::Row,
            (true, false) if self.whole_rows => Class::Col,
            _ => Class::Full,
        }
    }

    fn ty(&self, id: Id) -> Ty {
        self.program.types[id as usize]
    }

    fn new_reg(&mut self, place: Place) -> u16 {
        self.places.push(place);
        self.sizes.push(0);
        (self.places.len() - 1) as u16
    }

    /// A block register. Slots are shared later, by liveness.
    fn temp(&mut self, ty: Ty) -> u16 {
        let reg = self.new_reg(Place::Slot(usize::MAX));
        self.sizes[reg as usize] = ty.size() as u8;
        reg
    }

    /// A register that keeps a `One`, `Row` or `Col` value. The offset counts from its area until `finish` moves it.
    fn kept(&mut self, class: Class) -> u16 {
        match class {
            Class::Col => {
                self.tile_count += 1;
                self.new_reg(Place::Tile(self.tile_count - 1))
            }
            _ => {
                let offset = self.row_values;
                self.row_values += if class == Class::One {
                    16
                } else {
                    (self.block_rows * 8).next_multiple_of(64)
                };
                self.new_reg(Place::Scratch(offset))
            }
        }
    }

    fn compile(mut self) -> Plan {
        let count = if self.whole_rows {
            1
        } else {
            self.last_phase() + 1
        };
        self.choose_direct_outputs();
        self.emit_single_values();
        let (mut phases, mut cols, mut hazards) = (Vec::new(), Vec::new(), Vec::new());
        let (mut slots, mut finish) = (0, Vec::new());
        for p in 0..count {
            self.in_last_phase = p + 1 == count;
            let (mut phase, mut pinned) = (Phase::default(), Vec::new());
            if !self.whole_rows {
                self.forget_block_values();
                self.emit_row_values(p, &mut phase.rows);
                self.emit_reduces(p, &mut phase);
            }
            if self.in_last_phase {
                if !self.whole_rows {
                    self.emit_row_values(count, &mut finish);
                }
                pinned = self.emit_outputs(&mut phase.body, &mut finish, &mut cols);
                hazards = self.find_hazards(&phase.body, &pinned);
            }
            slots = slots.max(self.share_slots(&phase.body, &pinned));
            phases.push(phase);
        }
        for (h, hazard) in hazards.iter().enumerate() {
            self.places[hazard.slot as usize] = Place::Slot(slots + h);
        }
        let mut plan = Plan {
            whole_rows: self.whole_rows,
            block_rows: self.block_rows,
            block: self.block,
            places: self.places,
            consts: self.consts,
            strides: self
                .layout
                .ins
                .iter()
                .chain(&self.layout.outs)
                .map(|a| [a.row, a.col])
                .collect(),
            once: self.once,
            tiles: self.tiles,
            phases,
            finish,
            cols,
            scratch: 0,
            row_area: self.row_values.next_multiple_of(64),
            slots: slots + self.tile_count,
            width: self.width,
            hazards,
        };
        plan.place_registers(self.tile_count, slots);
        plan
    }

    /// Values that vary over nothing, oldest first, so that no emission recurses.
    fn emit_single_values(&mut self) {
        for i in 0..self.program.nodes.len() {
            if self.class[i] == Class::One {
                self.value(i as Id, &mut Vec::new());
            }
        }
    }

    /// Emits what `targets` need, oldest first, so that [`Compiler::value`] never recurses deeper than one step.
    fn prepare(&mut self, targets: &[Id], list: &mut Vec<Instr>) {
        let mut wanted = vec![false; self.program.nodes.len()];
        targets.iter().for_each(|&t| wanted[t as usize] = true);
        for i in (0..wanted.len()).rev() {
            if wanted[i] && self.reg[i].is_none() {
                self.program.nodes[i]
                    .args()
                    .for_each(|a| wanted[a as usize] = true);
            }
        }
        for i in 0..wanted.len() {
            if wanted[i] {
                self.value(i as Id, list);
            }
        }
    }

    /// The last pass over the elements of a row.
    fn last_phase(&self) -> usize {
        let outs = self
            .program
            .outs
            .iter()
            .filter(|o| o.kind != OutKind::Row)
            .map(|o| self.phase_of[o.node as usize]);
        let reduces = self.program.nodes.iter().filter_map(|n| match *n {
            Node::Reduce(_, a) => Some(self.phase_of[a as usize]),
            _ => None,
        });
        outs.chain(reduces).max().unwrap_or(0)
    }

    /// Values of an earlier phase's blocks are gone.
    fn forget_block_values(&mut self) {
        for i in 0..self.reg.len() {
            if self.class[i] == Class::Full {
                self.reg[i] = None;
            }
        }
        self.expanded.fill(None);
    }

    fn emit_row_values(&mut self, phase: usize, list: &mut Vec<Instr>) {
        for i in 0..self.program.nodes.len() {
            let is_reduce = matches!(self.program.nodes[i], Node::Reduce(..));
            if self.class[i] == Class::Row && self.phase_of[i] == phase && !is_reduce {
                self.value(i as Id, list);
            }
        }
    }

    fn emit_reduces(&mut self, phase: usize, into: &mut Phase) {
        for i in 0..self.program.nodes.len() {
            let Node::Reduce(op, a) = self.program.nodes[i] else {
                continue;
            };
            if self.phase_of[a as usize] != phase {
                continue;
            }
            self.prepare(&[a], &mut into.body);
            let value = self.full(a, &mut into.body);
            let ty = self.ty(a);
            let state = self.new_reg(Place::Scratch(self.row_values.next_multiple_of(64)));
            self.row_values = self.row_values.next_multiple_of(64) + reduce::STATE_BYTES;
            let dst = self.kept(Class::Row);
            let partial = self.new_reg(Place::Driver);
            self.reg[i] = Some(dst);
            let step = |s: RowStep| reduce::row_step(s, op, ty, self.level);
            into.body
                .push(instr(step(RowStep::Block), state, &[value], Count::Full));
            into.reduces.push(RowReduce {
                begin: instr(step(RowStep::Begin), state, &[], Count::One),
                end_chunk: instr(step(RowStep::EndChunk), state, &[], Count::One),
                join: instr(step(RowStep::Join), state, &[partial], Count::One),
                finish: instr(step(RowStep::Finish), dst, &[state], Count::One),
                state,
                total: reduce::total_offset(ty),
                partial,
            });
        }
    }

    /// Whether a block is one stretch of memory.
    fn is_contiguous(&self, access: &Access) -> bool {
        let (rows, cols) = (self.layout.rows.min(self.block_rows), self.layout.cols);
        (access.col == 1 || cols == 1) && (rows <= 1 || access.row == cols as isize)
    }

    /// The register of a node's value, emitting what computes it (into `list` if it varies over the block).
    fn value(&mut self, id: Id, list: &mut Vec<Instr>) -> u16 {
        if let Some(reg) = self.reg[id as usize] {
            return reg;
        }
        let class = self.class[id as usize];
        let reg = match class {
            Class::One | Class::Col => {
                // These belong to lists of their own.
                let mut own = std::mem::take(if class == Class::One {
                    &mut self.once
                } else {
                    &mut self.tiles
                });
                let reg = self.emit(id, class, &mut own);
                *(if class == Class::One {
                    &mut self.once
                } else {
                    &mut self.tiles
                }) = own;
                reg
            }
            _ => self.emit(id, class, list),
        };
        self.reg[id as usize] = Some(reg);
        reg
    }

    /// The register of a value with one element for each element of the block.
    fn full(&mut self, id: Id, list: &mut Vec<Instr>) -> u16 {
        let reg = self.value(id, list);
        match self.class[id as usize] {
            Class::Full | Class::Col => reg,
            class => self.expand(id, reg, class == Class::Row && self.block_rows > 1, list),
        }
    }

    fn expand(&mut self, id: Id, reg: u16, rows: bool, list: &mut Vec<Instr>) -> u16 {
        if let Some(wide) = self.expanded[id as usize] {
            return wide;
        }
        let dst = self.temp(self.ty(id));
        let code = convert::expand(self.ty(id).size(), rows, self.level);
        list.push(instr(code, dst, &[reg], Count::Full));
        self.expanded[id as usize] = Some(dst);
        dst
    }

    /// The register of a value with one element a row.
    fn row(&mut self, id: Id, list: &mut Vec<Instr>) -> u16 {
        let reg = self.value(id, list);
        match self.class[id as usize] {
            Class::Row => reg,
            Class::One => {
                let dst = self.kept(Class::Row);
                list.push(instr(
                    convert::expand(self.ty(id).size(), false, self.level),
                    dst,
                    &[reg],
                    Count::Rows,
                ));
                dst
            }
            _ => panic!("a Row output must be built from reductions and row operands"),
        }
    }

    /// The register of an argument of an instruction of class `class`, and whether it is a single value.
    fn arg(&mut self, id: Id, class: Class, list: &mut Vec<Instr>) -> (u16, bool) {
        let reg = self.value(id, list);
        match (class, self.class[id as usize]) {
            (Class::One, _) => (reg, false),
            (_, Class::One) => (reg, true),
            (Class::Full, Class::Row) if self.block_rows == 1 => (reg, true),
            (Class::Full, Class::Row) => (self.expand(id, reg, true, list), false),
            _ => (reg, false),
        }
    }

    fn emit(&mut self, id: Id, class: Class, list: &mut Vec<Instr>) -> u16 {
        let node = self.program.nodes[id as usize];
        let count = match class {
            Class::One => Count::One,
            Class::Row => Count::Rows,
            _ => Count::Full,
        };
        match node {
            Node::Const(c) => {
                self.consts.push(c.bits());
                return self.new_reg(Place::Const(self.consts.len() - 1));
            }
            Node::Load(k) => return self.emit_load(id, k as usize, class, count, list),
            Node::Reduce(op, a) => {
                debug_assert!(
                    self.whole_rows,
                    "row reductions by blocks are emitted by phase"
                );
                let value = self.full(a, list);
                let dst = self.kept(Class::Row);
                list.push(instr(
                    reduce::rows(op, self.ty(a), self.level),
                    dst,
                    &[value],
                    Count::Rows,
                ));
                return dst;
            }
            _ => {}
        }
        let (mut args, mut single) = ([UNUSED; 3], 0);
        for (i, a) in node.args().enumerate() {
            let (reg, one) = self.arg(a, class, list);
            args[i] = reg;
            single |= u8::from(one) << i;
        }
        let (run, aux) = self.code(node, id, single);
        let dst = match (class, self.direct[id as usize]) {
            (Class::Full, Some(k)) if self.in_last_phase => (self.layout.ins.len() + k) as u16,
            (Class::Full, _) => self.temp(self.ty(id)),
            _ => self.kept(class),
        };
        list.push(Instr {
            run,
            dst,
            args,
            count,
            single,
            aux,
        });
        dst
    }

    fn emit_load(
        &mut self,
        id: Id,
        k: usize,
        class: Class,
        count: Count,
        list: &mut Vec<Instr>,
    ) -> u16 {
        let access = &self.layout.ins[k];
        let same = access.dtype == self.ty(id).dtype();
        let in_place = match class {
            Class::One => true,
            Class::Row => self.block_rows == 1,
            Class::Col => self.block_rows == 1 && access.col == 1,
            Class::Full => self.is_contiguous(access),
        };
        if same && in_place {
            return k as u16;
        }
        let how = if in_place {
            Move::Contiguous
        } else {
            Move::Strided
        };
        let code = convert::load(access.dtype, how, self.level);
        let dst = if class == Class::Full {
            self.temp(self.ty(id))
        } else {
            self.kept(class)
        };
        list.push(with_aux(instr(code, dst, &[k as u16], count), k));
        dst
    }

    /// The code of a computing node, and its auxiliary number.
    fn code(&self, node: Node, id: Id, single: u8) -> (KernelFn, u32) {
        let level = self.level;
        let run = match node {
            Node::Un(op, a) => {
                let aux = UnOp::ALL.iter().position(|&o| o == op).unwrap_or(0) as u32;
                let run = match self.ty(a) {
                    Ty::F32 => float::unary::<f32>(op, level),
                    Ty::F64 => float::unary::<f64>(op, level),
                    Ty::I32 => int::unary::<i32>(op, level),
                    Ty::I64 => int::unary::<i64>(op, level),
                    Ty::Bool => int::logic_unary(level),
                };
                return (run, aux);
            }
            Node::Bin(op, a, _) => {
                let aux = BinOp::ALL.iter().position(|&o| o == op).unwrap_or(0) as u32;
                let run = match self.ty(a) {
                    Ty::F32 => float::binary::<f32>(op, single, level),
                    Ty::F64 => float::binary::<f64>(op, single, level),
                    Ty::I32 => int::binary::<i32>(op, level),
                    Ty::I64 => int::binary::<i64>(op, level),
                    Ty::Bool => int::logic_binary(op, level),
                };
                return (run, aux);
            }
            Node::Cmp(op, a, _) => convert::compare(op, self.ty(a), level),
            Node::Select(_, a, _) => convert::select(self.ty(a).size(), level),
            Node::Cast(a, to) => convert::cast(self.ty(a), to, level),
            Node::Index => random::index(level),
            Node::Random(kind, ..) => random::random(kind, single == 3, level),
            Node::Load(_) | Node::Const(_) | Node::Reduce(..) => {
                unreachable!("node {id} is emitted elsewhere")
            }
        };
        (run, 0)
    }
}

fn instr(run: KernelFn, dst: u16, args: &[u16], count: Count) -> Instr {
    let mut list = [UNUSED; 3];
    list[..args.len()].copy_from_slice(args);
    Instr {
        run,
        dst,
        args: list,
        count,
        single: 0,
        aux: 0,
    }
}

/// No register: an argument that the instruction does not have.
const UNUSED: u16 = u16::MAX;

fn used_args(ins: &Instr) -> impl Iterator<Item = u16> {
    ins.args.into_iter().filter(|&a| a != UNUSED)
}

fn with_aux(ins: Instr, raw: usize) -> Instr {
    Instr {
        aux: raw as u32,
        ..ins
    }
}
