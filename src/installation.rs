//! What a data directory remembers about the databases that it worked on. A database that was restored has forgotten its
//! newest rows; the file beside it has not.
//!
//! It knows neither SQL nor what follows from a difference. The invariant: what was marked once is never unmarked by a
//! lower number, whoever else writes the file at the same time, and a mark survives a crash of the machine.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const FILE: &str = "installation.json";
const LOCK: &str = "installation.lock";

/// The file of a data directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Installation {
    id: Uuid,
    directory: Arc<Path>,
}

/// How far a database had come when it was last seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How often restored tokens were accepted in it.
    pub epoch: i64,
    /// The highest spend in its ledger.
    pub spend_id: i64,
    /// When that was.
    pub seen_at: DateTime<Utc>,
}

impl Mark {
    /// What is compared: an epoch counts more than any spend.
    pub fn stage(&self) -> (i64, i64) {
        (self.epoch, self.spend_id)
    }
}

/// What stands in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    installation_id: Uuid,
    databases: BTreeMap<Uuid, Mark>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refuses.
    #[error("cannot use {}: let the user who runs lamplighter own data_dir", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error(
        "{} cannot be read: put it back from a copy, or delete it; then the daemon watches for a minute whether others \
         work on its database, and else asks for `lamplighter resume`",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl Installation {
    /// Uses `directory`; the file is made if it is missing.
    ///
    /// # Errors
    /// When it cannot be written, or holds something else.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        fs::create_dir_all(directory).map_err(|source| Error::Disk { path: directory.to_owned(), source })?;
        let mut this = Self { id: Uuid::nil(), directory: directory.into() };
        let _lock = this.lock()?;
        let record = match this.read()? {
            Some(record) => record,
            None => {
                let record = Record { installation_id: Uuid::now_v7(), databases: BTreeMap::new() };
                this.write(&record)?;
                record
            }
        };
        this.id = record.installation_id;
        Ok(this)
    }

    /// Names this data directory.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// All that is remembered, by database.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn marks(&self) -> Result<BTreeMap<Uuid, Mark>, Error> {
        Ok(self.read()?.map(|record| record.databases).unwrap_or_default())
    }

    /// Remembers how far a database has come, and says what is remembered of it now. A mark that is not higher changes
    /// nothing.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn note(&self, database_id: Uuid, mark: Mark) -> Result<Mark, Error> {
        let _lock = self.lock()?;
        let mut record =
            self.read()?.unwrap_or_else(|| Record { installation_id: self.id, databases: BTreeMap::new() });
        if let Some(known) = record.databases.get(&database_id)
            && known.stage() >= mark.stage()
        {
            return Ok(*known);
        }
        record.databases.insert(database_id, mark);
        self.write(&record)?;
        Ok(mark)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// Held while the file is read and replaced: several daemons may share the directory.
    fn lock(&self) -> Result<File, Error> {
        let path = self.directory.join(LOCK);
        let lock = || {
            let file = File::options().create(true).append(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|source| Error::Disk { path: path.clone(), source })
    }

    fn read(&self) -> Result<Option<Record>, Error> {
        let path = self.path();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::Unreadable { path, source }),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Disk { path, source }),
        }
    }

    fn write(&self, record: &Record) -> Result<(), Error> {
        let path = self.path();
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
            serde_json::to_writer_pretty(&mut file, record)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(|source| Error::Disk { path: path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(epoch: i64, spend_id: i64) -> Mark {
        Mark { epoch, spend_id, seen_at: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn what_was_marked_is_never_unmarked_by_a_lower_number() {
        let directory = tempfile::tempdir().unwrap();
        let (database, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = Installation::open(directory.path()).unwrap();
        first.note(database, mark(1, 7)).unwrap();
        let second = Installation::open(directory.path()).unwrap();
        assert_eq!(second.id(), first.id());
        assert_eq!(second.note(database, mark(1, 5)).unwrap(), mark(1, 7));
        second.note(other, mark(1, 2)).unwrap();
        first.note(database, mark(2, 3)).unwrap();
        assert_eq!(second.note(database, mark(1, 9)).unwrap(), mark(2, 3), "a later epoch counts more than any spend");
        assert_eq!(first.marks().unwrap(), BTreeMap::from([(database, mark(2, 3)), (other, mark(1, 2))]));
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused_with_words() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "{").unwrap();
        let error = Installation::open(directory.path()).unwrap_err();
        assert!(error.to_string().contains("delete it"), "{error}");
        assert_eq!(fs::read(directory.path().join(FILE)).unwrap(), b"{");
    }
}
