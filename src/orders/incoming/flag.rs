//! Yes or no as it is written: `true` of JSON, or the words of a table.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// A strict yes or no.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let word = value.as_str().map(|text| text.trim().to_ascii_lowercase());
    match (&value, word.as_deref()) {
        (Value::Null, _) => Ok(None),
        (Value::Bool(flag), _) => Ok(Some(*flag)),
        (_, Some("true" | "yes")) => Ok(Some(true)),
        (_, Some("false" | "no")) => Ok(Some(false)),
        _ => Err(D::Error::custom(format!("{value} is neither yes nor no; write true or false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_a_yes_in_either_spelling() {
        for (json, expected) in
            [("true", Some(true)), ("\"Yes\"", Some(true)), ("\"false\"", Some(false)), ("null", None)]
        {
            assert_eq!(read(&mut serde_json::Deserializer::from_str(json)).unwrap(), expected, "{json}");
        }
        for json in ["1", "\"maybe\"", "[]"] {
            let wrong = read(&mut serde_json::Deserializer::from_str(json)).unwrap_err().to_string();
            assert!(wrong.contains("write true or false"), "{wrong}");
        }
    }
}
