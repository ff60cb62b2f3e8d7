//! Finds the PostgreSQL programs on this machine.
//!
//! Only a directory with both `initdb` and `postgres` counts, and the programs are asked for their version instead of
//! trusting the directory's name.

use std::{
    cmp::Reverse,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::Error;

/// initdb learned the options we use in this version.
pub(super) const OLDEST_MAJOR: u32 = 14;

/// Where packages put versions side by side: a parent, how a version's directory begins, and what follows it.
const VERSIONED: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// The programs of one PostgreSQL version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// Directory of `initdb` and `postgres`.
    pub dir: PathBuf,
    /// Full version, such as `15.18`.
    pub version: String,
    /// Major version, such as 15.
    pub major: u32,
}

/// Finds the newest usable programs, in `bin_dir` alone if one is given.
pub fn find(bin_dir: Option<&Path>) -> Result<Binaries, Error> {
    find_all(bin_dir)?.into_iter().next().ok_or(Error::NotInstalled)
}

/// All usable programs, newest first; never an empty list.
pub(super) fn find_all(bin_dir: Option<&Path>) -> Result<Vec<Binaries>, Error> {
    if let Some(dir) = bin_dir {
        return match probe(dir) {
            Ok(found) => Ok(vec![found]),
            Err(problem) => Err(Error::BinDir { dir: dir.to_owned(), problem }),
        };
    }
    let found = usable(usual_places());
    if found.is_empty() {
        return Err(Error::NotInstalled);
    }
    Ok(found)
}

fn usable(dirs: Vec<PathBuf>) -> Vec<Binaries> {
    let mut found: Vec<Binaries> = Vec::new();
    for binaries in dirs.iter().filter_map(|dir| probe(dir).ok()) {
        if !found.iter().any(|seen| seen.dir == binaries.dir) {
            found.push(binaries);
        }
    }
    // The sort is stable: among equals the earlier place wins.
    found.sort_by_key(|binaries| Reverse(binaries.major));
    found
}

fn usual_places() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    for (parent, prefix, suffix) in VERSIONED {
        let Ok(entries) = fs::read_dir(parent) else {
            continue;
        };
        let mut versions: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(|entry| entry.path().join(suffix))
            .collect();
        versions.sort();
        dirs.extend(versions);
    }
    dirs.extend(["/usr/local/pgsql/bin", "/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    #[expect(clippy::disallowed_methods, reason = "PATH says where programs are; it is not a setting of ours")]
    let path = std::env::var_os("PATH");
    dirs.extend(path.iter().flat_map(std::env::split_paths).filter(|dir| dir.is_absolute()));
    dirs
}

/// Looks at one directory; the error is the end of a sentence.
fn probe(dir: &Path) -> Result<Binaries, String> {
    for program in ["initdb", "postgres"] {
        if !dir.join(program).is_file() {
            return Err(format!("it holds no program `{program}`"));
        }
    }
    // A cluster's programs run elsewhere and under another account, so the path must be absolute.
    let dir = fs::canonicalize(dir).map_err(|error| error.to_string())?;
    let output = Command::new(dir.join("postgres"))
        .arg("--version")
        .output()
        .map_err(|error| format!("`postgres --version` cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("`postgres --version` failed ({})", output.status));
    }
    let line = String::from_utf8_lossy(&output.stdout);
    let (version, major) =
        parse_version(&line).ok_or_else(|| format!("`postgres --version` says {:?}", line.trim()))?;
    if major < OLDEST_MAJOR {
        return Err(format!("PostgreSQL {version} is older than {OLDEST_MAJOR}"));
    }
    Ok(Binaries { dir, version, major })
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(line: &str) -> Option<(String, u32)> {
    let version = line.strip_prefix("postgres (PostgreSQL) ")?.split_whitespace().next()?;
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    Some((version.to_owned(), version[..digits].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn fake(parent: &Path, name: &str, version: &str) -> PathBuf {
        let dir = parent.join(name);
        fs::create_dir(&dir).unwrap();
        for program in ["initdb", "postgres"] {
            let path = dir.join(program);
            fs::write(&path, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        dir
    }

    #[test]
    fn the_version_is_read_from_the_program() {
        let parsed = |line| parse_version(line).map(|(version, major)| format!("{version} {major}"));
        assert_eq!(parsed("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n").unwrap(), "15.18 15");
        assert_eq!(parsed("postgres (PostgreSQL) 19beta1\n").unwrap(), "19beta1 19");
        assert_eq!(parsed("mysqld 8.0"), None);
    }

    #[test]
    fn the_newest_comes_first_and_the_unusable_not_at_all() {
        let tmp = tempfile::tempdir().unwrap();
        let dirs = vec![
            fake(tmp.path(), "a", "postgres (PostgreSQL) 9.6.24"),
            fake(tmp.path(), "b", "postgres (PostgreSQL) 14.2"),
            fake(tmp.path(), "c", "postgres (PostgreSQL) 100.1"),
            fake(tmp.path(), "d", "postgres (PostgreSQL) 17.0"),
            tmp.path().join("b"),
            tmp.path().join("absent"),
        ];
        let majors: Vec<u32> = usable(dirs).iter().map(|found| found.major).collect();
        assert_eq!(majors, [100, 17, 14]);
    }

    #[test]
    fn a_wrong_directory_is_named_with_its_fault() {
        let tmp = tempfile::tempdir().unwrap();
        let error = find(Some(tmp.path())).unwrap_err().to_string();
        assert!(error.contains(&tmp.path().display().to_string()), "{error}");
        assert!(error.contains("it holds no program `initdb`"), "{error}");

        let old = fake(tmp.path(), "old", "postgres (PostgreSQL) 9.6.24");
        let error = find(Some(&old)).unwrap_err().to_string();
        assert!(error.contains("PostgreSQL 9.6.24 is older than 14"), "{error}");
    }

    #[test]
    fn nothing_installed_says_how_to_install_it() {
        let text = Error::NotInstalled.to_string();
        let first = text.lines().next().unwrap();
        for remedy in [
            "apt-get install postgresql",
            "dnf install postgresql-server",
            "brew install postgresql@17",
            "database.url",
        ] {
            assert!(first.contains(remedy), "{first}");
        }
    }
}
