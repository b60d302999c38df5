//! A recurrent network and a language model.

use candle_core::{D, Device, Module, Result, Tensor};
use candle_nn::{
    Embedding, LSTM, LSTMConfig, Linear, ModuleT, RNN, VarBuilder, embedding, init::Init, linear,
    lstm, ops,
};
use protocol::{Case, GPT};

/// LSTM(128) on embedded tokens. One bias is enough, as in Keras.
pub struct LstmClassifier {
    embedding: Embedding,
    lstm: LSTM,
    head: Linear,
}

impl LstmClassifier {
    pub fn new(case: &Case, vb: VarBuilder) -> Result<Self> {
        let config = LSTMConfig {
            b_hh_init: None,
            ..Default::default()
        };
        Ok(LstmClassifier {
            embedding: embedding(case.vocabulary, 128, vb.pp("embedding"))?,
            lstm: lstm(128, 128, config, vb.pp("lstm"))?,
            head: linear(128, case.classes, vb.pp("head"))?,
        })
    }
}

impl ModuleT for LstmClassifier {
    fn forward_t(&self, x: &Tensor, _train: bool) -> Result<Tensor> {
        let states = self.lstm.seq(&self.embedding.forward(x)?)?;
        self.head.forward(states.last().expect("a token").h())
    }
}

/// Layer normalization of simple ops: candle's fused one (`candle_nn::LayerNorm`) has no gradient.
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new(width: usize, vb: VarBuilder) -> Result<Self> {
        let weight = vb.get_with_hints(width, "weight", Init::Const(1.0))?;
        Ok(Norm {
            weight,
            bias: vb.get_with_hints(width, "bias", Init::Const(0.0))?,
        })
    }
}

impl Module for Norm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::layer_norm_slow(x, &self.weight, &self.bias, 1e-5)
    }
}

struct Block {
    norms: [Norm; 2],
    qkv: Linear,
    out: Linear,
    up: Linear,
    down: Linear,
    heads: usize,
}

impl Block {
    fn new(width: usize, heads: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Block {
            norms: [
                Norm::new(width, vb.pp("norm1"))?,
                Norm::new(width, vb.pp("norm2"))?,
            ],
            qkv: linear(width, 3 * width, vb.pp("qkv"))?,
            out: linear(width, width, vb.pp("out"))?,
            up: linear(width, 4 * width, vb.pp("up"))?,
            down: linear(4 * width, width, vb.pp("down"))?,
            heads,
        })
    }

    /// Causal attention; `mask` is minus infinity above the diagonal, else 0.
    fn attention(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let (batch, tokens, width) = x.dims3()?;
        let depth = width / self.heads;
        let qkv = self
            .qkv
            .forward(x)?
            .reshape((batch, tokens, 3, self.heads, depth))?
            .permute((2, 0, 3, 1, 4))?;
        let part = |i| qkv.get(i)?.contiguous();
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let scores = (q.matmul(&k.t()?)? * (depth as f64).powf(-0.5))?.broadcast_add(mask)?;
        // `softmax_last_dim`, the fused one, has no gradient.
        let y = ops::softmax(&scores, D::Minus1)?.matmul(&v)?;
        self.out
            .forward(&y.transpose(1, 2)?.reshape((batch, tokens, width))?)
    }

    fn forward(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let x = (x + self.attention(&self.norms[0].forward(x)?, mask)?)?;
        let y = self.up.forward(&self.norms[1].forward(&x)?)?.gelu()?;
        x + self.down.forward(&y)?
    }
}

/// A decoder with the norms first.
pub struct Gpt {
    tokens: Embedding,
    positions: Tensor,
    blocks: Vec<Block>,
    norm: Norm,
    head: Linear,
    mask: Tensor,
}

impl Gpt {
    pub fn new(case: &Case, vb: VarBuilder) -> Result<Self> {
        let (layers, width, heads, rows) = GPT;
        let length = case.shape[0];
        let above = |i: usize| {
            if i % length > i / length {
                f32::NEG_INFINITY
            } else {
                0.0
            }
        };
        let mask: Vec<f32> = (0..length * length).map(above).collect();
        Ok(Gpt {
            tokens: embedding(case.vocabulary, width, vb.pp("tokens"))?,
            positions: vb.get_with_hints(
                (rows, width),
                "positions",
                Init::Randn {
                    mean: 0.0,
                    stdev: 0.02,
                },
            )?,
            blocks: (0..layers)
                .map(|i| Block::new(width, heads, vb.pp(i)))
                .collect::<Result<_>>()?,
            norm: Norm::new(width, vb.pp("norm"))?,
            head: linear(width, case.vocabulary, vb.pp("head"))?,
            mask: Tensor::from_vec(mask, (length, length), &Device::Cpu)?,
        })
    }
}

impl ModuleT for Gpt {
    fn forward_t(&self, x: &Tensor, _train: bool) -> Result<Tensor> {
        let mut y = self.tokens.forward(x)?.broadcast_add(&self.positions)?;
        for block in &self.blocks {
            y = block.forward(&y, &self.mask)?;
        }
        self.head.forward(&self.norm.forward(&y)?)?.flatten_to(1)
    }
}
