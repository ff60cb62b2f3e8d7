//! `lamplighter webhook`: services of the operator's own that are told what happens.

mod deliveries;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use url::Url;
use uuid::Uuid;

use super::{DONE, UNHEALTHY, output, with_app, with_database};
use crate::{
    app::App,
    clock::Clock,
    config::Config,
    provider::hook,
    store::{
        audit_log::{self, Actor, Deed},
        webhooks::{self as store, Event, NewWebhook, Overview},
    },
    words,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell an endpoint from now on; its secret is shown this once
    Add(Add),
    /// List endpoints, what they hear of and how they are
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send an endpoint a signed message of type `webhook.test` now; exit code 3 when it does not take it
    Test {
        /// The endpoint: its id, the first six or more characters of it, or its address
        webhook: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Switch an endpoint on again that answered 410
    Enable {
        /// The endpoint: its id, the first six or more characters of it, or its address
        webhook: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget an endpoint and all that waits for it
    Remove {
        /// The endpoint: its id, the first six or more characters of it, or its address
        webhook: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List messages, the latest first
    Deliveries(deliveries::Options),
}

/// What is said of the messages in the help.
const FORM: &str = "\
Messages are signed by the Standard Webhooks convention: headers webhook-id, webhook-timestamp and webhook-signature, which is \
`v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`. A message comes at least once, always under the same webhook-id, \
and messages may overtake each other. Anything but a 2xx is tried again for five days; 410 switches the endpoint off.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration";

#[derive(Debug, Args)]
#[command(after_help = FORM)]
pub(super) struct Add {
    /// Where messages go: https://, or http:// on this machine
    url: Url,
    /// What it hears of; can be repeated [default: all]
    #[arg(long = "event", value_name = "EVENT", value_enum)]
    events: Vec<Event>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        match self {
            Self::Add(options) => with_app(&config, async |app| add(app, options).await).await,
            Self::List { json } => with_database(&config, async |conn| list(conn, json).await).await,
            Self::Test { webhook, json } => with_app(&config, async |app| test(app, &webhook, json).await).await,
            Self::Enable { webhook, json } => {
                with_database(&config, async |conn| enable(conn, &webhook, json).await).await
            }
            Self::Remove { webhook, json } => {
                with_database(&config, async |conn| remove(conn, &webhook, json).await).await
            }
            Self::Deliveries(options) => with_database(&config, async |conn| options.run(conn).await).await,
        }
    }
}

async fn add(app: &App, options: Add) -> anyhow::Result<u8> {
    let Add { url, mut events, json } = options;
    if let Err(wrong) = hook::acceptable(&url) {
        bail!("{wrong}");
    }
    events.dedup();
    if events.is_empty() {
        events = Event::ALL.to_vec();
    }
    let (id, now) = (Uuid::now_v7(), app.clock.now());
    let (secret, secret_sealed) = app.webhooks.new_secret(id);
    let mut conn = app.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    let new = NewWebhook { id, url: url.as_str(), events: &events, secret_sealed: &secret_sealed };
    if !store::add(&mut tx, &new, now).await? {
        bail!("that address is registered already: see `lamplighter webhook list`, or remove it first");
    }
    let names: Vec<_> = events.iter().map(|event| event.as_str()).collect();
    // The address may hold a secret of the receiver's.
    let deed = Deed {
        action: "webhook.add",
        account_id: None,
        subject: &host(&url),
        detail: json!({ "webhook_id": id, "events": names }),
    };
    audit_log::record(&mut tx, &who(), &deed, now).await?;
    tx.commit().await?;
    let secret = secret.expose_secret();
    if json {
        output::json(&json!({ "id": id, "url": url, "events": names, "secret": secret }))?;
    } else {
        output::say(secret);
        output::complain(&format!(
            "{url} is told of {} from now on. The secret above is shown this once: give it to the receiver, which checks \
             signatures with it.\nNext: lamplighter webhook test {id}",
            names.join(", ")
        ));
    }
    Ok(DONE)
}

async fn list(conn: &mut PgConnection, json: bool) -> anyhow::Result<u8> {
    let webhooks = store::overview(conn).await?;
    if json {
        output::json(&webhooks)?;
        return Ok(DONE);
    }
    let now = Clock::system().now();
    let hint = "No webhook yet. Add one: lamplighter webhook add https://books.example/hooks";
    output::table(
        &["Id", "Address", "Hears of", "State", "Waiting", "Last taken"],
        webhooks
            .iter()
            .map(|one| {
                let events =
                    if one.events.len() == Event::ALL.len() { "all".to_owned() } else { one.events.join(", ") };
                vec![
                    one.id.to_string(),
                    one.url.clone(),
                    events,
                    state(one),
                    words::number(one.waiting.unsigned_abs()),
                    one.delivered_at.map_or_else(|| "never".to_owned(), |at| words::until(at, now)),
                ]
            })
            .collect(),
        hint,
    );
    if let Some(off) = webhooks.iter().find(|one| one.switched_off_at.is_some()) {
        output::complain(&format!("Once it is there again: lamplighter webhook enable {}", off.id));
    }
    Ok(DONE)
}

fn state(webhook: &Overview) -> String {
    match (&webhook.switched_off_at, &webhook.last_error) {
        (Some(at), _) => format!("off since {}: it answered 410", output::instant(*at)),
        (None, Some(error)) => format!("failing: {}", words::line(error, 120)),
        (None, None) => "on".to_owned(),
    }
}

async fn test(app: &App, named: &str, json: bool) -> anyhow::Result<u8> {
    let id = find(&mut *app.pool.acquire().await?, named).await?.id;
    let gone = || "it was removed in this moment: see `lamplighter webhook list`";
    let result = app.webhooks.test(id).await?.with_context(gone)?;
    let taken = result.is_ok();
    let error = result.as_ref().err().map(ToString::to_string);
    if json {
        output::json(&json!({ "id": id, "taken": taken, "status": result.as_ref().ok(), "error": error }))?;
    } else if let Some(error) = error {
        output::complain(&format!(
            "Not taken: {error}. The receiver must answer with a 2xx within 15 s; look at its log, then run this again."
        ));
    } else {
        output::say(&format!("Taken: it answered {}.", result.unwrap_or_default()));
    }
    Ok(if taken { DONE } else { UNHEALTHY })
}

async fn enable(conn: &mut PgConnection, named: &str, json: bool) -> anyhow::Result<u8> {
    let webhook = find(conn, named).await?;
    let mut tx = conn.begin().await?;
    if !store::switch_on(&mut tx, webhook.id).await? {
        bail!("{} is on already; `lamplighter webhook list` shows how it is", webhook.id);
    }
    record(&mut tx, "webhook.enable", &webhook).await?;
    tx.commit().await?;
    if json {
        output::json(&json!({ "id": webhook.id, "enabled": true }))?;
        return Ok(DONE);
    }
    output::say(&format!("{} is told again from now on; what happened meanwhile is not told.", webhook.url));
    output::say(&format!("Next: lamplighter webhook test {}", webhook.id));
    Ok(DONE)
}

async fn remove(conn: &mut PgConnection, named: &str, json: bool) -> anyhow::Result<u8> {
    let webhook = find(conn, named).await?;
    let now = Clock::system().now();
    let mut tx = conn.begin().await?;
    store::remove(&mut tx, webhook.id, now).await?;
    record(&mut tx, "webhook.remove", &webhook).await?;
    tx.commit().await?;
    if json {
        output::json(&json!({ "id": webhook.id, "removed": true, "dropped": webhook.waiting }))?;
        return Ok(DONE);
    }
    let waiting = words::count(webhook.waiting.unsigned_abs(), "message");
    output::say(&format!("Forgot {}; {waiting} waited for it.", webhook.url));
    Ok(DONE)
}

async fn record(conn: &mut PgConnection, action: &str, webhook: &Overview) -> anyhow::Result<()> {
    let subject = webhook.url.parse().map(|url| host(&url)).unwrap_or_default();
    let deed = Deed { action, account_id: None, subject: &subject, detail: json!({ "webhook_id": webhook.id }) };
    Ok(audit_log::record(conn, &who(), &deed, Clock::system().now()).await?)
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// Whoever has this shell.
fn who() -> Actor {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    let user = user.map_or_else(|| nix::unistd::geteuid().to_string(), |user| user.name);
    Actor::CommandLine(format!("{user}@{}", crate::app::host_name()))
}

/// The endpoint that a person means.
async fn find(conn: &mut PgConnection, named: &str) -> anyhow::Result<Overview> {
    let (all, named) = (store::overview(conn).await?, named.trim());
    let begins = |one: &Overview| named.len() >= 6 && one.id.to_string().starts_with(&named.to_lowercase());
    let mut found: Vec<_> = all.into_iter().filter(|one| begins(one) || one.url == named).collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => bail!("several webhooks begin with {named:?}: write more of the id"),
        (None, _) => bail!("there is no webhook {named:?}: see `lamplighter webhook list`"),
    }
}
