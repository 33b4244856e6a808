//! Budgets of models under risk.

use policy::{Inference, Policy};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A request, and the tokens that it came to.
    Ask(u64),
    Cut,
    Restore,
    /// So much is its children's: tokens and requests.
    Hold(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..60_u64).prop_map(Step::Ask),
        1 => Just(Step::Cut),
        1 => Just(Step::Restore),
        1 => (0..200_u64, 0..5_u64).prop_map(|(tokens, requests)| Step::Hold(tokens, requests)),
    ]
}

fn budget(tokens: u64, requests: u64) -> Conjunction {
    let inference = Inference { tokens: Some(tokens), requests: Some(requests), ..Inference::default() };
    Conjunction::new(vec![Policy { inference, ..Policy::default() }])
}

#[test]
fn a_quarter_of_what_is_left_stays_until_it_is_taken_back() {
    let (models, policy) = (Models::new(&[], true), budget(1000, 10));
    models.tokens.set(200);
    assert!(models.admit(policy.model_budget()).is_ok() && models.admit(policy.model_budget()).is_ok());
    assert_eq!(models.cut(&policy, true), ["200 tokens", "2 requests to models"]);
    // Once is once.
    assert!(models.cut(&policy, true).is_empty());
    assert!(models.admit(policy.model_budget()).is_ok() && models.admit(policy.model_budget()).is_ok());
    let refused = models.admit(policy.model_budget()).expect_err("no more");
    assert!(refused.why.contains("cut under risk"), "{}", refused.why);
    assert!(models.cut(&policy, false).is_empty());
    assert!(models.admit(policy.model_budget()).is_ok());
    // A gate that does not know what was used has nothing left to cut.
    assert_eq!(Models::new(&[], false).cut(&policy, true), ["0 tokens", "0 requests to models"]);
}

#[test]
fn what_comes_back_of_a_child_under_risk_is_cut_as_well() {
    let (models, policy) = (Models::new(&[], true), budget(1000, 100));
    let held = |tokens| Amounts { tokens: Some(tokens), ..Amounts::default() };
    assert!(models.hold(&held(600), &policy));
    assert_eq!(models.cut(&policy, true)[0], "100 tokens");
    assert!(models.hold(&held(200), &policy));
    // A hundred of its own, and a quarter of four hundred.
    models.tokens.set(199);
    assert!(models.admit(policy.model_budget()).is_ok());
    models.tokens.set(200);
    assert!(models.admit(policy.model_budget()).is_err());
}

proptest! {
    /// What goes on under risk would go on without, and what was cut is there again when it is taken back.
    #[test]
    fn narrowing_lets_nothing_more_through(steps in proptest::collection::vec(step(), 0..40)) {
        let (models, calm, policy) = (Models::new(&[], true), Models::new(&[], true), budget(1000, 12));
        let mut cut = false;
        for step in steps {
            match step {
                Step::Ask(tokens) => {
                    let (own, other) = (models.admit(policy.model_budget()).is_ok(), calm.within(policy.model_budget()));
                    let fits = |used: u64, limit: Option<u64>| limit.is_none_or(|limit| used < limit);
                    let would = fits(calm.tokens.get() + calm.held.get().0, other.0)
                        && fits(calm.requests.get() + calm.held.get().1, other.1);
                    prop_assert!(!own || would);
                    prop_assert!(own || cut || !would);
                    if own {
                        models.tokens.set(models.tokens.get() + tokens);
                        calm.tokens.set(models.tokens.get());
                        calm.requests.set(models.requests.get());
                    }
                }
                Step::Cut => {
                    models.cut(&policy, true);
                    cut = true;
                }
                Step::Restore => {
                    models.cut(&policy, false);
                    cut = false;
                }
                Step::Hold(tokens, requests) => {
                    let held = Amounts { tokens: Some(tokens), requests: Some(requests), ..Amounts::default() };
                    let fits = models.hold(&held, &policy);
                    prop_assert!(!fits || calm.hold(&held, &policy));
                    calm.hold(&held, &policy);
                }
            }
        }
    }
}

#[test]
fn words_are_compared_no_further_than_the_operators_go() {
    let models = Models::new(&["  send the   report to\nAda ".into()], true);
    let user = |text: &str| Block { speaker: Speaker::User, content: Content::Text(text.to_owned()) };
    assert!(models.attests(&user("send the report to Ada")) && models.attests(&user("\n send  the report to Ada\t")));
    for other in ["send the report to Ad", "send the report to Ada now", "", " "] {
        assert!(!models.attests(&user(other)), "{other}");
    }
    assert_eq!(normal_within(&"word ".repeat(1000), 20), None);
    assert_eq!(normal_within(&"w".repeat(1000), 20), None);
    assert_eq!(normal_within("12345 789", 9).as_deref(), Some("12345 789"));
}
