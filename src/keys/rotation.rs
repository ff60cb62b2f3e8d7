//! One vault key gives way to the next while daemons run.
//!
//! Announce the new key in the database; add it to the keys file as one that only opens; wait until every live daemon knows
//! it; note it as used, and look once more, because a daemon may have started meanwhile, and those that start from now on
//! refuse without it; make it the first line; wait until every daemon seals with it; retire the old one; seal the rows
//! anew. What is done is read from file and database at the start of every run, so a run that was killed is finished by
//! the next one.

use std::{collections::BTreeMap, ops::ControlFlow, path::Path, time::Duration};

use serde::Serialize;
use sqlx::PgPool;
use tracing::{info, warn};

use super::{
    Error, canary_of, check,
    fleet::{self, Must, Waiting},
    resealing::{self, Progress},
};
use crate::{
    clock::Clock,
    store::vault_keys::{self, VaultKey},
    vault::{Key, Vault, key_file},
    words,
};

/// More passes than any rotation needs whose daemons all seal with the new key.
const MOST_PASSES: u32 = 20;

/// What a rotation needs.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// The database.
    pub pool: &'a PgPool,
    /// The keys file; daemons on this host follow it.
    pub keys_file: &'a Path,
    /// What time it is.
    pub clock: &'a Clock,
    /// How long to wait for daemons, at each of the waits.
    pub timeout: Duration,
}

/// Something that a rotation has just done, or waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An earlier rotation, to this key, was not finished: that is done first.
    Resumed(String),
    /// A new key stands in the database; nothing is sealed under it.
    Announced(String),
    /// It is in the keys file, as one that only opens.
    Added(String),
    /// These daemons are waited for.
    Waiting(Waiting),
    /// The database depends on it from now on.
    Registered(String),
    /// It is the first line of the keys file.
    Activated(String),
    /// Every daemon seals with it; so many older keys are retired.
    Retired(u64),
    /// Rows are being sealed anew.
    Resealing(Progress),
}

/// What a rotation came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The key that is active now.
    pub active_key: String,
    /// Whether it was made in this run; else an earlier run was finished.
    pub made: bool,
    /// The rows.
    #[serde(flatten)]
    pub progress: Progress,
    /// Rows by the key that sealed them, at the end.
    pub rows_by_key: BTreeMap<String, u64>,
}

/// Whoever hears of the steps decides after each whether to go on.
pub type Teller<'t> = dyn FnMut(&Step) -> ControlFlow<()> + 't;

impl Rotation<'_> {
    /// Finishes a rotation that was begun earlier, or makes one from beginning to end. `tell` hears of every step once it
    /// is done, and may end it there: whatever it ends is taken up by the next run.
    ///
    /// # Errors
    /// Each says what to do; run again afterwards.
    pub async fn run(&self, tell: &mut Teller<'_>) -> Result<Report, Error> {
        let lock = vault_keys::lock(self.pool).await?.ok_or(Error::Busy)?;
        let result = self.locked(tell).await;
        if let Err(cause) = lock.release().await {
            warn!(error = %crate::telemetry::chain(&cause), "the server lets go of the lock on the keys by itself");
        }
        result
    }

    async fn locked(&self, tell: &mut Teller<'_>) -> Result<Report, Error> {
        let vault = Vault::load(self.keys_file)?;
        let known = self.known(&vault).await?;
        if let Some(begun) = self.begun(&vault, &known).await? {
            say(tell, Step::Resumed(begun.clone()))?;
            return self.complete(begun, false, tell).await;
        }
        if resealing::outstanding(&resealing::by_key(self.pool).await?, &vault.key_ids()) > 0 {
            let active = vault.active_key_id();
            say(tell, Step::Resumed(active.clone()))?;
            let report = self.complete(active, false, tell).await?;
            // What does not open must not keep the operator from a new key for ever.
            if report.progress.resealed > 0 || report.progress.unreadable == 0 {
                return Ok(report);
            }
        }
        let key = Key::random();
        let id = key.id().to_owned();
        let mut conn = self.pool.acquire().await?;
        vault_keys::announce(&mut conn, &id, &canary_of(&key), self.clock.now()).await?;
        drop(conn);
        say(tell, Step::Announced(id.clone()))?;
        key_file::add(self.keys_file, &key)?;
        say(tell, Step::Added(id.clone()))?;
        self.complete(id, true, tell).await
    }

    /// The keys of this database; refuses a keys file that is another database's, or behind the others'.
    async fn known(&self, vault: &Vault) -> Result<Vec<VaultKey>, Error> {
        let mut conn = self.pool.acquire().await?;
        let known = vault_keys::list(&mut conn).await?;
        // What a lost old key sealed is reported row by row; without a key that is in use, nothing is begun.
        for key in known.iter().filter(|key| key.retired_at.is_none()) {
            check(vault, key)?;
        }
        Ok(known)
    }

    /// The newest key whose rotation did not end: it is not the first line yet, or an older one is not retired. One that
    /// was announced and reached no keys file is forgotten.
    async fn begun(&self, vault: &Vault, known: &[VaultKey]) -> Result<Option<String>, Error> {
        let ids = vault.key_ids();
        // It is over only when it is all that is in use: until then somebody may seal with an older key.
        let in_use = known.iter().filter(|key| key.is_needed() && key.retired_at.is_none()).count();
        let is_done = |key: &VaultKey| in_use == 1 && key.first_used_at.is_some() && ids.first() == Some(&key.id);
        let mut announced: Vec<_> =
            known.iter().filter(|key| key.announced_at.is_some() && key.retired_at.is_none()).collect();
        announced.sort_by_key(|key| (key.announced_at, ids.first() != Some(&key.id)));
        let mut begun = None;
        for key in announced {
            if ids.contains(&key.id) {
                begun = if is_done(key) { begun } else { Some(key.id.clone()) };
                continue;
            }
            let live = fleet::live(self.pool).await?;
            let holders: Vec<_> =
                live.iter().filter(|daemon| daemon.vault_key_ids.contains(&key.id)).map(fleet::name_of).collect();
            if !holders.is_empty() {
                let (key_id, path) = (key.id.clone(), self.keys_file.to_owned());
                return Err(Error::BegunElsewhere { key_id, holders: holders.join(", "), path });
            }
            let mut conn = self.pool.acquire().await?;
            vault_keys::forget_announced(&mut conn, &key.id).await?;
            info!(key_id = %key.id, "a key was announced and never came into a keys file: forgotten");
        }
        Ok(begun)
    }

    /// From a key that the file holds to one that has sealed everything.
    async fn complete(&self, id: String, made: bool, tell: &mut Teller<'_>) -> Result<Report, Error> {
        self.wait(&id, Must::Know, tell).await?;
        let mut vault = Vault::load(self.keys_file)?;
        self.register(&vault, &id).await?;
        say(tell, Step::Registered(id.clone()))?;
        // Whoever started between the look and the note has beaten by now, or will refuse.
        self.wait(&id, Must::Know, tell).await?;
        if vault.active_key_id() != id {
            key_file::put_first(self.keys_file, &id)?;
            vault = Vault::load(self.keys_file)?;
        }
        say(tell, Step::Activated(id.clone()))?;
        self.wait(&id, Must::Use, tell).await?;
        let mut conn = self.pool.acquire().await?;
        let retired = vault_keys::retire_all_but(&mut conn, std::slice::from_ref(&id), self.clock.now()).await?;
        drop(conn);
        say(tell, Step::Retired(retired))?;
        let (progress, rows_by_key) = self.reseal(&vault, tell).await?;
        Ok(Report { active_key: id, made, progress, rows_by_key })
    }

    async fn register(&self, vault: &Vault, id: &str) -> Result<(), Error> {
        let mut conn = self.pool.acquire().await?;
        let known = vault_keys::list(&mut conn).await?;
        let Some(key) = known.iter().find(|key| key.id == id) else {
            // The active key of a file that no daemon has used yet.
            return Ok(super::note_active(&mut conn, vault, self.clock).await?);
        };
        check(vault, key)?;
        Ok(vault_keys::put_to_use(&mut conn, id, &key.canary_sealed, self.clock.now()).await?)
    }

    async fn reseal(&self, vault: &Vault, tell: &mut Teller<'_>) -> Result<(Progress, BTreeMap<String, u64>), Error> {
        let ids = vault.key_ids();
        let expected = resealing::outstanding(&resealing::by_key(self.pool).await?, &ids);
        let mut progress = Progress { expected, ..Progress::default() };
        loop {
            let batch = |progress: &Progress| say(tell, Step::Resealing(progress.clone()));
            let clean = resealing::pass(self.pool, vault, &mut progress, batch).await?;
            let by_key = resealing::by_key(self.pool).await?;
            let left = resealing::outstanding(&by_key, &ids);
            if clean {
                return Ok((progress, by_key));
            }
            if progress.passes >= MOST_PASSES {
                return Err(Error::NeverDone { rows: words::count(left, "row"), passes: progress.passes });
            }
            // A daemon that came back with an old file would undo the work.
            self.wait(&vault.active_key_id(), Must::Use, tell).await?;
        }
    }

    async fn wait(&self, id: &str, must: Must, tell: &mut Teller<'_>) -> Result<(), Error> {
        let waiting =
            Waiting { key_id: id.to_owned(), must, daemons: Vec::new(), keys_file: self.keys_file.to_owned() };
        fleet::wait(self.pool, waiting, self.timeout, |waiting| say(tell, Step::Waiting(waiting.clone()))).await
    }
}

fn say(tell: &mut Teller<'_>, step: Step) -> Result<(), Error> {
    match tell(&step) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped),
    }
}
