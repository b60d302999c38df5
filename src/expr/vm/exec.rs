//! Runs a [`Plan`]: cuts the domain into tasks by its shape alone, and drives blocks, rows and phases.

mod ahead;
mod columns;

use super::cut::{Cut, GRAIN, piece, pieces};
use super::instr::{Cx, Instr};
use super::layout::Layout;
use super::plan::{Phase, Place, Plan};
use super::reduce::CHUNK;
use crate::buffer::with_scratch;
use crate::par;
use columns::{Sums, run_columns};
use std::mem::MaybeUninit;
use std::ops::Range;

/// The buffers of one run.
#[derive(Clone, Copy)]
pub(super) struct Io<'a> {
    pub ins: &'a [*const u8],
    pub outs: &'a [*mut u8],
}

// SAFETY: the caller of `Loop::run` vouches that the buffers may be read and written for the length of the call; tasks
// write disjoint elements.
unsafe impl Sync for Io<'_> {}

/// The state of one task: registers in scratch memory.
struct Machine<'a> {
    plan: &'a Plan,
    layout: &'a Layout,
    regs: *mut *mut u8,
    /// Addresses of operands and outputs at row 0, column 0 of the current outer step.
    bases: *mut *mut u8,
    memory: *mut u8,
    /// Bit `h`: output of hazard `h` must go through its scratch register.
    unsafe_outs: u64,
    /// Do the operands lie in memory, so that they are asked for ahead?
    far: bool,
}

impl Drop for Machine<'_> {
    /// What passed the caches by is seen by other threads after a fence.
    fn drop(&mut self) {
        if self.unsafe_outs != 0 && self.plan.hazards.iter().any(|h| h.streams) {
            super::convert::fence();
        }
    }
}

fn align_up(bytes: usize) -> usize {
    bytes.next_multiple_of(64)
}

/// Bytes of scratch for a machine.
fn machine_bytes(plan: &Plan, layout: &Layout) -> usize {
    let raw = layout.ins.len() + layout.outs.len();
    align_up((plan.places.len() + raw) * 8) + plan.scratch
}

impl<'a> Machine<'a> {
    /// Sets up registers in `memory`, which has [`machine_bytes`] bytes.
    unsafe fn new(
        plan: &'a Plan,
        layout: &'a Layout,
        memory: &mut [MaybeUninit<u8>],
        io: Io,
    ) -> Machine<'a> {
        let raw = layout.ins.len() + layout.outs.len();
        let regs = memory.as_mut_ptr().cast::<*mut u8>();
        let bases = regs.add(plan.places.len());
        let memory = memory
            .as_mut_ptr()
            .cast::<u8>()
            .add(align_up((plan.places.len() + raw) * 8));
        for (i, place) in plan.places.iter().enumerate() {
            regs.add(i).write(match *place {
                Place::Const(k) => plan.consts.as_ptr().add(k).cast_mut().cast(),
                Place::Scratch(offset) => memory.add(offset),
                _ => std::ptr::null_mut(),
            });
        }
        let mut unsafe_outs = 0;
        for (h, hazard) in plan.hazards.iter().enumerate() {
            let out = io.outs[hazard.out].cast_const();
            let mut over = io
                .ins
                .iter()
                .enumerate()
                .filter(|x| std::ptr::eq(*x.1, out));
            // What was just read is in the cache, and may be overwritten there.
            let redirected = match over.clone().next() {
                None => hazard.streams,
                Some(_) => over.any(|(i, _)| hazard.readers >> i & 1 == 1),
            };
            unsafe_outs |= u64::from(redirected) << h;
        }
        Machine {
            plan,
            layout,
            regs,
            bases,
            memory,
            unsafe_outs,
            far: ahead::is_far(plan, layout, layout.len()),
        }
    }

    /// Moves the base addresses to step `o` through the outer dimensions.
    unsafe fn move_to_outer(&mut self, io: Io, o: usize) {
        let (ins, outs) = (self.layout.ins.iter(), self.layout.outs.iter());
        let starts = io
            .ins
            .iter()
            .map(|p| p.cast_mut())
            .chain(io.outs.iter().copied());
        for (k, (access, start)) in ins.chain(outs).zip(starts).enumerate() {
            let (mut rest, mut offset) = (o, 0isize);
            for (&dim, &stride) in self.layout.outer.iter().zip(&access.outer).rev() {
                offset += (rest % dim) as isize * stride;
                rest /= dim;
            }
            let address = start.wrapping_offset(offset * access.dtype.size() as isize);
            self.bases.add(k).write(address);
            self.regs.add(k).write(address);
        }
    }

    /// Points the registers of operands and outputs at row `r`, column `c`.
    #[inline(always)]
    unsafe fn point_at(&self, r: usize, c: usize) {
        let accesses = self.layout.ins.iter().chain(&self.layout.outs);
        for (k, access) in accesses.enumerate() {
            let row = match access.numbers {
                None => r,
                Some(k) => (*self.bases.add(k)).cast::<i32>().add(r).read() as usize,
            };
            let offset = row as isize * access.row + c as isize * access.col;
            let address =
                (*self.bases.add(k)).wrapping_offset(offset * access.dtype.size() as isize);
            self.regs.add(k).write(address);
        }
        if self.unsafe_outs != 0 {
            self.redirect_unsafe_outputs();
        }
    }

    unsafe fn redirect_unsafe_outputs(&self) {
        for (h, hazard) in self.plan.hazards.iter().enumerate() {
            if self.unsafe_outs >> h & 1 == 1 {
                let raw = self.regs.add(self.layout.ins.len() + hazard.out);
                self.regs.add(hazard.real as usize).write(*raw);
                raw.write(*self.regs.add(hazard.slot as usize));
            }
        }
    }

    #[inline(always)]
    fn cx(&self, rows: usize, cols: usize, index: u64, col0: usize) -> Cx {
        Cx {
            regs: self.regs,
            rows,
            cols,
            index,
            col0,
            strides: self.plan.strides.as_ptr(),
        }
    }

    #[inline(always)]
    unsafe fn run(&self, list: &[Instr], cx: &Cx) {
        for ins in list {
            (ins.run)(cx, ins);
        }
    }

    /// The body over one block, and the copies of outputs that could not be written at once.
    #[inline(always)]
    unsafe fn block(&self, phase: &Phase, cx: &Cx) {
        if self.far {
            self.run_and_ask_ahead(&phase.body, cx);
        } else {
            self.run(&phase.body, cx);
        }
        if self.unsafe_outs != 0 {
            for (h, hazard) in self.plan.hazards.iter().enumerate() {
                if self.unsafe_outs >> h & 1 == 1 {
                    (hazard.copy.run)(cx, &hazard.copy);
                }
            }
        }
    }

    fn index(&self, o: usize, r: usize, c: usize) -> u64 {
        ((o * self.layout.rows + r) * self.layout.cols + c) as u64
    }

    /// All that one step through the outer dimensions needs, for `rows` and `cols`.
    unsafe fn outer_step(
        &mut self,
        io: Io,
        o: usize,
        rows: Range<usize>,
        cols: Range<usize>,
        sums: &mut Option<Sums>,
    ) {
        self.move_to_outer(io, o);
        if self.plan.whole_rows {
            self.whole_rows(o, rows, sums);
        } else {
            for r in rows {
                self.long_row(o, r, cols.clone(), sums);
            }
        }
    }

    unsafe fn whole_rows(&self, o: usize, rows: Range<usize>, sums: &mut Option<Sums>) {
        let (plan, cols) = (self.plan, self.layout.cols);
        self.run(&plan.tiles, &self.cx(plan.block_rows, cols, 0, 0));
        let mut r = rows.start;
        while r < rows.end {
            let n = plan.block_rows.min(rows.end - r);
            self.point_at(r, 0);
            let cx = self.cx(n, cols, self.index(o, r, 0), 0);
            self.block(&plan.phases[0], &cx);
            if let Some(sums) = sums {
                sums.add_rows(self, n);
            }
            r += n;
        }
    }

    unsafe fn long_row(&self, o: usize, r: usize, cols: Range<usize>, sums: &mut Option<Sums>) {
        for (p, phase) in self.plan.phases.iter().enumerate() {
            self.begin_phase(phase, o, r);
            let last = p + 1 == self.plan.phases.len();
            self.pass(
                phase,
                o,
                r,
                cols.clone(),
                if last { sums.as_mut() } else { None },
            );
            self.end_phase(phase);
        }
        self.finish_row(o, r);
        if let Some(sums) = sums {
            sums.end_row(self);
        }
    }

    unsafe fn begin_phase(&self, phase: &Phase, o: usize, r: usize) {
        let cx = self.cx(1, 1, self.index(o, r, 0), 0);
        if !phase.rows.is_empty() {
            self.point_at(r, 0);
            self.run(&phase.rows, &cx);
        }
        phase
            .reduces
            .iter()
            .for_each(|x| (x.begin.run)(&cx, &x.begin));
    }

    /// One pass over `cols` of row `r`. `cols` starts at the beginning of a chunk.
    unsafe fn pass(
        &self,
        phase: &Phase,
        o: usize,
        r: usize,
        cols: Range<usize>,
        mut sums: Option<&mut Sums>,
    ) {
        let mut c = cols.start;
        while c < cols.end {
            let n = self.plan.block.min(cols.end - c);
            self.point_at(r, c);
            let cx = self.cx(1, n, self.index(o, r, c), c);
            self.block(phase, &cx);
            if let Some(sums) = sums.as_deref_mut() {
                sums.add_piece(self, c - cols.start, n);
            }
            c += n;
            if c.is_multiple_of(CHUNK) || c == cols.end {
                phase
                    .reduces
                    .iter()
                    .for_each(|x| (x.end_chunk.run)(&cx, &x.end_chunk));
            }
        }
    }

    unsafe fn end_phase(&self, phase: &Phase) {
        let cx = self.cx(1, 1, 0, 0);
        phase
            .reduces
            .iter()
            .for_each(|x| (x.finish.run)(&cx, &x.finish));
    }

    unsafe fn finish_row(&self, o: usize, r: usize) {
        if !self.plan.finish.is_empty() {
            self.point_at(r, 0);
            self.run(&self.plan.finish, &self.cx(1, 1, self.index(o, r, 0), 0));
        }
    }
}

/// Runs the plan over its whole domain.
///
/// # Safety
/// As [`super::Loop::run`].
pub(super) unsafe fn run(plan: &Plan, layout: &Layout, cut: &Cut, flops: usize, io: Io) {
    if cut.by_chunks {
        return run_by_chunks(plan, layout, flops, io);
    }
    if !plan.cols.is_empty() {
        return run_columns(plan, layout, cut, flops, io);
    }
    let task = |t: usize| {
        with_scratch(machine_bytes(plan, layout), |memory| {
            // SAFETY: the scratch has the size asked for; the caller vouches for the buffers.
            unsafe {
                let mut m = Machine::new(plan, layout, memory, io);
                run_task(&mut m, cut, io, t, &mut None);
            }
        });
    };
    match cut.count() {
        0 => {}
        1 => task(0),
        n => par::parallel_for(n, flops, task),
    }
}

unsafe fn run_task(m: &mut Machine, cut: &Cut, io: Io, t: usize, sums: &mut Option<Sums>) {
    let [_, by_rows, by_cols] = cut.tasks;
    let (c, r, o) = (t % by_cols, t / by_cols % by_rows, t / by_cols / by_rows);
    let cols = piece(c, cut.cols, m.layout.cols);
    start_task(m, io);
    for o in piece(o, cut.outer, m.layout.outer_len()) {
        m.outer_step(io, o, piece(r, cut.rows, m.layout.rows), cols.clone(), sums);
    }
}

/// Single values, computed once a task.
unsafe fn start_task(m: &mut Machine, io: Io) {
    if !m.plan.once.is_empty() {
        m.move_to_outer(io, 0);
        m.run(&m.plan.once, &m.cx(1, 1, 0, 0));
    }
}

/// Memory that tasks share, each its own part.
struct Shared(*mut u8);

// SAFETY: tasks write disjoint parts, and they are read after all tasks have ended.
unsafe impl Sync for Shared {}

impl Shared {
    unsafe fn at(&self, offset: usize) -> *mut u8 {
        self.0.add(offset)
    }
}

/// A few long rows: each phase of each row runs over its chunks in parallel.
unsafe fn run_by_chunks(plan: &Plan, layout: &Layout, flops: usize, io: Io) {
    let chunks = pieces(layout.cols, CHUNK);
    let most = plan
        .phases
        .iter()
        .map(|p| p.reduces.len())
        .max()
        .unwrap_or(0);
    let totals = align_up(chunks * most * 8);
    with_scratch(
        totals + machine_bytes(plan, layout),
        |memory: &mut [MaybeUninit<u8>]| {
            let (partial, own) = memory.split_at_mut(totals);
            let partial = Shared(partial.as_mut_ptr().cast());
            let mut m = Machine::new(plan, layout, own, io);
            start_task(&mut m, io);
            for o in 0..layout.outer_len() {
                m.move_to_outer(io, o);
                for r in 0..layout.rows {
                    for phase in &plan.phases {
                        m.begin_phase(phase, o, r);
                        let kept = Shared(m.memory);
                        let task = |t: usize| {
                            chunk_task(plan, layout, io, phase, (o, r, t), &kept, &partial)
                        };
                        par::parallel_for(chunks, flops, task);
                        let cx = m.cx(1, 1, 0, 0);
                        for (i, x) in phase.reduces.iter().enumerate() {
                            for t in 0..chunks {
                                m.regs
                                    .add(x.partial as usize)
                                    .write(partial.at((t * phase.reduces.len() + i) * 8));
                                (x.join.run)(&cx, &x.join);
                            }
                        }
                        m.end_phase(phase);
                    }
                    m.finish_row(o, r);
                }
            }
        },
    );
}

/// One chunk of a row in one phase, with the row values of the caller's machine; leaves its totals in `partial`.
fn chunk_task(
    plan: &Plan,
    layout: &Layout,
    io: Io,
    phase: &Phase,
    (o, r, t): (usize, usize, usize),
    kept: &Shared,
    partial: &Shared,
) {
    with_scratch(machine_bytes(plan, layout), |memory| {
        // SAFETY: the row area of `kept` is not written while chunks run; each chunk has its own totals.
        unsafe {
            let mut m = Machine::new(plan, layout, memory, io);
            std::ptr::copy_nonoverlapping(kept.0.cast_const(), m.memory, plan.row_area);
            m.move_to_outer(io, o);
            let cx = m.cx(1, 1, 0, 0);
            phase
                .reduces
                .iter()
                .for_each(|x| (x.begin.run)(&cx, &x.begin));
            m.pass(phase, o, r, piece(t, CHUNK, layout.cols), None);
            for (i, x) in phase.reduces.iter().enumerate() {
                let total = (*m.regs.add(x.state as usize)).add(x.total);
                std::ptr::copy_nonoverlapping(
                    total,
                    partial.at((t * phase.reduces.len() + i) * 8),
                    8,
                );
            }
        }
    });
}

/// Runs a one-dimensional plan over several segments, each with buffers and a length of its own, in one parallel call.
///
/// # Safety
/// As [`super::Loop::run_segments`].
pub(super) unsafe fn run_segments(
    plan: &Plan,
    layout: &Layout,
    flops_each: usize,
    segments: &[(&[*mut u8], usize)],
) {
    let total: usize = segments.iter().map(|s| s.1).sum();
    let tasks: usize = segments.iter().map(|s| pieces(s.1, GRAIN)).sum();
    let far = ahead::is_far(plan, layout, total);
    let shared = Segments(segments);
    par::parallel_for(tasks, total * flops_each, |t| {
        let mut first = 0;
        let Some(&(buffers, n)) = shared.all().iter().find(|s| {
            let count = pieces(s.1, GRAIN);
            let found = t < first + count;
            first += if found { 0 } else { count };
            found
        }) else {
            return;
        };
        run_segment(plan, layout, buffers, piece(t - first, GRAIN, n), far);
    });
}

struct Segments<'a>(&'a [(&'a [*mut u8], usize)]);

// SAFETY: as for `Io`.
unsafe impl Sync for Segments<'_> {}

impl<'a> Segments<'a> {
    fn all(&self) -> &'a [(&'a [*mut u8], usize)] {
        self.0
    }
}

/// The elements `range` of one segment.
fn run_segment(plan: &Plan, layout: &Layout, buffers: &[*mut u8], range: Range<usize>, far: bool) {
    let (ins, outs) = buffers.split_at(layout.ins.len());
    let ins: smallvec::SmallVec<[*const u8; 16]> = ins.iter().map(|p| p.cast_const()).collect();
    let io = Io { ins: &ins, outs };
    with_scratch(machine_bytes(plan, layout), |memory| {
        // SAFETY: the scratch has the size asked for; the caller vouches for the buffers.
        unsafe {
            let mut m = Machine::new(plan, layout, memory, io);
            m.far = far; // all segments together
            start_task(&mut m, io);
            m.outer_step(io, 0, 0..1, range, &mut None);
        }
    });
}
