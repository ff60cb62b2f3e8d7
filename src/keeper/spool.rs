//! Replies that arrived while Postgres was away. A rotated refresh token that is only in memory is one crash from being
//! lost, so it goes, sealed as it would be stored, into a file that is synced before anything else happens.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tracing::error;
use uuid::Uuid;

use crate::{
    provider::Provider,
    store::{spends, tokens::SealedTokens},
};

/// How files end that do not hold a reply.
const ASIDE: &str = "unreadable";

/// A directory of replies, one file each.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Path>);

/// A reply that waits. Its tokens are sealed.
#[derive(Debug, Serialize, Deserialize)]
pub struct SpooledReply {
    /// Whose tokens.
    pub connection_id: Uuid,
    /// With whom.
    pub provider: Provider,
    /// The ledger's row.
    pub spend_id: i64,
    /// The generation that was spent.
    pub generation: i64,
    /// The provider's correlation id.
    pub correlation_id: Option<String>,
    /// What came back.
    pub tokens: SealedTokens,
}

impl SpooledReply {
    pub(crate) fn ledger(&self) -> spends::Reply {
        spends::Reply {
            status: Some(200),
            rule: Some("spooled".to_owned()),
            correlation_id: self.correlation_id.clone(),
            code: None,
        }
    }
}

/// A file of the spool.
#[derive(Debug)]
pub struct Entry {
    path: PathBuf,
    /// What it holds.
    pub reply: SpooledReply,
}

/// How a spool stands.
#[derive(Debug)]
pub struct Look {
    /// Whether the disk takes a reply.
    pub written: std::io::Result<()>,
    /// How many replies wait.
    pub waiting: usize,
    /// How many files were moved aside because they hold something else.
    pub unreadable: usize,
}

impl Spool {
    /// Uses `directory`, making it if needed.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn open(directory: &Path) -> std::io::Result<Self> {
        fs::create_dir_all(directory)?;
        tempfile::NamedTempFile::new_in(directory)?;
        Ok(Self(directory.into()))
    }

    /// Writes a reply; when this returns, it survives a crash of the machine.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn add(&self, reply: &SpooledReply) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
        file.write_all(&serde_json::to_vec(reply)?)?;
        file.as_file().sync_all()?;
        file.persist(self.0.join(format!("{}-{}.json", reply.connection_id, reply.generation)))?;
        fs::File::open(&self.0)?.sync_all()
    }

    /// Everything that waits. A file that holds something else is moved aside and reported, so that it delays no other;
    /// one that cannot be read right now stays for the next look.
    pub fn entries(&self) -> Vec<Entry> {
        self.paths().filter_map(read).collect()
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// How it stands now, found out beside the runtime's own threads; `None` when the process is about to stop.
    pub async fn look(&self) -> Option<Look> {
        let spool = self.clone();
        let look = move || {
            let aside = spool.files().filter(|path| path.extension().is_some_and(|e| e == ASIDE)).count();
            Look { written: spool.check(), waiting: spool.len(), unreadable: aside }
        };
        tokio::task::spawn_blocking(look).await.ok()
    }

    /// Whether a reply could be written now: as much as many replies are goes to the disk and away again.
    fn check(&self) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
        file.write_all(&[0; 64 * 1024])?;
        file.as_file().sync_all()
    }

    /// How many replies wait.
    pub fn len(&self) -> usize {
        self.paths().count()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.files().filter(|path| path.extension().is_some_and(|e| e == "json"))
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(&self.0).into_iter().flatten().flatten().map(|file| file.path())
    }

    /// How many files hold this text, those that were moved aside among them; one that cannot be read counts too.
    pub fn count_naming(&self, text: &str) -> usize {
        let names = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        self.files()
            .filter(|path| fs::read(path).map_or_else(|e| e.kind() != std::io::ErrorKind::NotFound, |b| names(&b)))
            .count()
    }

    /// Forgets a reply that is in the database now.
    pub fn remove(&self, entry: &Entry) {
        if let Err(cause) = fs::remove_file(&entry.path) {
            // Harmless: replayed again, its generation has moved and it is discarded.
            error!(path = %entry.path.display(), %cause, "cannot remove a replayed spool file: delete it by hand");
        }
    }
}

fn read(path: PathBuf) -> Option<Entry> {
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        // Another round has just replayed it.
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return None,
        Err(cause) => {
            error!(path = %path.display(), %cause, "a spooled reply cannot be read now; it is tried again");
            return None;
        }
    };
    match serde_json::from_slice(&bytes) {
        Ok(reply) => Some(Entry { path, reply }),
        Err(cause) => {
            // The parser's message may quote the file; its position is all that helps.
            let (line, column) = (cause.line(), cause.column());
            let aside = path.with_extension(ASIDE);
            error!(path = %aside.display(), line, column, "not a spooled reply: moved aside, keep it for support");
            if let Err(cause) = fs::rename(&path, &aside) {
                error!(path = %path.display(), %cause, "it cannot be moved aside either");
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn reply(generation: i64) -> SpooledReply {
        let at = DateTime::UNIX_EPOCH;
        SpooledReply {
            connection_id: Uuid::from_u128(1),
            provider: Provider::Quickbooks,
            spend_id: 5,
            generation,
            correlation_id: None,
            tokens: SealedTokens {
                access_sealed: "1.k.a".to_owned(),
                refresh_sealed: "1.k.r".to_owned(),
                refresh_fingerprint: "f".to_owned(),
                access_expires_at: at,
                refresh_expires_at: None,
                refresh_hard_expires_at: None,
                renewed_at: at,
                renew_at: at,
            },
        }
    }

    #[test]
    fn a_reply_survives_and_a_broken_file_delays_none() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::open(directory.path()).unwrap();
        spool.add(&reply(3)).unwrap();
        spool.add(&reply(4)).unwrap();
        fs::write(directory.path().join("bad.json"), "{").unwrap();
        let entries = Spool::open(directory.path()).unwrap().entries();
        assert_eq!(entries.len(), 2);
        assert!(entries.iter().any(|entry| entry.reply.generation == 4));
        assert!(directory.path().join("bad.unreadable").exists());
        for entry in &entries {
            spool.remove(entry);
        }
        assert!(spool.is_empty());
    }
}
