//! The directories of the private PostgreSQL, and who may enter them.
//!
//! ```text
//! root/               ours; when we are root others may pass through, but not read
//! root/lock           held while a daemon runs
//! root/postgres.log   what PostgreSQL prints
//! root/data           the cluster, the account's alone
//! root/run            the socket, the account's alone: who can enter it is trusted
//! ```
//!
//! A socket's path has room for about 100 bytes. Under a longer root the socket goes to /tmp instead, below a name made
//! from the root's path and with the same protection.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    os::unix::fs::{chown, fchown},
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;
use sha2::{Digest as _, Sha256};

use super::{Error, PORT, account::Account};

/// The limit is 103 bytes on macOS, 107 on Linux, and PostgreSQL adds `/.s.PGSQL.5432`.
const LONGEST_SOCKET_DIR: usize = 88;

/// Where everything is, and whose it is.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
    pub(super) data: PathBuf,
    pub(super) socket_dir: PathBuf,
    pub(super) log: PathBuf,
    pub(super) account: Account,
}

impl Layout {
    /// Creates what is missing and checks what is there.
    pub(super) fn prepare(root: &Path) -> Result<Self, Error> {
        let account = Account::choose(owner(&root.join("data"))?)?;
        let mode = if account.switch { 0o711 } else { 0o700 };
        DirBuilder::new().recursive(true).mode(mode).create(root).map_err(Error::file("create", root))?;
        let root = fs::canonicalize(root).map_err(Error::file("open", root))?;
        if account.switch {
            if owner(&root)? == Some(0) {
                fs::set_permissions(&root, Permissions::from_mode(mode)).map_err(Error::file("change", &root))?;
            }
            if let Some(blocked) = first_blocked(&root, &account)? {
                return Err(Error::Unreachable { blocked, account: account.name });
            }
        }
        let data = root.join("data");
        if let Some(owner) = owner(&data)?.filter(|uid| *uid != account.uid) {
            return Err(Error::Owner { path: data, owner, account: account.name });
        }
        let layout = Self { socket_dir: socket_dir(&root), log: root.join("postgres.log"), data, root, account };
        layout.create_private_dir(&layout.socket_dir)?;
        Ok(layout)
    }

    /// The socket itself.
    pub(super) fn socket(&self) -> PathBuf {
        self.socket_dir.join(format!(".s.PGSQL.{PORT}"))
    }

    /// A directory that the account owns and nobody else can enter. One that is there already must be just that.
    pub(super) fn create_private_dir(&self, path: &Path) -> Result<(), Error> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::file("create", path)(error));
            }
            _ => {}
        }
        // Not followed: in /tmp somebody else may have put a link here.
        let meta = fs::symlink_metadata(path).map_err(Error::file("open", path))?;
        if !meta.is_dir() {
            return Err(Error::NotADirectory { path: path.to_owned() });
        }
        if self.account.switch && meta.uid() == 0 {
            chown(path, Some(self.account.uid), Some(self.account.gid)).map_err(Error::file("change", path))?;
        } else if meta.uid() != self.account.uid {
            return Err(Error::Owner { path: path.to_owned(), owner: meta.uid(), account: self.account.name.clone() });
        }
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(Error::file("change", path))
    }

    /// Opens a file of the account's for appending, creating it if need be.
    pub(super) fn open_append(&self, path: &Path) -> Result<File, Error> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            // Root must not be led elsewhere by a link in a directory that is not root's.
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)
            .map_err(Error::file("open", path))?;
        if self.account.switch {
            fchown(&file, Some(self.account.uid), Some(self.account.gid)).map_err(Error::file("change", path))?;
        }
        Ok(file)
    }
}

/// The owner of what is at the path, if anything is.
fn owner(path: &Path) -> Result<Option<u32>, Error> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta.uid())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("open", path)(error)),
    }
}

/// The same root always gives the same directory, so that a leftover server is found again.
fn socket_dir(root: &Path) -> PathBuf {
    let dir = root.join("run");
    if dir.as_os_str().len() <= LONGEST_SOCKET_DIR {
        return dir;
    }
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    let name: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    Path::new("/tmp").join(format!("lamplighter-{name}"))
}

/// The first directory on the way down to `root` that the account cannot pass.
fn first_blocked(root: &Path, account: &Account) -> Result<Option<PathBuf>, Error> {
    let mut way: Vec<&Path> = root.ancestors().collect();
    way.reverse();
    for dir in way {
        let meta = fs::metadata(dir).map_err(Error::file("open", dir))?;
        let bit = if meta.uid() == account.uid {
            0o100
        } else if meta.gid() == account.gid {
            0o010
        } else {
            0o001
        };
        if meta.mode() & bit == 0 {
            return Ok(Some(dir.to_owned()));
        }
    }
    Ok(None)
}

/// Makes a rename in the directory outlive a power cut.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_root_gets_a_short_socket_directory_of_its_own() {
        let long = |name: &str| socket_dir(&Path::new("/srv").join("x".repeat(90)).join(name));
        assert_eq!(socket_dir(Path::new("/srv/a")), Path::new("/srv/a/run"));
        assert!(long("a").starts_with("/tmp"), "{:?}", long("a"));
        assert_eq!(long("a"), long("a"));
        assert_ne!(long("a"), long("b"));
    }

    #[test]
    fn a_closed_parent_is_named() {
        let stranger = Account { name: "stranger".to_owned(), uid: 4_000_001, gid: 4_000_001, switch: true };
        let tmp = tempfile::tempdir_in("/tmp").unwrap();
        let root = fs::canonicalize(tmp.path()).unwrap().join("a");
        fs::create_dir(&root).unwrap();
        let closed = root.parent().unwrap();
        fs::set_permissions(closed, Permissions::from_mode(0o700)).unwrap();
        assert_eq!(first_blocked(&root, &stranger).unwrap().as_deref(), Some(closed));

        for dir in [closed, &root] {
            fs::set_permissions(dir, Permissions::from_mode(0o711)).unwrap();
        }
        assert_eq!(first_blocked(&root, &stranger).unwrap(), None);
    }

    #[test]
    fn a_link_in_place_of_the_socket_directory_is_refused() {
        let tmp = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(tmp.path(), Permissions::from_mode(0o755)).unwrap();
        let root = tmp.path().join("postgres");
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink("/tmp", root.join("run")).unwrap();
        let error = Layout::prepare(&root).unwrap_err();
        assert!(matches!(error, Error::NotADirectory { .. }), "{error}");
    }
}
