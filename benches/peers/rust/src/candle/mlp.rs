//! Dense networks.

use candle_core::{Module, Result, Tensor};
use candle_nn::{Dropout, Linear, ModuleT, VarBuilder, linear};
use protocol::Case;

pub struct Mlp {
    hidden: Vec<Linear>,
    dropout: Option<Dropout>,
    head: Linear,
}

/// 784-128-10.
pub fn small(case: &Case, vb: VarBuilder) -> Result<Mlp> {
    Mlp::new(case, &[128], None, vb)
}

/// 784-512-512-10 with dropout.
pub fn large(case: &Case, vb: VarBuilder) -> Result<Mlp> {
    Mlp::new(case, &[512, 512], Some(0.2), vb)
}

impl Mlp {
    fn new(case: &Case, widths: &[usize], rate: Option<f32>, vb: VarBuilder) -> Result<Self> {
        let mut inputs = case.shape[0];
        let mut hidden = vec![];
        for (i, &width) in widths.iter().enumerate() {
            hidden.push(linear(inputs, width, vb.pp(i))?);
            inputs = width;
        }
        Ok(Mlp {
            hidden,
            dropout: rate.map(Dropout::new),
            head: linear(inputs, case.classes, vb.pp("head"))?,
        })
    }
}

impl ModuleT for Mlp {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.hidden {
            x = layer.forward(&x)?.relu()?;
            if let Some(dropout) = &self.dropout {
                x = dropout.forward(&x, train)?;
            }
        }
        self.head.forward(&x)
    }
}
