//! The members of a JSON object, each cut out before any of them is read, so that an odd one costs no other.
//!
//! Knows no provider's names. A body that breaks off or goes on behind its object still gives the members that stand
//! whole before the break, and says so: a rotated token in them may be the only one there is. A name that occurs twice
//! with different values decides nothing.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::{Deserializer, Value, value::RawValue};

/// The members of one object.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    members: Vec<(String, &'a RawValue)>,
    whole: bool,
}

impl<'a> Fields<'a> {
    /// The members of the object that `text` begins with; none of them if it begins with anything else.
    pub(super) fn of(text: &'a str) -> Self {
        let mut members = Vec::new();
        let mut reader = Deserializer::from_str(text);
        let read = reader.deserialize_map(Collect(&mut members));
        let whole = read.is_ok() && reader.end().is_ok();
        Self { members, whole }
    }

    /// Whether the text was one object and nothing else.
    pub(super) fn are_whole(&self) -> bool {
        self.whole
    }

    /// Every value under this name, the last one first: that is the one most readers take.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a RawValue> {
        self.members.iter().rev().filter(move |(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The one value under this name.
    pub(super) fn only(&self, name: &str) -> Option<Value> {
        one(self.all(name))
    }

    /// The one value under this name, in capitals or not, that is not null.
    pub(super) fn only_in_any_case(&self, name: &str) -> Option<Value> {
        let named = self.members.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        one(named.map(|(_, value)| *value).filter(|value| value.get() != "null"))
    }
}

/// A value that is said once, or several times alike. One too deep to be read is there, and is empty.
fn one<'a>(mut values: impl Iterator<Item = &'a RawValue>) -> Option<Value> {
    let first = values.next()?;
    values
        .all(|other| other.get() == first.get())
        .then(|| serde_json::from_str(first.get()).unwrap_or_else(|_| Value::Object(serde_json::Map::new())))
}

struct Collect<'m, 'a>(&'m mut Vec<(String, &'a RawValue)>);

impl<'a> Visitor<'a> for Collect<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_entry()? {
            self.0.push(member);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_stands_whole_before_a_break_is_there() {
        for (text, whole) in [
            (r#"{"a":"1","b":[2]}"#, true),
            (r#" {"a":"1","b":[2],"c":"cut o"#, false),
            (r#"{"a":"1","b":[2],"c":+1}"#, false),
            (r#"{"a":"1","b":[2]}<!-- proxy -->"#, false),
            (r#"{"a":"1","b":[2],"#, false),
        ] {
            let fields = Fields::of(text);
            assert_eq!((fields.only("a"), fields.only("b")), (Some(json!("1")), Some(json!([2]))), "{text}");
            assert_eq!((fields.only("c"), fields.are_whole()), (None, whole), "{text}");
        }
        for text in ["", "null", "[1]", "<html>", "\"a\"", "{", "{]"] {
            assert!(!Fields::of(text).are_whole(), "{text}");
            assert_eq!(Fields::of(text).only("a"), None, "{text}");
        }
    }

    #[test]
    fn a_name_said_twice_counts_only_if_both_agree() {
        let fields = Fields::of(r#"{"a":1,"a":2,"b":3,"b":3,"Fault":null,"fault":{},"c":1,"C":2}"#);
        assert_eq!((fields.only("a"), fields.only("b")), (None, Some(json!(3))));
        assert_eq!(fields.all("a").map(RawValue::get).collect::<Vec<_>>(), ["2", "1"]);
        assert_eq!((fields.only_in_any_case("fault"), fields.only_in_any_case("c")), (Some(json!({})), None));
    }

    #[test]
    fn depth_and_size_cost_only_the_value_that_has_them() {
        let text = format!(r#"{{"a":{}{},"b":1,"c":1e999}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let fields = Fields::of(&text);
        assert!(fields.are_whole());
        assert_eq!((fields.only("a"), fields.only("b")), (Some(json!({})), Some(json!(1))));
        assert_eq!(fields.only("c"), Some(json!({})));
    }
}
