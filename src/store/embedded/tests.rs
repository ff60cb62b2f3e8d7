//! These start real servers; each test has a cluster of its own.

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::*;

/// A directory that PostgreSQL's account may pass through.
fn tempdir() -> TempDir {
    let tmp = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(tmp.path(), Permissions::from_mode(0o755)).unwrap();
    tmp
}

fn options(root: impl Into<PathBuf>) -> Options {
    Options { root: root.into(), bin_dir: None, durable: false }
}

fn kill_hard(pid: u32) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
}

async fn run(options: &PgConnectOptions, sql: &'static str) {
    let mut conn = PgConnection::connect_with(options).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

async fn note(options: &PgConnectOptions) -> String {
    let mut conn = PgConnection::connect_with(options).await.unwrap();
    let body = sqlx::query_scalar("SELECT body FROM note").fetch_one(&mut conn).await;
    conn.close().await.unwrap();
    body.unwrap()
}

#[tokio::test]
async fn data_outlives_a_restart_and_a_kill_of_the_server() {
    let tmp = tempdir();
    let options = options(tmp.path().join("a/postgres"));
    let mut server = Server::start(&options).unwrap();
    assert!(server.version().starts_with(|c: char| c.is_ascii_digit()));
    let db = ensure_database(&server, "lamp\"lighter").await.unwrap();
    ensure_database(&server, "lamp\"lighter").await.unwrap();
    run(&db, "CREATE TABLE note (body text); INSERT INTO note VALUES ('kept')").await;
    server.stop().unwrap();
    server.stop().unwrap();
    assert_eq!(server.pid(), None);
    assert!(PgConnection::connect_with(&db).await.is_err());
    drop(server);

    let server = Server::start(&options).unwrap();
    assert_eq!(note(&db).await, "kept");
    kill_hard(server.pid().unwrap());
    drop(server);

    let server = Server::start(&options).unwrap();
    assert_eq!(note(&db).await, "kept");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(server.socket_dir()), 0o700);
    assert_eq!(mode(&options.root.join("data")), 0o700);
}

#[test]
fn a_second_daemon_on_the_same_directory_is_turned_away() {
    let tmp = tempdir();
    let options = options(tmp.path().join("postgres"));
    let first = Server::start(&options).unwrap();
    let error = Server::start(&options).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert!(error.to_string().contains("database.url"), "{error}");
    assert!(first.pid().is_some());
}

#[test]
fn an_interrupted_initdb_leaves_nothing_in_the_way() {
    let tmp = tempdir();
    let root = tmp.path().join("postgres");
    fs::create_dir_all(root.join("data.tmp/base")).unwrap();
    fs::write(root.join("data.tmp/PG_VERSION"), "3\n").unwrap();
    Server::start(&options(&root)).unwrap();
    assert!(root.join("data/PG_VERSION").exists());
    assert!(!root.join("data.tmp").exists());
}

#[test]
fn a_long_path_still_gets_a_server() {
    let tmp = tempdir();
    let root = tmp.path().join("x".repeat(100)).join("postgres");
    let server = Server::start(&options(root)).unwrap();
    assert!(server.socket_dir().starts_with("/tmp"), "{:?}", server.socket_dir());
    fs::remove_dir_all(server.socket_dir()).unwrap();
}

#[test]
fn a_server_that_cannot_start_shows_the_end_of_its_log() {
    let tmp = tempdir();
    let options = options(tmp.path().join("postgres"));
    drop(Server::start(&options).unwrap());
    fs::write(options.root.join("data/postgresql.conf"), "lamps = 3\n").unwrap();
    let error = Server::start(&options).unwrap_err().to_string();
    assert!(error.contains("unrecognized configuration parameter \"lamps\""), "{error}");
    assert!(error.contains("postgres.log"), "{error}");
}

/// Not a test of its own: the daemon that the next test kills. It holds a server until its input ends.
#[test]
#[ignore = "a part of `a_killed_daemon_takes_its_server_along`"]
fn daemon_to_be_killed() {
    // Opened first: should the start fail, the reader sees the end of it instead of waiting for ever.
    let mut pipe = File::options().write(true).open("pid").unwrap();
    let mut server = Server::start(&options("held")).unwrap();
    writeln!(pipe, "{}", server.pid().unwrap()).unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    server.stop().unwrap();
}

#[test]
fn a_killed_daemon_takes_its_server_along() {
    let tmp = tempdir();
    let fifo = tmp.path().join("pid");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut daemon = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "store::embedded::tests::daemon_to_be_killed"])
        .current_dir(tmp.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(File::open(&fifo).unwrap()).read_line(&mut line).unwrap();
    let left_behind: u32 = line.trim().parse().unwrap();
    daemon.kill().unwrap();
    daemon.wait().unwrap();

    let server = Server::start(&options(tmp.path().join("held"))).unwrap();
    assert_ne!(server.pid(), Some(left_behind));
    let stat = fs::read_to_string(format!("/proc/{left_behind}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "still running: {stat}");
}
