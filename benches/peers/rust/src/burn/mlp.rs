//! Dense networks.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use protocol::Case;

use crate::Net;

#[derive(Module, Debug)]
pub struct Mlp {
    hidden: Vec<Linear>,
    dropout: Option<Dropout>,
    head: Linear,
}

/// 784-128-10.
pub fn small(case: &Case, device: &Device) -> Mlp {
    Mlp::new(case, &[128], None, device)
}

/// 784-512-512-10 with dropout.
pub fn large(case: &Case, device: &Device) -> Mlp {
    Mlp::new(case, &[512, 512], Some(0.2), device)
}

impl Mlp {
    fn new(case: &Case, widths: &[usize], rate: Option<f64>, device: &Device) -> Self {
        let mut inputs = case.shape[0];
        let mut hidden = vec![];
        for &width in widths {
            hidden.push(LinearConfig::new(inputs, width).init(device));
            inputs = width;
        }
        let dropout = rate.map(|rate| DropoutConfig::new(rate).init());
        Mlp {
            hidden,
            dropout,
            head: LinearConfig::new(inputs, case.classes).init(device),
        }
    }
}

impl Net for Mlp {
    type Input = Tensor<2>;

    fn logits(&self, mut x: Tensor<2>) -> Tensor<2> {
        for layer in &self.hidden {
            x = relu(layer.forward(x));
            if let Some(dropout) = &self.dropout {
                x = dropout.forward(x);
            }
        }
        self.head.forward(x)
    }
}
