//! Whom a document is for: the order's contact under the best name there is, or the one customer of all orders.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    super::content::{Content, Customer},
    text,
};
use crate::config::{CustomerRule, Mapping};

/// A customer, before it is known in QuickBooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Buyer {
    /// The name it gets there.
    pub name: String,
    /// Mail address: it says who is who.
    pub email: Option<String>,
    /// First name.
    pub given_name: Option<String>,
    /// Last name.
    pub family_name: Option<String>,
}

impl Buyer {
    /// The names under which the customer may be kept, the plain one first; each of the others for when those before it
    /// belong to somebody else. `currency` is a foreign one.
    pub fn candidates(&self, currency: Option<&str>) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        tags.extend(currency.map(str::to_owned));
        if let Some(email) = self.email.as_ref().filter(|email| **email != self.name) {
            let short = if text::fits(email, 60) { email.clone() } else { fingerprint(email) };
            tags.push(currency.map_or_else(|| short.clone(), |code| format!("{short}, {code}")));
        }
        tags.push(currency.map_or_else(|| "customer".to_owned(), |code| format!("customer, {code}")));
        let tagged = tags.into_iter().map(|tag| text::tagged(&self.name, &tag));
        std::iter::once(self.name.clone()).chain(tagged).collect()
    }
}

/// The buyer of an order. What does not fit goes to `lost`.
pub(super) fn of(content: &Content, settings: &Mapping, lost: &mut Vec<String>) -> Option<Buyer> {
    if let CustomerRule::One(one) = &settings.customer {
        if let Some(contact) = content.customer.as_ref().and_then(full_name) {
            lost.push(format!("Customer: {contact}{}", address(content)));
        }
        let name = text::name(one);
        return Some(Buyer { name, email: None, given_name: None, family_name: None });
    }
    let customer = content.customer.as_ref()?;
    let email = mail_address(content);
    if email.is_none()
        && let Some(odd) = &customer.email
    {
        lost.push(format!("Email: {odd}"));
    }
    let full = full_name(customer)?;
    let name = text::name(&full);
    if !text::fits(&text::plain(&full), text::NAME_LENGTH) {
        lost.push(format!("Customer: {full}"));
    }
    let own = |name: &Option<String>| name.as_deref().map(text::name).filter(|name| !name.is_empty());
    Some(Buyer { name, email, given_name: own(&customer.given_name), family_name: own(&customer.family_name) })
}

/// The buyer's address, if it is one that QuickBooks can keep: a shortened one would be somebody else's.
pub(super) fn mail_address(content: &Content) -> Option<String> {
    let email = content.customer.as_ref()?.email.as_deref()?.trim();
    let (name, domain) = email.rsplit_once('@')?;
    let sound = !name.is_empty() && !domain.is_empty() && !email.contains(char::is_whitespace);
    (sound && text::fits(email, text::NAME_LENGTH)).then(|| email.to_owned())
}

/// The company they name, else their own name, else their address.
fn full_name(customer: &Customer) -> Option<String> {
    let own = [&customer.given_name, &customer.family_name].into_iter().flatten().map(|name| name.trim());
    let own = own.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ");
    let company = customer.company.clone().filter(|name| !text::plain(name).is_empty());
    let own = Some(own).filter(|own| !text::plain(own).is_empty());
    company.or(own).or_else(|| customer.email.clone()).filter(|name| !text::plain(name).is_empty())
}

fn address(content: &Content) -> String {
    mail_address(content).map(|email| format!(", {email}")).unwrap_or_default()
}

fn fingerprint(email: &str) -> String {
    let digest = Sha256::digest(email.to_lowercase().as_bytes());
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
