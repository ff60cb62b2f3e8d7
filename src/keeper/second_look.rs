//! One cheap look before an owner is told that somebody disconnected the app.
//!
//! Intuit refuses a refresh token in the same words whether the grant was ended or a newer token has taken its place. The
//! access token that came with it tells the two apart for as long as it lives: if it still opens the company, the grant
//! lives and only our refresh token was replaced. HubSpot allows no such look, because its access tokens outlive a
//! revocation.
//!
//! The look decides what is told, never whether the connection lapses. It spends nothing, runs with no transaction open
//! and ends within the lease of the spend that it belongs to.

use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;

use super::{Keeper, cause::refine, renewal::access_place};
use crate::{
    provider::{Cause, Failure, Provider, Verdict},
    retry::later,
    store::{
        self, connections,
        tokens::{self, Claim},
    },
};

/// A look takes no longer, however long the lease is.
const LONGEST: Duration = Duration::from_secs(10);
/// In less than this nobody answers.
const SHORTEST: Duration = Duration::from_millis(500);

/// What a second look showed; kept as evidence.
#[derive(Clone, Debug, Serialize)]
pub struct SecondLook {
    /// `company_info_works`, the rule that judged the refusal, or why there was no look.
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip)]
    cause: Cause,
}

impl SecondLook {
    /// What the owner is told.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    fn told(rule: &'static str, cause: Cause) -> Self {
        Self { rule, status: None, code: None, correlation_id: None, cause }
    }

    /// A look that showed nothing: then the refusal means what it says.
    fn blind(rule: &'static str) -> Self {
        Self::told(rule, Cause::Revoked)
    }

    fn refused(failure: Failure) -> Self {
        let cause = match failure.verdict {
            Verdict::Lapsed(cause) => cause,
            _ => Cause::Revoked,
        };
        Self {
            status: failure.status,
            code: failure.code,
            correlation_id: failure.correlation_id,
            ..Self::told(failure.rule, cause)
        }
    }
}

impl Keeper {
    /// Looks again where a refusal has more than one explanation; `None` where it has one.
    pub(super) async fn second_look(&self, claim: &Claim, failure: &Failure) -> Option<SecondLook> {
        let Verdict::Lapsed(cause) = failure.verdict else { return None };
        if claim.provider != Provider::Quickbooks || refine(cause, claim, self.clock.now()) != Cause::Revoked {
            return None;
        }
        // The spend may have taken all of its deadline, and what follows may take all of the commit budget.
        let taken = self.config.deadline + self.config.commit_budget;
        let time = self.config.lease.saturating_sub(taken).min(LONGEST);
        if time < SHORTEST {
            return Some(SecondLook::blind("no_time_left"));
        }
        let look = tokio::time::timeout(time, self.look(claim, time)).await;
        Some(look.unwrap_or_else(|_| SecondLook::blind("no_answer_in_time")))
    }

    async fn look(&self, claim: &Claim, time: Duration) -> SecondLook {
        let Some(api) = self.providers.quickbooks() else { return SecondLook::blind("not_configured") };
        match self.open_company(claim, time).await {
            Ok(Ok((realm, access))) => match api.company_info(&access, &realm).await {
                Ok(_) => SecondLook::told("company_info_works", Cause::Replaced),
                Err(failure) => SecondLook::refused(failure),
            },
            Ok(Err(why)) => SecondLook::blind(why),
            Err(_) => SecondLook::blind("database_away"),
        }
    }

    /// The company and the access token of the generation that was refused, if that still lives while we look.
    async fn open_company(
        &self,
        claim: &Claim,
        time: Duration,
    ) -> Result<Result<(String, SecretString), &'static str>, store::Error> {
        let (stored, company) = {
            let mut conn = self.pool.acquire().await?;
            (
                tokens::access(&mut conn, claim.connection_id).await?,
                connections::get(&mut conn, claim.connection_id).await?,
            )
        };
        let stored = stored.filter(|stored| stored.generation == claim.generation);
        let Some((stored, company)) = stored.zip(company) else { return Ok(Err("tokens_moved_on")) };
        if stored.access_expires_at <= later(self.clock.now(), time) {
            return Ok(Err("access_token_over"));
        }
        let access = self.vault.open(access_place(claim.connection_id), &stored.access_sealed);
        Ok(access.map(|access| (company.company_id, access)).map_err(|_| "vault"))
    }
}
