//! Compares what the keeper did with what really happened: in the database, in the simulated providers and in the mailbox.
//! Every disagreement is a sentence that names the connection, so that it can be followed up.

mod mails;

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{
    plan::{Spell, Trouble},
    report::{Lapses, Report},
    run::{AFTERMATH, Simulation},
    town::{Death, Resident},
};
use crate::{
    keeper::renewal::refresh_place,
    provider::{Cause, Provider},
    store::{
        alerts::{self, Alert, Kind},
        audit as tables,
        connections::Status,
    },
    vault,
};

/// Everything that is compared.
struct Audit<'a> {
    simulation: &'a Simulation,
    now: DateTime<Utc>,
    alerts: Vec<Alert>,
    holdings: BTreeMap<Uuid, tables::Holding>,
    letters: Vec<tables::Letter>,
    wrong: Vec<String>,
    deaths: Vec<Noticed>,
}

/// A death, and what came of it.
struct Noticed {
    cause: Cause,
    must: bool,
    after: Option<TimeDelta>,
}

pub(super) async fn audit(simulation: &Simulation, took: Duration) -> anyhow::Result<Report> {
    let mut conn = simulation.app.pool.acquire().await?;
    let holdings = tables::holdings(&mut conn).await?;
    let connections = holdings.len();
    let mut audit = Audit {
        simulation,
        now: simulation.clock.now(),
        alerts: alerts::recent(&mut conn, i64::MAX).await?,
        holdings: holdings.into_iter().map(|holding| (holding.id, holding)).collect(),
        letters: tables::letters(&mut conn).await?,
        wrong: Vec::new(),
        deaths: Vec::new(),
    };
    let spends = tables::spends(&mut conn).await?;
    drop(conn);
    for resident in &simulation.town.residents {
        audit.resident(resident)?;
    }
    audit.alerts_to_the_operator();
    let mails = audit.mails();
    audit.whole(&spends);
    let lived = (audit.now - simulation.start).to_std().unwrap_or_default();
    let sandbox = &simulation.sandbox;
    let halves = Provider::ALL.into_iter().flat_map(|provider| {
        let (tokens, api) = (sandbox.oauth_calls(provider), sandbox.api_calls(provider));
        [(format!("{provider} tokens"), tokens), (format!("{provider} api"), api)]
    });
    let outcome = |outcome: Option<crate::store::spends::Outcome>| outcome.map_or("open", |outcome| outcome.as_str());
    Ok(Report {
        plan: simulation.plan.clone(),
        connections,
        rounds: simulation.tally.rounds,
        spends: spends.iter().map(|(ended, count)| (outcome(*ended).to_owned(), *count)).collect(),
        calls: halves.collect(),
        lapses: summed(&audit.deaths),
        reconnects: simulation.tally.reconnects,
        mails,
        concurrent_spends: sandbox.concurrent_spends(),
        longest_overdue_seconds: simulation.tally.longest_overdue.num_seconds(),
        disagreements: audit.wrong,
        wall_seconds: took.as_secs_f64(),
        ratio: lived.as_secs_f64() / took.as_secs_f64().max(f64::EPSILON),
    })
}

impl Audit<'_> {
    fn disagree(&mut self, sentence: String) {
        self.wrong.push(sentence);
    }

    /// Each of its grants against the lapses that were declared meanwhile, and what it holds now.
    fn resident(&mut self, resident: &Resident) -> anyhow::Result<()> {
        let of_it = |alert: &&Alert| {
            alert.kind == Kind::ConnectionLapsed && alert.connection_id == Some(resident.connection_id)
        };
        let mut declared: Vec<Declared> = self.alerts.iter().filter(of_it).map(Declared::read).collect();
        declared.sort_by_key(|lapse| lapse.at);
        for (number, grant) in resident.grants.iter().enumerate() {
            let last = grant.until.unwrap_or(DateTime::<Utc>::MAX_UTC);
            let first = if number == 0 { DateTime::<Utc>::MIN_UTC } else { grant.from };
            let meanwhile: Vec<_> = declared.iter().filter(|lapse| first <= lapse.at && lapse.at < last).collect();
            if let [_, again, ..] = meanwhile[..] {
                self.disagree(format!("{} lapsed again at {} without a reconnect", resident.name(), again.at));
            }
            match (grant.death(self.now), meanwhile.first()) {
                (None, None) => {}
                (None, Some(lapse)) => self.disagree(format!(
                    "{} lapsed at {} as \"{}\", but its grant still worked",
                    resident.name(),
                    lapse.at,
                    lapse.cause.map_or("unknown", Cause::as_str)
                )),
                (Some(death), lapse) => {
                    let until = grant.until.unwrap_or(self.now);
                    self.death(resident, death, until, lapse.copied());
                    if let Some(lapse) = lapse {
                        let holds =
                            |cause| grant.deaths.iter().any(|death| death.at <= lapse.at && cause == death.cause);
                        if !lapse.cause.is_some_and(holds) {
                            self.disagree(format!(
                                "{} lapsed as \"{}\" instead of \"{}\"",
                                resident.name(),
                                lapse.cause.map_or("unknown", Cause::as_str),
                                death.cause.as_str()
                            ));
                        }
                    }
                }
            }
        }
        self.at_present(resident, declared.last())
    }

    /// A death must be noticed in time, and not before it happened.
    fn death(&mut self, resident: &Resident, death: Death, until: DateTime<Utc>, lapse: Option<&Declared>) {
        let latest = self.latest_notice(resident.provider, death.at);
        let must = lapse.is_some() || latest < until;
        let after = lapse.map(|lapse| lapse.at - death.at);
        match lapse {
            None if must => self.disagree(format!(
                "{} should have lapsed (\"{}\" at {}) by {latest}, but did not",
                resident.name(),
                death.cause.as_str(),
                death.at
            )),
            Some(lapse) if lapse.at > latest => self.disagree(format!(
                "{} lapsed at {}, but it died (\"{}\") at {} and {latest} would have been in time",
                resident.name(),
                lapse.at,
                death.cause.as_str(),
                death.at
            )),
            Some(lapse) if lapse.at < death.at => self.disagree(format!(
                "{} lapsed at {}, before it died (\"{}\") at {}",
                resident.name(),
                lapse.at,
                death.cause.as_str(),
                death.at
            )),
            _ => {}
        }
        self.deaths.push(Noticed { cause: death.cause, must, after });
    }

    /// A grant is looked at whenever it is renewed; trouble for everybody postpones that by as long as it lasts.
    fn latest_notice(&self, provider: Provider, died_at: DateTime<Utc>) -> DateTime<Utc> {
        let mut latest = died_at + self.simulation.longest_pause(provider) + self.simulation.plan.step() * 2;
        let hampers = |spell: &&Spell| spell.hampers(provider) && spell.until + AFTERMATH > died_at;
        for spell in self.simulation.town.spells.iter().filter(hampers) {
            if spell.from < latest {
                latest += spell.until - spell.from.max(died_at.min(spell.until)) + AFTERMATH;
            }
        }
        latest
    }

    /// What is stored at the end: a token that the provider would renew, or a lapse.
    fn at_present(&mut self, resident: &Resident, lapse: Option<&Declared>) -> anyhow::Result<()> {
        let Some(holding) = self.holdings.remove(&resident.connection_id) else {
            self.disagree(format!("{} is gone from the database", resident.name()));
            return Ok(());
        };
        let (status, grant) = (holding.status, resident.grants.last().context("every resident has a grant")?);
        let lapsed = lapse.is_some_and(|lapse| lapse.at >= grant.from && grant.until.is_none());
        let died = grant.death(self.now).is_some();
        if lapsed != (status == Status::Lapsed) {
            self.disagree(format!("{} is {} although its last alert says otherwise", resident.name(), status.as_str()));
        } else if !died && status != Status::Connected && !self.in_trouble(resident.provider) {
            self.disagree(format!("{} is {} although its grant works", resident.name(), status.as_str()));
        }
        let (vault, place) = (&self.simulation.app.health.vault, refresh_place(resident.connection_id));
        let stored = vault.open(place, &holding.refresh_sealed)?;
        let honoured = || {
            let fingerprint = vault::fingerprint(&stored);
            self.simulation.sandbox.honours(resident.provider, &resident.company, &fingerprint)
        };
        if !died && !honoured() {
            self.disagree(format!("{} holds a refresh token that its provider does not honour", resident.name()));
        }
        Ok(())
    }

    /// Whether the provider's renewals are hampered now, or were a moment ago.
    fn in_trouble(&self, provider: Provider) -> bool {
        let spells = &self.simulation.town.spells;
        spells
            .iter()
            .any(|spell| spell.hampers(provider) && spell.from <= self.now && self.now < spell.until + AFTERMATH)
    }

    /// The operator hears once of every time that our own secret was refused, and of nothing that did not happen.
    fn alerts_to_the_operator(&mut self) {
        let mut heard: Vec<(Spell, &str)> = Vec::new();
        let mut wrong = Vec::new();
        for alert in self.alerts.iter().filter(|alert| alert.kind != Kind::ConnectionLapsed) {
            let explains = |spell: &&Spell| {
                let meanwhile = spell.from <= alert.opened_at && alert.opened_at < spell.until + AFTERMATH;
                meanwhile
                    && match spell.trouble {
                        Trouble::WrongSecret(provider) => {
                            alert.kind == Kind::OperatorFault && alert.provider == Some(provider)
                        }
                        Trouble::Outage(provider) => alert.kind == Kind::Outage && alert.provider == Some(provider),
                        Trouble::Off => false,
                    }
            };
            match self.simulation.town.spells.iter().find(explains).copied() {
                Some(spell) if heard.contains(&(spell, &alert.incident)) => {
                    wrong.push(format!("the operator was told again at {} of \"{}\"", alert.opened_at, alert.incident));
                }
                Some(spell) => heard.push((spell, &alert.incident)),
                None if alert.connection_id.is_some_and(|id| self.owners_were_warned(id)) => {}
                None if alert.kind == Kind::RefreshWindowNear && self.kept_from_renewing(alert) => {}
                None => wrong.push(format!("the alert \"{}\" of {} has no reason", alert.incident, alert.opened_at)),
            }
        }
        for (spell, met) in &self.simulation.tally.faults_met {
            let times = heard.iter().filter(|(of, _)| of == spell).count();
            if times != 1 {
                let trouble = format!("{met} renewals met a refused client secret from {} on", spell.from);
                wrong.push(format!("{trouble}, and the operator was told {times} times instead of once"));
            }
        }
        self.wrong.extend(wrong);
    }

    /// Whether nothing could be renewed there for a day or more before an alert.
    fn kept_from_renewing(&self, alert: &Alert) -> bool {
        let lasted = |spell: &Spell| {
            let meanwhile =
                spell.from + TimeDelta::days(1) <= alert.opened_at && alert.opened_at < spell.until + AFTERMATH;
            meanwhile && alert.provider.is_some_and(|provider| spell.hampers(provider))
        };
        self.simulation.town.spells.iter().any(lasted)
    }

    /// Alerts about one connection that is not lapsed are warnings; whether they were due is a question of its mails.
    fn owners_were_warned(&self, connection_id: Uuid) -> bool {
        self.letters.iter().any(|letter| {
            let to_owner =
                |resident: &Resident| resident.connection_id == connection_id && resident.owner == letter.recipient;
            letter.connection_id == Some(connection_id) && self.simulation.town.residents.iter().any(to_owner)
        })
    }

    fn whole(&mut self, spends: &[(Option<crate::store::spends::Outcome>, i64)]) {
        let twice = self.simulation.sandbox.concurrent_spends();
        if twice > 0 {
            self.disagree(format!("a refresh token value was spent while it was being spent, {twice} times"));
        }
        if let Some((_, open)) = spends.iter().find(|(outcome, _)| outcome.is_none()) {
            self.disagree(format!("{open} spends were never finished"));
        }
        let (overdue, step) = (self.simulation.tally.longest_overdue, self.simulation.plan.step());
        if overdue > step * 2 {
            let (minutes, at) = (overdue.num_minutes(), self.simulation.tally.overdue_at);
            self.disagree(format!("a token was overdue by {minutes} min at {at} although nothing was wrong"));
        }
    }
}

/// A lapse as the daemon declared it.
struct Declared {
    at: DateTime<Utc>,
    cause: Option<Cause>,
}

impl Declared {
    fn read(alert: &Alert) -> Self {
        let cause: &Value = &alert.detail["cause"];
        Self { at: alert.opened_at, cause: serde_json::from_value(cause.clone()).ok() }
    }
}

fn summed(deaths: &[Noticed]) -> Vec<Lapses> {
    let mut causes: Vec<Cause> = Vec::new();
    for death in deaths {
        if !causes.contains(&death.cause) {
            causes.push(death.cause);
        }
    }
    let of = |cause: Cause| {
        let deaths = || deaths.iter().filter(move |death| death.cause == cause);
        let mut delays: Vec<_> = deaths().filter_map(|death| death.after).map(|after| after.num_seconds()).collect();
        delays.sort_unstable();
        Lapses {
            cause,
            expected: deaths().filter(|death| death.must).count() as u64,
            seen: delays.len() as u64,
            pending: deaths().filter(|death| !death.must).count() as u64,
            median_delay_seconds: delays.get(delays.len() / 2).copied(),
            longest_delay_seconds: delays.last().copied(),
        }
    };
    causes.into_iter().map(of).collect()
}
