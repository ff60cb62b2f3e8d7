//! The cluster on disk: made once, whole or not at all, and opened only by the version that made it.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use super::{
    Error, Options, SUPERUSER,
    binaries::{Binaries, find_all},
    layout::{Layout, sync_dir},
    program::command,
};

/// Makes the cluster unless it exists, and picks the programs that fit it. The caller holds the lock.
pub(super) fn ensure(layout: &Layout, options: &Options) -> Result<Binaries, Error> {
    let installed = find_all(options.bin_dir.as_deref())?;
    match made_by(&layout.data)? {
        Some(made_by) => matching(installed, &made_by, &layout.data),
        None => {
            let newest = installed.into_iter().next().ok_or(Error::NotInstalled)?;
            create(layout, &newest, options.durable)?;
            Ok(newest)
        }
    }
}

/// The major version that made the cluster; none if there is no cluster yet.
fn made_by(data: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(data.join("PG_VERSION")) {
        Ok(text) => return Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Error::file("read", data.join("PG_VERSION"))(error)),
    }
    match fs::read_dir(data) {
        // An empty directory is no obstacle: the finished cluster is renamed over it.
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(Error::NotACluster { path: data.to_owned() }),
            None => Ok(None),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", data)(error)),
    }
}

fn matching(installed: Vec<Binaries>, made_by: &str, data: &Path) -> Result<Binaries, Error> {
    let versions: Vec<&str> = installed.iter().map(|binaries| binaries.version.as_str()).collect();
    let versions = versions.join(", ");
    installed.into_iter().find(|binaries| binaries.major.to_string() == made_by).ok_or_else(|| Error::Version {
        data: data.to_owned(),
        made_by: made_by.to_owned(),
        installed: versions,
    })
}

/// Makes the cluster under another name first: an interrupted initdb leaves no half of a cluster under `data`.
fn create(layout: &Layout, binaries: &Binaries, durable: bool) -> Result<(), Error> {
    let unfinished = layout.root.join("data.tmp");
    remove(&unfinished).map_err(Error::file("remove", &unfinished))?;
    layout.create_private_dir(&unfinished)?;
    let initdb = binaries.dir.join("initdb");
    let mut command = command(&initdb, &layout.account);
    command.arg("-D").arg(&unfinished).args(["-U", SUPERUSER]);
    // Whoever reaches the socket is trusted, and only the account and root reach it.
    command.args(["-A", "trust", "-E", "UTF8", "--no-locale", "--no-instructions"]);
    if !durable {
        command.arg("--no-sync");
    }
    tracing::info!(version = binaries.version, data = %layout.data.display(), "creating a private PostgreSQL");
    let output = command.output().map_err(|source| Error::Run {
        program: initdb,
        account: layout.account.name.clone(),
        source,
    })?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        return Err(Error::Initdb { status: output.status, output: String::from_utf8_lossy(&text).trim().to_owned() });
    }
    fs::rename(&unfinished, &layout.data).map_err(Error::file("rename", &unfinished))?;
    sync_dir(&layout.root).map_err(Error::file("sync", &layout.root))
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(version: &str, major: u32) -> Binaries {
        Binaries { dir: "/nowhere".into(), version: version.to_owned(), major }
    }

    #[test]
    fn the_version_that_made_the_cluster_is_preferred_to_a_newer_one() {
        let installed = vec![binaries("18.1", 18), binaries("15.9", 15)];
        assert_eq!(matching(installed.clone(), "15", Path::new("/data")).unwrap().version, "15.9");
        let error = matching(installed, "16", Path::new("/data")).unwrap_err().to_string();
        assert!(error.contains("made by PostgreSQL 16, but the installed version is 18.1, 15.9"), "{error}");
    }

    #[test]
    fn strange_files_are_never_taken_for_a_cluster() {
        let tmp = tempfile::tempdir().unwrap();
        assert_eq!(made_by(&tmp.path().join("absent")).unwrap(), None);
        assert_eq!(made_by(tmp.path()).unwrap(), None);
        fs::write(tmp.path().join("thesis.txt"), "years of work").unwrap();
        let error = made_by(tmp.path()).unwrap_err();
        assert!(matches!(error, Error::NotACluster { .. }), "{error}");
        fs::write(tmp.path().join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(made_by(tmp.path()).unwrap().as_deref(), Some("15"));
    }
}
