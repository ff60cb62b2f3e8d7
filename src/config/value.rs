//! The value of one key, and how text from outside becomes one.
//!
//! The default of a key decides its kind: a file must hold that kind, and the text of an environment variable or a flag
//! is read as that kind. Invariant: a value given by a person is never repeated in a fault, for it may be a secret.

use toml::de::{DeTable, DeValue};

use super::problem::{Fault, Place};

/// A value as TOML knows it, as far as the keys need it. Has no `Debug`, because it may hold a secret.
#[derive(Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<String>),
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

impl Value {
    /// Reads what a TOML document holds, if it is of the kind of `like`.
    pub(super) fn from_toml(found: &DeValue<'_>, like: &Value) -> Result<Self, Fault> {
        let value = match (Self::of_any_kind(found), like) {
            (Some(Value::Integer(number)), Value::Float(_)) => Some(Value::Float(number as f64)),
            (Some(value), _) if value.kind() == like.kind() => Some(value),
            _ => None,
        };
        value.ok_or_else(|| Fault::new(format!("expected {}, found {}", like.kind(), kind_of(found)), like.advice()))
    }

    /// Reads a leaf of a TOML document for what it is.
    pub(super) fn of_any_kind(found: &DeValue<'_>) -> Option<Self> {
        match found {
            DeValue::String(text) => Some(Value::Text(text.clone().into_owned())),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Integer),
            DeValue::Float(number) => number.as_str().parse().ok().map(Value::Float),
            DeValue::Boolean(yes) => Some(Value::Boolean(*yes)),
            DeValue::Array(items) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .map(Value::List),
            DeValue::Datetime(_) | DeValue::Table(_) => None,
        }
    }

    /// Reads the text of an environment variable or a flag as the kind of `like`.
    pub(super) fn from_text(text: &str, like: &Value) -> Result<Self, Fault> {
        let trimmed = text.trim();
        let value = match like {
            Value::Text(_) => Some(Value::Text(text.to_owned())),
            Value::Integer(_) => trimmed.parse().ok().map(Value::Integer),
            Value::Float(_) => trimmed.parse().ok().map(Value::Float),
            Value::Boolean(_) => trimmed.parse().ok().map(Value::Boolean),
            Value::List(_) if trimmed.starts_with('[') => toml_list(trimmed),
            Value::List(_) => Some(Value::List(comma_list(trimmed))),
        };
        value.ok_or_else(|| Fault::new(format!("is not {}", like.kind()), like.advice()))
    }

    /// As TOML, for showing.
    pub(super) fn to_toml(&self) -> toml::Value {
        match self {
            Value::Text(text) => text.clone().into(),
            Value::Integer(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::Boolean(yes) => (*yes).into(),
            Value::List(items) => items.clone().into(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "text in quotes",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list of texts",
        }
    }

    fn advice(&self) -> String {
        match self {
            Value::Text(default) if default.is_empty() => "write it in double quotes".to_owned(),
            default => format!("write it like the default, {}", default.to_toml()),
        }
    }
}

fn kind_of(found: &DeValue<'_>) -> &'static str {
    match found {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list of something else",
        DeValue::Table(_) => "a section",
    }
}

fn toml_list(text: &str) -> Option<Value> {
    let document = format!("list = {text}");
    let table = DeTable::parse(&document).ok()?;
    Value::of_any_kind(table.get_ref().get("list")?.get_ref())
}

fn comma_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Value {
        Value::List(items.iter().map(|&item| item.to_owned()).collect())
    }

    fn read(text: &str, like: &Value) -> Option<Value> {
        Value::from_text(text, like).ok()
    }

    #[test]
    fn text_is_read_as_the_kind_of_the_default() {
        assert!(read(" 12 ", &Value::Integer(0)) == Some(Value::Integer(12)));
        assert!(read("12", &Value::Text(String::new())) == Some(Value::Text("12".to_owned())));
        assert!(read("true", &Value::Boolean(false)) == Some(Value::Boolean(true)));
        assert!(read("yes", &Value::Boolean(false)).is_none());
        assert!(read("1", &Value::Float(0.5)) == Some(Value::Float(1.0)));
    }

    #[test]
    fn a_list_may_use_commas_or_toml() {
        assert!(read("a, b,", &list(&[])) == Some(list(&["a", "b"])));
        assert!(read(r#"["a, b", "c"]"#, &list(&[])) == Some(list(&["a, b", "c"])));
        assert!(read("[1, 2]", &list(&[])).is_none());
        assert!(read("[", &list(&[])).is_none());
    }
}
