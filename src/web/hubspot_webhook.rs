//! `POST /webhooks/hubspot`: HubSpot says that something changed. The portal is read at once instead of at its next turn;
//! what is read comes from HubSpot's API, never from here, so a replay does nothing but look once more.
//!
//! Believed only with HubSpot's signature (version 3) over the public address, the body and a time that is at most five
//! minutes off.

use std::borrow::Cow;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest as _, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use tracing::{info, warn};

use super::Web;
use crate::{
    provider::Provider,
    store::{self, intakes},
};

/// HubSpot sends at most a hundred events at once.
const MOST_EVENTS: usize = 100;
/// The longest body.
pub(super) const LONGEST_BODY: usize = 256 * 1024;
/// How old a request may be, and how far our clocks may differ.
const WINDOW_MILLIS: u64 = 300_000;
/// The escapes that HubSpot decodes in the address before it signs.
const DECODED: [(&str, &str); 12] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];

/// Of an event only the portal matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    portal_id: Value,
}

/// Lets the portals that are named be read at once.
pub(super) async fn take(State(web): State<Web>, request: Request) -> Response {
    let Some(settings) = web.providers.settings(Provider::Hubspot) else {
        let remedy = "set providers.hubspot.client_id and its secret";
        return refuse(StatusCode::NOT_FOUND, "HubSpot is not configured here", remedy);
    };
    let Some(sent) = Sent::read(request.headers()) else { return unsigned() };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let address = format!("{}{path}", web.config.public_url.as_str().trim_end_matches('/'));
    let body = match Bytes::from_request(request, &()).await {
        Ok(body) => body,
        Err(rejection) => return refuse(rejection.status(), "the body is too long or broken off", "send it again"),
    };
    if !sent.holds(&settings.client_secret, &address, &body, web.clock.now()) {
        return unsigned();
    }
    let Ok(events) = serde_json::from_slice::<Vec<Event>>(&body) else {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "this is no list of events", "see HubSpot's webhooks API");
    };
    if events.len() > MOST_EVENTS {
        let remedy = "send at most 100 at once";
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "these are more events than HubSpot sends", remedy);
    }
    match hasten(&web, &events).await {
        Ok(portals) => {
            if portals > 0 {
                info!(portals, events = events.len(), "HubSpot announced changes: read at once");
                web.intake.wake();
            }
            StatusCode::NO_CONTENT.into_response()
        }
        Err(cause) => {
            warn!(error = crate::telemetry::chain(&cause), "a webhook could not be noted");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "this cannot be noted now", "send it again")
        }
    }
}

async fn hasten(web: &Web, events: &[Event]) -> Result<u64, store::Error> {
    let mut portals: Vec<_> = events
        .iter()
        .map(|event| match &event.portal_id {
            Value::String(id) => id.clone(),
            other => other.to_string(),
        })
        .collect();
    portals.sort_unstable();
    portals.dedup();
    let mut conn = web.pool.acquire().await?;
    intakes::hasten(&mut conn, &portals, web.clock.now()).await
}

/// What HubSpot sends beside the body.
struct Sent {
    signature: Vec<u8>,
    timestamp: String,
}

impl Sent {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let signature = STANDARD.decode(text("x-hubspot-signature-v3")?).ok()?;
        Some(Self { signature, timestamp: text("x-hubspot-request-timestamp")?.to_owned() })
    }

    fn holds(&self, secret: &SecretString, address: &str, body: &[u8], now: DateTime<Utc>) -> bool {
        let fresh = |at: i64| at.abs_diff(now.timestamp_millis()) <= WINDOW_MILLIS;
        if !self.timestamp.parse().is_ok_and(fresh) {
            return false;
        }
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
        mac.update(b"POST");
        mac.update(decoded(address).as_bytes());
        mac.update(body);
        mac.update(self.timestamp.as_bytes());
        mac.verify_slice(&self.signature).is_ok()
    }
}

fn decoded(address: &str) -> String {
    let mut text = Cow::Borrowed(address);
    for (escaped, plain) in DECODED {
        for spelling in [escaped.to_owned(), escaped.to_ascii_lowercase()] {
            if text.contains(&spelling) {
                text = Cow::Owned(text.replace(&spelling, plain));
            }
        }
    }
    text.into_owned()
}

fn unsigned() -> Response {
    let remedy = "web.public_url must be the address that HubSpot calls, providers.hubspot.client_secret that of the app \
                  that sends, and the clocks must agree to five minutes";
    refuse(StatusCode::UNAUTHORIZED, "the signature does not hold", remedy)
}

fn refuse(status: StatusCode, message: &str, remedy: &str) -> Response {
    (status, Json(json!({ "error": { "message": message, "remedy": remedy } }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a-client-secret-of-the-app";
    const ADDRESS: &str = "https://lamp.example/webhooks/hubspot?shop=a%3Ab%2fc";
    const BODY: &[u8] = br#"[{"eventId":1,"portalId":62515,"subscriptionType":"object.creation"}]"#;
    const AT: i64 = 1_767_225_600_000;
    /// By OpenSSL over `POSThttps://lamp.example/webhooks/hubspot?shop=a:b/c`, the body and the time.
    const SIGNATURE: &str = "1Ha+jw1xtULmm+gwXatTI8V1Z9EJpLEqga700jU5bQs=";

    fn holds(signature: &str, at: &str, address: &str, body: &[u8], secret: &str, now: i64) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("x-hubspot-signature-v3", signature.parse().unwrap());
        headers.insert("x-hubspot-request-timestamp", at.parse().unwrap());
        let now = DateTime::from_timestamp_millis(now).unwrap();
        Sent::read(&headers).is_some_and(|sent| sent.holds(&secret.into(), address, body, now))
    }

    #[test]
    fn a_signature_that_was_made_elsewhere_holds_for_five_minutes() {
        let at = AT.to_string();
        for off in [-300_000, 0, 300_000] {
            assert!(holds(SIGNATURE, &at, ADDRESS, BODY, SECRET, AT + off), "{off}");
        }
        for off in [-300_001, 300_001, 86_400_000] {
            assert!(!holds(SIGNATURE, &at, ADDRESS, BODY, SECRET, AT + off), "{off}");
        }
    }

    #[test]
    fn whatever_is_changed_breaks_it() {
        let at = AT.to_string();
        let other_body = br#"[{"eventId":1,"portalId":62516,"subscriptionType":"object.creation"}]"#;
        let other_address = ADDRESS.replace("shop", "shops");
        assert!(!holds(SIGNATURE, &at, ADDRESS, other_body, SECRET, AT));
        assert!(!holds(SIGNATURE, &at, &other_address, BODY, SECRET, AT));
        assert!(!holds(SIGNATURE, &at, ADDRESS, BODY, "another-client-secret", AT));
        assert!(!holds(SIGNATURE, &(AT + 1).to_string(), ADDRESS, BODY, SECRET, AT));
        assert!(!holds(SIGNATURE, "soon", ADDRESS, BODY, SECRET, AT));
        assert!(!holds("", &at, ADDRESS, BODY, SECRET, AT));
        assert!(!holds(&SIGNATURE.replace('=', ""), &at, ADDRESS, BODY, SECRET, AT));
    }

    #[test]
    fn the_twelve_escapes_are_decoded_and_no_other() {
        let all = "%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B%20%26%25";
        assert_eq!(decoded(all), ":/?@!$'()*,;%20%26%25");
    }
}
