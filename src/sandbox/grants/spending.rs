//! Who is spending which value at this moment, and what is written down of it.

use chrono::{DateTime, Utc};

use super::{
    super::{
        ledger::{TokenCall, TokenOutcome},
        trouble::Trouble,
    },
    Grants, Issued,
};

/// A token call as it is written down on arrival.
pub(in crate::sandbox) struct Arrival<'a> {
    pub(in crate::sandbox) at: DateTime<Utc>,
    pub(in crate::sandbox) grant_type: &'a str,
    pub(in crate::sandbox) company_id: Option<String>,
    /// The refresh token value.
    pub(in crate::sandbox) value: &'a str,
    pub(in crate::sandbox) correlation_id: &'a str,
    pub(in crate::sandbox) in_flight_peers: u32,
    pub(in crate::sandbox) trouble: Option<Trouble>,
}

impl Grants {
    /// Notes that a value is being spent from now on; the answer is how many others are spending it.
    pub(in crate::sandbox) fn begin_spend(&mut self, value: &str) -> u32 {
        let Some(token) = self.refresh.get_mut(value) else {
            return 0;
        };
        let peers = token.in_flight;
        token.in_flight += 1;
        self.spending += 1;
        self.concurrent_spends += u64::from(peers > 0);
        peers
    }

    /// The caller has its answer, or has gone.
    pub(in crate::sandbox) fn end_spend(&mut self, value: &str, call: usize, now: DateTime<Utc>) {
        if let Some(token) = self.refresh.get_mut(value) {
            token.in_flight = token.in_flight.saturating_sub(1);
            self.spending = self.spending.saturating_sub(1);
        }
        if let Some(call) = self.calls.get_mut(call) {
            call.ended_at = Some(now);
        }
    }

    /// The whole reply went out.
    pub(in crate::sandbox) fn delivered(&mut self, call: usize) {
        if let Some(call) = self.calls.get_mut(call) {
            call.delivered = true;
        }
    }

    /// Whether any value is on its way.
    pub(in crate::sandbox) fn is_spending(&self) -> bool {
        self.spending > 0
    }

    /// Writes down a token call and what came of it, nothing if nothing was done, and decides whether its reply gets
    /// lost. The number is that of the call.
    pub(in crate::sandbox) fn note(
        &mut self,
        arrival: Arrival<'_>,
        outcome: Option<Result<&Issued, String>>,
    ) -> (usize, bool) {
        let issued = outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
        let handed_out = issued.and_then(|issued| self.descent_of(issued.refresh.as_deref()?));
        let (family, spent) = self.descent_of(arrival.value).unzip();
        let family = family.or(handed_out.map(|(family, _)| family));
        let (spent, handed_out) = (spent.map(str::to_owned), handed_out.map(|(_, value)| value.to_owned()));
        let reply_lost = arrival.trouble == Some(Trouble::Lost)
            || issued.is_some() && take_one(&mut self.switches.lost_token_replies);
        let call = self.calls.len();
        self.calls.push(TokenCall {
            at: arrival.at,
            grant_type: arrival.grant_type.to_owned(),
            company_id: arrival.company_id,
            outcome: match outcome {
                None => TokenOutcome::NotDone,
                Some(Ok(issued)) if issued.rotated => TokenOutcome::Rotated,
                Some(Ok(_)) => TokenOutcome::Kept,
                Some(Err(error)) => TokenOutcome::Refused(error),
            },
            in_flight_peers: arrival.in_flight_peers,
            reply_lost,
            correlation_id: arrival.correlation_id.to_owned(),
            family,
            spent,
            handed_out,
            trouble: arrival.trouble,
            ended_at: None,
            delivered: false,
        });
        (call, reply_lost)
    }
}

/// Counts down. Says whether there was one to take.
pub(in crate::sandbox) fn take_one(count: &mut u32) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}
