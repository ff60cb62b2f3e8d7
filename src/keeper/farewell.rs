//! Giving a grant back because somebody chose to. The order is what makes it safe: the connection ends here first, in one
//! transaction that also makes every late reply for its tokens void, and only then is the provider told, by whoever holds
//! the tokens' lease. A crash or an outage in between leaves an open farewell, which the next try takes up again; the
//! tokens are kept, sealed, until the provider has answered, and overwritten then.
//!
//! It never tells the owner: to be disconnected was somebody's wish. It knows nothing of who asks.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    Keeper,
    by_hand::Waiting,
    renewal::{access_place, refresh_place},
    spool::SpooledReply,
};
use crate::{
    provider::{Failure, Provider, Verdict},
    store::{
        self,
        connections::{self, Status},
        farewells::{self, Answer, Begun, Blank, Farewell, Held, Holder, Lease},
    },
    vault,
};

/// What became of a farewell.
#[derive(Debug)]
pub enum Goodbye {
    /// The provider took the grant back, or does not know it; the tokens are erased.
    GivenBack {
        /// `false` when the provider does not know the token: there was nothing left to give back.
        was_there: bool,
        /// A renewal of this grant was never answered or its reply came too late, so the provider may have handed out
        /// newer tokens than those that it does not know.
        unsettled: bool,
        /// The provider's correlation id.
        correlation_id: Option<String>,
    },
    /// Disconnected here, but the provider was not told: the grant lives there.
    StillThere(Kept),
    /// It was over before.
    Over(Farewell),
    /// It was connected again meanwhile; the new connection was left alone.
    Reconnected,
    /// The database looks restored or copied: its grants may be in use elsewhere. Nothing was done.
    Fenced,
    /// The process is to stop, and somebody still works on the tokens: nothing was done.
    Busy(Lease),
}

/// Why a grant could not be given back.
#[derive(Debug, thiserror::Error)]
pub enum Kept {
    /// The provider did not do it.
    #[error(transparent)]
    Provider(#[from] Failure),
    /// We cannot read the token.
    #[error(transparent)]
    Vault(#[from] vault::Error),
}

/// What the provider said to a token.
struct Told {
    /// It knew the token, and knows it no more.
    was_there: bool,
    answer: Answer,
}

impl Keeper {
    /// Ends a connection and gives its grant back. Waits for whoever works on its tokens; `waiting` is told of each of them.
    /// `connected_at` is what the caller saw: a connection made since then is left alone.
    ///
    /// # Errors
    /// Database trouble: asked again, it goes on where it stopped.
    pub async fn disconnect(
        &self,
        connection_id: Uuid,
        connected_at: DateTime<Utc>,
        waiting: impl FnMut(&Lease),
    ) -> Result<Goodbye, store::Error> {
        // A reply that waits on disk holds the token that the provider knows.
        self.replay_spool(None).await?;
        if !self.let_through().await? {
            return Ok(Goodbye::Fenced);
        }
        let mut waiting = Waiting::new(waiting);
        let held = loop {
            match self.begin_farewell(connection_id, connected_at).await? {
                Begun::Held(held) => break held,
                Begun::Over(farewell) => return Ok(Goodbye::Over(farewell)),
                Begun::Reconnected => return Ok(Goodbye::Reconnected),
                Begun::Busy(lease) if self.stopping.is_cancelled() => return Ok(Goodbye::Busy(lease)),
                Begun::Busy(lease) => waiting.a_moment(lease).await,
            }
        };
        info!(%connection_id, provider = %held.provider, "connection disconnected here; now its grant is given back");
        let result = self.give_back(&held).await;
        self.end_farewell(&held, result).await
    }

    async fn begin_farewell(&self, id: Uuid, connected_at: DateTime<Utc>) -> Result<Begun, store::Error> {
        let holder = Holder { name: &self.daemon, lease: self.config.lease, takeover: self.config.takeover };
        let mut conn = self.pool.acquire().await?;
        farewells::begin(&mut conn, id, connected_at, holder, self.clock.now()).await
    }

    /// Tells the provider.
    async fn give_back(&self, held: &Held) -> Result<Told, Kept> {
        if let Some(fault) = self.issued_to_another(held.provider, &held.issued_to) {
            return Err(fault.into());
        }
        let refresh = self.vault.open(refresh_place(held.connection_id), &held.refresh_sealed)?;
        let told = self.revoke(held.provider, &refresh).await?;
        // Intuit ends the whole grant with either token, and the access token outlives a rotation that never reached us.
        if held.provider == Provider::Quickbooks && !told.was_there {
            let access = self.vault.open(access_place(held.connection_id), &held.access_sealed)?;
            return Ok(self.revoke(held.provider, &access).await?);
        }
        Ok(told)
    }

    async fn revoke(&self, provider: Provider, token: &SecretString) -> Result<Told, Failure> {
        match self.providers.revoke(provider, token).await {
            Ok(correlation_id) => {
                let answer = Answer { status: Some(200), correlation_id, ..Answer::default() };
                Ok(Told { was_there: true, answer })
            }
            Err(failure) if failure.verdict == Verdict::Rejected => {
                Ok(Told { was_there: false, answer: of_failure(&failure) })
            }
            Err(failure) => Err(failure),
        }
    }

    async fn end_farewell(&self, held: &Held, result: Result<Told, Kept>) -> Result<Goodbye, store::Error> {
        let (answer, blank) = match &result {
            Ok(told) => (told.answer.clone(), Some(self.blank(held.connection_id))),
            Err(Kept::Provider(failure)) => (of_failure(failure), None),
            Err(Kept::Vault(_)) => (Answer { rule: Some("vault".to_owned()), ..Answer::default() }, None),
        };
        let ours = {
            let mut conn = self.pool.acquire().await?;
            farewells::finish(&mut conn, held, &answer, blank.as_ref(), self.clock.now()).await?
        };
        if !ours {
            return Ok(Goodbye::Reconnected);
        }
        Ok(match result {
            Ok(Told { was_there, answer }) => Goodbye::GivenBack {
                was_there,
                unsettled: held.unsettled && !was_there,
                correlation_id: answer.correlation_id,
            },
            Err(kept) => {
                warn!(connection_id = %held.connection_id, provider = %held.provider, cause = %kept,
                    "disconnected here, but the grant still lives at the provider: disconnect it again");
                Goodbye::StillThere(kept)
            }
        })
    }

    /// Gives back the grant of a reply that came after its connection was disconnected: nobody else knows its tokens. A
    /// connection that works keeps its grant, whatever older tokens turn up: to revoke them may end the newer ones.
    pub(super) async fn give_back_stray(&self, connection_id: Uuid, provider: Provider, token: &SecretString) {
        let connection = async {
            let mut conn = self.pool.acquire().await?;
            connections::get(&mut conn, connection_id).await
        };
        match connection.await {
            Ok(Some(connection)) if connection.status == Status::Disconnected => {}
            Ok(_) => return,
            Err(cause) => {
                warn!(%connection_id, error = crate::telemetry::chain(&cause),
                    "a reply for older tokens came late; if its connection was disconnected, end it at the provider too");
                return;
            }
        }
        match self.revoke(provider, token).await {
            Ok(_) => info!(%connection_id, "a renewal came after its connection was disconnected: given back as well"),
            Err(failure) => warn!(%connection_id, %failure,
                "a renewal came after its connection was disconnected and cannot be given back: the owner must end it at \
                 the provider"),
        }
    }

    /// The same for a reply that waited on disk.
    pub(super) async fn give_back_spooled(&self, reply: &SpooledReply) {
        match self.vault.open(refresh_place(reply.connection_id), &reply.tokens.refresh_sealed) {
            Ok(token) => self.give_back_stray(reply.connection_id, reply.provider, &token).await,
            Err(cause) => warn!(connection_id = %reply.connection_id, %cause, "a spooled reply does not open"),
        }
    }

    /// Nothing, sealed: whoever reads the row finds a value that opens.
    fn blank(&self, connection_id: Uuid) -> Blank {
        let nothing = SecretString::default();
        Blank {
            access_sealed: self.vault.seal(access_place(connection_id), &nothing),
            refresh_sealed: self.vault.seal(refresh_place(connection_id), &nothing),
        }
    }
}

fn of_failure(failure: &Failure) -> Answer {
    Answer {
        status: failure.status.map(i32::from),
        rule: Some(failure.rule.to_owned()),
        code: failure.code.clone(),
        correlation_id: failure.correlation_id.clone(),
    }
}
