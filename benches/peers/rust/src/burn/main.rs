//! Burn as a peer, on its backend Flex: its models, and the training loop of its guide.

mod mlp;
mod sequence;
mod vision;

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use protocol::{Case, Peer, Random, serve};

/// A model from inputs to rows of logits.
trait Net: Module + 'static {
    type Input: Input;
    fn logits(&self, x: Self::Input) -> Tensor<2>;
}

/// A batch of inputs.
trait Input: Clone + 'static {
    fn random(case: &Case, random: &mut Random, device: &Device) -> Self;
}

impl<const D: usize> Input for Tensor<D> {
    fn random(case: &Case, random: &mut Random, device: &Device) -> Self {
        let dims = case.input_dims();
        let values = random.uniform(dims.iter().product());
        Tensor::from_data(TensorData::new(values, dims), device)
    }
}

impl Input for Tensor<2, Int> {
    fn random(case: &Case, random: &mut Random, device: &Device) -> Self {
        let dims = case.input_dims();
        let tokens = random.integers(dims.iter().product(), case.vocabulary);
        integers(tokens, dims, device)
    }
}

fn integers<const D: usize>(values: Vec<u32>, dims: Vec<usize>, device: &Device) -> Tensor<D, Int> {
    let values: Vec<i64> = values.into_iter().map(i64::from).collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

fn optimizer(case: &Case) -> ModuleOptimizer {
    match case.optimizer.as_str() {
        "sgd" => SgdConfig::new().init(),
        "adam" => AdamConfig::new().init(),
        _ => AdamWConfig::new().with_weight_decay(0.01).init(),
    }
}

/// Counts what is trained; the running statistics of batch norm are not.
struct Trained(usize);

impl ModuleVisitor for Trained {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.0 += param.shape().num_elements();
        }
    }
}

fn trained<N: Net>(model: &N) -> usize {
    let mut count = Trained(0);
    model.visit(&mut count);
    count.0
}

struct Training<N: Net> {
    /// Taken while a step makes the next one of it.
    model: Option<N>,
    rule: ModuleOptimizer,
    rate: f64,
    batches: Vec<(N::Input, Tensor<1, Int>)>,
    device: Device,
}

impl<N: Net> Peer for Training<N> {
    fn parameters(&self) -> usize {
        trained(self.model.as_ref().expect("a model"))
    }

    fn run(&mut self, passes: usize) -> f32 {
        let loss_of = CrossEntropyLossConfig::new().init(&self.device);
        let mut model = self.model.take().expect("a model");
        let mut last = None;
        for _ in 0..passes {
            for (x, labels) in &self.batches {
                let loss = loss_of.forward(model.logits(x.clone()), labels.clone());
                let grads = GradientsParams::from_grads(loss.backward(), &model);
                model = self.rule.step(self.rate, model, grads);
                last = Some(loss);
            }
        }
        self.model = Some(model);
        last.expect("a pass").into_scalar()
    }
}

struct Calls<N: Net> {
    model: N,
    x: N::Input,
    parameters: usize,
}

impl<N: Net> Peer for Calls<N> {
    fn parameters(&self) -> usize {
        self.parameters
    }

    fn run(&mut self, calls: usize) -> f32 {
        for _ in 0..calls {
            self.model.logits(self.x.clone()).into_data();
        }
        0.0
    }
}

/// The peer of a model that `build` makes on a device.
fn peer<N: Net>(case: &Case, build: impl Fn(&Case, &Device) -> N) -> Box<dyn Peer> {
    let mut random = Random::new();
    let device = Device::flex().autodiff();
    let model = build(case, &device);
    if !case.trains() {
        let x = N::Input::random(case, &mut random, &Device::flex());
        return Box::new(Calls {
            parameters: trained(&model),
            model: model.valid(),
            x,
        });
    }
    let labels = case.labels_of_batch();
    let batches = (0..case.batches).map(|_| {
        let x = N::Input::random(case, &mut random, &device);
        (
            x,
            integers(random.integers(labels, case.classes), vec![labels], &device),
        )
    });
    let batches = batches.collect();
    let (model, rate) = (Some(model), case.learning_rate);
    Box::new(Training {
        model,
        rule: optimizer(case),
        rate,
        batches,
        device,
    })
}

fn main() {
    serve(|case| {
        Ok(match case.model.as_str() {
            "mlp_small" => peer(case, mlp::small),
            "mlp_large" => peer(case, mlp::large),
            "convnet" => peer(case, vision::ConvNet::new),
            "resnet" => peer(case, vision::ResNet::new),
            "separable" => peer(case, vision::Separable::new),
            "lstm" => peer(case, sequence::LstmClassifier::new),
            "gpt" => peer(case, sequence::Gpt::new),
            _ => return Err("not written for burn".into()),
        })
    });
}
