//! Who is spending which value at this moment, and what is written down of it.

use chrono::{DateTime, Utc};

use super::{
    super::ledger::{TokenCall, TokenOutcome},
    Grants,
};

impl Grants {
    /// Notes that a value is being spent from now on; the answer is how many others are spending it.
    pub(in crate::sandbox) fn begin_spend(&mut self, value: &str) -> u32 {
        let Some(token) = self.refresh.get_mut(value) else {
            return 0;
        };
        let peers = token.in_flight;
        token.in_flight += 1;
        self.concurrent_spends += u64::from(peers > 0);
        peers
    }

    /// The caller has its answer, or has gone.
    pub(in crate::sandbox) fn end_spend(&mut self, value: &str) {
        if let Some(token) = self.refresh.get_mut(value) {
            token.in_flight = token.in_flight.saturating_sub(1);
        }
    }

    /// Whether any value is on its way.
    pub(in crate::sandbox) fn is_spending(&self) -> bool {
        self.refresh.values().any(|token| token.in_flight > 0)
    }

    /// Writes down a token call (`Ok` tells whether it rotated), and decides whether its reply gets lost.
    pub(in crate::sandbox) fn note(
        &mut self,
        at: DateTime<Utc>,
        grant_type: &str,
        company_id: Option<String>,
        in_flight_peers: u32,
        outcome: Result<bool, String>,
    ) -> bool {
        let reply_lost = outcome.is_ok() && take_one(&mut self.switches.lost_token_replies);
        self.calls.push(TokenCall {
            at,
            grant_type: grant_type.to_owned(),
            company_id,
            outcome: match outcome {
                Ok(true) => TokenOutcome::Rotated,
                Ok(false) => TokenOutcome::Kept,
                Err(error) => TokenOutcome::Refused(error),
            },
            in_flight_peers,
            reply_lost,
        });
        reply_lost
    }
}

/// Counts down. Says whether there was one to take.
pub(in crate::sandbox) fn take_one(count: &mut u32) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}
