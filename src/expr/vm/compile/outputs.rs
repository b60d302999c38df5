//! The end of a compilation: outputs, what they may overwrite, and the sharing of block registers.

use super::*;

/// Bytes of an output from which on it is written past the caches: what reads it next finds it in memory in any case,
/// and the processor need not fetch lines of which nothing is kept.
const STREAMED: usize = 48 << 20;

impl Compiler<'_> {
    /// Gives the block registers of `body` their slots by liveness and returns how many there are. Registers of
    /// `pinned` stay alive to the end.
    pub(super) fn share_slots(&mut self, body: &[Instr], pinned: &[u16]) -> usize {
        let mut last_use = vec![0; self.places.len()];
        for (i, ins) in body.iter().enumerate() {
            used_args(ins).for_each(|a| last_use[a as usize] = i);
        }
        pinned
            .iter()
            .for_each(|&r| last_use[r as usize] = usize::MAX);
        let (mut free, mut count) = (Vec::new(), 0);
        for (i, ins) in body.iter().enumerate() {
            let dst = ins.dst as usize;
            let mut dead: SmallVec<[usize; 3]> = SmallVec::new();
            for a in used_args(ins).map(usize::from) {
                let Place::Slot(slot) = self.places[a] else {
                    continue;
                };
                if last_use[a] != i || dead.contains(&slot) || free.contains(&slot) {
                    continue;
                }
                // An instruction may overwrite its argument in place only if elements have one size.
                if self.sizes[a] == self.sizes[dst] {
                    free.push(slot)
                } else {
                    dead.push(slot)
                }
            }
            if self.places[dst] == Place::Slot(usize::MAX) {
                let slot = free.pop().unwrap_or_else(|| {
                    count += 1;
                    count - 1
                });
                self.places[dst] = Place::Slot(slot);
                if last_use[dst] == 0 {
                    dead.push(slot); // never read
                }
            }
            free.extend(dead);
        }
        count
    }

    /// For each output written directly: which operands are read afterwards.
    pub(super) fn find_hazards(&mut self, body: &[Instr], pinned: &[u16]) -> Vec<Hazard> {
        let ins = self.layout.ins.len();
        let reader = |r: u16| if (r as usize) < ins { 1u64 << r } else { 0 };
        let mut hazards = Vec::new();
        for (i, write) in body.iter().enumerate() {
            let Some(out) = (write.dst as usize)
                .checked_sub(ins)
                .filter(|&k| k < self.layout.outs.len())
            else {
                continue;
            };
            let ty = self.ty(self.program.outs[out].node);
            if !self.direct.contains(&Some(out)) {
                continue;
            }
            let read: u64 = body[i + 1..]
                .iter()
                .flat_map(used_args)
                .map(reader)
                .fold(0, |m, b| m | b);
            let readers = pinned.iter().map(|&r| reader(r)).fold(read, |m, b| m | b);
            // The machine keeps 64 bits for these outputs.
            let large = ty.size() >= 4 && self.layout.len() * ty.size() >= STREAMED;
            let streams = large && hazards.len() < 64;
            if readers != 0 || streams {
                let (slot, real) = (self.new_reg(Place::Driver), self.new_reg(Place::Driver));
                let copy = instr(
                    match streams {
                        true => convert::stream(self.level),
                        false => convert::cast(ty, ty, self.level),
                    },
                    real,
                    &[write.dst],
                    Count::Full,
                );
                let copy = with_aux(copy, ty.size());
                hazards.push(Hazard {
                    out,
                    readers,
                    streams,
                    slot,
                    real,
                    copy,
                });
            }
        }
        hazards
    }

    /// An output may be the register of the instruction that computes it, if it lies in memory as a block does.
    pub(super) fn choose_direct_outputs(&mut self) {
        if self.layout.ins.len() > 64 {
            return; // the sets of operands read later are 64 bits
        }
        for (k, out) in self.program.outs.iter().enumerate() {
            let node = out.node as usize;
            let access = &self.layout.outs[k];
            let computed = !matches!(self.program.nodes[node], Node::Load(_) | Node::Const(_));
            if out.kind == OutKind::Full
                && self.class[node] == Class::Full
                && computed
                && self.is_contiguous(access)
                && access.dtype == self.program.types[node].dtype()
                && self.direct[node].is_none()
            {
                self.direct[node] = Some(k);
            }
        }
    }

    /// Emits stores and column reductions; gives the registers that they read after the body.
    pub(super) fn emit_outputs(
        &mut self,
        body: &mut Vec<Instr>,
        finish: &mut Vec<Instr>,
        cols: &mut Vec<ColReduce>,
    ) -> Vec<u16> {
        let mut stores = Vec::new();
        let mut row_stores = Vec::new();
        let mut pinned = Vec::new();
        let whole = self.whole_rows;
        let wanted = |o: &&Out| whole || o.kind != OutKind::Row;
        let targets: Vec<Id> = self
            .program
            .outs
            .iter()
            .filter(wanted)
            .map(|o| o.node)
            .collect();
        self.prepare(&targets, body);
        for (k, out) in self.program.outs.iter().copied().enumerate() {
            let raw = (self.layout.ins.len() + k) as u16;
            let dtype = self.layout.outs[k].dtype;
            match out.kind {
                OutKind::Full => {
                    let value = self.full(out.node, body);
                    if value == raw {
                        continue;
                    }
                    let value = self.detach(value, out.node, body);
                    let how = if self.is_contiguous(&self.layout.outs[k]) {
                        Move::Contiguous
                    } else {
                        Move::Strided
                    };
                    stores.push(with_aux(
                        instr(
                            convert::store(dtype, how, self.level),
                            raw,
                            &[value],
                            Count::Full,
                        ),
                        raw as usize,
                    ));
                }
                OutKind::Row => {
                    let list = if self.whole_rows {
                        &mut *body
                    } else {
                        &mut *finish
                    };
                    let value = self.row(out.node, list);
                    row_stores.push(with_aux(
                        instr(
                            convert::store(dtype, Move::Strided, self.level),
                            raw,
                            &[value],
                            Count::Rows,
                        ),
                        raw as usize,
                    ));
                }
                OutKind::Col(op) => {
                    let value = self.full(out.node, body);
                    pinned.push(value);
                    let reduce = self.col_reduce(k, raw, op, out.node, value);
                    cols.push(reduce);
                }
            }
        }
        body.append(&mut stores);
        if self.whole_rows {
            body.append(&mut row_stores)
        } else {
            finish.append(&mut row_stores)
        }
        pinned
    }

    fn col_reduce(
        &mut self,
        k: usize,
        raw: u16,
        op: ReduceOp,
        node: Id,
        block_value: u16,
    ) -> ColReduce {
        let ty = self.ty(node);
        let (acc, wide) = (self.new_reg(Place::Driver), self.new_reg(Place::Driver));
        let (other, value) = (self.new_reg(Place::Driver), self.new_reg(Place::Driver));
        let step = |s: ColStep| reduce::col_step(s, op, ty, self.level);
        let how = if self.layout.outs[k].col == 1 {
            Move::Contiguous
        } else {
            Move::Strided
        };
        let store = convert::store(self.layout.outs[k].dtype, how, self.level);
        ColReduce {
            value_size: ty.size(),
            wide_size: reduce::wide_size(ty),
            begin: instr(step(ColStep::Begin), acc, &[wide], Count::Full),
            block: instr(step(ColStep::Block), acc, &[block_value], Count::Full),
            flush: instr(step(ColStep::Flush), wide, &[acc], Count::Full),
            join: instr(step(ColStep::Join), wide, &[other], Count::Full),
            finish: instr(step(ColStep::Finish), value, &[wide], Count::Full),
            store: with_aux(instr(store, raw, &[value], Count::Full), raw as usize),
            acc,
            wide,
            other,
            value,
        }
    }

    /// A value read by a store at the end of the body must not lie in an operand that an earlier store may overwrite.
    fn detach(&mut self, value: u16, node: Id, body: &mut Vec<Instr>) -> u16 {
        if self.places[value as usize] != Place::Raw || value as usize >= self.layout.ins.len() {
            return value;
        }
        let ty = self.ty(node);
        let dst = self.temp(ty);
        body.push(instr(
            convert::cast(ty, ty, self.level),
            dst,
            &[value],
            Count::Full,
        ));
        dst
    }
}
