//! Elementwise and row programs in the VM, against a copy of memory: what is not matrix multiplication should run at
//! the speed of memory, and a small loop should cost little more than its arithmetic.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rustdl::aval::DType;
use rustdl::expr::{Lane, Loop, Operand, OutKind, Program, ReduceOp, Sym, Ty};
use std::hint::black_box;

/// A program with its buffers: contiguous operands, or single values where `single`.
struct Job {
    body: Loop,
    ins: Vec<Vec<f32>>,
    outs: Vec<Vec<f32>>,
}

impl Job {
    fn new(program: &Program, dims: &[usize], single: &[bool]) -> Job {
        let n: usize = dims.iter().product();
        let operand = |single: bool| {
            let mut o = Operand::contiguous(DType::F32, dims);
            if single {
                o.strides.fill(0);
            }
            o
        };
        let ins: Vec<Operand> = single.iter().map(|&s| operand(s)).collect();
        let outs: Vec<Operand> = program.outs().iter().map(|_| operand(false)).collect();
        let values = |k: usize, len: usize| {
            (0..len)
                .map(|i| ((i * 7919 + k) % 1000) as f32 * 1e-3 + 0.1)
                .collect()
        };
        Job {
            body: Loop::new(program, dims, &ins, &outs, 1),
            ins: single
                .iter()
                .enumerate()
                .map(|(k, &s)| values(k, if s { 1 } else { n }))
                .collect(),
            outs: program.outs().iter().map(|_| vec![0.0; n]).collect(),
        }
    }

    fn run(&mut self) {
        let ins: Vec<*const u8> = self.ins.iter().map(|v| v.as_ptr().cast()).collect();
        let outs: Vec<*mut u8> = self
            .outs
            .iter_mut()
            .map(|v| v.as_mut_ptr().cast())
            .collect();
        // SAFETY: every buffer has as many elements as its layout reaches.
        unsafe { self.body.run(&ins, &outs) };
        black_box(&self.outs);
    }

    fn bytes(&self) -> u64 {
        4 * self
            .ins
            .iter()
            .chain(&self.outs)
            .map(|v| v.len() as u64)
            .sum::<u64>()
    }
}

/// Five operations, no transcendental function.
fn chain() -> Program {
    Program::from_fn2(Ty::F32, |x, y| ((x * y + 0.5).max(x) - y) * 0.25)
}

fn gelu(x: Sym) -> Sym {
    x * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5
}

fn softmax(x: Sym) -> Sym {
    let e = (x - x.row_max()).exp();
    e / e.row_sum()
}

fn layer_norm(x: Sym) -> Sym {
    let n = x.constant(1.0).row_sum();
    let centred = x - x.row_sum() / n;
    centred * ((centred * centred).row_sum() / n + 1e-5).rsqrt()
}

/// Adam (Kingma and Ba 2015): parameters, gradients, both moments, learning rate.
fn adam() -> Program {
    Program::build(&[Ty::F32; 5], |x| {
        let m = x[2] * 0.9 + x[1] * 0.1;
        let v = x[3] * 0.999 + x[1] * x[1] * 0.001;
        let p = x[0] - x[4] * m / (v.sqrt() + 1e-7);
        vec![(p, OutKind::Full), (m, OutKind::Full), (v, OutKind::Full)]
    })
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("elementwise");
    let copy = Program::from_fn1(Ty::F32, |x| x);
    let cases: [(&str, Program, &[bool]); 4] = [
        ("copy", copy, &[false]),
        ("chain of 5", chain(), &[false, false]),
        ("gelu", Program::from_fn1(Ty::F32, gelu), &[false]),
        ("adam", adam(), &[false, false, false, false, true]),
    ];
    for (name, program, single) in &cases {
        for n in [1 << 10, 1 << 14, 1 << 24] {
            let mut job = Job::new(program, &[n], single);
            group.throughput(Throughput::Bytes(job.bytes()));
            group.bench_function(BenchmarkId::new(*name, n), |b| b.iter(|| job.run()));
        }
    }
    group.finish();
    let mut group = c.benchmark_group("rows");
    for (name, f) in [
        ("softmax", softmax as fn(Sym) -> Sym),
        ("layer norm", layer_norm),
    ] {
        for dims in [[128, 10], [4096, 64], [1 << 14, 1 << 10], [64, 50_000]] {
            let mut job = Job::new(&Program::from_fn1(Ty::F32, f), &dims, &[false]);
            group.throughput(Throughput::Bytes(job.bytes()));
            group.bench_function(BenchmarkId::new(name, format!("{dims:?}")), |b| {
                b.iter(|| job.run())
            });
        }
    }
    let sum = Program::build(&[Ty::F32], |x| vec![(x[0], OutKind::Col(ReduceOp::Sum))]);
    for dims in [[128, 512], [1 << 14, 1 << 10], [1 << 18, 32]] {
        let mut job = Job::new(&sum, &dims, &[false]);
        group.throughput(Throughput::Bytes(job.bytes() / 2));
        group.bench_function(BenchmarkId::new("column sum", format!("{dims:?}")), |b| {
            b.iter(|| job.run())
        });
    }
    let sum = Program::build(&[Ty::F32], |x| vec![(x[0].row_sum(), OutKind::Row)]);
    for dims in [[128, 10], [4096, 64], [1, 1 << 24]] {
        let mut job = Job::new(&sum, &dims, &[false]);
        group.throughput(Throughput::Bytes(job.bytes() / 2));
        group.bench_function(BenchmarkId::new("row sum", format!("{dims:?}")), |b| {
            b.iter(|| job.run())
        });
    }
    group.finish();
    c.bench_function("compile adam", |b| b.iter(Job::compile_adam));
}

impl Job {
    fn compile_adam() -> Loop {
        let program = adam();
        let operand = Operand::contiguous(DType::F32, &[1 << 20]);
        let mut rate = operand.clone();
        rate.strides.fill(0);
        let full = || operand.clone();
        Loop::new(
            &program,
            &[1 << 20],
            &[full(), full(), full(), full(), rate],
            &[full(), full(), full()],
            0,
        )
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
