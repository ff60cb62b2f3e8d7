//! `lamplighter connection probe`: asks the provider now, and says what came back.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::{
    super::{DONE, UNHEALTHY, output, with_app},
    naming::{CONNECTION, named},
};
use crate::{
    app::App,
    config::Config,
    keeper::probe::{Answer, Finding, Outcome},
    store::{
        connections::{self, Connection, Status},
        probes::{self, Standing},
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    #[arg(help = CONNECTION)]
    connection: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is said, to scripts as it is.
#[derive(Serialize)]
struct Said<'a> {
    connection: &'a Connection,
    /// Absent when nothing was asked.
    finding: Option<&'a Finding>,
    verified: bool,
    verified_at: Option<DateTime<Utc>>,
    next_probe_at: Option<DateTime<Utc>>,
}

impl Options {
    pub(in crate::cli) async fn run(self, config: &Config) -> anyhow::Result<u8> {
        with_app(config, async |app| {
            let connection = {
                let mut conn = app.pool.acquire().await?;
                let found = named(&mut conn, &self.connection).await?;
                connections::get(&mut conn, found.id).await?.context("the connection is gone")?
            };
            let finding = if is_asked(&connection) { Some(app.prober.one(&connection).await?) } else { None };
            self.tell(app, connection, finding.as_ref()).await
        })
        .await
    }

    async fn tell(&self, app: &App, before: Connection, finding: Option<&Finding>) -> anyhow::Result<u8> {
        let mut conn = app.pool.acquire().await?;
        // A probe may have changed it.
        let connection = connections::get(&mut conn, before.id).await?.unwrap_or(before);
        let mut standing = probes::standing(&mut conn, connection.id).await?;
        let by_itself = app.health.probe_interval.is_some();
        standing.probe_at = standing.probe_at.filter(|_| by_itself && is_asked(&connection));
        let verified = finding.is_some_and(|finding| finding.outcome == Outcome::Verified);
        if self.json {
            let (verified_at, next_probe_at) = (standing.verified_at, standing.probe_at);
            let connection = &connection;
            output::json(&Said { connection, finding, verified, verified_at, next_probe_at })?;
        } else {
            say(&connection, finding, &standing);
        }
        Ok(if verified { DONE } else { UNHEALTHY })
    }
}

fn is_asked(connection: &Connection) -> bool {
    matches!(connection.status, Status::Connected | Status::Failing)
}

fn say(connection: &Connection, finding: Option<&Finding>, standing: &Standing) {
    let Connection { id, provider, company_name, company_id, .. } = connection;
    output::say(&format!("{}: {company_name} ({company_id}), connection {id}", provider.title()));
    for answer in finding.into_iter().flat_map(|finding| &finding.answers) {
        output::say(&format!("Asked: {}. Answer: {}{}", answer.asked, answer.message, evidence(answer)));
    }
    output::say(match finding.map(|finding| finding.outcome) {
        Some(Outcome::Verified) => "The grant works.",
        Some(Outcome::Lapsed) => "The grant does not work any more: the running daemon mails its owner a link.",
        Some(Outcome::Void) => "The tokens were replaced meanwhile: ask again.",
        Some(Outcome::OperatorFault) => "Not known: our own deployment is at fault. See `lamplighter doctor`.",
        Some(Outcome::Transient) => "Not known: nothing was found out now. Ask again later; the daemon does, too.",
        None => "Nothing was asked: it is not connected.",
    });
    if connection.status == Status::Lapsed {
        let cause = connection.cause.map_or("cause unknown", |cause| cause.as_str());
        let since = output::instant(connection.status_changed_at);
        output::say(&format!("Lapsed since {since}: {cause}. A new link: lamplighter connection link"));
    }
    let seen = standing.verified_at.map_or_else(|| "not since it was connected".to_owned(), output::instant);
    output::say(&format!("Last seen to work: {seen}"));
    if let Some(next) = standing.probe_at {
        output::say(&format!("Asked again by itself: {}, unless orders prove it sooner", output::instant(next)));
    }
}

/// What a provider's support would want to know.
fn evidence(answer: &Answer) -> String {
    let parts = [
        answer.rule.map(|rule| format!("rule {rule}")),
        answer.status.map(|status| format!("status {status}")),
        answer.code.as_ref().map(|code| format!("code {code}")),
        answer.correlation_id.as_ref().map(|id| format!("correlation id {id}")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}
