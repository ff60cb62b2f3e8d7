//! `lamplighter connection renew`: now, under the full protocol.

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{
    super::{DONE, FAILED, UNHEALTHY, output, unhurried, with_app},
    explain::screen,
    naming::{CONNECTION, named, noted},
};
use crate::{
    app::App,
    config::Config,
    explain::connection::{self as explain, rules},
    keeper::by_hand::{Haste, Pause, Renewal},
    provider::Endpoint,
    store::{
        connections::Found,
        dossiers::{self, Dossier, Spend},
        farewells::Lease,
        spends::Outcome,
        tokens::TAKEOVER,
    },
    words,
};

#[derive(Debug, Args)]
pub(in super::super) struct Options {
    #[arg(help = CONNECTION)]
    connection: String,
    /// Do not wait out the pause after a failure
    #[arg(long)]
    now: bool,
    /// Not even when the last request with this token was never answered: if it still runs there, a second one can end
    /// the grant
    #[arg(long, requires = "now")]
    risk_unanswered: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What came of it, for the exit code and for scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Renewed,
    Not,
    Lapsed,
}

impl Options {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        with_app(config, async |app| unhurried(app, self.renew(app)).await).await
    }

    async fn renew(&self, app: &App) -> anyhow::Result<u8> {
        let found = named(&mut *app.pool.acquire().await?, &self.connection).await?;
        let haste = match (self.now, self.risk_unanswered) {
            (false, _) => Haste::Patient,
            (true, false) => Haste::OverPause,
            (true, true) => Haste::OverUnanswered,
        };
        let over = json!({ "over": { "pause": self.now, "unanswered": self.risk_unanswered } });
        noted(app, found.id, "connection.renew", over).await?;
        let renewal = app.keeper.renew_by_hand(found.id, haste, |lease| output::complain(&waiting(lease))).await?;
        let known = dossiers::with_spends(&mut *app.pool.acquire().await?, found.id, 10).await?;
        let (dossier, spends) = known.context("the connection is gone")?;
        let spend = match &renewal {
            Renewal::Spent { spend_id, .. } => spends.iter().find(|spend| spend.id == *spend_id),
            Renewal::Resting(pause) => Some(&pause.last),
            _ => spends.first(),
        };
        let (end, sentence) = said(&renewal, &found, &dossier, spend, app);
        if self.json {
            output::json(&json!({
                "renewed": end == End::Renewed, "said": sentence, "connection": dossier, "spend": spend,
            }))?;
        } else {
            output::say(&sentence);
            if end == End::Renewed {
                screen::clocks(&dossier, app.clock.now()).iter().for_each(|line| output::say(line));
            }
        }
        Ok(match end {
            End::Renewed => DONE,
            End::Not => FAILED,
            End::Lapsed => UNHEALTHY,
        })
    }
}

/// What is said where nothing may be sent.
pub(super) const FENCED: &str = "this database looks restored or copied, and its grants may be in use elsewhere; \
    `lamplighter resume` shows what was found and what can be done";

/// What is said while somebody else works on the tokens.
pub(super) fn waiting(lease: &Lease) -> String {
    let seconds = lease.ends_in.ceil().clamp(0.0, 1e9);
    if lease.by == TAKEOVER {
        return format!("Whoever worked on these tokens is gone; a late reply is waited for, for {seconds} s at most.");
    }
    format!("{} works on these tokens; waiting for that, for {seconds} s at most.", lease.by)
}

fn said(renewal: &Renewal, found: &Found, dossier: &Dossier, spend: Option<&Spend>, app: &App) -> (End, String) {
    let who = format!("{} at {}", found.account, found.provider.title());
    let evidence = spend.map(explain::evidence).filter(|text| !text.is_empty());
    let evidence = evidence.map_or_else(String::new, |text| format!(" ({text})"));
    match renewal {
        Renewal::Spent { outcome: Some(Outcome::Renewed), .. } => {
            (End::Renewed, format!("Renewed {who}: it is generation {} now{evidence}.", dossier.generation))
        }
        Renewal::Spent { outcome: Some(Outcome::Adopted | Outcome::Discarded), .. } => (
            End::Renewed,
            format!(
                "{who} was renewed or connected again by somebody else meanwhile: generation {}.",
                dossier.generation
            ),
        ),
        Renewal::Elsewhere => {
            (End::Renewed, format!("{who} was renewed by another daemon just now: generation {}.", dossier.generation))
        }
        Renewal::Spent { outcome: Some(Outcome::DeadGrant), .. } | Renewal::Lapsed => {
            let cause = dossier.cause.map_or("its grant is dead", crate::provider::Cause::as_str);
            let link = link(found);
            let sentence = format!(
                "{who} has lapsed: {cause}{evidence}. Only its owner can repair it and was mailed a link; for another \
                 one: {link}"
            );
            (End::Lapsed, sentence)
        }
        Renewal::Disconnected => {
            let sentence =
                format!("{who} is disconnected: there is nothing to renew. To connect it again: {}", link(found));
            (End::Not, sentence)
        }
        Renewal::Spent { outcome: Some(_), .. } => {
            let rule = spend.and_then(|spend| spend.rule.as_deref()).unwrap_or("unknown");
            let words = rules::words(found.provider, "refresh", rule);
            let next = dossier.renew_at.map_or_else(String::new, |at| {
                format!(" Next try: {} ({}).", words::instant(at), words::until(at, app.clock.now()))
            });
            (End::Not, format!("Not renewed {who}: {words}{evidence}.{next}"))
        }
        Renewal::Spent { outcome: None, .. } => (
            End::Not,
            format!(
                "The database went away before the outcome of {who} could be written; a reply in hand waits in the spool \
                 and is stored when it is back: run `lamplighter doctor`"
            ),
        ),
        Renewal::Out => {
            let sentence = format!(
                "Not renewed {who}: {} is down for everybody; its renewal goes on by itself when it is back. To try at \
                 once: --now",
                Endpoint::Tokens.title(found.provider)
            );
            (End::Not, sentence)
        }
        Renewal::Fenced => (End::Not, format!("Not renewed {who}: {FENCED}")),
        Renewal::Busy(lease) => (End::Not, format!("Nothing was done: {} works on the tokens of {who}.", lease.by)),
        Renewal::Resting(pause) => (End::Not, resting(pause, &who, &evidence, found, app)),
    }
}

fn resting(pause: &Pause, who: &str, evidence: &str, found: &Found, app: &App) -> String {
    let rule = rules::words(found.provider, "refresh", pause.last.rule.as_deref().unwrap_or("unknown"));
    let until = format!("{} ({})", words::instant(pause.until), words::until(pause.until, app.clock.now()));
    let how = if pause.unanswered {
        "The last request with this very token was never answered. If it still runs at the provider, a second one at the \
         same time can end the grant, so the pause is the safe way. To override it all the same: --now --risk-unanswered"
    } else {
        "To try at once: --now"
    };
    format!("Not renewed {who}: it rests until {until} after a failure: {rule}{evidence}. {how}")
}

/// The command that makes a link for it.
pub(super) fn link(found: &Found) -> String {
    format!("lamplighter connection link --account {:?} --provider {}", found.account, found.provider)
}
