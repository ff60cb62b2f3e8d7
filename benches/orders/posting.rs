//! Orders from the simulated HubSpot into the simulated QuickBooks, beside the bare exchange.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::{StreamExt as _, stream};
use lamplighter::{
    clock::Clock,
    keeper::renewal::{access_place, refresh_place},
    provider::Provider,
    sandbox::{Listen, NewLine, NewOrder, Sandbox},
    store::{
        accounts::{self, Account},
        connections::{self, Company, Connected},
        intakes, lanes,
        tokens::{self, SealedTokens},
    },
    vault,
};
use rust_decimal::Decimal;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{CLIENTS, Scale, median, town::Town};

struct Street {
    town: Town,
    sandbox: Sandbox,
    /// Realm, portal and a token that opens the realm.
    customers: Vec<(String, String, SecretString)>,
    http: reqwest::Client,
}

pub(crate) async fn compare(scale: Scale) {
    let street = Street::found(scale.companies).await;
    let orders = scale.companies * scale.orders_each;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for turn in 0..=scale.repeats {
        let (one, other) = (street.post_all(scale.orders_each).await, street.exchange_all(scale.orders_each).await);
        if turn > 0 {
            ours.push(one);
            bare.push(other);
        }
    }
    let per_second = |times| orders as f64 / median(times).as_secs_f64();
    let (ours, bare) = (per_second(ours), per_second(bare));
    println!(
        "posting of {orders} orders to {} companies over loopback, {CLIENTS} side by side, median of {}:",
        scale.companies, scale.repeats
    );
    println!("  lanes   {ours:>8.0} per second: in order, begun, posted, written down with their history");
    println!("  floor   {bare:>8.0} per second: the same exchange and one durable commit");
    println!("  ratio   {:>8.2}", ours / bare);
}

impl Street {
    async fn found(companies: usize) -> Self {
        let sandbox = Sandbox::start(Clock::system(), Listen::default()).await.unwrap();
        let mut set = vec![
            ("providers.quickbooks.requests_per_second", "1000000".to_owned()),
            ("providers.quickbooks.requests_per_minute", "1000000".to_owned()),
            ("providers.quickbooks.batches_per_minute", "1000000".to_owned()),
        ];
        for (provider, keys) in [
            (
                Provider::Quickbooks,
                [
                    "providers.quickbooks.client_id",
                    "providers.quickbooks.client_secret",
                    "providers.quickbooks.token_url",
                    "providers.quickbooks.api_url",
                ],
            ),
            (
                Provider::Hubspot,
                [
                    "providers.hubspot.client_id",
                    "providers.hubspot.client_secret",
                    "providers.hubspot.token_url",
                    "providers.hubspot.api_url",
                ],
            ),
        ] {
            let at = sandbox.endpoints(provider);
            let values = [
                at.client_id,
                at.client_secret.expose_secret().to_owned(),
                at.token_url.to_string(),
                at.api_url.to_string(),
            ];
            set.extend(keys.into_iter().zip(values));
        }
        set.push(("providers.hubspot.environment", "sandbox".to_owned()));
        let town = Town::found(&set).await;
        let create = "create table floor (id bigint generated always as identity primary key, answer text not null)";
        sqlx::query(create).execute(&town.app.pool).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "the floor goes around the product's own client on purpose")]
        let http = reqwest::Client::new();
        let mut street = Self { town, sandbox, customers: Vec::new(), http };
        for n in 0..companies {
            let (realm, hub) = (format!("91{n:06}"), format!("7{n:04}"));
            street.sandbox.add_company(&realm, &realm);
            street.sandbox.add_portal(&hub, &format!("shop{n}.example"));
            let account = Account {
                id: Uuid::now_v7(),
                name: format!("Account {n}"),
                owner_name: String::new(),
                owner_email: "owner@shop.example".to_owned(),
                created_at: street.town.app.clock.now(),
            };
            let mut conn = street.town.app.pool.acquire().await.unwrap();
            accounts::add(&mut conn, &account).await.unwrap();
            drop(conn);
            let token = street.connect(Provider::Quickbooks, account.id, &realm).await;
            street.connect(Provider::Hubspot, account.id, &hub).await;
            street.customers.push((realm, hub, token));
        }
        street
    }

    async fn connect(&self, provider: Provider, account_id: Uuid, company: &str) -> SecretString {
        let Town { app, vault, .. } = &self.town;
        let now = app.clock.now();
        let company_row =
            Company { provider, environment: "sandbox".to_owned(), id: company.to_owned(), name: company.to_owned() };
        let mut conn = app.pool.acquire().await.unwrap();
        let connected = connections::connect(&mut conn, Uuid::now_v7(), account_id, &company_row, now).await.unwrap();
        let Connected::New(id) = connected else { unreachable!("the company is new") };
        let scopes = &self.town.config.providers.hubspot.as_ref().unwrap().scopes;
        let scopes = if provider == Provider::Hubspot { scopes.as_slice() } else { &[] };
        let grant = self.sandbox.seed_grant(provider, company, scopes, now);
        let sealed = SealedTokens {
            access_sealed: vault.seal(access_place(id), &grant.access_token),
            refresh_sealed: vault.seal(refresh_place(id), &grant.refresh_token),
            refresh_fingerprint: vault::fingerprint(&grant.refresh_token),
            access_expires_at: now + TimeDelta::minutes(20),
            refresh_expires_at: None,
            refresh_hard_expires_at: None,
            renewed_at: now,
            renew_at: now + TimeDelta::minutes(20),
        };
        let identity = format!("sandbox/{}", self.sandbox.endpoints(provider).client_id);
        tokens::replace(&mut conn, id, &identity, &sealed).await.unwrap();
        match provider {
            Provider::Quickbooks => lanes::open(&mut conn, id, now).await.unwrap(),
            Provider::Hubspot => intakes::open(&mut conn, id, now).await.unwrap(),
        }
        grant.access_token
    }

    /// Places orders in every shop, takes them in, and takes the time of the round that posts them.
    async fn post_all(&self, each: usize) -> Duration {
        for (_, hub, _) in &self.customers {
            for n in 0..each {
                self.sandbox.place_order(hub, order(n));
            }
        }
        let due = "update intakes set poll_at = now() - interval '1 minute'";
        sqlx::query(due).execute(&self.town.app.pool).await.unwrap();
        let received = self.town.app.intake.round().await.unwrap().received;
        assert_eq!(received as usize, each * self.customers.len());
        let begun = Instant::now();
        let report = self.town.app.dispatch.round().await.unwrap();
        let elapsed = begun.elapsed();
        assert_eq!(report.posted as usize, each * self.customers.len(), "{report:?}");
        elapsed
    }

    async fn exchange_all(&self, each: usize) -> Duration {
        let begun = Instant::now();
        // One company after the other within a client, as lanes do.
        stream::iter(&self.customers)
            .for_each_concurrent(CLIENTS, |(realm, _, token)| async move {
                for n in 0..each {
                    self.exchange(realm, token, n).await;
                }
            })
            .await;
        begun.elapsed()
    }

    async fn exchange(&self, realm: &str, token: &SecretString, n: usize) {
        let url = format!("{}/v3/company/{realm}/salesreceipt", self.sandbox.endpoints(Provider::Quickbooks).api_url);
        let id = Uuid::now_v7().simple().to_string();
        let body = json!({
            "DocNumber": &id[id.len() - 20..],
            "PrivateNote": format!("{id} order {n}"),
            "Line": [{
                "Amount": 12.5, "DetailType": "SalesItemLineDetail", "Description": "Field guide",
                "SalesItemLineDetail": {"ItemRef": {"value": "4"}, "Qty": 1, "UnitPrice": 12.5},
            }],
        });
        let url = reqwest::Url::parse_with_params(&url, [("minorversion", "75"), ("requestid", &id)]).unwrap();
        let reply = self.http.post(url).bearer_auth(token.expose_secret()).json(&body).send().await.unwrap();
        let answer: Value = reply.error_for_status().unwrap().json().await.unwrap();
        let sql = "insert into floor (answer) values ($1)";
        sqlx::query(sql).bind(answer["SalesReceipt"]["Id"].as_str()).execute(&self.town.app.pool).await.unwrap();
    }
}

fn order(n: usize) -> NewOrder {
    NewOrder {
        name: format!("A-{n}"),
        currency: "USD".to_owned(),
        total: Some(Decimal::new(1_250, 2)),
        lines: vec![NewLine {
            name: "Field guide".to_owned(),
            sku: "GUIDE-1".to_owned(),
            quantity: Decimal::ONE,
            price: Decimal::new(1_250, 2),
            ..NewLine::default()
        }],
        ..NewOrder::default()
    }
}
