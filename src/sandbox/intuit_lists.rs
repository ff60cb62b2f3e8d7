//! What QuickBooks checks before it takes a customer or an item.

use serde_json::{Value, json};

use super::{
    books::{Books, Kind},
    intuit_fault::Fault,
};

/// Longest display name.
const CUSTOMER_NAME_LENGTH: usize = 500;
/// Longest item name.
const ITEM_NAME_LENGTH: usize = 100;

/// A customer that can be kept: it has a name of its own that QuickBooks can print.
pub(super) fn customer(books: &Books, mut sent: Value) -> Result<Value, Fault> {
    let parts = ["Title", "GivenName", "MiddleName", "FamilyName", "Suffix"];
    let parts: Vec<_> = parts.iter().filter_map(|part| sent[*part].as_str()).filter(|part| !part.is_empty()).collect();
    let display = sent["DisplayName"].as_str().map_or_else(|| parts.join(" "), str::to_owned);
    let display = display.trim().to_owned();
    if display.is_empty() {
        let detail = "Title, GivenName, MiddleName, FamilyName, DisplayName, Suffix - one of these must be non-empty";
        return Err(Fault::new("6080", "No Name Provided", detail));
    }
    printable("DisplayName", &display, CUSTOMER_NAME_LENGTH)?;
    unique(books, Kind::Customer, "DisplayName", &display, &sent["Id"])?;
    sent["FullyQualifiedName"] = json!(display);
    sent["PrintOnCheckName"] = json!(display);
    sent["DisplayName"] = json!(display);
    default(&mut sent, "Active", json!(true));
    default(&mut sent, "Balance", json!(0));
    default(&mut sent, "CurrencyRef", json!({"value": books.home_currency}));
    Ok(sent)
}

/// An item that can be kept: it has a name of its own and an income account to sell into.
pub(super) fn item(books: &Books, mut sent: Value) -> Result<Value, Fault> {
    let name = sent["Name"].as_str().unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        return Err(Fault::missing("Name"));
    }
    printable("Name", &name, ITEM_NAME_LENGTH)?;
    let kind = sent["Type"].as_str().unwrap_or("NonInventory").to_owned();
    if !["Service", "NonInventory", "Inventory"].contains(&kind.as_str()) {
        return Err(Fault::new("2170", "Invalid Enumeration", format!("Invalid Enumeration : {kind}")).at("Type"));
    }
    let Some(account) = sent["IncomeAccountRef"]["value"].as_str().map(str::to_owned) else {
        return Err(Fault::missing("IncomeAccountRef"));
    };
    let account =
        books.find(Kind::Account, &account).ok_or_else(|| Fault::bad_reference("IncomeAccountRef", &account))?;
    if account["AccountType"] != "Income" {
        return Err(Fault::business("The account that an item is sold into must be an income account."));
    }
    let account = account["Name"].clone();
    unique(books, Kind::Item, "Name", &name, &sent["Id"])?;
    sent["IncomeAccountRef"]["name"] = account;
    sent["Name"] = json!(name);
    sent["FullyQualifiedName"] = json!(name);
    sent["Type"] = json!(kind);
    default(&mut sent, "Active", json!(true));
    default(&mut sent, "Taxable", json!(false));
    default(&mut sent, "UnitPrice", json!(0));
    Ok(sent)
}

fn default(entity: &mut Value, key: &str, value: Value) {
    if entity[key].is_null() {
        entity[key] = value;
    }
}

fn printable(what: &'static str, name: &str, most: usize) -> Result<(), Fault> {
    let length = name.chars().count();
    if length > most {
        return Err(Fault::too_long(what, most, length));
    }
    if name.contains([':', '\t', '\n', '\r']) {
        let detail = format!("{what} cannot contain a colon, a tab or a new line.");
        return Err(Fault::business(&detail).at(what));
    }
    Ok(())
}

/// Names are compared without regard to case.
fn unique(books: &Books, kind: Kind, key: &str, name: &str, own_id: &Value) -> Result<(), Fault> {
    let same = |other: &&Value| other[key].as_str().is_some_and(|taken| taken.to_lowercase() == name.to_lowercase());
    match books.list(kind).iter().find(same) {
        Some(other) if other["Id"] != *own_id => Err(Fault::duplicate_name()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{super::ledger::Write, *};

    fn books() -> Books {
        Books::open("Fern & Fable", DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_name_is_unique_in_any_case() {
        let mut books = books();
        let ada = customer(&books, json!({"GivenName": "Ada", "FamilyName": "Lovelace"})).unwrap();
        assert_eq!(ada["DisplayName"], "Ada Lovelace");
        books.add(Kind::Customer, ada, Write::by_app(DateTime::UNIX_EPOCH, None));
        assert_eq!(customer(&books, json!({"DisplayName": "ada lovelace"})).unwrap_err().code, "6240");
    }

    #[test]
    fn a_name_that_cannot_be_printed_is_refused() {
        for name in ["a:b", "a\tb", "a\nb"] {
            assert_eq!(customer(&books(), json!({"DisplayName": name})).unwrap_err().code, "6000");
        }
        assert_eq!(customer(&books(), json!({"Notes": "nobody"})).unwrap_err().code, "6080");
    }

    #[test]
    fn an_item_is_sold_into_an_income_account() {
        let item = |account: &str| item(&books(), json!({"Name": "Tea", "IncomeAccountRef": {"value": account}}));
        assert!(item("2").is_ok());
        assert_eq!(item("3").unwrap_err().code, "6000");
        assert_eq!(item("99").unwrap_err().code, "2500");
    }
}
