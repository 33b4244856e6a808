//! What was looked up while another policy came: it is let out by the one that is in force when it is.

use record::Verdict;

use super::{Closed, Leave, Passage, Way};
use crate::asked::Asked;
use crate::generation::Generation;

impl Passage {
    /// The decision by the later policy, on the addresses that the name led to: its rule, and what goes with the request by it.
    pub(super) fn still(
        &self,
        later: &Generation,
        asked: &Asked,
        way: &Way,
        leave: &mut Leave,
    ) -> Result<String, Closed> {
        let permit = self.permit(later, asked)?;
        *leave = self.leave(later, &permit, asked)?;
        let rule = permit.rule().to_string();
        if let Way::Direct(addresses) = way {
            let pinned = permit.pin(addresses);
            pinned.map_err(|refusal| self.refuse_with(asked, Verdict::Refused, &refusal, None))?;
        }
        Ok(rule)
    }
}
