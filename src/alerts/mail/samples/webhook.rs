//! Mails about services of the operator's own.

use super::{WebhookGivenUp, WebhookTakes, at};

const ID: &str = "019aa8f0-0000-7000-8000-0000000000aa";

#[test]
fn a_service_that_takes_nothing_and_takes_again() {
    let given_up = WebhookGivenUp {
        host: "erp.operator.example",
        id: ID,
        event: "order.posted",
        words: "it answered 503",
        given_up_at: at("2026-11-21T22:30:00Z"),
    };
    let (since, until) = (given_up.given_up_at, at("2026-11-22T08:05:00Z"));
    let takes = WebhookTakes { host: given_up.host, id: ID, since, until }.render().unwrap();
    let given_up = given_up.render().unwrap();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("webhook_given_up", format!("{}\n\n{}", given_up.subject, given_up.text));
        insta::assert_snapshot!("webhook_takes", format!("{}\n\n{}", takes.subject, takes.text));
    });
    assert!(!given_up.html.contains("http://") && !given_up.html.contains("<img"), "{}", given_up.html);
}
