use proptest::prelude::*;

use super::*;
use crate::Policy;

fn money(text: &str) -> Money {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn an_amount_has_one_form() {
    for (text, micros, again) in [
        ("5 USD", 5_000_000, "5 USD"),
        ("0 USD", 0, "0 USD"),
        ("0.30 USD", 300_000, "0.3 USD"),
        ("0.000001 EUR", 1, "0.000001 EUR"),
        ("999999999999.999999 CHF", 999_999_999_999_999_999, "999999999999.999999 CHF"),
    ] {
        let read = money(text);
        assert_eq!((read.micros, read.to_string().as_str()), (micros, again));
    }
    let bad = [
        "5",
        "5USD",
        "USD 5",
        "$5",
        "5 usd",
        "5  USD",
        "5 USD ",
        " 5 USD",
        "-5 USD",
        "+5 USD",
        "05 USD",
        "00 USD",
        ".5 USD",
        "5. USD",
        "5.0000001 USD",
        "5,5 USD",
        "1_000 USD",
        "1e3 USD",
        "5 US",
        "5 USDT",
        "5 ÜSD",
        "1000000000000 USD",
        "",
        "٥ USD",
        "0x5 USD",
        "5\u{a0}USD",
        "5.5.5 USD",
        "5.-5 USD",
    ];
    assert!(bad.iter().all(|text| text.parse::<Money>().is_err()));
}

#[test]
fn costs_are_rounded_up_and_end_at_what_can_be_counted() {
    let price = Price { input: 3_000_000, output: 15_000_000, cached: 300_000, written: 3_750_000 };
    let used = |input, cached, written, output| Used { input, cached, written, output };
    for (tokens, micros) in [
        (used(0, 0, 0, 0), 0),
        (used(1_000_000, 0, 0, 0), 3_000_000),
        (used(1, 0, 0, 1), 18),
        (used(1, 1, 0, 0), 1),
        (used(1000, 600, 300, 10), 300 + 180 + 1125 + 150),
        // A provider that counts more of the cache than of all.
        (used(10, 99, 99, 0), 3),
        (used(u64::MAX, 0, 0, u64::MAX), u64::MAX),
    ] {
        assert_eq!(price.cost(&tokens), micros, "{tokens:?}");
    }
    assert_eq!(Price { input: 1, ..Price::default() }.cost(&used(1, 0, 0, 0)), 1);
    assert_eq!(Price::default().cost(&used(u64::MAX, 0, 0, u64::MAX)), 0);
    assert_eq!(Price { input: u64::MAX, output: u64::MAX, ..price }.most(u64::MAX, u64::MAX), u64::MAX);
}

proptest! {
    #[test]
    fn what_is_written_reads_back(micros in 0u64..1_000_000_000_000_000_000) {
        let amount = Money { micros, currency: "USD".parse().expect("a currency") };
        prop_assert_eq!(amount.to_string().parse::<Money>(), Ok(amount));
    }

    #[test]
    fn the_most_is_never_less_than_what_it_costs(
        prices in prop::array::uniform4(0u64..100_000_000),
        bytes in 0u64..40_000_000,
        parts in prop::array::uniform3(0u64..40_000_000),
        output in 0u64..1_000_000,
    ) {
        let [input, output_price, cached, written] = prices;
        let price = Price { input, output: output_price, cached, written };
        let used = Used { input: parts[0].min(bytes), cached: parts[1], written: parts[2], output };
        prop_assert!(price.cost(&used) <= price.most(bytes, output));
        prop_assert!(price.likely(bytes, output) <= price.most(bytes, output));
    }
}

fn policy(budget: Option<&str>, prices: &[(&str, Option<&str>, &str)]) -> Policy {
    let mut policy = Policy::default();
    policy.inference.money = budget.map(money);
    policy.inference.prices = prices
        .iter()
        .map(|(models, provider, each)| {
            let Money { micros, currency } = money(each);
            let price = Price { input: micros, output: 5 * micros, cached: micros, written: 2 * micros };
            let models = vec![ValuePattern::parse(models).expect("a pattern")];
            Pricing { models, provider: provider.map(str::to_owned), currency, price }
        })
        .collect();
    policy
}

#[test]
fn the_first_price_counts_and_of_several_policies_the_dearest() {
    let own =
        policy(Some("5 USD"), &[("gpt-*", Some("far"), "2 USD"), ("gpt-*", None, "1 USD"), ("free", None, "0 USD")]);
    let alone = Conjunction::new(vec![own.clone()]);
    let input = |policies: &Conjunction, provider: &str, model: &str| {
        policies.tariff(provider, model).map(|tariff| tariff.map(|tariff| (tariff.price.input, tariff.limit)))
    };
    assert_eq!(input(&alone, "near", "gpt-5"), Ok(Some((1_000_000, Some(5_000_000)))));
    assert_eq!(input(&alone, "far", "gpt-5"), Ok(Some((2_000_000, Some(5_000_000)))));
    assert_eq!(input(&alone, "near", "free"), Ok(Some((0, Some(5_000_000)))));
    let unpriced = input(&alone, "near", "other`\n").expect_err("no price").to_string();
    assert!(unpriced.contains("the model `other` has no price") && unpriced.contains("5 USD"), "{unpriced}");
    // A ceiling's budget is counted by no less than its own prices.
    let ceiling = policy(Some("3 USD"), &[("*", None, "4 USD")]);
    let both = Conjunction::new(vec![ceiling, own.clone()]);
    assert_eq!(input(&both, "near", "free"), Ok(Some((4_000_000, Some(3_000_000)))));
    assert!(input(&both, "near", "other").is_err(), "the other policy does not price it");
    // Who bounds nothing need not say what anything costs.
    let lenient = Conjunction::new(vec![Policy::default(), own.clone()]);
    assert_eq!(input(&lenient, "near", "gpt-5"), Ok(Some((1_000_000, Some(5_000_000)))));
    assert_eq!(input(&Conjunction::new(vec![Policy::default()]), "near", "gpt-5"), Ok(None));
    let euros = Conjunction::new(vec![policy(None, &[("*", None, "1 EUR")]), own]);
    assert!(input(&euros, "near", "gpt-5").expect_err("mixed").to_string().contains("EUR and in USD"));
}
