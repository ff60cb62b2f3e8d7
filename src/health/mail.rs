//! Whether mails go out: the server, what it did not take, and what waits for a person.

use sqlx::PgPool;

use super::{Check, Depth, State};
use crate::{
    alerts::outbox::Outbox,
    provider::Provider,
    store::{self, mails},
    words,
};

pub(super) async fn check(pool: &PgPool, outbox: &Outbox, depth: Depth, operator_is_mailed: bool) -> Check {
    if depth == Depth::Thorough
        && let Err(cause) = outbox.probe().await
    {
        let message = format!("the SMTP server cannot be used: {cause}");
        return Check::new("mail", State::Fail, message, "correct [smtp]; mails wait in the outbox until it works");
    }
    let backlog = async {
        let mut conn = pool.acquire().await?;
        Ok::<_, store::Error>((mails::backlog(&mut conn).await?, mails::held(&mut conn).await?))
    };
    let backlog = match backlog.await {
        Ok((_, held)) if !held.is_empty() => return held_back(&held),
        Ok((backlog, _)) => Ok(backlog),
        Err(cause) => Err(cause),
    };
    match backlog {
        Ok(backlog) if backlog.failing > 0 => {
            let error = backlog.last_error.unwrap_or_default();
            let message =
                format!("{} cannot be handed over: {error}", words::count(backlog.failing.unsigned_abs(), "mail"));
            Check::new("mail", State::Warn, message, "correct [smtp]; they are tried again by themselves")
        }
        Ok(_) if !operator_is_mailed => Check::new(
            "mail",
            State::Warn,
            "owners are mailed, but nobody is told of our own faults",
            "set alerts.operator_email",
        ),
        Ok(_) => Check::ok("mail", "no mail is stuck"),
        Err(_) => Check::new(
            "mail",
            State::Warn,
            "the outbox cannot be read while the database is away",
            "see the check of the database",
        ),
    }
}

/// Mails that wait for a person, not for the server.
fn held_back(held: &[(Provider, u64)]) -> Check {
    let each = held.iter().map(|(provider, count)| format!("{} at {}", words::count(*count, "mail"), provider.title()));
    let message = format!(
        "held back, because very many connections lapsed at once: {} to owners",
        each.collect::<Vec<_>>().join(" and ")
    );
    let first = held.first().map_or(Provider::Quickbooks, |(provider, _)| *provider);
    let remedy =
        format!("look whether it is one mistake; then `lamplighter alert release {first}`, or the same with --drop");
    Check::new("mail", State::Warn, message, remedy)
}
