//! Whether tokens are renewed in time, and whether grants were seen to work.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{Check, State};
use crate::{
    store::{self, probes, tokens},
    words,
};

/// Renewals, of which the most overdue may be late by so much.
pub(super) fn renewed(ahead: &[tokens::Ahead], lateness_allowed: Duration, now: DateTime<Utc>) -> Check {
    let Some(since) = tokens::late_since(ahead) else {
        let out = ahead.iter().find(|one| one.canary_at.is_some() && one.overdue_since.is_some());
        return Check::ok(
            "keeper",
            match out {
                Some(one) => format!("renewals at {} wait for the end of its outage", one.provider.title()),
                None => "no token is overdue".to_owned(),
            },
        );
    };
    let late = (now - since).to_std().unwrap_or_default();
    let message = format!("the most overdue token was due {}", words::until(since, now));
    if late <= lateness_allowed {
        return Check::ok("keeper", message);
    }
    Check::new("keeper", State::Fail, message, "is `lamplighter serve` running? Look for warnings in its log")
}

/// Grants that should have been tried out every `interval`.
pub(super) async fn verified(
    conn: &mut PgConnection,
    interval: Option<Duration>,
    now: DateTime<Utc>,
) -> Result<Check, store::Error> {
    let Some(interval) = interval else {
        return Ok(Check::ok("probes", "grants are not tried out: keeper.probe_interval is off"));
    };
    let most = TimeDelta::from_std(interval * 2).unwrap_or_default() + TimeDelta::hours(1);
    let unseen = probes::count_unverified(conn, now - most).await?.unsigned_abs();
    let span = words::span(most);
    if unseen == 0 {
        return Ok(Check::ok("probes", format!("every connected grant was seen to work within {span}")));
    }
    let message = format!("{} not seen to work for more than {span}", words::count(unseen, "connected grant"));
    let remedy = "is `lamplighter serve` running, and can it reach the provider? `lamplighter connection list` shows \
                  which, `lamplighter connection probe` asks now";
    Ok(Check::new("probes", State::Warn, message, remedy))
}
