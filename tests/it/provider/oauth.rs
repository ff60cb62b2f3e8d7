//! Exchange, refresh, revoke: each provider's dialect, seen from its side.

use std::time::Duration;

use lamplighter::provider::Provider::{Hubspot, Quickbooks};
use lamplighter::provider::{Cause, HttpOptions, Providers, Verdict};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use super::{Fake, no_limits, pairs, providers, secret, settings};

const GRANT: &str = r#"{"access_token":"a1","refresh_token":"r1","token_type":"bearer","expires_in":3600,
    "x_refresh_token_expires_in":8726400,"x_refresh_token_hard_expires_in":156032154,"hub_id":77}"#;
/// base64 of `id:shh`.
const BASIC: &str = "Basic aWQ6c2ho";

fn callback() -> Url {
    Url::parse("https://lamp.example/callback").unwrap()
}

#[tokio::test]
async fn intuit_gets_its_credentials_in_the_header_and_nowhere_else() {
    let headers = vec![("intuit_tid", "1-abc")];
    let intuit = Fake::with(vec![(200, headers, GRANT.into())]).await;
    let grant = intuit.providers().refresh(Quickbooks, &secret("r0+/=&")).await.unwrap();
    assert_eq!(grant.refresh_token.unwrap().expose_secret(), "r1");
    assert_eq!(grant.refresh_hard_expires_in, Some(Duration::from_secs(156_032_154)));
    assert_eq!(grant.correlation_id.as_deref(), Some("1-abc"));

    let seen = intuit.only();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/token"));
    assert_eq!(seen.form(), pairs(&[("grant_type", "refresh_token"), ("refresh_token", "r0+/=&")]));
    assert_eq!(seen.header("authorization"), Some(BASIC));
    assert_eq!(seen.header("accept"), Some("application/json"));
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen.header("x-include-refresh-token-hard-expires-in"), Some("true"));
    assert!(seen.header("user-agent").unwrap().starts_with("lamplighter/"));
}

#[tokio::test]
async fn an_intuit_code_is_exchanged_with_its_redirect() {
    let intuit = Fake::answering(&[(200, GRANT)]).await;
    intuit.providers().exchange(Quickbooks, &secret("AB11"), &callback()).await.unwrap();
    let seen = intuit.only();
    let redirect = ("redirect_uri", "https://lamp.example/callback");
    assert_eq!(seen.form(), pairs(&[("code", "AB11"), ("grant_type", "authorization_code"), redirect]));
    assert_eq!(seen.header("authorization"), Some(BASIC));
}

#[tokio::test]
async fn hubspot_gets_its_credentials_in_the_form() {
    let hubspot = Fake::answering(&[(200, GRANT)]).await;
    let providers = hubspot.providers();
    let grant = providers.refresh(Hubspot, &secret("r0")).await.unwrap();
    assert_eq!(grant.hub_id.as_deref(), Some("77"));
    providers.exchange(Hubspot, &secret("c"), &callback()).await.unwrap();

    let seen = hubspot.seen();
    let (id, key) = (("client_id", "id"), ("client_secret", "shh"));
    assert_eq!(seen[0].form(), pairs(&[id, key, ("grant_type", "refresh_token"), ("refresh_token", "r0")]));
    let redirect = ("redirect_uri", "https://lamp.example/callback");
    assert_eq!(seen[1].form(), pairs(&[id, key, ("code", "c"), ("grant_type", "authorization_code"), redirect]));
    assert!(seen.iter().all(|seen| seen.header("authorization").is_none()));
    assert!(seen.iter().all(|seen| { seen.header("x-include-refresh-token-hard-expires-in").is_none() }));
}

#[tokio::test]
async fn each_revokes_in_its_own_dialect() {
    let fake = Fake::answering(&[(200, "")]).await;
    fake.providers().revoke(Quickbooks, &secret("r0")).await.unwrap();
    fake.providers().revoke(Hubspot, &secret("r0")).await.unwrap();
    let seen = fake.seen();
    assert_eq!(seen[0].body, r#"{"token":"r0"}"#);
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert_eq!(seen[0].header("authorization"), Some(BASIC));
    let hint = ("token_type_hint", "refresh_token");
    assert_eq!(seen[1].form(), pairs(&[("client_id", "id"), ("client_secret", "shh"), ("token", "r0"), hint]));
    assert_eq!(seen[1].header("authorization"), None);
    assert_eq!(seen[1].header("accept"), Some("application/json"));
}

#[tokio::test]
async fn a_refresh_token_is_asked_about_in_hubspots_dialect() {
    let known = r#"{"active":true,"token":"r0","hub_id":77,"token_use":"refresh_token","token_type":"Bearer"}"#;
    let hubspot = Fake::answering(&[(200, known), (200, r#"{"active":false}"#)]).await;
    let providers = hubspot.providers();
    providers.introspect(Hubspot, &secret("r0")).await.unwrap();
    let failure = providers.introspect(Hubspot, &secret("r0")).await.unwrap_err();
    assert_eq!((failure.verdict, failure.rule), (Verdict::Lapsed(Cause::Revoked), "introspected_inactive"));
    assert_eq!(failure.status, Some(200));
    let seen = &hubspot.seen()[0];
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/introspect"));
    let hint = ("token_type_hint", "refresh_token");
    assert_eq!(seen.form(), pairs(&[("client_id", "id"), ("client_secret", "shh"), ("token", "r0"), hint]));
    assert_eq!(seen.header("authorization"), None);
}

#[tokio::test]
async fn an_odd_introspection_never_ends_a_grant() {
    let refused = r#"{"status":"BAD_REFRESH_TOKEN","error":"invalid_grant","message":"x"}"#;
    let gone = r#"{"status":"BAD_HUB","message":"missing or unknown hub id","error":"access_denied"}"#;
    let (inactive, client) = (r#"{"active":false}"#, r#"{"status":"BAD_CLIENT_SECRET","message":"x"}"#);
    for (status, body, verdict) in [
        (200, "", Verdict::Transient),
        (200, "{}", Verdict::Transient),
        (200, "<html>hello</html>", Verdict::Transient),
        (200, r#"{"active":"false"}"#, Verdict::Transient),
        (200, r#"{"active":0}"#, Verdict::Transient),
        (200, r#"{"active":null}"#, Verdict::Transient),
        (200, r#"{"active":false,"active":true}"#, Verdict::Transient),
        (200, r#"{"status":"error","message":"x"}"#, Verdict::Transient),
        (400, refused, Verdict::Rejected),
        (400, gone, Verdict::Rejected),
        (400, inactive, Verdict::Transient),
        (401, "", Verdict::Transient),
        (429, inactive, Verdict::Transient),
        (477, inactive, Verdict::Transient),
        (500, inactive, Verdict::Transient),
        (302, inactive, Verdict::OperatorFault),
        (400, client, Verdict::OperatorFault),
    ] {
        let failure = Fake::answering(&[(status, body)]).await.providers().introspect(Hubspot, &secret("r0")).await;
        assert_eq!(failure.unwrap_err().verdict, verdict, "{status} {body}");
    }
}

#[tokio::test]
async fn only_the_providers_own_yes_gives_a_grant_back() {
    let page = "<html><title>We'll be right back</title></html>";
    let cases = [
        (200, "{}", true),
        (200, " ", true),
        (204, "", true),
        (200, page, false),
        (503, page, false),
        (302, "", false),
    ];
    for (status, body, given_back) in cases {
        let fake = Fake::answering(&[(status, body)]).await;
        for provider in [Quickbooks, Hubspot] {
            let told = fake.providers().revoke(provider, &secret("r0")).await;
            assert_eq!(told.is_ok(), given_back, "{provider} {status} {body:?}: {told:?}");
            assert!(
                told.is_ok() || told.is_err_and(|failure| failure.verdict != Verdict::Rejected),
                "{status} {body:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_owner_is_sent_with_scopes_state_and_redirect() {
    let providers = providers(&Url::parse("https://intuit.example").unwrap());
    let url = providers.authorize_url(Quickbooks, "s t", &callback()).unwrap();
    assert_eq!((url.host_str(), url.path()), (Some("intuit.example"), "/authorize"));
    let mut query: Vec<_> = url.query_pairs().into_owned().collect();
    query.sort();
    let expected = [
        ("client_id", "id"),
        ("redirect_uri", "https://lamp.example/callback"),
        ("response_type", "code"),
        ("scope", "one two"),
        ("state", "s t"),
    ];
    assert_eq!(query, pairs(&expected));
}

#[tokio::test]
async fn a_failure_carries_verdict_evidence_and_pause_but_no_token() {
    let body = r#"{"error":"invalid_grant","refresh_token":"RT1-leak"}"#;
    let headers = vec![("intuit_tid", "1-xyz"), ("retry-after", "7")];
    let intuit = Fake::with(vec![(400, headers, body.into())]).await;
    let failure = intuit.providers().refresh(Quickbooks, &secret("RT1-spent")).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Lapsed(Cause::Revoked));
    assert_eq!((failure.status, failure.code.as_deref()), (Some(400), Some("invalid_grant")));
    assert_eq!(failure.correlation_id.as_deref(), Some("1-xyz"));
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    let shown = format!("{failure} {failure:?}");
    assert!(!shown.contains("RT1"), "{shown}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake = Fake::with(vec![(307, vec![("location", "/elsewhere")], String::new())]).await;
    let failure = fake.providers().refresh(Quickbooks, &secret("r0")).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::OperatorFault);
    assert_eq!(fake.only().path, "/token");
}

#[tokio::test]
async fn an_html_success_is_an_open_outcome_and_goes_out_once() {
    let fake = Fake::answering(&[(200, "<html>hello</html>")]).await;
    let failure = fake.providers().refresh(Hubspot, &secret("r0")).await.unwrap_err();
    assert_eq!((failure.verdict, failure.rule), (Verdict::OutcomeUnknown, "reply_unusable"));
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn nobody_listening_means_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let failure = providers(&base).refresh(Quickbooks, &secret("r0")).await.unwrap_err();
    assert_eq!((failure.verdict, failure.rule), (Verdict::Transient, "not_reached"));
}

#[tokio::test]
async fn a_connection_cut_after_sending_leaves_the_outcome_open() {
    for reply in ["", "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"access_token\":\"a1\""] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let providers = providers(&base);
        let token = secret("r0");
        let cut = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4096];
            assert!(socket.read(&mut bytes).await.unwrap() > 0);
            socket.write_all(reply.as_bytes()).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(providers.refresh(Quickbooks, &token), cut);
        let failure = outcome.unwrap_err();
        assert_eq!((failure.verdict, failure.rule), (Verdict::OutcomeUnknown, "reply_lost"), "{reply:?}");
    }
}

#[tokio::test]
async fn a_deadline_after_sending_leaves_the_outcome_open() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let http = HttpOptions {
        spend_deadline: Duration::from_millis(300),
        api_deadline: Duration::from_millis(300),
        company_limits: no_limits(),
    };
    let providers = Providers::new(http, Some(settings(&base)), None).unwrap();
    // The kernel accepts the connection; nobody ever answers on it.
    let failure = providers.refresh(Quickbooks, &secret("r0")).await.unwrap_err();
    assert_eq!((failure.verdict, failure.rule), (Verdict::OutcomeUnknown, "reply_lost"));
    let api = providers.quickbooks().unwrap();
    let failure = api.company_info(&secret("a"), "1").await.unwrap_err();
    assert_eq!((failure.verdict, failure.rule), (Verdict::Transient, "read_interrupted"));
    assert!(providers.hubspot().is_none());
    let failure = providers.refresh(Hubspot, &secret("r0")).await.unwrap_err();
    assert_eq!((failure.verdict, failure.rule), (Verdict::OperatorFault, "not_configured"));
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_at_the_start() {
    let mut odd = settings(&Url::parse("https://intuit.example").unwrap());
    odd.token_url = Url::parse("mailto:someone@example.com").unwrap();
    let http = HttpOptions {
        spend_deadline: Duration::from_secs(1),
        api_deadline: Duration::from_secs(1),
        company_limits: no_limits(),
    };
    let error = Providers::new(http, Some(odd), None).unwrap_err().to_string();
    assert!(error.contains("quickbooks: token_url is `mailto:"), "{error}");
}

#[tokio::test]
async fn a_reply_too_large_to_read_is_no_reply() {
    let fake = Fake::with(vec![(200, vec![], "x".repeat(9 * 1024 * 1024))]).await;
    let failure = fake.providers().refresh(Hubspot, &secret("r0")).await.unwrap_err();
    assert_eq!((failure.verdict, failure.rule), (Verdict::OutcomeUnknown, "reply_lost"));
}
