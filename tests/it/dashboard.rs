//! The operator's dashboard: who comes in, what forms must prove, and what the deeds do.

pub(crate) mod alerts;
mod deeds;
mod proxies;
mod refusals;
mod sign_in;

use lamplighter::store::operators::{self, Operator, Role};
use reqwest::{Method, StatusCode, header};
use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    harness::TestApp,
    pages::{Answer, ask},
};

pub(crate) const PASSWORD: &str = "four random words here";

/// Somebody with a browser.
pub(crate) struct Browser<'a> {
    pub(crate) app: &'a TestApp,
    cookie: String,
}

impl TestApp {
    /// Lets somebody in.
    pub(crate) async fn operator(&self, name: &str, role: Role) -> Operator {
        let operator = Operator { id: Uuid::now_v7(), name: name.to_owned(), role };
        let hash = lamplighter::operators::hash_password(&SecretString::from(PASSWORD)).unwrap();
        assert!(operators::add(&mut *self.conn().await, &operator, Some(&hash), self.clock.now()).await.unwrap());
        operator
    }

    /// The one id that a query finds.
    pub(crate) async fn id(&self, sql: &'static str) -> Uuid {
        sqlx::query_scalar(sql).fetch_one(&self.app.pool).await.unwrap()
    }

    /// Somebody who has signed in.
    pub(crate) async fn browser(&self, name: &str, role: Role) -> Browser<'_> {
        self.operator(name, role).await;
        let answer = self.sign_in(name, PASSWORD, &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        Browser { app: self, cookie: cookie_of(&answer) }
    }

    /// Tries a name and a password.
    pub(crate) async fn sign_in(&self, name: &str, password: &str, headers: &[(&'static str, &str)]) -> Answer {
        post(self, "/sign-in", &[("name", name), ("password", password), ("next", "/orders")], headers).await
    }
}

/// The session's cookie, without what the browser alone reads.
pub(crate) fn cookie_of(answer: &Answer) -> String {
    answer.header(header::SET_COOKIE).split(';').next().unwrap().to_owned()
}

/// Sends a form.
pub(crate) async fn post(
    app: &TestApp,
    path: &str,
    fields: &[(&str, &str)],
    headers: &[(&'static str, &str)],
) -> Answer {
    let none = reqwest::redirect::Policy::none();
    let client = reqwest::Client::builder().redirect(none).no_proxy().tls_certs_only([]).build().unwrap();
    let url = app.url(path);
    let mut request = client.post(url.clone()).form(fields);
    for (name, value) in headers {
        request = request.header(*name, value.as_bytes());
    }
    let reply = request.send().await.unwrap();
    let (status, headers) = (reply.status(), reply.headers().clone());
    Answer { status, headers, body: reply.text().await.unwrap(), at: url }
}

impl Browser<'_> {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        ask(Method::GET, &self.app.url(path), &[("cookie", &self.cookie)]).await
    }

    /// The proof that a page's forms carry.
    pub(crate) async fn token(&self, path: &str) -> String {
        let page = self.get(path).await.body;
        let (_, rest) = page.split_once(r#"name="form_token" value=""#).expect("the page has a form");
        rest.split('"').next().unwrap().to_owned()
    }

    /// Fills in a form of the page `at` and follows where it leads; the page says what came of it.
    pub(crate) async fn submit(&self, at: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token(at).await;
        let mut all = vec![("form_token", token.as_str())];
        all.extend_from_slice(fields);
        let answer = post(self.app, path, &all, &[("cookie", &self.cookie)]).await;
        if answer.status != StatusCode::SEE_OTHER {
            return answer;
        }
        let to = answer.header(header::LOCATION);
        let said =
            answer.headers.get(header::SET_COOKIE).map(|value| value.to_str().unwrap().split(';').next().unwrap());
        let cookies = [Some(self.cookie.as_str()), said].into_iter().flatten().collect::<Vec<_>>().join("; ");
        let to = self.app.url("/").join(to).unwrap();
        ask(Method::GET, &to, &[("cookie", &cookies)]).await
    }
}
