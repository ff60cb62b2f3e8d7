//! A range of dates is read because somebody asks for it: that, and what came of it, stand in the audit log.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::sync::{Error, Range, Summary};
use crate::{
    provider::Provider,
    store::{
        self,
        accounts::Whose,
        audit_log::{self, Actor, Deed},
        connections,
    },
};

/// What is to be read of an account; `None` when it has no HubSpot connection.
///
/// # Errors
/// Database trouble.
pub async fn asked(
    conn: &mut PgConnection,
    whose: Whose<'_>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<Option<Range>, store::Error> {
    let mut tx = conn.begin().await?;
    let all = connections::of_account(&mut tx, whose.id).await?;
    let Some(portal) = all.into_iter().find(|one| one.provider == Provider::Hubspot) else { return Ok(None) };
    let detail = json!({ "from": from, "to": to });
    let deed = Deed { action: "account.sync", account_id: Some(whose.id), subject: whose.name, detail };
    audit_log::record(&mut tx, actor, &deed, now).await?;
    tx.commit().await?;
    Ok(Some(Range { account_id: whose.id, connection_id: portal.id, from, to }))
}

/// Writes down what came of it; without a result, its time was over before its end.
///
/// # Errors
/// Database trouble.
pub async fn ended(
    conn: &mut PgConnection,
    whose: Whose<'_>,
    summary: &Summary,
    result: Option<&Result<(), Error>>,
    actor: &Actor,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let complete = matches!(result, Some(Ok(())));
    let trouble = result.and_then(|result| result.as_ref().err()).map(ToString::to_string);
    let detail = json!({ "complete": complete, "summary": summary, "trouble": trouble });
    let deed = Deed { action: "account.synced", account_id: Some(whose.id), subject: whose.name, detail };
    audit_log::record(conn, actor, &deed, now).await
}
