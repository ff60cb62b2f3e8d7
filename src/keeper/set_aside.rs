//! A stored token that does not open: it rests, delays nobody, and the operator is told once for all that miss the same
//! key, however many they are. The rows go back to work when the key is back; see `keys`.

use std::time::Duration;

use serde_json::json;
use tracing::error;

use super::Keeper;
use crate::{
    retry::later,
    store::{
        self, alerts, set_asides,
        spends::{self, Outcome, Reply},
        tokens::{self, Claim},
    },
    vault,
};

/// How long it rests if nothing brings it back sooner: long enough to be quiet, short enough to heal by itself.
const REST: Duration = Duration::from_secs(3600);

impl Keeper {
    pub(super) async fn set_aside(&self, claim: &Claim, cause: &vault::Error) -> Result<Outcome, store::Error> {
        let now = self.clock.now();
        let key_id = match cause {
            vault::Error::UnknownKey(id) => Some(id.as_str()),
            _ => None,
        };
        let mut tx = self.pool.begin().await?;
        // A claim that was passed says nothing about the tokens that are stored now.
        if tokens::release(&mut tx, claim, later(now, REST), false).await? {
            set_asides::add(&mut tx, claim.connection_id, claim.generation, key_id, now).await?;
            let alert = alerts::NewAlert {
                incident: &set_asides::incident(key_id),
                kind: alerts::Kind::TokenSetAside,
                connection_id: None,
                provider: None,
                detail: &json!({ "rule": "vault", "message": cause.to_string(), "key_id": key_id }),
                recipient: self.operator_email.as_deref(),
            };
            if alerts::open(&mut tx, &alert, now).await? {
                error!(connection_id = %claim.connection_id, %cause, "a stored token does not open and is set aside; \
                    others like it are set aside without a further word");
            }
        }
        let reply = Reply { rule: Some("vault".to_owned()), ..Reply::default() };
        spends::finish(&mut tx, claim.spend_id, Outcome::SetAside, &reply, now).await?;
        tx.commit().await?;
        Ok(Outcome::SetAside)
    }
}
