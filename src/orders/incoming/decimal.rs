//! Amounts as they are written: `"19.99"` or `19.99`, read from the text itself, so that no float comes between.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

/// No amount, quantity or price has more digits before or after its point.
const MOST_DIGITS: (usize, usize) = (13, 8);

/// A strict decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, utoipa::ToSchema)]
#[schema(value_type = String, pattern = "^-?[0-9]{1,13}(\\.[0-9]{1,8})?$", example = "19.99")]
pub(super) struct Amount(pub(super) Decimal);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
        strict(&text).map(Self).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            D::Error::custom(format!("{shown:?} is no amount; write digits with at most one point, such as \"19.99\""))
        })
    }
}

fn strict(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain =
        |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole, MOST_DIGITS.0) || !plain(part, MOST_DIGITS.1) {
        return None;
    }
    // 10, 10.0 and 10.00 are one amount, and one revision.
    text.parse::<Decimal>().ok().map(|amount| amount.normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_what_is_written() {
        for (json, expected) in [
            ("19.99", "19.99"),
            ("\"19.990\"", "19.99"),
            ("0.1", "0.1"),
            ("-3", "-3"),
            ("9999999999999.99999999", "9999999999999.99999999"),
            ("\"0.00\"", "0"),
        ] {
            let Amount(amount) = serde_json::from_str(json).unwrap();
            assert_eq!(amount.to_string(), expected, "{json}");
        }
    }

    #[test]
    fn what_only_resembles_one_is_refused() {
        for json in [
            "1e2",
            "\"1,5\"",
            "\"1.\"",
            "\".5\"",
            "\"\"",
            "\" 1\"",
            "\"+1\"",
            "true",
            "{}",
            "[1]",
            "\"NaN\"",
            "\"1_0\"",
            "12345678901234",
            "0.123456789",
        ] {
            let refused = serde_json::from_str::<Amount>(json).unwrap_err().to_string();
            assert!(refused.contains("is no amount; write digits"), "{json}: {refused}");
        }
    }
}
