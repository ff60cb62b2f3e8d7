//! The PostgreSQL process: starting it, waiting for it, stopping it.
//!
//! A server left behind by a killed daemon is stopped, never adopted: on Linux it is about to stop by itself, and only
//! a child of ours ends with us.

use std::{
    fs, io,
    os::unix::net::UnixStream,
    process::{Command, ExitStatus},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio_util::sync::CancellationToken;

use super::{Error, binaries::Binaries, layout::Layout, log, program::command};

/// Recovery after a crash of a busy server takes its time.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// Stopping writes a checkpoint first; after this long the server is told to leave that to the next start.
const STOP_LIMIT: Duration = Duration::from_secs(45);
const STOP_AT_ONCE_LIMIT: Duration = Duration::from_secs(15);
/// How long the remains of a killed server may hold up the next one.
const REMAINS_LIMIT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(5);

/// The running server.
#[derive(Debug)]
pub(super) struct Postmaster {
    pid: u32,
    /// Spawned the server and waits for its end. The kernel binds the server's life to this thread, so it must be one
    /// of its own: a thread of the async runtime goes away when idle and would take the server with it.
    waiter: Option<JoinHandle<io::Result<ExitStatus>>>,
    ended: CancellationToken,
}

impl Postmaster {
    fn spawn(mut command: Command) -> io::Result<Self> {
        let (tell, told) = mpsc::sync_channel(1);
        let ended = CancellationToken::new();
        let announce = ended.clone().drop_guard();
        let waiter = thread::Builder::new().name("postgres".to_owned()).spawn(move || {
            let mut child = command.spawn()?;
            // Somebody waits for it below.
            tell.send(child.id()).ok();
            let _announced_at_the_end = announce;
            child.wait()
        })?;
        match told.recv() {
            Ok(pid) => Ok(Self { pid, waiter: Some(waiter), ended }),
            Err(_) => Err(match waiter.join() {
                Ok(Err(error)) => error,
                _ => io::Error::other("the thread that starts it ended"),
            }),
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.waiter.as_ref().filter(|waiter| !waiter.is_finished()).map(|_| self.pid)
    }

    pub(super) fn stop(&mut self) -> Result<(), Error> {
        for (signal, limit) in [(Signal::SIGINT, STOP_LIMIT), (Signal::SIGQUIT, STOP_AT_ONCE_LIMIT)] {
            if let Some(pid) = self.pid() {
                send(pid, signal);
            }
            if wait_until(limit, || self.pid().is_none()) {
                self.waiter = None;
                return Ok(());
            }
        }
        Err(Error::WontStop { pid: self.pid })
    }

    /// Cancelled once the server has ended, however that came about.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// How it ended, told once; waits if it has not.
    pub(super) fn status(&mut self) -> io::Result<ExitStatus> {
        match self.waiter.take().map(JoinHandle::join) {
            Some(Ok(status)) => status,
            _ => Err(io::Error::other("its end was not seen")),
        }
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "private PostgreSQL was left running");
        }
    }
}

/// Starts the server and waits until it accepts connections.
pub(super) fn start(binaries: &Binaries, layout: &Layout, durable: bool) -> Result<Postmaster, Error> {
    log::rotate(&layout.log)?;
    let began = Instant::now();
    loop {
        match try_start(binaries, layout, durable) {
            Err(Error::Exited { tail, .. }) if held_up_by_remains(&tail) && began.elapsed() < REMAINS_LIMIT => {
                pause(POLL * 20);
            }
            outcome => return outcome,
        }
    }
}

fn try_start(binaries: &Binaries, layout: &Layout, durable: bool) -> Result<Postmaster, Error> {
    let file = layout.open_append(&layout.log)?;
    let log_start = file.metadata().map_err(Error::file("read", &layout.log))?.len();
    let program = binaries.dir.join("postgres");
    let mut command = command(&program, &layout.account);
    command.arg("-D").arg(&layout.data).arg("-k").arg(&layout.socket_dir);
    let port = format!("port={}", super::PORT);
    let mut settings = vec![
        "listen_addresses=",
        "unix_socket_permissions=0700",
        &port,
        "logging_collector=off",
        "log_checkpoints=off",
        // Our queries are short, and a hardened service may not make memory executable.
        "jit=off",
    ];
    if !durable {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"]);
    }
    command.args(settings.iter().flat_map(|setting| ["-c", setting]));
    command.stdout(file.try_clone().map_err(Error::file("open", &layout.log))?).stderr(file);
    let mut postmaster = Postmaster::spawn(command).map_err(|source| Error::Run {
        program: program.clone(),
        account: layout.account.name.clone(),
        source,
    })?;
    let pid = postmaster.pid;
    wait_until(READY_LIMIT, || postmaster.pid().is_none() || ready(layout, pid));
    if postmaster.pid().is_some() {
        if ready(layout, pid) {
            return Ok(postmaster);
        }
        return Err(Error::NotReady {
            seconds: READY_LIMIT.as_secs(),
            log: layout.log.clone(),
            tail: log::tail(&layout.log, log_start),
        });
    }
    Err(Error::Exited {
        status: postmaster.status().map_err(Error::file("wait for", program))?,
        log: layout.log.clone(),
        tail: log::tail(&layout.log, log_start),
    })
}

/// Stops the server of a daemon that was killed. The caller holds the lock, so no living daemon owns it.
pub(super) fn stop_leftover(layout: &Layout) -> Result<(), Error> {
    // Only an accepting socket proves that the pid in the file is a server and not, by now, somebody else.
    if !accepts(layout) {
        return Ok(());
    }
    let Some(pid) = PidFile::read(layout).and_then(|file| file.pid) else {
        return Ok(());
    };
    tracing::warn!(pid, "stopping the private PostgreSQL of a daemon that was killed");
    for (signal, limit) in [(Signal::SIGINT, STOP_LIMIT), (Signal::SIGQUIT, STOP_AT_ONCE_LIMIT)] {
        send(pid, signal);
        // Not asked by pid: a dead process keeps its pid until its parent, whoever that is now, has looked at it.
        if wait_until(limit, || !accepts(layout) && PidFile::read(layout).is_none()) {
            return Ok(());
        }
    }
    Err(Error::WontStop { pid })
}

/// What the server writes about itself into its data directory.
struct PidFile {
    pid: Option<u32>,
    ready: bool,
}

impl PidFile {
    fn read(layout: &Layout) -> Option<Self> {
        let text = fs::read_to_string(layout.data.join("postmaster.pid")).ok()?;
        Some(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        Self {
            pid: lines.next().and_then(|line| line.trim().parse().ok()),
            ready: lines.nth(6).is_some_and(|line| line.trim() == "ready"),
        }
    }
}

fn ready(layout: &Layout, pid: u32) -> bool {
    PidFile::read(layout).is_some_and(|file| file.ready && file.pid == Some(pid))
}

fn accepts(layout: &Layout) -> bool {
    UnixStream::connect(layout.socket()).is_ok()
}

/// A process that is gone already is what the caller wants.
fn send(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid)
        && let Err(error) = kill(Pid::from_raw(pid), signal)
    {
        tracing::debug!(%pid, %signal, %error, "the signal did not arrive");
    }
}

/// A server killed hard leaves workers behind that notice a moment later.
fn held_up_by_remains(tail: &str) -> bool {
    tail.contains("\"postmaster.pid\" already exists")
        || tail.contains("is still in use")
        || tail.contains("lock file \"") && tail.contains("already exists")
}

fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if done() {
            return true;
        }
        if began.elapsed() >= limit {
            return false;
        }
        pause(POLL);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "another process gets ready or ends without telling us, and no async task runs on this thread"
)]
fn pause(length: Duration) {
    thread::sleep(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_is_ready_only_when_it_says_so() {
        let text = "4242\n/data\n1700000000\n5432\n/run\n\n  1234  99\nready   \n";
        let file = PidFile::parse(text);
        assert_eq!((file.pid, file.ready), (Some(4242), true));
        assert!(!PidFile::parse(&text.replace("ready", "starting")).ready);
        assert!(!PidFile::parse("4242\n/data\n").ready);
        assert_eq!(PidFile::parse("").pid, None);
    }
}
