//! A linear model over hashed words: how much what stands near each other reads like an order to a model. Its weights are
//! made by `proof/evidence/train` (see `docs/reference/evidence-model.md`) and are part of the program.

use std::ops::Range;

use super::classes::class;

/// Weights of one byte each, for as many features.
pub(super) const BUCKETS: usize = 1 << 19;
/// Words of one block.
pub(super) const BLOCK: usize = 8;
/// Blocks that are judged together: a short order within something else, and a longer one.
const TOGETHER: [usize; 2] = [3, 6];
/// Features that one word begins: itself, with the next, with the one after that, with both; its beginning. And of a word
/// that has a class: that, with those of the next three, and with both of the next two.
const EACH: usize = 10;
/// Words behind one in which those with a class are looked for.
const NEAR: usize = 12;

/// The bias and the scale, each a little-endian `f32`, and the weights.
static BYTES: &[u8] = include_bytes!("model.bin");

/// How one text is judged by some weights.
pub(super) trait Weights {
    fn weight(&self, feature: usize) -> f32;
    fn bias(&self) -> f32;
}

/// Those that ship.
pub(super) struct Shipped {
    bias: f32,
    scale: f32,
}

impl Shipped {
    pub(super) fn read() -> Shipped {
        let number = |at: usize| BYTES.get(at..at + 4).and_then(|four| four.try_into().ok()).map(f32::from_le_bytes);
        Shipped { bias: number(0).unwrap_or(-20.0), scale: number(4).unwrap_or(0.0) }
    }
}

impl Weights for Shipped {
    fn weight(&self, feature: usize) -> f32 {
        BYTES.get(8 + feature).map_or(0.0, |byte| f32::from(byte.cast_signed())) * self.scale
    }

    fn bias(&self) -> f32 {
        self.bias
    }
}

/// A word or a sign, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    hash: u64,
    /// Of its first four letters.
    begins: u64,
    class: u8,
    pub(super) from: u32,
    pub(super) to: u32,
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

fn mix(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(PRIME)
}

/// The words and signs of a folded text. Digits within a word count as the letters that they look like; a number by itself
/// counts as any number.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(bytes.len() / 5);
    let mut at = 0;
    while at < bytes.len() {
        let from = at;
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 128;
        while at < bytes.len() && is_word(&bytes[at]) {
            at += 1;
        }
        if at > from {
            tokens.push(word(&bytes[from..at], from, at));
            continue;
        }
        if !matches!(bytes[at], b' ' | b'-' | b'\'' | b',' | b'/') {
            let hash = mix(mix(SEED, 1), bytes[at]);
            tokens.push(Token { hash, begins: hash, class: 0, from: place(at), to: place(at + 1) });
        }
        at += 1;
    }
    tokens
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The hash of a word, in which digits count as the letters that they look like.
pub(super) fn hash(word: &[u8]) -> u64 {
    // Nobody reads a word of more letters.
    word.iter().take(24).fold(SEED, |hash, byte| mix(hash, letter(*byte)))
}

const fn letter(byte: u8) -> u8 {
    match byte {
        b'0' => b'o',
        b'1' => b'i',
        b'3' => b'e',
        b'4' => b'a',
        b'5' => b's',
        b'7' => b't',
        other => other,
    }
}

fn word(bytes: &[u8], from: usize, to: usize) -> Token {
    let number = bytes.iter().all(u8::is_ascii_digit);
    let own = if number { mix(SEED, b'0') } else { hash(bytes) };
    let begins =
        bytes.iter().take(if number { 0 } else { 4 }).fold(mix(SEED, 2), |hash, byte| mix(hash, letter(*byte)));
    Token { hash: own, begins, class: class(own), from: place(from), to: place(to) }
}

/// The features that a word begins.
pub(super) fn features(tokens: &[Token], at: usize) -> [Option<usize>; EACH] {
    let one = tokens[at];
    let next = tokens.get(at + 1).map(|token| token.hash);
    let after = tokens.get(at + 2).map(|token| token.hash);
    let pair = |left: u64, right: u64, kind: u64| (left.rotate_left(21) ^ right).wrapping_mul(PRIME ^ kind << 48);
    let mut features = [None; EACH];
    features[..5].copy_from_slice(&[
        Some(bucket(one.hash)),
        Some(bucket(one.begins)),
        next.map(|next| bucket(pair(one.hash, next, 3))),
        after.map(|after| bucket(pair(one.hash, after, 5))),
        next.zip(after).map(|(next, after)| bucket(pair(pair(one.hash, next, 3), after, 7))),
    ]);
    if one.class > 0 {
        let own = u64::from(one.class);
        features[5] = Some(bucket(pair(own, 0, 9)));
        let near = tokens[at + 1..].iter().take(NEAR).map(|token| u64::from(token.class)).filter(|class| *class > 0);
        let mut last = None;
        for (slot, class) in features[6..].iter_mut().zip(near.take(3)) {
            *slot = Some(bucket(pair(own, class, 11)));
            last = last.or(Some(class));
        }
        let both =
            tokens[at + 1..].iter().take(NEAR).map(|token| u64::from(token.class)).filter(|class| *class > 0).nth(1);
        features[9] = last.zip(both).map(|(next, after)| bucket(pair(pair(own, next, 11), after, 13)));
    }
    features
}

const fn bucket(hash: u64) -> usize {
    ((hash ^ hash >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 45) as usize % BUCKETS
}

/// Some words that are judged together: which of them, and the odds that they are an order to a model, as a logarithm.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    pub(super) tokens: Range<usize>,
    pub(super) odds: f32,
}

/// Every window of some words.
pub(super) fn windows(tokens: &[Token], weights: &impl Weights) -> Vec<Window> {
    let blocks: Vec<f32> = (0..tokens.len().div_ceil(BLOCK))
        .map(|block| {
            let own = block * BLOCK..(block * BLOCK + BLOCK).min(tokens.len());
            own.flat_map(|at| features(tokens, at)).flatten().map(|feature| weights.weight(feature)).sum()
        })
        .collect();
    let of = |first: usize, together: usize| {
        let sum: f32 = blocks.iter().skip(first).take(together).sum();
        let words = first * BLOCK..((first + together) * BLOCK).min(tokens.len());
        Window { odds: weights.bias() + sum / norm(words.len()), tokens: words }
    };
    let all = |together: usize| {
        let many = blocks.len().saturating_sub(together - 1).max(usize::from(!blocks.is_empty()));
        (0..many).map(move |first| (first, together))
    };
    TOGETHER.into_iter().flat_map(all).map(|(first, together)| of(first, together)).collect()
}

/// What the sum of so many words is divided by: short texts must not weigh less only for that.
pub(super) fn norm(words: usize) -> f32 {
    #[allow(clippy::cast_precision_loss)]
    let words = words.max(8) as f32;
    words.sqrt()
}
