//! What `doctor` and `/readyz` say of the fence.

use sqlx::PgConnection;

use super::{
    Fence, Inside,
    judge::{Finding, Ruling, judge},
};
use crate::{
    health::{Check, State},
    presence::LIVE_WITHIN,
    store::{self, daemons, identity::Seen},
};

pub(super) const REMEDY: &str = "run `lamplighter resume`, which shows what was found and what can be done: point \
                                 database.url at the live database, or accept the restored tokens";

/// How it stands, for whoever asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Turned off by the configuration.
    Off,
    /// Work goes on.
    Open,
    /// New here; others work, and a daemon joins them.
    Joins,
    /// New here; a sign of life of others may still come.
    Watches,
    /// Work is held back.
    Held(Finding),
}

impl Fence {
    /// How it stands; a process that has not looked yet judges without changing anything.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn standing(&self, conn: &mut PgConnection) -> Result<Standing, store::Error> {
        if !self.0.parts.enabled {
            return Ok(Standing::Off);
        }
        let inside = self.state().standing.clone();
        Ok(match inside {
            Inside::Open(_) => Standing::Open,
            Inside::Held(held) => held.finding.map_or(Standing::Watches, Standing::Held),
            Inside::Unknown => self.inspect(conn).await?.0,
        })
    }

    pub(super) async fn inspect(&self, conn: &mut PgConnection) -> Result<(Standing, Seen), store::Error> {
        let marks = self.marks();
        let seen = self.see(conn).await?;
        let standing = match judge(&marks, None, &seen) {
            Ruling::Admit | Ruling::Register => Standing::Open,
            Ruling::Close(finding) => Standing::Held(finding),
            Ruling::Watch if daemons::live(conn, LIVE_WITHIN).await?.iter().any(|daemon| daemon.works) => {
                Standing::Joins
            }
            Ruling::Watch => Standing::Held(Finding::Stranger),
        };
        Ok((standing, seen))
    }

    /// The check.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn check(&self, conn: &mut PgConnection) -> Result<Check, store::Error> {
        let standing = self.standing(conn).await?;
        let ok = |message: &str| Check { id: "fence", state: State::Ok, message: message.to_owned(), remedy: None };
        let with = |state, message: String, remedy: &str| {
            let remedy = Some(remedy.to_owned());
            Check { id: "fence", state, message, remedy }
        };
        Ok(match standing {
            Standing::Off => ok("not used: database.restore_fence is off"),
            Standing::Open if self.state().cluster_unreadable => with(
                State::Warn,
                "this is the database that was worked on; our role may not read which PostgreSQL cluster it is in, so a \
                 copy in another cluster may go unnoticed"
                    .to_owned(),
                "as a superuser: grant execute on function pg_control_system() to the role of database.url",
            ),
            Standing::Open => ok("this is the database that was worked on"),
            Standing::Joins => ok("new here, but other daemons work on this database: a daemon joins them"),
            Standing::Watches => with(
                State::Fail,
                "this data directory is new to this database, which holds tokens: looking for another daemon that works \
                 on it"
                    .to_owned(),
                "nothing: it is decided within a minute",
            ),
            Standing::Held(finding) => {
                let message = format!("{}; nothing is spent, posted or mailed", finding.words());
                with(State::Fail, message, REMEDY)
            }
        })
    }
}
