//! Whether renewed tokens that the database cannot take would be safe on this host's disk.

use super::{Check, State};
use crate::{
    keeper::spool::{Look, Spool},
    words,
};

/// The check.
pub(super) async fn check(spool: &Spool) -> Check {
    let warn = |message: String, remedy: &str| Check::new("spool", State::Warn, message, remedy);
    let Some(Look { written, waiting, unreadable }) = spool.look().await else {
        return warn("it was not looked at: this daemon is about to stop".to_owned(), "ask the daemon that follows it");
    };
    if let Err(cause) = written {
        let message = format!("nothing can be written to {}: {cause}", spool.directory().display());
        let remedy = "free disk space, and let the user who runs lamplighter own data_dir: while the database is away, \
                      renewed tokens have nowhere else to go";
        return warn(message, remedy);
    }
    if unreadable > 0 {
        let files = words::count(unreadable as u64, "file");
        let remedy = "keep what ends in .unreadable in data_dir/spool for support, look at the disk, and ask with \
                      `lamplighter connection probe` whether those grants still work";
        return warn(format!("{files} that held a renewed token cannot be read"), remedy);
    }
    match waiting {
        0 => Check::ok("spool", "no reply waits on disk"),
        waiting => warn(
            format!("{} on disk for the database", words::count(waiting as u64, "renewed token waits")),
            "do not delete data_dir/spool: they are stored as soon as the database is back",
        ),
    }
}
