//! Every mail that arrived against the outbox and against what really happened: one when a grant lapsed, one when its
//! owner had reconnected, and none without a reason.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Audit, Kind, tables::Letter};
use crate::{
    cli::simulate::{configuration::OPERATOR, town::Resident},
    provider::Cause,
    store::mails::Step,
};

/// Owners are warned at most so long before a window ends.
const EARLIEST_WARNING: TimeDelta = TimeDelta::days(61);

impl Audit<'_> {
    /// Compares, and counts by kind and moment.
    pub(super) fn mails(&mut self) -> BTreeMap<String, u64> {
        let letters: BTreeMap<String, &Letter> =
            self.letters.iter().map(|letter| (letter.id.to_string(), letter)).collect();
        let (mut counts, mut seen, mut wrong) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        for mail in self.simulation.sandbox.mails() {
            let id = mail.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("message-id"));
            let id = id.map(|(_, value)| value.trim_start_matches('<').split('@').next().unwrap_or("").to_owned());
            let letter = id.as_ref().and_then(|id| letters.get(id));
            let Some((id, letter)) = id.clone().zip(letter) else {
                wrong.push(format!("a mail \"{}\" arrived that the outbox does not know", mail.subject));
                continue;
            };
            *counts.entry(kind(letter)).or_insert(0) += 1;
            if !seen.insert(id) {
                wrong.push(format!("the mail \"{}\" of {} arrived twice", mail.subject, mail.at));
            }
            if mail.to != [letter.recipient.clone()] {
                wrong.push(format!("the mail \"{}\" of {} went to somebody else", mail.subject, mail.at));
            }
        }
        for letter in self.letters.iter().filter(|letter| letter.sent_at.is_some()) {
            if !seen.contains(&letter.id.to_string()) {
                wrong.push(format!("the mail {} ({}) counts as sent, but never arrived", letter.id, kind(letter)));
            }
        }
        let waiting = self.letters.iter().filter(|letter| letter.sent_at.is_none()).count();
        if waiting > 0 {
            wrong.push(format!("{waiting} mails still wait in the outbox"));
        }
        self.wrong.extend(wrong);
        self.owners();
        counts
    }

    /// Each owner was told of every lapse and of every reconnect once, and of nothing else.
    fn owners(&mut self) {
        let mut by_connection: BTreeMap<Uuid, Vec<&Letter>> = BTreeMap::new();
        for letter in &self.letters {
            if let Some(id) = letter.connection_id {
                by_connection.entry(id).or_default().push(letter);
            }
        }
        let mut lapses: BTreeMap<Uuid, usize> = BTreeMap::new();
        let mut over: BTreeMap<Uuid, usize> = BTreeMap::new();
        for alert in self.alerts.iter().filter(|alert| alert.kind == Kind::ConnectionLapsed) {
            let Some(id) = alert.connection_id else { continue };
            *lapses.entry(id).or_default() += 1;
            *over.entry(id).or_default() += usize::from(alert.resolved_at.is_some());
        }
        let mut wrong = Vec::new();
        for resident in &self.simulation.town.residents {
            let id = resident.connection_id;
            let letters = by_connection.remove(&id).unwrap_or_default();
            let told = |step: Step| {
                let same = |letter: &&&Letter| letter.kind == Kind::ConnectionLapsed && letter.step == step;
                letters.iter().filter(same).count()
            };
            let count = |map: &BTreeMap<Uuid, usize>| map.get(&id).copied().unwrap_or(0);
            for (what, mails, times) in [
                ("lapsed", told(Step::Opened), count(&lapses)),
                ("was reconnected after a lapse", told(Step::Resolved), count(&over)),
            ] {
                if mails != times {
                    wrong.push(format!("{} {what} {times} times, and {mails} mails told of it", resident.name()));
                }
            }
            for letter in letters {
                if letter.recipient != resident.owner && letter.recipient != OPERATOR {
                    wrong.push(format!("a mail about {} went to somebody else", resident.name()));
                }
                let other = letter.kind != Kind::ConnectionLapsed && letter.recipient == resident.owner;
                let due = |at| match letter.step {
                    Step::Resolved => reconnected_in_time(resident, at),
                    _ => runs_out_soon(resident, at),
                };
                if other && !letter.sent_at.is_some_and(due) {
                    wrong.push(format!("{} got a mail ({}) without a reason", resident.name(), kind(letter)));
                }
            }
        }
        self.wrong.extend(wrong);
    }
}

/// Whether the grant of then was about to end by itself.
fn runs_out_soon(resident: &Resident, at: DateTime<Utc>) -> bool {
    let by_itself = |cause| matches!(cause, Cause::HardCapReached | Cause::InactivityExpired);
    let current = resident.grants.iter().rev().find(|grant| grant.from <= at);
    current.is_some_and(|grant| {
        grant.deaths.iter().any(|death| by_itself(death.cause) && death.at - EARLIEST_WARNING <= at)
    })
}

/// Whether an owner who was warned has just agreed anew: the thanks are for that.
fn reconnected_in_time(resident: &Resident, at: DateTime<Utc>) -> bool {
    let mut grants = resident.grants.iter().rev().filter(|grant| grant.from <= at);
    let (Some(new), Some(former)) = (grants.next(), grants.next()) else { return false };
    at - new.from <= TimeDelta::days(1) && runs_out_soon(resident, new.from - TimeDelta::seconds(1)) && former.from < at
}

/// The kind of a mail and its moment, such as `connection_lapsed opened`.
fn kind(letter: &Letter) -> String {
    let name = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    format!("{} {}", name(serde_json::to_value(letter.kind)), name(serde_json::to_value(letter.step)))
}
