//! `lamplighter demo`: succeeds, notices when it is sabotaged, and cleans up after itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::unistd::Pid;

use super::{is_gone, program, until};

/// The demo's own Postgres: its process, and the directory that it was given.
fn postgres_of(parent: u32) -> Option<(Pid, PathBuf)> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent_of: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok().filter(|_| parent_of == parent)?;
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let at = words.iter().position(|word| word == "-D").filter(|_| words[0].ends_with("/postgres"))?;
        Some((Pid::from_raw(pid), Path::new(words[at + 1].as_ref()).ancestors().nth(2)?.to_owned()))
    })
}

async fn play(sabotage: Option<&str>) -> (i32, String) {
    let mut command: Command = program(&["demo", "--once"]);
    if let Some(step) = sabotage {
        command.args(["--sabotage", step]);
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (postgres, directory) = until("the demo's Postgres", async || {
        assert!(child.try_wait().unwrap().is_none(), "{sabotage:?}: the demo ended before it began");
        postgres_of(child.id())
    })
    .await;
    assert!(directory.file_name().unwrap().to_str().unwrap().starts_with("lamplighter-demo-"), "{directory:?}");
    let status = until("the demo to end", async || child.try_wait().unwrap()).await;
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(is_gone(postgres), "{sabotage:?}: Postgres was left running");
    assert!(!directory.exists(), "{sabotage:?}: {directory:?} was left behind");
    (status.code().expect("it was not killed"), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_tells_its_story_and_leaves_nothing_behind() {
    let (code, said) = play(None).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("7 orders, 7 documents, none twice"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sabotaged_demo_fails_at_the_step_that_was_broken() {
    let (renewal, mail, outage) = tokio::join!(play(Some("renewal")), play(Some("mail")), play(Some("outage")));
    for ((code, said), step) in [(renewal, "step 2"), (mail, "step 5"), (outage, "step 4")] {
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(&format!("{step}, ")) && said.contains("was not observed"), "{said}");
    }
}
