//! `lamplighter operator`: who may use the dashboard.

use std::{io::Read as _, path::PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{DONE, output, with_database};
use crate::{
    clock::Clock,
    config::Config,
    operators::hash_password,
    store::{
        audit_log,
        operators::{self, Operator, Role},
    },
    words,
};

/// The longest password file that is read.
const LONGEST_FILE: u64 = 4096;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Let somebody in
    Add {
        /// What they sign in as; or what the reverse proxy calls them
        name: String,
        /// What they may do
        #[arg(long, value_enum, default_value = "operator")]
        role: Role,
        /// They come through the reverse proxy's sign-on only (`web.identity_header`)
        #[arg(long, conflicts_with_all = ["password_file", "password_stdin"])]
        no_password: bool,
        #[command(flatten)]
        password: PasswordSource,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List who may come in
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give somebody another password; their sessions end
    Password {
        /// Who
        name: String,
        #[command(flatten)]
        password: PasswordSource,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change what somebody may do, at once
    Role {
        /// Who
        name: String,
        /// What they may do from now on
        #[arg(value_enum)]
        role: Role,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End all sessions of somebody
    SignOut {
        /// Who
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let somebody in no more; the name stays in the audit log and cannot be given to another
    Remove {
        /// Who
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct PasswordSource {
    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    password_file: Option<PathBuf>,
    /// Read it from standard input
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    /// From where it is said to be, else asked for twice, unseen.
    fn read(&self) -> anyhow::Result<SecretString> {
        let mut text = String::new();
        match (&self.password_file, self.password_stdin) {
            (Some(path), _) => {
                let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
                file.take(LONGEST_FILE).read_to_string(&mut text)?;
            }
            (None, true) => _ = std::io::stdin().take(LONGEST_FILE).read_to_string(&mut text)?,
            (None, false) => {
                let hint = "cannot ask for a password here: give it with --password-file FILE or --password-stdin";
                let first = SecretString::from(rpassword::prompt_password("Password: ").context(hint)?);
                let again = SecretString::from(rpassword::prompt_password("Once more: ").context(hint)?);
                ensure!(first.expose_secret() == again.expose_secret(), "the two are not the same: nothing was done");
                return Ok(first);
            }
        }
        let line = text.lines().next().unwrap_or_default();
        ensure!(!line.is_empty(), "there is no password in it: write it on the first line");
        Ok(line.to_owned().into())
    }
}

impl Command {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<u8> {
        with_database(&config, async |conn| match self {
            Self::Add { name, role, no_password, password, json } => {
                let password = if no_password { None } else { Some(password.read()?) };
                add(conn, name.trim(), role, password, &config, json).await
            }
            Self::List { json } => list(conn, json).await,
            Self::Password { name, password, json } => {
                // Nobody is asked for a password of somebody who is not there; and nothing stays open while they type.
                named(operators::find(conn, name.trim()).await?, &name)?;
                let hash = hash_password(&password.read()?)?;
                let deed = Deed { action: "operator.password", name: &name, json };
                deed.run(conn, async |tx, operator| {
                    operators::set_password(tx, operator.id, &hash).await?;
                    Ok(("has another password; all sessions are ended".to_owned(), Some(json!({}))))
                })
                .await
            }
            Self::Role { name, role, json } => {
                let deed = Deed { action: "operator.role", name: &name, json };
                deed.run(conn, async |tx, operator| {
                    if operator.role == role {
                        return Ok((format!("is {} already: nothing was changed", role.as_str()), None));
                    }
                    operators::set_role(tx, operator.id, role).await?;
                    Ok((format!("is {} now", role.as_str()), Some(json!({ "role": [operator.role, role] }))))
                })
                .await
            }
            Self::SignOut { name, json } => {
                let deed = Deed { action: "operator.sign_out", name: &name, json };
                deed.run(conn, async |tx, operator| {
                    let ended = operators::end_sessions(tx, operator.id).await?;
                    let said = format!("is signed out: {} ended", words::count(ended, "session"));
                    Ok((said, Some(json!({ "sessions": ended }))))
                })
                .await
            }
            Self::Remove { name, json } => {
                let deed = Deed { action: "operator.remove", name: &name, json };
                deed.run(conn, async |tx, operator| {
                    operators::remove(tx, operator.id, Clock::system().now()).await?;
                    let said = "may come in no more; all sessions are ended".to_owned();
                    Ok((said, Some(json!({ "role": operator.role }))))
                })
                .await
            }
        })
        .await
    }
}

async fn add(
    conn: &mut PgConnection,
    name: &str,
    role: Role,
    password: Option<SecretString>,
    config: &Config,
    json: bool,
) -> anyhow::Result<u8> {
    ensure!(!name.is_empty(), "an operator needs a name: write it as the first argument");
    let alone = password.is_none();
    let hash = password.map(|password| hash_password(&password)).transpose()?;
    let operator = Operator { id: Uuid::now_v7(), name: name.to_owned(), role };
    let mut tx = conn.begin().await?;
    if !operators::add(&mut tx, &operator, hash.as_deref(), Clock::system().now()).await? {
        bail!("there is or was an operator named {name:?}: choose another name, or see `lamplighter operator list`");
    }
    record(&mut tx, "operator.add", name, json!({ "role": role })).await?;
    tx.commit().await?;
    if json {
        output::json(&operator)?;
        return Ok(DONE);
    }
    output::say(&format!("{name} may come in, as {}.", role.as_str()));
    if alone && config.web.identity_header.is_none() {
        output::complain("Without a password, web.identity_header must name the header that the reverse proxy sets.");
    }
    output::say(&format!("Next: open {}sign-in", config.web.public_url));
    Ok(DONE)
}

async fn list(conn: &mut PgConnection, json: bool) -> anyhow::Result<u8> {
    let all = operators::overview(conn, Clock::system().now()).await?;
    if json {
        output::json(&all)?;
        return Ok(DONE);
    }
    let rows = all.into_iter().map(|one| {
        let how = if one.has_password { "password" } else { "proxy only" };
        let last = one.signed_in_at.map_or_else(|| "-".to_owned(), output::instant);
        vec![one.name, one.role.as_str().to_owned(), how.to_owned(), one.sessions.to_string(), last]
    });
    let hint = "Nobody can sign in yet. Let somebody in: lamplighter operator add NAME";
    output::table(&["Name", "Role", "Signs in by", "Sessions", "Signed in last"], rows.collect(), hint);
    Ok(DONE)
}

/// Something that is done to an operator.
struct Deed<'a> {
    action: &'static str,
    name: &'a str,
    json: bool,
}

impl Deed<'_> {
    /// Does it and writes it down in one transaction, then says it. The work says what it did, with the particulars; without
    /// those there was nothing to do.
    async fn run(
        self,
        conn: &mut PgConnection,
        work: impl AsyncFnOnce(&mut PgConnection, &Operator) -> anyhow::Result<(String, Option<Value>)>,
    ) -> anyhow::Result<u8> {
        let mut tx = conn.begin().await?;
        let operator = named(operators::lock(&mut tx, self.name.trim()).await?, self.name)?;
        let (said, detail) = work(&mut tx, &operator).await?;
        if let Some(detail) = detail {
            record(&mut tx, self.action, &operator.name, detail).await?;
        }
        tx.commit().await?;
        let said = format!("{} {said}.", operator.name);
        if self.json {
            output::json(&json!({ "operator": operator.name, "action": self.action, "said": said }))?;
        } else {
            output::say(&said);
        }
        Ok(DONE)
    }
}

fn named<T>(found: Option<T>, name: &str) -> anyhow::Result<T> {
    found.with_context(|| format!("there is no operator {name:?}: see `lamplighter operator list`"))
}

async fn record(conn: &mut PgConnection, action: &str, name: &str, detail: Value) -> anyhow::Result<()> {
    let deed = audit_log::Deed { action, account_id: None, subject: name, detail };
    audit_log::record(conn, &super::actor::here(), &deed, Clock::system().now()).await?;
    Ok(())
}
