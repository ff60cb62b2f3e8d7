//! The one shape of an order from elsewhere: what may stand in it, and nothing else. The document of the API is made of it.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{decimal::Amount, flag};

/// An order as a cart knows it. Amounts are decimals as text or as numbers, never with an exponent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CartOrder, example = json!({
    "external_id": "1001", "placed_at": "2026-01-09T14:30:00Z", "currency": "USD", "total": "25.49", "tax": "1.49",
    "shipping": "4.00", "customer": {"email": "rae@post.example", "first_name": "Rae", "last_name": "Reader"},
    "lines": [{"name": "Field guide", "sku": "GUIDE-1", "quantity": 2, "price": "10.00"}],
}))]
pub struct Order {
    /// Its id at its source.
    #[schema(min_length = 1, max_length = 200)]
    pub(super) external_id: String,
    /// The cart's name; `api` if absent.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,39}$")]
    pub(super) source: Option<String>,
    /// What people call it; its id if absent.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// A day, or a time with its zone.
    pub(super) placed_at: String,
    /// Three letters.
    #[schema(example = "USD")]
    pub(super) currency: String,
    /// What it comes to.
    pub(super) total: Amount,
    /// The tax in it.
    #[serde(default)]
    pub(super) tax: Option<Amount>,
    /// The shipping in it.
    #[serde(default)]
    pub(super) shipping: Option<Amount>,
    /// The discount on the whole of it.
    #[serde(default)]
    pub(super) discount: Option<Amount>,
    /// Whether prices hold the tax; if absent the total tells.
    #[serde(default, deserialize_with = "flag::read")]
    pub(super) tax_included: Option<bool>,
    /// What one unit of its currency is worth in the company's own.
    #[serde(default)]
    pub(super) exchange_rate: Option<Amount>,
    /// Whether it is paid.
    #[serde(default, deserialize_with = "flag::read")]
    pub(super) paid: Option<bool>,
    /// How much of the money went back, over all.
    #[serde(default)]
    pub(super) refunded: Option<Amount>,
    /// Whether it was called off.
    #[serde(default, deserialize_with = "flag::read")]
    pub(super) cancelled: Option<bool>,
    /// Who bought.
    #[serde(default)]
    pub(super) customer: Option<Buyer>,
    /// What was bought.
    #[schema(max_items = 1000)]
    pub(super) lines: Vec<Item>,
}

/// Who bought.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CartCustomer)]
pub(super) struct Buyer {
    /// Their address.
    #[serde(default)]
    pub(super) email: Option<String>,
    /// Their first name.
    #[serde(default)]
    pub(super) first_name: Option<String>,
    /// Their last name.
    #[serde(default)]
    pub(super) last_name: Option<String>,
    /// Their company.
    #[serde(default)]
    pub(super) company: Option<String>,
}

/// A line of an order, with `price` or with `amount`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CartLine)]
pub(super) struct Item {
    /// What was bought.
    pub(super) name: String,
    /// Its number.
    #[serde(default)]
    pub(super) sku: Option<String>,
    /// How many; 1 if absent.
    #[serde(default)]
    pub(super) quantity: Option<Amount>,
    /// What one of them comes to.
    #[serde(default)]
    pub(super) price: Option<Amount>,
    /// What the whole line comes to, less discounts.
    #[serde(default)]
    pub(super) amount: Option<Amount>,
    /// More words.
    #[serde(default)]
    pub(super) description: Option<String>,
}
