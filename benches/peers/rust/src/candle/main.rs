//! Candle as a peer: its models, and the training loop that its examples have.

mod mlp;
mod sequence;
mod vision;

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{AdamW, ModuleT, Optimizer, ParamsAdamW, SGD, VarBuilder, VarMap, loss};
use protocol::{Case, Peer, Random, serve};

type Model = Box<dyn ModuleT>;

fn build(case: &Case, vb: VarBuilder) -> Result<Option<Model>> {
    Ok(Some(match case.model.as_str() {
        "mlp_small" => Box::new(mlp::small(case, vb)?),
        "mlp_large" => Box::new(mlp::large(case, vb)?),
        "convnet" => Box::new(vision::ConvNet::new(case, vb)?),
        "resnet" => Box::new(vision::ResNet::new(case, vb)?),
        "separable" => Box::new(vision::Separable::new(case, vb)?),
        "lstm" => Box::new(sequence::LstmClassifier::new(case, vb)?),
        "gpt" => Box::new(sequence::Gpt::new(case, vb)?),
        _ => return Ok(None),
    }))
}

enum Rule {
    Sgd(SGD),
    Adam(AdamW),
}

impl Rule {
    /// Adam is AdamW without decay.
    fn new(case: &Case, vars: &VarMap) -> Result<Self> {
        let decay = if case.optimizer == "adamw" { 0.01 } else { 0.0 };
        let params = ParamsAdamW {
            lr: case.learning_rate,
            weight_decay: decay,
            ..Default::default()
        };
        Ok(match case.optimizer.as_str() {
            "sgd" => Rule::Sgd(SGD::new(vars.all_vars(), case.learning_rate)?),
            _ => Rule::Adam(AdamW::new(vars.all_vars(), params)?),
        })
    }

    fn step(&mut self, loss: &Tensor) -> Result<()> {
        match self {
            Rule::Sgd(rule) => rule.backward_step(loss),
            Rule::Adam(rule) => rule.backward_step(loss),
        }
    }
}

struct Candle {
    model: Model,
    rule: Rule,
    batches: Vec<(Tensor, Tensor)>,
    trains: bool,
    parameters: usize,
}

impl Candle {
    fn new(case: &Case) -> Result<Option<Self>> {
        let vars = VarMap::new();
        let Some(mut model) = build(
            case,
            VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu),
        )?
        else {
            return Ok(None);
        };
        let named = vars.data().lock().unwrap().clone();
        // The running statistics of batch norm are variables, too, but nothing trains them.
        let trained = named.iter().filter(|(name, _)| !name.contains("running_"));
        let parameters = trained.map(|(_, var)| var.elem_count()).sum();
        if !case.trains() {
            // Without variables no graph is recorded.
            let plain: HashMap<_, _> = named
                .iter()
                .map(|(name, var)| (name.clone(), var.as_detached_tensor()))
                .collect();
            model = build(
                case,
                VarBuilder::from_tensors(plain, DType::F32, &Device::Cpu),
            )?
            .expect("built once");
        }
        let rule = Rule::new(case, &vars)?;
        Ok(Some(Candle {
            model,
            rule,
            batches: data(case)?,
            trains: case.trains(),
            parameters,
        }))
    }

    fn train(&mut self, passes: usize) -> Result<f32> {
        let mut last = None;
        for _ in 0..passes {
            for (x, labels) in &self.batches {
                let loss = loss::cross_entropy(&self.model.forward_t(x, true)?, labels)?;
                self.rule.step(&loss)?;
                last = Some(loss);
            }
        }
        last.expect("a pass").to_scalar()
    }

    fn predict(&self, calls: usize) -> Result<f32> {
        for _ in 0..calls {
            self.model
                .forward_t(&self.batches[0].0, false)?
                .to_vec2::<f32>()?;
        }
        Ok(0.0)
    }
}

fn data(case: &Case) -> Result<Vec<(Tensor, Tensor)>> {
    let mut random = Random::new();
    let dims = case.input_dims();
    let count = dims.iter().product();
    (0..case.batches)
        .map(|_| {
            let x = match case.vocabulary {
                0 => Tensor::from_vec(random.uniform(count), dims.clone(), &Device::Cpu)?,
                bound => {
                    Tensor::from_vec(random.integers(count, bound), dims.clone(), &Device::Cpu)?
                }
            };
            let labels = case.labels_of_batch();
            Ok((
                x,
                Tensor::from_vec(random.integers(labels, case.classes), labels, &Device::Cpu)?,
            ))
        })
        .collect()
}

impl Peer for Candle {
    fn parameters(&self) -> usize {
        self.parameters
    }

    fn run(&mut self, units: usize) -> f32 {
        if self.trains {
            self.train(units)
        } else {
            self.predict(units)
        }
        .expect("candle")
    }
}

fn main() {
    serve(|case| match Candle::new(case) {
        Ok(Some(peer)) => Ok(Box::new(peer)),
        Ok(None) => Err("not written for candle".into()),
        Err(error) => Err(error.to_string()),
    });
}
