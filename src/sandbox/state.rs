//! Everything the sandbox remembers, behind one lock.
//!
//! The lock is held for one step at a time and never across an await. Every step that may change something wakes those
//! who wait for a level.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{SeedableRng as _, rngs::StdRng};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{books::Books, grants::Grants, mailbox::Mailbox, portal::Portal};
use crate::{clock::Clock, provider::Provider};

/// The simulated world: what the providers know, what they were told to do, and what happened.
///
/// [`Sandbox`](super::Sandbox) keeps its servers running and otherwise is this.
pub struct World {
    pub(super) clock: Clock,
    pub(super) http: Url,
    pub(super) smtp: SocketAddr,
    pub(super) stop: CancellationToken,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

pub(super) struct State {
    quickbooks: Grants,
    hubspot: Grants,
    pub(super) books: BTreeMap<String, Books>,
    pub(super) portals: BTreeMap<String, Portal>,
    pub(super) mailbox: Mailbox,
    /// Draws the trouble of single calls.
    pub(super) dice: StdRng,
}

impl World {
    pub(super) fn new(clock: Clock, http: Url, smtp: SocketAddr) -> Self {
        let state = State {
            quickbooks: Grants::new(Provider::Quickbooks),
            hubspot: Grants::new(Provider::Hubspot),
            books: BTreeMap::new(),
            portals: BTreeMap::new(),
            mailbox: Mailbox::default(),
            dice: StdRng::seed_from_u64(rand::random()),
        };
        let (changed, _) = watch::channel(());
        Self { clock, http, smtp, stop: CancellationToken::new(), state: Mutex::new(state), changed }
    }

    /// Looks without changing anything.
    pub(super) fn see<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes something and wakes those who wait.
    pub(super) fn change<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        let done = step(&mut self.lock());
        self.changed.send_replace(());
        done
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panics while it looks must not take the servers down with it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `look` finds what it looks for; `None` when `timeout` passes first. Never polls.
    pub async fn wait_until<T>(&self, timeout: Duration, look: impl Fn(&World) -> Option<T>) -> Option<T> {
        let mut changes = self.changed.subscribe();
        let found = async {
            loop {
                if let Some(found) = look(self) {
                    return Some(found);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(timeout, found).await.ok().flatten()
    }

    /// Waits for the next change of anything.
    pub async fn changed(&self) {
        let mut changes = self.changed.subscribe();
        tokio::select! {
            _ = changes.changed() => (),
            () = self.stop.cancelled() => (),
        }
    }

    /// Lets real time pass, or less when the sandbox stops.
    pub(super) async fn pause(&self, time: Duration) {
        if !time.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(time) => (),
                () = self.stop.cancelled() => (),
            }
        }
    }
}

impl State {
    pub(super) fn grants(&self, provider: Provider) -> &Grants {
        match provider {
            Provider::Quickbooks => &self.quickbooks,
            Provider::Hubspot => &self.hubspot,
        }
    }

    pub(super) fn grants_mut(&mut self, provider: Provider) -> &mut Grants {
        match provider {
            Provider::Quickbooks => &mut self.quickbooks,
            Provider::Hubspot => &mut self.hubspot,
        }
    }

    /// Ids and names of the companies that a person could choose on the consent page.
    pub(super) fn companies(&self, provider: Provider) -> Vec<(String, String)> {
        match provider {
            Provider::Quickbooks => {
                self.books.iter().map(|(realm, books)| (realm.clone(), books.name.clone())).collect()
            }
            Provider::Hubspot => {
                let alive = self.portals.iter().filter(|(_, portal)| !portal.deleted);
                alive.map(|(hub, portal)| (hub.clone(), portal.domain.clone())).collect()
            }
        }
    }
}
