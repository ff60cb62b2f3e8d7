//! Who exists and what befalls them. The town knows the truth: when each grant really died, and why. It knows nothing of
//! what the keeper noticed; the audit compares the two.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use uuid::Uuid;

use super::plan::{Plan, Spell, Trouble};
use crate::provider::{Cause, Provider};

/// Intuit's hard cap on a grant, which no renewal extends.
const FIVE_YEARS: TimeDelta = TimeDelta::days(5 * 365);

/// One connection, its owner and what really happened to its grants.
#[derive(Debug)]
pub(super) struct Resident {
    pub(super) connection_id: Uuid,
    pub(super) account_id: Uuid,
    pub(super) provider: Provider,
    pub(super) company: String,
    pub(super) owner: String,
    /// How long after a mail its owner follows the link; `None` for those who never do.
    pub(super) returns_after: Option<TimeDelta>,
    /// Whether its owner is about to.
    pub(super) returning: bool,
    /// Its grants, one after the other.
    pub(super) grants: Vec<Grant>,
}

/// One consent, and how it ended.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) from: DateTime<Utc>,
    /// When a newer consent replaced it.
    pub(super) until: Option<DateTime<Utc>>,
    pub(super) deaths: Vec<Death>,
}

/// When a provider stopped honouring a grant, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) at: DateTime<Utc>,
    pub(super) cause: Cause,
}

/// Something that happens at its time.
#[derive(Debug)]
pub(super) enum Event {
    /// The owner disconnects the app at the provider.
    Disconnects(usize),
    /// The portal is deleted.
    Deleted(usize),
    /// The owner follows the link of a mail.
    Returns(usize, url::Url),
    Begins(Spell),
    Ends(Spell),
}

/// Everybody, and what is to come.
#[derive(Debug)]
pub(super) struct Town {
    pub(super) residents: Vec<Resident>,
    pub(super) spells: Vec<Spell>,
    agenda: BTreeMap<(DateTime<Utc>, u64), Event>,
    written: u64,
}

impl Resident {
    pub(super) fn latest(&mut self) -> Option<&mut Grant> {
        self.grants.last_mut()
    }

    /// The name by which sentences call it.
    pub(super) fn name(&self) -> String {
        format!("{} of {} ({})", self.provider.title(), self.company, self.connection_id)
    }

    /// A new consent replaces what there was.
    pub(super) fn consents(&mut self, now: DateTime<Utc>) {
        if let Some(latest) = self.latest() {
            latest.until = Some(now);
        }
        self.grants.push(Grant::begin(self.provider, now, now));
        self.returning = false;
    }
}

impl Grant {
    fn begin(provider: Provider, from: DateTime<Utc>, consented_at: DateTime<Utc>) -> Self {
        let cap = Death { at: consented_at + FIVE_YEARS, cause: Cause::HardCapReached };
        Self { from, until: None, deaths: if provider == Provider::Quickbooks { vec![cap] } else { Vec::new() } }
    }

    /// The first death until `now`.
    pub(super) fn death(&self, now: DateTime<Utc>) -> Option<Death> {
        let last = self.until.map_or(now, |until| until.min(now));
        self.deaths.iter().filter(|death| death.at <= last).min_by_key(|death| death.at).copied()
    }
}

impl Town {
    /// Founds a town whose simulation begins at `start`.
    pub(super) fn found(plan: &Plan, start: DateTime<Utc>) -> Self {
        let mut dice = StdRng::seed_from_u64(plan.seed);
        let spells = spells(plan, start, &mut dice);
        let mut town = Self { residents: Vec::new(), spells: spells.clone(), agenda: BTreeMap::new(), written: 0 };
        for number in 0..plan.connections {
            town.settle(plan, number, start, &mut dice);
        }
        for spell in spells {
            town.plan(spell.from, Event::Begins(spell));
            town.plan(spell.until, Event::Ends(spell));
        }
        town
    }

    /// Two neighbours share an account: one is its QuickBooks, the other its HubSpot.
    fn settle(&mut self, plan: &Plan, number: u32, start: DateTime<Utc>, dice: &mut StdRng) {
        let provider = if number.is_multiple_of(2) { Provider::Quickbooks } else { Provider::Hubspot };
        let pair = number / 2;
        let neighbour = self.residents.last().filter(|_| provider == Provider::Hubspot);
        let account_id = neighbour.map_or_else(|| Uuid::from_u128(dice.random()), |other| other.account_id);
        let company = match provider {
            Provider::Quickbooks => (4_620_816_000_000_000_000_u64 + u64::from(pair)).to_string(),
            Provider::Hubspot => (62_000_000 + u64::from(pair)).to_string(),
        };
        let somewhen = |dice: &mut StdRng| start + plan.length().mul_f64(dice.random_range(0.02..0.98));
        let mut returns = dice.random_bool(plan.returning / 100.0);
        let fate = dice.random_range(0.0..100.0);
        let mut consented_at = start - TimeDelta::minutes(dice.random_range(120 * 24 * 60..2 * 365 * 24 * 60));
        let index = self.residents.len();
        if fate < plan.revoked {
            let at = somewhen(dice);
            self.plan(at, Event::Disconnects(index));
        } else if provider == Provider::Hubspot && fate < plan.revoked + plan.deleted {
            returns = false;
            let at = somewhen(dice);
            self.plan(at, Event::Deleted(index));
        } else if provider == Provider::Quickbooks && fate < plan.revoked + plan.capped {
            consented_at = somewhen(dice) - FIVE_YEARS;
        }
        let delay = TimeDelta::minutes(dice.random_range(30..6 * 24 * 60));
        self.residents.push(Resident {
            connection_id: Uuid::nil(),
            account_id,
            provider,
            company,
            owner: format!("owner-{pair}@town.example"),
            returns_after: returns.then_some(delay),
            returning: false,
            grants: vec![Grant::begin(provider, start, consented_at)],
        });
    }

    /// When the owner of a new resident agreed, as far as its provider counts years.
    pub(super) fn consented_at(&self, index: usize) -> Option<DateTime<Utc>> {
        let grant = self.residents.get(index)?.grants.first()?;
        let cap = grant.deaths.iter().find(|death| death.cause == Cause::HardCapReached);
        Some(cap.map_or(grant.from, |cap| cap.at - FIVE_YEARS))
    }

    pub(super) fn plan(&mut self, at: DateTime<Utc>, event: Event) {
        self.written += 1;
        self.agenda.insert((at, self.written), event);
    }

    /// When something happens next.
    pub(super) fn next_at(&self) -> Option<DateTime<Utc>> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// The next event that is not later than `now`.
    pub(super) fn take(&mut self, now: DateTime<Utc>) -> Option<Event> {
        if self.next_at()? > now {
            return None;
        }
        self.agenda.pop_first().map(|(_, event)| event)
    }
}

/// The spells of a plan: the daemon is off once, everything else is spread over the other days, and no two overlap.
fn spells(plan: &Plan, start: DateTime<Utc>, dice: &mut StdRng) -> Vec<Spell> {
    let off = TimeDelta::days(i64::from(plan.off.min(plan.days)));
    let others = plan.length() - off;
    let off_from = others / 3;
    let mut kinds = Vec::new();
    for provider in Provider::ALL {
        kinds.extend((0..plan.outages).map(|_| Trouble::Outage(provider)));
        kinds.extend((0..plan.wrong_secrets).map(|_| Trouble::WrongSecret(provider)));
    }
    let slot = others / i32::try_from(kinds.len()).unwrap_or(i32::MAX).max(1);
    let mut spells = Vec::new();
    for (number, trouble) in kinds.into_iter().enumerate() {
        let wanted = match trouble {
            Trouble::Outage(_) => TimeDelta::minutes(dice.random_range(60..3 * 24 * 60)),
            Trouble::WrongSecret(_) | Trouble::Off => TimeDelta::days(1),
        };
        let length = wanted.min(slot / 2);
        let mut from = slot * i32::try_from(number).unwrap_or(i32::MAX) + (slot / 10).min(TimeDelta::days(5));
        let mut until = from + length;
        if from < off_from && until > off_from {
            until = off_from;
        } else if from >= off_from {
            from += off;
            until += off;
        }
        spells.push(Spell { from: start + from, until: start + until, trouble });
    }
    if !off.is_zero() {
        spells.push(Spell { from: start + off_from, until: start + off_from + off, trouble: Trouble::Off });
    }
    spells.retain(|spell| spell.from < spell.until);
    spells.sort_by_key(|spell| spell.from);
    spells
}

/// `TimeDelta` has no multiplication by a fraction.
trait Share {
    fn mul_f64(self, share: f64) -> Self;
}

impl Share for TimeDelta {
    fn mul_f64(self, share: f64) -> Self {
        TimeDelta::from_std(self.to_std().unwrap_or_default().mul_f64(share)).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(plan: &Plan) -> Town {
        Town::found(plan, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn the_same_seed_befalls_the_same_town() {
        let plan = Plan { connections: 50, ..Plan::default() };
        let told = |plan: &Plan| format!("{:?}", found(plan));
        assert_eq!(told(&plan), told(&plan));
        assert_ne!(told(&plan), told(&Plan { seed: 2, ..plan.clone() }));
    }

    #[test]
    fn only_those_reach_their_cap_who_are_meant_to() {
        let capped = |plan: &Plan| {
            let end = DateTime::UNIX_EPOCH + plan.length();
            let town = found(plan);
            town.residents.iter().filter(|resident| resident.grants[0].death(end).is_some()).count()
        };
        let plan = Plan { revoked: 0.0, deleted: 0.0, capped: 0.0, ..Plan::default() };
        assert_eq!(capped(&plan), 0);
        assert_eq!(capped(&Plan { capped: 100.0, ..plan }), 500);
    }

    proptest! {
        #[test]
        fn spells_stay_within_the_days_and_never_overlap(
            days in 1_u32..2_000, off in 0_u32..300, outages in 0_u32..6, wrong_secrets in 0_u32..4, seed in 0_u64..100,
        ) {
            let plan = Plan { days, off, outages, wrong_secrets, seed, connections: 2, ..Plan::default() };
            let spells = found(&plan).spells;
            let end = DateTime::UNIX_EPOCH + plan.length();
            prop_assert!(spells.iter().all(|spell| spell.from <= spell.until && spell.until <= end));
            prop_assert!(spells.windows(2).all(|pair| pair[0].until <= pair[1].from));
            prop_assert!(!spells.iter().any(|spell| spell.until == end && spell.trouble != Trouble::Off));
        }
    }
}
