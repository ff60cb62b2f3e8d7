//! HubSpot's search: groups of filters, one sort, pages of at most 200 and never past the 10,000th.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::portal::{Portal, Record, Shelf};

/// Most results on a page.
const PAGE: usize = 200;
/// Most results that paging can reach.
const REACH: usize = 10_000;
/// Most filter groups, and most filters in one.
const GROUPS: (usize, usize) = (5, 6);
/// Longest body, in characters.
const BODY: usize = 3_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Search {
    #[serde(default)]
    filter_groups: Vec<Group>,
    #[serde(default)]
    sorts: Vec<Sort>,
    #[serde(default)]
    properties: Vec<String>,
    limit: Option<usize>,
    after: Option<Number>,
}

#[derive(Deserialize)]
struct Group {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    property_name: String,
    operator: String,
    value: Option<Number>,
    high_value: Option<Number>,
    #[serde(default)]
    values: Vec<Number>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Sort {
    Named(String),
    #[serde(rename_all = "camelCase")]
    Directed {
        property_name: String,
        direction: Option<String>,
    },
}

/// HubSpot takes numbers as text and as numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Whole(i64),
}

impl Number {
    fn text(&self) -> String {
        match self {
            Number::Text(text) => text.clone(),
            Number::Whole(number) => number.to_string(),
        }
    }
}

/// Runs a search over what is indexed by `seen_until`. A refusal is its message.
pub(super) fn run(portal: &Portal, shelf: Shelf, body: &str, seen_until: DateTime<Utc>) -> Result<Value, String> {
    if body.chars().count() > BODY {
        return Err(format!("The request body is too long. It can have at most {BODY} characters."));
    }
    let search: Search = serde_json::from_str(body).map_err(|e| format!("Invalid input JSON: {e}"))?;
    let (start, limit) = search.bounds()?;
    let indexed = portal.records(shelf).filter(|record| record.updated_at <= seen_until);
    let mut found = Vec::new();
    for record in indexed {
        if search.wants(record)? {
            found.push(record);
        }
    }
    search.sort(&mut found);
    let total = found.len();
    let page = found.into_iter().skip(start).take(limit);
    let results: Vec<_> = page.map(|record| record.shown(shelf, &search.properties)).collect();
    let next = start + results.len();
    let mut reply = json!({"total": total, "results": results});
    if next < total {
        reply["paging"] = json!({"next": {"after": next.to_string()}});
    }
    Ok(reply)
}

impl Search {
    fn bounds(&self) -> Result<(usize, usize), String> {
        if self.filter_groups.len() > GROUPS.0 || self.filter_groups.iter().any(|g| g.filters.len() > GROUPS.1) {
            let (groups, filters) = GROUPS;
            return Err(format!("A search takes at most {groups} filter groups of {filters} filters each."));
        }
        if self.sorts.len() > 1 {
            return Err("A search takes one sort.".to_owned());
        }
        let limit = self.limit.unwrap_or(10);
        if limit > PAGE {
            return Err(format!("Invalid limit {limit}: a page has at most {PAGE} results."));
        }
        let after = self.after.as_ref().map_or_else(|| "0".to_owned(), Number::text);
        let start: usize = after.parse().map_err(|_| format!("Invalid `after` cursor {after}."))?;
        if start + limit > REACH {
            return Err(format!("Paging through more than {REACH} results is not supported."));
        }
        Ok((start, limit))
    }

    fn wants(&self, record: &Record) -> Result<bool, String> {
        if self.filter_groups.is_empty() {
            return Ok(true);
        }
        for group in &self.filter_groups {
            let mut all = true;
            for filter in &group.filters {
                all &= filter.holds(record)?;
            }
            if all {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn sort(&self, found: &mut [&Record]) {
        let (property, descending) = match self.sorts.first() {
            None => return,
            Some(Sort::Named(name)) => (name, false),
            Some(Sort::Directed { property_name, direction }) => {
                (property_name, direction.as_deref() == Some("DESCENDING"))
            }
        };
        found.sort_by(|a, b| {
            let value = |record: &Record| record.properties.get(property).cloned().unwrap_or_default();
            let ordering = compare(&value(a), &value(b));
            if descending { ordering.reverse() } else { ordering }
        });
    }
}

impl Filter {
    fn holds(&self, record: &Record) -> Result<bool, String> {
        let property = record.properties.get(&self.property_name);
        match self.operator.as_str() {
            "HAS_PROPERTY" => return Ok(property.is_some()),
            "NOT_HAS_PROPERTY" => return Ok(property.is_none()),
            _ => (),
        }
        let given = |value: &Option<Number>, name: &str| {
            let value = value.as_ref().map(Number::text);
            value.ok_or_else(|| format!("The filter on {} lacks its `{name}`.", self.property_name))
        };
        let against = |wanted: &str| property.map(|value| compare(value, wanted));
        let is = |test: fn(Ordering) -> bool| Ok(against(&given(&self.value, "value")?).is_some_and(test));
        let among = || self.values.iter().any(|wanted| against(&wanted.text()).is_some_and(Ordering::is_eq));
        match self.operator.as_str() {
            "EQ" => is(Ordering::is_eq),
            "NEQ" => is(Ordering::is_ne),
            "GT" => is(Ordering::is_gt),
            "GTE" => is(Ordering::is_ge),
            "LT" => is(Ordering::is_lt),
            "LTE" => is(Ordering::is_le),
            "BETWEEN" => {
                let low = against(&given(&self.value, "value")?).is_some_and(Ordering::is_ge);
                Ok(low && against(&given(&self.high_value, "highValue")?).is_some_and(Ordering::is_le))
            }
            "IN" => Ok(among()),
            "NOT_IN" => Ok(property.is_some() && !among()),
            other => Err(format!("The sandbox does not know the operator {other}.")),
        }
    }
}

/// As times, where one side is written as a date; else as numbers; else as text in any case.
fn compare(left: &str, right: &str) -> Ordering {
    if (left.contains('T') || right.contains('T'))
        && let (Some(a), Some(b)) = (millis(left), millis(right))
    {
        return a.cmp(&b);
    }
    match (left.parse::<Decimal>(), right.parse::<Decimal>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => left.to_lowercase().cmp(&right.to_lowercase()),
    }
}

fn millis(text: &str) -> Option<i64> {
    let date = || DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis());
    text.parse().ok().or_else(date)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{super::portal::NewOrder, *};

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600, 0).unwrap()
    }

    fn ids(body: &Value) -> Result<Vec<String>, String> {
        let mut portal = Portal::new("fern.example");
        for minute in 0..5 {
            let order = NewOrder { name: format!("#{minute}"), ..NewOrder::default() };
            portal.place(order, start() + TimeDelta::minutes(minute));
        }
        let reply = run(&portal, Shelf::Orders, &body.to_string(), start() + TimeDelta::minutes(3))?;
        let results = reply["results"].as_array().cloned().unwrap_or_default();
        Ok(results.iter().map(|order| order["id"].as_str().unwrap_or_default().to_owned()).collect())
    }

    fn filtered(filter: Value) -> Vec<String> {
        ids(&json!({"filterGroups": [{"filters": [filter]}]})).unwrap()
    }

    #[test]
    fn dates_compare_as_epochs_and_as_text() {
        let since = (start() + TimeDelta::minutes(2)).timestamp_millis().to_string();
        let by = |operator: &str, value: &str| {
            filtered(json!({"propertyName": "hs_lastmodifieddate", "operator": operator, "value": value}))
        };
        assert_eq!(by("GTE", &since), ["33453", "33454"]);
        assert_eq!(by("GT", "2026-01-01T00:02:00Z"), ["33454"]);
        assert_eq!(by("LT", &since), ["33451", "33452"]);
    }

    #[test]
    fn ids_compare_as_numbers() {
        assert_eq!(filtered(json!({"propertyName": "hs_object_id", "operator": "GT", "value": "33453"})), ["33454"]);
        let between =
            json!({"propertyName": "hs_object_id", "operator": "BETWEEN", "value": 33452, "highValue": "33453"});
        assert_eq!(filtered(between), ["33452", "33453"]);
        assert_eq!(filtered(json!({"propertyName": "hs_object_id", "operator": "IN", "values": ["33451"]})), ["33451"]);
    }

    #[test]
    fn one_sort_and_a_cursor() {
        let sort = json!([{"propertyName": "hs_lastmodifieddate", "direction": "DESCENDING"}]);
        assert_eq!(ids(&json!({"sorts": sort, "limit": 2, "after": "1"})).unwrap(), ["33453", "33452"]);
    }

    #[test]
    fn the_limits_hold() {
        assert!(ids(&json!({"limit": 201})).is_err());
        assert!(ids(&json!({"limit": 200, "after": "9801"})).is_err());
        assert!(ids(&json!({"sorts": ["a", "b"]})).is_err());
        assert!(ids(&json!({"query": "x".repeat(3_000)})).is_err());
    }
}
