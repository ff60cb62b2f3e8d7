//! From a reconnect link to stored tokens, as the owner's browser goes through it.

mod callback;
mod company;
mod link;
pub(crate) mod secrets;

use chrono::TimeDelta;
use lamplighter::{
    keeper::renewal::{access_place, refresh_place},
    provider::Provider,
    store::{accounts::Account, connections::Status},
    vault::Vault,
};
use reqwest::{Method, StatusCode, header};
use secrecy::ExposeSecret as _;
use url::Url;

use crate::{
    harness::{HUB, REALM, TestApp, minutes},
    pages::{Answer, ask},
};

/// An authorization to which the owner has agreed, with the provider's answer not yet delivered.
struct Begun {
    /// The cookie as it was set.
    cookie: String,
    authorize: Url,
    callback: Url,
}

impl Begun {
    /// The cookie as a browser sends it back.
    fn carried(&self) -> &str {
        self.cookie.split(';').next().unwrap()
    }

    fn state(&self) -> String {
        self.callback.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned()
    }

    async fn deliver(&self) -> Answer {
        self.deliver_to(&self.callback).await
    }

    async fn deliver_to(&self, callback: &Url) -> Answer {
        ask(Method::GET, callback, &[("cookie", self.carried())]).await
    }

    /// The callback with one of its parameters changed, or left out.
    fn callback_with(&self, name: &str, value: Option<&str>) -> Url {
        let pairs: Vec<_> = self.callback.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
        let mut url = self.callback.clone();
        url.query_pairs_mut().clear().extend_pairs(pairs).extend_pairs(value.map(|value| (name, value)));
        url
    }
}

/// Opens a fresh link and agrees at the provider.
async fn begin(app: &TestApp, account: &Account, provider: Provider, company: &str) -> Begun {
    app.sandbox.choose(provider, company);
    let sent = ask(Method::GET, &app.link(account, provider), &[]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    let authorize = sent.location();
    let callback = ask(Method::GET, &authorize, &[]).await.location();
    Begun { cookie: sent.header(header::SET_COOKIE).to_owned(), authorize, callback }
}

/// How many codes the provider was asked to exchange.
fn exchanges(app: &TestApp, provider: Provider) -> usize {
    let calls = app.sandbox.token_calls(provider);
    calls.iter().filter(|call| call.grant_type == "authorization_code").count()
}

/// How many rows a connect has left behind.
async fn stored(app: &TestApp) -> i64 {
    app.count(
        "select (select count(*) from connections) + (select count(*) from tokens)
              + (select count(*) from lanes) + (select count(*) from intakes)",
    )
    .await
}

/// Everything about tokens and connections, to see that nothing changed.
async fn standing(app: &TestApp) -> Vec<String> {
    let sql = "select c::text || t::text from connections c join tokens t on t.connection_id = c.id order by c.id";
    sqlx::query_scalar(sql).fetch_all(&app.app.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_stores_the_company_and_sealed_tokens_with_their_clocks() {
    let (app, _) = TestApp::connected().await;
    let now = app.clock.now();
    let quickbooks = app.connection(Provider::Quickbooks).await;
    assert_eq!((quickbooks.company_id.as_str(), quickbooks.company_name.as_str()), (REALM, "Harbor Books"));
    assert_eq!((quickbooks.environment.as_str(), quickbooks.status), ("sandbox", Status::Connected));
    assert_eq!((quickbooks.generation, quickbooks.renewed_at), (1, now));
    assert_eq!(quickbooks.access_expires_at, now + TimeDelta::hours(1));
    assert_eq!(quickbooks.refresh_expires_at, Some(now + TimeDelta::days(101)));
    assert_eq!(quickbooks.refresh_hard_expires_at, Some(now + TimeDelta::days(5 * 365)));
    let hubspot = app.connection(Provider::Hubspot).await;
    assert_eq!((hubspot.company_id.as_str(), hubspot.company_name.as_str()), (HUB, "harborbooks.example"));
    assert_eq!((hubspot.status, hubspot.access_expires_at), (Status::Connected, now + minutes(30)));
    assert_eq!((hubspot.refresh_expires_at, hubspot.refresh_hard_expires_at), (None, None));
    let vault = Vault::load(&app.config.vault.keys_file).unwrap();
    for connection in [quickbooks, hubspot] {
        let renew_at = connection.renew_at.unwrap();
        assert!(renew_at > now && renew_at < connection.access_expires_at, "{renew_at}");
        let sql = "select access_sealed, refresh_sealed from tokens where connection_id = $1";
        let (access, refresh): (String, String) =
            sqlx::query_as(sql).bind(connection.id).fetch_one(&app.app.pool).await.unwrap();
        let issued = app.sandbox.handed_out(connection.provider);
        let access = vault.open(access_place(connection.id), &access).unwrap();
        let refresh = vault.open(refresh_place(connection.id), &refresh).unwrap();
        assert!(
            issued.iter().any(|value| value == access.expose_secret()),
            "the access token opens to what was issued"
        );
        assert!(issued.iter().any(|value| value == refresh.expose_secret()), "so does the refresh token");
        assert_ne!(access.expose_secret(), refresh.expose_secret());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quickbooks_opens_a_lane_and_hubspot_an_intake_that_reads_from_now_on() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    app.connect(&account, Provider::Quickbooks, REALM).await;
    assert_eq!(app.count("select count(*) from lanes where resume_at is null or resume_at <= now()").await, 1);
    assert_eq!(app.count("select count(*) from intakes").await, 0);
    app.connect(&account, Provider::Hubspot, HUB).await;
    assert_eq!(app.count("select count(*) from lanes").await, 1);
    let sql = "select modified_to, poll_at from intakes";
    let (modified_to, poll_at): (chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>) =
        sqlx::query_as(sql).fetch_one(&app.app.pool).await.unwrap();
    assert_eq!((modified_to, poll_at), (app.clock.now(), app.clock.now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_sent_off_with_the_right_scopes_a_state_and_our_own_address() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    for (provider, company, scopes) in [
        (Provider::Quickbooks, REALM, "com.intuit.quickbooks.accounting"),
        (Provider::Hubspot, HUB, "oauth crm.objects.orders.read crm.objects.line_items.read crm.objects.contacts.read"),
    ] {
        let begun = begin(&app, &account, provider, company).await;
        let at = app.sandbox.endpoints(provider);
        assert!(begun.authorize.as_str().starts_with(at.authorize_url.as_str()), "{}", begun.authorize);
        let asked = |name: &str| {
            let found: Vec<_> = begun.authorize.query_pairs().filter(|(key, _)| key == name).collect();
            assert_eq!(found.len(), 1, "{name} once in {}", begun.authorize);
            found[0].1.clone().into_owned()
        };
        assert_eq!(asked("response_type"), "code");
        assert_eq!(asked("client_id"), at.client_id);
        assert_eq!(asked("scope"), scopes);
        assert_eq!(asked("redirect_uri"), app.url(&format!("/oauth/{provider}/callback")).as_str());
        assert!(asked("state").len() >= 43, "at least 256 bits: {}", asked("state"));
        assert!(!begun.authorize.as_str().contains(at.client_secret.expose_secret()));
        let again = begin(&app, &account, provider, company).await;
        assert_ne!(begun.state(), again.state(), "a state is never used for two attempts");
        assert_ne!(begun.carried(), again.carried(), "another browser gets another cookie");
    }
    assert_eq!(exchanges(&app, Provider::Quickbooks) + exchanges(&app, Provider::Hubspot), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_out_of_reach_for_scripts_and_other_sites() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let begun = begin(&app, &account, Provider::Quickbooks, REALM).await;
    let attributes: Vec<_> = begun.cookie.split("; ").skip(1).collect();
    for wanted in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(attributes.contains(&wanted), "{wanted} in {}", begun.cookie);
    }
    assert!(!attributes.contains(&"Secure"), "a browser would drop it on plain http: {}", begun.cookie);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_https_the_cookie_is_secure_and_the_provider_comes_back_there() {
    let app = TestApp::start_with(&[("web.public_url", "https://lamps.example")]).await;
    let account = app.account("Harbor Books").await;
    let link = app.link(&account, Provider::Quickbooks);
    assert_eq!(link.origin().ascii_serialization(), "https://lamps.example");
    let direct = Url::parse(&format!("http://{}{}", app.config.web.listen, link.path())).unwrap();
    let sent = ask(Method::GET, &direct, &[]).await;
    let cookie = sent.header(header::SET_COOKIE);
    assert!(cookie.split("; ").any(|attribute| attribute == "Secure"), "{cookie}");
    let authorize = sent.location();
    let (_, back) = authorize.query_pairs().find(|(key, _)| key == "redirect_uri").unwrap();
    assert_eq!(back, "https://lamps.example/oauth/quickbooks/callback");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_of_one_browser_do_not_void_each_other() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    app.sandbox.choose(Provider::Quickbooks, REALM);
    let mut callbacks = Vec::new();
    for _ in 0..2 {
        let asked = app.visitor.step(&app.link(&account, Provider::Quickbooks)).await.unwrap();
        let answered = app.visitor.step(&asked.location.unwrap()).await.unwrap();
        callbacks.push(answered.location.unwrap());
    }
    for callback in &callbacks {
        let visit = app.visitor.step(callback).await.unwrap();
        assert_eq!(visit.status, StatusCode::OK, "{}", visit.body);
    }
    assert_eq!(app.connection(Provider::Quickbooks).await.generation, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_one_provider_is_offered_the_other_until_both_work() {
    let app = TestApp::start().await;
    app.sandbox.add_company(REALM, "Harbor & <i>Sons</i>");
    let account = app.account("Harbor <script>alert(1)</script>").await;
    let first = begin(&app, &account, Provider::Quickbooks, REALM).await.deliver().await;
    assert_eq!(first.status, StatusCode::OK);
    assert!(first.body.contains("QuickBooks is connected"), "{}", first.body);
    assert!(first.body.contains("Harbor &#38; &#60;i&#62;Sons&#60;/i&#62;"), "{}", first.body);
    assert!(!first.body.contains("<script"), "{}", first.body);
    assert!(first.body.contains("Connect HubSpot"), "{}", first.body);
    app.sandbox.choose(Provider::Hubspot, HUB);
    let second = app.visitor.open(&first.button()).await.unwrap();
    assert_eq!(app.connection(Provider::Hubspot).await.company_id, HUB);
    assert!(second.body.contains("There is nothing more to do"), "{}", second.body);
    assert!(!second.body.contains("class=\"button\""), "{}", second.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_other_provider_is_offered_too() {
    let (app, account) = TestApp::connected().await;
    app.sandbox.revoke(Provider::Hubspot, HUB);
    app.advance(minutes(25));
    app.app.keeper.round().await.unwrap();
    assert_eq!(app.connection(Provider::Hubspot).await.status, Status::Lapsed);
    app.mails(1).await;
    let page = begin(&app, &account, Provider::Quickbooks, REALM).await.deliver().await;
    assert!(page.body.contains("Connect HubSpot"), "{}", page.body);
    app.sandbox.choose(Provider::Hubspot, HUB);
    app.visitor.open(&page.button()).await.unwrap();
    assert_eq!(app.connection(Provider::Hubspot).await.status, Status::Connected);
    // The all-clear waits for what the portal missed to be read, and not for ever.
    app.mails(1).await;
    app.advance(minutes(3));
    app.mails(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_not_set_up_is_neither_offered_nor_begun() {
    let app = TestApp::start_with(&[
        ("providers.hubspot.client_id", ""),
        ("providers.hubspot.client_secret", ""),
        ("alerts.support_contact", "help@lamps.example"),
    ])
    .await;
    let account = app.account("Harbor Books").await;
    let page = app.connect(&account, Provider::Quickbooks, REALM).await.body;
    assert!(page.contains("There is nothing more to do") && !page.contains("class=\"button\""), "{page}");
    let refused = ask(Method::GET, &app.link(&account, Provider::Hubspot), &[]).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.body.contains("HubSpot is not set up here"), "{}", refused.body);
    assert!(refused.body.contains("Write to help@lamps.example"), "{}", refused.body);
    assert!(refused.headers.get(header::SET_COOKIE).is_none());
    assert_eq!(app.count("select count(*) from oauth_states where provider = 'hubspot'").await, 0);
}
