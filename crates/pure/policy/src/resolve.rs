//! Whether a name may resolve at all, before a port or a program is known.

use crate::{Conjunction, Default, DnsName, HostPattern, Outcome, Policy, Rule, Target};

/// The best that any connection to this name could come to, on any port, by any program.
///
/// [`Outcome::Deny`] means that [`crate::decide`] refuses every such connection. The other two promise nothing: each
/// connection is decided by itself.
#[must_use]
pub fn may_resolve(conjunction: &Conjunction, name: &DnsName) -> Outcome {
    let members: Vec<Named<'_>> = conjunction.policies().map(|policy| Named::new(policy, name)).collect();
    // Ports that no rule names are all alike, so one of them stands for the rest.
    let named: Vec<u16> = members.iter().flat_map(Named::ports).collect();
    let other = (1..=u16::MAX).find(|port| !named.contains(port));
    let at = |port: u16| members.iter().map(|member| member.at(name, port)).min();
    named.into_iter().chain(other).filter_map(at).max().unwrap_or(Outcome::Deny)
}

/// The rules of one policy that mean this name on some port.
struct Named<'a> {
    allow: Vec<&'a Rule>,
    deny: Vec<&'a Rule>,
    default: Default,
}

impl<'a> Named<'a> {
    fn new(policy: &'a Policy, name: &DnsName) -> Named<'a> {
        let exact = HostPattern::Exact(name.clone());
        let of = |rules: &'a [Rule]| rules.iter().filter(|rule| rule.to.host.covers(&exact)).collect();
        let network = &policy.network;
        Named { allow: of(&network.allow), deny: of(&network.deny), default: network.default }
    }

    fn ports(&self) -> impl Iterator<Item = u16> {
        self.allow.iter().chain(&self.deny).filter_map(|rule| rule.to.port)
    }

    fn at(&self, name: &DnsName, port: u16) -> Outcome {
        let target = Target { host: HostPattern::Exact(name.clone()), port: Some(port) };
        if self.deny.iter().any(|rule| !rule.is_about_requests() && rule.to.covers(&target)) {
            Outcome::Deny
        } else if self.allow.iter().any(|rule| rule.to.opens(&target)) {
            Outcome::Allow
        } else {
            match self.default {
                Default::Deny => Outcome::Deny,
                Default::Ask => Outcome::Ask,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], deny: &[&str], default: Default) -> Policy {
        let rules =
            |texts: &[&str]| texts.iter().map(|text| Rule::to(Target::parse(text).expect("a target"))).collect();
        let mut policy = Policy::default();
        policy.network.allow = rules(allow);
        policy.network.deny = rules(deny);
        policy.network.default = default;
        policy
    }

    fn outcome(policies: Vec<Policy>, name: &str) -> Outcome {
        may_resolve(&Conjunction::new(policies), &DnsName::parse(name).expect("a name"))
    }

    #[test]
    fn a_name_resolves_where_some_port_may_be_reached() {
        for (allow, deny, name, expected) in [
            (&["a.example:443"][..], &[][..], "a.example", Outcome::Allow),
            (&["*.example"], &[], "a.example", Outcome::Allow),
            (&["*.example"], &[], "example", Outcome::Deny),
            (&["a.example"], &["a.example:80"], "a.example", Outcome::Allow),
            (&["a.example:80"], &["a.example:80"], "a.example", Outcome::Deny),
            (&["a.example:80"], &["*.example"], "a.example", Outcome::Deny),
            (&["10.0.0.0/8", "192.0.2.1"], &[], "a.example", Outcome::Deny),
            (&["*.bastide"], &[], "host.bastide", Outcome::Deny),
            (&["host.bastide:8080"], &[], "host.bastide", Outcome::Allow),
            (&["host.bastide:8080"], &["*.bastide"], "host.bastide", Outcome::Deny),
            (&["host.bastide:8080"], &["*.bastide:8080"], "host.bastide", Outcome::Deny),
            (&["host.bastide:8080"], &["*.bastide:80"], "host.bastide", Outcome::Allow),
        ] {
            assert_eq!(outcome(vec![policy(allow, deny, Default::Deny)], name), expected, "{allow:?} {deny:?} {name}");
        }
    }

    #[test]
    fn an_unnamed_name_is_asked_for_unless_it_is_denied() {
        assert_eq!(outcome(vec![policy(&[], &[], Default::Ask)], "a.example"), Outcome::Ask);
        assert_eq!(outcome(vec![policy(&[], &["a.example"], Default::Ask)], "a.example"), Outcome::Deny);
        assert_eq!(outcome(vec![policy(&[], &["a.example:80"], Default::Ask)], "a.example"), Outcome::Ask);
    }

    #[test]
    fn members_must_allow_the_same_port() {
        let one = policy(&["a.example:80"], &[], Default::Deny);
        let other = policy(&["a.example:443"], &[], Default::Deny);
        assert_eq!(outcome(vec![one.clone(), other], "a.example"), Outcome::Deny);
        assert_eq!(outcome(vec![one.clone(), policy(&["a.example"], &[], Default::Deny)], "a.example"), Outcome::Allow);
        assert_eq!(outcome(vec![one, policy(&[], &[], Default::Ask)], "a.example"), Outcome::Ask);
        assert_eq!(outcome(Vec::new(), "a.example"), Outcome::Deny);
    }
}
