//! As much of `OpenAPI` 3.0 as HubSpot's specifications use. A request may hold nothing that is not specified; a reply may, as
//! HubSpot's real ones do.

use chrono::DateTime;
use serde_json::{Map, Value};

/// A specification, or an excerpt of one.
pub(super) struct Specification(Value);

/// One path and method.
pub(super) struct Operation<'a> {
    whole: &'a Value,
    operation: &'a Value,
}

#[derive(Clone, Copy)]
enum Strictness {
    OnlyWhatIsSpecified,
    MoreIsFine,
}

impl Specification {
    pub(super) fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    /// Paths have places such as `{objectType}`.
    pub(super) fn operation(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        let fits = |template: &str| {
            let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
            let same = |(place, part): (&&str, &&str)| place.starts_with('{') || place == part;
            template.len() == path.len() && template.iter().zip(&path).all(same)
        };
        let paths = self.0["paths"].as_object()?;
        let operation = paths.iter().find(|(template, _)| fits(template))?.1.get(method)?;
        Some(Operation { whole: &self.0, operation })
    }
}

impl Operation<'_> {
    /// Everything that is wrong with a request.
    pub(super) fn request(&self, body: &Value) -> Vec<String> {
        match self.operation.pointer("/requestBody/content/application~1json/schema") {
            Some(schema) => self.wrong(schema, body, Strictness::OnlyWhatIsSpecified),
            None if body.is_null() => Vec::new(),
            None => vec!["it takes no body".to_owned()],
        }
    }

    /// Everything that is wrong with a reply. 207 has the form of 200: the specifications name it only in words.
    pub(super) fn reply(&self, status: u16, body: &Value) -> Vec<String> {
        let responses = &self.operation["responses"];
        let status = if status == 207 { 200 } else { status };
        let response = self.resolved(responses.get(status.to_string()).unwrap_or(&responses["default"]));
        let content = response["content"].as_object().expect("a reply has a content");
        let schema = &content.values().next().expect("of some type")["schema"];
        self.wrong(schema, body, Strictness::MoreIsFine)
    }

    fn wrong(&self, schema: &Value, value: &Value, strictness: Strictness) -> Vec<String> {
        let mut wrong = Vec::new();
        self.check(schema, value, "$", strictness, &mut wrong);
        wrong
    }

    fn resolved<'b>(&'b self, schema: &'b Value) -> &'b Value {
        match schema["$ref"].as_str() {
            Some(place) => {
                self.whole.pointer(place.trim_start_matches('#')).expect("the excerpt holds what it refers to")
            }
            None => schema,
        }
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, strictness: Strictness, wrong: &mut Vec<String>) {
        let schema = self.resolved(schema);
        if value.is_null() {
            if schema["nullable"] != true {
                wrong.push(format!("{at} is null"));
            }
            return;
        }
        match (schema["type"].as_str().expect("every schema has a type"), value) {
            // An object without properties of its own stands for anything at all.
            ("object", _) if is_open(schema) => {}
            ("object", Value::Object(fields)) => self.fields(schema, fields, at, strictness, wrong),
            ("array", Value::Array(items)) => {
                for (n, item) in items.iter().enumerate() {
                    self.check(&schema["items"], item, &format!("{at}[{n}]"), strictness, wrong);
                }
            }
            ("string", Value::String(text)) => {
                let good = match schema["format"].as_str() {
                    Some("date-time") => DateTime::parse_from_rfc3339(text).is_ok(),
                    Some("uuid") => uuid::Uuid::parse_str(text).is_ok(),
                    _ => schema["enum"].as_array().is_none_or(|words| words.contains(value)),
                };
                if !good {
                    wrong.push(format!("{at} is {text:?}, which is not as {schema}"));
                }
            }
            ("integer", Value::Number(number)) => {
                let small = schema["format"] != "int32" || number.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
                if number.is_f64() || !small {
                    wrong.push(format!("{at} is {number}, which is not as {schema}"));
                }
            }
            ("boolean", Value::Bool(_)) => {}
            (kind, _) => wrong.push(format!("{at} is {value}, not of the type {kind}")),
        }
    }

    fn fields(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        at: &str,
        strictness: Strictness,
        wrong: &mut Vec<String>,
    ) {
        for needed in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(needed) {
                wrong.push(format!("{at} lacks {needed}"));
            }
        }
        for (name, value) in fields {
            let at = format!("{at}.{name}");
            let named = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            match (named, strictness) {
                (Some(schema), _) => self.check(schema, value, &at, strictness, wrong),
                (None, Strictness::OnlyWhatIsSpecified) => wrong.push(format!("{at} is specified nowhere")),
                (None, Strictness::MoreIsFine) => {}
            }
        }
    }
}

fn is_open(schema: &Value) -> bool {
    schema["properties"].as_object().is_some_and(Map::is_empty) && schema.get("additionalProperties").is_none()
}

#[test]
fn what_is_not_as_specified_is_found() {
    let search = Specification::read(include_str!("../hubspot_openapi/orders.json"));
    let operation = search.operation("post", "/crm/objects/2026-09/orders/search").unwrap();
    let good = serde_json::json!({"filterGroups": [], "sorts": [], "properties": ["a"], "limit": 1, "after": "0"});
    assert_eq!(operation.request(&good), [] as [String; 0]);
    for (place, bad, words) in [
        ("/limit", serde_json::json!("1"), "$.limit is \"1\", not of the type integer"),
        ("/limit", serde_json::json!(4_000_000_000_u64), "$.limit is 4000000000"),
        ("/properties/0", serde_json::json!(7), "$.properties[0] is 7"),
        ("/after", Value::Null, "$.after is null"),
        ("/filterGroups", serde_json::json!([{"filters": [{"propertyName": "a", "operator": "IS"}]}]), "\"IS\""),
        ("/filterGroups", serde_json::json!([{}]), "lacks filters"),
    ] {
        let mut body = good.clone();
        *body.pointer_mut(place).unwrap() = bad;
        let wrong = operation.request(&body);
        assert!(wrong.len() == 1 && wrong[0].contains(words), "{wrong:?}");
    }
    let mut more = good.clone();
    more["page"] = Value::from(1);
    assert_eq!(operation.request(&more), ["$.page is specified nowhere"]);
    assert!(operation.reply(200, &serde_json::json!({"results": []})).contains(&"$ lacks total".to_owned()));
    assert!(search.operation("get", "/crm/objects/2026-09/orders/search").is_none());
}
