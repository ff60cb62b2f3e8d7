//! The pages themselves and what machines read: headers, the status page, health, metrics.

mod machines;
mod rules;
mod status;

use lamplighter::provider::Provider;
use reqwest::{Client, Method, StatusCode, header, redirect};
use url::Url;

use crate::harness::TestApp;

/// What a server answered, redirects not followed.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) body: String,
    pub(crate) at: Url,
}

impl Answer {
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).expect("the header is there").to_str().unwrap()
    }

    /// Where it leads.
    pub(crate) fn location(&self) -> Url {
        self.at.join(self.header(header::LOCATION)).unwrap()
    }

    /// Where the page's one button leads.
    pub(crate) fn button(&self) -> Url {
        let (_, rest) = self.body.split_once("class=\"button\" href=\"").expect("the page has a button");
        self.at.join(rest.split_once('"').unwrap().0).unwrap()
    }
}

/// One request of a client without cookies.
pub(crate) async fn ask(method: Method, url: &Url, headers: &[(&'static str, &str)]) -> Answer {
    // Another test may have installed it first; either way it is there.
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().tls_certs_only([]).build().unwrap();
    let mut request = client.request(method, url.clone());
    for (name, value) in headers {
        request = request.header(*name, value.as_bytes());
    }
    let reply = request.send().await.unwrap();
    let (status, headers) = (reply.status(), reply.headers().clone());
    Answer { status, headers, body: reply.text().await.unwrap(), at: url.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_keeps_scripts_out_and_stays_in_no_cache() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let link = app.link(&account, Provider::Quickbooks);
    let paths = [
        ("/", StatusCode::OK),
        (link.path(), StatusCode::SEE_OTHER),
        ("/connect/nonsense", StatusCode::NOT_FOUND),
        ("/connect/%FF", StatusCode::NOT_FOUND),
        ("/oauth/quickbooks/callback", StatusCode::BAD_REQUEST),
        ("/oauth/quickbooks/callback?code=1&code=2", StatusCode::BAD_REQUEST),
        ("/oauth/nobody/callback", StatusCode::NOT_FOUND),
        ("/oauth/%FF/callback", StatusCode::NOT_FOUND),
        ("/nowhere/at/all", StatusCode::NOT_FOUND),
        ("/healthz", StatusCode::OK),
        ("/readyz", StatusCode::OK),
        ("/metrics", StatusCode::OK),
        ("/assets/style.css", StatusCode::OK),
        ("/assets/other.css", StatusCode::NOT_FOUND),
    ];
    for (path, status) in paths {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let answer = ask(method.clone(), &app.url(path), &[]).await;
            let policy = answer.header(header::CONTENT_SECURITY_POLICY);
            assert!(policy.starts_with("default-src 'none';"), "{path}: {policy}");
            assert!(
                policy.contains("style-src 'self';") && policy.contains("frame-ancestors 'none'"),
                "{path}: {policy}"
            );
            // Only the dashboard has a script, which is ours.
            let script = if path == "/" { 1 } else { 0 };
            assert_eq!(policy.matches("script-src 'self';").count(), script, "{path}: {policy}");
            assert!(!policy.contains("unsafe"), "{path}: {policy}");
            assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
            assert_eq!(answer.header(header::REFERRER_POLICY), "no-referrer", "{path}");
            let style = path == "/assets/style.css" && method != Method::POST;
            let cache = if style { "public, max-age=3600" } else { "no-store" };
            assert_eq!(answer.header(header::CACHE_CONTROL), cache, "{path}");
            if method == Method::GET {
                assert_eq!(answer.status, status, "{path}");
                let html =
                    answer.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/html; charset=utf-8");
                assert_eq!(html, answer.body.starts_with("<!doctype html>"), "{path} is what it says");
                let machines = ["/healthz", "/readyz", "/metrics", "/assets/style.css"].contains(&path);
                assert!(html || machines || status.is_redirection(), "{path} is a page for people");
                assert_eq!(answer.body.matches("<script").count(), script, "{path}");
                assert!(!answer.body.contains(" style="), "{path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stylesheet_is_served_and_every_page_finds_it() {
    let app = TestApp::start().await;
    let style = ask(Method::GET, &app.url("/assets/style.css"), &[]).await;
    assert_eq!(style.header(header::CONTENT_TYPE), "text/css; charset=utf-8");
    assert!(style.body.contains("body") && style.body.contains('{'));
    for path in ["/", "/nowhere"] {
        let page = ask(Method::GET, &app.url(path), &[]).await;
        assert!(page.body.contains("<link rel=\"stylesheet\" href=\"/assets/style.css\">"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_has_the_headers_and_no_body() {
    let app = TestApp::start().await;
    for path in ["/", "/healthz", "/assets/style.css", "/nowhere"] {
        let url = app.url(path);
        let (get, head) = (ask(Method::GET, &url, &[]).await, ask(Method::HEAD, &url, &[]).await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.headers.get(header::CONTENT_TYPE), get.headers.get(header::CONTENT_TYPE), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_to_so_other_methods_are_refused() {
    let app = TestApp::start().await;
    let account = app.account("Harbor Books").await;
    let link = app.link(&account, Provider::Quickbooks);
    for path in ["/", link.path(), "/oauth/quickbooks/callback", "/healthz", "/metrics", "/assets/style.css"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            let refused = ask(method.clone(), &app.url(path), &[]).await;
            assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(refused.header(header::ALLOW), "GET,HEAD", "{method} {path}");
        }
    }
    assert_eq!(app.count("select count(*) from oauth_states").await, 0);
}
