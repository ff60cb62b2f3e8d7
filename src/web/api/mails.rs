//! What mail services report: a mail that they took and could not deliver.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    asked::{self, Content},
    caller::{Caller, Manages},
    problem::{Kind, Problem},
};
use crate::{
    alerts::bounce::{self, Outcome},
    store::mails::outcomes,
    web::Web,
};

/// A mail that came back for good.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "message_id": "<019aa7b2-5c1e-7cc0-8a51-0d5f6f6f1a11@lamps.example>", "reason": "550 5.1.1 no such mailbox",
}))]
pub(super) struct Bounced {
    /// Its Message-ID, with or without the brackets.
    message_id: String,
    /// Why it did not arrive, in the words of whoever returned it.
    reason: String,
}

/// What is known of it then.
#[derive(Serialize, ToSchema)]
#[schema(as = BouncedMail)]
pub(super) struct Noted {
    /// The mail.
    mail_id: Uuid,
    /// The account that it is about; none when it went to the operator.
    account: Option<String>,
    /// Whether this is news; else it was reported before.
    noted: bool,
}

/// Report a mail that came back for good. The operator is told that its recipient is not reached. Reporting it again changes
/// nothing. Do not report what is only late.
#[utoipa::path(post, path = "/api/v1/mails/bounced", tag = "mails", request_body = Bounced, security(("key" = ["manage"])),
    responses(
        (status = 200, description = "It is known now", body = Noted),
        (status = 409, description = "That mail was not handed over yet, or goes out again")))]
pub(super) async fn note_bounce(
    State(web): State<Web>,
    caller: Caller<Manages>,
    Content(report): Content<Bounced>,
) -> Result<Json<Noted>, Problem> {
    if report.reason.trim().is_empty() {
        return Err(asked::unreadable("`reason` is empty"));
    }
    let foreign = || {
        let remedy = "send the Message-ID of a mail of Lamplighter's: its part before the @ is an id";
        Problem::not_found("mail", remedy)
    };
    let id = bounce::mail_id(&report.message_id).ok_or_else(foreign)?;
    let mut conn = web.pool.acquire().await?;
    let mail = outcomes::by_id(&mut conn, &[id]).await?.ok_or_else(foreign)?;
    match mail.account_id {
        Some(account_id) => caller.admitted(account_id, "mail")?,
        None if caller.confined(None)?.is_some() => return Err(foreign()),
        None => {}
    }
    let outbox = &web.health.outbox;
    match outbox.bounced(&mut conn, mail, &report.reason, &caller.actor(), caller.now).await? {
        Outcome::Noted(mail) => Ok(Json(Noted { mail_id: mail.id, account: mail.account, noted: true })),
        Outcome::Known(mail) => Ok(Json(Noted { mail_id: mail.id, account: mail.account, noted: false })),
        Outcome::NotSent(_) => {
            let remedy = "wait for what becomes of it: it goes out by itself";
            Err(Problem::new(Kind::Conflict, "this mail was not handed over yet, or goes out again", remedy))
        }
        Outcome::NotFinal | Outcome::Foreign => Err(foreign()),
    }
}
