//! `lamplighter alert ack`, `snooze` and `resolve`.

use std::time::Duration;

use crate::{
    alerts::by_hand::{self, Decision},
    cli::{DONE, actor, output, with_database},
    clock::Clock,
    config::Config,
    retry::later,
    store::alerts::{Alert, Kind},
    words,
};

/// What is done about an alert.
#[derive(Clone, Copy)]
pub(super) enum Deed {
    Acknowledge,
    Snooze(Duration),
    Resolve,
}

pub(super) async fn run(config: &Config, id: &str, deed: Deed, as_json: bool) -> anyhow::Result<u8> {
    with_database(config, async |conn| {
        let (actor, now) = (actor::here(), Clock::system().now());
        let id = by_hand::find(conn, id).await?.id;
        let decision = match deed {
            Deed::Acknowledge => Decision::Acknowledge,
            Deed::Snooze(length) => Decision::Snooze(later(now, length)),
            Deed::Resolve => Decision::Resolve,
        };
        let alert = by_hand::decide(conn, id, decision, &actor, now).await?;
        if as_json {
            output::json(&alert)?;
        } else {
            output::say(&said(&alert, deed));
        }
        Ok(DONE)
    })
    .await
}

fn said(alert: &Alert, deed: Deed) -> String {
    let what = alert.kind.title();
    match deed {
        Deed::Acknowledge => format!(
            "{what}: acknowledged. Nobody is reminded of it any more; when it ends by itself, the {} gets the all-clear.",
            alert.kind.audience()
        ),
        Deed::Snooze(_) => {
            let until = alert.snoozed_until.map(words::instant).unwrap_or_default();
            format!("{what}: nobody is reminded of it before {until}.")
        }
        Deed::Resolve if alert.kind == Kind::ConnectionLapsed => format!(
            "{what}: closed. The connection is as it was: its owner is not reminded any more, and is not thanked when it \
             is connected again."
        ),
        Deed::Resolve => format!("{what}: closed, without an all-clear. If it is met again, it is told again."),
    }
}
