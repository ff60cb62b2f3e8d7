//! What PostgreSQL prints: kept within bounds, and quoted when it does not start.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use super::Error;

/// A larger log is put aside at the next start.
const LIMIT_BYTES: u64 = 8 * 1024 * 1024;
const TAIL_LINES: usize = 8;

/// Puts a log that has grown large aside, over the one put aside before.
pub(super) fn rotate(log: &Path) -> Result<(), Error> {
    match fs::metadata(log) {
        Ok(meta) if meta.len() > LIMIT_BYTES => {
            fs::rename(log, log.with_extension("log.1")).map_err(Error::file("rename", log))
        }
        _ => Ok(()),
    }
}

/// The last lines written since `start`.
pub(super) fn tail(log: &Path, start: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(start))?;
        file.read_to_end(&mut bytes)
    });
    if let Err(error) = read {
        return format!("(the log cannot be read: {error})");
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_begins_where_this_run_began() {
        let tmp = tempfile::tempdir().unwrap();
        let log = tmp.path().join("postgres.log");
        let old = "an old line\n".repeat(3);
        let new: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        fs::write(&log, format!("{old}{new}")).unwrap();
        let lines = tail(&log, old.len() as u64);
        assert!(lines.starts_with("line 13\n") && lines.ends_with("line 20"), "{lines}");
        fs::write(&log, format!("{old}FATAL: no\n")).unwrap();
        assert_eq!(tail(&log, old.len() as u64), "FATAL: no");
    }

    #[test]
    fn a_large_log_is_put_aside() {
        let tmp = tempfile::tempdir().unwrap();
        let log = tmp.path().join("postgres.log");
        let file = File::create(&log).unwrap();
        rotate(&log).unwrap();
        assert!(log.exists());
        file.set_len(LIMIT_BYTES + 1).unwrap();
        rotate(&log).unwrap();
        assert!(!log.exists() && tmp.path().join("postgres.log.1").exists());
    }
}
