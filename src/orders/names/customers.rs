//! The customer of an order: by mail address, else by name, else a new one.

use super::{Asking, Known, Names, Trouble, all_taken, is_taken};
use crate::{
    orders::mapping::Buyer,
    provider::quickbooks::{KeptCustomer, NewCustomer},
    store::quickbooks_names::Kind,
};

/// What a customer is remembered by: the address if there is one, and the currency if it is a foreign one.
pub(super) fn key(buyer: &Buyer, foreign: Option<&str>) -> String {
    let who = buyer.email.as_ref().map_or_else(|| format!("name:{}", buyer.name), |email| email.to_lowercase());
    foreign.map_or_else(|| who.clone(), |code| format!("{who} in {code}"))
}

impl Names<'_> {
    /// The customer of an order, `foreign` if it is billed in a currency that is not the company's own.
    pub(in crate::orders) async fn customer(
        &mut self,
        buyer: &Buyer,
        home: Option<&str>,
        foreign: Option<&str>,
    ) -> Result<Known, Trouble> {
        let key = key(buyer, foreign);
        if let Some(id) = self.recalled(Kind::Customer, &key) {
            return Ok(Known::Remembered(id));
        }
        let Some(asking) = self.asking else { return Ok(Known::Unasked) };
        let known = self.ask_for_customer(asking, buyer, foreign.or(home), foreign).await?;
        if let Known::Found(id) | Known::Created(id) = &known {
            self.remember(Kind::Customer, &key, id).await?;
        }
        Ok(known)
    }

    async fn ask_for_customer(
        &self,
        asking: Asking<'_>,
        buyer: &Buyer,
        currency: Option<&str>,
        foreign: Option<&str>,
    ) -> Result<Known, Trouble> {
        let Asking { api, access, realm } = asking;
        if let Some(email) = &buyer.email {
            let found = api.customers_by_email(access, realm, email).await?;
            let mut fitting = found.into_iter().filter(|kept| is_meant(kept, buyer, currency)).collect::<Vec<_>>();
            fitting.sort_by_key(|kept| !same(&kept.name, &buyer.name));
            if let Some(kept) = fitting.into_iter().next() {
                return Ok(Known::Found(kept.id));
            }
        }
        let candidates = buyer.candidates(foreign);
        for (number, name) in candidates.iter().enumerate() {
            match api.customer_called(access, realm, name).await? {
                Some(kept) if is_meant(&kept, buyer, currency) => return Ok(Known::Found(kept.id)),
                // Another person.
                Some(_) => continue,
                None if !self.writes => return Ok(Known::Missing),
                None => {}
            }
            let new = NewCustomer {
                display_name: name.clone(),
                given_name: buyer.given_name.clone(),
                family_name: buyer.family_name.clone(),
                email: buyer.email.clone(),
            };
            let request = format!("{}-c{}", self.request_id, ["", "2", "3", "4"].get(number).unwrap_or(&"5"));
            match api.create_customer(access, realm, &new, foreign, &request).await {
                Ok(made) => return Ok(Known::Created(made.id)),
                // A vendor or an employee has it, or somebody inactive.
                Err(failure) if is_taken(&failure) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(all_taken("customer", &candidates))
    }
}

/// Whether a customer is the one that an order means: nothing that is known of both differs.
fn is_meant(kept: &KeptCustomer, buyer: &Buyer, currency: Option<&str>) -> bool {
    let billed_alike = match (kept.currency.as_deref(), currency) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => true,
    };
    let same_address = match (&kept.email, &buyer.email) {
        // QuickBooks keeps several in one field, with commas.
        (Some(theirs), Some(ours)) => theirs.split(',').any(|one| same(one, ours)),
        _ => true,
    };
    kept.active && billed_alike && same_address
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(email: Option<&str>, currency: &str, active: bool) -> KeptCustomer {
        let (email, currency) = (email.map(str::to_owned), Some(currency.to_owned()));
        KeptCustomer { id: "7".to_owned(), name: "Rae Reader".to_owned(), email, currency, active }
    }

    fn buyer(email: Option<&str>) -> Buyer {
        let email = email.map(str::to_owned);
        Buyer { name: "Rae Reader".to_owned(), email, given_name: None, family_name: None }
    }

    #[test]
    fn a_customer_of_the_same_name_may_be_somebody_else() {
        let rae = buyer(Some("rae@post.example"));
        let meant = |kept: KeptCustomer| is_meant(&kept, &rae, Some("USD"));
        assert!(meant(kept(Some("RAE@post.example"), "USD", true)));
        assert!(meant(kept(Some("office@post.example, rae@post.example"), "USD", true)));
        assert!(meant(kept(None, "USD", true)));
        assert!(!meant(kept(Some("other@post.example"), "USD", true)));
        assert!(!meant(kept(Some("rae@post.example"), "EUR", true)));
        assert!(!meant(kept(Some("rae@post.example"), "USD", false)));
        assert!(is_meant(&kept(Some("rae@post.example"), "USD", true), &buyer(None), None));
    }

    #[test]
    fn another_name_is_ready_for_when_one_is_taken() {
        let rae = buyer(Some("rae@post.example"));
        let expected = ["Rae Reader", "Rae Reader (rae@post.example)", "Rae Reader (customer)"];
        assert_eq!(rae.candidates(None), expected);
        let abroad = rae.candidates(Some("EUR"));
        assert_eq!(abroad[1..3], ["Rae Reader (EUR)", "Rae Reader (rae@post.example, EUR)"]);
        assert_eq!(buyer(None).candidates(None), ["Rae Reader", "Rae Reader (customer)"]);
        assert_ne!(key(&rae, None), key(&rae, Some("EUR")));
    }
}
