//! The directory where renewed tokens wait while Postgres is away. What is wrong there shows at the worst moment: it is
//! looked for before, while the operator can still be told.
//!
//! Each daemon looks after the spool of its own host and tells in that host's name. Replies that wait are no trouble by
//! themselves: they are stored as soon as the database is back. Invariant: one alert for each host, open while any trouble
//! lasts.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;
use tracing::{error, info};

use super::Watch;
use crate::{
    keeper::spool::{Look, Spool},
    store::{self, alerts},
    words,
};

/// How long replies may wait although the database answers: a round stores them within seconds.
const STUCK_AFTER: TimeDelta = TimeDelta::minutes(5);

/// A spool, and since when it is seen not to empty.
#[derive(Debug)]
pub struct Watched {
    spool: Spool,
    host: Arc<str>,
    waiting_since: Mutex<Option<DateTime<Utc>>>,
}

/// What is wrong with a spool.
struct Trouble {
    rule: &'static str,
    words: String,
}

impl Watched {
    /// Of this host.
    pub fn new(spool: Spool, host: &str) -> Self {
        Self { spool, host: host.into(), waiting_since: Mutex::default() }
    }

    /// The database is away: that replies wait is what the spool is for.
    pub(super) fn forgive(&self) {
        *self.waiting_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Since when replies wait although the database answers.
    fn waiting_since(&self, waiting: usize, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut since = self.waiting_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = (waiting > 0).then(|| since.unwrap_or(now));
        *since
    }

    async fn look(&self, now: DateTime<Utc>) -> Option<Trouble> {
        let Look { written, waiting, unreadable } = self.spool.look().await?;
        let since = self.waiting_since(waiting, now);
        if let Err(cause) = written {
            return Some(Trouble { rule: "spool_unwritable", words: format!("nothing can be written there: {cause}") });
        }
        if unreadable > 0 {
            let files = words::count(unreadable as u64, "file");
            return Some(Trouble { rule: "spool_unreadable", words: format!("{files} there cannot be read") });
        }
        let stuck = since.is_some_and(|since| now - since >= STUCK_AFTER);
        stuck.then(|| Trouble {
            rule: "spool_stuck",
            words: format!(
                "{} wait there, and the database does not take them",
                words::count(waiting as u64, "renewed token")
            ),
        })
    }
}

impl Watch {
    /// Tells of trouble with this host's spool, or that it is over; `true` when there is something to tell.
    pub(super) async fn look_after_spool(&self) -> Result<bool, store::Error> {
        let (watched, now) = (&self.spool, self.clock.now());
        let incident = format!("spool/{}", watched.host);
        let trouble = watched.look(now).await;
        let mut tx = self.pool.begin().await?;
        let news = match &trouble {
            Some(trouble) => {
                let operator = self.config.operator_email.as_ref().map(|mailbox| mailbox.email.to_string());
                tell(&mut tx, watched, &incident, trouble, operator.as_deref(), now).await?
            }
            None => alerts::resolve(&mut tx, &incident, &json!({}), now).await?,
        };
        tx.commit().await?;
        match trouble {
            Some(trouble) if news => error!(
                host = %watched.host, rule = trouble.rule, trouble = trouble.words,
                directory = %watched.spool.directory().display(), "the spool is in trouble: a renewed token may be lost \
                while the database is away; see `lamplighter doctor` on that host"
            ),
            None if news => info!(host = %watched.host, "the spool works again"),
            _ => {}
        }
        Ok(news)
    }
}

async fn tell(
    conn: &mut PgConnection,
    watched: &Watched,
    incident: &str,
    trouble: &Trouble,
    recipient: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool, store::Error> {
    let alert = alerts::NewAlert {
        incident,
        kind: alerts::Kind::OperatorFault,
        connection_id: None,
        provider: None,
        detail: &json!({
            "spool_host": &*watched.host, "spool_directory": watched.spool.directory(), "rule": trouble.rule,
            "message": trouble.words,
        }),
        recipient,
    };
    alerts::open(conn, &alert, now).await
}
