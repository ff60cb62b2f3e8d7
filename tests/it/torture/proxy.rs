//! A Unix socket between the daemons and Postgres. It reads along, and cuts connections at the worst places: right before
//! a commit is passed on, and right after it was carried out but before the answer goes back.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rand::{RngExt as _, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};

const SOCKET: &str = ".s.PGSQL.5432";

/// Passes everything on, until it does not.
pub(super) struct Proxy {
    upstream: PathBuf,
    mood: watch::Sender<Mood>,
    dice: Mutex<StdRng>,
    /// Connections cut before a commit reached Postgres.
    pub(super) cut_before: AtomicU64,
    /// Connections cut after Postgres had committed, before it could say so.
    pub(super) cut_after: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct Mood {
    /// Everybody is thrown out and nobody is let in.
    refusing: bool,
    /// Commits out of a thousand that are cut off, half of them on either side.
    cut: u16,
}

enum Cut {
    Never,
    Before,
    After,
}

impl Proxy {
    /// Listens in `directory` for the server whose socket is in `upstream`.
    pub(super) fn start(directory: &Path, upstream: &Path, dice: StdRng, tasks: &mut JoinSet<()>) -> Arc<Self> {
        let listener = UnixListener::bind(directory.join(SOCKET)).unwrap();
        let proxy = Arc::new(Self {
            upstream: upstream.join(SOCKET),
            mood: watch::Sender::new(Mood::default()),
            dice: Mutex::new(dice),
            cut_before: AtomicU64::new(0),
            cut_after: AtomicU64::new(0),
        });
        tasks.spawn(Arc::clone(&proxy).accept(listener));
        proxy
    }

    /// How many commits out of a thousand are cut off.
    pub(super) fn cut(&self, cut: u16) {
        self.mood.send_modify(|mood| mood.cut = cut);
    }

    /// Throws everybody out and lets nobody in, or ends that.
    pub(super) fn refuse(&self, refusing: bool) {
        self.mood.send_modify(|mood| mood.refusing = refusing);
    }

    async fn accept(self: Arc<Self>, listener: UnixListener) {
        let mut lines = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((client, _)) = accepted else { continue };
                    if !self.mood.borrow().refusing {
                        lines.spawn(Arc::clone(&self).line(client));
                    }
                }
                Some(_) = lines.join_next() => {}
            }
        }
    }

    async fn line(self: Arc<Self>, mut client: UnixStream) {
        let Ok(mut server) = UnixStream::connect(&self.upstream).await else { return };
        let mut mood = self.mood.subscribe();
        let (mut asked, mut answered) = (Asked::default(), Answered::default());
        let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        let mut doomed = false;
        loop {
            tokio::select! {
                () = thrown_out(&mut mood) => return,
                read = client.read(&mut up) => {
                    let Ok(count @ 1..) = read else { return };
                    if !doomed && asked.commits(&up[..count], answered.in_transaction) {
                        match self.draw() {
                            Cut::Never => {}
                            Cut::Before => {
                                self.cut_before.fetch_add(1, Ordering::Relaxed);
                                return;
                            }
                            Cut::After => doomed = true,
                        }
                    }
                    if server.write_all(&up[..count]).await.is_err() {
                        return;
                    }
                }
                read = server.read(&mut down) => {
                    let Ok(count @ 1..) = read else { return };
                    let done = answered.take_in(&down[..count]);
                    if doomed {
                        if done {
                            self.cut_after.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                    } else if client.write_all(&down[..count]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn draw(&self) -> Cut {
        let cut = self.mood.borrow().cut;
        let mut dice = self.dice.lock().unwrap();
        match dice.random_range(0..1_000) < cut {
            false => Cut::Never,
            true if dice.random() => Cut::Before,
            true => Cut::After,
        }
    }
}

async fn thrown_out(mood: &mut watch::Receiver<Mood>) {
    drop(mood.wait_for(|mood| mood.refusing).await);
}

/// What the client says: knows its prepared statements by name.
#[derive(Default)]
struct Asked {
    started: bool,
    rest: Vec<u8>,
    writes: HashMap<Vec<u8>, bool>,
    bound: bool,
}

impl Asked {
    /// Whether something is committed by these bytes: a `COMMIT`, or a write outside of a transaction.
    fn commits(&mut self, bytes: &[u8], in_transaction: bool) -> bool {
        self.rest.extend_from_slice(bytes);
        let mut commits = false;
        loop {
            let head = usize::from(self.started);
            let Some(length) = length_at(&self.rest, head) else { return commits };
            if self.rest.len() < head + length {
                return commits;
            }
            let message: Vec<u8> = self.rest.drain(..head + length).collect();
            if !self.started {
                self.started = true;
                continue;
            }
            let mut words = message[5..].split(|byte| *byte == 0);
            let mut word = || words.next().unwrap_or_default().to_owned();
            match message[0] {
                b'Q' => commits |= word().to_ascii_lowercase().starts_with(b"commit"),
                b'P' => {
                    let (name, text) = (word(), word());
                    self.writes.insert(name, is_write(&text));
                }
                b'B' => {
                    let (_portal, name) = (word(), word());
                    self.bound = self.writes.get(&name).copied().unwrap_or_default();
                }
                b'E' => commits |= self.bound && !in_transaction,
                _ => {}
            }
        }
    }
}

fn is_write(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_lowercase();
    ["insert into ", "update ", "delete from "].iter().any(|verb| text.contains(verb))
}

/// What the server says: whether it is done, and whether a transaction is open.
#[derive(Default)]
struct Answered {
    rest: Vec<u8>,
    in_transaction: bool,
}

impl Answered {
    /// Whether the server is ready for the next question with these bytes.
    fn take_in(&mut self, bytes: &[u8]) -> bool {
        self.rest.extend_from_slice(bytes);
        let mut ready = false;
        while let Some(length) = length_at(&self.rest, 1).filter(|length| self.rest.len() > *length) {
            let message: Vec<u8> = self.rest.drain(..=length).collect();
            if message[0] == b'Z' {
                ready = true;
                self.in_transaction = message.get(5) != Some(&b'I');
            }
        }
        ready
    }
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let length: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(length)).ok()
}
