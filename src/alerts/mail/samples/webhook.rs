//! Mails about services of the operator's own.

use super::*;

const ID: &str = "019aa8f0-0000-7000-8000-0000000000aa";
const HOST: &str = "erp.operator.example";

pub(super) fn all() -> Result<Vec<Sample>, askama::Error> {
    let (since, until) = (at("2026-11-21T22:30:00Z"), at("2026-11-22T08:05:00Z"));
    let given_up =
        WebhookGivenUp { host: HOST, id: ID, event: "order.posted", words: "it answered 503", given_up_at: since };
    let takes = WebhookTakes { host: HOST, id: ID, since, until };
    Ok(vec![
        Sample::operator("webhook_given_up", given_up.render()?),
        Sample::operator("webhook_takes", takes.render()?),
    ])
}
