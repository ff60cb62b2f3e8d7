//! A fault of our own as its mail tells of it, from the row that the keeper writes.

use serde_json::json;
use uuid::Uuid;

use super::*;

fn fault(rule: &str, message: &str) -> Alert {
    let opened_at = "2026-11-21T22:30:00Z".parse().unwrap();
    Alert {
        id: Uuid::from_u128(7),
        incident: format!("operator_fault/quickbooks/{rule}"),
        kind: Kind::OperatorFault,
        connection_id: None,
        provider: Some(Provider::Quickbooks),
        detail: json!({ "rule": rule, "status": 401, "code": "invalid_client", "message": message,
            "correlation_id": "1-628f0be4-3c9d5a" }),
        opened_at,
        resolved_at: None,
        resolved_by: None,
        acknowledged_at: None,
        acknowledged_by: None,
        snoozed_until: None,
        snoozed_by: None,
        subject: None,
        account: None,
    }
}

fn told(alert: &Alert, met: u64) -> Rendered {
    to_operator(alert, mails::Step::Opened, Resting::default(), met, alert.opened_at).unwrap()
}

#[test]
fn a_fault_of_our_own_is_told_with_what_met_it_and_what_to_do() {
    let message = "the token endpoint of QuickBooks does not accept our client id and secret; check both in \
                   providers.quickbooks, and that they belong to the configured environment";
    insta::assert_snapshot!(told(&fault("client_refused", message), 3).text);
}

#[test]
fn each_rule_has_a_remedy_of_its_own() {
    let rules = [
        "client_refused",
        "settings_refused",
        "scopes_not_asked_for",
        "issued_to_another_app",
        "redirected",
        "certificate_refused",
        "not_configured",
        "a_rule_of_tomorrow",
    ];
    let first_step = |rule| {
        let text = told(&fault(rule, "it does not work"), 1).text;
        let step: Vec<_> = text.lines().skip_while(|line| !line.starts_with("  1. ")).take(2).collect();
        step.join(" ")
    };
    let steps: std::collections::HashSet<_> = rules.into_iter().map(first_step).collect();
    assert_eq!(steps.len(), rules.len(), "{steps:?}");
}
