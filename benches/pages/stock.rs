//! A daemon that serves its pages, somebody who may see them, and as many rows as are asked for: mostly well, some lapsed,
//! some orders parked, skipped and waiting, with the history that goes with them.

use std::net::IpAddr;

use chrono::TimeDelta;
use lamplighter::{
    api_keys::{self, Scope, Wanted},
    operators::{self, SignIn},
    provider::Provider,
    store::operators::{self as rows, Operator, Role},
    web,
};
use reqwest::header;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::town::Town;

const PASSWORD: &str = "four random words here";

/// What was stored so far.
#[derive(Default)]
pub(crate) struct Stock {
    accounts: i64,
}

/// Something to ask for.
pub(crate) struct Page {
    pub(crate) name: &'static str,
    path: String,
}

pub(crate) struct Desk {
    town: Town,
    http: reqwest::Client,
    cookie: String,
    key: SecretString,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        let town = Town::found(&[
            ("web.public_url", at),
            ("web.api_requests_per_minute", "1000000".to_owned()),
            ("providers.quickbooks.client_id", "bench-client".to_owned()),
            ("providers.quickbooks.client_secret", "bench-secret".to_owned()),
            ("providers.hubspot.client_id", "bench-client".to_owned()),
            ("providers.hubspot.client_secret", "bench-secret".to_owned()),
        ])
        .await;
        let (app, now) = (&town.app, town.app.clock.now());
        #[expect(clippy::disallowed_methods, reason = "it ends with the bench's runtime")]
        tokio::spawn(web::serve(listener, app.web.clone(), std::future::pending()));
        let mut conn = app.pool.acquire().await.unwrap();
        let operator = Operator { id: Uuid::now_v7(), name: "ada".to_owned(), role: Role::Operator };
        let hash = operators::hash_password(&SecretString::from(PASSWORD)).unwrap();
        assert!(rows::add(&mut conn, &operator, Some(&hash), now).await.unwrap());
        let home = IpAddr::from([127, 0, 0, 1]);
        let signed_in = app.web.doorkeeper.sign_in("ada", &SecretString::from(PASSWORD), home, now).await.unwrap();
        let SignIn::Welcome(token, _) = signed_in else { unreachable!("the password is right") };
        let cookie = format!("lamplighter_session={}", token.expose_secret());
        let wanted =
            Wanted { name: "bench".to_owned(), account_id: None, scopes: Scope::ALL.to_vec(), expires_at: None };
        let (key, _) = api_keys::create(&mut conn, &wanted, now).await.unwrap();
        drop(conn);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { town, http, cookie, key }
    }

    /// Every page, about an account from the middle of what is stored.
    pub(crate) async fn pages(&self) -> Vec<Page> {
        let account = self.id("select account_id from orders where status = 'parked' order by position limit 1").await;
        let connection = self.id("select id from connections where status = 'lapsed' order by id limit 1").await;
        let alert = self.id("select id from alerts where resolved_at is null order by id limit 1").await;
        let parked = self.id("select id from orders where status = 'parked' order by position limit 1").await;
        let name: String = sqlx::query_scalar("select name from orders order by id limit 1")
            .fetch_one(&self.town.app.pool)
            .await
            .unwrap();
        let now = self.town.app.clock.now();
        let owner = self.town.app.links.make_owners(account, now).0;
        let reconnect = self.town.app.links.make(account, Provider::Quickbooks, now - TimeDelta::days(400)).0;
        let page = |name, path: &str| Page { name, path: path.to_owned() };
        vec![
            page("readiness, as a floor", "/healthz"),
            page("overview", "/"),
            page("accounts", "/accounts"),
            page("accounts, searched", "/accounts?search=count+7"),
            page("accounts, searched in vain", "/accounts?search=nobody"),
            page("an account", &format!("/accounts/{account}")),
            page("connections", "/connections"),
            page("connections, lapsed", "/connections?status=lapsed"),
            page("connections, searched", "/connections?search=pany+77"),
            page("connections, searched in vain", "/connections?search=nobody"),
            page("a lapsed connection", &format!("/connections/{connection}")),
            page("orders", "/orders"),
            page("orders, parked", "/orders?status=parked"),
            page("orders, skipped", "/orders?status=skipped"),
            page("orders, of an account", &format!("/orders?account={account}")),
            page("orders, of an account, skipped", &format!("/orders?account={account}&status=skipped")),
            page("orders, searched", &format!("/orders?search={name}")),
            page("orders, searched in vain", "/orders?search=nobody"),
            page("orders, with a code", "/orders?code=6140"),
            page("orders, with a code that none has", "/orders?code=none"),
            page("an order", &format!("/orders/{parked}")),
            page("alerts", "/alerts"),
            page("an alert", &format!("/alerts/{alert}")),
            page("outages", "/outages"),
            page("ledger", "/ledger"),
            page("audit", "/audit"),
            page("settings", "/settings"),
            page("an owner's page", owner.path()),
            page("a link that ran out", reconnect.path()),
            page("metrics", "/metrics"),
            page("API: status", "/api/v1/status"),
            page("API: accounts", "/api/v1/accounts"),
            page("API: connections", "/api/v1/connections"),
            page("API: a connection", &format!("/api/v1/connections/{connection}")),
            page("API: orders", "/api/v1/orders"),
            page("API: orders, parked", "/api/v1/orders?status=parked"),
            page("API: an order", &format!("/api/v1/orders/{parked}")),
            page("API: spends", "/api/v1/spends"),
            page("API: alerts", "/api/v1/alerts"),
            page("API: outages", "/api/v1/outages"),
        ]
    }

    async fn id(&self, sql: &'static str) -> Uuid {
        sqlx::query_scalar(sql).fetch_one(&self.town.app.pool).await.unwrap()
    }

    /// Asks for a page and reads all of it.
    pub(crate) async fn ask(&self, page: &Page) {
        let url = self.town.config.web.public_url.join(&page.path).unwrap();
        let request = self.http.get(url).header(header::COOKIE, &self.cookie);
        let request =
            if page.path.starts_with("/api/") { request.bearer_auth(self.key.expose_secret()) } else { request };
        let reply = request.send().await.unwrap();
        let status = reply.status();
        let body = reply.text().await.unwrap();
        assert!(status.is_success() || status == 410, "{}: {status}: {body}", page.path);
        assert!(!body.contains("Sign in</h1>"), "{}: asked to sign in", page.path);
    }

    /// Adds accounts with all that goes with them until so many are stored.
    pub(crate) async fn fill_up_to(&self, stock: &mut Stock, accounts: i64) {
        for sql in STEPS {
            sqlx::query(sql).bind(stock.accounts + 1).bind(accounts).execute(&self.town.app.pool).await.unwrap();
        }
        stock.accounts = accounts;
        sqlx::query("vacuum analyze").execute(&self.town.app.pool).await.unwrap();
    }
}

/// One account in fifty has a lapsed connection, and each had ten incidents that are over; of a hundred orders two are parked,
/// one waits and one was skipped.
const STEPS: [&str; 13] = [
    "insert into accounts (id, name, owner_name, owner_email, created_at)
     select md5('account' || n)::uuid, 'Account ' || n, 'Ada', 'owner' || n || '@shop.example', now() - interval '1 year'
     from generate_series($1::bigint, $2::bigint) n",
    "insert into connections (id, account_id, provider, environment, company_id, company_name, status, cause,
                              status_changed_at, connected_at)
     select md5(provider || n)::uuid, md5('account' || n)::uuid, provider, 'sandbox', 'company' || n, 'Company ' || n,
            case when ill then 'lapsed' else 'connected' end, case when ill then 'revoked' end,
            now() - n * interval '1 minute', now() - interval '300 days'
     from generate_series($1::bigint, $2::bigint) n, unnest(array['quickbooks', 'hubspot']) provider,
          lateral (select provider = 'quickbooks' and n % 50 = 2 as ill) x",
    "insert into tokens (connection_id, provider, generation, access_sealed, refresh_sealed, refresh_fingerprint,
                         issued_to, access_expires_at, refresh_expires_at, renewed_at, renew_at)
     select md5(provider || n)::uuid, provider, 1, repeat('a', 1300), repeat('r', 120), 'f', 'nobody',
            now() + n * interval '1 second', now() + interval '90 days' + n * interval '1 minute', now(),
            case when provider = 'hubspot' or n % 50 <> 2 then now() + n * interval '1 second' end
     from generate_series($1::bigint, $2::bigint) n, unnest(array['quickbooks', 'hubspot']) provider",
    "insert into spends (connection_id, generation, fence, fingerprint, daemon, started_at, finished_at, outcome, status)
     select md5(provider || n)::uuid, g, g, 'f', 'bench/1', at, at + interval '300 ms', 'renewed', 200
     from generate_series($1::bigint, $2::bigint) n, unnest(array['quickbooks', 'hubspot']) provider,
          generate_series(1, 20) g, lateral (select now() - (20 - g) * interval '30 minutes' as at) x
     order by g",
    "insert into sources (id, account_id, kind, name, created_at)
     select md5('hubspot' || n)::uuid, md5('account' || n)::uuid, 'hubspot', 'hubspot ' || n, now()
     from generate_series($1::bigint, $2::bigint) n",
    "insert into lanes (connection_id)
     select md5('quickbooks' || n)::uuid from generate_series($1::bigint, $2::bigint) n",
    "insert into orders (id, account_id, source_id, external_id, revision, name, total, currency, content, modified_at,
                         received_at, request_id, document_number, status, attempts, document_id, posted_at, skipped_at,
                         last_message, remedy)
     select md5('order' || n || '-' || o)::uuid, md5('account' || n)::uuid, md5('hubspot' || n)::uuid, o::text, 'r1',
            'S-' || n || '-' || o, 12.5, 'USD',
            '{\"lines\": [{\"name\": \"Field guide\", \"quantity\": \"1\", \"price\": \"12.50\"}]}', at, at,
            md5('request' || n || '-' || o)::uuid, 'LL-' || n || '-' || o, status, 1,
            case status when 'posted' then o::text end, case status when 'posted' then at end,
            case status when 'skipped' then at end, case status when 'parked' then 'Duplicate number' end,
            case status when 'parked' then 'Change the number' end
     from generate_series($1::bigint, $2::bigint) n, generate_series(1, 20) o,
          lateral (select (n * 20 + o) % 100 as h, now() - (20 - o) * interval '70 minutes' - n * interval '1 second' as at) x,
          lateral (select case when h in (1, 2) then 'parked' when h = 3 then 'queued' when h = 4 then 'skipped'
                               else 'posted' end as status) y
     order by at",
    "insert into order_attempts (order_id, daemon, started_at, finished_at, outcome, status, code)
     select o.id, 'bench/1', o.received_at, o.received_at + interval '1 second',
            case o.status when 'parked' then 'parked' else 'posted' end,
            case o.status when 'parked' then 400 else 200 end, case o.status when 'parked' then '6140' end
     from orders o join accounts a on a.id = o.account_id
     where o.status in ('parked', 'posted') and substr(a.name, 9)::bigint between $1 and $2
     order by o.received_at",
    "insert into alerts (id, incident, kind, connection_id, provider, detail, opened_at, seen_at)
     select md5('alert' || n)::uuid, 'lapsed ' || n, 'connection_lapsed', md5('quickbooks' || n)::uuid, 'quickbooks', '{}',
            now() - n * interval '1 minute', now()
     from generate_series($1::bigint, $2::bigint) n where n % 50 = 2",
    "insert into alerts (id, incident, kind, connection_id, provider, detail, opened_at, seen_at, resolved_at)
     select md5('past' || n || '-' || o)::uuid, 'lapsed ' || n, 'connection_lapsed', md5('quickbooks' || n)::uuid, 'quickbooks',
            '{}', at, at, at + interval '1 hour'
     from generate_series($1::bigint, $2::bigint) n, generate_series(1, 10) o,
          lateral (select now() - o * interval '30 days' - n * interval '1 minute' as at) x",
    "insert into mails (id, alert_id, step, recipient, send_at, attempts, sent_at)
     select md5('mail' || l.id)::uuid, l.id, 'opened', 'owner' || n || '@shop.example', now(), 1, now()
     from generate_series($1::bigint, $2::bigint) n join alerts l on l.connection_id = md5('quickbooks' || n)::uuid",
    "insert into outages (id, provider, endpoint, opened_at, evidence, canary_at, closed_at)
     select md5('outage' || n)::uuid, 'quickbooks', 'api', at, '503', at, at + interval '1 hour'
     from generate_series($1::bigint, $2::bigint) n, lateral (select now() - n * interval '1 day' as at) x
     where n % 25 = 0",
    "insert into audit_log (at, actor, action, account_id, subject)
     select now() - n * interval '1 minute', 'operator ada', 'connection.renew', md5('account' || n)::uuid, 'Company ' || n
     from generate_series($1::bigint, $2::bigint) n",
];
