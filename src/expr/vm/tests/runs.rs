//! How loops run: in place, on any number of threads, over segments; random numbers; random programs.

use super::rows::softmax;
use super::*;
use proptest::prelude::*;

#[test]
fn outputs_may_overwrite_operands() {
    // Each output reads what another overwrites.
    let p = Program::build(&[Ty::F32; 2], |x| {
        vec![
            (x[0] + x[1], OutKind::Full),
            (x[0] * x[1] - x[0], OutKind::Full),
        ]
    });
    let swap = Program::build(&[Ty::F32; 2], |x| {
        vec![(x[1], OutKind::Full), (x[0], OutKind::Full)]
    });
    for (p, dims) in [
        (&p, vec![3000]),
        (&swap, vec![3000]),
        (&p, vec![30, 7]),
        (&swap, vec![30, 7]),
    ] {
        let (x, y) = (
            Array::contiguous(DType::F32, &dims).noise(1),
            Array::contiguous(DType::F32, &dims).noise(2),
        );
        let want = reference(p, &dims, &[&x, &y], 0);
        let l = Loop::new(
            p,
            &dims,
            &[x.operand(), y.operand()],
            &[x.operand(), y.operand()],
            0,
        );
        run(&l, &[&x, &y], &[&x, &y]);
        compare("in place", &x, &want[0], &dims, 1e-6);
        compare("in place", &y, &want[1], &dims, 1e-6);
    }
    let dims = [5, 6000];
    let p = Program::from_fn1(Ty::F32, softmax);
    let x = Array::contiguous(DType::F32, &dims).noise(3);
    let want = reference(&p, &dims, &[&x], 0);
    run(
        &Loop::new(&p, &dims, &[x.operand()], &[x.operand()], 0),
        &[&x],
        &[&x],
    );
    compare("softmax in place", &x, &want[0], &dims, 1e-5);
}

#[test]
fn random_numbers_and_indices() {
    for kind in [
        RandomKind::Bits,
        RandomKind::UniformF32,
        RandomKind::UniformF64,
    ] {
        let mut b = Builder::new(&[Ty::I64, Ty::I64]);
        let (s0, s1) = (b.load(0), b.load(1));
        let (r, i) = (b.random(kind, s0, s1), b.index());
        let p = b.finish(&[(r, OutKind::Full), (i, OutKind::Full)]);
        for dims in [vec![1], vec![63], vec![2049], vec![13, 7], vec![5, 1100]] {
            let zeros = vec![0; dims.len()];
            let s0 = Array::new(DType::U32, &dims, &zeros).fill(|_| 4_000_000_000.0);
            let s1 = Array::new(DType::I64, &dims, &zeros).fill(|_| 42.0);
            check("random", &p, &dims, &[&s0, &s1], 0, 0.0);
            let each = Array::contiguous(DType::I64, &dims).fill(|i| (i / 3) as f64);
            check("random, a seed each", &p, &dims, &[&each, &s1], 0, 0.0);
        }
    }
}

#[test]
fn normal_numbers_have_the_right_moments() {
    let mut b = Builder::new(&[Ty::I64]);
    let s = b.load(0);
    let z = b.random_normal(Ty::F32, s, s);
    let p = b.finish(&[(z, OutKind::Full)]);
    let n = 200_000;
    let (seed, out) = (
        Array::new(DType::I64, &[n], &[0]).fill(|_| 7.0),
        Array::contiguous(DType::F32, &[n]),
    );
    run(
        &Loop::new(&p, &[n], &[seed.operand()], &[out.operand()], 0),
        &[&seed],
        &[&out],
    );
    let moment = |k: i32| (0..n).map(|i| out.get(i).to_f64().powi(k)).sum::<f64>() / n as f64;
    let bound = 5.0 / (n as f64).sqrt(); // five deviations of the mean
    assert!(
        moment(1).abs() < bound && (moment(2) - 1.0).abs() < bound * 1.5,
        "{} {}",
        moment(1),
        moment(2)
    );
    assert!(moment(3).abs() < bound * 4.0 && (moment(4) - 3.0).abs() < bound * 10.0);
}

#[test]
fn results_do_not_depend_on_threads() {
    let dims = [700, 300];
    let p = Program::build(&[Ty::F32], |x| {
        vec![
            (softmax(x[0]), OutKind::Full),
            (x[0].row_sum(), OutKind::Row),
            (x[0], OutKind::Col(ReduceOp::Sum)),
        ]
    });
    let long = Program::build(&[Ty::F32], |x| vec![(x[0] / x[0].row_sum(), OutKind::Full)]);
    let x = Array::contiguous(DType::F32, &dims).noise(1);
    let y = Array::contiguous(DType::F32, &[1, 400_000]).noise(2);
    let mut seen: Vec<Vec<u64>> = Vec::new();
    for threads in [1, 2, 4] {
        par::with_threads(threads, || {
            let outs = [
                Array::contiguous(DType::F32, &dims),
                Array::new(DType::F32, &dims, &[1, 0]),
                Array::new(DType::F32, &dims, &[0, 1]),
            ];
            let layouts: Vec<Operand> = outs.iter().map(Array::operand).collect();
            run(
                &Loop::new(&p, &dims, &[x.operand()], &layouts, 1),
                &[&x],
                &outs.each_ref(),
            );
            let z = Array::contiguous(DType::F32, &[1, 400_000]);
            run(
                &Loop::new(&long, &[1, 400_000], &[y.operand()], &[z.operand()], 0),
                &[&y],
                &[&z],
            );
            seen.push(
                outs.iter()
                    .chain([&z])
                    .flat_map(|a| a.words.clone())
                    .collect(),
            );
        });
    }
    assert!(seen[0] == seen[1] && seen[0] == seen[2]);
}

#[test]
fn segments_run_as_loops_of_their_own() {
    let p = Program::build(&[Ty::F32; 3], |x| {
        vec![
            (x[0] - x[2] * x[1], OutKind::Full),
            (x[1] * 0.0, OutKind::Full),
        ]
    });
    let unit = Operand {
        dtype: DType::F32,
        strides: SmallVec::from_slice(&[1]),
    };
    let zero = Operand {
        dtype: DType::F32,
        strides: SmallVec::from_slice(&[0]),
    };
    let l = Loop::new(
        &p,
        &[1 << 20],
        &[unit.clone(), unit.clone(), zero],
        &[unit.clone(), unit],
        0,
    );
    let rate = Array::contiguous(DType::F32, &[1]).fill(|_| 0.5);
    let arrays: Vec<(Array, Array)> = [0, 1, 17, 1024, 100_000]
        .iter()
        .map(|&n| {
            (
                Array::contiguous(DType::F32, &[n]).noise(1),
                Array::contiguous(DType::F32, &[n]).noise(2),
            )
        })
        .collect();
    let want: Vec<Vec<f64>> = arrays
        .iter()
        .map(|(x, g)| {
            (0..x.dims[0])
                .map(|i| x.get(i).to_f64() - 0.5 * g.get(i).to_f64())
                .collect()
        })
        .collect();
    let pointers: Vec<[*mut u8; 5]> = arrays
        .iter()
        .map(|(x, g)| [x.ptr(), g.ptr(), rate.ptr(), x.ptr(), g.ptr()])
        .collect();
    let segments: Vec<(&[*mut u8], usize)> = pointers
        .iter()
        .zip(&arrays)
        .map(|(p, (x, _))| (p.as_slice(), x.dims[0]))
        .collect();
    // SAFETY: every buffer has as many elements as its segment.
    unsafe { l.run_segments(&segments) };
    for ((x, g), want) in arrays.iter().zip(&want) {
        for (i, w) in want.iter().enumerate() {
            assert!((x.get(i).to_f64() - w).abs() < 1e-6 && g.get(i).to_f64() == 0.0);
        }
    }
}

#[test]
fn fused_equals_unfused_bit_for_bit() {
    let (f, g) = (
        Program::from_fn1(Ty::F32, |x| x * 1.7 + 0.3),
        Program::from_fn1(Ty::F32, |x| (x * x - 0.1) / 3.0),
    );
    let mut b = Builder::new(&[Ty::F32]);
    let x = b.load(0);
    let y = b.inline(&f, &[x])[0];
    let z = b.inline(&g, &[y])[0];
    let fused = b.finish(&[(z, OutKind::Full)]);
    let n = 5000;
    let one = Operand::contiguous(DType::F32, &[n]);
    let x = Array::contiguous(DType::F32, &[n]).noise(1);
    let arrays = [
        Array::contiguous(DType::F32, &[n]),
        Array::contiguous(DType::F32, &[n]),
        Array::contiguous(DType::F32, &[n]),
    ];
    let go = |p: &Program, x: &Array, y: &Array| {
        run(
            &Loop::new(
                p,
                &[n],
                std::slice::from_ref(&one),
                std::slice::from_ref(&one),
                0,
            ),
            &[x],
            &[y],
        );
    };
    go(&f, &x, &arrays[0]);
    go(&g, &arrays[0], &arrays[1]);
    go(&fused, &x, &arrays[2]);
    assert!(arrays[1].words == arrays[2].words);
}

#[test]
fn long_programs_need_no_deep_stack() {
    let p = Program::from_fn1(Ty::F32, |x| {
        (0..20_000).fold(x, |y, i| y * 0.5 + (i % 7) as f64)
    });
    let x = Array::contiguous(DType::F32, &[100]).noise(1);
    std::thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(move || {
            let out = Array::contiguous(DType::F32, &[100]);
            run(
                &Loop::new(&p, &[100], &[x.operand()], &[out.operand()], 0),
                &[&x],
                &[&out],
            );
            assert!(out.get(3).to_f64().is_finite());
        })
        .unwrap()
        .join()
        .unwrap();
}

/// One step of a random program: an opcode number and the distance back to its arguments.
type Step = (u8, usize, usize, usize);

/// Every step is continuous and none stretches a distance, so that two right ways of rounding end within
/// rounding of each other. (A bare `select(x < y, y, z)` does not: where x equals y but for its last bit, the last
/// bit chooses between y and z.)
fn random_program(steps: &[Step], ty: Ty, reduces: bool) -> Program {
    let mut b = Builder::new(&[ty, ty, ty]);
    let mut pool = vec![b.load(0), b.load(1), b.load(2)];
    let half = b.real(ty, 0.5);
    let share = b.real(ty, 1.0 / 4200.0); // of the longest row
    for &(op, i, j, k) in steps {
        let pick = |n: usize| pool[n % pool.len()];
        let (x, y, z) = (pick(i), pick(j), pick(k));
        let id = match op % if reduces { 14 } else { 12 } {
            0 => {
                let sum = b.bin(BinOp::Add, x, y);
                b.bin(BinOp::Mul, sum, half)
            }
            1 => {
                let difference = b.bin(BinOp::Sub, x, y);
                b.bin(BinOp::Mul, difference, half)
            }
            2 => b.bin(BinOp::Mul, x, half),
            3 => b.bin(BinOp::Max, x, y),
            4 => b.bin(BinOp::Min, x, y),
            5 => b.un(UnOp::Abs, x),
            6 => b.un(UnOp::Tanh, x),
            7 => b.un(UnOp::Relu, x),
            8 => b.un(UnOp::Sigmoid, x),
            9 => {
                // (z + max(0, y - x)) / 4, the maximum by a choice.
                let mask = b.cmp(CmpOp::Lt, x, y);
                let gap = b.bin(BinOp::Sub, y, x);
                let raised = b.bin(BinOp::Add, z, gap);
                let chosen = b.select(mask, raised, z);
                let quarter = b.bin(BinOp::Mul, half, half);
                b.bin(BinOp::Mul, chosen, quarter)
            }
            10 => b.un(UnOp::Neg, x),
            11 => b.un(UnOp::Cos, x),
            12 => b.reduce(ReduceOp::Max, x),
            _ => {
                let t = b.un(UnOp::Tanh, x);
                let sum = b.reduce(ReduceOp::Sum, t);
                b.bin(BinOp::Mul, sum, share)
            }
        };
        pool.push(id);
    }
    let last = *pool.last().unwrap();
    let middle = pool[pool.len() / 2];
    b.finish(&[
        (last, OutKind::Full),
        (middle, OutKind::Full),
        (last, OutKind::Col(ReduceOp::Max)),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_agree(
        steps in prop::collection::vec((any::<u8>(), 0usize..40, 0usize..40, 0usize..40), 1..25),
        rows in 1usize..20,
        cols in prop_oneof![1usize..80, 1000usize..1100, 4090usize..4200],
        kinds in prop::array::uniform3(0usize..5),
        reduces in any::<bool>(),
    ) {
        let p = random_program(&steps, Ty::F64, reduces);
        let dims = [rows, cols];
        let (r, c) = (rows as isize, cols as isize);
        let layouts = [[c, 1], [1, 0], [0, 1], [0, 0], [1, r]];
        let ins: Vec<Array> = kinds
            .iter()
            .enumerate()
            .map(|(i, &k)| Array::new(DType::F64, &dims, &layouts[k]).noise(i))
            .collect();
        check("random program", &p, &dims, &ins.iter().collect::<Vec<_>>(), 1, 1e-9);
    }
}

/// Outputs so large that they pass the caches by: all of them are written, from addresses that no vector begins at, and
/// over an operand that is read later too.
#[test]
fn large_outputs_pass_the_caches_by() {
    let n = (48 << 20) / 4 + 1_003;
    let p = Program::build(&[Ty::F32, Ty::F32], |x| {
        let sum = x[0] + x[1];
        vec![(sum, OutKind::Full), (sum * x[0], OutKind::Full)]
    });
    let x = |i: usize| (i % 1_021) as f32;
    let want = |i: usize| (x(i) + 2.0, (x(i) + 2.0) * x(i));
    let operand = || Operand::contiguous(DType::F32, &[n]);
    let mut single = operand();
    single.strides.fill(0);
    for level in available() {
        with_level(level, || {
            let (ins, outs) = ([operand(), single.clone()], [operand(), operand()]);
            let l = Loop::new(&p, &[n], &ins, &outs, 1);
            let mut a: Vec<f32> = (0..n + 1).map(|i| x(i.wrapping_sub(1))).collect();
            let (mut sum, mut product) = (vec![0f32; n + 3], vec![0f32; n + 5]);
            let two = 2f32;
            let check = |sums: &[f32], products: &[f32]| {
                let wrong = (0..n).find(|&i| (sums[i], products[i]) != want(i));
                assert_eq!(wrong, None, "{level:?}");
            };
            let ins = [a[1..].as_ptr().cast(), (&raw const two).cast()];
            let outs = [
                sum[3..].as_mut_ptr().cast(),
                product[5..].as_mut_ptr().cast(),
            ];
            // SAFETY: n elements each, but for the single one.
            unsafe { l.run(&ins, &outs) };
            check(&sum[3..], &product[5..]);
            product.fill(0.0);
            // The sum over the operand that the product reads after it.
            let place = a[1..].as_mut_ptr();
            let outs = [place.cast(), product[5..].as_mut_ptr().cast()];
            // SAFETY: as above; an output is an operand of the same layout.
            unsafe { l.run(&[place.cast_const().cast(), ins[1]], &outs) };
            check(&a[1..], &product[5..]);
        });
    }
}
