//! Networks of convolutions.

use candle_core::{Module, Result, Tensor};
use candle_nn::{
    BatchNorm, Conv2d, Conv2dConfig, Dropout, Linear, ModuleT, VarBuilder, batch_norm, conv2d,
    conv2d_no_bias, linear,
};
use protocol::{Case, RESNET_STAGES, SEPARABLE_BLOCKS};

/// Keras' MNIST convnet.
pub struct ConvNet {
    first: Conv2d,
    second: Conv2d,
    dropout: Dropout,
    head: Linear,
}

impl ConvNet {
    pub fn new(case: &Case, vb: VarBuilder) -> Result<Self> {
        let plain = Conv2dConfig::default();
        Ok(ConvNet {
            first: conv2d(1, 32, 3, plain, vb.pp("first"))?,
            second: conv2d(32, 64, 3, plain, vb.pp("second"))?,
            dropout: Dropout::new(0.5),
            head: linear(1600, case.classes, vb.pp("head"))?,
        })
    }
}

/// Max pooling by two. Candle's gradient is right only where no pixel is left over: they are cut off first.
fn pool(x: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    x.narrow(2, 0, height / 2 * 2)?
        .narrow(3, 0, width / 2 * 2)?
        .max_pool2d(2)
}

impl ModuleT for ConvNet {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = pool(&self.first.forward(x)?.relu()?)?;
        let x = pool(&self.second.forward(&x)?.relu()?)?.flatten_from(1)?;
        self.head.forward(&self.dropout.forward(&x, train)?)
    }
}

/// A convolution without bias, and its batch norm.
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
        vb: VarBuilder,
    ) -> Result<Self> {
        let config = Conv2dConfig {
            padding: size / 2,
            stride,
            groups,
            ..Default::default()
        };
        let conv = conv2d_no_bias(inputs, filters, size, config, vb.pp("conv"))?;
        Ok(ConvNorm {
            conv,
            norm: batch_norm(filters, 1e-5, vb.pp("norm"))?,
        })
    }
}

impl ModuleT for ConvNorm {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.norm.forward_t(&self.conv.forward(x)?, train)
    }
}

struct Block {
    first: ConvNorm,
    second: ConvNorm,
    shortcut: Option<ConvNorm>,
}

impl Block {
    fn new(inputs: usize, filters: usize, stride: usize, vb: VarBuilder) -> Result<Self> {
        let shortcut = match stride {
            1 => None,
            _ => Some(ConvNorm::new(
                inputs,
                filters,
                1,
                stride,
                1,
                vb.pp("shortcut"),
            )?),
        };
        Ok(Block {
            first: ConvNorm::new(inputs, filters, 3, stride, 1, vb.pp("first"))?,
            second: ConvNorm::new(filters, filters, 3, 1, 1, vb.pp("second"))?,
            shortcut,
        })
    }
}

impl ModuleT for Block {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.first.forward_t(x, train)?.relu()?;
        let y = self.second.forward_t(&y, train)?;
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward_t(x, train)?,
            None => x.clone(),
        };
        (x + y)?.relu()
    }
}

/// ResNet-20 for CIFAR.
pub struct ResNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    head: Linear,
}

impl ResNet {
    pub fn new(case: &Case, vb: VarBuilder) -> Result<Self> {
        let stem = ConvNorm::new(3, 16, 3, 1, 1, vb.pp("stem"))?;
        let (mut inputs, mut blocks) = (16, vec![]);
        for (stage, (filters, count)) in RESNET_STAGES.into_iter().enumerate() {
            for block in 0..count {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                blocks.push(Block::new(inputs, filters, stride, vb.pp(blocks.len()))?);
                inputs = filters;
            }
        }
        Ok(ResNet {
            stem,
            blocks,
            head: linear(inputs, case.classes, vb.pp("head"))?,
        })
    }
}

impl ModuleT for ResNet {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = self.stem.forward_t(x, train)?.relu()?;
        for block in &self.blocks {
            x = block.forward_t(&x, train)?;
        }
        self.head.forward(&x.mean((2, 3))?)
    }
}

/// Blocks of MobileNet: a filter a channel, then a mix of channels.
pub struct Separable {
    layers: Vec<ConvNorm>,
    head: Linear,
}

impl Separable {
    pub fn new(case: &Case, vb: VarBuilder) -> Result<Self> {
        let mut layers = vec![ConvNorm::new(3, 32, 3, 1, 1, vb.pp("stem"))?];
        let mut inputs = 32;
        for (filters, stride) in SEPARABLE_BLOCKS {
            layers.push(ConvNorm::new(
                inputs,
                inputs,
                3,
                stride,
                inputs,
                vb.pp(layers.len()),
            )?);
            layers.push(ConvNorm::new(
                inputs,
                filters,
                1,
                1,
                1,
                vb.pp(layers.len()),
            )?);
            inputs = filters;
        }
        Ok(Separable {
            layers,
            head: linear(inputs, case.classes, vb.pp("head"))?,
        })
    }
}

impl ModuleT for Separable {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.forward_t(&x, train)?.relu()?;
        }
        self.head.forward(&x.mean((2, 3))?)
    }
}
