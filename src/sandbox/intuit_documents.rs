//! What QuickBooks checks before it takes a sales receipt, an invoice or a refund receipt, and how it adds it up.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    books::{Books, Kind, decimal, number},
    intuit_fault::Fault,
};

/// Most lines.
const LINES: usize = 750;
/// The item that stands for a company's shipping charge without being in its list.
const SHIPPING_ITEM: &str = "SHIPPING_ITEM_ID";

/// A document that can be kept, with its total.
pub(super) fn check(
    books: &mut Books,
    kind: Kind,
    mut sent: Value,
    allow_twice: bool,
    now: DateTime<Utc>,
) -> Result<Value, Fault> {
    let lines = sent["Line"].as_array().filter(|lines| !lines.is_empty()).ok_or_else(|| Fault::missing("Line"))?;
    if lines.len() > LINES {
        return Err(Fault::business("A transaction can have at most 750 lines."));
    }
    needed(kind, &sent)?;
    reference(books, Kind::Customer, "CustomerRef", &sent["CustomerRef"])?;
    reference(books, Kind::Account, "DepositToAccountRef", &sent["DepositToAccountRef"])?;
    in_its_money(books, &sent)?;
    taxed(books, &sent)?;
    let day = dated("TxnDate", &sent["TxnDate"], now)?;
    dated("DueDate", &sent["DueDate"], now)?;
    open_on(books, day)?;
    let mut total = decimal(&sent["TxnTaxDetail"]["TotalTax"]).unwrap_or_default();
    for line in lines {
        total += line_amount(books, line)?;
    }
    if total < Decimal::ZERO {
        return Err(Fault::business("The transaction amount must be 0 or greater."));
    }
    match sent["DocNumber"].as_str().filter(|wanted| !wanted.is_empty()) {
        Some(wanted) if !allow_twice => unused(books, wanted, &sent["Id"])?,
        Some(_) => (),
        None => sent["DocNumber"] = json!(books.next_number()),
    }
    complete(books, kind, &mut sent, day, total);
    Ok(sent)
}

/// A document with nothing left on it: it keeps its number, its lines and what its note said.
pub(super) fn voided(mut document: Value) -> Value {
    let note = document["PrivateNote"].as_str().map_or_else(|| "Voided".to_owned(), |note| format!("Voided - {note}"));
    document["PrivateNote"] = json!(note);
    for line in document["Line"].as_array_mut().into_iter().flatten() {
        line["Amount"] = json!(0);
        if let Some(detail) = line["SalesItemLineDetail"].as_object_mut() {
            detail.insert("Qty".to_owned(), json!(0));
            detail.remove("UnitPrice");
        }
    }
    if document["TxnTaxDetail"].is_object() {
        document["TxnTaxDetail"] = json!({"TotalTax": 0});
    }
    document["TotalAmt"] = json!(0);
    document["Balance"] = json!(0);
    document
}

/// Nothing that is dated in a closed period can be written.
pub(super) fn open_on(books: &Books, day: NaiveDate) -> Result<(), Fault> {
    if books.closed_through.is_none_or(|closed| day > closed) {
        return Ok(());
    }
    let detail = "Account Period Closed, Cannot Update Through Services : The account period has closed and the \
                  account books cannot be updated through the QBO Services API. Please use the QBO website to \
                  make these changes.";
    Err(Fault::new("6210", "Account Period Closed, Cannot Update Through Services", detail))
}

/// What a kind cannot be without.
fn needed(kind: Kind, sent: &Value) -> Result<(), Fault> {
    let what = match kind {
        Kind::Invoice => "CustomerRef",
        Kind::RefundReceipt => "DepositToAccountRef",
        Kind::SalesReceipt | Kind::Account | Kind::Customer | Kind::Item => return Ok(()),
    };
    sent[what]["value"].as_str().map(drop).ok_or_else(|| Fault::missing(what))
}

fn in_its_money(books: &Books, sent: &Value) -> Result<(), Fault> {
    let currency = sent["CurrencyRef"]["value"].as_str();
    match (books.several_currencies, currency) {
        (true, None) => Err(Fault::missing("CurrencyRef")),
        (true, Some(code)) if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            Err(Fault::bad_reference("CurrencyRef", code))
        }
        (true, Some(_)) => Ok(()),
        (false, Some(code)) if code != books.home_currency => {
            Err(Fault::business("Multi Currency should be enabled to perform this operation."))
        }
        (false, _) => Ok(()),
    }
}

/// In the US a line is taxed or not; elsewhere it has a tax code of the company, and the document says how they count.
fn taxed(books: &Books, sent: &Value) -> Result<(), Fault> {
    let abroad = books.country != "US";
    match sent["GlobalTaxCalculation"].as_str() {
        Some("TaxExcluded" | "TaxInclusive" | "NotApplicable") => (),
        Some(other) => {
            let detail = format!("Invalid Enumeration : {other}");
            return Err(Fault::new("2170", "Invalid Enumeration", detail).at("GlobalTaxCalculation"));
        }
        None if abroad => return Err(Fault::missing("GlobalTaxCalculation")),
        None => (),
    }
    let codes = sent["Line"].as_array().into_iter().flatten();
    for code in codes.filter_map(|line| line["SalesItemLineDetail"]["TaxCodeRef"]["value"].as_str()) {
        if abroad == ["TAX", "NON"].contains(&code) {
            return Err(Fault::bad_reference("TaxCodeRef", code));
        }
    }
    Ok(())
}

fn complete(books: &Books, kind: Kind, document: &mut Value, day: NaiveDate, total: Decimal) {
    let customer = document["CustomerRef"]["value"].as_str().and_then(|id| books.find(Kind::Customer, id));
    if let Some(name) = customer.map(|customer| customer["DisplayName"].clone()) {
        document["CustomerRef"]["name"] = name;
    }
    if kind == Kind::SalesReceipt && document["DepositToAccountRef"].is_null() {
        document["DepositToAccountRef"] = json!({"value": "3", "name": "Undeposited Funds"});
    }
    if let Some(lines) = document["Line"].as_array_mut() {
        for (index, line) in lines.iter_mut().enumerate() {
            line["Id"] = json!((index + 1).to_string());
            line["LineNum"] = json!(index + 1);
        }
    }
    document["TxnDate"] = json!(day.to_string());
    document["TotalAmt"] = number(total);
    document["Balance"] = if kind == Kind::Invoice { number(total) } else { json!(0) };
    if document["CurrencyRef"]["value"].is_null() {
        document["CurrencyRef"] = json!({"value": books.home_currency});
    }
    if books.several_currencies {
        let rate = decimal(&document["ExchangeRate"]).unwrap_or(Decimal::ONE);
        document["ExchangeRate"] = number(rate);
        document["HomeTotalAmt"] = number((total * rate).round_dp(2));
    }
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

fn dated(what: &'static str, date: &Value, now: DateTime<Utc>) -> Result<NaiveDate, Fault> {
    match date.as_str() {
        None => Ok(now.date_naive()),
        Some(text) => text.parse().map_err(|_| {
            Fault::new("2030", "Invalid date", format!("Invalid date : {text} is not of the form YYYY-MM-DD")).at(what)
        }),
    }
}

/// All kinds share one row of numbers.
fn unused(books: &Books, wanted: &str, own_id: &Value) -> Result<(), Fault> {
    let taken = |other: &&Value| other["DocNumber"] == wanted && other["Id"] != *own_id;
    let of_kind = |kind: &Kind| Some((*kind, books.list(*kind).iter().find(taken)?));
    let Some((kind, other)) = Kind::DOCUMENTS.iter().find_map(of_kind) else {
        return Ok(());
    };
    let detail = format!(
        "Duplicate Document Number Error : You must specify a different number. This number has already been used. \
         DocNumber={wanted} is assigned to TxnType={} with TxnId={}",
        kind.title(),
        other["Id"].as_str().unwrap_or_default()
    );
    Err(Fault::new("6140", "Duplicate Document Number Error", detail))
}

#[cfg(test)]
mod tests {
    use super::{super::ledger::Write, *};

    fn refused_as(kind: Kind, set: impl Fn(&mut Books), change: impl Fn(&mut Value)) -> &'static str {
        let mut books = Books::open("Fern & Fable", DateTime::UNIX_EPOCH);
        books.closed_through = NaiveDate::from_ymd_opt(2020, 12, 31);
        let first = check(&mut books, Kind::SalesReceipt, receipt(), false, DateTime::UNIX_EPOCH).unwrap();
        books.add(Kind::SalesReceipt, first, Write::by_app(DateTime::UNIX_EPOCH, None));
        set(&mut books);
        let mut second = receipt();
        second["DocNumber"] = json!("HS-2");
        change(&mut second);
        check(&mut books, kind, second, false, DateTime::UNIX_EPOCH).map_or_else(|fault| fault.code, |_| "taken")
    }

    fn refused(change: impl Fn(&mut Value)) -> &'static str {
        refused_as(Kind::SalesReceipt, |_| (), change)
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
        let kept = check(&mut books, Kind::SalesReceipt, receipt(), false, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(kept["TotalAmt"].to_string(), "11.0");
        let void = voided(kept);
        assert_eq!(
            (&void["TotalAmt"], &void["PrivateNote"], &void["DocNumber"]),
            (&json!(0), &json!("Voided"), &json!("HS-1"))
        );
        assert_eq!(void["Line"][0]["Amount"], 0);
    }

    #[test]
    fn each_fault_has_its_code() {
        assert_eq!(refused(|_| ()), "taken");
        assert_eq!(refused(|r| r["DocNumber"] = json!("HS-1")), "6140");
        assert_eq!(refused(|r| r["Line"] = json!([])), "2020");
        assert_eq!(refused(|r| r["Line"][0]["Amount"] = json!(10)), "6070");
        assert_eq!(refused(|r| r["Line"][0]["SalesItemLineDetail"]["ItemRef"]["value"] = json!("77")), "2500");
        assert_eq!(refused(|r| r["Line"][1]["Amount"] = json!(99)), "6000");
        assert_eq!(refused(|r| r["CustomerRef"] = json!({"value": "77"})), "2500");
        assert_eq!(refused(|r| r["TxnDate"] = json!("2020-12-31")), "6210");
        assert_eq!(refused(|r| r["CurrencyRef"] = json!({"value": "EUR"})), "6000");
        assert_eq!(refused(|r| r["GlobalTaxCalculation"] = json!("TaxesExcluded")), "2170");
        assert_eq!(refused(|r| r["Line"][0]["SalesItemLineDetail"]["TaxCodeRef"] = json!({"value": "7"})), "2500");
    }

    #[test]
    fn each_kind_needs_its_own() {
        let account = |r: &mut Value| r["DepositToAccountRef"] = json!({"value": "3"});
        assert_eq!(refused_as(Kind::Invoice, |_| (), |_| ()), "2020");
        assert_eq!(refused_as(Kind::RefundReceipt, |_| (), |_| ()), "2020");
        assert_eq!(refused_as(Kind::RefundReceipt, |_| (), account), "taken");
        let same_number = |r: &mut Value| {
            account(r);
            r["DocNumber"] = json!("HS-1");
        };
        assert_eq!(refused_as(Kind::RefundReceipt, |_| (), same_number), "6140", "kinds share their numbers");
    }

    #[test]
    fn money_and_tax_follow_the_company() {
        let euro = |r: &mut Value| r["CurrencyRef"] = json!({"value": "EUR"});
        let several = |books: &mut Books| books.several_currencies = true;
        assert_eq!(refused_as(Kind::SalesReceipt, several, |_| ()), "2020");
        assert_eq!(refused_as(Kind::SalesReceipt, several, euro), "taken");
        assert_eq!(refused_as(Kind::SalesReceipt, several, |r| r["CurrencyRef"] = json!({"value": "euro"})), "2500");
        assert_eq!(refused_as(Kind::SalesReceipt, |books| books.home_currency = "EUR".into(), euro), "taken");
        let abroad = |books: &mut Books| books.country = "CA".into();
        let code = |code: &'static str| {
            move |r: &mut Value| {
                r["GlobalTaxCalculation"] = json!("TaxExcluded");
                r["Line"][0]["SalesItemLineDetail"]["TaxCodeRef"] = json!({"value": code});
            }
        };
        assert_eq!(refused_as(Kind::SalesReceipt, abroad, |_| ()), "2020");
        assert_eq!(refused_as(Kind::SalesReceipt, abroad, code("TAX")), "2500");
        assert_eq!(refused_as(Kind::SalesReceipt, abroad, code("5")), "taken");
    }
}
