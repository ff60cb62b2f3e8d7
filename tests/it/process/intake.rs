//! `sync`, `order import` and `apikey` as a person meets them, beside a daemon that runs.

use std::{fs, process::Stdio};

use chrono::TimeDelta;
use lamplighter::clock::Clock;
use serde_json::{Value, json};
use sqlx::Connection as _;

use super::{ACCOUNT, Installation, Said, everything, number, program, town, until};
use crate::harness::{HUB, REALM, new_database, order};

impl Installation {
    async fn import(&self, name: &str, text: &str, more: &[&str]) -> Said {
        let file = self.home.path().join(name);
        fs::write(&file, text).unwrap();
        self.run(&[&["order", "import", file.to_str().unwrap(), "--account", ACCOUNT], more].concat()).await
    }
}

async fn account_only() -> (Installation, sqlx::postgres::PgConnectOptions) {
    let (sandbox, database) = (town().await, new_database().await);
    let installation = Installation::on(&sandbox, &database).await;
    let add = ["account", "add", ACCOUNT, "--owner-name", "Ada", "--owner-email", "ada@harborbooks.example"];
    installation.run(&add).await.ok();
    (installation, database)
}

fn cart_order(id: &str, total: &str) -> String {
    json!({
        "external_id": id, "placed_at": "2026-01-09T10:00:00Z", "currency": "USD", "total": total,
        "lines": [{"name": "Field guide", "sku": "GUIDE-1", "price": total}],
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_brought_in_while_a_daemon_runs() {
    let (sandbox, database) = (town().await, new_database().await);
    // Placed long before anybody connects: polling will never book them.
    let installation = Installation::on(&sandbox, &database).await.set("orders.overlap", "0s");
    let placed: Vec<_> = (0..3).map(|n| sandbox.place_order(HUB, order(&format!("#{n}"), 1_000))).collect();
    let daemon = installation.up().await;
    installation.connect(&sandbox).await;
    let today = Clock::system().now().date_naive();
    let (from, to) = ((today - TimeDelta::days(1)).to_string(), today.to_string());
    let range = ["sync", "--account", ACCOUNT, "--from", &from, "--to", &to];
    let said = installation.run(&[&range[..], &["--json"]].concat()).await.ok();
    let summary = said.json();
    assert_eq!((&summary["seen"], &summary["new"], &summary["complete"]), (&json!(3), &json!(3), &json!(true)));
    assert!(said.stderr.contains("3 seen, 3 new; changes up to"), "{}", said.stderr);
    until("the daemon to post them", async || (sandbox.documents(REALM).len() == placed.len()).then_some(())).await;
    let again = installation.run(&range).await.ok();
    assert!(again.stdout.contains("3 orders seen, 0 new, 3 already there"), "{}", again.stdout);
    daemon.terminate().await;
    assert_eq!(sandbox.documents(REALM).len(), 3);
    let deeds = installation.run(&["audit", "--account", ACCOUNT, "--json"]).await.ok().json();
    let deeds: Vec<_> = deeds.as_array().unwrap().iter().map(|deed| (&deed["action"], &deed["detail"])).collect();
    let (asked, ended) = (deeds[3], deeds[2]);
    assert_eq!((asked.0, &asked.1["from"]), (&json!("account.sync"), &json!(format!("{from}T00:00:00Z"))), "{deeds:?}");
    assert_eq!((ended.0, &ended.1["summary"]["new"]), (&json!("account.synced"), &json!(3)), "{deeds:?}");

    let wrong = installation.run(&["sync", "--account", ACCOUNT, "--from", "yesterday"]).await;
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("time with its zone"), "{}", wrong.stderr);
    let wrong = installation.run(&["sync", "--account", ACCOUNT, "--from", "2026-01-09", "--to", "2026-01-08"]).await;
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    let wrong = installation.run(&["sync", "--account", "Nobody", "--from", &from]).await;
    assert!(wrong.code == 1 && wrong.stderr.contains("lamplighter account list"), "{}", wrong.stderr);
    let help = installation.run(&["sync", "--help"]).await.ok();
    assert!(help.stdout.contains("meant in UTC") && help.stdout.contains("Exit codes"), "{}", help.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_are_taken_but_for_the_bad_ones() {
    let (installation, database) = account_only().await;
    let mut text: String = (0..1_200).map(|n| cart_order(&format!("A{n}"), "10.00") + "\n").collect();
    text.insert(0, '\u{feff}');
    text += &format!("\n{}\nnonsense\n{}\n", cart_order("B1", "1,50"), cart_order("B2", "2.50"));
    let said = installation.import("orders.jsonl", &text, &[]).await;
    assert_eq!(said.code, 3, "{}", said.stderr);
    for words in ["line 1202 (order B1): lines[0].price: \"1,50\" is no amount", "line 1203: ", "1,203 orders read"] {
        assert!(said.stderr.contains(words), "{words}\n{}", said.stderr);
    }
    assert!(
        said.stdout.contains("1,203 orders read: 1,201 taken, 0 changed, 0 there already, 2 refused"),
        "{}",
        said.stdout
    );
    assert_eq!(number(&database, "select count(*) from orders where status = 'queued'").await, 1_201);

    let corrected = text.replace("1,50", "1.50").replace("nonsense\n", "");
    let said = installation.import("orders.jsonl", &corrected, &["--json"]).await.ok().json();
    assert_eq!((&said["taken"], &said["unchanged"], &said["refused"]), (&json!(1), &json!(1_201), &json!(0)), "{said}");

    let other = installation.import("orders.jsonl", &cart_order("A1", "10.00"), &["--source", "shop", "--json"]).await;
    assert_eq!(other.ok().json()["taken"], 1, "the same id from another source is another order");
    let wrong = installation.import("orders.jsonl", "{}", &["--source", "My Shop"]).await;
    assert!(wrong.code == 2 && wrong.stderr.contains("small letters"), "{}", wrong.stderr);
    let array = installation.import("orders.json", "[{}]", &[]).await;
    assert!(array.code == 1 && array.stderr.contains("one order a line"), "{}", array.stderr);
}

const CSV: &str = "\
external_id,placed_at,currency,total,email,line_name,line_sku,line_quantity,line_price
1001,2026-01-09,USD,30.00,rae@post.example,Field guide,GUIDE-1,1,10.00
1001,,,,,\"Map, folded\",MAP-1,2,10.00
1002,2026-01-09,USD,ten,,Field guide,GUIDE-1,1,10.00
1003,2026-01-09,USD,10.00,,Field guide,GUIDE-1,1,10.00
1003,2026-01-10,USD,10.00,,Field guide,GUIDE-1,1,10.00
1004,2026-01-09,USD,10.00,,Field guide, the big one,GUIDE-1,1,10.00
1004,,,,,Map,MAP-1,1,1.00
1005,2026-01-09,USD,10.00,,Field guide,GUIDE-1,1,10.00
1001,2026-01-09,USD,5.00,,Field guide,GUIDE-1,1,5.00
,2026-01-09,USD,5.00,,Field guide,GUIDE-1,1,5.00
1006,2026-01-09,USD,10.00,,Field guide,GUIDE-1,1,10.00
";

#[tokio::test(flavor = "multi_thread")]
async fn csv_has_a_row_for_every_line_of_an_order() {
    let (installation, database) = account_only().await;
    let said = installation.import("orders.csv", CSV, &["--json"]).await;
    assert_eq!(said.code, 3, "{}", said.stderr);
    let summary = said.json();
    assert_eq!((&summary["taken"], &summary["refused"]), (&json!(3), &json!(5)), "{summary}");
    let bad: Vec<_> = summary["problems"].as_array().unwrap().iter().map(|p| (&p["line"], &p["field"])).collect();
    let expected = [(4, "total"), (5, "placed_at"), (7, "row"), (10, "external_id"), (11, "external_id")];
    for ((line, field), (found_line, found_field)) in expected.into_iter().zip(bad) {
        assert_eq!((&json!(line), &json!(field)), (found_line, found_field), "{summary}");
    }
    assert!(
        said.stderr.contains("line 7 (order 1004): row: line 7: it has 10 cells under 9 columns"),
        "{}",
        said.stderr
    );
    let content: Value = {
        use sqlx::Connection as _;
        let mut conn = sqlx::PgConnection::connect_with(&database).await.unwrap();
        let sql = "select content from orders where external_id = '1001'";
        sqlx::query_scalar(sql).fetch_one(&mut conn).await.unwrap()
    };
    assert_eq!(content["lines"].as_array().unwrap().len(), 2, "{content}");
    assert_eq!(content["lines"][1]["name"], "Map, folded");

    let semicolons =
        "external_id;placed_at;currency;total;line_name;line_amount\n2001;2026-01-09;EUR;9.50;Guide;9.50\n";
    let mut command = installation.command(&["order", "import", "-", "--account", ACCOUNT, "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), semicolons.as_bytes()).unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["taken"], 1, "{said}");

    let wrong = installation.import("orders.csv", "external_id,total,price\n1,2,3\n", &[]).await;
    assert_eq!(wrong.code, 1);
    for words in ["lacks the columns placed_at, currency, line_name", "nobody knows its columns price", "--help"] {
        assert!(wrong.stderr.contains(words), "{words}\n{}", wrong.stderr);
    }
    let help = super::run(program(&["order", "import", "--help"])).await.ok();
    assert!(help.stdout.contains("line_quantity") && help.stdout.contains("JSON lines"), "{}", help.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_can_be_revoked() {
    let (installation, database) = account_only().await;
    let made = installation
        .run(&["apikey", "add", "web shop", "--account", ACCOUNT, "--scope", "orders:write", "--expires", "90d"])
        .await
        .ok();
    let key = made.stdout.trim().to_owned();
    let (prefix, secret) = key.split_once('-').unwrap();
    assert!(made.stderr.contains("shown this once") && !made.stderr.contains(secret), "{}", made.stderr);
    let listed = installation.run(&["apikey", "list", "--json"]).await.ok();
    let row = &listed.json()[0];
    assert_eq!((&row["prefix"], &row["name"], &row["account"]), (&json!(prefix), &json!("web shop"), &json!(ACCOUNT)));
    assert_eq!(row["scopes"], json!(["orders:write"]));
    let life =
        row["expires_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap() - Clock::system().now();
    assert!(life > TimeDelta::days(89) && life <= TimeDelta::days(90), "{life}");
    for wrong in [
        &["apikey", "add", "x"][..],
        &["apikey", "add", "x", "--scope", "all"],
        &["apikey", "add", "x", "--scope", "read", "--expires", "never"],
    ] {
        assert_eq!(installation.run(wrong).await.code, 2, "{wrong:?}");
    }
    let everything = everything(&database).await;
    assert!(everything.contains(prefix) && !everything.contains(secret));

    let daemon = installation.up().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = async || {
        let request = client.post(installation.url().join("api/v1/orders").unwrap()).bearer_auth(&key);
        request.body(cart_order("1", "1.00")).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send().await, 200);
    let unknown = installation.run(&["apikey", "revoke", "lamp_0"]).await;
    assert!(unknown.code == 1 && unknown.stderr.contains("apikey list"), "{}", unknown.stderr);
    installation.run(&["apikey", "revoke", prefix]).await.ok();
    assert_eq!(send().await, 401);
    assert!(!daemon.output().contains(secret), "the key is in the log");
    daemon.terminate().await;
    let listed = installation.run(&["apikey", "list"]).await.ok();
    assert!(listed.stdout.contains(prefix) && !listed.stdout.contains(secret), "{}", listed.stdout);
    let deeds: Vec<String> = sqlx::query_scalar(
        "select action || ' ' || subject || ' ' || split_part(actor, ' ', 1) from audit_log
         where action like 'apikey.%' order by id",
    )
    .fetch_all(&mut sqlx::postgres::PgConnection::connect_with(&database).await.unwrap())
    .await
    .unwrap();
    assert_eq!(deeds, [format!("apikey.add {prefix} command"), format!("apikey.revoke {prefix} command")]);
}
