//! Keeps a daemon from working on a restored or copied database. Its refresh tokens may have been rotated since, and
//! spending a rotated value can end the grant; its orders may have been posted and its mails sent. So before anything is
//! claimed the database is looked at, on the same connection, and whoever has doubts holds back until an operator says
//! `lamplighter resume`.
//!
//! It knows nothing of providers. The invariant: while it is closed nothing is spent, posted, asked or mailed, except the
//! one mail that tells the operator; and no spend is let through whose number was seen before.

/// Whether a database is the one that we worked on: pure.
pub mod judge;

/// What holds loops back, and looks again.
pub mod gate;

/// What `doctor` and `/readyz` say of it.
pub mod check;

/// Accepting restored tokens.
pub mod resume;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::json;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::{sync::watch, time::Instant};
use tracing::{error, info, warn};
use uuid::Uuid;

use self::judge::{Finding, Ruling, judge};
use crate::{
    clock::Clock,
    installation::{Installation, Mark},
    presence::BEAT_EVERY,
    store::{
        self, alerts, daemons,
        identity::{self, Identity, Seen},
        spends::{self, Outcome, Reply},
        tokens::{self, Claim},
    },
};

/// The incident that the operator is told of.
pub const INCIDENT: &str = "restore_fence";
/// How long to look for a sign of life of another daemon: two beats and a little.
pub const WATCH_FOR: Duration = Duration::from_secs(2 * BEAT_EVERY.as_secs() + 5);
/// How often two daemons may get into each other's way while they register.
const TRIES: usize = 3;

/// Lets work through, or not. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fence(Arc<Inner>);

/// Everything a fence is made of.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub pool: PgPool,
    /// What this data directory remembers.
    pub installation: Installation,
    /// What time it is.
    pub clock: Clock,
    /// Who we are among the daemons.
    pub daemon: Arc<str>,
    /// Who is told.
    pub operator_email: Option<Arc<str>>,
    /// Whether it is used at all.
    pub enabled: bool,
}

#[derive(Debug)]
struct Inner {
    parts: Parts,
    state: Mutex<State>,
    open: watch::Sender<bool>,
    /// One look at a time: it may write an identity.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    standing: Inside,
    /// What this process has seen itself; the file follows with every look.
    marks: BTreeMap<Uuid, Mark>,
    /// Our role may not ask which cluster this is.
    cluster_unreadable: bool,
    file_unusable: bool,
}

#[derive(Clone, Debug, Default)]
enum Inside {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    Open(Uuid),
    Held(Held),
}

/// Why and since when work is held back.
#[derive(Clone, Debug)]
struct Held {
    /// Nothing while a sign of life of another daemon may still come.
    finding: Option<Finding>,
    /// The identity and epoch that the database had.
    at: Option<(Uuid, i64)>,
    since: Instant,
    /// The beats of other daemons at the first look: a copied row stands still.
    beats: BTreeMap<String, i64>,
    told: bool,
}

/// The leave to claim, from one look at the database.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    at: Option<(Uuid, i64)>,
    /// The highest spend that had been seen when the leave was given.
    floor: i64,
}

impl Pass {
    /// Whether a claim's spend is new. One with a number that was seen before comes from a database that was set back
    /// since the look.
    pub fn admits(&self, spend_id: i64) -> bool {
        spend_id > self.floor
    }
}

impl Fence {
    /// Puts it together; nobody has looked yet.
    pub fn new(parts: Parts) -> Self {
        let open = watch::Sender::new(!parts.enabled);
        Self(Arc::new(Inner { parts, state: Mutex::default(), open, looking: tokio::sync::Mutex::default() }))
    }

    /// Whether work goes on, as of the last look.
    pub fn is_open(&self) -> bool {
        *self.0.open.borrow()
    }

    /// Waits until work may go on.
    pub async fn opened(&self) {
        // The sender lives as long as this.
        drop(self.0.open.subscribe().wait_for(|open| *open).await);
    }

    /// Leave to claim, asked on the connection that claims, outside of a transaction. Nothing while work is held back.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn pass(&self, conn: &mut PgConnection) -> Result<Option<Pass>, store::Error> {
        if !self.0.parts.enabled {
            return Ok(Some(Pass { at: None, floor: i64::MIN }));
        }
        let (standing, marks, unreadable) = {
            let state = self.state();
            (state.standing.clone(), state.marks.clone(), state.cluster_unreadable)
        };
        match standing {
            Inside::Held(_) => return Ok(None),
            Inside::Open(_) => {
                let cluster = if unreadable { None } else { identity::system_identifier(conn).await? };
                let seen = identity::look(conn, cluster).await?;
                if judge(&marks, None, &seen) == Ruling::Admit
                    && let Some(identity) = &seen.identity
                {
                    return Ok(Some(self.remember(identity, seen.spend_id)));
                }
            }
            Inside::Unknown => {}
        }
        if !self.look_on(conn, WATCH_FOR).await? {
            return Ok(None);
        }
        let state = self.state();
        let Inside::Open(database_id) = state.standing else { return Ok(None) };
        let mark = state.marks.get(&database_id);
        Ok(mark.map(|mark| Pass { at: Some((database_id, mark.epoch)), floor: mark.spend_id }))
    }

    /// Lets committed claims through; if one of them has a number that was seen before, gives all of them back unspent
    /// and closes.
    ///
    /// # Errors
    /// Database trouble: the claims' leases run out, unspent.
    pub async fn admit(
        &self,
        conn: &mut PgConnection,
        pass: &Pass,
        claims: Vec<Claim>,
    ) -> Result<Vec<Claim>, store::Error> {
        let (Some(at), Some(highest)) = (pass.at, claims.iter().map(|claim| claim.spend_id).max()) else {
            return Ok(claims);
        };
        let Some(stale) = claims.iter().map(|claim| claim.spend_id).find(|spend_id| !pass.admits(*spend_id)) else {
            let mark = Mark { epoch: at.1, spend_id: highest, seen_at: self.0.parts.clock.now() };
            raise(&mut self.state().marks, at.0, mark);
            return Ok(claims);
        };
        let now = self.0.parts.clock.now();
        for claim in &claims {
            let reply = Reply { rule: Some(INCIDENT.to_owned()), ..Reply::default() };
            spends::finish(conn, claim.spend_id, Outcome::Transient, &reply, now).await?;
            tokens::release(conn, claim, now, false).await?;
        }
        let finding = Finding::GoneBack {
            seen_epoch: at.1,
            seen_spend_id: pass.floor,
            seen_at: now,
            epoch: at.1,
            spend_id: stale,
        };
        self.hold(conn, Some(at), Some(finding)).await?;
        Ok(Vec::new())
    }

    /// Looks at the database and says whether work may go on.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn look(&self) -> Result<bool, store::Error> {
        self.look_for(WATCH_FOR).await
    }

    /// The same, with another time to wait for a sign of life of another daemon.
    ///
    /// # Errors
    /// Database trouble.
    pub async fn look_for(&self, watch_for: Duration) -> Result<bool, store::Error> {
        let mut conn = self.0.parts.pool.acquire().await?;
        self.look_on(&mut conn, watch_for).await
    }

    async fn look_on(&self, conn: &mut PgConnection, watch_for: Duration) -> Result<bool, store::Error> {
        if !self.0.parts.enabled {
            return Ok(true);
        }
        let _one_at_a_time = self.0.looking.lock().await;
        for _ in 0..TRIES {
            // First what is remembered, then what is there: a spend that others note meanwhile must not look lost.
            let marks = self.marks();
            let held_at = self.held().and_then(|held| held.at);
            let seen = self.see(conn).await?;
            match judge(&marks, held_at, &seen) {
                Ruling::Admit => return self.open(conn, &seen).await,
                Ruling::Register => {
                    let new = newcomer(&seen);
                    // The data directory knows it before anybody else can see it: a second process on the same one must
                    // not take the database for a stranger's.
                    let mut tx = conn.begin().await?;
                    if identity::write(&mut tx, &new, seen.identity.as_ref()).await? {
                        self.remember(&new, seen.spend_id);
                        self.save();
                        info!(database_id = %new.database_id, "this database is registered as ours");
                    }
                    tx.commit().await?;
                }
                Ruling::Close(finding) => {
                    self.hold(conn, seen.identity.as_ref().map(place), Some(finding)).await?;
                    return Ok(false);
                }
                // Registered between the two looks, by another process on the same data directory.
                Ruling::Watch if self.marks().len() > marks.len() => {}
                Ruling::Watch => {
                    if self.others_live(conn).await? {
                        info!("another daemon works on this database: joining it");
                        return self.open(conn, &seen).await;
                    }
                    let watched =
                        self.held().is_some_and(|held| held.finding.is_some() || held.since.elapsed() >= watch_for);
                    let finding = watched.then_some(Finding::Stranger);
                    self.hold(conn, seen.identity.as_ref().map(place), finding).await?;
                    return Ok(false);
                }
            }
        }
        // Others register it over and over; the next look sees what became of it.
        Ok(self.is_open())
    }

    async fn see(&self, conn: &mut PgConnection) -> Result<Seen, store::Error> {
        let cluster = identity::system_identifier(conn).await?;
        self.state().cluster_unreadable = cluster.is_none();
        identity::look(conn, cluster).await
    }

    /// Whether another daemon that works has beaten since the first look.
    async fn others_live(&self, conn: &mut PgConnection) -> Result<bool, store::Error> {
        let Some(held) = self.held() else { return Ok(false) };
        let beats = self.beats(conn).await?;
        Ok(beats.iter().any(|(name, beats)| held.beats.get(name) != Some(beats)))
    }

    async fn beats(&self, conn: &mut PgConnection) -> Result<BTreeMap<String, i64>, store::Error> {
        let others = daemons::working(conn, &self.0.parts.daemon).await?;
        Ok(others.into_iter().collect())
    }

    async fn open(&self, conn: &mut PgConnection, seen: &Seen) -> Result<bool, store::Error> {
        let Some(identity) = &seen.identity else { return Ok(false) };
        if let Some(cluster) = seen.system_identifier.as_deref()
            && identity.system_identifier.is_none()
        {
            identity::complete(conn, identity.database_id, cluster).await?;
        }
        let held = self.held();
        if held.as_ref().is_some_and(|held| held.told) {
            alerts::resolve(conn, INCIDENT, &json!({}), self.0.parts.clock.now()).await?;
        }
        self.remember(identity, seen.spend_id);
        self.save();
        self.state().standing = Inside::Open(identity.database_id);
        if held.is_some_and(|held| held.finding.is_some()) {
            info!(database_id = %identity.database_id, epoch = identity.epoch, "the restore fence is open: work goes on");
        }
        self.0.open.send_replace(true);
        Ok(true)
    }

    /// Holds work back; as soon as it is known why, says so to everybody who must know.
    async fn hold(
        &self,
        conn: &mut PgConnection,
        at: Option<(Uuid, i64)>,
        finding: Option<Finding>,
    ) -> Result<(), store::Error> {
        self.0.open.send_replace(false);
        let before = self.held();
        let beats = match &before {
            Some(held) => held.beats.clone(),
            None => self.beats(conn).await?,
        };
        let since = before.as_ref().map_or_else(Instant::now, |held| held.since);
        let told = before.as_ref().is_some_and(|held| held.told && held.at == at);
        let news = before.as_ref().is_none_or(|held| held.finding != finding);
        self.state().standing = Inside::Held(Held { finding: finding.clone(), at, since, beats, told });
        let Some(finding) = finding else {
            if news {
                warn!(
                    "this data directory is new to this database, which holds tokens: looking for a sign of life of \
                    another daemon before anything is done"
                );
            }
            return Ok(());
        };
        if news {
            let (what, remedy) = (finding.words(), check::REMEDY);
            error!(remedy, "RESTORE FENCE: {what}; nothing is spent, posted or mailed until somebody decides");
        }
        if !told {
            self.tell(conn, at, &finding).await?;
            if let Inside::Held(held) = &mut self.state().standing {
                held.told = true;
            }
        }
        Ok(())
    }

    async fn tell(
        &self,
        conn: &mut PgConnection,
        at: Option<(Uuid, i64)>,
        finding: &Finding,
    ) -> Result<(), store::Error> {
        let found = serde_json::to_value(finding).unwrap_or_default();
        if let (Some((database_id, _)), Finding::GoneBack { .. }) = (at, finding) {
            identity::note_found(conn, database_id, &found).await?;
        }
        let detail = json!({ "finding": found, "words": finding.words(), "daemon": &*self.0.parts.daemon });
        let alert = alerts::NewAlert {
            incident: INCIDENT,
            kind: alerts::Kind::RestoreFence,
            connection_id: None,
            provider: None,
            detail: &detail,
            recipient: self.0.parts.operator_email.as_deref(),
        };
        alerts::open(conn, &alert, self.0.parts.clock.now()).await?;
        Ok(())
    }

    /// Remembers in this process how far a database has come.
    fn remember(&self, identity: &Identity, spend_id: i64) -> Pass {
        let mark = Mark { epoch: identity.epoch, spend_id, seen_at: self.0.parts.clock.now() };
        let mark = raise(&mut self.state().marks, identity.database_id, mark);
        Pass { at: Some((identity.database_id, mark.epoch)), floor: mark.spend_id }
    }

    /// Writes what this process has seen beside what the data directory remembers.
    pub fn save(&self) {
        let marks = self.state().marks.clone();
        let saved: Result<Vec<_>, _> =
            marks.into_iter().map(|(database_id, mark)| self.0.parts.installation.note(database_id, mark)).collect();
        self.file_used(saved.err());
    }

    /// All that is remembered: by this process and by its data directory.
    fn marks(&self) -> BTreeMap<Uuid, Mark> {
        let mut marks = self.state().marks.clone();
        match self.0.parts.installation.marks() {
            Ok(filed) => {
                for (database_id, mark) in filed {
                    raise(&mut marks, database_id, mark);
                }
                self.file_used(None);
            }
            Err(cause) => self.file_used(Some(cause)),
        }
        marks
    }

    /// A file that cannot be used is said once; this process still remembers.
    fn file_used(&self, trouble: Option<crate::installation::Error>) {
        let was = std::mem::replace(&mut self.state().file_unusable, trouble.is_some());
        if let Some(cause) = trouble
            && !was
        {
            error!(
                error = crate::telemetry::chain(&cause),
                "what this data directory knows of its database is not at hand"
            );
        }
    }

    fn held(&self) -> Option<Held> {
        match &self.state().standing {
            Inside::Held(held) => Some(held.clone()),
            Inside::Unknown | Inside::Open(_) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(identity: &Identity) -> (Uuid, i64) {
    (identity.database_id, identity.epoch)
}

fn raise(marks: &mut BTreeMap<Uuid, Mark>, database_id: Uuid, mark: Mark) -> Mark {
    let known = marks.entry(database_id).or_insert(mark);
    if known.stage() < mark.stage() {
        *known = mark;
    }
    *known
}

/// The identity of a database that becomes ours.
fn newcomer(seen: &Seen) -> Identity {
    Identity {
        database_id: Uuid::now_v7(),
        epoch: 1,
        accepted_from: None,
        system_identifier: seen.system_identifier.clone(),
        database_oid: seen.database_oid,
        found: None,
    }
}
