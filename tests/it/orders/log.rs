//! The log of orders: found by what people have in hand, decided on by hand, pruned; at a cost of what is printed.

mod by_hand;
mod retention;

use chrono::TimeDelta;
use lamplighter::{
    sandbox::NewOrder,
    store::{
        attempts::Outcome,
        order_log::{self, Cursor, Filter, Overview, dossier, naming},
        orders::Status,
    },
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{DEARER, number};
use crate::harness::{REALM, TestApp, minutes, order};

impl TestApp {
    async fn listed(&self, filter: Filter) -> Vec<String> {
        let rows = order_log::list(&mut *self.conn().await, &filter, None, 100).await.unwrap();
        rows.into_iter().map(|row| row.name).collect()
    }

    /// An order that QuickBooks refuses, because its period is closed.
    pub(crate) async fn parked(&self, name: &str) -> String {
        self.sandbox.close_books(REALM, chrono::NaiveDate::from_ymd_opt(2020, 12, 31));
        let dated = [("hs_external_created_date".to_owned(), "2020-05-01T00:00:00Z".to_owned())].into();
        let id = self.place(NewOrder { properties: dated, ..order(name, 1_000) });
        self.later().await;
        assert_eq!(self.order(name).await.status, Status::Parked);
        id
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_condition_leaves_out_what_does_not_meet_it() {
    let (app, account) = TestApp::connected().await;
    let other = app.customers(1).await.remove(0);
    let id = app.place(order("Shop #1", 1_000));
    app.rounds().await;
    let between = app.advance(minutes(1));
    app.parked("shop #2").await;
    app.sandbox.place_order(&other.hub, order("Elsewhere", 3_000));
    app.later().await;
    app.quickbooks(|switches| switches.outage = lamplighter::sandbox::Outage::Status503);
    app.place(order("Waits", 4_000));
    app.later().await;
    assert_eq!(app.listed(Filter::default()).await, ["Waits", "Elsewhere", "shop #2", "Shop #1"]);
    let with = |statuses: &[Status]| Filter { statuses: statuses.to_vec(), ..Filter::default() };
    assert_eq!(app.listed(with(&[Status::Parked])).await, ["shop #2"]);
    assert_eq!(app.listed(with(&[Status::Posted, Status::Queued])).await, ["Waits", "Elsewhere", "Shop #1"]);
    assert!(app.listed(with(&[Status::Skipped])).await.is_empty());
    let of = |account_id| Filter { account_id: Some(account_id), ..Filter::default() };
    assert_eq!(app.listed(of(other.account.id)).await, ["Elsewhere"]);
    assert_eq!(app.listed(of(account.id)).await, ["Waits", "shop #2", "Shop #1"]);
    let since = Filter { since: Some(between), ..of(account.id) };
    assert_eq!(app.listed(since).await, ["Waits", "shop #2"]);
    let until = Filter { until: Some(between), ..Filter::default() };
    assert_eq!(app.listed(until).await, ["Shop #1"]);
    let document = |number: &str| Filter { document: Some(number.to_owned()), ..Filter::default() };
    // Two portals count their orders alike.
    assert_eq!(app.listed(document(&number(&id).to_lowercase())).await, ["Elsewhere", "Shop #1"]);
    let mine = Filter { account_id: Some(account.id), ..document(&number(&id)) };
    assert_eq!(app.listed(mine).await, ["Shop #1"]);
    assert!(app.listed(document("HS-")).await.is_empty(), "a number is whole");
    let search = |text: &str| Filter { search: Some(text.to_owned()), ..Filter::default() };
    assert_eq!(app.listed(search("SHOP #")).await, ["shop #2", "Shop #1"], "in capitals or not");
    assert_eq!(app.listed(search("shop #2")).await, ["shop #2"]);
    assert_eq!(app.listed(search(&id)).await, ["Elsewhere", "Shop #1"], "by HubSpot's id");
    assert_eq!(app.listed(search(&number(&id))).await, ["Elsewhere", "Shop #1"]);
    assert!(app.listed(search("%")).await.is_empty() && app.listed(search("hop")).await.is_empty());
    assert_eq!(app.listed(Filter { statuses: vec![Status::Posted], ..search("shop") }).await, ["Shop #1"]);
    let code = |code: &str| Filter { code: Some(code.to_owned()), ..Filter::default() };
    assert_eq!(app.listed(code("6210")).await, ["shop #2"]);
    assert!(app.listed(code("6240")).await.is_empty());
    assert_eq!(app.listed(Filter { search: Some("shop".to_owned()), ..code("6210") }).await, ["shop #2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_last_attempts_code_counts() {
    let (app, _) = TestApp::connected().await;
    app.parked("A-1").await;
    app.execute(
        "insert into order_attempts (order_id, daemon, started_at, finished_at, outcome, code)
                 select id, 'lamp', now(), now(), 'parked', '6240' from orders",
    )
    .await;
    let code = |code: &str| Filter { code: Some(code.to_owned()), ..Filter::default() };
    assert!(app.listed(code("6210")).await.is_empty());
    assert_eq!(app.listed(code("6240")).await, ["A-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another_without_a_gap_whatever_comes_in_meanwhile() {
    let (app, _) = TestApp::connected().await;
    for n in 0..7 {
        app.place(order(&format!("A-{n}"), 100));
    }
    app.app.intake.round().await.unwrap();
    assert_eq!(app.count("select count(distinct received_at) from orders").await, 1, "all at one moment");
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = order_log::list(&mut *app.conn().await, &Filter::default(), before, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        let printed = last.cursor().to_string();
        before = Some(printed.parse::<Cursor>().unwrap());
        assert_eq!(before, Some(last.cursor()), "{printed}");
        seen.extend(page.into_iter().map(|row| row.name));
        app.place(order(&format!("B-{}", seen.len()), 100));
        app.advance(minutes(6));
        app.app.intake.round().await.unwrap();
    }
    assert_eq!(seen, ["A-6", "A-5", "A-4", "A-3", "A-2", "A-1", "A-0"]);
    assert!("nonsense".parse::<Cursor>().is_err() && "1.x".parse::<Cursor>().is_err());
    app.rounds().await;
}

/// Many orders of 40 accounts: one in 100 is parked, one in 1,000 waits, the others have their documents.
async fn many(conn: &mut PgConnection, count: i64) {
    for statement in [
        "insert into accounts (id, name, owner_name, owner_email, created_at)
         select gen_random_uuid(), 'Shop ' || n, 'Ada', 'ada@example.com', now() from generate_series(1, 40) n",
        "insert into connections (id, account_id, provider, environment, company_id, company_name, status,
                                  status_changed_at, connected_at)
         select gen_random_uuid(), id, 'hubspot', 'sandbox', name, name, 'connected', now(), now() from accounts where name like 'Shop %'",
        "insert into sources (id, account_id, kind, name, created_at)
         select id, account_id, 'hubspot', 'hubspot ' || id, now() from connections where company_name like 'Shop %'",
    ] {
        sqlx::query(statement).execute(&mut *conn).await.unwrap();
    }
    sqlx::query(
        "insert into orders (id, account_id, source_id, external_id, revision, name, total, currency, content,
                             modified_at, received_at, request_id, document_number, status, document_id, posted_at)
         select gen_random_uuid(), c.account_id, c.id, (100000 + n)::text, 'r', 'Order ' || n, 1, 'USD', '{\"name\": 1}',
                at, at, gen_random_uuid(), 'HS-' || (100000 + n), status,
                case when status = 'posted' then n::text end, case when status = 'posted' then at end
         from generate_series(1, $1) n
         cross join lateral (select now() - make_interval(secs => (n / 10) * 60) as at,
                                    case when n % 1000 = 0 then 'queued' when n % 100 = 0 then 'parked'
                                         else 'posted' end as status) s
         join (select id, account_id, row_number() over (order by id) as nth from connections
               where company_name like 'Shop %') c on c.nth = n % 40 + 1",
    )
    .bind(count)
    .execute(&mut *conn)
    .await
    .unwrap();
    sqlx::query(
        "insert into order_attempts (order_id, daemon, started_at, finished_at, outcome, code)
         select id, 'lamp', received_at, received_at, status, case when status = 'parked' then '6240' end
         from orders where status <> 'queued'",
    )
    .execute(&mut *conn)
    .await
    .unwrap();
    for table in ["analyze orders", "analyze order_attempts", "analyze connections", "analyze accounts"] {
        sqlx::query(table).execute(&mut *conn).await.unwrap();
    }
}

/// How many rows of orders and attempts a question reads.
async fn read_by<T>(conn: &mut PgConnection, ask: impl AsyncFnOnce(&mut PgConnection) -> T) -> (T, i64) {
    let so_far = rows_read(conn).await;
    let answer = ask(conn).await;
    (answer, rows_read(conn).await - so_far)
}

/// By all connections so far; what this one counted is taken into account first.
async fn rows_read(conn: &mut PgConnection) -> i64 {
    sqlx::query("select pg_stat_force_next_flush()").execute(&mut *conn).await.unwrap();
    sqlx::query_scalar(
        "select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_user_tables
         where relname in ('orders', 'order_attempts')",
    )
    .fetch_one(conn)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_costs_what_is_printed() {
    let app = TestApp::start().await;
    let mut conn = app.conn().await;
    many(&mut conn, 20_000).await;
    let account_id: Uuid = sqlx::query_scalar("select id from accounts limit 1").fetch_one(&mut *conn).await.unwrap();
    let (now, text) = (app.clock.now(), |text: &str| Some(text.to_owned()));
    let one = |filter: Filter, status| Filter { statuses: vec![status], ..filter };
    let page = order_log::list(&mut conn, &Filter::default(), None, 10_000).await.unwrap();
    let middle = page.last().map(Overview::cursor);
    for (filter, before) in [
        (Filter::default(), None),
        (Filter::default(), middle),
        (one(Filter::default(), Status::Posted), middle),
        (one(Filter::default(), Status::Parked), None),
        (one(Filter::default(), Status::Parked), middle),
        (one(Filter::default(), Status::Queued), None),
        (Filter { account_id: Some(account_id), ..Filter::default() }, None),
        (Filter { account_id: Some(account_id), ..Filter::default() }, middle),
        (Filter { until: Some(now - TimeDelta::hours(20)), ..Filter::default() }, None),
        (Filter { since: Some(now - TimeDelta::hours(20)), ..Filter::default() }, None),
        (Filter { document: text("hs-117000"), ..Filter::default() }, None),
        (Filter { search: text("order 1234"), ..Filter::default() }, None),
        (Filter { search: text("117000"), ..Filter::default() }, None),
        (one(Filter { code: text("6240"), ..Filter::default() }, Status::Parked), None),
    ] {
        let list = async |conn: &mut PgConnection| order_log::list(conn, &filter, before, 10).await.unwrap();
        let (rows, read) = read_by(&mut conn, list).await;
        assert!(!rows.is_empty() && rows.len() <= 10);
        // Of a code every attempt that had it is looked at: 200 here, each with its order and its order's last attempt.
        let most = if filter.code.is_some() { 650 } else { 400 };
        assert!(read <= most, "{read} rows read for {filter:?} {before:?}");
    }
    for name in ["117000", "Order 17000", "hs-117000"] {
        let find = async |conn: &mut PgConnection| naming::find(conn, name).await.unwrap();
        let (found, read) = read_by(&mut conn, find).await;
        assert_eq!((found.len(), found[0].name.as_str()), (1, "Order 17000"));
        assert!(read <= 250, "{read} rows read for {name}");
        let get = async |conn: &mut PgConnection| dossier::get(conn, found[0].id, 100).await.unwrap();
        let (dossier, read) = read_by(&mut conn, get).await;
        assert!(dossier.is_some() && read <= 50, "{read} rows read for the dossier");
    }
    // Rows that no test of a life made.
    app.leaves_something_open();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_found_by_what_people_have_in_hand() {
    let (app, _) = TestApp::connected().await;
    let other = app.customers(1).await.remove(0);
    // Two portals count their orders alike.
    let shared = [app.place(order("First", 100)), app.place(order("Second", 200))];
    let id = app.place(order("Shop #1", 1_000));
    app.app.intake.round().await.unwrap();
    app.edit(&id, &DEARER);
    app.later().await;
    app.sandbox.place_order(&other.hub, order("shop #1", 3_000));
    app.sandbox.place_order(&other.hub, order("Shop #10", 3_000));
    app.later().await;
    let [first, last] = &app.revisions(&id).await[..] else { panic!("two revisions") };
    let found = async |named: &str| {
        let rows = naming::find(&mut *app.conn().await, named).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(found(&id).await, [last.id], "the latest revision");
    assert_eq!(found(&number(&id)).await, [last.id]);
    assert_eq!(found(&first.id.to_string()).await, [first.id], "our id means that revision");
    assert_eq!(found(&last.id.to_string()[..13]).await, [last.id]);
    assert_eq!(found(&shared[1]).await.len(), 2, "one of each portal");
    assert_eq!(found("SHOP #1").await.len(), 2, "two orders of that name, and not the one of a longer name");
    assert!(found("nothing").await.is_empty() && found("").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dossier_holds_every_attempt_and_every_revision() {
    let (app, account) = TestApp::connected().await;
    let id = app.place(order("A-1", 1_000));
    app.app.intake.round().await.unwrap();
    app.edit(&id, &DEARER);
    app.quickbooks(|switches| switches.lost_create_replies = 1);
    app.later().await;
    app.quickbooks(|switches| switches.lost_create_replies = 0);
    app.later().await;
    let [first, last] = &app.revisions(&id).await[..] else { panic!("two revisions") };
    let get = async |id| dossier::get(&mut *app.conn().await, id, 100).await.unwrap().unwrap();
    let found = get(last.id).await;
    assert_eq!((found.order.account_id, found.order.status), (account.id, Status::Posted));
    let revisions: Vec<_> = found.revisions.iter().map(|revision| (revision.id, revision.status)).collect();
    assert_eq!(revisions, [(first.id, Status::Superseded), (last.id, Status::Posted)]);
    let outcomes: Vec<_> = found.attempts.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes.first(), Some(&Some(Outcome::Unknown)), "the first one first");
    assert!(matches!(outcomes.last(), Some(Some(Outcome::Adopted | Outcome::Posted))), "{outcomes:?}");
    let company = found.company.unwrap();
    assert_eq!((company.company_id.as_str(), company.resume_at, company.worked_by), (REALM, None, None));
    assert!(found.outage.is_none() && found.order.content["lines"][0]["name"].is_string());
    assert_eq!(get(first.id).await.revisions.len(), 2);
    let none = dossier::get(&mut *app.conn().await, Uuid::now_v7(), 100).await.unwrap();
    assert!(none.is_none());
}
