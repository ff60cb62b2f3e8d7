//! Standard Webhooks: `v1`, HMAC-SHA256 over id, time and body, under a secret that begins with `whsec_`.
//!
//! Knows neither the wire nor the tables. The secret leaves only as what it signs.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::provider::hook::MESSAGE_ID;

const PREFIX: &str = "whsec_";

/// A fresh secret.
pub fn random_secret() -> SecretString {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::fill(bytes.as_mut_slice());
    format!("{PREFIX}{}", STANDARD.encode(bytes.as_slice())).into()
}

/// The three headers of a message; nothing when the secret is none.
pub fn headers(
    secret: &SecretString,
    message_id: Uuid,
    at: DateTime<Utc>,
    body: &str,
) -> Option<[(&'static str, String); 3]> {
    let encoded = secret.expose_secret().strip_prefix(PREFIX)?;
    let key = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let timestamp = at.timestamp();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{message_id}.{timestamp}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    Some([
        (MESSAGE_ID, message_id.to_string()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_that_anybody_else_computes() {
        // printf '%s' '00000000-0000-0000-0000-0000000000aa.1614265330.{"test": 2432232314}' | openssl dgst -sha256 -mac \
        // HMAC -macopt hexkey:$(printf MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw | base64 -d | od -An -tx1 | tr -d ' ') -binary | base64
        let secret: SecretString = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into();
        let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        let [id, time, signature] =
            headers(&secret, Uuid::from_u128(0xaa), at, r#"{"test": 2432232314}"#).expect("the secret is one");
        assert_eq!(id, ("webhook-id", "00000000-0000-0000-0000-0000000000aa".to_owned()));
        assert_eq!(time, ("webhook-timestamp", "1614265330".to_owned()));
        assert_eq!(signature, ("webhook-signature", "v1,UhJKsjLQm1ybo0IeZAY1Sm/wUabqXSZWpb8P9HGoDIo=".to_owned()));
    }

    #[test]
    fn a_secret_is_long_and_never_the_same() {
        let (one, other) = (random_secret(), random_secret());
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert_eq!(STANDARD.decode(one.expose_secret().strip_prefix(PREFIX).unwrap()).unwrap().len(), 32);
        assert!(headers(&"whsec_?".into(), Uuid::nil(), DateTime::UNIX_EPOCH, "").is_none());
    }
}
