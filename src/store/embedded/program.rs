//! Runs a PostgreSQL program as the right account, in a clean environment, bound to our life.

use std::{
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
};

use nix::unistd::{Pid, setsid};

use super::account::Account;

/// A command that ends when the *thread* that spawns it ends (Linux only; elsewhere it outlives a killed daemon).
pub(super) fn command(program: &Path, account: &Account) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        // The C locale also keeps messages in the words that we look for.
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        // The account may not be allowed into our own directory.
        .current_dir("/")
        .stdin(Stdio::null());
    if account.switch {
        // Setting the user as root also drops root's supplementary groups.
        command.gid(account.gid).uid(account.uid);
    }
    let daemon = Pid::this();
    #[expect(unsafe_code, reason = "only system calls that are safe between fork and exec, and no allocation")]
    unsafe {
        command.pre_exec(move || detach(daemon));
    }
    command
}

/// Runs in the child, after the switch of account (which would undo the death signal) and before the program.
fn detach(daemon: Pid) -> io::Result<()> {
    // Ctrl-C is for the daemon, which then stops the server in its own order.
    setsid()?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGINT)?;
    // A daemon that died before the line above sends no signal. Its pid may well be 1, in a container.
    if nix::unistd::getppid() != daemon {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(())
}
