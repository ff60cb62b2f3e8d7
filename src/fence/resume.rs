//! Accepting restored tokens: what a person must know before, and the one write that says it. Every daemon that held back
//! at this database sees the raised epoch with its next look and goes on.

use serde::Serialize;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{Fence, INCIDENT, check::Standing, judge::Finding};
use crate::{
    installation::{self, Mark},
    store::{
        self, alerts,
        daemons::{self, Daemon},
        identity::{self, Contents, Identity},
    },
};

/// What a person decides by.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was found; nothing when work goes on.
    pub finding: Option<Finding>,
    /// The database's name for itself.
    pub database_id: Option<Uuid>,
    /// What it holds.
    pub contents: Contents,
    /// The daemon that last worked on it.
    pub last_daemon: Option<Daemon>,
    /// When and where this data directory last saw it.
    pub last_seen_here: Option<Mark>,
}

/// Why restored tokens could not be accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not carry it out.
    #[error("the restored tokens were not accepted")]
    Store(#[from] store::Error),
    /// Somebody was faster.
    #[error("somebody else has decided meanwhile: run `lamplighter resume` again to see what holds now")]
    Overtaken,
    /// The data directory cannot be written.
    #[error("the restored tokens are accepted, but this data directory cannot remember it")]
    Installation(#[from] installation::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Fence {
    /// What there is to decide.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn report(&self, conn: &mut PgConnection) -> Result<Report, store::Error> {
        let marks = self.marks();
        let (standing, seen) = self.inspect(conn).await?;
        let finding = match standing {
            Standing::Held(finding) if self.0.parts.enabled => Some(finding),
            _ => None,
        };
        let database_id = seen.identity.map(|identity| identity.database_id);
        Ok(Report {
            finding,
            database_id,
            contents: identity::contents(conn).await?,
            last_daemon: daemons::latest(conn).await?,
            last_seen_here: database_id.and_then(|id| marks.get(&id).copied()),
        })
    }

    /// Accepts the tokens of this database, if work is held back; returns its new epoch.
    ///
    /// # Errors
    /// [`Error`] says whether it is to be done again.
    pub async fn accept(&self, conn: &mut PgConnection) -> Result<Option<i64>, Error> {
        let marks = self.marks();
        let (standing, seen) = self.inspect(conn).await?;
        let Standing::Held(finding) = standing else { return Ok(None) };
        let old = seen.identity.as_ref();
        let seen_epoch = match finding {
            Finding::GoneBack { seen_epoch, .. } => seen_epoch,
            Finding::Moved { .. } | Finding::Stranger => 0,
        };
        let remembered = old.and_then(|old| marks.get(&old.database_id)).map_or(0, |mark| mark.epoch);
        let epoch = old.map_or(0, |old| old.epoch).max(remembered).max(seen_epoch) + 1;
        // A copy gets a name of its own: what is remembered of the original must not be held against either.
        let (database_id, accepted_from) = match (old, &finding) {
            (Some(old), Finding::GoneBack { .. } | Finding::Stranger) => (old.database_id, old.accepted_from),
            (old, _) => (Uuid::now_v7(), old.map(|old| old.database_id)),
        };
        let new = Identity {
            database_id,
            epoch,
            accepted_from,
            system_identifier: seen.system_identifier.clone(),
            database_oid: seen.database_oid,
            found: None,
        };
        let now = self.0.parts.clock.now();
        let mut tx = conn.begin().await?;
        if !identity::write(&mut tx, &new, old).await? {
            return Err(Error::Overtaken);
        }
        alerts::resolve(&mut tx, INCIDENT, &json!({ "accepted": true }), now).await?;
        tx.commit().await?;
        let mark = Mark { epoch, spend_id: seen.spend_id, seen_at: now };
        self.0.parts.installation.note(database_id, mark)?;
        Ok(Some(epoch))
    }
}
