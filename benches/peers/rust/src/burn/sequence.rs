//! A recurrent network and a language model.

use burn::module::{Initializer, Module, Param};
use burn::nn::{
    Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, Lstm, LstmConfig,
};
use burn::tensor::activation::gelu_approximate;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Int, Tensor};
use protocol::{Case, GPT};

use crate::Net;

/// LSTM(128) on embedded tokens. As in PyTorch both products of a gate have a bias.
#[derive(Module, Debug)]
pub struct LstmClassifier {
    embedding: Embedding,
    lstm: Lstm,
    head: Linear,
}

impl LstmClassifier {
    pub fn new(case: &Case, device: &Device) -> Self {
        LstmClassifier {
            embedding: EmbeddingConfig::new(case.vocabulary, 128).init(device),
            lstm: LstmConfig::new(128, 128, true).init(device),
            head: LinearConfig::new(128, case.classes).init(device),
        }
    }
}

impl Net for LstmClassifier {
    type Input = Tensor<2, Int>;

    fn logits(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let (_, state) = self.lstm.forward(self.embedding.forward(x), None);
        self.head.forward(state.hidden)
    }
}

#[derive(Module, Debug)]
struct Block {
    norms: [LayerNorm; 2],
    qkv: Linear,
    out: Linear,
    up: Linear,
    down: Linear,
    heads: usize,
}

impl Block {
    fn new(width: usize, heads: usize, device: &Device) -> Self {
        let dense = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Block {
            norms: [0, 1].map(|_| LayerNormConfig::new(width).init(device)),
            qkv: dense(width, 3 * width),
            out: dense(width, width),
            up: dense(width, 4 * width),
            down: dense(4 * width, width),
            heads,
        }
    }

    /// Causal attention.
    fn attention(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, width] = x.dims();
        let qkv = self
            .qkv
            .forward(x)
            .reshape([batch, tokens, 3, self.heads, width / self.heads]);
        let mut parts = qkv
            .permute([2, 0, 3, 1, 4])
            .iter_dim(0)
            .map(|part| part.squeeze_dim::<4>(0));
        let mut part = || parts.next().expect("three parts");
        let options = AttentionModuleOptions {
            is_causal: true,
            ..Default::default()
        };
        let y = attention(part(), part(), part(), None, None, options);
        self.out
            .forward(y.swap_dims(1, 2).reshape([batch, tokens, width]))
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attention(self.norms[0].forward(x));
        let y = gelu_approximate(self.up.forward(self.norms[1].forward(x.clone())));
        x + self.down.forward(y)
    }
}

/// A decoder with the norms first.
#[derive(Module, Debug)]
pub struct Gpt {
    tokens: Embedding,
    positions: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl Gpt {
    pub fn new(case: &Case, device: &Device) -> Self {
        let (layers, width, heads, rows) = GPT;
        Gpt {
            tokens: EmbeddingConfig::new(case.vocabulary, width).init(device),
            positions: Initializer::Normal {
                mean: 0.0,
                std: 0.02,
            }
            .init([rows, width], device),
            blocks: (0..layers)
                .map(|_| Block::new(width, heads, device))
                .collect(),
            norm: LayerNormConfig::new(width).init(device),
            head: LinearConfig::new(width, case.vocabulary).init(device),
        }
    }
}

impl Net for Gpt {
    type Input = Tensor<2, Int>;

    fn logits(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let mut y = self.tokens.forward(x) + self.positions.val().unsqueeze::<3>();
        for block in &self.blocks {
            y = block.forward(y);
        }
        self.head.forward(self.norm.forward(y)).flatten::<2>(0, 1)
    }
}
