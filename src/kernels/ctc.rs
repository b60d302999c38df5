//! Connectionist temporal classification: the probability of a label sequence over all its alignments, and the
//! gradient, by the forward-backward algorithm in log space (Graves et al. 2006), in double precision.

use super::beam::log_add;
use crate::buffer::Element;
use crate::kernels::decompose::with_zeros;
use crate::par::parallel_for;

/// The logarithm of a probability that counts as none: finite, so that impossible labels have a finite loss.
pub const NONE: f64 = -1e5;

/// Sizes of a batch: sequences, frames, classes, labels.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Sequences in the batch.
    pub batch: usize,
    /// Frames of the longest one.
    pub frames: usize,
    /// Classes, including the blank.
    pub classes: usize,
    /// Labels of the longest one.
    pub labels: usize,
}

/// The targets of a batch.
#[derive(Clone, Copy)]
pub struct Targets<'a> {
    /// Labels `[batch, labels]`.
    pub labels: &'a [i32],
    /// How many of them count.
    pub label_lengths: &'a [i32],
    /// How many frames count.
    pub frame_lengths: &'a [i32],
    /// The class that stands for no label.
    pub blank: usize,
}

/// Raw results that tasks share; each writes those of its own sequence.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

// SAFETY: every task writes the elements of its own sequence.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// # Safety
    /// The elements must lie inside the array and belong to the calling task alone.
    #[allow(clippy::mut_from_ref)]
    unsafe fn part(&self, start: usize, len: usize) -> &mut [T] {
        std::slice::from_raw_parts_mut(self.0.add(start), len)
    }
}

/// Minus the log-probability of each sequence's labels, and its gradient by `log_probs` `[batch, frames, classes]`.
pub fn loss<T: Element>(
    log_probs: &[T],
    targets: Targets,
    sizes: Sizes,
    losses: &mut [T],
    grads: &mut [T],
) {
    let area = sizes.frames * sizes.classes;
    assert!(log_probs.len() == sizes.batch * area && grads.len() == log_probs.len());
    assert!(losses.len() == sizes.batch && targets.labels.len() == sizes.batch * sizes.labels);
    let states = 2 * sizes.labels + 1;
    let (loss, grad) = (Shared(losses.as_mut_ptr()), Shared(grads.as_mut_ptr()));
    let work = sizes.batch * (sizes.frames * states * 60 + area);
    parallel_for(sizes.batch, work, |i| {
        // SAFETY: sequence `i` belongs to this task.
        let (loss, grad) = unsafe { (loss.part(i, 1), grad.part(i * area, area)) };
        grad.fill(T::from_f64(0.0));
        let count = |n: i32, most: usize| usize::try_from(n).unwrap_or(0).min(most);
        let labels =
            &targets.labels[i * sizes.labels..][..count(targets.label_lengths[i], sizes.labels)];
        let one = Sequence {
            log_probs: &log_probs[i * area..][..area],
            classes: sizes.classes,
            frames: count(targets.frame_lengths[i], sizes.frames),
            labels,
            blank: targets.blank,
        };
        loss[0] = T::from_f64(one.run(grad));
    });
}

/// One sequence. Its states are blank, label, blank, .., label, blank.
struct Sequence<'a, T> {
    log_probs: &'a [T],
    classes: usize,
    frames: usize,
    labels: &'a [i32],
    blank: usize,
}

impl<T: Element> Sequence<'_, T> {
    /// The class of a state; `None` for a label that is no class.
    fn class(&self, state: usize) -> Option<usize> {
        if state.is_multiple_of(2) {
            return Some(self.blank);
        }
        usize::try_from(self.labels[state / 2])
            .ok()
            .filter(|&c| c < self.classes)
    }

    fn log_prob(&self, frame: usize, state: usize) -> f64 {
        self.class(state)
            .map_or(NONE, |c| self.log_probs[frame * self.classes + c].to_f64())
    }

    /// May a path go from `state - 2` to `state`, over a blank? Only between different labels.
    fn skips(&self, state: usize) -> bool {
        state % 2 == 1 && state >= 3 && self.labels[state / 2] != self.labels[state / 2 - 1]
    }

    /// The loss; adds its gradient to `grad`.
    fn run(&self, grad: &mut [T]) -> f64 {
        let states = 2 * self.labels.len() + 1;
        if self.frames == 0 {
            return if self.labels.is_empty() { 0.0 } else { -NONE };
        }
        with_zeros((self.frames + 2) * states, |memory| {
            let (alpha, rest) = memory.split_at_mut(self.frames * states);
            let (beta, next) = rest.split_at_mut(states);
            self.forward(alpha, states);
            let last = &alpha[(self.frames - 1) * states..];
            let mut total = last[states - 1];
            if states > 1 {
                total = log_add(total, last[states - 2]);
            }
            beta.fill(f64::NEG_INFINITY);
            for state in states.saturating_sub(2)..states {
                beta[state] = 0.0;
            }
            for t in (0..self.frames).rev() {
                // The first frame stands in the first two states; the others are there by `NONE` alone.
                let reached = if t == 0 { states.min(2) } else { states };
                for state in 0..reached {
                    if let Some(class) = self.class(state) {
                        let e = t * self.classes + class;
                        let posterior = (alpha[t * states + state] + beta[state] - total).exp();
                        grad[e] = T::from_f64(grad[e].to_f64() - posterior);
                    }
                }
                if t > 0 {
                    self.backward(t, beta, next);
                    beta.copy_from_slice(next);
                }
            }
            -total
        })
    }

    /// `alpha[t][s]`: the log-probability of all paths that stand in state s at frame t, this frame included.
    fn forward(&self, alpha: &mut [f64], states: usize) {
        for (state, a) in alpha[..states].iter_mut().enumerate() {
            *a = if state < 2 {
                self.log_prob(0, state)
            } else {
                NONE
            };
        }
        for t in 1..self.frames {
            let (before, now) = alpha[(t - 1) * states..].split_at_mut(states);
            for state in 0..states {
                let mut sum = before[state];
                if state > 0 {
                    sum = log_add(sum, before[state - 1]);
                }
                if self.skips(state) {
                    sum = log_add(sum, before[state - 2]);
                }
                now[state] = sum + self.log_prob(t, state);
            }
        }
    }

    /// `beta` of frame t - 1 from that of frame t: the log-probability of all ways on, the own frame not included.
    fn backward(&self, t: usize, beta: &[f64], before: &mut [f64]) {
        let states = beta.len();
        for state in 0..states {
            let mut sum = beta[state] + self.log_prob(t, state);
            if state + 1 < states {
                sum = log_add(sum, beta[state + 1] + self.log_prob(t, state + 1));
            }
            if state + 2 < states && self.skips(state + 2) {
                sum = log_add(sum, beta[state + 2] + self.log_prob(t, state + 2));
            }
            before[state] = sum;
        }
    }
}
