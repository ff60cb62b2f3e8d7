//! Whether mails go out: the server, what it did not take, whom they do not reach, and what waits for a person.

use sqlx::PgPool;

use super::{Check, Depth, State};
use crate::{
    alerts::outbox::Outbox,
    provider::Provider,
    store::{self, mails, recipients},
    words,
};

pub(super) async fn check(pool: &PgPool, outbox: &Outbox, depth: Depth, operator_is_mailed: bool) -> Check {
    if depth == Depth::Thorough
        && let Err(cause) = outbox.probe().await
    {
        let message = format!("the SMTP server cannot be used: {cause}");
        return Check::new("mail", State::Fail, message, "correct [smtp]; mails wait in the outbox until it works");
    }
    match troubles(pool).await {
        Ok(troubles) if troubles.is_empty() && !operator_is_mailed => Check::new(
            "mail",
            State::Warn,
            "owners are mailed, but nobody is told of our own faults",
            "set alerts.operator_email",
        ),
        Ok(troubles) if troubles.is_empty() => Check::ok("mail", "no mail is stuck"),
        Ok(troubles) => {
            let (found, remedies): (Vec<_>, Vec<_>) = troubles.into_iter().unzip();
            Check::new("mail", State::Warn, found.join("; "), remedies.join("; "))
        }
        Err(_) => Check::new(
            "mail",
            State::Warn,
            "the outbox cannot be read while the database is away",
            "see the check of the database",
        ),
    }
}

/// What was found, each with its remedy: mails that the server does not take, addresses that mail does not reach, mails that
/// are held. One of them hides no other.
async fn troubles(pool: &PgPool) -> Result<Vec<(String, String)>, store::Error> {
    let mut conn = pool.acquire().await?;
    let (backlog, held) = (mails::backlog(&mut conn).await?, mails::held(&mut conn).await?);
    let unreached = recipients::unreached(&mut conn).await?;
    let mut troubles = Vec::new();
    let stuck = (backlog.failing - backlog.refused).unsigned_abs();
    if stuck > 0 {
        let error = backlog.last_error.unwrap_or_default();
        let found = format!("{} cannot be handed over: {error}", words::count(stuck, "mail"));
        troubles.push((found, "correct [smtp]; they are tried again by themselves".to_owned()));
    }
    troubles.extend(unreached.first().map(|first| no_way(&unreached, first)));
    if !held.is_empty() {
        troubles.push(held_back(&held));
    }
    Ok(troubles)
}

/// Addresses that mail does not reach.
fn no_way(unreached: &[Option<String>], first: &Option<String>) -> (String, String) {
    let more = match unreached.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (whose, remedy) = match first {
        Some(account) => {
            let remedy =
                format!("enter an address that works: `lamplighter account owner {account:?} --email ADDRESS`");
            (format!("the owner of {}", words::name(account)), remedy)
        }
        None => ("the operator".to_owned(), "correct alerts.operator_email".to_owned()),
    };
    (format!("mail does not reach {whose}{more}: see `lamplighter alert list`"), remedy)
}

/// Mails that wait for a person, not for the server.
fn held_back(held: &[(Provider, u64)]) -> (String, String) {
    let each = held.iter().map(|(provider, count)| format!("{} at {}", words::count(*count, "mail"), provider.title()));
    let message = format!(
        "held back, because very many connections lapsed at once: {} to owners",
        each.collect::<Vec<_>>().join(" and ")
    );
    let first = held.first().map_or(Provider::Quickbooks, |(provider, _)| *provider);
    let remedy =
        format!("look whether it is one mistake; then `lamplighter alert release {first}`, or the same with --drop");
    (message, remedy)
}
