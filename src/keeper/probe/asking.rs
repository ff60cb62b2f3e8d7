//! One probe: which question is the cheapest that proves this grant, and what the answer means.
//!
//! QuickBooks is asked for the company with a live access token, renewed if it must be. HubSpot tells of a refresh token
//! without spending it, and is asked for the account only if an access token lives anyway. A token that is called
//! inactive is spent once before it is believed: the token endpoint knows the cause, and an introspection that errs must
//! not cost every owner a reconnect.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;
use tracing::{Instrument as _, field::Empty, info_span, warn};
use uuid::Uuid;

use super::Prober;
use crate::{
    keeper::{
        Keeper,
        access::{LiveToken, Unavailable},
        lapse::{self, Grounds, Lapse},
        renewal::{access_place, refresh_place},
    },
    provider::{Failure, Provider, Verdict},
    retry::later,
    store::{
        self,
        probes::{self, Claim, Proof},
    },
};

/// An access token that ends sooner than this is not used for an extra question.
const MARGIN: Duration = Duration::from_secs(60);

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProbeOutcome)]
pub enum Outcome {
    /// The grant works.
    Verified,
    /// Only the owner can repair it.
    Lapsed,
    /// The tokens were replaced while they were asked about.
    Void,
    /// Our own deployment is at fault.
    OperatorFault,
    /// Nothing was found out.
    Transient,
}

impl Outcome {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Lapsed => "lapsed",
            Self::Void => "void",
            Self::OperatorFault => "operator_fault",
            Self::Transient => "transient",
        }
    }
}

/// One question and what came back.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ProbeAnswer)]
pub struct Answer {
    /// What was asked.
    pub asked: &'static str,
    /// Whether the answer was a good one.
    pub good: bool,
    /// What came back, in words.
    pub message: String,
    /// The rule that judged it.
    pub rule: Option<&'static str>,
    /// The HTTP status, when a reply came.
    pub status: Option<u16>,
    /// The provider's own code.
    pub code: Option<String>,
    /// The id that the provider's support asks for.
    pub correlation_id: Option<String>,
}

/// What a probe found.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ProbeFinding)]
pub struct Finding {
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub at: DateTime<Utc>,
    /// Everything that was asked, in order.
    pub answers: Vec<Answer>,
}

impl Finding {
    pub(super) fn proof(&self, connection_id: Uuid, keeper: &Keeper) -> Option<Proof> {
        (self.outcome == Outcome::Verified).then(|| keeper.proof(connection_id, self.at))
    }
}

/// The questions of one probe.
struct Asking<'a> {
    prober: &'a Prober,
    claim: &'a Claim,
    answers: Vec<Answer>,
}

impl Prober {
    /// Tries one grant out.
    pub(super) async fn look(&self, claim: Claim) -> Result<(Uuid, Finding), store::Error> {
        let at = self.keeper.clock.now();
        let span = info_span!("connection.probe", connection_id = %claim.connection_id, provider = %claim.provider,
            outcome = Empty, error_type = Empty);
        let mut asking = Asking { prober: self, claim: &claim, answers: Vec::new() };
        let looked = asking.look().instrument(span.clone()).await;
        match &looked {
            Ok(outcome) => span.record("outcome", outcome.as_str()),
            Err(_) => span.record("error_type", "database"),
        };
        let outcome = looked?;
        self.keeper.metrics.count_probe(claim.provider, outcome.as_str());
        Ok((claim.connection_id, Finding { outcome, at, answers: asking.answers }))
    }
}

impl Asking<'_> {
    async fn look(&mut self) -> Result<Outcome, store::Error> {
        let (keeper, provider) = (&self.prober.keeper, self.claim.provider);
        match keeper.providers.settings(provider) {
            None => {
                let message = format!("{} is not configured; add the [providers.{provider}] section", provider.title());
                self.noted("nothing", false, message);
                Ok(Outcome::OperatorFault)
            }
            Some(settings) if settings.introspect_url.is_some() => self.refresh_token().await,
            Some(_) => match keeper.access_token(self.claim.connection_id).await {
                Ok(live) => self.api(live).await,
                Err(reason) => self.no_token(reason),
            },
        }
    }

    /// Asks about the refresh token, and for the account if that costs no renewal.
    async fn refresh_token(&mut self) -> Result<Outcome, store::Error> {
        const ASKED: &str = "introspection of the refresh token";
        let (keeper, id) = (&self.prober.keeper, self.claim.connection_id);
        let stored = {
            let mut conn = keeper.pool.acquire().await?;
            probes::tokens(&mut conn, id).await?
        };
        let Some(stored) = stored else { return self.no_token(Unavailable::Lapsed) };
        if let Some(fault) = keeper.issued_to_another(self.claim.provider, &stored.issued_to) {
            return self.judge(ASKED, stored.generation, &fault).await;
        }
        let refresh_token = match keeper.vault.open(refresh_place(id), &stored.refresh_sealed) {
            Ok(token) => token,
            Err(cause) => return self.no_token(cause.into()),
        };
        match keeper.providers.introspect(self.claim.provider, &refresh_token).await {
            Ok(()) => {
                self.noted(ASKED, true, "it is active");
                let lives = stored.access_expires_at > later(keeper.clock.now(), MARGIN);
                match keeper.vault.open(access_place(id), &stored.access_sealed) {
                    Ok(token) if lives => {
                        let (generation, expires_at) = (stored.generation, stored.access_expires_at);
                        self.api(LiveToken { token, generation, expires_at }).await
                    }
                    _ => Ok(Outcome::Verified),
                }
            }
            Err(failure) if matches!(failure.verdict, Verdict::Lapsed(_)) => {
                warn!(%failure, "the refresh token is spent once to make sure");
                self.failed(ASKED, &failure);
                match keeper.renew_generation(id, stored.generation).await {
                    Ok(live) => self.api(live).await,
                    Err(reason) => self.no_token(reason),
                }
            }
            Err(failure) => self.judge(ASKED, stored.generation, &failure).await,
        }
    }

    /// Asks the API. An access token that it refuses is renewed once, and the question asked again.
    async fn api(&mut self, mut live: LiveToken) -> Result<Outcome, store::Error> {
        let asked = match self.claim.provider {
            Provider::Quickbooks => "company info",
            Provider::Hubspot => "account details",
        };
        let mut answer = self.question(&live.token).await;
        if let Err(failure) = &answer
            && failure.verdict == Verdict::TokenRefused
        {
            self.failed(asked, failure);
            live = match self.prober.keeper.renew_generation(self.claim.connection_id, live.generation).await {
                Ok(newer) => newer,
                Err(reason) => return self.no_token(reason),
            };
            answer = self.question(&live.token).await;
        }
        self.prober.weigh(self.claim, answer.as_ref().err()).await?;
        match answer {
            Ok(()) => {
                self.noted(asked, true, "it answers");
                Ok(Outcome::Verified)
            }
            Err(failure) => self.judge(asked, live.generation, &failure).await,
        }
    }

    async fn question(&self, access: &SecretString) -> Result<(), Failure> {
        let (providers, claim) = (&self.prober.keeper.providers, self.claim);
        match (claim.provider, providers.quickbooks(), providers.hubspot()) {
            (Provider::Quickbooks, Some(api), _) => api.company_info(access, &claim.company_id).await.map(drop),
            (Provider::Hubspot, _, Some(api)) => api.account_details(access).await.map(drop),
            // Only the configured are asked.
            (Provider::Quickbooks | Provider::Hubspot, ..) => Ok(()),
        }
    }

    async fn judge(
        &mut self,
        asked: &'static str,
        generation: i64,
        failure: &Failure,
    ) -> Result<Outcome, store::Error> {
        self.failed(asked, failure);
        let (keeper, connection_id) = (&self.prober.keeper, self.claim.connection_id);
        match failure.verdict {
            Verdict::Lapsed(cause) => {
                let grounds = Grounds { connection_id, generation, fence: None, cause, failure };
                let mut tx = keeper.pool.begin().await?;
                let lapse = lapse::declare(&mut tx, &grounds, keeper.clock.now()).await?;
                tx.commit().await?;
                Ok(if lapse == Lapse::Declared { Outcome::Lapsed } else { Outcome::Void })
            }
            Verdict::OperatorFault => {
                keeper.report_operator_fault(failure).await?;
                Ok(Outcome::OperatorFault)
            }
            // A no to this question says nothing about the grant: orders may flow all the same.
            Verdict::Transient | Verdict::OutcomeUnknown | Verdict::TokenRefused | Verdict::Rejected => {
                warn!(%failure, "a grant could not be tried out now; it is tried again");
                if let Some(wait) = failure.retry_after {
                    let mut conn = keeper.pool.acquire().await?;
                    probes::postpone(&mut conn, connection_id, later(keeper.clock.now(), wait)).await?;
                }
                Ok(Outcome::Transient)
            }
        }
    }

    /// There is no token to ask with. If a renewal found the grant dead, it has told its owner already.
    fn no_token(&mut self, reason: Unavailable) -> Result<Outcome, store::Error> {
        let words = reason.to_string();
        let outcome = match reason {
            Unavailable::Lapsed => Outcome::Lapsed,
            // The keeper tells the operator of a token that does not open when its turn comes.
            Unavailable::NotNow | Unavailable::Fenced | Unavailable::Vault(_) => Outcome::Transient,
            Unavailable::Store(cause) => return Err(cause),
        };
        self.noted("the keeper, for a token", false, words);
        Ok(outcome)
    }

    fn noted(&mut self, asked: &'static str, good: bool, message: impl Into<String>) {
        let message = message.into();
        self.answers.push(Answer { asked, good, message, rule: None, status: None, code: None, correlation_id: None });
    }

    fn failed(&mut self, asked: &'static str, failure: &Failure) {
        self.answers.push(Answer {
            asked,
            good: false,
            message: failure.message.clone(),
            rule: Some(failure.rule),
            status: failure.status,
            code: failure.code.clone(),
            correlation_id: failure.correlation_id.clone(),
        });
    }
}
