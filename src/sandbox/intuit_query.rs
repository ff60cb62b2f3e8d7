//! The part of QuickBooks' query language that clients use: one entity, conditions joined by `and`, a page.
//!
//! `select *|count(*)|a, b from Entity [where p op 'v' and ..] [orderby p [asc|desc]] [startposition n] [maxresults m]`

mod words;

use std::cmp::Ordering;

use chrono::DateTime;
use serde_json::{Map, Value, json};

use self::words::{Words, unparsable};
use super::{
    books::{Kind, decimal},
    intuit_fault::Fault,
};

/// Entities on a page unless the query says otherwise, and at most.
const PAGE: (usize, usize) = (100, 1_000);

/// What each entity can be searched by, beside what all have.
fn properties(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Account => &["Name", "FullyQualifiedName", "AccountType", "AccountSubType", "Classification", "Active"],
        Kind::Customer => &[
            "DisplayName",
            "GivenName",
            "MiddleName",
            "FamilyName",
            "CompanyName",
            "FullyQualifiedName",
            "PrintOnCheckName",
            "PrimaryEmailAddr",
            "Active",
            "Balance",
        ],
        Kind::Item => &["Name", "FullyQualifiedName", "Sku", "Type", "Active", "UnitPrice"],
        Kind::Invoice => &["DocNumber", "TxnDate", "DueDate", "TotalAmt", "Balance", "CustomerRef"],
        Kind::SalesReceipt | Kind::RefundReceipt => {
            &["DocNumber", "TxnDate", "TotalAmt", "Balance", "CustomerRef", "PaymentRefNum"]
        }
    }
}

/// What all of them have.
const SHARED: [&str; 3] = ["Id", "MetaData.CreateTime", "MetaData.LastUpdatedTime"];

/// Runs one statement; the answer is the inside of `QueryResponse`.
pub(super) fn run<'a>(statement: &str, list: impl Fn(Kind) -> &'a [Value]) -> Result<Value, Fault> {
    let query = Query::parse(statement)?;
    let wanted = |entity: &&Value| query.conditions.iter().all(|condition| condition.holds(entity));
    let mut found: Vec<_> = list(query.kind).iter().filter(wanted).collect();
    if query.columns.iter().any(|column| column.eq_ignore_ascii_case("count(*)")) {
        return Ok(json!({"totalCount": found.len()}));
    }
    if let Some((property, descending)) = &query.order {
        found.sort_by(|a, b| {
            let ordering = compare(property_of(a, property), property_of(b, property));
            if *descending { ordering.reverse() } else { ordering }
        });
    }
    let page: Vec<_> = found.into_iter().skip(query.start - 1).take(query.most).map(|e| query.project(e)).collect();
    if page.is_empty() {
        return Ok(json!({}));
    }
    Ok(json!({query.kind.name(): page, "startPosition": query.start, "maxResults": page.len()}))
}

struct Query {
    columns: Vec<String>,
    kind: Kind,
    conditions: Vec<Condition>,
    order: Option<(String, bool)>,
    start: usize,
    most: usize,
}

struct Condition {
    property: String,
    operator: String,
    values: Vec<String>,
}

impl Query {
    fn parse(statement: &str) -> Result<Self, Fault> {
        let mut words = Words::read(statement)?;
        words.expect("select")?;
        let mut columns = vec![words.plain()?];
        while words.take(",") {
            columns.push(words.plain()?);
        }
        words.expect("from")?;
        let entity = words.plain()?;
        let kind = Kind::named(&entity)
            .ok_or_else(|| invalid(format!("QueryValidationError: Entity {entity} is not supported")))?;
        let mut query = Self { columns, kind, conditions: Vec::new(), order: None, start: 1, most: PAGE.0 };
        if words.take("where") {
            query.conditions.push(query.condition(&mut words)?);
            while words.take("and") {
                query.conditions.push(query.condition(&mut words)?);
            }
        }
        if words.take("orderby") || (words.take("order") && words.take("by")) {
            let property = query.property(&mut words)?;
            let ascending = words.take("asc");
            query.order = Some((property, !ascending && words.take("desc")));
        }
        loop {
            if words.take("startposition") {
                query.start = words.count()?.max(1);
            } else if words.take("maxresults") {
                query.most = words.count()?.min(PAGE.1);
            } else {
                return words.end().map(|()| query);
            }
        }
    }

    fn property(&self, words: &mut Words) -> Result<String, Fault> {
        let name = words.plain()?;
        let known = SHARED.iter().chain(properties(self.kind)).find(|known| known.eq_ignore_ascii_case(&name));
        known.map(|known| (*known).to_owned()).ok_or_else(|| {
            invalid(format!("QueryValidationError: Property {name} not found for Entity {}", self.kind.name()))
        })
    }

    fn condition(&self, words: &mut Words) -> Result<Condition, Fault> {
        let property = self.property(words)?;
        let operator = words.plain()?.to_lowercase();
        if !["=", "<", ">", "<=", ">=", "like", "in"].contains(&operator.as_str()) {
            return Err(unparsable(&operator));
        }
        let mut values = Vec::new();
        if operator == "in" {
            words.expect("(")?;
            values.push(words.value()?);
            while words.take(",") {
                values.push(words.value()?);
            }
            words.expect(")")?;
        } else {
            values.push(words.value()?);
        }
        Ok(Condition { property, operator, values })
    }

    fn project(&self, entity: &Value) -> Value {
        if self.columns == ["*"] {
            return entity.clone();
        }
        let kept = ["domain", "sparse"].into_iter().chain(self.columns.iter().map(String::as_str));
        let kept = kept.filter_map(|column| {
            let top = column.split('.').next()?;
            let (key, value) = entity.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(top))?;
            Some((key.clone(), value.clone()))
        });
        Value::Object(kept.collect::<Map<_, _>>())
    }
}

impl Condition {
    fn holds(&self, entity: &Value) -> bool {
        let value = property_of(entity, &self.property);
        let against = |wanted: &String| compare(value, &Value::String(wanted.clone()));
        let first = || self.values.first().map_or(Ordering::Less, against);
        if value.is_null() {
            return false;
        }
        match self.operator.as_str() {
            "=" => first().is_eq(),
            "<" => first().is_lt(),
            ">" => first().is_gt(),
            "<=" => first().is_le(),
            ">=" => first().is_ge(),
            "in" => self.values.iter().any(|wanted| against(wanted).is_eq()),
            _ => self.values.first().is_some_and(|pattern| like(&text(value).to_lowercase(), &pattern.to_lowercase())),
        }
    }
}

fn property_of<'a>(entity: &'a Value, path: &str) -> &'a Value {
    let found = path.split('.').fold(entity, |value, step| &value[step]);
    // A reference is compared by its id, an address by its text.
    ["value", "Address"].iter().map(|inner| &found[*inner]).find(|inner| !inner.is_null()).unwrap_or(found)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// As times, as numbers, or as text in any case: whichever both sides can be.
fn compare(left: &Value, right: &Value) -> Ordering {
    let (a, b) = (text(left), text(right));
    if let (Ok(a), Ok(b)) = (DateTime::parse_from_rfc3339(&a), DateTime::parse_from_rfc3339(&b)) {
        return a.cmp(&b);
    }
    if let (Some(a), Some(b)) = (decimal(left), decimal(right)) {
        return a.cmp(&b);
    }
    a.to_lowercase().cmp(&b.to_lowercase())
}

/// `%` stands for anything.
fn like(text: &str, pattern: &str) -> bool {
    match pattern.split_once('%') {
        None => text == pattern,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            let starts = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
            starts.into_iter().any(|at| like(&tail[at..], rest))
        }),
    }
}

fn invalid(detail: String) -> Fault {
    Fault::new("4001", "Invalid query", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(statement: &str) -> Result<Vec<String>, &'static str> {
        let customers = [
            json!({"Id": "1", "DisplayName": "King's Groceries", "Balance": 9, "PrimaryEmailAddr": {"Address": "k@x.io"}}),
            json!({"Id": "2", "DisplayName": "Ada, Ltd", "Balance": 10}),
            json!({"Id": "3", "DisplayName": "Adele", "Balance": 11}),
        ];
        let reply = run(statement, |_| &customers).map_err(|fault| fault.code)?;
        let ids = reply["Customer"].as_array().cloned().unwrap_or_default();
        Ok(ids.iter().map(|entity| text(&entity["Id"])).collect())
    }

    #[test]
    fn conditions_select() {
        assert_eq!(found(r"select * from Customer where DisplayName = 'King\'s Groceries'").unwrap(), ["1"]);
        assert_eq!(found("select * from customer where DisplayName like 'ad%'").unwrap(), ["2", "3"]);
        assert_eq!(found("SELECT Id FROM Customer WHERE Balance >= '10' AND DisplayName='adele'").unwrap(), ["3"]);
        assert_eq!(found("select * from Customer where PrimaryEmailAddr = 'k@x.io'").unwrap(), ["1"]);
        assert_eq!(found("select * from Customer where Id in ('1', '3')").unwrap(), ["1", "3"]);
    }

    #[test]
    fn pages_and_order() {
        let page = "select * from Customer orderby Balance desc startposition 2 maxresults 1";
        assert_eq!(found(page).unwrap(), ["2"]);
        assert_eq!(run("select count(*) from Item", |_| &[]).unwrap()["totalCount"], 0);
    }

    #[test]
    fn what_it_does_not_understand_it_says() {
        assert_eq!(found("select * from SalesReceipt where PrivateNote = 'x'").unwrap_err(), "4001");
        assert_eq!(found("select * from Customer where DisplayName = 'King's'").unwrap_err(), "4000");
        assert_eq!(found("select * from Customer where Id = '1' or Id = '2'").unwrap_err(), "4000");
        assert_eq!(found("").unwrap_err(), "4000");
    }
}
