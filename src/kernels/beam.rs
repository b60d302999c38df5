//! Prefix beam search over frames of class probabilities: the likeliest label sequences, where alignments that differ
//! only in blanks and repetitions count as one (Graves 2012, Hannun et al. 2014).

use std::collections::HashMap;

/// The paths that end in one label sequence, as log-probabilities.
#[derive(Debug, Clone, Copy)]
struct Beam {
    /// The sequence: its place in [`Search::prefixes`].
    prefix: usize,
    /// Of those that end in a blank.
    blank: f64,
    /// Of those that end in the last label.
    label: f64,
}

impl Beam {
    fn new(prefix: usize) -> Beam {
        Beam {
            prefix,
            blank: f64::NEG_INFINITY,
            label: f64::NEG_INFINITY,
        }
    }
    fn total(&self) -> f64 {
        log_add(self.blank, self.label)
    }
}

/// ln(e^a + e^b).
pub fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY {
        high
    } else {
        high + (low - high).exp().ln_1p()
    }
}

/// A search in one sequence of frames.
struct Search {
    /// Sequences as a tree: (the one without its last label, its last label). The first is empty.
    prefixes: Vec<(usize, usize)>,
    longer: HashMap<(usize, usize), usize>,
    beams: Vec<Beam>,
    /// Beams of the next frame, and where that of each prefix is.
    next: Vec<Beam>,
    places: HashMap<usize, usize>,
}

const NO_LABEL: usize = usize::MAX;

impl Search {
    fn new() -> Search {
        let mut start = Beam::new(0);
        start.blank = 0.0;
        Search {
            prefixes: vec![(0, NO_LABEL)],
            longer: HashMap::new(),
            beams: vec![start],
            next: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// The beam of a prefix in the next frame.
    fn at(&mut self, prefix: usize) -> &mut Beam {
        let place = *self.places.entry(prefix).or_insert_with(|| {
            self.next.push(Beam::new(prefix));
            self.next.len() - 1
        });
        &mut self.next[place]
    }

    /// The prefix with one label more.
    fn extended(&mut self, prefix: usize, label: usize) -> usize {
        let prefixes = &mut self.prefixes;
        *self.longer.entry((prefix, label)).or_insert_with(|| {
            prefixes.push((prefix, label));
            prefixes.len() - 1
        })
    }

    fn step(
        &mut self,
        log_probs: impl Fn(usize) -> f64,
        classes: usize,
        blank: usize,
        width: usize,
    ) {
        self.next.clear();
        self.places.clear();
        for beam in std::mem::take(&mut self.beams) {
            let last = self.prefixes[beam.prefix].1;
            let total = beam.total();
            let stays = self.at(beam.prefix);
            stays.blank = log_add(stays.blank, total + log_probs(blank));
            if last != NO_LABEL {
                stays.label = log_add(stays.label, beam.label + log_probs(last));
            }
            for class in (0..classes).filter(|&c| c != blank) {
                // A repetition is a new label only behind a blank.
                let from = if class == last { beam.blank } else { total };
                if from > f64::NEG_INFINITY {
                    let prefix = self.extended(beam.prefix, class);
                    let grown = self.at(prefix);
                    grown.label = log_add(grown.label, from + log_probs(class));
                }
            }
        }
        // A stable sort: of equal ones the first found, with the smaller classes, wins.
        self.next.sort_by(|a, b| b.total().total_cmp(&a.total()));
        self.next.truncate(width);
        std::mem::swap(&mut self.beams, &mut self.next);
    }

    /// The labels of a prefix.
    fn labels(&self, mut prefix: usize) -> Vec<usize> {
        let mut found = Vec::new();
        while prefix != 0 {
            found.push(self.prefixes[prefix].1);
            prefix = self.prefixes[prefix].0;
        }
        found.reverse();
        found
    }
}

/// The likeliest label sequences with their log-probabilities, best first; at most `width` are followed.
///
/// `log_prob(frame, class)` gives the log-probabilities of the frames.
pub fn search(
    log_prob: impl Fn(usize, usize) -> f64,
    frames: usize,
    classes: usize,
    blank: usize,
    width: usize,
) -> Vec<(Vec<usize>, f64)> {
    let mut search = Search::new();
    for frame in 0..frames {
        search.step(|class| log_prob(frame, class), classes, blank, width);
    }
    let beams = std::mem::take(&mut search.beams);
    beams
        .iter()
        .map(|b| (search.labels(b.prefix), b.total()))
        .collect()
}
