//! A rule's plain words, by the name under which the ledger and the evidence keep it. Those of the providers' verdicts stand
//! with the verdicts; only what the keeper itself decides is said here.

use crate::provider::{Provider, rule_words};

/// What the rule means.
pub fn words(provider: Provider, operation: &str, rule: &str) -> String {
    let own = match rule {
        "vault" => {
            "the stored token does not open: its vault key is missing, or the row is damaged; put the key back into \
             vault.keys_file"
        }
        "lease_ran_out" => {
            "whoever spent the token ended before it could write down what came of it; the same token is tried again, alone"
        }
        "issued_to_another_app" => {
            "the tokens were issued to another app or environment than the one that is configured; set the old client id \
             and environment again, or let the owner reconnect"
        }
        "spooled" => "the reply waited on disk until the database was back",
        "claim_grew_old" => "the claim grew too old before it was spent: nothing was sent",
        "restore_fence" => "the database looks restored or copied: nothing was sent",
        "took_too_long" => "the provider took longer than half of orders.lease",
        _ => return rule_words(provider, operation, rule).unwrap_or_else(|| format!("the rule {rule} met")),
    };
    own.to_owned()
}
