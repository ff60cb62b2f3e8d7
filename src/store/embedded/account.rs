//! Under which account the PostgreSQL programs run.
//!
//! An ordinary user runs them itself. Root may not, so it picks an unprivileged account.

use nix::unistd::{Uid, User};

use super::Error;

/// The accounts root looks for, the usual one first.
const UNPRIVILEGED: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// Who runs PostgreSQL and owns its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Whether we are root and must switch to this account.
    pub(super) switch: bool,
}

impl Account {
    /// Chooses the account. `owner` is whom an existing cluster belongs to: root keeps to that account, even when a
    /// better one has been added since.
    pub(super) fn choose(owner: Option<u32>) -> Result<Self, Error> {
        let me = Uid::effective();
        if !me.is_root() {
            return match by_uid(me) {
                Some(user) => Ok(Self::of(user, false)),
                None => Err(Error::NoPasswdEntry { uid: me.as_raw() }),
            };
        }
        if let Some(uid) = owner.filter(|uid| *uid != 0) {
            return match by_uid(Uid::from_raw(uid)) {
                Some(user) => Ok(Self::of(user, true)),
                None => Err(Error::NoPasswdEntry { uid }),
            };
        }
        UNPRIVILEGED
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten().filter(|user| !user.uid.is_root()))
            .map(|user| Self::of(user, true))
            .ok_or(Error::NoUnprivilegedAccount)
    }

    fn of(user: User, switch: bool) -> Self {
        Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), switch }
    }
}

fn by_uid(uid: Uid) -> Option<User> {
    User::from_uid(uid).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_root() {
        assert_ne!(Account::choose(None).unwrap().uid, 0);
        assert_ne!(Account::choose(Some(0)).unwrap().uid, 0);
    }

    #[test]
    fn root_keeps_to_the_owner_of_an_existing_cluster() {
        let me = Uid::effective();
        let daemon = User::from_name("daemon").unwrap().unwrap();
        let chosen = Account::choose(Some(daemon.uid.as_raw())).unwrap();
        let expected = if me.is_root() { daemon.uid } else { me };
        assert_eq!(chosen.uid, expected.as_raw());
        assert_eq!(chosen.switch, me.is_root());
    }

    #[test]
    fn an_owner_without_a_name_is_reported() {
        if Uid::effective().is_root() {
            let error = Account::choose(Some(987_654)).unwrap_err().to_string();
            assert!(error.contains("user id 987654 has no entry in /etc/passwd"), "{error}");
            assert!(error.contains("database.url"), "{error}");
        }
    }
}
