//! Convolution in three directions on the layers of well-known networks, with the rate in FLOP/s.
//!
//! `cargo bench --bench conv -- mnist` runs the layers whose name contains `mnist`;
//! `benches/peers/conv.py` times the same layers in PyTorch.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rustdl::kernels::conv::{ConvShape, Epilogue, forward, input_grad, kernel_grad};
use std::hint::black_box;

/// Name, images, size, channels, filters, kernel, stride, padding, groups.
type Layer = (
    &'static str,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
);

/// Keep in step with `benches/peers/conv.py`.
const LAYERS: &[Layer] = &[
    // Keras' MNIST convnet, batch 128.
    ("mnist_1", 128, 28, 1, 32, 3, 1, 0, 1),
    ("mnist_2", 128, 13, 32, 64, 3, 1, 0, 1),
    // ResNet-50, batch 8.
    ("resnet_stem", 8, 224, 3, 64, 7, 2, 3, 1),
    ("resnet_2_reduce", 8, 56, 256, 64, 1, 1, 0, 1),
    ("resnet_2_3x3", 8, 56, 64, 64, 3, 1, 1, 1),
    ("resnet_2_expand", 8, 56, 64, 256, 1, 1, 0, 1),
    ("resnet_3_stride", 8, 56, 128, 128, 3, 2, 1, 1),
    ("resnet_3_3x3", 8, 28, 128, 128, 3, 1, 1, 1),
    ("resnet_4_shortcut", 8, 28, 512, 1024, 1, 2, 0, 1),
    ("resnet_4_3x3", 8, 14, 256, 256, 3, 1, 1, 1),
    ("resnet_5_3x3", 8, 7, 512, 512, 3, 1, 1, 1),
    ("resnet_5_reduce", 8, 7, 2048, 512, 1, 1, 0, 1),
    // MobileNetV2, batch 8.
    ("mobilenet_dw_stride", 8, 112, 96, 96, 3, 2, 1, 96),
    ("mobilenet_dw_56", 8, 56, 144, 144, 3, 1, 1, 144),
    ("mobilenet_dw_14", 8, 14, 576, 576, 3, 1, 1, 576),
    ("mobilenet_expand", 8, 56, 24, 144, 1, 1, 0, 1),
    // VGG-16, batch 2.
    ("vgg_1_1", 2, 224, 3, 64, 3, 1, 1, 1),
    ("vgg_1_2", 2, 224, 64, 64, 3, 1, 1, 1),
    ("vgg_3", 2, 56, 256, 256, 3, 1, 1, 1),
    ("vgg_5", 2, 14, 512, 512, 3, 1, 1, 1),
];

fn shape(&(_, n, size, c, k, kernel, stride, pad, groups): &Layer) -> ConvShape {
    let out = (size + 2 * pad - kernel) / stride + 1;
    ConvShape {
        n,
        input: [1, size, size],
        c,
        output: [1, out, out],
        k,
        kernel: [1, kernel, kernel],
        stride: [1, stride, stride],
        dilation: [1; 3],
        pad: [0, pad as isize, pad as isize],
        groups,
    }
}

fn numbers(len: usize) -> Vec<f32> {
    (0..len)
        .map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0)
        .collect()
}

fn layers(bench: &mut Criterion) {
    for layer in LAYERS {
        let s = shape(layer);
        let (x, w, dy) = (numbers(s.x_len()), numbers(s.w_len()), numbers(s.y_len()));
        let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
        let mut group = bench.benchmark_group(layer.0);
        group
            .sample_size(10)
            .throughput(Throughput::Elements(2 * s.macs() as u64));
        group.bench_function("forward", |b| {
            b.iter(|| forward(&s, black_box(&x), &w, &mut y, &Epilogue::default()));
        });
        group.bench_function("input_grad", |b| {
            b.iter(|| input_grad(&s, black_box(&dy), &w, &mut dx));
        });
        group.bench_function("kernel_grad", |b| {
            b.iter(|| kernel_grad(&s, black_box(&x), &dy, &mut dw));
        });
        group.finish();
    }
}

criterion_group!(benches, layers);
criterion_main!(benches);
