//! Networks of convolutions.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig2d,
};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use protocol::{Case, RESNET_STAGES, SEPARABLE_BLOCKS};

use crate::Net;

/// Keras' MNIST convnet.
#[derive(Module, Debug)]
pub struct ConvNet {
    first: Conv2d,
    second: Conv2d,
    pool: MaxPool2d,
    dropout: Dropout,
    head: Linear,
}

impl ConvNet {
    pub fn new(case: &Case, device: &Device) -> Self {
        ConvNet {
            first: Conv2dConfig::new([1, 32], [3, 3]).init(device),
            second: Conv2dConfig::new([32, 64], [3, 3]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            dropout: DropoutConfig::new(0.5).init(),
            head: LinearConfig::new(1600, case.classes).init(device),
        }
    }
}

impl Net for ConvNet {
    type Input = Tensor<4>;

    fn logits(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.first.forward(x)));
        let x = self.pool.forward(relu(self.second.forward(x)));
        self.head
            .forward(self.dropout.forward(x.flatten::<2>(1, 3)))
    }
}

/// A convolution without bias, and its batch norm.
#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    fn new(
        inputs: usize,
        filters: usize,
        size: usize,
        stride: usize,
        groups: usize,
        device: &Device,
    ) -> Self {
        let pad = size / 2;
        let conv = Conv2dConfig::new([inputs, filters], [size, size])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_groups(groups)
            .with_bias(false);
        ConvNorm {
            conv: conv.init(device),
            norm: BatchNormConfig::new(filters).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

#[derive(Module, Debug)]
struct Block {
    first: ConvNorm,
    second: ConvNorm,
    shortcut: Option<ConvNorm>,
}

impl Block {
    fn new(inputs: usize, filters: usize, stride: usize, device: &Device) -> Self {
        Block {
            first: ConvNorm::new(inputs, filters, 3, stride, 1, device),
            second: ConvNorm::new(filters, filters, 3, 1, 1, device),
            shortcut: (stride > 1).then(|| ConvNorm::new(inputs, filters, 1, stride, 1, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.second.forward(relu(self.first.forward(x.clone())));
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        relu(x + y)
    }
}

/// The logits of the means over all pixels.
fn head(linear: &Linear, x: Tensor<4>) -> Tensor<2> {
    linear.forward(x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2))
}

/// ResNet-20 for CIFAR.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    head: Linear,
}

impl ResNet {
    pub fn new(case: &Case, device: &Device) -> Self {
        let (mut inputs, mut blocks) = (16, vec![]);
        for (stage, (filters, count)) in RESNET_STAGES.into_iter().enumerate() {
            for block in 0..count {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                blocks.push(Block::new(inputs, filters, stride, device));
                inputs = filters;
            }
        }
        let head = LinearConfig::new(inputs, case.classes).init(device);
        ResNet {
            stem: ConvNorm::new(3, 16, 3, 1, 1, device),
            blocks,
            head,
        }
    }
}

impl Net for ResNet {
    type Input = Tensor<4>;

    fn logits(&self, x: Tensor<4>) -> Tensor<2> {
        let mut x = relu(self.stem.forward(x));
        for block in &self.blocks {
            x = block.forward(x);
        }
        head(&self.head, x)
    }
}

/// Blocks of MobileNet: a filter a channel, then a mix of channels.
#[derive(Module, Debug)]
pub struct Separable {
    layers: Vec<ConvNorm>,
    head: Linear,
}

impl Separable {
    pub fn new(case: &Case, device: &Device) -> Self {
        let mut layers = vec![ConvNorm::new(3, 32, 3, 1, 1, device)];
        let mut inputs = 32;
        for (filters, stride) in SEPARABLE_BLOCKS {
            layers.push(ConvNorm::new(inputs, inputs, 3, stride, inputs, device));
            layers.push(ConvNorm::new(inputs, filters, 1, 1, 1, device));
            inputs = filters;
        }
        Separable {
            layers,
            head: LinearConfig::new(inputs, case.classes).init(device),
        }
    }
}

impl Net for Separable {
    type Input = Tensor<4>;

    fn logits(&self, mut x: Tensor<4>) -> Tensor<2> {
        for layer in &self.layers {
            x = relu(layer.forward(x));
        }
        head(&self.head, x)
    }
}
