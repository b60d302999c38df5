//! Sizes around the edges of vectors, panels and tiles, and numbers of threads: the same bits for the
//! same row.

use super::{Asked, Cell, Given, Spec, backward, forward};
use crate::aval::{DType, contiguous_strides};
use crate::buffer::{View, ViewMut};
use crate::par::with_threads;

const GIVEN: Given = Given {
    bias: true,
    recurrent_bias: false,
    mask: false,
};

fn noise(n: usize, salt: u32) -> Vec<f32> {
    let mut s = salt.wrapping_mul(2_654_435_761) | 1;
    (0..n)
        .map(|_| {
            s = s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (s >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Calls `f` with views of arrays and writable views of results of these sizes; gives the results.
fn with_views(
    ins: &[Vec<f32>],
    outs: &[usize],
    f: impl FnOnce(&[View], &mut [ViewMut]),
) -> Vec<Vec<f32>> {
    let mut results: Vec<Vec<f32>> = outs.iter().map(|&n| vec![f32::NAN; n]).collect();
    let shapes: Vec<[usize; 1]> = ins.iter().map(|v| [v.len()]).collect();
    let strides = contiguous_strides(&[1]);
    let sizes: Vec<[usize; 1]> = outs.iter().map(|&n| [n]).collect();
    // SAFETY: each view covers its vector.
    unsafe {
        let views: Vec<View> = ins
            .iter()
            .zip(&shapes)
            .map(|(v, s)| View::new(v.as_ptr().cast(), DType::F32, s, &strides))
            .collect();
        let mut writers: Vec<ViewMut> = results
            .iter_mut()
            .zip(&sizes)
            .map(|(v, s)| ViewMut::new(v.as_mut_ptr().cast(), DType::F32, s))
            .collect();
        f(&views, &mut writers);
    }
    results
}

fn both_passes(cell: Cell, batch: usize, steps: usize, units: usize) -> Vec<Vec<f32>> {
    let spec = Spec {
        cell,
        batch,
        steps,
        units,
        reverse: false,
        zero_masked: false,
    };
    let (wide, rows, state) = (cell.gates() * units, batch * steps, batch * units);
    let lstm = usize::from(cell == Cell::Lstm);
    // Rows of a batch are prefixes of those of a larger one.
    let mut ins = vec![
        noise(rows * wide, 1),
        noise(units * wide, 2),
        noise(state, 3),
    ];
    ins[1].iter_mut().for_each(|w| *w *= 0.1);
    ins.extend((0..lstm).map(|_| noise(state, 4)));
    ins.push(noise(wide, 5));
    let mut outs = vec![rows * units, state];
    outs.extend((0..lstm).map(|_| state));
    let simple = cell.saved() == 0;
    outs.extend((!simple).then_some(rows * cell.saved() * units));
    outs.extend(cell.keeps_more().then_some(rows * units));
    let mut made = with_views(&ins, &outs, |i, o| forward(&spec, GIVEN, true, i, o));
    let mut operands = vec![ins[1].clone(), ins[2].clone(), made[0].clone()];
    operands.extend_from_slice(&made[2 + lstm..]);
    operands.extend([noise(rows * units, 6), noise(state, 7)]);
    operands.extend((0..lstm).map(|_| noise(state, 8)));
    let mut outs = vec![rows * wide];
    outs.extend((cell == Cell::Gru).then_some(rows * units));
    outs.extend((0..=lstm).map(|_| state));
    outs.extend([units * wide, wide]);
    outs.extend((cell == Cell::Gru).then_some(wide));
    let asked = Asked {
        outputs: true,
        weights: true,
        biases: true,
    };
    made.extend(with_views(&operands, &outs, |i, o| {
        backward(&spec, false, asked, i, o)
    }));
    made
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for cell in [Cell::Lstm, Cell::Gru, Cell::GruResetBefore, Cell::Tanh] {
        let run = |n| with_threads(n, || both_passes(cell, 13, 5, 70));
        let want = run(1);
        assert!(want.iter().flatten().all(|x| x.is_finite()));
        for n in [2, 3] {
            assert_eq!(run(n), want, "{cell:?} on {n} threads");
        }
    }
}

/// A row by itself, against the same row among others: the tiles differ, the bits do not.
#[test]
fn sizes_around_vectors_and_tiles() {
    for units in [1, 3, 15, 16, 17, 31, 33, 64, 65, 80] {
        for cell in [Cell::Lstm, Cell::Gru, Cell::GruResetBefore, Cell::Relu] {
            let one = both_passes(cell, 1, 2, units);
            let many = both_passes(cell, 7, 2, units);
            let n = 2 * units;
            assert_eq!(one[0], many[0][..n], "{cell:?} with {units} units");
        }
    }
}
