//! Landlock: what the plan grants beneath paths inside, and nothing else, at the highest ABI there is.

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};
use plan::{Access, PathRule};

/// The lowest ABI under which a cell may start: scopes of signals and abstract sockets. What an older
/// kernel lacks is a missing boundary, which the operator accepts by name or not at all.
const REQUIRED: ABI = ABI::V6;
/// The highest that this build knows; rights beyond the kernel's are left out.
const HIGHEST: ABI = ABI::V7;

/// A ruleset that was built and waits to bind the calling thread.
pub(crate) struct Domain(RulesetCreated);

/// Landlock could not be built as the plan says.
pub(crate) type DomainError = RulesetError;

impl Domain {
    /// Builds the ruleset; paths that do not exist grant nothing.
    ///
    /// # Errors
    /// When the kernel lacks the required ABI, or refuses a rule.
    pub(crate) fn build(rules: &[PathRule]) -> Result<Domain, DomainError> {
        let mut created = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(REQUIRED))?
            .scope(Scope::from_all(REQUIRED))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(HIGHEST))?
            .create()?;
        for rule in rules {
            let Ok(beneath) = PathFd::new(&rule.at) else { continue };
            created = created.add_rule(PathBeneath::new(beneath, granted(rule.access)))?;
        }
        Ok(Domain(created))
    }

    /// Binds the calling thread and all that it will start.
    ///
    /// # Errors
    /// The kernel's, or when `no new privileges` was not set before.
    pub(crate) fn enter(self) -> Result<(), DomainError> {
        self.0.no_new_privs(false).restrict_self().map(drop)
    }
}

fn granted(access: Access) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match access {
        Access::Read => read,
        Access::Execute => read | AccessFs::Execute,
        // Everything but making device nodes, which no agent needs and no mount here would honour.
        Access::Write => AccessFs::from_all(HIGHEST) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev),
        Access::Device => read | AccessFs::WriteFile | AccessFs::IoctlDev,
    }
}
