//! Whether a database is the one that this data directory worked on: pure.
//!
//! Three things give a restored or copied one away: it lies in another cluster or under another number than it says, it
//! has forgotten spends that were seen here, or nobody here has ever seen it. A database without tokens has nothing to
//! protect and simply becomes ours.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    installation::Mark,
    store::identity::{Identity, Seen},
    words,
};

/// What was found out about a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "case", rename_all = "snake_case")]
pub enum Finding {
    /// It was registered in another place than where it is.
    Moved {
        /// The cluster where it was registered.
        known_cluster: Option<String>,
        /// Its number there.
        known_oid: i64,
        /// The cluster where it is.
        cluster: Option<String>,
        /// Its number here.
        oid: i64,
    },
    /// It knows less than was seen before.
    GoneBack {
        /// The epoch that was seen.
        seen_epoch: i64,
        /// The highest spend that was seen.
        seen_spend_id: i64,
        /// When.
        seen_at: DateTime<Utc>,
        /// The epoch that it has.
        epoch: i64,
        /// The highest spend that it has.
        spend_id: i64,
    },
    /// This data directory has never worked on it, and nobody else works on it now.
    Stranger,
}

impl Finding {
    /// What was found, in one sentence without its full stop.
    pub fn words(&self) -> String {
        match self {
            Self::Moved { .. } => "this database is a copy: it was registered in another PostgreSQL cluster, or under \
                                   another number in this one"
                .to_owned(),
            Self::GoneBack { seen_spend_id, seen_at, spend_id, .. } => format!(
                "this database was set back: its ledger ends at spend {spend_id}, but spend {seen_spend_id} was seen in it \
                 before {}",
                words::instant(*seen_at)
            ),
            Self::Stranger => {
                "this data directory has never worked on this database, which holds tokens, and no other \
                               daemon works on it now"
                    .to_owned()
            }
        }
    }
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ruling {
    /// Go on.
    Admit,
    /// Give it an identity, then go on.
    Register,
    /// Hold back unless others work on it.
    Watch,
    /// Hold back.
    Close(Finding),
}

/// Judges what is seen by what is remembered. `held_at` is the identity at which this process holds back already: a
/// higher epoch of it says that somebody has accepted the tokens.
pub(super) fn judge(marks: &BTreeMap<Uuid, Mark>, held_at: Option<(Uuid, i64)>, seen: &Seen) -> Ruling {
    let Some(identity) = &seen.identity else {
        // Without an identity, but this data directory knows databases with one: restored from before the upgrade.
        return if seen.tokens && !marks.is_empty() { Ruling::Watch } else { Ruling::Register };
    };
    let mark = marks.get(&identity.database_id);
    if let Some(finding) = found(identity).or_else(|| moved(identity, seen)).or_else(|| gone_back(identity, mark, seen))
    {
        return if seen.tokens { Ruling::Close(finding) } else { Ruling::Register };
    }
    let accepted = held_at.is_some_and(|(id, epoch)| {
        epoch < identity.epoch && (id == identity.database_id || identity.accepted_from == Some(id))
    });
    if mark.is_some() || accepted || !seen.tokens { Ruling::Admit } else { Ruling::Watch }
}

fn found(identity: &Identity) -> Option<Finding> {
    let found = identity.found.as_ref()?;
    // Words of a newer version still mean that a daemon found something.
    Some(serde_json::from_value(found.clone()).unwrap_or(Finding::Stranger))
}

fn moved(identity: &Identity, seen: &Seen) -> Option<Finding> {
    let elsewhere = match (&identity.system_identifier, &seen.system_identifier) {
        (Some(known), Some(cluster)) => known != cluster,
        _ => false,
    };
    (elsewhere || identity.database_oid != seen.database_oid).then(|| Finding::Moved {
        known_cluster: identity.system_identifier.clone(),
        known_oid: identity.database_oid,
        cluster: seen.system_identifier.clone(),
        oid: seen.database_oid,
    })
}

fn gone_back(identity: &Identity, mark: Option<&Mark>, seen: &Seen) -> Option<Finding> {
    let mark = mark?;
    ((identity.epoch, seen.spend_id) < (mark.epoch, mark.spend_id)).then_some(Finding::GoneBack {
        seen_epoch: mark.epoch,
        seen_spend_id: mark.spend_id,
        seen_at: mark.seen_at,
        epoch: identity.epoch,
        spend_id: seen.spend_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Uuid = Uuid::from_u128(1);
    const COPY: Uuid = Uuid::from_u128(2);

    fn seen(tokens: bool, spend_id: i64, change: impl FnOnce(&mut Identity)) -> Seen {
        let mut identity = Identity {
            database_id: US,
            epoch: 1,
            accepted_from: None,
            system_identifier: Some("7".to_owned()),
            database_oid: 16_384,
            found: None,
        };
        change(&mut identity);
        let system_identifier = Some("7".to_owned());
        Seen { identity: Some(identity), system_identifier, database_oid: 16_384, spend_id, tokens }
    }

    fn marks(epoch: i64, spend_id: i64) -> BTreeMap<Uuid, Mark> {
        BTreeMap::from([(US, Mark { epoch, spend_id, seen_at: DateTime::UNIX_EPOCH })])
    }

    fn closes(ruling: &Ruling) -> bool {
        matches!(ruling, Ruling::Close(_))
    }

    #[test]
    fn the_database_that_we_know_is_ours_as_far_as_we_know_it() {
        for (epoch, spend_id, held) in [(1, 9, false), (1, 10, false), (1, 11, true), (2, 0, true), (0, 99, false)] {
            let ruling = judge(&marks(epoch, spend_id), None, &seen(true, 10, |_| {}));
            assert_eq!(closes(&ruling), held, "epoch {epoch} spend {spend_id}");
        }
    }

    #[test]
    fn another_place_is_a_copy_and_an_unknown_place_is_not() {
        let known = marks(1, 10);
        let ruled = |change: fn(&mut Identity)| judge(&known, None, &seen(true, 10, change));
        assert!(closes(&ruled(|identity| identity.database_oid = 5)));
        assert!(closes(&ruled(|identity| identity.system_identifier = Some("8".to_owned()))));
        assert_eq!(ruled(|identity| identity.system_identifier = None), Ruling::Admit);
        let mut unreadable = seen(true, 10, |_| {});
        unreadable.system_identifier = None;
        assert_eq!(judge(&known, None, &unreadable), Ruling::Admit);
    }

    #[test]
    fn without_tokens_there_is_nothing_to_protect() {
        let stray = |identity: &mut Identity| identity.database_oid = 5;
        assert_eq!(judge(&marks(1, 99), None, &seen(false, 10, stray)), Ruling::Register);
        assert_eq!(judge(&BTreeMap::new(), None, &seen(false, 10, |_| {})), Ruling::Admit);
    }

    #[test]
    fn a_database_that_nobody_here_knows_is_watched_and_an_upgraded_one_is_registered() {
        let none = BTreeMap::new();
        assert_eq!(judge(&none, None, &seen(true, 10, |_| {})), Ruling::Watch);
        let mut unnamed = seen(true, 10, |_| {});
        unnamed.identity = None;
        assert_eq!(judge(&none, None, &unnamed), Ruling::Register);
        assert_eq!(judge(&marks(1, 1), None, &unnamed), Ruling::Watch, "restored from before the upgrade");
    }

    #[test]
    fn a_higher_epoch_of_what_was_held_says_go_on() {
        let none = BTreeMap::new();
        let accepted = seen(true, 10, |identity| identity.epoch = 2);
        assert_eq!(judge(&none, Some((US, 1)), &accepted), Ruling::Admit);
        assert_eq!(judge(&none, Some((US, 2)), &accepted), Ruling::Watch);
        let copy = seen(true, 10, |identity| {
            (identity.database_id, identity.accepted_from, identity.epoch) = (COPY, Some(US), 2);
        });
        assert_eq!(judge(&none, Some((US, 1)), &copy), Ruling::Admit);
        assert_eq!(judge(&marks(1, 5), None, &copy), Ruling::Watch, "a copy that somebody else accepted is not ours");
    }

    #[test]
    fn what_one_daemon_found_holds_for_all() {
        let finding = Finding::GoneBack {
            seen_epoch: 1,
            seen_spend_id: 12,
            seen_at: DateTime::UNIX_EPOCH,
            epoch: 1,
            spend_id: 10,
        };
        let found = serde_json::to_value(&finding).unwrap();
        let ruling = judge(&marks(1, 10), None, &seen(true, 10, |identity| identity.found = Some(found)));
        assert_eq!(ruling, Ruling::Close(finding));
    }
}
