//! Matrix products: squares, the three products of Dense layers, rows and columns, `bf16`.
//!
//! `cargo bench --bench gemm`; `benches/peers/gemm.py` times the same shapes in PyTorch. Compare
//! with the peak that `cargo bench --bench roofline` finds.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use half::bf16;
use rustdl::buffer::Buffer;
use rustdl::kernels::gemm::{Activation, Epilogue, Gemm, gemm, gemm_bf16};
use rustdl::par;
use std::time::Duration;

/// Batch, inputs and outputs of Dense layers.
const DENSE: [(usize, usize, usize); 5] = [
    (32, 784, 128),
    (32, 128, 10),
    (128, 784, 512),
    (128, 512, 512),
    (128, 512, 10),
];

fn buffer<T: Copy>(len: usize, value: T) -> Buffer {
    let b = Buffer::new("bench", len * size_of::<T>()).expect("memory for the bench");
    // SAFETY: the buffer has room for `len` values, and nobody else knows it.
    unsafe {
        for i in 0..len {
            b.ptr().cast::<T>().add(i).write(value);
        }
    }
    b
}

/// One shape; `epilogue` says what follows the sums.
fn product(c: &mut Criterion, group: &str, spec: Gemm, id: String, bias: bool) {
    let a = buffer(spec.m * spec.k, 0.5f32);
    let b = buffer(spec.k * spec.n, 0.25f32);
    let out = buffer(spec.m * spec.n, 0.0f32);
    let bias_values = buffer(spec.n, 0.125f32);
    let epilogue = if bias {
        Epilogue::bias(bias_values.ptr().cast::<f32>(), Activation::Relu)
    } else {
        Epilogue::NONE
    };
    let mut g = c.benchmark_group(group);
    g.warm_up_time(Duration::from_millis(200));
    g.measurement_time(Duration::from_secs(1));
    g.throughput(Throughput::Elements((2 * spec.m * spec.n * spec.k) as u64));
    g.bench_function(BenchmarkId::from_parameter(id), |bench| {
        // As in a step of a model, which keeps the threads from beginning to end.
        par::enter(|| {
            // SAFETY: dense matrices of the sizes in `spec`.
            bench.iter(|| unsafe {
                gemm(
                    &spec,
                    a.ptr().cast(),
                    b.ptr().cast(),
                    out.ptr().cast(),
                    &epilogue,
                )
            });
        });
    });
    g.finish();
}

fn squares(c: &mut Criterion) {
    for n in [1, 8, 32, 64, 128, 256, 512, 768, 1024, 2048] {
        product(c, "square", Gemm::new(n, n, n), n.to_string(), false);
    }
}

fn dense(c: &mut Criterion) {
    for (batch, inputs, outputs) in DENSE {
        let id = format!("{batch}x{inputs}x{outputs}");
        let forward = Gemm::new(batch, outputs, inputs);
        product(c, "dense_forward", forward, id.clone(), true);
        let kernel = Gemm::new(inputs, outputs, batch).transpose_a();
        product(c, "dense_kernel_grad", kernel, id.clone(), false);
        let input = Gemm::new(batch, inputs, outputs).transpose_b();
        product(c, "dense_input_grad", input, id, false);
    }
}

fn rows_and_columns(c: &mut Criterion) {
    for (m, n) in [(1, 1024), (8, 1024), (1024, 1)] {
        let spec = Gemm::new(m, n, 1024);
        product(c, "thin", spec, format!("{m}x{n}x1024"), false);
        product(
            c,
            "thin_transposed",
            spec.transpose_b(),
            format!("{m}x{n}x1024"),
            false,
        );
    }
}

fn half_precision(c: &mut Criterion) {
    for n in [64, 256, 1024] {
        let spec = Gemm::new(n, n, n);
        let (a, b) = (buffer(n * n, bf16::ONE), buffer(n * n, bf16::ONE));
        let out = buffer(n * n, 0.0f32);
        let mut g = c.benchmark_group("bf16");
        g.warm_up_time(Duration::from_millis(200));
        g.measurement_time(Duration::from_secs(1));
        g.throughput(Throughput::Elements((2 * n * n * n) as u64));
        g.bench_function(BenchmarkId::from_parameter(n), |bench| {
            // SAFETY: dense matrices of the sizes in `spec`.
            bench.iter(|| unsafe {
                let (a, b, out) = (a.ptr().cast(), b.ptr().cast(), out.ptr().cast());
                gemm_bf16(&spec, a, b, out, &Epilogue::NONE)
            });
        });
        g.finish();
    }
}

criterion_group!(benches, squares, dense, rows_and_columns, half_precision);
criterion_main!(benches);
