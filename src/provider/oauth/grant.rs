//! Reads a token reply, leniently where it may be.
//!
//! One thing is required: a non-empty access token in a 2xx. Everything else is optional and may be odd, for a rotated
//! token that is thrown away over a strange lifetime is a customer lost. So each field is cut out first and read on its
//! own afterwards. Even a reply that was torn off counts when both of its tokens stand whole in it; one whose refresh
//! token may have been lost with the rest does not.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::value::RawValue;

use crate::provider::Grant;
use crate::provider::fields::Fields;
use crate::provider::reply::Reply;

/// No lifetime is longer; it keeps an absurd number from overflowing a date.
const LONGEST_LIFE: f64 = 100.0 * 365.0 * 86_400.0;
/// What is shorter is no lifetime: a token would be renewed without a pause.
const SHORTEST_LIFE: f64 = 1.0;
/// No portal's id is longer.
const LONGEST_ID: usize = 20;

/// The grant in a successful reply.
pub(in crate::provider) fn read(reply: &Reply) -> Option<Grant> {
    if !reply.is_success() {
        return None;
    }
    let text = reply.text();
    let fields = Fields::of(&text);
    let life = |name| fields.all(name).find_map(life);
    let refresh_token = fields.all("refresh_token").filter_map(string).find(|token| is_intact(token));
    let torn = !(reply.whole && fields.are_whole());
    if torn && refresh_token.is_none() {
        return None;
    }
    Some(Grant {
        access_token: fields.all("access_token").find_map(string).map(SecretString::from)?,
        refresh_token: refresh_token.map(SecretString::from),
        access_expires_in: life("expires_in"),
        refresh_expires_in: life("x_refresh_token_expires_in"),
        refresh_hard_expires_in: life("x_refresh_token_hard_expires_in"),
        hub_id: fields.all("hub_id").find_map(id),
        correlation_id: reply.correlation_id.clone(),
    })
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<String>(raw.get()).ok().filter(|value| !value.trim().is_empty())
}

/// A refresh token that was garbled on its way must not take the place of one that may still be good.
fn is_intact(token: &str) -> bool {
    !token.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER)
}

/// Seconds, as a number or as a string with a number in it.
fn life(raw: &RawValue) -> Option<Duration> {
    let text = string(raw).unwrap_or_else(|| raw.get().to_owned());
    let seconds: f64 = text.trim().parse().ok().filter(|seconds: &f64| *seconds >= SHORTEST_LIFE)?;
    Some(Duration::from_secs_f64(seconds.min(LONGEST_LIFE)))
}

fn id(raw: &RawValue) -> Option<String> {
    let text = string(raw).unwrap_or_else(|| raw.get().to_owned());
    let text = text.trim();
    let plausible = (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plausible.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
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
        for odd in [
            "-5",
            "0",
            "0.001",
            "1e-300",
            "-1e999",
            "null",
            "\"\"",
            "\"soon\"",
            "\"NaN\"",
            "{}",
            "[3600]",
            "true",
            "\"\\ud800\"",
        ] {
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

    #[test]
    fn a_garbled_refresh_token_leaves_the_old_one_alone() {
        for garbled in [&b"RT1-\xff\xfe"[..], b"RT1-\\u0000", b"RT1\\n"] {
            let body = [br#"{"access_token":"a","refresh_token":""#, garbled, br#""}"#].concat();
            let grant = read(&Reply::new(200, &HeaderMap::new(), body)).unwrap();
            assert!(grant.refresh_token.is_none(), "{garbled:?}");
        }
    }

    #[test]
    fn of_a_field_said_twice_the_last_usable_one_counts() {
        let body = r#"{"refresh_token":"old","refresh_token":"new","refresh_token":"","access_token":"a",
            "access_token":null,"expires_in":3600,"expires_in":"soon"}"#;
        let grant = grant(200, body).unwrap();
        assert_eq!(grant.refresh_token.unwrap().expose_secret(), "new");
        assert_eq!(grant.access_token.expose_secret(), "a");
        assert_eq!(grant.access_expires_in, Some(Duration::from_secs(3600)));
    }

    #[test]
    fn a_torn_reply_counts_when_both_tokens_stand_whole_in_it() {
        let torn = |body: &str, whole: bool| {
            let reply = Reply::new(200, &HeaderMap::new(), body.into());
            read(&if whole { reply } else { reply.torn() })
        };
        let both = r#"{"access_token":"a","refresh_token":"RT1-3","x_refresh_tok"#;
        for whole in [true, false] {
            assert_eq!(torn(both, whole).unwrap().refresh_token.unwrap().expose_secret(), "RT1-3");
            assert!(torn(r#"{"access_token":"a","refresh_token":"RT1-"#, whole).is_none());
            assert!(torn(r#"{"access_token":"a","expires_in":3600,"refr"#, whole).is_none());
            assert!(torn(r#"{"refresh_token":"RT1-3","access_tok"#, whole).is_none());
        }
        assert!(torn(r#"{"access_token":"a"}"#, true).is_some());
        assert!(torn(r#"{"access_token":"a"}"#, false).is_none(), "the rest may have held a new refresh token");
    }
}
