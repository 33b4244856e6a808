//! A permit is spent on addresses: a name may lead to any, and each is judged as if it had been asked for itself.

use std::net::{IpAddr, Ipv4Addr};

use super::{Permit, Pinned, Reason, Refusal};
use crate::{DnsName, Host, Request, Rule, special};

impl Permit<'_> {
    /// Spends the permit on the addresses that the name resolved to. One bad address refuses all: an answer
    /// that mixes public and private addresses is how rebinding looks.
    ///
    /// `host.bastide` pins 127.0.0.1, whatever was resolved.
    ///
    /// # Errors
    /// A [`Refusal`] when there is no address, one that a rule denies, one in a special range that not every
    /// policy names, one in a range that none can open, or one that is not the allowed address itself.
    pub fn pin(self, resolved: &[IpAddr]) -> Result<Pinned, Refusal> {
        let port = self.egress.port;
        if matches!(self.egress.host, Host::Name(name) if DnsName::is_host_bastide(name)) {
            return Ok(Pinned { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], port });
        }
        if resolved.is_empty() {
            return Err(Refusal::new(Reason::NoAddress, "", &self.egress, None));
        }
        resolved.iter().try_for_each(|&address| self.judge(address))?;
        Ok(Pinned { addresses: resolved.iter().map(IpAddr::to_canonical).collect(), port })
    }

    fn judge(&self, raw: IpAddr) -> Result<(), Refusal> {
        let (address, port) = (raw.to_canonical(), self.egress.port);
        if let Host::Address(allowed) = self.egress.host
            && allowed.to_canonical() != address
        {
            return Err(Refusal::new(Reason::OtherAddress, "", &self.egress, Some(address.to_string())));
        }
        // The raw form is judged: a resolver that answers in mapped form is already odd.
        let found = special(raw);
        for member in self.conjunction.members() {
            let name = &member.policy.name;
            // A name leads there on which no request is decided: what is said there would pass unread.
            if let (None, Some(rule)) = (self.egress.request, member.reader(&Host::Address(address), port)) {
                return Err(Refusal::new(Reason::ReadThere, name, &self.egress, Some(rule.to_string())));
            }
            // The same of a request that was not read as MCP, though the address names it so.
            let unread = |request: &Request| {
                request.message().is_none() && member.speaks(&Host::Address(address), port, request)
            };
            if self.egress.request.is_some_and(unread) {
                let rule = member.reader(&Host::Address(address), port).map(Rule::to_string);
                return Err(Refusal::new(Reason::ReadThere, name, &self.egress, rule));
            }
            if let Some(rule) = member.denial(&Host::Address(address), port, self.egress.request) {
                return Err(Refusal::new(Reason::DeniedByRule, name, &self.egress, Some(rule.to_string())));
            }
            if !member.leads(&self.egress, address) {
                return Err(Refusal::new(Reason::OtherAddress, name, &self.egress, Some(address.to_string())));
            }
            if let Some(found) = found
                && (found.range.is_closed() || !member.names(&self.egress, address, found))
            {
                return Err(Refusal::at(address, name, &self.egress, found));
            }
        }
        Ok(())
    }
}

impl Pinned {
    /// The addresses to connect to, in the resolver's order; never empty.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}
