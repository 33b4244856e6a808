//! What models cost, and how much a session may spend. Whole millionths of a currency: no fraction is ever lost, and
//! every cost is rounded up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Conjunction, ValuePattern, print};

/// Millionths in one.
const ONE: u64 = 1_000_000;
/// Tokens that a price is for.
const MANY: u128 = 1_000_000;
/// Digits before the point.
const DIGITS: usize = 12;
/// Tokens that a provider may add to what it is asked: how tools are used, where turns end.
const ASIDE: u64 = 1024;
/// Bytes of a token, in most texts and programs.
const USUAL: u64 = 3;

/// Three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// An amount, written `5 USD` or `0.25 EUR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Money {
    /// Millionths of the currency.
    pub micros: u64,
    /// The currency.
    pub currency: Currency,
}

/// The text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no amount of money")]
pub struct NoMoney;

/// What a million tokens cost, in millionths of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Price {
    /// Tokens that are asked, for the first time.
    pub input: u64,
    /// Tokens that are answered, thoughts among them.
    pub output: u64,
    /// Tokens that are read from a cache.
    pub cached: u64,
    /// Tokens that are written into one.
    pub written: u64,
}

/// What some models cost.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pricing {
    /// Names of models as their provider has them.
    pub models: Vec<ValuePattern>,
    /// Where that provider serves them; none is all.
    pub provider: Option<String>,
    /// In which currency.
    pub currency: Currency,
    /// How much.
    pub price: Price,
}

/// Tokens of one request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// All that were asked.
    pub input: u64,
    /// Of these, read from a cache.
    pub cached: u64,
    /// Of these, written into one.
    pub written: u64,
    /// All that were answered.
    pub output: u64,
}

/// What one model costs in a session, and how much that may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tariff {
    /// The currency of both.
    pub currency: Currency,
    /// By the dearest that any policy says.
    pub price: Price,
    /// The least that any policy allows; none is no bound.
    pub limit: Option<u64>,
}

/// Why a model may not be asked where money counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTariff {
    /// Nothing says what it costs.
    #[error(
        "the model `{model}` has no price, and the session may spend {limit}; hint: the operator adds {{models: [\"{model}\"], input: 3 USD, output: 15 USD}} with its prices per million tokens under `inference.prices`, 0 where it is free"
    )]
    Unpriced {
        /// As its provider has it.
        model: String,
        /// How much may be spent.
        limit: Money,
    },
    /// Two policies count in different currencies.
    #[error(
        "the session's policies count money in {0} and in {1}; hint: the operator writes `budget.money` and `prices` of all of them in one currency"
    )]
    Mixed(Currency, Currency),
}

impl Currency {
    /// Its letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only capital letters come in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = NoMoney;

    fn from_str(text: &str) -> Result<Currency, NoMoney> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| NoMoney)?;
        if letters.iter().all(u8::is_ascii_uppercase) { Ok(Currency(letters)) } else { Err(NoMoney) }
    }
}

impl TryFrom<String> for Currency {
    type Error = NoMoney;

    fn try_from(text: String) -> Result<Currency, NoMoney> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Money {
    type Err = NoMoney;

    /// Digits, perhaps a point and up to six more, one space, the currency. One amount has few spellings: no sign, no
    /// leading zero, no separator within the digits.
    fn from_str(text: &str) -> Result<Money, NoMoney> {
        let (amount, currency) = text.split_once(' ').ok_or(NoMoney)?;
        let (whole, part) = match amount.split_once('.') {
            Some((whole, part)) if (1..=6).contains(&part.len()) => (whole, part),
            Some(_) => return Err(NoMoney),
            None => (amount, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let plain = whole == "0" || !whole.starts_with('0') && (1..=DIGITS).contains(&whole.len());
        if !plain || !digits(whole) || !digits(part) {
            return Err(NoMoney);
        }
        let number = |text: &str| text.parse::<u64>().map_err(|_| NoMoney);
        let micros = number(whole)? * ONE + number(&format!("{part:0<6}"))?;
        Ok(Money { micros, currency: currency.parse()? })
    }
}

impl fmt::Display for Money {
    /// As it is written, without zeros at the end.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.micros / ONE, self.micros % ONE);
        let digits = format!("{part:06}");
        match digits.trim_end_matches('0') {
            "" => write!(formatter, "{whole} {}", self.currency),
            part => write!(formatter, "{whole}.{part} {}", self.currency),
        }
    }
}

impl Price {
    /// What tokens cost, rounded up. More than can be counted counts as that.
    #[must_use]
    pub fn cost(&self, used: &Used) -> u64 {
        let cached = used.cached.min(used.input);
        let written = used.written.min(used.input - cached);
        let fresh = used.input - cached - written;
        let each = [(fresh, self.input), (cached, self.cached), (written, self.written), (used.output, self.output)];
        let sum = each.iter().map(|&(tokens, price)| u128::from(tokens) * u128::from(price));
        let sum = sum.fold(0, u128::saturating_add);
        u64::try_from(sum.div_ceil(MANY)).unwrap_or(u64::MAX)
    }

    /// The most that a request of so many bytes can cost, and an answer of so many tokens: a token is a byte at least, and
    /// each may be of the dearest kind.
    #[must_use]
    pub fn most(&self, bytes: u64, output: u64) -> u64 {
        let dearest = Price { input: self.input.max(self.cached).max(self.written), ..*self };
        dearest.cost(&Used { input: bytes.saturating_add(ASIDE), output, ..Used::default() })
    }

    /// What they cost, if a token of the request is [`USUAL`] bytes, as in most texts.
    #[must_use]
    pub fn likely(&self, bytes: u64, output: u64) -> u64 {
        self.cost(&Used { input: (bytes / USUAL).saturating_add(ASIDE), output, ..Used::default() })
    }

    /// In each part the dearer of two.
    fn or_dearer(self, other: Price) -> Price {
        Price {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cached: self.cached.max(other.cached),
            written: self.written.max(other.written),
        }
    }
}

impl Pricing {
    fn takes(&self, provider: &str, model: &str) -> bool {
        let served = self.provider.as_deref().is_none_or(|own| own == provider);
        served && self.models.iter().any(|pattern| pattern.takes(model.as_bytes()))
    }
}

impl Conjunction {
    /// What a model costs, as its provider has it; none where nothing says so and nothing bounds it.
    ///
    /// # Errors
    /// [`NoTariff`]: a policy has a budget of money and no price for this model, or policies count in two currencies.
    pub fn tariff(&self, provider: &str, model: &str) -> Result<Option<Tariff>, NoTariff> {
        let mut found: Option<Tariff> = None;
        for policy in self.policies() {
            let pricing = policy.inference.prices.iter().find(|pricing| pricing.takes(provider, model));
            let limit = policy.inference.money;
            let Some(pricing) = pricing else {
                match limit {
                    Some(limit) => return Err(NoTariff::Unpriced { model: shown(model), limit }),
                    None => continue,
                }
            };
            let (currency, limit) = (pricing.currency, limit.map(|limit| limit.micros));
            found = Some(match found {
                None => Tariff { currency, price: pricing.price, limit },
                Some(other) if other.currency != currency => {
                    return Err(NoTariff::Mixed(other.currency, currency));
                }
                Some(other) => Tariff {
                    currency,
                    price: other.price.or_dearer(pricing.price),
                    limit: other.limit.into_iter().chain(limit).min(),
                },
            });
        }
        Ok(found)
    }
}

/// A name of the agent's, for a message.
fn shown(model: &str) -> String {
    model.chars().filter(|letter| letter.is_ascii_graphic() && !matches!(letter, '`' | '"' | '\\')).take(64).collect()
}

impl fmt::Display for Pricing {
    /// As it stands in a policy.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let models: Vec<String> = self.models.iter().map(|model| print::quoted(model.as_str())).collect();
        write!(formatter, "{{models: [{}]", models.join(", "))?;
        if let Some(provider) = &self.provider {
            write!(formatter, ", provider: {}", print::quoted(provider))?;
        }
        let Price { input, output, cached, written } = self.price;
        for (key, micros) in [("input", input), ("output", output), ("cached", cached), ("written", written)] {
            write!(formatter, ", {key}: {}", Money { micros, currency: self.currency })?;
        }
        formatter.write_str("}")
    }
}

#[cfg(test)]
mod tests;
