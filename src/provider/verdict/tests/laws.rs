//! What holds whatever bytes come. The seed is fixed, so a run that is green stays green.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::bending::{bodies, grants, odd_members};
use super::*;
use crate::provider::Cause;
use crate::provider::oauth::grant;
use Provider::{Hubspot, Quickbooks};
use Surface::{Create, Exchange, Introspect, Read, Refresh, Revoke, Search};
use Verdict::{Lapsed, OutcomeUnknown};

const SENT: &str = "RT1-39-H3-1785429816rcysb9dns1ofreknypnm";

fn runs(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() }
}

fn calls() -> impl Strategy<Value = Call> {
    let surfaces = vec![Refresh, Refresh, Exchange, Revoke, Introspect, Read, Search, Create];
    (prop::sample::select(Provider::ALL.to_vec()), prop::sample::select(surfaces))
        .prop_map(|(provider, surface)| Call { provider, operation: "test", surface })
}

/// Statuses that matter more often than the others.
fn statuses() -> impl Strategy<Value = u16> {
    prop_oneof![6 => prop::sample::select(vec![200, 400, 401, 403, 404, 429, 503]), 1 => 100u16..1000]
}

/// Whether anything in these bytes could end a grant: written apart from the tables, and from how they read.
fn may_lapse(call: Call, status: u16, body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).into_owned();
    let text = text.trim().replace("\\u005f", "_");
    if !text.starts_with('{') || !text.ends_with('}') {
        return false;
    }
    let told = |name: &str, words: &[&str]| {
        // One that is too deep to be read as a whole may still be read at this place.
        let value = serde_json::from_str::<Value>(&text).map(|all| all[name].clone());
        let said = |word: &&str| match &value {
            Ok(value) => value.as_str().map(str::trim) == Some(word),
            Err(_) => text.contains(&format!("\"{name}\":\"{word}\"")),
        };
        words.iter().any(said)
    };
    match (call.provider, call.surface) {
        (Quickbooks, Refresh) => matches!(status, 400 | 401 | 403) && told("error", &["invalid_grant"]),
        (Hubspot, Refresh) => {
            matches!(status, 400 | 401 | 403)
                && (told("error", &["invalid_grant", "access_denied"])
                    || told("status", &["BAD_REFRESH_TOKEN", "BAD_HUB"]))
        }
        (Quickbooks, Read | Search | Create) => {
            matches!(status, 200 | 400 | 401 | 403)
                && text.to_lowercase().contains("\"fault\"")
                && ["3100", "120", "6190"].iter().any(|code| text.contains(code))
        }
        (Hubspot, Read | Search | Create) => status == 403 && told("category", &["MISSING_SCOPES"]),
        (_, Exchange | Revoke | Introspect) => false,
    }
}

fn is_presentable(failure: &Failure) -> Result<(), TestCaseError> {
    prop_assert!(failure.message.chars().count() <= 1_000 && !failure.message.is_empty());
    let texts = [Some(&failure.message), failure.code.as_ref(), failure.correlation_id.as_ref()];
    for text in texts.into_iter().flatten() {
        prop_assert!(!text.chars().any(char::is_control), "{text:?}");
        prop_assert!(!text.contains(SENT), "{text:?}");
    }
    prop_assert!(failure.code.as_ref().is_none_or(|code| code.len() <= 64));
    prop_assert!(failure.correlation_id.as_ref().is_none_or(|id| (1..=128).contains(&id.chars().count())));
    prop_assert!(failure.retry_after.is_none_or(|pause| pause.as_secs() <= 86_400));
    Ok(())
}

proptest! {
    #![proptest_config(runs(4_000))]

    #[test]
    fn nothing_but_the_exact_word_at_its_place_ends_a_grant(call in calls(), status in statuses(), body in bodies()) {
        let failure = judge(call, &Reply::new(status, &HeaderMap::new(), body.clone()));
        is_presentable(&failure)?;
        if matches!(failure.verdict, Lapsed(_)) {
            prop_assert!(may_lapse(call, status, &body), "{call:?} {status} {:?}", String::from_utf8_lossy(&body));
        }
        if call.surface == Refresh {
            // The keeper can do nothing with any other.
            prop_assert!(!matches!(failure.verdict, Verdict::Rejected | Verdict::TokenRefused));
            prop_assert!(!(200..300).contains(&status) || failure.verdict == OutcomeUnknown);
        }
        let torn = judge(call, &Reply::new(status, &HeaderMap::new(), body).torn());
        prop_assert!(!matches!(torn.verdict, Lapsed(_) | Verdict::OperatorFault | Verdict::Rejected));
    }

    #[test]
    fn a_reply_that_is_no_grant_never_becomes_one_and_a_grant_is_usable(
        status in prop_oneof![3 => Just(200u16), 1 => statuses()], body in prop_oneof![3 => grants(), 1 => bodies()],
    ) {
        let success = (200..300).contains(&status);
        for reply in [
            Reply::new(status, &HeaderMap::new(), body.clone()),
            Reply::new(status, &HeaderMap::new(), body).torn(),
        ] {
            let Some(grant) = grant::read(&reply) else { continue };
            prop_assert!(success);
            prop_assert!(!grant.access_token.expose_secret().trim().is_empty());
            let refresh = grant.refresh_token.as_ref().map(SecretString::expose_secret);
            let intact = refresh.is_none_or(|t| !t.trim().is_empty() && !t.contains(char::REPLACEMENT_CHARACTER));
            prop_assert!(intact);
            prop_assert!(reply.whole || refresh.is_some());
        }
    }

    #[test]
    fn no_odd_field_beside_them_costs_the_tokens(
        before in odd_members(), between in odd_members(), after in odd_members(), hubspot in any::<bool>(),
    ) {
        let refresh = if hubspot { "na1-aaaa-bbbb-cccc-dddd-eeeeeeeeeeee" } else { SENT };
        let body = format!(r#"{{{before}"access_token":"eyJ...",{between}"refresh_token":"{refresh}"{}}}"#,
            after.strip_suffix(',').map_or(String::new(), |after| format!(",{after}")));
        let grant = grant::read(&Reply::new(200, &HeaderMap::new(), body.clone().into_bytes()));
        let grant = grant.ok_or_else(|| TestCaseError::fail(format!("thrown away: {body}")))?;
        prop_assert_eq!(grant.refresh_token.as_ref().map(SecretString::expose_secret), Some(refresh));
        prop_assert_eq!(grant.access_token.expose_secret(), "eyJ...");
        for life in [grant.access_expires_in, grant.refresh_expires_in, grant.refresh_hard_expires_in].into_iter().flatten() {
            prop_assert!(life.as_secs() >= 1 && life.as_secs() <= 100 * 365 * 86_400);
        }
        prop_assert!(grant.hub_id.is_none_or(|id| id.len() <= 20));
    }
}

proptest! {
    #![proptest_config(runs(2_000))]

    #[test]
    fn no_header_is_believed_beyond_its_bounds(
        id in prop::collection::vec(any::<u8>(), 0..300), pause in "[0-9]{0,40}|[ -~]{0,40}", date in "[ -~]{0,40}",
        call in calls(), status in statuses(),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in [("intuit_tid", &id[..]), ("retry-after", pause.as_bytes()), ("date", date.as_bytes())] {
            if let Ok(value) = value.try_into() {
                headers.insert(name, value);
            }
        }
        is_presentable(&judge(call, &Reply::new(status, &headers, Vec::new())))?;
    }

    #[test]
    fn what_was_sent_is_never_told(call in calls(), status in statuses(), place in 0usize..6, around in "[a-z \\\\n]{0,12}") {
        let echo = format!("{around}{SENT}{around}");
        let body = match place {
            0 => format!(r#"{{"error":"{echo}","error_description":"{echo}"}}"#),
            1 => format!(r#"{{"status":"{echo}","message":"{echo}","correlationId":"{echo}","category":"{SENT}"}}"#),
            2 => format!(r#"{{"Fault":{{"Error":[{{"Message":"{echo}","Detail":"{echo}","code":"{SENT}"}}]}}}}"#),
            3 => format!(r#"{{"policyName":"{SENT}","correlationId":"{SENT}"}}"#),
            4 => echo.clone(),
            _ => format!(r#"{{"{SENT}":"{echo}"}}"#),
        };
        let mut headers = HeaderMap::new();
        headers.insert("x-hubspot-correlation-id", SENT.parse().unwrap());
        for headers in [HeaderMap::new(), headers] {
            let failure = judge(call, &Reply::new(status, &headers, body.clone().into_bytes())).hushed(&SENT.into());
            is_presentable(&failure)?;
            let shown = format!("{failure} {failure:?}");
            prop_assert!(!shown.contains(SENT), "{}", shown);
        }
    }
}

#[test]
fn the_deepest_and_the_largest_neither_overflow_nor_hang() {
    for body in [
        "[".repeat(2 * 1024 * 1024),
        format!("{{\"error\":{}", "{\"error\":".repeat(100_000)),
        format!(r#"{{"error":"{}"}}"#, "x".repeat(2 * 1024 * 1024)),
        format!(r#"{{"Fault":{{"Error":[{}{{}}]}}}}"#, "{},".repeat(100_000)),
        format!(r#"{{{}"error":"invalid_grant"}}"#, r#""error":"invalid_grant","#.repeat(50_000)),
    ] {
        for call in [Refresh, Create].map(|surface| Call { provider: Quickbooks, operation: "test", surface }) {
            let failure = judge(call, &reply(400, &body));
            assert!(failure.message.len() < 1_100);
            let said_alike = body.ends_with("\"invalid_grant\"}") && call.surface == Refresh;
            assert_eq!(matches!(failure.verdict, Lapsed(Cause::Revoked)), said_alike, "{:?}", failure.rule);
        }
        assert!(grant::read(&reply(200, &body)).is_none());
    }
}
