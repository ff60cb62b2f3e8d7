//! Shows the effective configuration: every key, its value with secrets masked, and where it came from.
//!
//! Invariant: what is kept here was masked when it was made, so nothing secret can be shown by mistake.

use serde_json::json;

use super::{reader::Reader, secret::masked, value::Value};

/// One key as it is shown.
#[derive(Clone, Debug)]
struct Shown {
    section: String,
    name: String,
    value: toml::Value,
    origin: String,
}

/// All keys in the order of `default.toml`.
#[derive(Clone, Debug, Default)]
pub(super) struct Effective(Vec<Shown>);

impl Effective {
    pub(super) fn of(reader: &Reader) -> Self {
        let layers = &reader.layers;
        let shown = layers.order.iter().filter_map(|key| {
            let node = layers.nodes.get(key)?;
            let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
            let value = match &node.value {
                Value::Text(text) if reader.secrets.contains(key) => masked(key, text).into(),
                other => other.to_toml(),
            };
            Some(Shown { section: section.to_owned(), name: name.to_owned(), value, origin: node.place.origin() })
        });
        Self(shown.collect())
    }

    pub(super) fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for shown in &self.0 {
            if shown.section != section {
                section = &shown.section;
                text.push_str(&format!("\n[{section}]\n"));
            }
            text.push_str(&format!("{} = {} # {}\n", shown.name, shown.value, one_line(&shown.origin)));
        }
        text
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        let mut root = json!({});
        for shown in &self.0 {
            let mut at = &mut root;
            for part in shown.section.split('.').filter(|part| !part.is_empty()).chain([shown.name.as_str()]) {
                at = &mut at[part];
            }
            *at = json!({ "value": shown.value, "from": shown.origin });
        }
        root
    }
}

/// A comment ends with its line: a file name must not go on.
fn one_line(origin: &str) -> String {
    origin.replace(char::is_control, " ")
}
