//! Who does something on the command line: the user of this shell, on this machine.

use nix::unistd::{Uid, User};

use crate::{app, store::audit_log::Actor};

/// Whoever runs this command, as `user@host`.
pub(super) fn here() -> Actor {
    let uid = Uid::current();
    let user = User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name);
    Actor::CommandLine(format!("{user}@{}", app::host_name()))
}
