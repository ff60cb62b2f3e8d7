//! What our own clocks and ledger add to a refusal: a provider says "invalid" for every way a grant can die. Pure.
//!
//! The order is the order of certainty. A cap that is over explains everything else; a window that is over explains a
//! reply that was lost in it; and only a refusal that nothing here explains is what the provider says it is.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{provider::Cause, store::tokens::Claim};

/// The provider's clock and ours need not agree: an end this near counts as passed for whoever was just refused.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(10);
/// A window that ends this near to the cap was cut short by it.
const CUT_SHORT: TimeDelta = TimeDelta::hours(1);

/// The cause to tell, from the one that the reply named.
pub fn refine(cause: Cause, claim: &Claim, now: DateTime<Utc>) -> Cause {
    if cause != Cause::Revoked {
        return cause;
    }
    let (window, cap) = (claim.refresh_expires_at, claim.refresh_hard_expires_at);
    let over = |end: Option<DateTime<Utc>>| end.is_some_and(|end| end <= now + CLOCKS_DIFFER);
    let cut_short = window.zip(cap).is_some_and(|(window, cap)| cap <= window + CUT_SHORT);
    if over(cap) || (over(window) && cut_short) {
        Cause::HardCapReached
    } else if over(window) {
        Cause::InactivityExpired
    } else if claim.after_unknown {
        Cause::ReplyLost
    } else {
        Cause::Revoked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{provider::Provider, store::connections::Status};
    use uuid::Uuid;

    fn told(window: Option<i64>, cap: Option<i64>, after_unknown: bool) -> Cause {
        let now = DateTime::UNIX_EPOCH;
        let at = |minutes: Option<i64>| minutes.map(|minutes| now + TimeDelta::minutes(minutes));
        let claim = Claim {
            connection_id: Uuid::nil(),
            provider: Provider::Quickbooks,
            generation: 1,
            fence: 1,
            spend_id: 1,
            refresh_sealed: String::new(),
            issued_to: String::new(),
            refresh_expires_at: at(window),
            refresh_hard_expires_at: at(cap),
            failures: 0,
            status: Status::Connected,
            after_unknown,
        };
        refine(Cause::Revoked, &claim, now)
    }

    #[test]
    #[rustfmt::skip]
    fn the_cap_stands_above_the_window_above_the_lost_reply() {
        let (past, ahead, later) = (Some(-100), Some(100), Some(10_000));
        for (window, cap, after_unknown, cause) in [
            (past,  past,  true,  Cause::HardCapReached),
            (past,  past,  false, Cause::HardCapReached),
            (ahead, past,  true,  Cause::HardCapReached),
            (None,  past,  false, Cause::HardCapReached),
            (past,  later, true,  Cause::InactivityExpired),
            (past,  None,  false, Cause::InactivityExpired),
            (ahead, later, true,  Cause::ReplyLost),
            (None,  None,  true,  Cause::ReplyLost),
            (ahead, later, false, Cause::Revoked),
            (None,  None,  false, Cause::Revoked),
        ] {
            assert_eq!(told(window, cap, after_unknown), cause, "{window:?} {cap:?} {after_unknown}");
        }
    }

    #[test]
    fn a_window_that_the_cap_cut_short_is_told_as_the_cap() {
        assert_eq!(told(Some(-20), Some(20), false), Cause::HardCapReached, "rounded down by the provider");
        assert_eq!(told(Some(-20), Some(50), false), Cause::InactivityExpired);
        assert_eq!(told(Some(30), Some(30), false), Cause::Revoked, "neither is over");
    }

    #[test]
    fn an_end_within_the_next_minutes_counts_as_passed() {
        assert_eq!(told(Some(50_000), Some(5), false), Cause::HardCapReached);
        assert_eq!(told(Some(5), Some(50_000), false), Cause::InactivityExpired);
        assert_eq!(told(Some(15), Some(50_000), false), Cause::Revoked);
    }

    #[test]
    fn what_the_reply_named_itself_stays() {
        let now = DateTime::UNIX_EPOCH;
        for cause in [Cause::PortalDeleted, Cause::PermissionLost, Cause::SubscriptionLapsed] {
            let claim = Claim {
                connection_id: Uuid::nil(),
                provider: Provider::Hubspot,
                generation: 1,
                fence: 1,
                spend_id: 1,
                refresh_sealed: String::new(),
                issued_to: String::new(),
                refresh_expires_at: Some(now),
                refresh_hard_expires_at: Some(now),
                failures: 0,
                status: Status::Connected,
                after_unknown: true,
            };
            assert_eq!(refine(cause, &claim, now), cause);
        }
    }
}
