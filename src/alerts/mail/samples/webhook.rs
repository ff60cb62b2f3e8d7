//! Mails about services of the operator's own, and about the disk under a daemon.

use super::*;

const ID: &str = "019aa8f0-0000-7000-8000-0000000000aa";
const HOST: &str = "erp.operator.example";

pub(super) fn all() -> Result<Vec<Sample>, askama::Error> {
    let (since, until) = (at("2026-11-21T22:30:00Z"), at("2026-11-22T08:05:00Z"));
    let untaken = |words, is_gone| {
        WebhookGivenUp { host: HOST, id: ID, event: "order.posted", words, is_gone, given_up_at: since }.render()
    };
    let takes = WebhookTakes { host: HOST, id: ID, since, until };
    let directory = "/var/lib/lamplighter/spool";
    let trouble = |rule, words| SpoolTrouble { host: "lamp-1", directory, rule, words, since }.render();
    let well = SpoolWell { host: "lamp-1", directory, since, until };
    Ok(vec![
        Sample::operator(
            "spool_unwritable",
            trouble("spool_unwritable", "nothing can be written there: No space left on device (os error 28)")?,
        ),
        Sample::operator("spool_unreadable", trouble("spool_unreadable", "1 file there cannot be read")?),
        Sample::operator(
            "spool_stuck",
            trouble("spool_stuck", "2 renewed tokens wait there, and the database does not take them")?,
        ),
        Sample::operator("spool_well", well.render()?),
        Sample::operator("webhook_given_up", untaken("it answered 503", false)?),
        Sample::operator("webhook_gone", untaken("it answered 410: it is gone", true)?),
        Sample::operator("webhook_takes", takes.render()?),
    ])
}
