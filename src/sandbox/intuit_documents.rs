//! What QuickBooks checks before it takes a sales receipt, and how it adds it up.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    books::{Books, Kind, decimal, number},
    intuit_fault::Fault,
};

/// Longest document number.
const DOC_NUMBER_LENGTH: usize = 21;
/// Longest memo.
const NOTE_LENGTH: usize = 4_000;
/// Most lines.
const LINES: usize = 750;
/// The item that stands for a company's shipping charge without being in its list.
const SHIPPING_ITEM: &str = "SHIPPING_ITEM_ID";

/// A sales receipt that can be kept, with its total.
pub(super) fn check(books: &mut Books, mut sent: Value, allow_twice: bool, now: DateTime<Utc>) -> Result<Value, Fault> {
    let lines = sent["Line"].as_array().filter(|lines| !lines.is_empty()).ok_or_else(|| Fault::missing("Line"))?;
    if lines.len() > LINES {
        return Err(Fault::business("A transaction can have at most 750 lines."));
    }
    short("DocNumber", &sent["DocNumber"], DOC_NUMBER_LENGTH)?;
    short("PaymentRefNum", &sent["PaymentRefNum"], DOC_NUMBER_LENGTH)?;
    short("PrivateNote", &sent["PrivateNote"], NOTE_LENGTH)?;
    reference(books, Kind::Customer, "CustomerRef", &sent["CustomerRef"])?;
    reference(books, Kind::Account, "DepositToAccountRef", &sent["DepositToAccountRef"])?;
    if sent["CurrencyRef"]["value"].as_str().is_some_and(|currency| currency != "USD") {
        return Err(Fault::business("Multi Currency should be enabled to perform this operation."));
    }
    let day = dated(&sent["TxnDate"], now)?;
    if books.closed_through.is_some_and(|closed| day <= closed) {
        let detail = "Account Period Closed, Cannot Update Through Services : The account period has closed and the \
                      account books cannot be updated through the QBO Services API. Please use the QBO website to \
                      make these changes.";
        return Err(Fault::new("6210", "Account Period Closed, Cannot Update Through Services", detail));
    }
    let mut total = decimal(&sent["TxnTaxDetail"]["TotalTax"]).unwrap_or_default();
    for line in lines {
        total += line_amount(books, line)?;
    }
    match sent["DocNumber"].as_str().filter(|wanted| !wanted.is_empty()) {
        Some(wanted) if !allow_twice => unused(books, wanted, &sent["Id"])?,
        Some(_) => (),
        None => sent["DocNumber"] = json!(books.next_number()),
    }
    complete(books, &mut sent, day, total);
    Ok(sent)
}

/// A receipt with nothing left in it.
pub(super) fn voided(mut receipt: Value) -> Value {
    receipt["TotalAmt"] = json!(0);
    receipt["PrivateNote"] = json!("Voided");
    receipt["Line"] = json!([]);
    receipt
}

fn complete(books: &Books, receipt: &mut Value, day: NaiveDate, total: Decimal) {
    let customer = receipt["CustomerRef"]["value"].as_str().and_then(|id| books.find(Kind::Customer, id));
    if let Some(name) = customer.map(|customer| customer["DisplayName"].clone()) {
        receipt["CustomerRef"]["name"] = name;
    }
    if receipt["DepositToAccountRef"].is_null() {
        receipt["DepositToAccountRef"] = json!({"value": "3", "name": "Undeposited Funds"});
    }
    if let Some(lines) = receipt["Line"].as_array_mut() {
        for (index, line) in lines.iter_mut().enumerate() {
            line["Id"] = json!((index + 1).to_string());
            line["LineNum"] = json!(index + 1);
        }
    }
    receipt["TxnDate"] = json!(day.to_string());
    receipt["TotalAmt"] = number(total);
    receipt["Balance"] = json!(0);
    receipt["CurrencyRef"] = json!({"value": "USD", "name": "United States Dollar"});
}

/// What one line adds to the total.
fn line_amount(books: &Books, line: &Value) -> Result<Decimal, Fault> {
    let amount = decimal(&line["Amount"]);
    match line["DetailType"].as_str() {
        Some("SalesItemLineDetail") => {
            let amount = amount.ok_or_else(|| Fault::missing("Amount"))?;
            let detail = &line["SalesItemLineDetail"];
            if detail["ItemRef"]["value"] != SHIPPING_ITEM {
                reference(books, Kind::Item, "ItemRef", &detail["ItemRef"])?;
            }
            if let (Some(quantity), Some(price)) = (decimal(&detail["Qty"]), decimal(&detail["UnitPrice"]))
                && (quantity * price).round_dp(2) != amount.round_dp(2)
            {
                let detail = format!("Amount is not equal to UnitPrice * Qty. Supplied value:{amount}");
                return Err(Fault::new("6070", "Amount calculation incorrect in the request", detail).at("Line.Amount"));
            }
            Ok(amount)
        }
        Some("DiscountLineDetail") => Ok(-amount.ok_or_else(|| Fault::missing("Amount"))?),
        Some("SubTotalLineDetail" | "DescriptionOnly") => Ok(Decimal::ZERO),
        Some(other) => Err(Fault::new("2170", "Invalid Enumeration", format!("Invalid Enumeration : {other}"))),
        None => Err(Fault::missing("DetailType")),
    }
}

/// A reference may be left out, but what it names must be there.
fn reference(books: &Books, kind: Kind, what: &'static str, reference: &Value) -> Result<(), Fault> {
    match reference["value"].as_str() {
        Some(id) if books.find(kind, id).is_none() => Err(Fault::bad_reference(what, id)),
        _ => Ok(()),
    }
}

fn short(what: &'static str, text: &Value, most: usize) -> Result<(), Fault> {
    let length = text.as_str().map_or(0, |text| text.chars().count());
    if length > most { Err(Fault::too_long(what, most, length)) } else { Ok(()) }
}

fn dated(date: &Value, now: DateTime<Utc>) -> Result<NaiveDate, Fault> {
    match date.as_str() {
        None => Ok(now.date_naive()),
        Some(text) => text.parse().map_err(|_| {
            Fault::new("2030", "Invalid date", format!("Invalid date : {text} is not of the form YYYY-MM-DD"))
                .at("TxnDate")
        }),
    }
}

fn unused(books: &Books, wanted: &str, own_id: &Value) -> Result<(), Fault> {
    let taken = |other: &&Value| other["DocNumber"] == wanted && other["Id"] != *own_id;
    let Some(other) = books.list(Kind::SalesReceipt).iter().find(taken) else {
        return Ok(());
    };
    let detail = format!(
        "Duplicate Document Number Error : You must specify a different number. This number has already been used. \
         DocNumber={wanted} is assigned to TxnType=Sales Receipt with TxnId={}",
        other["Id"].as_str().unwrap_or_default()
    );
    Err(Fault::new("6140", "Duplicate Document Number Error", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl Fn(&mut Value)) -> &'static str {
        let mut books = Books::open("Fern & Fable", DateTime::UNIX_EPOCH);
        books.closed_through = NaiveDate::from_ymd_opt(2020, 12, 31);
        let first = check(&mut books, receipt(), false, DateTime::UNIX_EPOCH).unwrap();
        books.add(Kind::SalesReceipt, first, None, DateTime::UNIX_EPOCH);
        let mut second = receipt();
        second["DocNumber"] = json!("HS-2");
        change(&mut second);
        check(&mut books, second, false, DateTime::UNIX_EPOCH).map_or_else(|fault| fault.code, |_| "taken")
    }

    fn receipt() -> Value {
        json!({"DocNumber": "HS-1", "TxnDate": "2026-01-09", "TxnTaxDetail": {"TotalTax": 1.1}, "Line": [
            {"Amount": 10.2, "DetailType": "SalesItemLineDetail",
             "SalesItemLineDetail": {"ItemRef": {"value": "4"}, "Qty": 3, "UnitPrice": 3.4}},
            {"Amount": 0.3, "DetailType": "DiscountLineDetail"},
        ]})
    }

    #[test]
    fn the_total_is_exact() {
        let mut books = Books::open("Fern & Fable", DateTime::UNIX_EPOCH);
        let kept = check(&mut books, receipt(), false, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(kept["TotalAmt"].to_string(), "11.0");
    }

    #[test]
    fn each_fault_has_its_code() {
        assert_eq!(refused(|_| ()), "taken");
        assert_eq!(refused(|r| r["DocNumber"] = json!("HS-1")), "6140");
        assert_eq!(refused(|r| r["DocNumber"] = json!("x".repeat(22))), "2050");
        assert_eq!(refused(|r| r["Line"] = json!([])), "2020");
        assert_eq!(refused(|r| r["Line"][0]["Amount"] = json!(10)), "6070");
        assert_eq!(refused(|r| r["Line"][0]["SalesItemLineDetail"]["ItemRef"]["value"] = json!("77")), "2500");
        assert_eq!(refused(|r| r["CustomerRef"] = json!({"value": "77"})), "2500");
        assert_eq!(refused(|r| r["TxnDate"] = json!("2020-12-31")), "6210");
        assert_eq!(refused(|r| r["CurrencyRef"] = json!({"value": "EUR"})), "6000");
    }
}
