//! Several daemons on one database, each with a data directory of its own. One that dies is started again at once.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::SocketAddr,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::Child,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use lamplighter::clock::Clock;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use url::Url;

use crate::process::{free_address, program};

/// Where a daemon may die by itself, and how likely it does each time it passes.
const FAILPOINTS: &str = "claimed=0.003,opened=0.003,replied=0.004,kept=0.004,finished=0.002,judged=0.01,\
     lapse_declared=0.03,spooled=0.2,replayed=0.1,code_exchanged=0.02,connect_stored=0.02,mail_sent=0.02,\
     orders_stored=0.02,order_begun=0.004,create_answered=0.006,batch_answered=0.01,create_kept=0.004,order_finished=0.004";
/// Nobody is killed who has not lived for so long.
const INFANCY: Duration = Duration::from_millis(700);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// All daemons.
pub(super) struct Fleet {
    slots: Vec<Slot>,
    /// Clocks are wrong and fail points are armed in whoever is started from now on.
    storm: AtomicBool,
    stop: AtomicBool,
    skews: &'static [i64],
    /// Everybody that was killed.
    pub(super) deaths: Mutex<Vec<Death>>,
    /// Starts that did not work, because Postgres was away.
    pub(super) refused: AtomicU64,
    pub(super) faults: Mutex<Vec<String>>,
}

/// One `kill -9`.
#[derive(Clone, Copy)]
pub(super) struct Death {
    pub(super) pid: u32,
    pub(super) at: DateTime<Utc>,
}

struct Slot {
    home: PathBuf,
    listen: SocketAddr,
    settings: Vec<(String, String)>,
    running: Mutex<Option<(Child, Instant)>>,
}

impl Fleet {
    /// Daemons with these settings, not started yet.
    pub(super) fn new(count: usize, home: &Path, settings: &[(String, String)], skews: &'static [i64]) -> Arc<Self> {
        let slots = (0..count).map(|number| {
            let home = home.join(format!("daemon-{number}"));
            fs::create_dir(&home).unwrap();
            let (listen, mut settings) = (free_address(), settings.to_vec());
            settings.push(("data_dir".to_owned(), home.join("data").display().to_string()));
            settings.push(("web.listen".to_owned(), listen.to_string()));
            settings.push(("web.public_url".to_owned(), format!("http://{listen}")));
            Slot { home, listen, settings, running: Mutex::new(None) }
        });
        Arc::new(Self {
            slots: slots.collect(),
            storm: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            skews,
            deaths: Mutex::default(),
            refused: AtomicU64::new(0),
            faults: Mutex::default(),
        })
    }

    pub(super) fn urls(&self) -> Vec<Url> {
        self.slots.iter().map(|slot| format!("http://{}/", slot.listen).parse().unwrap()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Runs one daemon after the other in a slot, until the fleet stops.
    pub(super) async fn keep(self: Arc<Self>, number: usize, seed: u64) {
        let (slot, mut dice) = (&self.slots[number], StdRng::seed_from_u64(seed));
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        while !self.stop.load(Ordering::SeqCst) {
            let stormy = self.storm.load(Ordering::SeqCst);
            slot.spawn(stormy, self.skews[dice.random_range(0..self.skews.len())]);
            let mut asked = false;
            let status = loop {
                ticks.tick().await;
                if !asked && (self.stop.load(Ordering::SeqCst) || self.storm.load(Ordering::SeqCst) != stormy) {
                    slot.signal(Signal::SIGTERM, Duration::ZERO);
                    asked = true;
                }
                let mut running = slot.running.lock().unwrap();
                let (child, _) = running.as_mut().expect("only this takes it away");
                if let Some(status) = child.try_wait().unwrap() {
                    let pid = child.id();
                    *running = None;
                    drop(running);
                    if status.signal() == Some(Signal::SIGKILL as i32) {
                        self.deaths.lock().unwrap().push(Death { pid, at: Clock::system().now() });
                    }
                    break status;
                }
            };
            match (status.code(), status.signal()) {
                (Some(0), _) => {}
                // Asked to end before it could listen to that.
                (_, Some(signal)) if signal == Signal::SIGKILL as i32 || signal == Signal::SIGTERM as i32 => {}
                // Postgres was away when it started: whoever runs it tries again.
                (Some(1), _) => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                _ => self.faults.lock().unwrap().push(format!("daemon {number} ended with {status}")),
            }
        }
    }

    /// Wrong clocks and fail points from now on, or not any more. Whoever runs is asked to end, and started anew.
    pub(super) fn storm(&self, storm: bool) {
        self.storm.store(storm, Ordering::SeqCst);
    }

    /// Asks everybody to end for good.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// `kill -9` for one of them.
    pub(super) fn kill_one(&self, dice: &mut StdRng) {
        self.slots[dice.random_range(0..self.slots.len())].signal(Signal::SIGKILL, INFANCY);
    }

    pub(super) fn kills(&self) -> usize {
        self.deaths.lock().unwrap().len()
    }

    /// Replies that wait on the daemons' disks.
    pub(super) fn spooled(&self) -> usize {
        let spools = self.slots.iter().map(|slot| slot.home.join("data/spool"));
        let files = spools.flat_map(|spool| fs::read_dir(spool).into_iter().flatten().flatten());
        files.filter(|file| file.path().extension().is_some_and(|extension| extension != "tmp")).count()
    }

    /// Everything that all of them printed.
    pub(super) fn output(&self) -> String {
        self.slots.iter().map(|slot| fs::read_to_string(slot.home.join("output")).unwrap_or_default()).collect()
    }

    /// How many died at which fail point.
    pub(super) fn died_at(&self, output: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for line in output.lines() {
            let name = line.split_once("\"failpoint\":\"").and_then(|(_, rest)| rest.split_once('"'));
            if let Some((name, _)) = name {
                *counts.entry(name.to_owned()).or_default() += 1;
            }
        }
        counts
    }
}

impl Slot {
    fn spawn(&self, storm: bool, skew: i64) {
        let output = File::options().create(true).append(true).open(self.home.join("output")).unwrap();
        let skew = format!("--clock-skew={}s", if storm { skew } else { 0 });
        let mut command = program(&["serve", &skew]);
        for (key, value) in &self.settings {
            command.env(format!("LAMPLIGHTER__{}", key.to_uppercase().replace('.', "__")), value);
        }
        if storm {
            command.env("LAMPLIGHTER_FAILPOINTS", FAILPOINTS);
        }
        let child = command.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        *self.running.lock().unwrap() = Some((child, Instant::now()));
    }

    fn signal(&self, signal: Signal, older_than: Duration) {
        // Under the lock nobody has counted it yet, so its pid is still its own.
        let running = self.running.lock().unwrap();
        if let Some((child, since)) = &*running
            && since.elapsed() >= older_than
        {
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL, Duration::ZERO);
    }
}
