//! What is left of a rule's bytes under risk.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Take(u64),
    Cut,
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![(0..400_u64).prop_map(Step::Take), Just(Step::Cut), Just(Step::Restore)]
}

proptest! {
    /// However often it is cut and taken back: never more is let out than without any risk, and all that was not used is there
    /// again.
    #[test]
    fn what_is_cut_is_never_more_and_comes_back(steps in proptest::collection::vec(step(), 0..40)) {
        let bounds = policy::Bounds { budget: Some(1000), ..policy::Bounds::default() };
        let (mut used, mut taken) = (Used::new(&bounds, true), 0_u64);
        for step in steps {
            let before = used.left.unwrap_or(0);
            match step {
                Step::Take(bytes) if bytes <= before => {
                    used.left = Some(before - bytes);
                    taken += bytes;
                }
                Step::Take(_) => {}
                Step::Cut => {
                    used.cut();
                    prop_assert_eq!(used.left, Some(before / 4));
                }
                Step::Restore => {
                    used.restore();
                    prop_assert_eq!(used.left, Some(1000 - taken));
                }
            }
            prop_assert!(used.left.unwrap_or(0) + taken <= 1000);
        }
    }
}
