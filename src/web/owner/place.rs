//! One provider as its owner sees it: whether it works, what is wrong in plain words, and what was caught up since it was
//! repaired.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use url::Url;

use crate::{
    alerts::mail::what_happened,
    keeper::lapse,
    provider::Provider,
    store::{
        self,
        accounts::Account,
        all_clears,
        connections::{Connection, Status},
        order_log,
    },
    web::pages::{Shown as _, Tone},
};

/// A provider of the account, connected or not.
pub(super) struct Place {
    pub(super) provider: Provider,
    pub(super) connection: Option<Connection>,
    pub(super) heading: String,
    pub(super) happened: Vec<String>,
    pub(super) steps: Vec<String>,
    pub(super) reconnect: Url,
    /// When a lapse of it was last repaired, not long ago, and how many orders went in since.
    pub(super) caught_up: Option<(DateTime<Utc>, u64)>,
}

impl Place {
    /// What there is to say of a provider; a repair before `since` is no news any more.
    pub(super) async fn look(
        conn: &mut PgConnection,
        account: &Account,
        provider: Provider,
        connection: Option<Connection>,
        reconnect: Url,
        since: DateTime<Utc>,
    ) -> Result<Self, store::Error> {
        let mut place = Self {
            provider,
            connection,
            heading: String::new(),
            happened: Vec::new(),
            steps: Vec::new(),
            reconnect,
            caught_up: None,
        };
        let Some(connection) = &place.connection else { return Ok(place) };
        if let Some(cause) = connection.cause {
            (place.heading, place.happened, place.steps) =
                what_happened(cause, provider, &account.name, &connection.company_name);
        } else if let Some(at) = all_clears::last(conn, &lapse::incident(connection.id)).await?.filter(|at| *at > since)
        {
            let posted = order_log::count_posted_since(conn, account.id, at).await?;
            place.caught_up = Some((at, posted.unsigned_abs()));
        }
        Ok(place)
    }

    pub(super) fn tone(&self) -> Tone {
        self.connection.as_ref().map_or(Tone::Quiet, |connection| connection.status.tone())
    }

    pub(super) fn label(&self) -> &'static str {
        match self.connection.as_ref().map(|connection| connection.status) {
            Some(Status::Connected) => "works",
            Some(Status::Failing) => "being repaired by itself",
            Some(Status::Lapsed) => "needs you",
            Some(Status::Disconnected) => "switched off",
            None => "not connected",
        }
    }

    pub(super) fn works(&self) -> bool {
        matches!(
            self.connection.as_ref().map(|connection| connection.status),
            Some(Status::Connected | Status::Failing)
        )
    }

    pub(super) fn since(&self) -> DateTime<Utc> {
        self.connection.as_ref().map_or(DateTime::UNIX_EPOCH, |connection| connection.status_changed_at)
    }

    pub(super) fn button(&self) -> String {
        let title = self.provider.title();
        match self.connection {
            Some(_) => format!("Reconnect {title}"),
            None => format!("Connect {title}"),
        }
    }
}
