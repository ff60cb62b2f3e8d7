//! What is handed out to watch a deployment with, `docs/grafana.json` and `docs/alerts.yml`, against what `/metrics` says: a
//! panel or a rule that speaks of something that is not there stays empty for ever, and nobody hears of it.

use std::collections::{BTreeMap, BTreeSet};

use lamplighter::provider::Provider;
use serde_json::Value;

use super::machines::{Family, families, get};
use crate::harness::{HUB, TestApp, minutes};

const DASHBOARD: &str = include_str!("../../../docs/grafana.json");
const RULES: &str = include_str!("../../../docs/alerts.yml");

/// What a scrape shows: the names of samples, and the values of each one's labels.
struct Shown {
    families: BTreeMap<String, Family>,
    labels: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Shown {
    /// With every kind of sample in it.
    async fn by(app: &TestApp) -> Self {
        let families = families(&get(app, "/metrics").await.body);
        let mut labels: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (name, family) in &families {
            let suffixes: &[&str] = match family.kind.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_sum", "_count", "_bucket"],
                _ => &[""],
            };
            for suffix in suffixes {
                let known = labels.entry(format!("{name}{suffix}")).or_default();
                for sample in family.samples.keys() {
                    let (part, pairs) = match family.kind.as_str() {
                        "histogram" => sample.split_once(' ').unwrap(),
                        _ => ("", sample.as_str()),
                    };
                    if part.is_empty() || part == *suffix {
                        for (label, value) in matchers(pairs) {
                            known.entry(label).or_default().insert(value);
                        }
                    }
                }
            }
        }
        Self { families, labels }
    }
}

/// The labels and values of `a="x",b=~"y|z"`.
fn matchers(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for pair in text.split_inclusive("\",").filter(|pair| !pair.is_empty()) {
        let (label, values) = pair.split_once('=').unwrap_or_else(|| panic!("{pair}"));
        let values = values.trim_start_matches('~').trim_end_matches(',').trim_matches('"');
        found.extend(values.split('|').map(|value| (label.trim_end_matches('!').to_owned(), value.to_owned())));
    }
    found
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The metrics of an expression, each with its matchers.
fn selectors(expression: &str) -> Vec<(&str, Vec<(String, String)>)> {
    expression
        .match_indices("lamplighter_")
        .map(|(at, _)| {
            let name = expression[at..].split(|c| !word(c)).next().unwrap();
            let behind = &expression[at + name.len()..];
            let inside = behind.strip_prefix('{').map_or("", |inside| inside.split('}').next().unwrap());
            (name, matchers(inside))
        })
        .collect()
}

/// What an expression groups by.
fn grouped(expression: &str) -> BTreeSet<&str> {
    let groups = expression.split("by (").skip(1).map(|rest| rest.split(')').next().unwrap());
    groups.flat_map(|group| group.split(',')).map(str::trim).collect()
}

/// The labels that a text for people puts in.
fn spoken<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    text.split(before).skip(1).map(|rest| rest.trim_start().split(|c| !word(c)).next().unwrap()).collect()
}

/// Expression and legend of every panel.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().clone();
    assert!(panels.iter().all(|panel| panel["description"].is_string()), "each panel says what it shows");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| (text(&target["expr"]), text(&target["legendFormat"])))
        .collect()
}

/// Expression and words of every rule.
fn rules() -> Vec<(String, String)> {
    let rules = RULES.split("- alert: ").skip(1).map(|rule| {
        for there in ["expr: ", "severity: ", "summary: ", "description: ", "remedy: "] {
            assert_eq!(rule.matches(there).count(), 1, "{there} in {rule}");
        }
        let (_, expression) = rule.split_once("expr: ").unwrap();
        let end = ["for: ", "labels: "].into_iter().filter_map(|next| expression.find(next)).min().unwrap();
        let (expression, words) = expression.split_at(end);
        (expression.trim_start_matches(">-").trim().to_owned(), words.to_owned())
    });
    rules.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_and_the_alert_rules_speak_of_metrics_that_there_are() {
    let (app, _) = TestApp::connected().await;
    app.sandbox.revoke(Provider::Hubspot, HUB);
    app.advance(minutes(40));
    app.app.keeper.round().await.unwrap();
    app.mails(1).await;
    let shown = Shown::by(&app).await;
    let sql =
        "select string_agg(pg_get_constraintdef(oid), ' ') from pg_constraint where conrelid = 'alerts'::regclass";
    let kinds: String = sqlx::query_scalar(sql).fetch_one(&app.app.pool).await.unwrap();

    let (panels, rules) = (panels(), rules());
    assert!(panels.len() >= 20 && rules.len() >= 10, "{} {}", panels.len(), rules.len());
    for (expression, _) in panels.iter().chain(&rules) {
        let selected = selectors(expression);
        assert!(!selected.is_empty(), "{expression}");
        let mut labels = BTreeSet::from(["le"]);
        for (name, matchers) in &selected {
            let known = shown.labels.get(*name).unwrap_or_else(|| panic!("{name} is not in /metrics"));
            labels.extend(known.keys().map(String::as_str));
            for (label, value) in matchers {
                let values = known.get(label).unwrap_or_else(|| panic!("{name} has no label {label}: {expression}"));
                // Of kinds of alerts only those are shown of which one is open.
                let is_kind = label == "kind" && kinds.contains(&format!("'{value}'"));
                assert!(is_kind || values.contains(value), "{name} has no {label} {value}: {values:?}");
            }
        }
        assert!(grouped(expression).is_subset(&labels), "{expression} groups by what is not there: {labels:?}");
        assert_eq!(expression.matches('(').count(), expression.matches(')').count(), "{expression}");
    }
    for (expression, legend) in &panels {
        assert!(spoken(legend, "{{").is_subset(&grouped(expression)), "{legend} of {expression}");
    }
    for (expression, words) in &rules {
        assert!(spoken(words, "$labels.").is_subset(&grouped(expression)), "{words} of {expression}");
    }
    // Whatever is exposed says what it is, and stands on the dashboard in some form.
    for (name, family) in &shown.families {
        assert!(!family.help.trim().is_empty(), "{name} says nothing of itself");
        assert!(DASHBOARD.contains(name.as_str()), "{name} is not on the dashboard");
    }
}
