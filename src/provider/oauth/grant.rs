//! Reads a token reply, leniently where it may be.
//!
//! One thing is required: a non-empty access token in a 2xx. Everything else is optional and may be odd, for a rotated
//! token that is thrown away over a strange lifetime is a customer lost. So each field is cut out first and read on its
//! own afterwards.

use std::collections::HashMap;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::value::RawValue;

use crate::provider::Grant;
use crate::provider::reply::Reply;

/// No lifetime is longer; it keeps an absurd number from overflowing a date.
const LONGEST_LIFE: f64 = 100.0 * 365.0 * 86_400.0;

/// The grant in a successful reply.
pub(super) fn read(reply: &Reply) -> Option<Grant> {
    if !reply.is_success() {
        return None;
    }
    let text = reply.text();
    let fields: HashMap<String, &RawValue> = serde_json::from_str(&text).ok()?;
    let string = |name| fields.get(name).and_then(|raw| string(raw));
    let life = |name| fields.get(name).and_then(|raw| life(raw));
    Some(Grant {
        access_token: string("access_token").map(SecretString::from)?,
        refresh_token: string("refresh_token").map(SecretString::from),
        access_expires_in: life("expires_in"),
        refresh_expires_in: life("x_refresh_token_expires_in"),
        refresh_hard_expires_in: life("x_refresh_token_hard_expires_in"),
        hub_id: fields.get("hub_id").and_then(|raw| id(raw)),
        correlation_id: reply.correlation_id.clone(),
    })
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<String>(raw.get()).ok().filter(|value| !value.trim().is_empty())
}

/// Seconds, as a number or as a string with a number in it. Zero and less are no lifetime.
fn life(raw: &RawValue) -> Option<Duration> {
    let text = string(raw).unwrap_or_else(|| raw.get().to_owned());
    let seconds: f64 = text.trim().parse().ok().filter(|seconds: &f64| *seconds > 0.0)?;
    Some(Duration::from_secs_f64(seconds.min(LONGEST_LIFE)))
}

fn id(raw: &RawValue) -> Option<String> {
    let text = string(raw).unwrap_or_else(|| raw.get().to_owned());
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::header::HeaderMap;
    use secrecy::ExposeSecret;

    fn grant(status: u16, body: &str) -> Option<Grant> {
        read(&Reply::new(status, &HeaderMap::new(), body.into()))
    }

    #[test]
    fn intuits_reply_is_read_whole() {
        let grant = grant(
            200,
            r#"{"access_token":"eyJ...","token_type":"bearer","expires_in":3600,"refresh_token":"RT1-39-H3-17",
                "x_refresh_token_expires_in":8726400,"x_refresh_token_hard_expires_in":156032154}"#,
        )
        .unwrap();
        assert_eq!(grant.access_token.expose_secret(), "eyJ...");
        assert_eq!(grant.refresh_token.unwrap().expose_secret(), "RT1-39-H3-17");
        assert_eq!(grant.access_expires_in, Some(Duration::from_secs(3600)));
        assert_eq!(grant.refresh_expires_in, Some(Duration::from_secs(8_726_400)));
        assert_eq!(grant.refresh_hard_expires_in, Some(Duration::from_secs(156_032_154)));
        assert_eq!(grant.hub_id, None);
    }

    #[test]
    fn hubspots_reply_names_the_portal() {
        let body = r#"{"token_type":"bearer","refresh_token":"na1-aaaa","access_token":"xxx","hub_id":1234567,
            "scopes":["oauth"],"expires_in":1800}"#;
        let grant = grant(200, body).unwrap();
        assert_eq!(grant.hub_id.as_deref(), Some("1234567"));
        assert_eq!(grant.access_expires_in, Some(Duration::from_secs(1800)));
    }

    #[test]
    fn a_lifetime_may_be_said_in_many_ways() {
        let life = |said: &str| {
            let body = format!(r#"{{"expires_in":{said},"access_token":"a","refresh_token":"r"}}"#);
            let grant = grant(200, &body).unwrap_or_else(|| panic!("{said} discarded the tokens"));
            assert_eq!(grant.refresh_token.unwrap().expose_secret(), "r", "{said}");
            grant.access_expires_in.map(|life| life.as_secs_f64())
        };
        assert_eq!(life("3600"), Some(3600.0));
        assert_eq!(life("\"3600\""), Some(3600.0));
        assert_eq!(life("1799.5"), Some(1799.5));
        assert_eq!(life("1e999"), Some(LONGEST_LIFE));
        for odd in ["-5", "0", "null", "\"\"", "\"soon\"", "\"NaN\"", "{}", "[3600]", "true", "\"\\ud800\""] {
            assert_eq!(life(odd), None, "{odd}");
        }
    }

    #[test]
    fn no_access_token_is_no_grant() {
        for body in [
            "",
            "{}",
            "null",
            "[]",
            "<html></html>",
            r#"{"access_token":""}"#,
            r#"{"access_token":null,"refresh_token":"r"}"#,
            r#"{"access_token":7}"#,
            r#"{"access_token":"a","refresh_token":"RT1-3"#,
            r#"{"error":"invalid_grant"}"#,
        ] {
            assert!(grant(200, body).is_none(), "{body}");
        }
        assert!(grant(400, r#"{"access_token":"a"}"#).is_none());
    }

    #[test]
    fn broken_text_in_another_field_costs_nothing() {
        let mut body = br#"{"access_token":"a","id_token":"#.to_vec();
        body.extend_from_slice(b"\"\xff\xfe\"}");
        let reply = Reply::new(200, &HeaderMap::new(), body);
        assert_eq!(read(&reply).unwrap().access_token.expose_secret(), "a");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(status in 100u16..600, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&Reply::new(status, &HeaderMap::new(), body));
        }

        #[test]
        fn no_odd_field_discards_the_tokens(name in "[a-z_]{1,12}", odd in r#"-?[0-9]{1,30}(\.[0-9]{1,9})?|"[^"\\]{0,20}"|null|\[\]"#) {
            prop_assume!(name != "access_token" && name != "refresh_token");
            for field in [name.as_str(), "expires_in", "x_refresh_token_expires_in", "hub_id"] {
                let body = format!(r#"{{"{field}":{odd},"access_token":"a","refresh_token":"r"}}"#);
                // Only valid JSON counts: a string may not hold raw control characters, a number no leading zero.
                if serde_json::from_str::<&RawValue>(&body).is_ok() {
                    prop_assert!(grant(200, &body).is_some(), "{}", body);
                }
            }
        }
    }
}
