//! What the two mails about parked orders share: how an order that waits for a person is described.

use super::letter::Section;
use crate::words;

/// The most characters of a provider's message that are repeated.
const MESSAGE_LENGTH: usize = 240;

/// An order that waits for a person.
#[derive(Clone, Copy, Debug)]
pub struct ParkedOrder<'a> {
    /// What people call it.
    pub name: &'a str,
    /// Whose it is.
    pub account: &'a str,
    /// The provider's code.
    pub code: Option<&'a str>,
    /// What the provider said, or what we found.
    pub message: &'a str,
    /// What a person can do.
    pub remedy: &'a str,
}

impl ParkedOrder<'_> {
    /// With the account, for whoever looks after many; without it for its owner.
    pub(super) fn said(&self, with_account: bool) -> String {
        let name = words::name(self.name);
        let whose = if with_account { format!("{name} of {}", words::name(self.account)) } else { name };
        let code = self.code.map(|code| format!(" (code {})", words::name(code))).unwrap_or_default();
        let message = words::line(self.message, MESSAGE_LENGTH);
        let remedy = words::capitalised(&words::line(self.remedy, MESSAGE_LENGTH));
        format!("{whose}: “{}”{code}. {}.", message.trim_end_matches('.'), remedy.trim_end_matches('.'))
    }
}

/// The orders, the latest first, of which there may be more than are named.
pub(super) fn section(title: &'static str, orders: &[ParkedOrder<'_>], total: u64, with_account: bool) -> Section {
    let mut paragraphs: Vec<_> = orders.iter().map(|order| order.said(with_account)).collect();
    match total.saturating_sub(orders.len() as u64) {
        0 => {}
        more => paragraphs.push(format!("And {} more.", words::number(more))),
    }
    Section::new(title, paragraphs)
}
