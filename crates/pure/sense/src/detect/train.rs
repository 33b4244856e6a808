//! Makes the weights of the linear model from texts, always the same from the same. Used by `examples/train.rs` alone; it
//! stands here so that training and judging take a text apart in one way.

use super::model::{BUCKETS, Weights, Window, features, norm, tokens, windows};
use super::view::View;

/// Rounds over all texts.
const ROUNDS: usize = 4;
/// How fast weights follow, and how much they shrink.
const RATE: f32 = 0.8;
const SHRINK: f32 = 2e-5;
/// Windows of one benign text that are learned from: those that are taken for an order most.
const HARDEST: usize = 3;

/// Weights under training.
struct Learned {
    weights: Vec<f32>,
    /// Sums of squares, for steps that become smaller.
    squares: Vec<f32>,
    bias: f32,
}

impl Weights for Learned {
    fn weight(&self, feature: usize) -> f32 {
        self.weights[feature]
    }

    fn bias(&self) -> f32 {
        self.bias
    }
}

/// A text, whether it is an order to a model, and how much it counts.
pub type Sample = (String, bool, f32);

/// The model's file, made from samples. `prefers` weighs a benign text against one that is none.
#[must_use]
pub fn train(samples: &[Sample], prefers: f32) -> Vec<u8> {
    let mut learned = Learned { weights: vec![0.0; BUCKETS], squares: vec![1e-4; BUCKETS], bias: -1.0 };
    let taken: Vec<(Vec<super::model::Token>, bool, f32)> =
        samples.iter().map(|(text, order, weight)| (tokens(&View::of(text).text), *order, *weight)).collect();
    let mut order: Vec<usize> = (0..taken.len()).collect();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..ROUNDS {
        for at in (1..order.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(at, (seed >> 33) as usize % (at + 1));
        }
        #[allow(clippy::cast_precision_loss)]
        let rate = RATE / (1.0 + round as f32 * 0.5);
        for at in &order {
            let (words, is_order, weight) = &taken[*at];
            learned.learn(words, *is_order, rate, weight * if *is_order { 1.0 } else { prefers });
        }
    }
    learned.written()
}

impl Learned {
    fn learn(&mut self, words: &[super::model::Token], is_order: bool, rate: f32, weight: f32) {
        let mut windows = windows(words, self);
        windows.sort_by(|one, other| other.odds.total_cmp(&one.odds));
        // Of an order the window that is most like one; of all else whatever is taken for one.
        windows.truncate(if is_order { 1 } else { HARDEST });
        for window in windows {
            let odds = window.odds;
            let target = f32::from(u8::from(is_order));
            let error = (target - 1.0 / (1.0 + (-odds).exp())) * weight;
            self.step(words, &window, error, rate);
        }
    }

    fn step(&mut self, words: &[super::model::Token], window: &Window, error: f32, rate: f32) {
        let each = error / norm(window.tokens.len());
        for feature in window.tokens.clone().flat_map(|at| features(words, at)).flatten() {
            self.squares[feature] += each * each;
            let weight = &mut self.weights[feature];
            *weight += rate * each / self.squares[feature].sqrt() * 0.1;
            *weight -= *weight * SHRINK;
        }
        self.bias += rate * error * 0.01;
    }

    /// In bytes: the bias, the scale, and each weight as a share of the largest.
    fn written(&self) -> Vec<u8> {
        let mut sizes: Vec<f32> = self.weights.iter().map(|weight| weight.abs()).collect();
        sizes.sort_by(f32::total_cmp);
        // The few largest are cut off: the rest is told more finely.
        let most = sizes.get(sizes.len() - 64).copied().unwrap_or(1.0).max(1e-6);
        let scale = most / 127.0;
        let mut bytes = Vec::with_capacity(8 + BUCKETS);
        bytes.extend(self.bias.to_le_bytes());
        bytes.extend(scale.to_le_bytes());
        #[allow(clippy::cast_possible_truncation)]
        bytes.extend(
            self.weights.iter().map(|weight| ((weight / scale).clamp(-127.0, 127.0).round() as i8).cast_unsigned()),
        );
        bytes
    }
}
