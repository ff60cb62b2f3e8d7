//! `lamplighter simulate`: what a script reads, and that a failed audit is a failed check.

use super::{program, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_script_reads_the_report_and_the_exit_code() {
    let town = ["simulate", "--days", "70", "--connections", "6", "--revoked", "100", "--returning", "100", "--json"];
    let said = run(program(&town)).await.ok();
    let report = said.json();
    assert_eq!((report["connections"].as_u64(), report["plan"]["keep"].as_str()), (Some(6), Some("refresh")));
    assert_eq!(report["disagreements"].as_array().map(Vec::len), Some(0));
    assert!(report["lapses"][0]["seen"].as_u64() > Some(0) && report["reconnects"].as_u64() > Some(0), "{report}");
    assert_eq!(said.stderr, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_fails_says_why_and_exits_with_3() {
    let town = ["simulate", "--days", "40", "--connections", "4", "--revoked", "100", "--outages", "0", "--off", "0"];
    let said = run(program(&[&town[..], &["--set", "smtp.port=1"]].concat())).await;
    assert_eq!(said.code, 3, "{}{}", said.stdout, said.stderr);
    assert!(
        said.stdout.contains("Audit FAILED") && said.stdout.contains("mails still wait in the outbox"),
        "{}",
        said.stdout
    );
}
