//! Trouble with the directory where renewed tokens wait for the database.

use std::{fs, path::PathBuf};

use lamplighter::{app::App, health::Depth};

use crate::harness::{OPERATOR, TestApp, minutes};

fn at(app: &TestApp) -> PathBuf {
    app.directory.path().join("spool")
}

async fn check(app: &App) -> (String, String) {
    let checks = app.web.health.checks(Depth::Quick).await;
    let spool = checks.into_iter().find(|check| check.id == "spool").unwrap();
    (format!("{:?}", spool.state), format!("{} {}", spool.message, spool.remedy.unwrap_or_default()))
}

async fn is_news(app: &TestApp) -> bool {
    app.app.watch.round().await.unwrap().spool
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_takes_nothing_is_told_once_and_when_it_is_well_again() {
    let app = TestApp::start().await;
    assert!(!is_news(&app).await);
    assert_eq!(check(&app.app).await.0, "Ok");
    // Root may write anywhere: what is no directory takes nothing from anybody.
    fs::remove_dir(at(&app)).unwrap();
    fs::write(at(&app), "").unwrap();
    assert!(is_news(&app).await);
    assert!(!is_news(&app).await && !is_news(&app).await, "one incident");
    let (state, said) = check(&app.app).await;
    assert_eq!(state, "Warn");
    assert!(said.contains("nothing can be written") && said.contains("free disk space"), "{said}");
    let mails = app.mails(1).await;
    assert_eq!(mails[0].to, [OPERATOR]);
    assert!(
        mails[0].subject.contains("the spool on") && mails[0].subject.contains("cannot be written"),
        "{}",
        mails[0].subject
    );
    let directory = at(&app).display().to_string();
    let text = mails[0].text.split_whitespace().collect::<String>();
    assert!(text.contains(&directory) && text.contains("df-h"), "{}", mails[0].text);
    fs::remove_file(at(&app)).unwrap();
    fs::create_dir(at(&app)).unwrap();
    assert!(is_news(&app).await);
    assert!(!is_news(&app).await);
    let mails = app.mails(2).await;
    assert!(mails[1].subject.contains("works again"), "{}", mails[1].subject);
    assert_eq!(app.count("select count(*) from alerts where resolved_at is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_reply_is_told_until_somebody_has_taken_it_away() {
    let app = TestApp::start().await;
    fs::write(at(&app).join("odd.json"), "{").unwrap();
    app.app.keeper.round().await.unwrap();
    let aside = at(&app).join("odd.unreadable");
    assert!(aside.exists());
    assert!(is_news(&app).await);
    let mails = app.mails(1).await;
    assert!(mails[0].text.contains("1 file there cannot be read"), "{}", mails[0].text);
    let (state, said) = check(&app.app).await;
    assert!(state == "Warn" && said.contains(".unreadable"), "{said}");
    fs::remove_file(aside).unwrap();
    assert!(is_news(&app).await);
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_wait_are_trouble_only_when_the_database_is_there_and_does_not_take_them() {
    let app = TestApp::start().await;
    // Nobody runs the keeper here, which would store it.
    let waiting = at(&app).join("waiting.json");
    fs::write(&waiting, "{}").unwrap();
    assert!(!is_news(&app).await);
    app.advance(minutes(4));
    assert!(!is_news(&app).await);
    // While the database is away they may wait for as long as it takes.
    app.execute("alter table alerts rename to alerts_away").await;
    app.advance(minutes(60));
    app.app.watch.round().await.unwrap_err();
    app.execute("alter table alerts_away rename to alerts").await;
    app.advance(minutes(1));
    assert!(!is_news(&app).await, "it is back just now");
    app.advance(minutes(5));
    assert!(is_news(&app).await);
    let mails = app.mails(1).await;
    assert!(mails[0].text.contains("Do not delete the files"), "{}", mails[0].text);
    fs::remove_file(waiting).unwrap();
    assert!(is_news(&app).await);
    app.mails(2).await;
}
