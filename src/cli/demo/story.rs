//! What the demo tells. Every line is printed only after it was observed: in the database, in the simulated providers'
//! own books, or in the mailbox.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rust_decimal::Decimal;
use url::Url;
use uuid::Uuid;

use super::{HUB, REALM, Sabotage};
use crate::{
    app::App,
    cli::output::say,
    provider::{Endpoint, Provider},
    sandbox::{Mail, NewContact, NewLine, NewOrder, Outage, Sandbox, Scope, Visitor},
    store::{
        accounts::{self, Account},
        connections::{self, Status},
        order_log, outages,
    },
};

const OWNER: &str = "ada@harborbooks.example";
const PATIENCE: Duration = Duration::from_secs(25);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How the telling ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every step was observed.
    Told,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

/// The story and its actors.
pub(super) struct Story {
    app: App,
    sandbox: Sandbox,
    public_url: Url,
    owner: anyhow::Result<Visitor, reqwest::Error>,
    sabotage: Option<Sabotage>,
    begun: Instant,
}

impl Story {
    pub(super) fn new(app: App, sandbox: Sandbox, public_url: Url, sabotage: Option<Sabotage>) -> Self {
        Self { app, sandbox, public_url, owner: Visitor::new(), sabotage, begun: Instant::now() }
    }

    /// Tells it from the beginning to the end.
    pub(super) async fn tell(&self) -> anyhow::Result<Ended> {
        let account_id = self.connect().await.context("step 1, connecting, was not observed")?;
        self.keep_alive().await.context("step 2, tokens kept alive, was not observed")?;
        self.orders_cross().await.context("step 3, orders crossing, was not observed")?;
        self.outage().await.context("step 4, an outage waited out, was not observed")?;
        let mail = self.grant_dies().await.context("step 5, a grant dying and its mail, was not observed")?;
        self.reconnect(account_id, &mail).await.context("step 6, reconnect and catch-up, was not observed")?;
        self.audit().await.context("step 7, the audit, found something wrong")?;
        Ok(Ended::Told)
    }

    fn line(&self, text: &str) {
        say(&format!("{:6.1} s  {text}", self.begun.elapsed().as_secs_f64()));
    }

    async fn connect(&self) -> anyhow::Result<Uuid> {
        let account = Account {
            id: Uuid::now_v7(),
            name: "Harbor Books".to_owned(),
            owner_name: "Ada Harbor".to_owned(),
            owner_email: OWNER.to_owned(),
            created_at: self.app.clock.now(),
        };
        let mut conn = self.app.pool.acquire().await?;
        accounts::add(&mut conn, &account).await?.context("the account was not added")?;
        drop(conn);
        self.line(&format!("1  Account {} is added; its owner is {}.", account.name, account.owner_name));
        for (provider, company) in [(Provider::Quickbooks, REALM), (Provider::Hubspot, HUB)] {
            self.sandbox.choose(provider, company);
            let (link, _) = self.app.links.make(account.id, provider, self.app.clock.now());
            self.visit(&link).await?;
            let connection = self.connection(provider, |row| row.status == Status::Connected).await?;
            self.line(&format!(
                "   The owner opens her link and agrees: {} is connected to {}.",
                provider.title(),
                connection.company_name
            ));
        }
        Ok(account.id)
    }

    async fn keep_alive(&self) -> anyhow::Result<()> {
        if self.sabotage == Some(Sabotage::Renewal) {
            self.sandbox.switch(Provider::Quickbooks, |switches| switches.invalid_client = true);
        }
        self.line("2  Access tokens live 6 s here. Nobody touches anything; the keeper renews them before they end:");
        for provider in Provider::ALL {
            let row = self.connection(provider, |row| row.generation >= 4).await?;
            let how = match provider {
                Provider::Quickbooks => "every renewal brought a new refresh token, each spent once",
                Provider::Hubspot => "the refresh token stays the same",
            };
            self.line(&format!("   {} is at generation {}: {how}.", provider.title(), row.generation));
        }
        Ok(())
    }

    async fn orders_cross(&self) -> anyhow::Result<()> {
        self.line("3  Three orders are placed in HubSpot.");
        for number in 1..=3 {
            self.place(number);
        }
        self.documents(3).await?;
        for document in self.sandbox.documents(REALM) {
            self.line(&format!(
                "   QuickBooks has sales receipt {} over {} for {}.",
                document.doc_number.unwrap_or_default(),
                document.total,
                document.customer_name.unwrap_or_default()
            ));
        }
        Ok(())
    }

    async fn outage(&self) -> anyhow::Result<()> {
        self.sandbox.switch(Provider::Quickbooks, |switches| {
            switches.outage = Outage::Status503;
            switches.outage_scope = Scope::Api;
        });
        self.line("4  Intuit goes down: every call is answered 503. Two more orders are placed.");
        self.place(4);
        self.place(5);
        let opened = self.outage_is(true).await?;
        self.line(&format!("   Outage noticed: {}.", opened.evidence));
        let waiting = self.until("two orders wait", || async { Ok((self.waiting().await? == 2).then_some(2)) }).await?;
        ensure!(self.sandbox.documents(REALM).len() == 3, "an order crossed during the outage");
        self.line(&format!("   {waiting} orders wait; one canary at a time probes Intuit."));
        if self.sabotage != Some(Sabotage::Outage) {
            self.sandbox.switch(Provider::Quickbooks, |switches| switches.outage = Outage::None);
        }
        self.line("   Intuit comes back.");
        self.documents(5).await?;
        let closed = self.outage_is(false).await?;
        let lasted = closed.closed_at.map(|at| (at - closed.opened_at).num_milliseconds()).unwrap_or(0);
        self.line(&format!("   The outage is over after {:.1} s, and both orders arrived.", lasted as f64 / 1000.0));
        Ok(())
    }

    async fn grant_dies(&self) -> anyhow::Result<Mail> {
        if self.sabotage == Some(Sabotage::Mail) {
            self.sandbox.refuse_mail(Some(451));
        }
        ensure!(self.sandbox.revoke(Provider::Quickbooks, REALM), "the sandbox knows no such grant");
        self.line("5  Somebody disconnects the app inside QuickBooks. Nobody tells us. Two more orders are placed.");
        self.place(6);
        self.place(7);
        let row = self.connection(Provider::Quickbooks, |row| row.status == Status::Lapsed).await?;
        let cause = row.cause.map_or("unknown", crate::provider::Cause::as_str);
        self.line(&format!("   The connection lapsed: {cause}. No retry can repair it, so its owner is told."));
        let mail = self.until("the owner's mail", || async { Ok(self.owners_mails().pop()) }).await?;
        self.line(&format!("   Mail to {OWNER}: \"{}\"", mail.subject));
        self.until("two orders wait", || async { Ok((self.waiting().await? == 2).then_some(())) }).await?;
        self.line("   Both orders wait for her.");
        Ok(mail)
    }

    async fn reconnect(&self, account_id: Uuid, mail: &Mail) -> anyhow::Result<()> {
        let link = self.link_in(mail)?;
        self.sandbox.choose(Provider::Quickbooks, REALM);
        self.visit(&link).await?;
        self.connection(Provider::Quickbooks, |row| row.status == Status::Connected).await?;
        self.line("6  She opens the link in the mail and agrees: connected again.");
        self.documents(7).await?;
        let mut conn = self.app.pool.acquire().await?;
        ensure!(order_log::count_waiting(&mut conn, Some(account_id)).await? == 0, "an order still waits");
        drop(conn);
        self.line("   Both orders arrived by themselves.");
        let mail = self.until("the all-clear", || async { Ok(self.owners_mails().into_iter().nth(1)) }).await?;
        self.line(&format!("   Mail to {OWNER}: \"{}\"", mail.subject));
        Ok(())
    }

    async fn audit(&self) -> anyhow::Result<()> {
        let mut numbers: Vec<_> =
            self.sandbox.documents(REALM).into_iter().map(|document| document.doc_number).collect();
        numbers.sort();
        numbers.dedup();
        ensure!(numbers.len() == 7, "{} orders have a document instead of 7", numbers.len());
        ensure!(self.sandbox.documents(REALM).len() == 7, "an order was posted twice");
        ensure!(self.sandbox.concurrent_spends() == 0, "a refresh token was spent twice at the same time");
        ensure!(self.owners_mails().len() == 2, "the owner got {} mails instead of 2", self.owners_mails().len());
        let renewals = Provider::ALL.map(|provider| self.sandbox.token_calls(provider).len()).iter().sum::<usize>();
        self.line(&format!(
            "7  Audited in the providers' own books: 7 orders, 7 documents, none twice; {renewals} token calls, no refresh \
             token spent twice at once; one mail for the incident, one all-clear."
        ));
        Ok(())
    }

    fn place(&self, number: u32) {
        let price = Decimal::new(1995 + i64::from(number) * 100, 2);
        let total = price * Decimal::from(2) + Decimal::new(495, 2);
        self.sandbox.place_order(
            HUB,
            NewOrder {
                name: format!("HB-100{number}"),
                currency: "USD".to_owned(),
                total: Some(total),
                shipping: Some(Decimal::new(495, 2)),
                lines: vec![NewLine {
                    name: "Field guide to harbour lamps".to_owned(),
                    sku: "LAMP-1".to_owned(),
                    quantity: Decimal::from(2),
                    price,
                    ..NewLine::default()
                }],
                contact: Some(NewContact {
                    email: format!("reader{number}@post.example"),
                    first: "Reader".to_owned(),
                    last: format!("No. {number}"),
                }),
                ..NewOrder::default()
            },
        );
    }

    async fn visit(&self, link: &Url) -> anyhow::Result<()> {
        let browser = self.owner.as_ref().map_err(|error| anyhow::anyhow!("no browser: {error}"))?;
        let visit = browser.open(link).await?;
        ensure!(visit.status.is_success(), "{} was answered {}", visit.url.path(), visit.status);
        Ok(())
    }

    fn owners_mails(&self) -> Vec<Mail> {
        self.sandbox.mails().into_iter().filter(|mail| mail.to.iter().any(|to| to.contains(OWNER))).collect()
    }

    fn link_in(&self, mail: &Mail) -> anyhow::Result<Url> {
        let start = self.public_url.join("connect/")?;
        let link = mail.text.split_whitespace().find(|word| word.starts_with(start.as_str()));
        link.context("the mail holds no reconnect link")?.parse().context("the mail's link is no URL")
    }

    async fn waiting(&self) -> anyhow::Result<i64> {
        let mut conn = self.app.pool.acquire().await?;
        Ok(order_log::count_waiting(&mut conn, None).await?)
    }

    async fn documents(&self, count: usize) -> anyhow::Result<()> {
        let what = format!("{count} documents in QuickBooks");
        self.until(&what, || async { Ok((self.sandbox.documents(REALM).len() >= count).then_some(())) }).await?;
        // The database may be a moment behind the books.
        self.until("every order settled", || async { Ok((self.waiting().await? == 0).then_some(())) }).await
    }

    async fn outage_is(&self, open: bool) -> anyhow::Result<outages::Outage> {
        let what = if open { "an open outage" } else { "a closed outage" };
        self.until(what, || async {
            let mut conn = self.app.pool.acquire().await?;
            let latest = outages::latest(&mut conn, Provider::Quickbooks, Endpoint::Api).await?;
            Ok(latest.filter(|outage| outage.closed_at.is_none() == open))
        })
        .await
    }

    async fn connection(
        &self,
        provider: Provider,
        is_so: impl Fn(&connections::Overview) -> bool,
    ) -> anyhow::Result<connections::Overview> {
        let what = format!("a change of the {} connection", provider.title());
        self.until(&what, || async {
            let mut conn = self.app.pool.acquire().await?;
            let rows = connections::overview(&mut conn, 10).await?;
            Ok(rows.into_iter().find(|row| row.provider == provider && is_so(row)))
        })
        .await
    }

    /// Waits for a level.
    async fn until<T, F>(&self, what: &str, look: impl Fn() -> F) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<Option<T>>>,
    {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(seen) = look().await? {
                return Ok(seen);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bail!("waited {} s for {what} in vain; run it with --verbose to see the daemon's log", PATIENCE.as_secs())
    }
}
