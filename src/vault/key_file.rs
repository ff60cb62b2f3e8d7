//! The keys file: how it is read, made and changed.
//!
//! A change writes a whole new file beside the old one, synced, with the old one's owner and mode, and renames it into
//! place: whoever reads meanwhile sees one or the other. Comments and the lines of other keys are left as they stand.
//! Invariant: what we would refuse to read is never written, and no error quotes a line.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    Error,
    keyring::{Key, Keyring, Unparsed, key_id_of_line},
};

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The file's stamp now; nothing when it cannot be looked at.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|found| stamp_of(&found))
}

fn stamp_of(found: &fs::Metadata) -> Stamp {
    Stamp {
        inode: found.ino(),
        length: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    }
}

/// Reads the keys.
pub(super) fn load(path: &Path) -> Result<Keyring, Error> {
    parse(path, &read(path)?.0)
}

fn read(path: &Path) -> Result<(Zeroizing<String>, fs::Metadata), Error> {
    let file_error = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => Error::Missing(path.to_owned()),
        _ => Error::File { path: path.to_owned(), source },
    };
    let found = fs::metadata(path).map_err(file_error)?;
    if found.permissions().mode() & 0o007 != 0 {
        return Err(Error::TooOpen(path.to_owned()));
    }
    Ok((Zeroizing::new(fs::read_to_string(path).map_err(file_error)?), found))
}

fn parse(path: &Path, text: &str) -> Result<Keyring, Error> {
    Keyring::parse(text).map_err(|unparsed| match unparsed {
        Unparsed::Empty => Error::Missing(path.to_owned()),
        Unparsed::Line(line) => Error::Malformed { path: path.to_owned(), line },
    })
}

/// Makes a new file with one key, readable by its owner only; an existing one is never overwritten.
pub(super) fn create(path: &Path, key: &Key) -> Result<(), Error> {
    let text = Zeroizing::new(format!(
        "# Lamplighter's vault keys: the first one seals, all of them open. Keep a copy in a safe place: without\n\
         # its key a stored token is lost.\n{}\n",
        *key.line()
    ));
    let write = || -> std::io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
        _ => Error::File { path: path.to_owned(), source },
    })
}

/// Adds a key as one that only opens.
///
/// # Errors
/// The file cannot be read or written; it is unchanged then.
pub fn add(path: &Path, key: &Key) -> Result<(), Error> {
    edit(path, |text| with_added(text, key))
}

/// Makes a key that the file holds the active one.
///
/// # Errors
/// [`Error::UnknownKey`], or the file cannot be read or written; it is unchanged then.
pub fn put_first(path: &Path, key_id: &str) -> Result<(), Error> {
    let mut known = true;
    edit(path, |text| {
        let moved = with_first(text, key_id);
        known = moved.is_some();
        moved.unwrap_or_else(|| Zeroizing::new(text.to_owned()))
    })?;
    if known { Ok(()) } else { Err(Error::UnknownKey(key_id.to_owned())) }
}

/// Takes keys out.
///
/// # Errors
/// The file cannot be read or written, or would hold no key any more; it is unchanged then.
pub fn remove(path: &Path, key_ids: &[String]) -> Result<(), Error> {
    edit(path, |text| without(text, key_ids))
}

fn with_added(text: &str, key: &Key) -> Zeroizing<String> {
    if text.lines().any(|line| key_id_of_line(line) == Some(key.id())) {
        return Zeroizing::new(text.to_owned());
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    Zeroizing::new(format!("{text}{gap}{}\n", *key.line()))
}

fn with_first(text: &str, key_id: &str) -> Option<Zeroizing<String>> {
    let line = text.lines().find(|line| key_id_of_line(line) == Some(key_id))?;
    let mut moved = Zeroizing::new(String::with_capacity(text.len() + 1));
    let mut placed = false;
    for other in text.lines() {
        if !placed && key_id_of_line(other).is_some() {
            moved.push_str(line);
            moved.push('\n');
            placed = true;
        }
        if key_id_of_line(other) != Some(key_id) {
            moved.push_str(other);
            moved.push('\n');
        }
    }
    Some(moved)
}

fn without(text: &str, key_ids: &[String]) -> Zeroizing<String> {
    let mut left = Zeroizing::new(String::with_capacity(text.len()));
    for line in text.lines() {
        if !key_id_of_line(line).is_some_and(|id| key_ids.iter().any(|gone| gone == id)) {
            left.push_str(line);
            left.push('\n');
        }
    }
    left
}

fn edit(path: &Path, change: impl FnOnce(&str) -> Zeroizing<String>) -> Result<(), Error> {
    let unwritable = |source: std::io::Error| Error::Unwritable { path: path.to_owned(), source };
    // A link stays a link: what it points to is replaced.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (text, found) = read(&real)?;
    // A file that is broken already is not ours to guess at.
    parse(path, &text)?;
    let new = change(&text);
    if *new == *text {
        return Ok(());
    }
    parse(path, &new)?;
    let directory = real.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut file = tempfile::Builder::new().prefix(".vault-keys-").tempfile_in(&directory).map_err(unwritable)?;
    let prepare = |file: &mut tempfile::NamedTempFile| -> std::io::Result<()> {
        file.write_all(new.as_bytes())?;
        let made = file.as_file().metadata()?;
        if (made.uid(), made.gid()) != (found.uid(), found.gid()) {
            fchown(file.as_file(), Some(found.uid()), Some(found.gid()))?;
        }
        file.as_file().set_permissions(fs::Permissions::from_mode(found.mode() & 0o777))?;
        file.as_file().sync_all()
    };
    prepare(&mut file).map_err(unwritable)?;
    if stamp(&real) != Some(stamp_of(&found)) {
        return Err(Error::ChangedMeanwhile(path.to_owned()));
    }
    file.persist(&real).map_err(|refused| unwritable(refused.error))?;
    fs::File::open(&directory).and_then(|directory| directory.sync_all()).map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct File {
        directory: tempfile::TempDir,
        keys: Vec<Key>,
    }

    impl File {
        /// A file with these many keys and some words of a person's own.
        fn with(count: usize) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let keys: Vec<_> = std::iter::repeat_with(Key::random).take(count).collect();
            let lines: Vec<_> = keys.iter().map(|key| format!("# before {}\n  {}  ", key.id(), *key.line())).collect();
            fs::write(directory.path().join("keys"), format!("\n{}\n# last", lines.join("\n\n"))).unwrap();
            let file = Self { directory, keys };
            fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
            file
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("keys")
        }

        fn ids(&self) -> Vec<String> {
            load(&self.path()).unwrap().ids().map(str::to_owned).collect()
        }

        fn id(&self, index: usize) -> String {
            self.keys[index].id().to_owned()
        }

        fn comments(&self) -> usize {
            fs::read_to_string(self.path()).unwrap().lines().filter(|line| line.starts_with('#')).count()
        }
    }

    #[test]
    fn a_key_is_added_last_once_and_nothing_else_changes() {
        let (file, key) = (File::with(2), Key::random());
        let before = fs::read_to_string(file.path()).unwrap();
        add(&file.path(), &key).unwrap();
        assert_eq!(file.ids(), [file.id(0), file.id(1), key.id().to_owned()]);
        let after = fs::read_to_string(file.path()).unwrap();
        assert_eq!(after, format!("{before}\n{}\n", *key.line()), "the last line had no end");
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o640, "the mode is kept");
        let inode = fs::metadata(file.path()).unwrap().ino();
        add(&file.path(), &key).unwrap();
        assert_eq!(fs::metadata(file.path()).unwrap().ino(), inode, "nothing to do is nothing done");
        assert_eq!(fs::read_dir(file.directory.path()).unwrap().count(), 1, "no other file is left");
    }

    #[test]
    fn a_key_is_moved_to_the_first_place_and_the_rest_keeps_its_order() {
        let file = File::with(3);
        put_first(&file.path(), &file.id(2)).unwrap();
        assert_eq!(file.ids(), [file.id(2), file.id(0), file.id(1)]);
        put_first(&file.path(), &file.id(0)).unwrap();
        put_first(&file.path(), &file.id(0)).unwrap();
        assert_eq!(file.ids(), [file.id(0), file.id(2), file.id(1)]);
        assert_eq!(file.comments(), 4, "a person's words stay");
        let stranger = Key::random();
        assert!(matches!(put_first(&file.path(), stranger.id()), Err(Error::UnknownKey(_))));
        assert_eq!(file.ids().len(), 3);
    }

    #[test]
    fn keys_are_removed_but_never_the_last_one() {
        let file = File::with(3);
        remove(&file.path(), &[file.id(1), Key::random().id().to_owned()]).unwrap();
        assert_eq!(file.ids(), [file.id(0), file.id(2)]);
        let before = fs::read(file.path()).unwrap();
        assert!(remove(&file.path(), &[file.id(0), file.id(2)]).is_err());
        assert_eq!(fs::read(file.path()).unwrap(), before);
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line_and_left_alone() {
        let file = File::with(1);
        let broken = format!("{}\n0badc0de c2VjcmV0", fs::read_to_string(file.path()).unwrap());
        fs::write(file.path(), &broken).unwrap();
        let refused = add(&file.path(), &Key::random()).unwrap_err();
        assert!(matches!(refused, Error::Malformed { line: 5, .. }), "{refused}");
        assert!(!refused.to_string().contains("c2VjcmV0"), "{refused}");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), broken);
    }

    #[test]
    fn a_link_stays_a_link() {
        let (file, key) = (File::with(1), Key::random());
        let link = file.directory.path().join("link");
        std::os::unix::fs::symlink(file.path(), &link).unwrap();
        add(&link, &key).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(file.ids().len(), 2);
    }
}
