//! What can go wrong with the private PostgreSQL, each with what to do about it.

use std::{io, path::PathBuf, process::ExitStatus};

/// How the programs get onto a machine.
const INSTALL: &str = "run `apt-get install postgresql` (Debian, Ubuntu), `dnf install postgresql-server` (Fedora) or \
    `brew install postgresql@17` (macOS)";

/// The private PostgreSQL could not be found, made, started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No usable programs on this machine.
    #[error(
        "PostgreSQL {min} or newer is not installed: {INSTALL}, or set `database.url` to a server you already run",
        min = super::binaries::OLDEST_MAJOR
    )]
    NotInstalled,

    /// The configured directory does not hold what it should.
    #[error(
        "`database.postgres_bin_dir` names {}, which is of no use: {problem}; correct it, or leave it empty to have the usual places searched; if PostgreSQL is not installed, {INSTALL}",
        dir.display()
    )]
    BinDir {
        /// The configured directory.
        dir: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// The installed versions cannot read the cluster.
    #[error(
        "{} was made by PostgreSQL {made_by}, but the installed version is {installed}: install PostgreSQL {made_by} again (both may stay installed), or move the data with pg_upgrade",
        data.display()
    )]
    Version {
        /// Directory of the cluster.
        data: PathBuf,
        /// Major version that made it.
        made_by: String,
        /// Versions found, newest first.
        installed: String,
    },

    /// Another process holds the lock.
    #[error(
        "another lamplighter is running on {}: stop it first; to run several daemons, give them all the same `database.url`",
        root.display()
    )]
    InUse {
        /// Directory of the cluster.
        root: PathBuf,
    },

    /// The unprivileged account cannot get to the directory.
    #[error(
        "PostgreSQL must not run as root, so it runs as \"{account}\", and that account cannot enter {}: set `data_dir` to a directory below which all may pass, such as /var/lib/lamplighter, or run `chmod o+x {}`",
        blocked.display(),
        blocked.display()
    )]
    Unreachable {
        /// The first directory that keeps the account out.
        blocked: PathBuf,
        /// The account's name.
        account: String,
    },

    /// Running as root with nobody to hand the cluster to.
    #[error(
        "PostgreSQL must not run as root, and neither \"postgres\" nor \"nobody\" exists to run it as: run lamplighter as an ordinary user, or set `database.url`"
    )]
    NoUnprivilegedAccount,

    /// The user id has no name, which initdb insists on.
    #[error(
        "user id {uid} has no entry in /etc/passwd, and PostgreSQL does not run without one: add an entry, run lamplighter as another user, or set `database.url`"
    )]
    NoPasswdEntry {
        /// The nameless user id.
        uid: u32,
    },

    /// A directory belongs to somebody else.
    #[error(
        "{} belongs to user id {owner}, but must belong to \"{account}\", who runs PostgreSQL: give it to that account with chown, or start lamplighter as its owner",
        path.display()
    )]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who ought to own it.
        account: String,
    },

    /// Something that is not a directory stands where one is needed.
    #[error("{} is not a directory: move it away and start again", path.display())]
    NotADirectory {
        /// What stands there.
        path: PathBuf,
    },

    /// Files that are not a cluster stand where the cluster belongs.
    #[error(
        "{} holds files but is not a PostgreSQL cluster (it has no PG_VERSION): restore it from a backup, or move it away to begin with an empty database",
        path.display()
    )]
    NotACluster {
        /// Where the cluster belongs.
        path: PathBuf,
    },

    /// The cluster could not be made.
    #[error(
        "initdb could not create the cluster ({status}); free what it complains of and start again, or set `database.url`:\n{output}"
    )]
    Initdb {
        /// How initdb ended.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },

    /// A program could not even be run.
    #[error(
        "cannot run {} as \"{account}\": check that this account may read and execute it and every directory above it",
        program.display()
    )]
    Run {
        /// The program.
        program: PathBuf,
        /// Who was to run it.
        account: String,
        /// Why not.
        source: io::Error,
    },

    /// PostgreSQL ended instead of starting.
    #[error("PostgreSQL ended while starting ({status}); {} says:\n{tail}", log.display())]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// Its log file.
        log: PathBuf,
        /// The end of that log.
        tail: String,
    },

    /// PostgreSQL runs but does not get ready.
    #[error(
        "PostgreSQL was not ready after {seconds} s and was stopped; it may be recovering from a crash, so start again; {} says:\n{tail}",
        log.display()
    )]
    NotReady {
        /// How long we waited.
        seconds: u64,
        /// Its log file.
        log: PathBuf,
        /// The end of that log.
        tail: String,
    },

    /// A process does not end although told to.
    #[error("PostgreSQL (process {pid}) does not stop: see what holds it up, then end it with `kill -QUIT {pid}`")]
    WontStop {
        /// The process.
        pid: u32,
    },

    /// The database could not be looked up or created.
    #[error("cannot create the database \"{name}\" in the private PostgreSQL: see postgres.log beside its data")]
    Database {
        /// The database's name.
        name: String,
        /// What PostgreSQL said.
        source: sqlx::Error,
    },

    /// An operation on a file failed.
    #[error("cannot {action} {}: check that lamplighter may do so and that the disk has room", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    /// Names the file in an I/O error, which by itself does not.
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
