//! The owners: each reads the mail that says the connection lapsed, and follows its link until it is connected again.

use std::{collections::HashSet, sync::Arc, time::Duration};

use lamplighter::{clock::Clock, provider::Provider, sandbox::Visitor};
use rand::RngExt as _;
use tokio::task::JoinSet;
use url::Url;

use super::Town;

const MOST_TRIES: u32 = 300;

/// Reads all mail for as long as the town stands.
pub(super) async fn read_mail(town: Arc<Town>) {
    let (mut last, mut known, mut under_way) = (0, HashSet::new(), JoinSet::new());
    loop {
        for mail in town.sandbox.mails_after(last) {
            last = mail.id;
            let id = mail.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("message-id"));
            let id = id.map(|(_, id)| id.clone()).unwrap_or_default();
            // A copy that was sent again because of a kill is known by its id.
            if let Some(link) = link_in(&mail.text)
                && known.insert(id)
            {
                under_way.spawn(follow(Arc::clone(&town), link));
            }
        }
        tokio::select! {
            _ = tokio::time::timeout(Duration::from_millis(300), town.sandbox.changed()) => {}
            Some(ended) = under_way.join_next() => ended.unwrap(),
        }
    }
}

pub(super) fn link_in(text: &str) -> Option<Url> {
    text.split_whitespace().find(|word| word.contains("/connect/")).and_then(|word| word.parse().ok())
}

/// Opens a link again and again, until its page says that it worked.
pub(super) async fn follow(town: Arc<Town>, link: Url) {
    for _ in 0..MOST_TRIES {
        if tokio::time::timeout(Duration::from_secs(20), visit(&town, &link)).await == Ok(Some(true)) {
            return;
        }
        let pause = rand::rng().random_range(100..600);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    town.fault(format!("an owner could not connect with {link}"));
}

async fn visit(town: &Town, link: &Url) -> Option<bool> {
    let token = link.path_segments()?.next_back()?;
    let about = town.links.read(token, Clock::system().now()).ok()?;
    let customer = town.customers.iter().find(|customer| customer.account_id == about.account_id)?;
    let company = match about.provider {
        Provider::Quickbooks => &customer.realm,
        Provider::Hubspot => &customer.hub,
    };
    let browser = Visitor::new().ok()?;
    let mut consent = browser.step(link).await.ok()?.location?;
    consent.query_pairs_mut().append_pair("choice", company);
    let arrived = browser.open(&consent).await.ok()?;
    Some(arrived.status.is_success() && arrived.url.path().ends_with("/callback"))
}
