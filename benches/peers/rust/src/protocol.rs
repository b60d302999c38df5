//! What both peers share: the case that Python describes, its data, and the loop that answers requests.
//!
//! One JSON object a line. `{"prepare": CASE}` builds model and data and answers `{"parameters": N}` or
//! `{"missing": REASON}`; `{"run": N}` makes N passes over the data (or N calls) and answers the time and the last loss,
//! `{"seconds": S, "loss": L}`. A panic ends the process.

use std::io::{BufRead, Write};
use std::time::Instant;

use serde::Deserialize;
use serde_json::json;

/// Stages of the ResNet-20: filters, blocks.
pub const RESNET_STAGES: [(usize, usize); 3] = [(16, 3), (32, 3), (64, 3)];
/// Blocks of the depthwise-separable net: filters, strides.
pub const SEPARABLE_BLOCKS: [(usize, usize); 5] = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1)];
/// Layers, width, heads and rows of positions of the small GPT.
pub const GPT: (usize, usize, usize, usize) = (4, 128, 4, 64);

/// One thing that is timed: the fields of `case.py`'s class that matter here.
#[derive(Deserialize)]
pub struct Case {
    pub model: String,
    pub shape: Vec<usize>,
    pub batch_size: usize,
    pub batches: usize,
    pub optimizer: String,
    pub learning_rate: f64,
    pub unit: String,
    pub dense_labels: bool,
    pub vocabulary: usize,
    pub classes: usize,
}

impl Case {
    /// Whether steps are timed; else calls of the trained model.
    pub fn trains(&self) -> bool {
        self.unit == "step"
    }

    /// The shape of a batch of inputs; both libraries have channels before pixels.
    pub fn input_dims(&self) -> Vec<usize> {
        let mut dims = vec![self.batch_size];
        match self.shape[..] {
            [height, width, channels] => dims.extend([channels, height, width]),
            _ => dims.extend(&self.shape),
        }
        dims
    }

    /// Labels of a batch: one an input, or one a token.
    pub fn labels_of_batch(&self) -> usize {
        self.batch_size * if self.dense_labels { self.shape[0] } else { 1 }
    }
}

/// Random data: the time of a step does not depend on its values.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Random(0x9E37_79B9_7F4A_7C15)
    }

    /// The next 24 random bits (xorshift, Marsaglia 2003).
    fn bits(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as u32
    }

    /// Numbers in [0, 1).
    pub fn uniform(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| self.bits() as f32 / (1 << 24) as f32)
            .collect()
    }

    /// Integers below `bound`.
    pub fn integers(&mut self, count: usize, bound: usize) -> Vec<u32> {
        (0..count).map(|_| self.bits() % bound as u32).collect()
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}

/// A model with its data.
pub trait Peer {
    /// How many numbers are trained.
    fn parameters(&self) -> usize;
    /// Passes over the data, or calls; gives the last loss (0 where nothing is trained).
    fn run(&mut self, units: usize) -> f32;
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Request {
    Prepare(Case),
    Run(usize),
}

/// Answers requests until standard input is closed; `prepare` gives a reason where it has no such model.
pub fn serve(prepare: impl Fn(&Case) -> Result<Box<dyn Peer>, String>) {
    let mut peer: Option<Box<dyn Peer>> = None;
    for line in std::io::stdin().lock().lines() {
        let request = serde_json::from_str(&line.expect("standard input")).expect("a request");
        let answer = match request {
            Request::Prepare(case) => match prepare(&case) {
                Ok(made) => json!({"parameters": peer.insert(made).parameters()}),
                Err(reason) => json!({"missing": reason}),
            },
            Request::Run(units) => {
                let peer = peer.as_mut().expect("prepare comes first");
                let begun = Instant::now();
                let loss = peer.run(units);
                json!({"seconds": begun.elapsed().as_secs_f64(), "loss": loss})
            }
        };
        println!("{answer}");
        std::io::stdout().flush().expect("standard output");
    }
}
